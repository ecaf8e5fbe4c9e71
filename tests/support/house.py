"""Fairlead seen from outside: its processes, what they count, what they log.

For tests that run inside the laboratory (lab.Lab().enter() comes first):

    with house.House(inside) as fairlead:
        fairlead.kill("resolver 0")
        fairlead.count("asked_again")
"""
import os
import pathlib
import re
import signal
import subprocess
import time

import dnswire
import lab

CONFIG = """\
state: "@STATE@"
listen: @LISTEN@
cache: {{folder: "@STATE@/cache", size: {size}}}
fronts: {fronts}
resolvers: {resolvers}
resolver:
  root-hints: "@HINTS@"
  trust-anchors: ["@ANCHORS@"]
  local-root: no
{resolver}
{more}
"""


def config(fronts=2, resolvers=1, size="64MiB", resolver="", more=""):
    return CONFIG.format(fronts=fronts, resolvers=resolvers, size=size,
                         resolver="\n".join("  " + line for line in resolver.splitlines()), more=more)


def is_alive(pid):
    """Running, and no zombie."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] not in "ZX"
    except (OSError, IndexError):
        return False


def status_of(pid, key):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return line.split(":", 1)[1].strip()
    return ""


def wait_for(seconds, condition, pause=0.02):
    """How long it took until the condition held; None when it never did."""
    begin = time.monotonic()
    while True:
        if condition():
            return time.monotonic() - begin
        if time.monotonic() - begin > seconds:
            return None
        time.sleep(pause)


class House:
    """One fairleadd. Several may run at once, each at an address of 127.0.0.0/8 of its own."""

    def __init__(self, inside, text=None, state=None, address=None):
        self.lab, self.text = inside, text or config()
        self.state = pathlib.Path(state) if state else inside.tmp / "state"
        self.address = address or "127.0.0.1"
        self.listen = f"[{address}@53]" if address else '["127.0.0.1@53", "::1@53"]'
        self.log = inside.tmp / f"fairleadd-{self.address}.log"
        self.process = None
        self.started = 0.0

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.process is not None:
            self.stop()

    # --- life ---

    def write_config(self):
        text = self.text
        for mark, value in (("@LISTEN@", self.listen), ("@STATE@", self.state), ("@HINTS@", self.lab.dir / "root.hints"),
                            ("@ANCHORS@", self.lab.dir / "root.anchors")):
            text = text.replace(mark, str(value))
        file = self.lab.tmp / f"fairlead-{self.address}.yaml"
        file.write_text(text)
        return str(file)

    def launch(self):
        """Execute it and don't wait."""
        self.state.mkdir(parents=True, exist_ok=True)
        file = self.write_config()
        with self.log.open("wb") as log:
            self.started = time.monotonic()
            self.process = subprocess.Popen([str(lab.BIN / "fairleadd"), "-c", file],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def start(self):
        self.launch()
        if wait_for(lab.PATIENCE_S, lambda: self.process.poll() is not None or "serving" in self.said()) is None \
                or self.process.poll() is not None:
            lab.expect(f"fairleadd serves within {lab.PATIENCE_S} s", False, self.said()[-3000:])
            self.end()
            self.lab.close()
            lab.finish()

    def stop(self, number=signal.SIGTERM, seconds=5):
        """End it with a signal: (exit status or None, seconds it took)."""
        process, self.process = self.process, None
        begin = time.monotonic()
        process.send_signal(number)
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            status = None
        took = time.monotonic() - begin
        if status != 0:
            lab.expect("fairleadd ends well", False, f"status {status}\n{self.said()[-2000:]}")
        return status, took

    def end(self):
        """kill -9 of everything."""
        pids = list(self.roles().values()) + [self.process.pid]
        for pid in [self.process.pid] + pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        self.process = None
        wait_for(2, lambda: not any(is_alive(pid) for pid in pids))

    # --- its processes ---

    def roles(self):
        """Name to pid of each living role."""
        found = {}
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/children"):
            for pid in task.read_text().split():
                try:
                    title = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
                except OSError:
                    continue
                if title.startswith("fairleadd: ") and is_alive(pid):
                    found[title[len("fairleadd: "):]] = int(pid)
        return found

    def kill(self, *names, number=signal.SIGKILL):
        """Signal roles at once; the pids they had."""
        roles = self.roles()
        pids = [roles[name] for name in names if name in roles]
        for pid in pids:
            os.kill(pid, number)
        return pids

    def is_back(self, name, than):
        """Is the role there, as another process than before, and ready?"""
        pid = self.roles().get(name)
        return pid is not None and pid not in than and \
            re.search(rf"{name} ready after \d+ ms, pid {pid}$", self.said(), re.M) is not None

    # --- what it says ---

    def said(self):
        return self.log.read_text(errors="replace")

    def says(self, expression):
        return re.search(expression, self.said(), re.M) is not None

    def counters(self):
        """Role to counters."""
        before = self.said().count("counters end")
        self.process.send_signal(signal.SIGUSR1)
        wait_for(2, lambda: self.said().count("counters end") > before, 0.005)
        found = {}
        for role, name, value in re.findall(r"counter ([a-z]+ \d+): (\w+)=(\d+)",
                                            self.said().rsplit("counters end", 2)[-2]):
            found.setdefault(role, {})[name] = int(value)
        return found

    def count(self, name, role=""):
        return sum(c.get(name, 0) for r, c in self.counters().items() if r.startswith(role))

    def answers(self, name="localhost", seconds=5):
        """Seconds until a question is answered at all; None when never."""
        begin = time.monotonic()
        while time.monotonic() - begin < seconds:
            if dnswire.ask(name, server=self.address, timeout=0.3) is not None:
                return time.monotonic() - begin
        return None
