#!/usr/bin/env python3
# builds: dev
# timeout: 90
"""After a replacement has been acknowledged no front serves the old answer, whatever it kept ready.

An authority of the test's own changes its mind while readers ask both fronts without a
pause. A record is replaced long before its TTL ends: what the file holds of it is spoilt
by hand, and one front is started anew, so that this one asks again and the answer is
stored, while the other one still has the old answer ready. Then the same with a keeper
that is killed: what changed in the file and was not announced is found all the same.
"""
import contextlib
import multiprocessing
import os
import select
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
import load

AUTHORITY = ("127.0.0.77", 5377)
NAMES = [f"n{n}.changing." for n in range(20)]
TTL_S = 600
SOCKETS = 16
ROUNDS = 4
COMMIT_S = 1.2
ACK_S = 6.0
GRACE_S = 0.1           # from the counted commit to what is announced
WATCHED_S = 1.0
RESOLVER = f"""query-loopback: yes
stub-zones: [{{name: changing., servers: ["{AUTHORITY[0]}@{AUTHORITY[1]}"]}}]
negative-trust-anchors: [{{name: changing.}}]"""


def serve_authority(version, port_is_open):
    """changing.: every address in it is the version."""
    door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    door.bind(AUTHORITY)
    port_is_open.set()
    while True:
        message, peer = door.recvfrom(4096)
        end = 12
        while message[end] != 0:
            end += 1 + message[end]
        rrtype = struct.unpack_from("!H", message, end + 1)[0]
        is_address = rrtype == dnswire.TYPES["A"] and end > 12 + 9
        reply = message[:2] + struct.pack("!5H", 0x8400, 1, 1 if is_address else 0, 0 if is_address else 1, 0)
        reply += message[12:end + 5]
        if is_address:
            reply += struct.pack("!HHHIHI", 0xC00C, 1, 1, TTL_S, 4, 0x0A000000 + version.value)
        else:
            rdata = b"\0\0" + struct.pack("!5I", 1, 3600, 600, 86400, 60)
            reply += dnswire.wire_name("changing.") + struct.pack("!HHIH", 6, 1, 60, len(rdata)) + rdata
        door.sendto(reply, peer)


def version_in(message):
    """None where it is no answer with an address."""
    if struct.unpack_from("!H", message, 2)[0] & 15 != 0 or struct.unpack_from("!H", message, 6)[0] == 0:
        return None
    reply = dnswire.parse(message)
    return struct.unpack("!I", reply.answer[0].rdata)[0] - 0x0A000000


class Readers(threading.Thread):
    """Ask all names on each socket in turn, one question in flight a socket, and never sleep."""

    def __init__(self):
        super().__init__(daemon=True)
        self.questions = [dnswire.question(name, "A", n) for n, name in enumerate(NAMES)]
        self.sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(SOCKETS)]
        self.floor, self.running, self.waiting = 0, True, {}
        self.answered, self.old, self.back, self.newest = [0] * SOCKETS, [], [], {}
        for s in self.sockets:
            s.connect(("127.0.0.1", 53))
            s.setblocking(False)

    def ask(self, i, turn):
        self.waiting[i] = (turn % len(NAMES), time.monotonic(), self.floor)
        with contextlib.suppress(OSError):
            self.sockets[i].send(self.questions[turn % len(NAMES)])

    def take(self, i, message):
        name, _, floor = self.waiting[i]
        if struct.unpack_from("!H", message)[0] != name:
            return False
        version = version_in(message)
        if version is not None:
            self.answered[i] += 1
            if version < floor:
                self.old.append((i, NAMES[name], version, floor))
            if version < self.newest.get((i, name), 0):
                self.back.append((i, NAMES[name], version, self.newest[i, name]))
            self.newest[i, name] = max(version, self.newest.get((i, name), 0))
        return True

    def run(self):
        poll = select.poll()
        self.by_fd = {s.fileno(): i for i, s in enumerate(self.sockets)}
        turn = list(range(len(self.sockets)))
        for i, s in enumerate(self.sockets):
            poll.register(s.fileno(), select.POLLIN)
            self.ask(i, turn[i])
        while self.running:
            for fd, _ in poll.poll(50):
                i = self.by_fd[fd]
                with contextlib.suppress(OSError):
                    if self.take(i, self.sockets[i].recv(4096)):
                        turn[i] += 1
                        self.ask(i, turn[i])
            now = time.monotonic()
            for i in [i for i, (_, since, _) in self.waiting.items() if now - since > 1]:
                turn[i] += 1
                self.ask(i, turn[i])

    def give_up(self, i):
        """A socket for other use; before it runs."""
        return self.sockets.pop(i)

    def front_of(self, fairlead):
        """Which front each socket comes to; before it runs."""
        found = []
        for s in self.sockets:
            before = fairlead.counters()
            for question in self.questions * 2:
                s.send(question)
            house.wait_for(1, lambda: fairlead.count("questions_udp", "front") - sum(
                before[f].get("questions_udp", 0) for f in ("front 0", "front 1")) >= 40)
            after = fairlead.counters()
            grown = [after[f].get("questions_udp", 0) - before[f].get("questions_udp", 0) for f in ("front 0", "front 1")]
            found.append(grown.index(max(grown)))
            with contextlib.suppress(BlockingIOError):
                while True:
                    s.recv(4096)
        return found


def spoil(fairlead):
    """What the file holds of the names is of no use any more; how many were found."""
    file = next((fairlead.state / "cache").glob("*/data.mdb"))
    found = set()
    with open(file, "r+b") as out:
        octets = out.read()
        for name in NAMES:
            wire, at = dnswire.wire_name(name), -1
            while (at := octets.find(wire, at + 1)) >= 0:
                out.seek(at + 1)
                out.write(b"#")
                found.add(name)
    return len(found)


def stored_everywhere(source, version):
    """Is each name's new answer in the file, as the front that this socket comes to reads it?"""
    seen = set()
    for n, name in enumerate(NAMES):
        with contextlib.suppress(OSError):
            source.send(dnswire.question(name, "A", n, rd=False))
    end = time.monotonic() + 0.2
    while len(seen) < len(NAMES) and time.monotonic() < end:
        with contextlib.suppress(OSError):
            message = source.recv(4096)
            if version_in(message) == version:
                seen.add(struct.unpack_from("!H", message)[0])
    return len(seen) == len(NAMES)


def change(fairlead, version):
    """The authority has changed its mind, and neither file nor resolver knows the old answer."""
    time.sleep(COMMIT_S)
    version.value += 1
    spoilt = spoil(fairlead)
    gone = fairlead.kill("resolver 0")
    house.wait_for(5, lambda: fairlead.is_back("resolver 0", gone))
    return spoilt


def expect_new(title, fairlead, readers, version, why):
    """From now on, no question may be answered with an old version."""
    before, old, back = sum(readers.answered), len(readers.old), len(readers.back)
    readers.floor = version.value
    time.sleep(WATCHED_S)
    answered = sum(readers.answered) - before
    lab.expect(f"{title}: no front serves the old answer", len(readers.old) == old and answered > 1000,
               f"{answered} answers, old: {readers.old[old:old + 5]}, {len(readers.old) - old} of them; {why}\n{fairlead.said()[-600:]}")
    lab.expect(f"{title}: no front went back to an older one", len(readers.back) == back == 0, readers.back[:5])


def check_replaced(fairlead, readers, probe, version):
    for number in range(ROUNDS):
        title = f"replaced, round {number + 1}"
        spoilt = change(fairlead, version)
        lab.expect(f"{title}: the file held all names", spoilt == len(NAMES), spoilt)
        gone = fairlead.kill("front 1")
        house.wait_for(5, lambda: fairlead.is_back("front 1", gone))
        took = house.wait_for(ACK_S, lambda: stored_everywhere(probe, version.value))
        lab.expect(f"{title}: the new answers are stored", took is not None, fairlead.counters())
        # a batch may come to the file in parts; the next commit that the keeper counts announces all of it
        commits = fairlead.count("commits", "keeper")
        acknowledged = house.wait_for(3, lambda: fairlead.count("commits", "keeper") > commits)
        lab.expect(f"{title}: and acknowledged", acknowledged is not None, fairlead.counters()["keeper 0"])
        time.sleep(GRACE_S)
        expect_new(title, fairlead, readers, version, f"{took} {acknowledged}")


def check_killed(fairlead, readers, version):
    for number in range(ROUNDS):
        title = f"a keeper killed, round {number + 1}"
        change(fairlead, version)
        gone = fairlead.kill("keeper 0")
        house.wait_for(5, lambda: fairlead.is_back("keeper 0", gone))
        time.sleep(GRACE_S)
        expect_new(title, fairlead, readers, version, "")


def main():
    inside = lab.Lab()
    with inside:
        inside.enter()
        version, is_open = multiprocessing.Value("i", 1), multiprocessing.Event()
        authority = multiprocessing.Process(target=serve_authority, args=(version, is_open), daemon=True)
        authority.start()
        is_open.wait(5)
        names = inside.tmp / "names"
        with open(inside.dir / "queries.txt", encoding="ascii") as file:
            names.write_text("".join(file.readlines()[:100]))
        with house.House(inside, house.config(fronts=2, resolver=RESOLVER), tempfile.mkdtemp(dir=inside.tmp)) as fairlead, \
                load.Load(names, rate=2000, sockets=16) as generator:
            first = dnswire.ask_all([(name, "A") for name in NAMES])
            lab.expect("the names of the test's own authority are answered", all(
                r is not None and r.rcode == "NOERROR" and r.answer for r in first), first[:2])
            readers = Readers()
            fronts = readers.front_of(fairlead)
            lab.expect("readers come to both fronts", set(fronts) == {0, 1}, fronts)
            probe = readers.give_up(fronts.index(1) if 1 in fronts else 0)
            generator.go()
            readers.start()
            time.sleep(COMMIT_S)
            check_replaced(fairlead, readers, probe, version)
            check_killed(fairlead, readers, version)
            readers.running = False
            readers.join()
            print(f"# {sum(readers.answered)} answers read, {generator.end()['answered']} more as load, "
                  f"ready hits {fairlead.count('ready_hits', 'front')}", flush=True)
        authority.terminate()
        authority.join()
    lab.finish()


main()
