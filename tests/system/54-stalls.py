#!/usr/bin/env python3
# builds: dev
# timeout: 150
"""Cached answers while the rest of the house is busy: no turn of a front's loop is long, no reader holds old pages.

Eviction at its mark, a flood of questions that no cache holds, a cache that is made anew, a
disk that is full, a front that is stopped in the middle of a batch. Turns are judged by what
the front counts of its own doing: what others took of the processor is not in it.
"""
import contextlib
import os
import pathlib
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import dnswire
import house
import lab
import load

RATE = 1500
WINDOW = 120            # below the zone limit
SETTLED_S = 0.6         # afterwards a start, and what the fronts did in it, is over
EVICTED = 12000
FRONTS = ("front 0", "front 1")
GONE_S, CLEARED_S = 1.0, 0.5  # the second after the first
TRIES = 3000
COUNTERS = lab.ROOT / "include/fairlead/base/counters.h"


# --- what the fronts count ---

class Stalls:
    """The fronts' stalls from here on."""

    def __init__(self, fairlead):
        time.sleep(SETTLED_S)
        self.fairlead = fairlead
        self.before = fairlead.counters()

    def grown(self, name):
        now = self.fairlead.counters()
        return {front: now[front].get(name, 0) - self.before[front].get(name, 0) for front in FRONTS}

    def expect_none(self, title):
        own = self.grown("loop_stalls_own")
        turns = re.findall(r"turns front .*", self.fairlead.said())[-2:]
        longest = {front: c.get("loop_own_max_ns") for front, c in self.fairlead.counters().items() if front in FRONTS}
        lab.expect(f"{title}: no turn of a front took more than 2 ms of its own", not any(own.values()),
                   f"{own} {longest}\n" + "\n".join(turns))
        answered = self.grown("answers_cached")
        lab.expect(f"{title}: both fronts answered from the cache", all(n > 100 for n in answered.values()), answered)
        print(f"# {title}: {self.grown('loop_stalls')} turns over 2 ms in all, " + ", ".join(turns), flush=True)


@contextlib.contextmanager
def cached_load(inside, rate=RATE):
    names = inside.tmp / "names"
    with open(inside.dir / "queries.txt", encoding="ascii") as file:
        names.write_text("".join(file.readlines()[:200]))
    with load.Load(names, rate=rate, sockets=48) as generator:
        time.sleep(1.2)  # what it has learned is stored
        generator.go()
        yield generator
        generator.end()


def expect_answered(title, seen):
    lab.expect(f"{title}: no cached answer was lost or wrong", seen["sent"] > 500 and seen["lost"] == 0
               and seen["wrong"] == 0, seen)


# --- eviction, and a cache that is made anew ---

def flood(fairlead, title, seconds, enough):
    begin, n = time.monotonic(), 0
    while time.monotonic() - begin < seconds and not enough():
        names = [(f"{title}{n + i}.nsec3.shape.", "A") for i in range(500)]
        dnswire.ask_all(names, window=WINDOW, sources=[None] * 4)
        n += len(names)
    return n


def data_file(folder):
    found = sorted(folder.glob("*/data.mdb"), key=lambda file: int(file.parent.name.split("-")[-1]))
    return found[-1] if found else None


def check_eviction_and_rebuild(inside):
    text = house.config(fronts=2, size="16MiB", resolver='libunbound: {ratelimit: "0"}')
    with house.House(inside, text, tempfile.mkdtemp(dir=inside.tmp)) as fairlead, cached_load(inside) as generator:
        flood(fairlead, "fill", 30, lambda: fairlead.count("evicted", "keeper") > 0)
        stalls = Stalls(fairlead)
        generator.mark()
        before = fairlead.count("evicted", "keeper")
        flood(fairlead, "unique", 20, lambda: fairlead.count("evicted", "keeper") - before >= EVICTED)
        evicted = fairlead.count("evicted", "keeper") - before
        lab.expect("eviction: it runs", before > 0 and evicted >= EVICTED, evicted)
        expect_answered("eviction", generator.mark())
        stalls.expect_none("eviction")

        stalls = Stalls(fairlead)
        folder = fairlead.state / "cache"
        old = data_file(folder)
        generator.mark()
        with open(old, "r+b") as out:
            out.write(os.urandom(old.stat().st_size))
        flood(fairlead, "anew", 10, lambda: (data_file(folder) or old) != old
              and fairlead.count("cache_entries", "keeper") > 500)
        time.sleep(1)  # the names of the load are cached anew
        seen = generator.mark()
        lab.expect("a cache made anew: it is, and filled under load", data_file(folder) != old, fairlead.said()[-1500:])
        lab.expect("a cache made anew: no wrong answer", seen["wrong"] == 0, seen)
        stalls.expect_none("a cache made anew")


# --- a full disk ---

@contextlib.contextmanager
def small_disk(inside, size):
    folder = inside.tmp / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=False,
                             capture_output=True).returncode == 0
    try:
        yield folder if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=False)


def fill_up(folder):
    """Take all the room that is left."""
    with open(folder / "filler", "wb", buffering=0) as out:
        with contextlib.suppress(OSError):
            while True:
                out.write(bytes(65536))


def check_full_disk(inside):
    with small_disk(inside, "24m") as folder:
        if folder is None:
            lab.skip("a full disk", "mounting needs root")
            return
        text = house.config(fronts=2, size="16MiB").replace("@STATE@/cache", f"{folder}/cache")
        with house.House(inside, text, tempfile.mkdtemp(dir=inside.tmp)) as fairlead, cached_load(inside) as generator:
            fill_up(folder)
            stalls = Stalls(fairlead)
            generator.mark()
            commits = fairlead.count("commits", "keeper")
            flood(fairlead, "full", 4, lambda: False)
            lab.expect("a full disk: the file was laid out before, and is written to",
                       fairlead.count("commits", "keeper") > commits and fairlead.count("write_errors", "keeper") == 0,
                       fairlead.counters())
            expect_answered("a full disk", generator.mark())
            stalls.expect_none("a full disk")


# --- misses ---

def saturate(names, seconds):
    """Unique names until the time is over, half of them of servers that never answer."""
    begin, n = time.monotonic(), 0
    while time.monotonic() - begin < seconds:
        batch = [(f"miss{n + i}." + (f"silent{i % 4}.down." if i % 2 else names[i % len(names)]), "A") for i in range(1000)]
        dnswire.ask_all(batch, rate=4000, timeout=0.02, sources=[None] * 8)
        n += len(batch)
    return n


def check_misses(inside):
    more = "limits: {resolver: 256, zone: 200, client: 100}"
    text = house.config(fronts=2, size="64MiB", more=more, resolver='libunbound: {ratelimit: "0"}')
    zones = [f"z{n:03d}.{('alpha', 'beta', 'gamma')[n % 3]}." for n in range(30)]
    with house.House(inside, text, tempfile.mkdtemp(dir=inside.tmp)) as fairlead, cached_load(inside) as generator:
        stalls = Stalls(fairlead)
        generator.mark()
        saturate(zones, 8)
        seen, refused = generator.mark(), stalls.grown("limit_resolver")
        lab.expect("misses beyond all limits: the resolver's places were taken in both fronts",
                   all(n > 1000 for n in refused.values()), refused)
        expect_answered("misses beyond all limits", seen)
        stalls.expect_none("misses beyond all limits")


# --- a front that is stopped while it reads ---

class Block:
    """A front's shared counters, read where they lie."""

    def __init__(self, fairlead, role):
        text = COUNTERS.read_text(encoding="utf-8")
        events = len(re.findall(r"^\tX\(\w+,", text, re.M))
        gauges = text.split("/* gauges", 1)[1].split("struct fl_histogram answer_cached", 1)[0]
        names = re.findall(r"\b(\w+)(?=[,;])", re.sub(r"/\*.*?\*/", "", gauges.split("*/", 1)[1], flags=re.S))
        self.at = {name: 8 * (events + i) for i, name in enumerate(names)}
        maps = pathlib.Path(f"/proc/{fairlead.roles()[role]}/maps").read_text().splitlines()
        inode = next(int(line.split()[4]) for line in maps if "/memfd:fairlead-counters" in line)
        for fd in pathlib.Path(f"/proc/{fairlead.process.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if fd.stat().st_ino == inode and "memfd:fairlead-counters" in os.readlink(fd):
                    self.fd = os.open(fd, os.O_RDONLY)
                    return
        raise RuntimeError("the block is not found")

    def read(self, name):
        return struct.unpack("=Q", os.pread(self.fd, 8, self.at[name]))[0]


def is_in_table(keeper, pid):
    """Has this process a place in LMDB's table of readers?"""
    for fd in pathlib.Path(f"/proc/{keeper}/fd").iterdir():
        with contextlib.suppress(OSError):
            if "lock" in os.readlink(fd).rsplit("/", 1)[-1]:
                return struct.pack("=i", pid) in fd.read_bytes()
    raise RuntimeError("no table of readers")


def stopped(pid):
    os.kill(pid, signal.SIGSTOP)
    while pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] not in "Tt":
        time.sleep(0)


def stop_it(pid, block, reading, client, burst):
    """Stop it while it reads, or while it does not; False when that never came about."""
    for _ in range(TRIES):
        # somewhere in the burst: the front works at it while it is sent
        for message in burst[:random.randint(1, len(burst))]:
            with contextlib.suppress(BlockingIOError):
                client.send(message)
        stopped(pid)
        if (block.read("reading_since") != 0) == reading:
            return True
        os.kill(pid, signal.SIGCONT)
        with contextlib.suppress(BlockingIOError):
            while True:
                client.recv(4096)
    return False


def gone_after(pid, seconds):
    """Seconds until the process is gone, less what this test itself was kept waiting; None: never."""
    begin = last = time.monotonic()
    stalled = 0.0
    while time.monotonic() - begin - stalled < seconds:
        if not house.is_alive(pid):
            return time.monotonic() - begin - stalled
        time.sleep(0.01)
        now = time.monotonic()
        stalled += max(0.0, now - last - 0.03)
        last = now
    return None


def check_stopped(inside):
    # without a table of its own every answer is read from the file
    text = house.config(fronts=1, size="64MiB, front-size: 0")
    with house.House(inside, text, tempfile.mkdtemp(dir=inside.tmp)) as fairlead:
        names = [f"held{n}.wildcard.shape." for n in range(64)]
        dnswire.ask_all([(name, "A") for name in names], window=WINDOW)
        time.sleep(1.2)
        burst = [dnswire.question(name, "A", n) for n, name in enumerate(names)]
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client.connect(("127.0.0.1", 53))
        client.setblocking(False)
        block, pid, keeper = Block(fairlead, "front 0"), fairlead.roles()["front 0"], fairlead.roles()["keeper 0"]
        beat = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - block.read("heartbeat_ns")
        lab.expect("a stopped front: its counters are read right", 0 <= beat < 2_000_000_000, beat)

        lab.expect("a front stopped outside of a batch", stop_it(pid, block, False, client, burst))
        lab.expect("a front stopped outside of a batch: nobody ends it for a second", gone_after(pid, 1.0) is None,
                   fairlead.said()[-1000:])
        os.kill(pid, signal.SIGCONT)

        lab.expect("a front stopped while it reads", stop_it(pid, block, True, client, burst))
        lab.expect("a front stopped while it reads: it holds a place in the table of readers", is_in_table(keeper, pid))
        took = gone_after(pid, 5)
        lab.expect(f"a front stopped while it reads: it is gone within {GONE_S:.0f} s", took is not None and took <= GONE_S,
                   f"{took}\n{fairlead.said()[-1000:]}")
        cleared = house.wait_for(CLEARED_S, lambda: not is_in_table(keeper, pid))
        lab.expect("a front stopped while it reads: its place in the table of readers is free", cleared is not None)
        lab.expect("a front stopped while it reads: the log says why",
                   fairlead.says("front 0 hangs: it stands still while it reads the cache"), fairlead.said()[-1000:])
        back = house.wait_for(3, lambda: fairlead.is_back("front 0", [pid]))
        reply = dnswire.ask(names[0], rd=False, timeout=2)
        lab.expect("a front stopped while it reads: its successor answers", back is not None and reply is not None
                   and reply.rcode == "NOERROR", reply)
        time.sleep(1)
        lab.expect("a front stopped while it reads: and lives", fairlead.says("hangs") and
                   fairlead.said().count("hangs") == 1, fairlead.said()[-1000:])
        client.close()


def main():
    inside = lab.Lab()
    with inside:
        inside.enter()
        check_eviction_and_rebuild(inside)
        check_full_disk(inside)
        check_misses(inside)
        check_stopped(inside)
    lab.finish()


main()
