#!/usr/bin/env python3
# builds: dev
# timeout: 120
"""The bench suite's peers: each starts with the configuration it is given, and is right."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
import lab

PEERS = {"unbound": "unbound", "kresd": "kresd", "pdns": "pdns_recursor", "named": "named", "dnsdist": "dnsdist"}


def main():
    here = {}
    for name, program in PEERS.items():
        if shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
            here[name] = program
        else:
            lab.skip(f"{name} is right about the zones", f"there is no {program}")
    if not here:
        lab.finish()
    with lab.Lab() as inside, tempfile.TemporaryDirectory(prefix="fairlead-bench-test.") as name:
        out = pathlib.Path(name) / "out"
        done = subprocess.run([lab.BIN / "fairlead-bench", "run", "cached-1k-do", "--servers", ",".join(here),
                               "--runs", "1", "--time", "1", "--inet", str(inside.dir), "--output", str(out)],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=110, check=False,
                              env={**os.environ, "FAIRLEAD_INET": str(lab.INET)})
        if not lab.expect("peers are run", (out / "report.json").exists(), f"{done.returncode}\n{done.stderr}"):
            lab.finish()
        report = json.loads((out / "report.json").read_text())
        for server in report["cases"][0]["servers"]:
            lab.expect(f"{server['server']} is right about the zones",
                       server["standing"] == "well" and server["judged"] > 0 and server["wrong"] == 0,
                       f"{server}\n{done.stderr}"[:3000])
        for server in report["servers"]:
            lab.expect(f"{server['name']}'s version is told", any(c.isdigit() for c in server["version"]), server)
    lab.finish()


main()
