"""The laboratory of system tests, for Python: what lab.sh is for shell.

    import os, sys
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
    import lab

    with lab.Lab() as inside, inside.fairlead() as daemon:
        reply = inside.run("kdig", "@127.0.0.1", "www.nsec.shape.", "A", "+dnssec")
        lab.expect("a signed name is validated", " ad;" in reply, reply)
    lab.finish()

Lab uses the miniature Internet that tests/run shares between tests, or makes
one of its own. enter() moves this very process inside, so that Python's own
sockets reach 127.0.0.1 and 198.18.0.0/15 there: needs to come first.
"""
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("FAIRLEAD_BIN", ROOT / "build/dev/bin"))
INET = os.environ.get("FAIRLEAD_INET", str(BIN / "fairlead-inet"))
BUILD = os.environ.get("FAIRLEAD_BUILD_NAME", "dev")
PATIENCE_S = 30 if BUILD == "asan" else 10

CONFIG = """\
state: "@STATE@"
listen: ["127.0.0.1@53", "::1@53"]
cache: {folder: "@STATE@/cache", size: 64MiB}
resolver:
  root-hints: "@HINTS@"
  trust-anchors: ["@ANCHORS@"]
  local-root: no
"""

_failed = 0


def expect(sentence, condition, detail=""):
    """Say whether it holds; what was seen instead goes below a failure."""
    global _failed
    print(f"{'ok' if condition else 'not ok'} - {sentence}", flush=True)
    if not condition:
        _failed += 1
        for line in str(detail).splitlines():
            print(f"# {line}", flush=True)
    return bool(condition)


def skip(sentence, reason):
    print(f"ok - {sentence} # skip {reason}", flush=True)


def allow_descriptors(wanted=4096):
    """As many descriptors as a test with hundreds of clients needs, where the limit lets it."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))


def finish():
    """End the test with the status that its expectations earned."""
    sys.exit(1 if _failed else 0)


def wait_for(seconds, condition):
    """Ask ten times a second until the condition holds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.1)
    return False


class Daemon:
    """fairleadd inside the laboratory."""

    def __init__(self, lab, config, state):
        self.lab, self.config, self.state = lab, config, pathlib.Path(state)
        self.log = lab.tmp / "fairleadd.log"
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.process is not None:
            self.stop()

    def said(self):
        return self.log.read_text(errors="replace")

    def start(self):
        """Start it and wait until its log says that it serves."""
        self.state.mkdir(parents=True, exist_ok=True)
        text = self.config
        for mark, value in (("@STATE@", self.state), ("@HINTS@", self.lab.dir / "root.hints"),
                            ("@ANCHORS@", self.lab.dir / "root.anchors")):
            text = text.replace(mark, str(value))
        file = self.lab.tmp / "fairlead.yaml"
        file.write_text(text)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self.lab.inside(str(BIN / "fairleadd"), "-c", str(file)),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        serves = wait_for(PATIENCE_S, lambda: self.process.poll() is not None or "serving" in self.said())
        if not serves or self.process.poll() is not None:
            expect(f"fairleadd serves within {PATIENCE_S} s", False, self.said()[-2000:])
            self.lab.close()
            finish()

    def stop(self):
        """SIGTERM, five seconds, exit status 0."""
        process, self.process = self.process, None
        process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            status = "still running after 5 s"
        if status != 0:
            expect("fairleadd ends well", False, f"{status}\n{self.said()[-2000:]}")


class Lab:
    """The miniature Internet, shared by the tests of a run."""

    def __init__(self):
        self.tmp = pathlib.Path(tempfile.mkdtemp(prefix="fairlead-test."))
        shared = os.environ.get("FAIRLEAD_LAB")
        self.own = shared is None
        self.dir = pathlib.Path(shared) if shared else self.tmp / "lab"

    def __enter__(self):
        if self._inet("status").returncode != 0:
            self._start()
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.own and self.dir.exists():
            self._inet("stop")
        shutil.rmtree(self.tmp, ignore_errors=True)

    def _inet(self, *args, **more):
        return subprocess.run([INET, "--dir", str(self.dir), *args], stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, **more)

    def _start(self):
        self.dir.mkdir(parents=True, exist_ok=True)
        if not (self.dir / "root.hints").exists():
            self._inet("make", "--zones", os.environ.get("LAB_ZONES", "30"),
                       "--names", os.environ.get("LAB_NAMES", "5"))
        # not this test's to end, so it doesn't carry this test's mark
        env = {k: v for k, v in os.environ.items() if k != "FAIRLEAD_TEST"}
        if self._inet("start", env=env).returncode != 0:
            expect("the miniature Internet starts", False)
            self.close()
            finish()

    def inside(self, *command):
        """The command line that runs a command inside."""
        return [INET, "--dir", str(self.dir), "exec", *command]

    def run(self, *command, timeout=30):
        """What a command inside said."""
        done = subprocess.run(self.inside(*command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", timeout=timeout,
                              check=False)
        return done.stdout

    def enter(self):
        """Run this script anew inside; returns only there."""
        if os.environ.get("FAIRLEAD_INSIDE") != str(self.dir):
            os.environ.update(FAIRLEAD_INSIDE=str(self.dir), FAIRLEAD_LAB=str(self.dir))
            shutil.rmtree(self.tmp, ignore_errors=True)
            command = self.inside(sys.executable, *sys.argv)
            os.execv(command[0], command)

    def fairlead(self, config=CONFIG, state=None):
        """fairleadd, as a context; a state folder given is kept for the next one."""
        return Daemon(self, config, state or self.tmp / "state")
