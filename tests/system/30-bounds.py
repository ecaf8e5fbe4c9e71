#!/usr/bin/env python3
# builds: dev
# lane: waits
# timeout: 120
"""What one client, one zone, or dead servers may take of the house, at the edge.

Each limit is set small and met exactly: as many questions wait as it says, and the
next one is refused at once by its name. Silent zones keep questions in flight.
"""
import os
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import dnswire
import house
import lab

LIMITS = "limits: {{resolver: {resolver}, zone: {zone}, client: {client}}}\n" \
         "rate-limit: {{errors: 0, exempt: [{exempt}]}}"
END_S = 4.5
SLACK_S = 0.1  # of a machine that has other work
AT_ONCE_S = 1.0
COMMIT_S = 1.2  # then what was asked is in the cache


def silent(zone, numbers, what="n"):
    return [(f"{what}{n}.silent{zone}.down.", "A") for n in numbers]


def is_refused(reply, text):
    """At once, SERVFAIL, and EDE 0 names the limit."""
    return reply is not None and reply.rcode == "SERVFAIL" and reply.seconds < AT_ONCE_S \
        and reply.ede == [(0, text)]


def has_waited(reply, codes=(22,)):
    """Ended by the deadline: SERVFAIL within 4.5 s."""
    return reply is not None and reply.rcode == "SERVFAIL" and reply.seconds <= END_S + SLACK_S \
        and any(code in codes for code, _ in reply.ede)


class Later(threading.Thread):
    """Questions asked beside what the test goes on with."""

    def __init__(self, questions, **more):
        super().__init__()
        self.questions, self.more, self.replies = questions, more, []
        self.start()

    def run(self):
        self.replies = dnswire.ask_all(self.questions, **self.more)

    def wait(self):
        self.join()
        return self.replies


def limited(inside, fronts=1, resolver=2048, zone=200, client=100, exempt=""):
    more = LIMITS.format(resolver=resolver, zone=zone, client=client, exempt=exempt)
    # a state folder of its own: what failed before is no longer remembered
    return house.House(inside, house.config(fronts=fronts, more=more), tempfile.mkdtemp(dir=inside.tmp))


def check_client(inside):
    with limited(inside, client=5) as fairlead:
        dnswire.ask("www.nsec.shape.")
        time.sleep(COMMIT_S)
        waiting = Later(silent(0, range(5)))
        time.sleep(0.5)
        sixth = dnswire.ask("n5.silent0.down.")
        other = dnswire.ask("www.nsec3.shape.", source="127.0.0.2")
        cached = dnswire.ask("www.nsec.shape.")
        same = dnswire.ask("n0.silent0.down.", source="127.0.0.1")
        lab.expect("client limit: the next question is refused by name", is_refused(sixth, "client limit reached"), sixth)
        lab.expect("client limit: one that waits already counts again", is_refused(same, "client limit reached"), same)
        lab.expect("client limit: another address is not concerned", other is not None and other.rcode == "NOERROR", other)
        lab.expect("client limit: cached answers are not concerned", cached is not None and cached.rcode == "NOERROR", cached)
        replies = waiting.wait()
        lab.expect("client limit: exactly as many wait as it says", all(map(has_waited, replies)), replies)
        lab.expect("client limit: counted", fairlead.count("limit_client") == 2, fairlead.counters())
        again = dnswire.ask("www.ed25519.algo.")
        lab.expect("client limit: afterwards there is room again", again is not None and again.rcode == "NOERROR", again)
    with limited(inside, client=5, exempt='"127.0.0.0/8"') as fairlead:
        replies = dnswire.ask_all(silent(1, range(20)))
        lab.expect("client limit: not for exempt addresses", all(map(has_waited, replies)), replies)
        lab.expect("client limit: and nothing is counted", fairlead.count("limit_client") == 0, fairlead.counters())


def check_zone(inside):
    with limited(inside, zone=8) as fairlead:
        dnswire.ask("www.nsec.shape.")
        waiting = Later(silent(0, range(8)))
        time.sleep(0.4)
        twins = Later(silent(0, range(8)), sources=["127.0.0.3"])
        time.sleep(0.3)
        ninth = dnswire.ask("n8.silent0.down.")
        deeper = dnswire.ask("a.b.c.silent0.down.")
        neighbour = Later(silent(1, range(8)))
        other = dnswire.ask("www.nsec3.shape.")
        for reply, what in ((ninth, "the next question"), (deeper, "a deeper name")):
            lab.expect(f"zone limit: {what} is refused by name", is_refused(reply, "zone limit reached"), reply)
        lab.expect("zone limit: other zones are not concerned", other is not None and other.rcode == "NOERROR", other)
        replies = waiting.wait()
        lab.expect("zone limit: exactly as many wait as it says", all(map(has_waited, replies)), replies)
        replies = twins.wait()
        lab.expect("zone limit: those that ask the same do not count", all(map(has_waited, replies)), replies)
        replies = neighbour.wait()
        lab.expect("zone limit: the next zone has its own", all(map(has_waited, replies)), replies)
        lab.expect("zone limit: counted", fairlead.count("limit_zone") == 2, fairlead.counters())
        freed = house.wait_for(25, lambda: fairlead.count("in_flight", "resolver") == 0, 0.5)
        lab.expect("zone limit: jobs end", freed is not None, fairlead.counters())
        again = Later(silent(0, range(20, 28)))
        replies = again.wait()
        lab.expect("zone limit: and as many can be asked again",
                   all(r is not None and not is_refused(r, "zone limit reached") for r in replies), replies)


def check_resolver(inside):
    for fronts in (1, 2):
        with limited(inside, fronts=fronts, resolver=12, zone=12) as fairlead:
            dnswire.ask("www.nsec.shape.")
            time.sleep(COMMIT_S)
            waiting = Later(silent(0, range(6)) + silent(1, range(6)), sources=[None] * 12)
            time.sleep(0.5)
            twins = Later(silent(1, range(6)))
            time.sleep(0.3)  # they have their places in the front before others ask for one
            more = dnswire.ask_all(silent(2, range(8)), sources=[None] * 8)
            cached = dnswire.ask("www.nsec.shape.")
            who = f"resolver limit, {fronts} front{'s' if fronts > 1 else ''}"
            lab.expect(f"{who}: the next questions are refused by name",
                       all(is_refused(r, "resolver limit reached") for r in more), more)
            lab.expect(f"{who}: cached answers are not concerned",
                       cached is not None and cached.rcode == "NOERROR", cached)
            replies = waiting.wait()
            lab.expect(f"{who}: exactly as many wait as it says", all(map(has_waited, replies)), replies)
            replies = twins.wait()
            lab.expect(f"{who}: those that ask the same do not count", all(map(has_waited, replies)), replies)
            lab.expect(f"{who}: counted", fairlead.count("limit_resolver") == 8, fairlead.counters())


def check_merging(fairlead):
    """1,000 clients with one question."""
    before = fairlead.counters()
    replies = dnswire.ask_all([("same.silent4.down.", "A")] * 1000, sources=[None] * 1000, rate=4000)
    after = fairlead.counters()
    asked = after["front 0"]["ipc_sent"] - before["front 0"].get("ipc_sent", 0)
    merged = after["front 0"].get("merged", 0) - before["front 0"].get("merged", 0)
    lab.expect("1,000 clients, one question: it is asked once", asked == 1 and merged == 999, f"{asked} {merged}")
    lab.expect("1,000 clients, one question: each is answered in time", all(map(has_waited, replies)),
               [r for r in replies if not has_waited(r)][:3])
    again = dnswire.ask_all([("one.wildcard.shape.", "A")] * 1000, sources=[None] * 100)
    lab.expect("1,000 clients, one good question: all have its answer",
               all(r is not None and r.rcode == "NOERROR" and r.flags & dnswire.AD for r in again))


def check_dead(fairlead):
    """300 questions for dead and silent servers, and another client's new names meanwhile."""
    dead = [(f"d{n}.{kind}{n % 10}.down.", "A") for n in range(150) for kind in ("dead", "silent")]
    flood = Later(dead, sources=["127.0.0.9"] * 8)
    time.sleep(0.2)
    fresh, slowest = [], 0.0
    for n in range(30):
        reply = dnswire.ask(f"fresh{n}.wildcard.shape." if n % 2 else f"h00{n % 5}.z{n // 2:03d}."
                            f"{('alpha', 'beta', 'gamma')[n // 2 % 3]}.", source="127.0.0.8", timeout=2)
        fresh.append(reply)
        slowest = max(slowest, reply.seconds if reply is not None else 9)
        time.sleep(0.1)
    lab.expect("300 questions for dead servers: another client's new names are answered",
               all(r is not None and r.rcode == "NOERROR" for r in fresh), fresh)
    lab.expect("300 questions for dead servers: within 1 s", slowest <= 1, slowest)
    replies = flood.wait()
    slow = max((r.seconds for r in replies if r is not None), default=9)
    lab.expect("300 questions for dead servers: each ends within 4.5 s", slow <= END_S + SLACK_S
               and None not in replies, slow)
    lab.expect("300 questions for dead servers: each with its reason",
               all(has_waited(r, (22, 23)) for r in replies), [r for r in replies if not has_waited(r, (22, 23))][:3])


def check_rotation(inside):
    """A context of 3 s: nothing that is in flight is lost with it."""
    text = house.config(fronts=1, resolver="context-age: 3s")
    with house.House(inside, text) as fairlead:
        dnswire.ask("www.nsec.shape.")
        slow = [Later([(f"s{n}.silent{n}.down.", "A")]) for n in range(8)]
        names = [(f"r{n}.wildcard.shape.", "A") for n in range(2200)]
        replies = dnswire.ask_all(names, rate=200, sources=[None] * 4)
        lab.expect("contexts renewed each 3 s: no question is lost",
                   all(r is not None and r.rcode == "NOERROR" and r.flags & dnswire.AD for r in replies),
                   [r for r in replies if r is None or r.rcode != "NOERROR"][:3])
        lab.expect("contexts renewed each 3 s: nor one in flight to silent servers",
                   all(has_waited(r) for one in slow for r in one.wait()), [one.replies for one in slow])
        made = fairlead.count("contexts_made")
        lab.expect("contexts renewed each 3 s: they were", 3 <= made <= 6, f"{made}\n{fairlead.said()[-1500:]}")
        lab.expect("contexts renewed each 3 s: no role died", not fairlead.says("died|ended with"), fairlead.said())


def main():
    lab.allow_descriptors()
    inside = lab.Lab()
    with inside:
        inside.enter()
        check_client(inside)
        check_zone(inside)
        check_resolver(inside)
        with house.House(inside, house.config(fronts=1)) as fairlead:
            dnswire.ask("www.nsec.shape.")
            check_merging(fairlead)
            check_dead(fairlead)
        check_rotation(inside)
    lab.finish()


main()
