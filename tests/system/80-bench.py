#!/usr/bin/env python3
# builds: dev
# timeout: 180
"""The bench suite: figures for who is right, none for who lies."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
import lab

BENCH = lab.BIN / "fairlead-bench"
MIDDLEMAN = """\
import socket, sys
# Passes questions on and answers back; of so many answers one is one octet off.
here, behind, every = sys.argv[1], sys.argv[2], int(sys.argv[3])
inside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
inside.bind((here, 53))
outside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
outside.connect((behind, 53))
outside.settimeout(2)
seen = 0
while True:
    question, client = inside.recvfrom(4096)
    outside.send(question)
    try:
        answer = outside.recv(4096)
    except TimeoutError:
        continue
    if answer[7]:  # it has a record, whose last octet is the address's
        seen += 1
        if every and seen % every == 0:
            answer = answer[:-1] + bytes([answer[-1] ^ 1])
    inside.sendto(answer, client)
"""


def peer(folder, name, every):
    """The description of a middleman in front of Fairlead."""
    (folder / "middleman.py").write_text(MIDDLEMAN)
    path = folder / f"{name}.json"
    path.write_text(json.dumps({
        "name": name, "behind": "fairlead", "validates": True,
        "command": [sys.executable, str(folder / "middleman.py"), "@ADDRESS@", "@BEHIND@", str(every)],
    }))
    return str(path)


def bench(inside, *args, timeout=150):
    return subprocess.run([BENCH, *args, "--inet", str(inside.dir)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=timeout, check=False,
                          env={**os.environ, "FAIRLEAD_INET": str(lab.INET)})


def of(report, name):
    return next(s for s in report["cases"][0]["servers"] if s["server"] == name)


def shows_liar(inside, folder):
    done = bench(inside, "run", "cached-1k", "--servers", "fairlead,echo", "--runs", "2", "--time", "1",
                 "--peer", peer(folder, "honest", 0), "--peer", peer(folder, "liar", 200),
                 "--output", str(folder / "out"))
    lab.expect("a run with a liar in it ends with status 3", done.returncode == 3,
               f"{done.returncode}\n{done.stderr}")
    report = json.loads((folder / "out/report.json").read_text())
    liar, honest, fairlead, echo = (of(report, n) for n in ("liar", "honest", "fairlead", "echo"))
    lab.expect("a server that flips an octet in one answer of 200 is found wrong",
               liar["standing"] == "wrong" and liar["wrong"] > 0, liar)
    lab.expect("its speed is not reported", "runs" not in liar and "cpu_us_an_answer" not in liar, liar)
    lab.expect("what it lied about is", any("no such record" in f for f in liar["faults"]), liar["faults"])
    lab.expect("the table says so as well", "WRONG" in done.stdout, done.stdout)
    csv = (folder / "out/runs.csv").read_text()
    lab.expect("its runs are not in runs.csv", ",liar," not in csv and ",fairlead," in csv, csv)
    lab.expect("the same middleman who leaves answers alone is well", honest["standing"] == "well", honest)
    lab.expect("Fairlead is right and has figures",
               fairlead["standing"] == "well" and fairlead["cpu_us_an_answer"]["median"] > 0 and
               fairlead["wrong"] == 0 and len(fairlead["runs"]) == 2, fairlead["faults"])
    lab.expect("all its processes are counted", fairlead["processes"] >= 4, fairlead["processes"])
    lab.expect("answers were judged while they were timed", all(r["judged"] > 0 for r in fairlead["runs"]))
    lab.expect("the ratio to the null server is its CPU over the null server's",
               abs(fairlead["times_echo"] - fairlead["cpu_us_an_answer"]["median"] /
                   echo["cpu_us_an_answer"]["median"]) < 1e-6, fairlead["times_echo"])
    real, padded = fairlead["runs"][0]["octets_an_answer"], echo["runs"][0]["octets_an_answer"]
    lab.expect("the null server's answers are of the real ones' size", abs(real - padded) < real * 0.15,
               f"{real} and {padded}")
    lab.expect("configurations are printed", any("trust-anchors" in s["configuration"]
                                                 for s in report["servers"]))
    lab.expect("the report has its version", report["format"] == 1)


def leftovers(mark):
    """Processes that name this run's folder."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark in (entry / "cmdline").read_bytes().decode(errors="replace"):
                found.append(entry.name)
        except OSError:
            continue
    return found


def ends_what_it_started(inside, folder):
    path = peer(folder, "marked", 0)
    running = subprocess.Popen([BENCH, "run", "cached-1k", "--servers", "fairlead", "--peer", path,
                                "--time", "60", "--inet", str(inside.dir)], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                               start_new_session=True, env={**os.environ, "FAIRLEAD_INET": str(lab.INET)})
    script = str(folder / "middleman.py")
    end = time.monotonic() + 30
    while not leftovers(script) and time.monotonic() < end:
        time.sleep(0.1)
    lab.expect("a run starts its servers", leftovers(script))
    os.killpg(running.pid, signal.SIGINT)
    try:
        running.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        running.kill()
    lab.expect("SIGINT ends it, with another status than 0", running.returncode not in (0, None),
               running.returncode)
    lab.expect("and what it started", not leftovers(script), leftovers(script))


def refuses(inside):
    for sentence, args in (("a profile that isn't there is refused", ["run", "nothing"]),
                           ("a server that isn't there is refused", ["run", "quick", "--servers", "nobody"]),
                           ("a peer's file that isn't there is refused", ["run", "quick", "--peer", "/nothing"]),
                           ("no runs at all are refused", ["run", "quick", "--runs", "0"])):
        done = bench(inside, *args)
        lab.expect(sentence, done.returncode == 1 and done.stderr, f"{done.returncode} {done.stderr}")


def main():
    if not BENCH.exists():
        lab.expect(f"{BENCH} is built", False)
        lab.finish()
    with lab.Lab() as inside, tempfile.TemporaryDirectory(prefix="fairlead-bench-test.") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        refuses(inside)
        shows_liar(inside, folder)
        ends_what_it_started(inside, folder)
    lab.finish()


main()
