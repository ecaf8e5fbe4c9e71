#!/usr/bin/env python3
# builds: dev
# timeout: 120
"""The bench suite's relay: a miss costs what the way to the name servers costs."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
import lab

DELAY_MS = 60


def bench(inside, folder, *args):
    out = folder / f"out{len(list(folder.iterdir()))}"
    done = subprocess.run([lab.BIN / "fairlead-bench", "run", "miss-p256", "--runs", "1", "--servers", "fairlead",
                           "--inet", str(inside.dir), "--output", str(out), *args], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=100, check=False,
                          env={**os.environ, "FAIRLEAD_INET": str(lab.INET)})
    report = json.loads((out / "report.json").read_text()) if (out / "report.json").exists() else None
    return done, report


def median_ms(report):
    return report["cases"][0]["servers"][0]["runs"][0]["latency_ns"]["p50"] / 1e6


def main():
    with lab.Lab() as inside, tempfile.TemporaryDirectory(prefix="fairlead-bench-test.") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
            lab.skip("delay and loss on the way to the name servers", "/dev/net/tun may not be opened here")
            lab.finish()
        done, near = bench(inside, folder)
        if not lab.expect("misses are measured", done.returncode == 0, f"{done.returncode} {done.stderr} {done.stdout}"):
            lab.finish()
        done, far = bench(inside, folder, "--delay", str(DELAY_MS))
        if lab.expect("and from afar", done.returncode == 0, f"{done.returncode} {done.stderr} {done.stdout}"):
            lab.expect("a miss takes the way there and back longer",
                       median_ms(far) >= DELAY_MS > median_ms(near), f"{median_ms(near)} and {median_ms(far)} ms")
            lab.expect("the report says what the way was", far["upstream"]["delay_ms"] == DELAY_MS, far["upstream"])
        done, _ = bench(inside, folder, "--dead", "4", "--lame", "4")
        lab.expect("half of all name servers dead or lame: every answer is right all the same",
                   done.returncode == 0, f"{done.returncode} {done.stderr} {done.stdout}")
        done, _ = bench(inside, folder, "--dead", "5", "--lame", "4")
        lab.expect("more pairs than there are: refused", done.returncode == 1, done.returncode)
        left = inside.run("ip", "-o", "link", "show")
        lab.expect("the relay leaves no device behind", "fl-upstream" not in left, left)
    lab.finish()


main()
