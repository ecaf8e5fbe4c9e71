#!/usr/bin/env python3
# builds: dev
# timeout: 150
"""What is stored outlives everything, and a file that is damaged costs no wrong answer.

Restarts, kill -9 of everything, files that are foreign, cut short or garbage at the
start, and files that are cut short or written over under the running processes.
"""
import concurrent.futures
import os
import pathlib
import random
import shutil
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import dnswire
import house
import lab
import load

PAGE = 4096
COMMIT_S = 1.2
SERVES_S = 5.0
WILD = bytes([198, 19, 1, 1])  # the address of every name in wildcard.shape
AT_ONCE = 5
ALL_FRONTS = 10  # so many sockets meet both
FRESH, FRESH_RATE = 180, 60  # five houses ask one small Internet, and the processors may be busy elsewhere
UNLIMITED = 'libunbound: {ratelimit: "0"}'  # the tests themselves ask one zone that much
KNOWN = [("www.nsec.shape.", "A"), ("www.unsigned.shape.", "A"), ("c1.chain.shape.", "A"),
         ("any.wildcard.shape.", "A"), ("www.nsec3.shape.", "TXT"), ("nothing.nsec.shape.", "A"),
         ("nothing.nsec3.shape.", "A"), ("www.nsec.shape.", "DS"), ("mail.unsigned.shape.", "A"),
         ("medium.bigtxt.shape.", "TXT"), ("www.badsig.broken.", "A")]


def data_file(state):
    """The file of the one generation there is."""
    found = sorted(pathlib.Path(state).glob("cache/*/data.mdb"))
    return found[-1] if found else None


def stored(replies):
    """Asked with RD=0: what is not in the cache is refused."""
    return [r is not None and r.rcode != "REFUSED" for r in replies]


def stores(address):
    """Are the answers to what is asked now found in the cache a commit later? (yes or no, and they)

    Each call has a socket, and thereby a front, of its own: one that still has a ready answer
    sees nothing of a damaged record, and only who sees it asks anew.
    """
    for _ in range(ALL_FRONTS):
        dnswire.ask_all(KNOWN, server=address)
    time.sleep(COMMIT_S)
    replies = dnswire.ask_all(KNOWN, server=address, rd=False)
    return all(stored(replies)), replies


class Disk:
    """How long the disk made somebody wait at most: a machine with a busy one commits as much later."""

    def __init__(self, folder):
        self.file, self.ended, self.longest_s = open(pathlib.Path(folder) / "probe", "wb", buffering=0), False, 0.0
        self.thread = threading.Thread(target=self.look)

    def look(self):
        while not self.ended:
            begin = time.monotonic()
            self.file.write(bytes(PAGE))
            os.fsync(self.file.fileno())
            self.longest_s = max(self.longest_s, time.monotonic() - begin)
            time.sleep(0.05)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended = True
        self.thread.join()
        self.file.close()


def side_by_side(calls):
    """They sleep most of the time, and each has an address of its own."""
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for one in [pool.submit(*call) for call in calls]:
            one.result()


# --- survival ---

def look(fairlead, before, since, title):
    """The same answers, all from the cache, and their TTLs have gone down."""
    hits = fairlead.count("cache_hits")
    after = dnswire.ask_all(KNOWN, rd=False)
    passed = time.monotonic() - since
    same = [a is not None and dnswire.meaning(a) == dnswire.meaning(b) and a.ede == b.ede
            for a, b in zip(after, before)]
    lab.expect(f"{title}: the same answers", all(same), list(zip(KNOWN, same, after, before)))
    lab.expect(f"{title}: all from the cache", fairlead.count("cache_hits") - hits == len(KNOWN), fairlead.counters())
    late = [(q, dnswire.ttl_of(a), dnswire.ttl_of(b)) for q, a, b in zip(KNOWN, after, before)
            if a is None or dnswire.ttl_of(a) > max(0, dnswire.ttl_of(b) - passed + 2)
            or dnswire.ttl_of(a) < dnswire.ttl_of(b) - passed - 3]
    late = [one for one in late if one[2] > 0]
    lab.expect(f"{title}: no TTL begins anew", not late, f"{passed:.1f} s passed: {late}")


def check_survival(inside):
    state = tempfile.mkdtemp(dir=inside.tmp)
    fairlead = house.House(inside, house.config(fronts=2), state)
    fairlead.start()
    dnswire.ask_all(KNOWN)
    time.sleep(COMMIT_S)
    before, since = dnswire.ask_all(KNOWN, rd=False), time.monotonic()
    lab.expect("positive, negative and bogus answers are stored", all(stored(before)), list(zip(KNOWN, before)))
    lab.expect("the bogus one as SERVFAIL with EDE 6",
               before[-1].rcode == "SERVFAIL" and before[-1].ede[0][0] == 6, before[-1])
    data = dnswire.ask_all(KNOWN[-1:], rd=False, cd=True)[0]
    lab.expect("and its data only for who sets CD", data.rcode == "NOERROR" and data.answer
               and not data.flags & dnswire.AD, data)
    time.sleep(3)
    fairlead.end()
    fairlead.start()
    look(fairlead, before, since, "kill -9 of everything")
    fairlead.stop()
    fairlead.start()
    look(fairlead, before, since, "SIGTERM")
    for _ in range(3):
        fairlead.end()
        fairlead.launch()
        time.sleep(random.uniform(0.005, 0.05))
    fairlead.end()
    fairlead.start()
    look(fairlead, before, since, "kill -9 in the middle of starts")
    fairlead.stop()


def check_failures(inside):
    """RFC 9520 3.2: a failure is remembered for 5 s, the next one in a row twice as long."""
    name, state = "failing.lame.down.", tempfile.mkdtemp(dir=inside.tmp)
    fairlead = house.House(inside, house.config(fronts=1), state)
    fairlead.start()

    def ask_and_see():
        hits, timers = fairlead.count("cache_hits"), fairlead.count("upstream_timers")
        reply = dnswire.ask(name)
        return reply, fairlead.count("cache_hits") - hits, fairlead.count("upstream_timers") - timers

    first, hits, _ = ask_and_see()
    begin = time.monotonic()
    lab.expect("a failure: SERVFAIL with its code", first.rcode == "SERVFAIL" and hits == 0
               and first.ede and first.ede[0][0] in (22, 23, 24), first)
    time.sleep(1.5)
    again, hits, timers = ask_and_see()
    lab.expect("asked again at once: from the cache, with the same code",
               hits == 1 and timers == 0 and again.rcode == "SERVFAIL" and again.ede[0][0] in (13, first.ede[0][0]),
               f"{again} {hits} {timers}")
    fairlead.end()
    fairlead.start()
    _, hits, timers = ask_and_see()
    lab.expect("after kill -9 of everything: still remembered", hits == 1 and timers == 0, fairlead.counters())
    time.sleep(max(0, begin + 5.5 - time.monotonic()))
    _, hits, _ = ask_and_see()
    lab.expect("after 5 s: tried anew", hits == 0, fairlead.counters())
    time.sleep(7.5)
    _, hits, timers = ask_and_see()
    lab.expect("which failed: remembered for longer than 5 s", hits == 1 and timers == 0, fairlead.counters())
    fairlead.stop()


# --- damage at the start ---

def cut(size):
    def damage(file):
        os.truncate(file, size(file.stat().st_size))
    return damage


def write_random(offset, size=None):
    def damage(file):
        with open(file, "r+b") as out:
            out.seek(offset)
            out.write(os.urandom(size or file.stat().st_size - offset))
    return damage


def write_foreign(file):
    file.write_bytes(b"SQLite format 3\0" + bytes(20 * PAGE))


def write_other_version(file):
    """Both meta pages name another version of LMDB's format."""
    with open(file, "r+b") as out:
        for page in (0, PAGE):
            out.seek(page + 20)
            out.write((999).to_bytes(4, "little"))


def make_folder_of(file):
    file.unlink()
    file.mkdir()
    (file / "inside").write_text("x")


def make_folder_of_lock(file):
    (file.parent / "lock.mdb").unlink(missing_ok=True)
    (file.parent / "lock.mdb").mkdir()
    (file.parent / "lock.mdb/inside").write_text("x")


def write_lock(file):
    """As a file in place of the link that a killed run leaves."""
    (file.parent / "lock.mdb").write_bytes(os.urandom(8192))


def used_pages(file):
    content = file.read_bytes()
    return [n for n in range(2, len(content) // PAGE) if any(content[n * PAGE:n * PAGE + 64])]


def rot(file):
    """One octet in each page that is used, but for the two first."""
    with open(file, "r+b") as out:
        for page in used_pages(file):
            out.seek(page * PAGE + random.randrange(PAGE))
            out.write(os.urandom(1))


DAMAGES = [  # title, what is done, does the log have to tell
    ("an empty file", cut(lambda size: 0), False),
    ("one octet", cut(lambda size: 1), True),
    ("half of the first page", cut(lambda size: PAGE // 2), True),
    ("the first page", cut(lambda size: PAGE), True),
    ("both meta pages and no more", cut(lambda size: 2 * PAGE), True),
    ("three pages", cut(lambda size: 3 * PAGE), True),
    ("nothing but garbage", write_random(0), True),
    ("garbage in the meta pages", write_random(0, 2 * PAGE), True),
    ("garbage behind the meta pages", write_random(2 * PAGE), True),
    ("another program's file", write_foreign, True),
    ("another version of LMDB", write_other_version, True),
    ("a folder instead of the file", make_folder_of, True),
    ("a folder instead of the lock", make_folder_of_lock, True),
    ("garbage in the lock", write_lock, False),
    ("half of the file", cut(lambda size: size // 2), False),
    ("bit rot in every page", rot, False),
]


def check_start(inside, address, template, truth, case):
    title, damage, must_tell = case
    state = pathlib.Path(tempfile.mkdtemp(dir=inside.tmp))
    shutil.copytree(template, state, dirs_exist_ok=True)
    damage(data_file(state))
    fairlead = house.House(inside, house.config(fronts=1, size="16MiB"), state, address)
    fairlead.launch()
    took = fairlead.answers(seconds=SERVES_S + 1)
    lab.expect(f"{title}: it serves within {SERVES_S:.0f} s", took is not None and took <= SERVES_S,
               fairlead.said()[-2000:])
    if took is None:
        fairlead.end()
        return
    wrong = []
    for _ in range(2):
        replies = dnswire.ask_all(KNOWN, server=address)
        wrong += [(q, r) for q, r, t in zip(KNOWN, replies, truth) if r is None or dnswire.meaning(r) != dnswire.meaning(t)]
    lab.expect(f"{title}: nothing wrong is served", not wrong, f"{wrong}\n{fairlead.said()[-2000:]}")
    # what waited to be committed when the damage showed went with the old file: asked again, it is kept
    found = house.wait_for(SERVES_S, lambda: stores(address)[0])
    lab.expect(f"{title}: and answers are stored", found is not None, f"{fairlead.said()[-2000:]}\n{fairlead.counters()}")
    lines = [line for line in fairlead.said().splitlines() if "cache was damaged" in line]
    if must_tell or lines:
        lab.expect(f"{title}: one line tells", len(lines) == 1 and "a new one is begun" in lines[0], fairlead.said())
    lab.expect(f"{title}: no role dies more than twice",
               all(fairlead.said().count(f"{role} died") <= 2 for role in ("keeper 0", "front 0", "resolver 0")),
               fairlead.said())
    fairlead.stop()


def check_starts(inside):
    template = pathlib.Path(tempfile.mkdtemp(dir=inside.tmp))
    fairlead = house.House(inside, house.config(fronts=1, size="16MiB", resolver=UNLIMITED), template)
    fairlead.start()
    dnswire.ask_all([(f"fill{n}.wildcard.shape.", "A") for n in range(900)], rate=900, window=100)
    dnswire.ask_all(KNOWN)
    time.sleep(COMMIT_S)
    truth = dnswire.ask_all(KNOWN)
    fairlead.stop()
    side_by_side([(check_start, inside, f"127.0.1.{n + 1}", template, truth, case)
                  for n, case in enumerate(DAMAGES)])
    other = pathlib.Path(tempfile.mkdtemp(dir=inside.tmp))
    for label in ("99-0.9-7", "0-0.9-1"):  # a later and an earlier format
        (other / "cache" / label).mkdir(parents=True)
        (other / "cache" / label / "data.mdb").write_bytes(os.urandom(3 * PAGE))
    fairlead = house.House(inside, house.config(fronts=1, size="16MiB"), other)
    fairlead.start()
    wrong = [r for r, t in zip(dnswire.ask_all(KNOWN), truth) if r is None or dnswire.meaning(r) != dnswire.meaning(t)]
    lab.expect("files of other formats are left alone", not wrong and not fairlead.says("damaged"), fairlead.said())
    fairlead.stop()


# --- damage under the running processes ---

UNDER = [
    ("cut to nothing while it runs", cut(lambda size: 0)),
    ("cut to three pages while it runs", cut(lambda size: 3 * PAGE)),
    ("written over with random octets while it runs", write_random(0)),
    ("random octets behind the meta pages while it runs", write_random(2 * PAGE)),
    ("bit rot in every page while it runs", rot),
]


def is_wild(reply):
    return reply.rcode == "NOERROR" and [r.rdata for r in reply.answer if r.type == dnswire.TYPES["A"]] == [WILD]


def check_under(inside, address, names, title, damage):
    state = tempfile.mkdtemp(dir=inside.tmp)
    with house.House(inside, house.config(fronts=2, size="16MiB", resolver=UNLIMITED), state, address) as fairlead, \
            load.Load(names, rate=500, server=address) as generator, Disk(state) as disk:
        dnswire.ask_all([(f"fill{n}.wildcard.shape.", "A") for n in range(900)], rate=900, window=100, server=address)
        dnswire.ask_all(KNOWN, server=address)
        time.sleep(COMMIT_S)
        truth = dnswire.ask_all(KNOWN, server=address)
        generator.go()
        time.sleep(0.5)
        damage(data_file(state))
        damaged = time.monotonic()
        fresh = dnswire.ask_all([(f"after{n}.wildcard.shape.", "A") for n in range(FRESH)], rate=FRESH_RATE, timeout=3, server=address)
        time.sleep(max(0, damaged + SERVES_S - time.monotonic()))
        during = generator.mark()
        wrong = [r for r in fresh if r is not None and not is_wild(r)]
        lab.expect(f"{title}: no wrong answer", during["wrong"] == 0 and not wrong, f'{during["example"]} {wrong[:3]}')
        lab.expect(f"{title}: no gap over {SERVES_S:.0f} s", during["gap_ms"] <= 1000 * SERVES_S, during)
        all_stored, replies = stores(address)
        while not all_stored and time.monotonic() - damaged < SERVES_S + disk.longest_s:
            all_stored, replies = stores(address)
        lab.expect(f"{title}: {SERVES_S:.0f} s later all is right, and stored",
                   all_stored and all(dnswire.meaning(r) == dnswire.meaning(t)
                                                for r, t in zip(replies, truth)),
                   f"{list(zip(KNOWN, replies))}\n{fairlead.said()[-3000:]}")
        time.sleep(0.3)
        after = generator.end()
        lab.expect(f"{title}: and nothing is lost any more", after["lost"] == 0 and after["wrong"] == 0, after)
        deaths = {role: fairlead.said().count(f"{role} died") for role in ("keeper 0", "front 0", "front 1")}
        lab.expect(f"{title}: no role died more than twice", max(deaths.values()) <= 2, fairlead.said()[-3000:])


def main():
    inside = lab.Lab()
    with inside:
        inside.enter()
        random.seed(4)
        names = inside.tmp / "names"
        with open(inside.dir / "queries.txt", encoding="ascii") as file:
            names.write_text("".join(file.readlines()[:200]))
        check_survival(inside)
        check_failures(inside)
        check_starts(inside)
        side_by_side([(check_under, inside, f"127.0.2.{n + 1}", names, *case) for n, case in enumerate(UNDER)])
    lab.finish()


main()
