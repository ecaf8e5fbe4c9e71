#!/usr/bin/env python3
# builds: dev
# timeout: 120
"""Instructions of a cached answer, as callgrind counts them, against bench/micro/instructions.

    python3 tests/system/81-instructions.py           fails where a figure has grown by over 5 %
    python3 tests/system/81-instructions.py --renew   writes what is counted now as the figures

The difference between two numbers of answers leaves out what a run costs beside them. FAIRLEAD_BIN
names the folder of the programs, as for every test.
"""
import concurrent.futures
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import lab

MICRO = lab.BIN / "fairlead-micro"
FIGURES = pathlib.Path(os.environ.get("FAIRLEAD_INSTRUCTIONS", lab.ROOT / "bench/micro/instructions"))
MOST = 1.05
FEW, MANY = 6400, 32000  # whole turns of the loop
# What is counted: the loop's turns, but for what stands there for the kernel.
CALLGRIND = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no",
             "--toggle-collect=fl_micro_turns", "--toggle-collect=recvmmsg", "--toggle-collect=sendmmsg"]
WAYS = {  # in the order of the file's columns
    "ready": ["--from", "ready"],
    "ready-do": ["--from", "ready", "--do"],
    "cache": ["--from", "cache"],
    "cache-do": ["--from", "cache", "--do"],
}
QUIET = "0 allocations, 0 frees, 0 locks, 0 writes, 0 log calls"


def run(*command):
    return subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60, check=False)


def count(hits, way):
    """Instructions collected in one run."""
    done = run(*CALLGRIND, MICRO, "--hits", hits, *WAYS[way])
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or not found:
        raise RuntimeError(f"{way}, {hits} answers: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return int(found.group(1))


def measure():
    """Instructions an answer of each way."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        runs = {(way, n): pool.submit(count, n, way) for way in WAYS for n in (FEW, MANY)}
    return {way: round((runs[way, MANY].result() - runs[way, FEW].result()) / (MANY - FEW)) for way in WAYS}


def kind():
    """Compiler, machine and build type: the begin of a line, and what it was read with in full."""
    words = run(MICRO, "--version").stdout.split()  # fairlead-micro VERSION COMPILER X.Y.Z BUILD
    compiler = f"{words[2]}-{words[3].split('.')[0]}"
    return (compiler, platform.machine(), words[4]), f"{words[2]} {words[3]}"


def line_of(this, figures, full):
    system = platform.freedesktop_os_release().get("PRETTY_NAME", "?")
    valgrind = run("valgrind", "--version").stdout.strip()
    columns = "".join(f" {figures[way]:>9}" for way in WAYS)
    return f"{this[0]:<9} {this[1]:<8} {this[2]:<14}{columns}   {full}, {system}, {valgrind}"


def read():
    """{(compiler, machine, build): {way: figure}}"""
    known = {}
    for line in FIGURES.read_text().splitlines():
        words = line.split("#")[0].split()
        if words:
            known[tuple(words[:3])] = dict(zip(WAYS, map(int, words[3:3 + len(WAYS)])))
    return known


def renew(this, line):
    kept = [old for old in FIGURES.read_text().splitlines() if tuple(old.split()[:3]) != this]
    FIGURES.write_text("\n".join([*kept, line]) + "\n")
    print(f"{FIGURES}: {line}")


def judge(way, now, then):
    change = f"{now} instructions, {then} in {FIGURES.name}: {100 * (now / then - 1):+.1f} %"
    lab.expect(f"{way}: an answer takes at most 5 % more instructions than on record", now <= then * MOST,
               f"{change}\nfind out why: callgrind_annotate shows where. If it is meant, "
               f"python3 tests/system/81-instructions.py --renew writes the new figures; "
               f"say in the commit what they buy.")
    print(f"# {way}: {change}" + (" (better by far: renew the figure)" if now * MOST < then else ""))


def check_quiet():
    for way, args in WAYS.items():
        done = run(MICRO, "--hits", 100000, *args)
        lab.expect(f"{way}: no allocation, lock, write or log call in 100,000 answers",
                   done.returncode == 0 and QUIET in done.stdout, done.stdout + done.stderr)


def skip_unknown(this, more):
    lab.skip("instructions of a cached answer", f"{FIGURES.name} has no line for {' '.join(this)}: {more}")
    lab.finish()


def main():
    if not shutil.which("valgrind"):
        lab.expect("valgrind is there", False, "sh appliance/packages/install test installs it")
        lab.finish()
    this, full = kind()
    renewing = sys.argv[1:] == ["--renew"]
    then = read().get(this)
    if not renewing:
        check_quiet()
    try:
        now = measure()
    except RuntimeError as error:
        if then is None and not renewing:  # valgrind 3.19 does not read what clang 14 writes
            skip_unknown(this, "and callgrind does not run it")
        lab.expect("callgrind counts", False, error)
        lab.finish()
    line = line_of(this, now, full)
    if renewing:
        renew(this, line)
        return
    print(f"# {line}")
    if then is None:
        skip_unknown(this, "python3 tests/system/81-instructions.py --renew writes the one above")
    for way, figure in now.items():
        judge(way, figure, then[way])
    lab.finish()


main()
