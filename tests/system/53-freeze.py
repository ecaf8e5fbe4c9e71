#!/usr/bin/env python3
# builds: dev
# timeout: 60
"""A disk that stands still for seconds: cached answers do not wait for it, and nobody is ended for it.

The cache lies on a file system of its own, which is frozen: whoever writes there waits.
"""
import contextlib
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import dnswire
import house
import lab
import load

FREEZE_S = 6
RATE = 500
LOST_MAX = 0
COMMIT_S = 1.2
GAP_MS = 250


def call(*command):
    try:
        return subprocess.run(command, check=False, capture_output=True, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


@contextlib.contextmanager
def own_disk(inside):
    """A mounted file system in a file; None where that is not possible."""
    image, folder = inside.tmp / "disk.img", inside.tmp / "disk"
    folder.mkdir()
    with image.open("wb") as out:
        out.truncate(300 << 20)
    mounted = call("mkfs.ext4", "-q", str(image)) and call("mount", "-o", "loop", str(image), str(folder))
    try:
        yield folder if mounted else None
    finally:
        if mounted:
            call("umount", str(folder))
        image.unlink()


@contextlib.contextmanager
def frozen(folder):
    """Never left frozen: what waits there could not be ended."""
    done = call("fsfreeze", "-f", str(folder))
    try:
        yield done
    finally:
        if done:
            call("fsfreeze", "-u", str(folder))


def locks(folder):
    """Where each generation's lock would be; one that leads nowhere from here is there, too."""
    return [one / "lock.mdb" for one in pathlib.Path(folder).glob("cache/*-*-*") if os.path.lexists(one / "lock.mdb")]


def check(inside, folder):
    text = house.config(fronts=2, size="64MiB").replace("@STATE@/cache", f"{folder}/cache")
    names = inside.tmp / "names"
    with open(inside.dir / "queries.txt", encoding="ascii") as file:
        names.write_text("".join(file.readlines()[:200]))
    with house.House(inside, text) as fairlead, load.Load(names, rate=RATE) as generator:
        generator.go()
        time.sleep(2)
        os.sync()  # the pages of the lock have been written back: the next write to them faults
        time.sleep(COMMIT_S)
        fairlead.counters()
        generator.mark()
        roles = fairlead.roles()
        with frozen(folder) as done:
            if not done:
                lab.skip("a disk that stands still", "fsfreeze is not possible here")
                return
            fresh = dnswire.ask_all([(f"frozen{n}.wildcard.shape.", "A") for n in range(200)], rate=100, timeout=4)
            time.sleep(FREEZE_S - 2)
            during = generator.mark()
        time.sleep(0.5)
        after = generator.end()
        lab.expect(f"frozen for {FREEZE_S} s: no cached answer is lost, none is wrong",
                   during["lost"] <= LOST_MAX and after["lost"] <= LOST_MAX and during["wrong"] == 0, f"{during}\n{after}")
        lab.expect(f"and none waits: no gap over {GAP_MS} ms", during["gap_ms"] <= GAP_MS + during["stall_ms"], during)
        lab.expect("what is not cached is answered, too",
                   all(r is not None and r.rcode == "NOERROR" for r in fresh), [r for r in fresh if r is None][:3])
        lab.expect("no role was ended", fairlead.roles() == roles and not fairlead.says("hangs|died|ended with"),
                   fairlead.said()[-2000:])
        lab.expect("the readers' table is not on that disk",
                   locks(folder) and all(link.is_symlink() for link in locks(folder)), locks(folder))
        time.sleep(COMMIT_S)
        dnswire.ask("after.wildcard.shape.")
        stored = house.wait_for(3, lambda: dnswire.ask("after.wildcard.shape.", rd=False).rcode == "NOERROR", 0.2)
        lab.expect("afterwards answers are stored", stored is not None, fairlead.said()[-2000:])
    lab.expect("the end leaves no link behind", not locks(folder), locks(folder))


def main():
    inside = lab.Lab()
    with inside:
        inside.enter()
        with own_disk(inside) as folder:
            if folder is None:
                lab.skip("a disk that stands still", "mounting a file system in a file is not possible here")
            else:
                check(inside, folder)
    lab.finish()


main()
