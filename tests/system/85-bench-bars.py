#!/usr/bin/env python3
# builds: dev
# timeout: 90
"""The bench suite's bars: one peer's trains are answered, and hits beside a flood of misses."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
import lab


def run(inside, out, case, servers):
    done = subprocess.run([lab.BIN / "fairlead-bench", "run", case, "--servers", servers, "--runs", "1", "--time", "1",
                           "--inet", str(inside.dir), "--output", str(out)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60, check=False,
                          env={**os.environ, "FAIRLEAD_INET": str(lab.INET)})
    report = out / "report.json"
    if not lab.expect(f"{case} is run", report.exists(), f"{done.returncode}\n{done.stderr}"):
        return None, [], done
    found = json.loads(report.read_text())["cases"][0]
    return found, found["bars"], done


def trains(inside, folder):
    case, bars, done = run(inside, folder / "trains", "one-peer-trains", "fairlead,echo")
    if case is None:
        return
    lab.expect("questions in trains are all answered, and rightly",
               all(s["standing"] == "well" and s["runs"][0]["lost"] == 0 for s in case["servers"]), case["servers"])
    us = {s["server"]: s["cpu_us_an_answer"]["median"] for s in case["servers"]}
    lab.expect("the bar is judged by the two servers' CPU",
               len(bars) == 1 and bars[0]["against"] == "echo" and bars[0]["known"] and
               abs(bars[0]["value"] - us["fairlead"] / us["echo"]) < 1e-6 and
               bars[0]["met"] == (bars[0]["value"] <= bars[0]["bar_value"]), bars)
    lab.expect("bars are printed", "x echo" in done.stdout and ("met" in done.stdout or "MISSED" in done.stdout),
               done.stdout)


def saturated(inside, folder):
    case, bars, done = run(inside, folder / "saturated", "saturated", "fairlead,echo")
    if case is None:
        return
    fairlead = case["servers"][0]
    lab.expect("hits beside a flood are right", fairlead["server"] == "fairlead" and fairlead["standing"] == "well",
               fairlead)
    lab.expect("lost answers and loop turns are known", len(bars) == 2 and all(b["known"] for b in bars),
               f"{bars}\n{done.stderr}")
    lab.expect("misses were answered meanwhile", " misses a second were answered meanwhile" in done.stderr and
               ": 0 misses a second" not in done.stderr, done.stderr)


def main():
    with lab.Lab() as inside, tempfile.TemporaryDirectory(prefix="fairlead-bench-test.") as name:
        folder = pathlib.Path(name)
        trains(inside, folder)
        saturated(inside, folder)
    lab.finish()


main()
