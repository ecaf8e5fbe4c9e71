#!/usr/bin/env python3
# builds: dev
# timeout: 120
"""What waits in a front costs little and is not lost, whatever it waits for.

Long questions by the thousand, a resolver that stalls or cannot be reached, a cache
that cannot be opened or read for a while: the others are answered meanwhile, and
nothing that is sound is thrown away.
"""
import os
import resource
import signal
import socket
import struct
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import dnswire
import house
import lab

LIMITED = "limits: {{resolver: {resolver}, zone: {zone}, client: 100}}"
ROOM_KIB = 64 * 1024  # what a flood may add to a front
COMMIT_S = 1.2
FLOOD_S = 3
BOGUS = "www.expired.broken."


def running(inside, resolvers=1, size="64MiB", more=""):
    text = house.config(fronts=1, resolvers=resolvers, size=size, more=more)
    return house.House(inside, text, tempfile.mkdtemp(dir=inside.tmp))


def rss_kib(fairlead):
    return int(house.status_of(fairlead.roles()["front 0"], "VmRSS").split()[0])


def good(reply):
    return reply is not None and reply.rcode == "NOERROR" and reply.flags & dnswire.AD != 0


# --- memory ---

def padded(n, octets):
    """A question with so many octets of padding (RFC 7830), as it goes over TCP."""
    message = dnswire.question(f"n{n}.silent{n % 4}.down.", "A", n)[:-2]
    message += struct.pack("!HHH", octets + 4, 12, octets) + bytes(octets)
    return struct.pack("!H", len(message)) + message


def check_long_questions(inside):
    with running(inside) as fairlead:
        dnswire.ask("www.nsec.shape.")
        before = rss_kib(fairlead)
        octets = b"".join(padded(n, 60000) for n in range(100))
        streams = [socket.create_connection(("127.0.0.1", 53)) for _ in range(100)]
        sent = [0] * len(streams)
        for stream in streams:
            stream.setblocking(False)
        end = time.monotonic() + FLOOD_S
        waiting, look = 0, 0
        while time.monotonic() < end:
            if time.monotonic() >= look:  # their number falls when the first ones' time is over
                waiting, look = max(waiting, fairlead.count("in_flight", "front")), time.monotonic() + 0.5
            for i, stream in enumerate(streams):
                try:
                    sent[i] += stream.send(octets[sent[i]:sent[i] + 65536])
                except BlockingIOError:
                    pass
        waiting, grown = max(waiting, fairlead.count("in_flight", "front")), rss_kib(fairlead) - before
        lab.expect("long questions: thousands of them wait", waiting > 2000 and sum(sent) > 100 << 20,
                   f"{waiting} wait, {sum(sent) >> 20} MiB sent")
        lab.expect("long questions: the front has not grown by 64 MiB", grown < ROOM_KIB, f"{grown} KiB more")
        lab.expect("long questions: others are answered", good(dnswire.ask("www.nsec3.shape.", timeout=2)))
        for stream in streams:
            stream.close()


# --- resolvers ---

def owner_of(fairlead, name):
    """The resolver that a new name makes work for."""
    before = fairlead.counters()
    dnswire.ask(name, timeout=0.3)
    after = fairlead.counters()
    return max(("resolver 0", "resolver 1"), key=lambda r: after[r].get("ipc_received", 0)
               - before.get(r, {}).get("ipc_received", 0))


def check_stalled(inside):
    with running(inside, resolvers=2, more=LIMITED.format(resolver=32, zone=32)) as fairlead:
        zones = [f"z{n:03d}.{('alpha', 'beta', 'gamma')[n % 3]}." for n in range(12)]
        owners = {zone: owner_of(fairlead, f"own.{zone}") for zone in zones}
        stalled = owner_of(fairlead, "own.silent0.down.")
        others = [zone for zone in zones if owners[zone] != stalled]
        fairlead.kill(stalled, number=signal.SIGSTOP)
        flood = dnswire.ask_all([(f"s{n}.silent0.down.", "A") for n in range(100)], timeout=0.3)
        refused = [r for r in flood if r is not None]
        begin = time.monotonic()
        replies = dnswire.ask_all([(f"new{n}.{zone}", "A") for n, zone in enumerate(others * 2)], timeout=1)
        took = time.monotonic() - begin
        fairlead.kill(stalled, number=signal.SIGCONT)
        lab.expect("a stalled resolver: what is more than its own share is refused",
                   len(refused) in (68, 69) and all(r.ede == [(0, "resolver limit reached")] for r in refused),
                   f"{len(refused)}: {refused[:3]}")
        lab.expect("a stalled resolver: the other one's names are answered", len(others) >= 2 and all(
            r is not None and r.rcode in ("NOERROR", "NXDOMAIN") for r in replies), f"{took} {others} {replies}")


def check_unreachable(inside):
    """A resolver dies with questions, and the front can make no connection to the next one at first."""
    with running(inside) as fairlead:
        dnswire.ask("www.nsec.shape.")
        front = fairlead.roles()["front 0"]
        before = fairlead.kill("resolver 0", number=signal.SIGSTOP)
        replies = []
        names = [(f"held-{n}.wildcard.shape.", "A") for n in range(10)]
        asking = threading.Thread(target=lambda: replies.extend(dnswire.ask_all(names)))
        asking.start()
        time.sleep(0.3)
        soft, hard = resource.prlimit(front, resource.RLIMIT_NOFILE)
        resource.prlimit(front, resource.RLIMIT_NOFILE, (3, hard))
        fairlead.kill("resolver 0")
        house.wait_for(3, lambda: fairlead.is_back("resolver 0", before))
        time.sleep(0.3)
        resource.prlimit(front, resource.RLIMIT_NOFILE, (soft, hard))
        asking.join()
        lab.expect("no connection to the next resolver at first: what was in flight is answered",
                   len(replies) == 10 and all(map(good, replies)), replies)
        lab.expect("no connection at first: asked again once", fairlead.count("asked_again") == 10,
                   fairlead.counters())


# --- the cache ---

def generations(fairlead):
    return sorted(path.name for path in (fairlead.state / "cache").iterdir() if path.is_dir())


def hits(fairlead):
    """Is a stored name answered from the cache?"""
    before = fairlead.count("cache_hits")
    reply = dnswire.ask("www.nsec.shape.", timeout=1)
    return good(reply) and fairlead.count("cache_hits") > before


def stored(fairlead):
    dnswire.ask("www.nsec.shape.")
    time.sleep(COMMIT_S)
    return hits(fairlead)


def lose_slot(pid):
    """Take a front's number out of LMDB's table of readers; where it was there."""
    links = {fd: os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
    lock = next(fd for fd, link in links.items() if "lock" in link.rsplit("/", 1)[-1])
    with open(f"/proc/{pid}/fd/{lock}", "r+b") as file:
        at = file.read().find(struct.pack("=i", pid))
        if at > 0:
            file.seek(at)
            file.write(bytes(4))
    return at


def check_reader_slot(inside):
    """No transaction can be begun, and the file is not to blame."""
    # without a table of its own every answer is read from the file
    with running(inside, size="64MiB, front-size: 0") as fairlead:
        lab.expect("a reader's slot is lost: before, there are hits", stored(fairlead))
        was = generations(fairlead)
        at = lose_slot(fairlead.roles()["front 0"])
        replies = [dnswire.ask("www.nsec.shape.", timeout=1) for _ in range(5)]
        lab.expect("a reader's slot is lost: it is answered meanwhile", at > 0 and all(map(good, replies)), replies)
        took = house.wait_for(4, lambda: hits(fairlead), 0.1)
        lab.expect("a reader's slot is lost: hits are back within 3 s", took is not None and took <= 3, took)
        lab.expect("a reader's slot is lost: and nothing of the cache was", generations(fairlead) == was,
                   f"{was} {generations(fairlead)}\n{fairlead.said()[-1500:]}")


def check_no_memory(inside):
    """The file cannot be opened when the keeper says that it is there again."""
    with running(inside, size="64MiB, front-size: 0") as fairlead:
        lab.expect("no memory for the cache: before, there are hits", stored(fairlead))
        front = fairlead.roles()["front 0"]
        soft, hard = resource.prlimit(front, resource.RLIMIT_AS)
        size = int(house.status_of(front, "VmSize").split()[0]) * 1024
        resource.prlimit(front, resource.RLIMIT_AS, (size - (16 << 20), hard))
        was = fairlead.kill("keeper 0")
        house.wait_for(3, lambda: fairlead.is_back("keeper 0", was))
        failed = house.wait_for(3, lambda: fairlead.says("front 0: cannot open the cache to read"))
        lab.expect("no memory for the cache: the log says so", failed is not None, fairlead.said()[-1500:])
        resource.prlimit(front, resource.RLIMIT_AS, (soft, hard))
        took = house.wait_for(4, lambda: hits(fairlead), 0.1)
        lab.expect("no memory for the cache: hits are back within 3 s of its end", took is not None and took <= 3,
                   f"{took}\n{fairlead.said()[-1500:]}")


# --- errors ---

def check_errors(inside):
    """Failures that waited, or are stored, are limited like those that are said at once."""
    with running(inside, more="rate-limit: {errors: 5, exempt: []}") as fairlead:
        dnswire.ask("www.nsec.shape.")
        for what in ("at first", "stored"):
            replies = dnswire.ask_all([(BOGUS, "A")] * 200, sources=["127.0.0.7"], timeout=2)
            failed = sum(r is not None and r.rcode == "SERVFAIL" for r in replies)
            cut = sum(r is not None and r.flags & dnswire.TC != 0 for r in replies)
            seen, title = f"{failed} {cut}", f"a bogus name 200 times, {what}"
            lab.expect(f"{title}: a few SERVFAILs", 1 <= failed <= 15, seen)
            lab.expect(f"{title}: TC=1 for some of the others", 50 <= cut <= 100, seen)
            time.sleep(COMMIT_S)
        replies = dnswire.ask_tcp([(BOGUS, "A")] * 20)
        lab.expect("a bogus name over TCP: said each time",
                   all(r is not None and r.rcode == "SERVFAIL" for r in replies), replies)


def main():
    lab.allow_descriptors()
    inside = lab.Lab()
    with inside:
        inside.enter()
        check_long_questions(inside)
        check_stalled(inside)
        check_unreachable(inside)
        check_reader_slot(inside)
        check_no_memory(inside)
        check_errors(inside)
    lab.finish()


main()
