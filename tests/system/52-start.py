#!/usr/bin/env python3
# builds: dev
# timeout: 120
"""From the start to the first answer out of a cache of 100,000 entries."""
import os
import re
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import dnswire
import house
import lab

ENTRIES = 100_000
ROUND = 5000
FIRST_ANSWER_S = 0.2
WINDOW = 120
LONGEST_S = 90
SAMPLE = 200
KNOWN = "www.nsec.shape."


def fill(fairlead):
    """Names that do not exist, and do so without proof: the smallest records."""
    begin, asked = time.monotonic(), 0
    while asked < ENTRIES and time.monotonic() - begin < LONGEST_S:
        names = [(f"entry{asked + n}.unsigned.shape.", "A") for n in range(ROUND)]
        replies = dnswire.ask_all(names, window=WINDOW, sources=[None] * 4)
        lost = [q for q, r in zip(names, replies) if r is None or r.rcode != "NXDOMAIN"]
        dnswire.ask_all(lost, window=20)
        asked += ROUND
    sample = [(f"entry{n * (asked // SAMPLE)}.unsigned.shape.", "AAAA") for n in range(SAMPLE)]
    dnswire.ask_all(sample, window=20)
    dnswire.ask(KNOWN)
    house.wait_for(5, lambda: fairlead.count("cache_entries") >= asked, 0.2)
    time.sleep(1.2)
    return asked, sample


def first_answer(fairlead):
    """Seconds from exec to an answer that only the cache can give."""
    fairlead.launch()
    while time.monotonic() - fairlead.started < 5:
        reply = dnswire.ask(KNOWN, rd=False, timeout=0.02)
        if reply is not None and reply.rcode == "NOERROR" and reply.answer:
            return time.monotonic() - fairlead.started
        time.sleep(0.001)
    return 9.0


def check(fairlead, title, asked, sample):
    took = first_answer(fairlead)
    lab.expect(f"{title}: first cached answer within {1000 * FIRST_ANSWER_S:.0f} ms", took <= FIRST_ANSWER_S,
               f"{took}\n{fairlead.said()}")
    found = re.search(r"cache open: (\d+) records", fairlead.said())
    records = int(found.group(1)) if found else 0
    lab.expect(f"{title}: all {asked} entries are there", records >= asked, f"{records}\n{fairlead.said()}")
    replies = dnswire.ask_all(sample, rd=False, window=20)
    lab.expect(f"{title}: and answer", all(r is not None and r.rcode == "NXDOMAIN" for r in replies),
               [r for r in replies if r is None or r.rcode != "NXDOMAIN"][:3])
    print(f"# {title}: {1000 * took:.0f} ms, {records} records", flush=True)


def main():
    inside = lab.Lab()
    with inside:
        inside.enter()
        state = tempfile.mkdtemp(dir=inside.tmp)
        fairlead = house.House(inside, house.config(fronts=1, resolver='libunbound: {ratelimit: "0"}'), state)
        fairlead.start()
        asked, sample = fill(fairlead)
        lab.expect(f"{ENTRIES} names were asked", asked >= ENTRIES, asked)
        fairlead.stop()
        check(fairlead, "after SIGTERM", asked, sample)
        fairlead.end()
        check(fairlead, "after kill -9 of everything", asked, sample)
        fairlead.stop()
    lab.finish()


main()
