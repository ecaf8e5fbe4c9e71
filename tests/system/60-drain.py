#!/usr/bin/env python3
# builds: dev
# timeout: 90
"""How it ends, and where it cannot begin.

SIGTERM and SIGINT with questions in flight; a second start; a port that is taken;
folders that cannot be written, and a disk that is full.
"""
import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import dnswire
import house
import lab

END_S = 2


def ask_later(function, *args, **more):
    """Ask in a thread of its own; the thread, and where its replies will be."""
    found = []
    thread = threading.Thread(target=lambda: found.extend(function(*args, **more)))
    thread.start()
    return thread, found


def check_end(inside, name, number):
    fairlead = house.House(inside, house.config())
    fairlead.start()
    dnswire.ask("www.nsec.shape.")
    udp, by_udp = ask_later(dnswire.ask_all, [(f"{name}{n}.silent{n % 10}.down.".lower(), "A") for n in range(40)],
                            timeout=8, sources=[None] * 4)
    tcp, by_tcp = ask_later(dnswire.ask_tcp, [(f"tcp{name}{n}.silent3.down.".lower(), "A") for n in range(5)],
                            timeout=8)
    time.sleep(0.5)
    roles = list(fairlead.roles().values())
    status, took = fairlead.stop(number, 25)
    left = [pid for pid in roles if house.is_alive(pid)]
    udp.join()
    tcp.join()
    lab.expect(f"{name}: exit status 0", status == 0, f"{status}\n{fairlead.said()[-1500:]}")
    lab.expect(f"{name}: within {END_S} s", took <= END_S, f"{took}\n{fairlead.said()[-1500:]}")
    lab.expect(f"{name}: no process is left", not left, left)
    lab.expect(f"{name}: what was in flight over UDP was answered or failed",
               all(r is not None and r.rcode == "SERVFAIL" for r in by_udp), by_udp)
    lab.expect(f"{name}: what was in flight over TCP was answered or failed",
               all(r is not None and r.rcode == "SERVFAIL" for r in by_tcp), by_tcp)
    lab.expect(f"{name}: nothing had to be killed", not fairlead.says("did not end in time"), fairlead.said()[-1500:])
    again = house.House(inside, house.config(), fairlead.state)
    again.start()
    lab.expect(f"{name}: a second start at once serves", again.answers() is not None)
    hits = again.count("cache_hits")
    reply = dnswire.ask("www.nsec.shape.")
    lab.expect(f"{name}: and has what was stored", again.count("cache_hits") > hits, f"{reply}\n{again.said()[-1500:]}")
    again.stop()


def check_hanging_front(inside):
    """One front that does not end costs neither the others' answers nor what waits to be stored."""
    fairlead = house.House(inside, house.config(fronts=2))
    fairlead.start()
    names = [(f"last{n}.wildcard.shape.", "A") for n in range(30)]
    dnswire.ask("www.nsec.shape.")
    time.sleep(1.5)
    fairlead.kill("front 0", number=signal.SIGSTOP)
    replies = dnswire.ask_all(names, timeout=0.4, sources=[None] * len(names))
    answered = [q for q, r in zip(names, replies) if r is not None and r.rcode == "NOERROR"]
    status, took = fairlead.stop(seconds=25)
    lab.expect("a front that hangs: the others answered before the end", len(answered) >= 3, replies)
    lab.expect(f"a front that hangs: it ends well, within {END_S} s", status == 0 and took <= END_S, f"{status} {took}")
    lab.expect("a front that hangs: it alone is killed", [line.split("did not end")[0].split()[-2:] for line
               in fairlead.said().splitlines() if "did not end in time" in line] == [["front", "0"]],
               fairlead.said()[-1500:])
    again = house.House(inside, house.config(fronts=2), fairlead.state)
    again.start()
    kept = dnswire.ask_all(answered, rd=False)
    lab.expect("a front that hangs: what was resolved last is stored",
               all(r is not None and r.rcode == "NOERROR" for r in kept), f"{kept}\n{fairlead.said()[-1500:]}")
    again.stop()


def run_to_its_end(fairlead):
    """For starts that must fail: (exit status, what it said)."""
    fairlead.launch()
    try:
        status = fairlead.process.wait(lab.PATIENCE_S)
    except subprocess.TimeoutExpired:
        fairlead.end()
        status = None
    fairlead.process = None
    return status, fairlead.said()


def check_port(inside):
    for kind, what in ((socket.SOCK_DGRAM, "UDP"), (socket.SOCK_STREAM, "TCP")):
        with socket.socket(socket.AF_INET, kind) as taken:
            if kind == socket.SOCK_STREAM:
                taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # TIME_WAIT of what ran before
            taken.bind(("127.0.0.1", 53))
            if kind == socket.SOCK_STREAM:
                taken.listen()
            status, said = run_to_its_end(house.House(inside))
            lines = [line for line in said.splitlines() if "127.0.0.1@53" in line]
            lab.expect(f"{what} port in use: exit status 2", status == 2, f"{status}\n{said}")
            lab.expect(f"{what} port in use: one line says which and what to do",
                       len(lines) == 1 and what in lines[0] and "another server holds it" in lines[0], said)
    with house.House(inside) as first:
        status, said = run_to_its_end(house.House(inside, state=inside.tmp / "second"))
        first.log.write_text("")  # both write there
        lab.expect("a second instance: exit status 2", status == 2, f"{status}\n{said}")
        lab.expect("and the first serves on", first.answers() is not None)


def serves_from_memory(fairlead, title):
    fairlead.start()
    lines = [line for line in fairlead.said().splitlines() if "no cache on disk" in line]
    lab.expect(f"{title}: one line says that memory is used", len(lines) == 1 and "using memory" in lines[0],
               fairlead.said())
    dnswire.ask("www.nsec.shape.")
    hits = fairlead.count("cache_hits")
    stored = house.wait_for(3, lambda: dnswire.ask("www.nsec.shape.").rcode == "NOERROR"
                            and fairlead.count("cache_hits") > hits, 0.2)
    lab.expect(f"{title}: and it caches", stored is not None, fairlead.said()[-2000:])
    links = [os.readlink(link) for link in pathlib.Path(f"/proc/{fairlead.process.pid}/fd").iterdir() if link.is_symlink()]
    used = [link for link in links if link.startswith("/dev/shm/fairlead-")]
    status, _ = fairlead.stop(seconds=25)
    lab.expect(f"{title}: it ends well", status == 0)
    lab.expect(f"{title}: and leaves nothing in memory",
               used and not any(os.path.exists(link) for link in used), used)


@contextlib.contextmanager
def small_disk(folder, size, *options):
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join((f"size={size}",) + options), "tmpfs", str(folder)],
                             check=False, capture_output=True).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=False)


def check_folders(inside):
    text = house.config(fronts=1)
    (inside.tmp / "file").write_text("not a folder")
    serves_from_memory(house.House(inside, text.replace("@STATE@/cache", str(inside.tmp / "file"))),
                       "a file where the cache folder should be")
    serves_from_memory(house.House(inside, text.replace("@STATE@/cache", "/proc/nowhere/cache")),
                       "a cache folder that cannot be made")
    unwritable = house.House(inside, text.replace('state: "@STATE@"', 'state: "/proc/nowhere/state"'))
    unwritable.start()
    lab.expect("a state folder that cannot be written: it serves", unwritable.answers() is not None)
    unwritable.stop(seconds=25)
    with small_disk(inside.tmp / "full", "1m") as mounted:
        if not mounted:
            lab.skip("a disk that is full: memory is used", "mounting needs root")
            return
        (inside.tmp / "full/ballast").write_bytes(b"x" * 900_000)
        serves_from_memory(house.House(inside, text.replace("@STATE@/cache", str(inside.tmp / "full/cache"))),
                           "a disk that is full")
    with small_disk(inside.tmp / "readonly", "200m", "ro"):
        serves_from_memory(house.House(inside, text.replace("@STATE@/cache", str(inside.tmp / "readonly"))),
                           "a read-only disk")


def check_disk_fills_up(inside):
    """The file is preallocated: a disk that fills up later harms nothing."""
    with small_disk(inside.tmp / "filling", "24m") as mounted:
        if not mounted:
            lab.skip("a disk that fills up while it runs harms nothing", "mounting needs root")
            return
        text = house.config(fronts=1, size="16MiB").replace("@STATE@/cache", str(inside.tmp / "filling/cache"))
        with house.House(inside, text) as fairlead:
            with contextlib.suppress(OSError), open(inside.tmp / "filling/ballast", "wb", buffering=0) as ballast:
                while True:
                    ballast.write(b"x" * 65536)
            replies = dnswire.ask_all([(f"full{n}.wildcard.shape.", "A") for n in range(600)], rate=400)
            lab.expect("a disk that fills up while it runs: all is answered",
                       all(r is not None and r.rcode == "NOERROR" for r in replies))
            time.sleep(1.2)
            lab.expect("and stored", fairlead.count("stored") >= 600 and fairlead.count("write_errors") == 0,
                       fairlead.counters())
            lab.expect("no role died", not fairlead.says("died|ended with"), fairlead.said())


def main():
    inside = lab.Lab()
    with inside:
        inside.enter()
        check_end(inside, "SIGTERM", signal.SIGTERM)
        check_end(inside, "SIGINT", signal.SIGINT)
        check_hanging_front(inside)
        check_port(inside)
        check_folders(inside)
        check_disk_fills_up(inside)
    lab.finish()


main()
