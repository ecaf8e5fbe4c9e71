#!/usr/bin/env python3
# builds: dev
# timeout: 60
"""What a role is born with: nothing of who started the supervisor, and nothing that others can change."""
import fcntl
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import house
import lab

MANAGER = {"NOTIFY_SOCKET": "/run/nowhere", "WATCHDOG_USEC": "0", "WATCHDOG_PID": "1", "LISTEN_FDNAMES": "a",
           "CREDENTIALS_DIRECTORY": "/run/nowhere"}
F_GET_SEALS, F_SEAL_WRITE = 1034, 8
NOBODY = 65534


def check_roles(inside):
    """Started with a descriptor left open, and with the variables of a service."""
    secret = inside.tmp / "secret"
    secret.write_text("the caller's")
    fd = os.open(secret, os.O_RDONLY)
    os.set_inheritable(fd, True)
    fairlead = house.House(inside, house.config(fronts=1))
    os.environ.update(MANAGER, KEPT="yes")
    popen, subprocess.Popen = subprocess.Popen, lambda *a, **k: popen(*a, **k, close_fds=False)
    try:
        fairlead.start()
    finally:
        subprocess.Popen = popen
        os.close(fd)
        for name in MANAGER:
            del os.environ[name]
    for name, pid in sorted(fairlead.roles().items()):
        names = {one.split(b"=")[0].decode() for one in pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") if one}
        lab.expect(f"{name} has nothing to speak to the manager with", not names & set(MANAGER) and "KEPT" in names, names)
        files = [os.readlink(one) for one in pathlib.Path(f"/proc/{pid}/fd").iterdir()]
        lab.expect(f"{name} has nothing that its supervisor's caller left open", str(secret) not in files, files)
    sealed = []
    for one in pathlib.Path(f"/proc/{fairlead.process.pid}/fd").iterdir():
        if "memfd:fairlead-config" in os.readlink(one):
            with open(one, "rb") as config:
                sealed.append(fcntl.fcntl(config, F_GET_SEALS) & F_SEAL_WRITE)
    lab.expect("the configuration that roles read cannot be written", sealed and all(sealed), sealed)
    fairlead.stop()


def check_others_folder(inside):
    """A deep tree under our name, made by another user: not looked into at the start."""
    other = pathlib.Path(tempfile.mkdtemp(prefix=f"fairlead-{os.geteuid()}-", dir="/dev/shm"))
    try:
        at = other
        for _ in range(200):
            at = at / "d"
            at.mkdir()
        (other / "file").write_text("another's")
        os.chown(other, NOBODY, NOBODY)
        fairlead = house.House(inside, house.config(fronts=1).replace("@STATE@/cache", "/proc/nowhere/cache"))
        fairlead.start()
        lab.expect("another user's folder in memory is left alone", (other / "file").exists() and at.exists())
        fairlead.stop()
    finally:
        shutil.rmtree(other, ignore_errors=True)


def check_unreadable(inside):
    """The system's configuration is there, but not for us: that is no reason to run without one."""
    program = inside.tmp / "program"
    shutil.copy(lab.BIN / "fairleadd", program)
    os.chmod(inside.tmp, 0o755)
    script = f"""mount -t tmpfs tmpfs /etc && mkdir -m 0700 /etc/fairlead && touch /etc/fairlead/fairlead.yaml &&
        exec setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups {program} --dump"""
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=20, check=False)
    if "mount" in done.stderr or "unshare" in done.stderr or "setpriv" in done.stderr:
        lab.skip("a configuration that cannot be read is an error", done.stderr.strip())
        return
    lab.expect("a configuration that cannot be read is an error",
               done.returncode in (1, 2) and "/etc/fairlead/fairlead.yaml" in done.stderr and not done.stdout,
               f"{done.returncode} {done.stdout[:300]} {done.stderr}")


def main():
    inside = lab.Lab()
    with inside:
        inside.enter()
        check_roles(inside)
        if os.geteuid() != 0:
            lab.skip("what other users may do", "needs root")
        else:
            check_others_folder(inside)
            check_unreadable(inside)
    lab.finish()


main()
