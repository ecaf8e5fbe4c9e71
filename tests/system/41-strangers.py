#!/usr/bin/env python3
# builds: dev
# timeout: 90
"""Who connects to the roles and is none of them: other users, other programs, floods.

The addresses of roles stand in /proc/net/unix for everybody. Whoever connects may cost a
little of a role's time; it gets no answer, keeps nobody out, and a role that dies
meanwhile comes back. What the caller of fairleadd had open is nobody's in the house.
"""
import os
import pathlib
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import dnswire
import house
import lab

FLOOD_S = 12
GREET_S = 5.0
TICKS = os.sysconf("SC_CLK_TCK")
unique = 0


def fresh_is_answered(timeout=1.0):
    global unique
    unique += 1
    reply = dnswire.ask(f"stranger-{os.getpid()}-{unique}.wildcard.shape.", timeout=timeout)
    return reply is not None and reply.rcode == "NOERROR"


def addresses(end):
    """The abstract addresses of listening ends named so."""
    lines = pathlib.Path("/proc/net/unix").read_text().splitlines()
    names = {line.split()[-1] for line in lines if "@fairlead/" in line}
    return sorted("\0" + name[1:] for name in names if name.endswith("/" + end))


def connect(address):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.setblocking(False)
    s.connect(address)
    return s


def flood(targets, user, seconds):
    """A child that connects as often as it can and holds what it gets."""
    pid = os.fork()
    if pid != 0:
        return pid
    try:
        if user is not None:
            os.setuid(user)
        held, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            for target in targets:
                try:
                    held.append(connect(target))
                except OSError:
                    time.sleep(0.0005)
            while len(held) > 400:
                held.pop(0).close()
    finally:
        os._exit(0)


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def is_closed(s):
    try:
        return s.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def check_silent(fairlead, targets):
    """One who says nothing, and one who says what is no message."""
    for target in targets:
        silent, loud = connect(target), connect(target)
        loud.send(b"let me in" * 20)
        name = target.rsplit("/", 1)[1]
        lab.expect(f"{name}: what is no message ends the connection",
                   house.wait_for(2, lambda one=loud: is_closed(one)) is not None)
        lab.expect(f"{name}: who says nothing has time to", not is_closed(silent))
        lab.expect(f"{name}: and is dropped after it",
                   house.wait_for(GREET_S + 2, lambda one=silent: is_closed(one)) is not None)
    lab.expect("none of them was a reason to die", not fairlead.says(r"died|hangs"), fairlead.said())


def check_flood(fairlead, targets, user, title):
    pid = flood(targets, user, FLOOD_S)
    begin = time.monotonic()
    time.sleep(0.5)
    lab.expect(f"{title}: new names are resolved", all(fresh_is_answered() for _ in range(50)))
    for name in ("resolver 0", "keeper 0", "front 0"):
        before = fairlead.kill(name)
        took = house.wait_for(5, lambda one=name, than=before: fairlead.is_back(one, than) and fresh_is_answered(0.5))
        lab.expect(f"{title}: {name} killed in the middle of it is back", took is not None, fairlead.said()[-2000:])
    stored = fairlead.count("stored", "keeper")
    lab.expect(f"{title}: and answers are stored",
               house.wait_for(4, lambda: fresh_is_answered() and fairlead.count("stored", "keeper") >= stored + 20)
               is not None, fairlead.counters())
    lab.expect(f"{title}: it was still going on", time.monotonic() - begin < FLOOD_S)
    os.waitpid(pid, 0)
    trouble = [line for line in fairlead.said().splitlines() if "hangs" in line or "it is started again in" in line]
    lab.expect(f"{title}: no role hung or was held back", not trouble, trouble)
    time.sleep(0.3)
    pids = fairlead.roles()
    spent = {name: cpu_s(pid) for name, pid in pids.items()}
    time.sleep(1.5)
    spent = {name: cpu_s(pid) - spent[name] for name, pid in pids.items()}
    lab.expect(f"{title}: and when it is over, all is quiet", max(spent.values()) < 0.3, spent)


def check_descriptors(inside):
    """fairleadd is started with a file open that is not its own."""
    strange = inside.tmp / "strange"
    strange.write_text("not yours")
    fd = os.open(strange, os.O_RDWR)
    os.dup2(fd, 77, inheritable=True)
    fairlead = house.House(inside, house.config())
    popen = house.subprocess.Popen
    house.subprocess.Popen = lambda *args, **more: popen(*args, **more, close_fds=False)
    try:
        fairlead.start()
    finally:
        house.subprocess.Popen = popen
        os.close(77)
        os.close(fd)
    with_it = []
    for name, pid in fairlead.roles().items():
        for one in pathlib.Path(f"/proc/{pid}/fd").iterdir():
            if os.readlink(one) == str(strange):
                with_it.append(name)
    lab.expect("no role has what the caller had open", not with_it, with_it)
    return fairlead


def check_gauges(fairlead):
    """What a front held when it died is not in flight any more."""
    names = ("front 0", "front 1")

    def held():
        return [fairlead.counters()[name].get("in_flight", 0) for name in names]

    for turn in range(2):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            for n in range(60):
                s.sendto(dnswire.question(f"g{turn}-{n}.silent{n % 3}.down.", "A", n), ("127.0.0.1", 53))
            most = house.wait_for(3, lambda: sum(held()) >= 30)
            before = fairlead.kill(*names)
        lab.expect("questions wait for silent servers", most is not None)
        house.wait_for(5, lambda than=before: all(fairlead.is_back(name, than) for name in names))
    # What waited in the sockets their successors have taken, and that ends within 4.5 s. What
    # the dead ones held would stay.
    house.wait_for(6, lambda: sum(held()) == 0)
    lab.expect("fronts that died leave nothing in flight", sum(held()) == 0, held())


def main():
    inside = lab.Lab()
    with inside:
        inside.enter()
        fairlead = check_descriptors(inside)
        targets = addresses("keeper") + addresses("resolver.0")
        lab.expect("the addresses are there for everybody", len(targets) == 2, targets)
        check_silent(fairlead, targets)
        if os.geteuid() == 0:
            check_flood(fairlead, targets, 65534, "a flood of another user's")
        else:
            lab.skip("a flood of another user's", "only root can be two users")
        check_flood(fairlead, targets, None, "a flood of our own user's")
        check_gauges(fairlead)
        fairlead.stop()
    lab.finish()


main()
