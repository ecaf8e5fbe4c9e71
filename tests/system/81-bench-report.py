#!/usr/bin/env python3
# builds: dev
# timeout: 120
"""The bench suite's report: a page that a browser draws, a baseline that is kept."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
import lab

CHROMIUM = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--virtual-time-budget=3000"]


def bench(inside, *args):
    return subprocess.run([lab.BIN / "fairlead-bench", *args, "--inet", str(inside.dir)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=100, check=False,
                          env={**os.environ, "FAIRLEAD_INET": str(lab.INET)})


def chromium(folder, *args):
    """What a browser that has never run before says of the page."""
    with tempfile.TemporaryDirectory(dir=folder) as profile:
        return subprocess.run(["chromium", *CHROMIUM, f"--user-data-dir={profile}", *args,
                               (folder / "out/report.html").as_uri()], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60, check=False).stdout


def page_is_drawn(folder):
    source = (folder / "out/report.html").read_text()
    lab.expect("the page needs nothing beside it",
               not re.search(r"""(?:src|href)\s*=|@import|url\(|fetch\(""", source.replace("xmlns", "")))
    if not shutil.which("chromium"):
        lab.expect("chromium is there to look at the page", False, "apt-get install chromium")
        return
    dom = chromium(folder, "--dump-dom")
    drawn = dom.split("<script", 1)[0]
    lab.expect("a browser draws the page", 'data-drawn="yes"' in dom, dom[-500:])
    lab.expect("latency, rates, CPU and memory are plotted", drawn.count('class="plot"') == 4, drawn.count("plot"))
    lab.expect("each server has its lines", drawn.count("<path") >= 4, drawn.count("<path"))
    lab.expect("nothing in it is undefined", not re.search(r"NaN|undefined|Infinity", drawn))
    lab.expect("text in a configuration stays text", "<details" in dom and "trust-anchors" in dom)
    for name, scheme in (("dark", "0"), ("light", "1")):
        chromium(folder, f"--screenshot={folder}/{name}.png", "--window-size=1000,1200",
                 f"--blink-settings=preferredColorScheme={scheme}")
    light, dark = ((folder / f"{n}.png").read_bytes() for n in ("light", "dark"))
    lab.expect("it has a light and a dark side", len(light) > 10000 and len(dark) > 10000 and light != dark)
    chromium(folder, f"--print-to-pdf={folder}/page.pdf")
    lab.expect("it prints", (folder / "page.pdf").read_bytes().startswith(b"%PDF"))


def baseline_is_kept(inside, folder):
    """The same figures as before are well; a past that was cheaper is not."""
    report = json.loads((folder / "out/report.json").read_text())
    past = folder / "past.json"

    def compared(factor):
        for server in report["cases"][0]["servers"]:
            if server["server"] == "fairlead":
                server["cpu_us_an_answer"]["median"] *= factor
        past.write_text(json.dumps(report))
        return bench(inside, "run", "cached-1k", "--servers", "fairlead", "--runs", "1", "--time", "1",
                     "--baseline", str(past), "--tolerance", "50")

    dear = compared(10)
    lab.expect("cheaper than the baseline: status 0", dear.returncode == 0, f"{dear.returncode} {dear.stderr}")
    cheap = compared(0.001)
    lab.expect("dearer than the baseline: status 4", cheap.returncode == 4, f"{cheap.returncode} {cheap.stderr}")
    lab.expect("and the case is named", "WORSE cached-1k" in cheap.stdout, cheap.stdout[-500:])
    past.write_text("{}")
    none = bench(inside, "run", "cached-1k", "--servers", "fairlead", "--runs", "1", "--time", "1",
                 "--baseline", str(past))
    lab.expect("a baseline that is none is refused", none.returncode == 1, none.returncode)


def sizes_the_box(inside):
    done = bench(inside, "size", "--runs", "1")
    lab.expect("the box is sized", done.returncode == 0, f"{done.returncode}\n{done.stderr}\n{done.stdout[-1000:]}")
    lab.expect("and what is measured is told from what is modelled",
               "measured on one core" in done.stdout and "modelled" in done.stdout, done.stdout[-1500:])


def prints_a_configuration(inside, folder):
    """For people with a load tool of their own: fairleadd takes it."""
    done = bench(inside, "config")
    (folder / "load.yaml").write_text(done.stdout)
    check = subprocess.run([lab.BIN / "fairleadd", "--check", "-c", folder / "load.yaml"], capture_output=True,
                           text=True, timeout=20, check=False)
    lab.expect("the printed configuration is one", check.returncode == 0, check.stdout + check.stderr)


def main():
    with lab.Lab() as inside, tempfile.TemporaryDirectory(prefix="fairlead-bench-test.") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        done = bench(inside, "run", "cached-1k", "--servers", "fairlead,echo", "--runs", "3", "--time", "1",
                     "--output", str(folder / "out"))
        if lab.expect("a run is reported", done.returncode == 0, f"{done.returncode}\n{done.stderr}\n{done.stdout}"):
            page_is_drawn(folder)
            baseline_is_kept(inside, folder)
        sizes_the_box(inside)
        prints_a_configuration(inside, folder)
    lab.finish()


main()
