#!/usr/bin/env python3
# builds: dev
# lane: waits
# timeout: 90
"""One damage after another is mended, and a role that was taken over cannot throw the cache away.

What a role says is said here in its place: over its own descriptor, borrowed from it.
"""
import ctypes
import os
import random
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

PAGE = 4096
COMMIT_S = 1.2
SERVES_S = 5.0
PIDFD_GETFD = 438  # of every architecture
CONTROL_FD = 3
KIND_CONTROL, SAY_CACHE_READY, SAY_CACHE_BAD = 6, 12, 13  # ipc/frame.h, ipc/control.h
ERRORS = {"FL_ENOMEM": 4, "FL_ECORRUPT": 7, "FL_EBUSY": 10}  # base/err.h
KNOWN = [("www.nsec.shape.", "A"), ("www.unsigned.shape.", "A"), ("c1.chain.shape.", "A"), ("www.nsec3.shape.", "TXT")]


def data_file(fairlead):
    found = sorted((fairlead.state / "cache").glob("*/data.mdb"), key=lambda file: int(file.parent.name.split("-")[-1]))
    return found[-1] if found else None


def keeps(count=4):
    """Is what is asked now stored, and served again?"""
    name = f"kept{random.getrandbits(48):x}.wildcard.shape."
    dnswire.ask(name)
    time.sleep(COMMIT_S)
    replies = [dnswire.ask(name, rd=False) for _ in range(count)]
    return all(r is not None and r.rcode == "NOERROR" for r in replies)


# --- damages in a row ---

def write_over(file):
    with open(file, "r+b") as out:
        out.write(os.urandom(file.stat().st_size))


def check_row(inside):
    """Three damages, each as soon as the last one is mended, while all roles use the file."""
    with house.House(inside, house.config(fronts=2, size="16MiB"), tempfile.mkdtemp(dir=inside.tmp)) as fairlead:
        dnswire.ask_all(KNOWN)
        time.sleep(COMMIT_S)
        for number in ("first", "second", "third"):
            before = data_file(fairlead)
            write_over(before)
            damaged = time.monotonic()
            ask = [(f"{number}{n}.wildcard.shape.", "A") for n in range(100)]
            replies = dnswire.ask_all(ask, rate=100, timeout=4)
            lab.expect(f"the {number} damage: nothing is left unanswered",
                       all(r is not None and r.rcode == "NOERROR" for r in replies), fairlead.said()[-2000:])
            mended = house.wait_for(SERVES_S, lambda: (data_file(fairlead) or before) != before and keeps())
            took = time.monotonic() - damaged
            lab.expect(f"the {number} damage: a new file is in use within {SERVES_S:.0f} s and a commit",
                       mended is not None and took <= SERVES_S + COMMIT_S, f"{took}\n{fairlead.said()[-2000:]}\n{fairlead.counters()}")
        lines = [line for line in fairlead.said().splitlines() if "cache was damaged" in line]
        lab.expect("one line tells of each", len(lines) == 3, "\n".join(lines))


# --- a disk that holds one file ---

def check_small_disk(inside):
    """The cache is as large as its disk: the new file has room only when nobody has the old one open."""
    folder = inside.tmp / "small"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], check=False,
                      capture_output=True).returncode != 0:
        lab.skip("a new file where two have no room", "mounting needs root")
        return
    text = house.config(fronts=2, size="16MiB").replace("@STATE@/cache", f"{folder}/cache")
    fairlead = house.House(inside, text, tempfile.mkdtemp(dir=inside.tmp))
    try:
        fairlead.start()
        dnswire.ask_all(KNOWN, sources=[None] * 8)
        time.sleep(COMMIT_S)
        before = sorted(folder.glob("cache/*/data.mdb"))[0]
        write_over(before)
        replies = dnswire.ask_all([(f"small{n}.wildcard.shape.", "A") for n in range(100)], rate=100, timeout=4,
                                  sources=[None] * 8)
        lab.expect("a disk that holds one file: all is answered",
                   all(r is not None and r.rcode == "NOERROR" for r in replies), fairlead.said()[-2000:])
        took = house.wait_for(SERVES_S, keeps)
        lab.expect(f"a disk that holds one file: a new one is in use within {SERVES_S:.0f} s",
                   took is not None and not before.exists(), fairlead.said()[-2000:])
        fairlead.stop()
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


# --- what roles say ---

def rotate(x, n):
    return (x << n | x >> 64 - n) & (1 << 64) - 1


def siphash13(key, data):
    v = [k ^ c for k, c in zip(key * 2, (0x736f6d6570736575, 0x646f72616e646f6d, 0x6c7967656e657261, 0x7465646279746573))]

    def turn():
        v[0] = (v[0] + v[1]) & (1 << 64) - 1
        v[1] = rotate(v[1], 13) ^ v[0]
        v[0] = rotate(v[0], 32)
        v[2] = (v[2] + v[3]) & (1 << 64) - 1
        v[3] = rotate(v[3], 16) ^ v[2]
        v[0] = (v[0] + v[3]) & (1 << 64) - 1
        v[3] = rotate(v[3], 21) ^ v[0]
        v[2] = (v[2] + v[1]) & (1 << 64) - 1
        v[1] = rotate(v[1], 17) ^ v[2]
        v[2] = rotate(v[2], 32)

    padded = data + bytes(7 - len(data) % 8) + bytes([len(data) & 255])
    for (word,) in struct.iter_unpack("<Q", padded):
        v[3] ^= word
        turn()
        v[0] ^= word
    v[2] ^= 255
    for _ in range(3):
        turn()
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def build_id():
    """As ipc/frame.c has it from the program's note."""
    notes = subprocess.run(["readelf", "-n", str(lab.BIN / "fairleadd")], check=True, capture_output=True, text=True).stdout
    number = bytes.fromhex(notes.split("Build ID:")[1].split()[0])
    return siphash13((0x6661, 0x6c64), number) | 1


def say(pid, verb, code=0, text="", generation=0):
    """What the role with this pid says to the supervisor; False where that cannot be done."""
    libc = ctypes.CDLL(None, use_errno=True)
    handle = os.pidfd_open(pid)
    fd = libc.syscall(PIDFD_GETFD, handle, CONTROL_FD, 0)
    os.close(handle)
    if fd < 0:
        return False
    header = struct.pack("=IHHQQQQIHBBIBBHII", 0x464C4652, 1, KIND_CONTROL, build_id(), 0, 0, 0, verb, 0xFFFF, 0, 0, 0,
                         len(text), 0, code, generation, 0)
    with socket.socket(fileno=fd) as channel:
        channel.sendmsg([header + text.encode()])
    return True


def check_reports(inside):
    with house.House(inside, house.config(fronts=2, resolvers=1), tempfile.mkdtemp(dir=inside.tmp)) as fairlead:
        dnswire.ask_all(KNOWN)
        time.sleep(COMMIT_S)
        roles, file = fairlead.roles(), data_file(fairlead)

        def stands(title):
            time.sleep(1.5)
            replies = dnswire.ask_all(KNOWN, rd=False)
            lab.expect(f"{title}: the cache stays, and what it held",
                       data_file(fairlead) == file and not fairlead.says("cache was damaged")
                       and all(r is not None and r.rcode == "NOERROR" for r in replies), f"{replies}\n{fairlead.said()}")

        if not say(roles["resolver 0"], SAY_CACHE_BAD, ERRORS["FL_ECORRUPT"], "said by a resolver"):
            lab.skip("what a role says that was taken over", "borrowing its descriptor needs root")
            return
        back = house.wait_for(3, lambda: fairlead.is_back("resolver 0", [roles["resolver 0"]]))
        stands("a resolver says that the cache is damaged")
        lab.expect("and is ended for that", back is not None and fairlead.says("resolver 0 said what no such role says"),
                   fairlead.said())
        for name in ("FL_EBUSY", "FL_ENOMEM"):
            for front in ("front 0", "front 1"):
                say(roles[front], SAY_CACHE_BAD, ERRORS[name], "said by a front")
        stands("both fronts say that they cannot read just now")
        for _ in range(5):
            say(roles["front 0"], SAY_CACHE_BAD, ERRORS["FL_ECORRUPT"], "said by one front")
        stands("one front says that the cache is damaged, and goes on saying so")
        say(roles["front 1"], SAY_CACHE_BAD, ERRORS["FL_ECORRUPT"], "said by another", generation=1000)
        stands("a front speaks of a generation that is not there yet")
        house.wait_for(3, lambda: fairlead.is_back("front 1", [roles["front 1"]]))
        say(fairlead.roles()["front 1"], SAY_CACHE_BAD, ERRORS["FL_ECORRUPT"], "said by two fronts")
        took = house.wait_for(3, lambda: fairlead.says("cache was damaged .said by two fronts"))
        lab.expect("two fronts say so: a new one is begun", took is not None, fairlead.said())
        keeps()
        old = int(file.parent.name.split("-")[-1])
        for name in ("front 0", "front 1", "keeper 0"):
            say(fairlead.roles()[name], SAY_CACHE_BAD, ERRORS["FL_ECORRUPT"], "late", generation=old)
        time.sleep(2.5)
        lab.expect("what is said of an older generation changes nothing", fairlead.said().count("cache was damaged") == 1,
                   fairlead.said())
        lab.expect("and answers are stored", keeps(), fairlead.said())


def main():
    inside = lab.Lab()
    with inside:
        inside.enter()
        random.seed(5)
        check_row(inside)
        check_small_disk(inside)
        check_reports(inside)
    lab.finish()


main()
