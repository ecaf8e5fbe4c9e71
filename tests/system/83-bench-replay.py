#!/usr/bin/env python3
# builds: dev
# timeout: 120
"""The bench suite's replay: a capture's questions, at their times, from their clients."""
import json
import os
import pathlib
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
import lab

QUESTIONS, CLIENTS, GAP_US = 200, 20, 5000


def name_wire(name):
    return b"".join(bytes([len(x)]) + x.encode() for x in name.rstrip(".").split(".")) + b"\0"


def packet(name, client):
    dns = struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 1) + name_wire(name) + struct.pack(">HH", 1, 1)
    dns += b"\0" + struct.pack(">HHIH", 41, 1232, 0x8000, 0)
    udp = struct.pack(">HHHH", 4000 + client, 53, 8 + len(dns), 0) + dns
    return struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0x4000, 64, 17, 0,
                       bytes([192, 0, 2, client]), bytes([192, 0, 2, 53])) + udp


def capture(path, names):
    """A PCAP file of raw IP packets, five milliseconds apart."""
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 101))
        for i in range(QUESTIONS):
            data = packet(names[i % len(names)], i % CLIENTS)
            at = 1_700_000_000_000_000 + i * GAP_US
            out.write(struct.pack("<IIII", at // 1000000, at % 1000000, len(data), len(data)) + data)


def names_of(inside):
    """Names that the zones have, of zones without a fault."""
    found = []
    for zone in sorted((inside.dir / "zones").glob("z[0-9]*.zone")):
        found += re.findall(r"^(h\d+\.\S+)\s+\d+\s+IN\s+A\s", zone.read_text(), re.M)
    manifest = json.loads((inside.dir / "manifest.json").read_text())
    good = {z["zone"] for z in manifest["zones"] if z["fault"] == "none"}
    return [n for n in found if n.split(".", 1)[1] in good][:50]


def bench(*args):
    return subprocess.run([lab.BIN / "fairlead-bench", *args], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=100, check=False,
                          env={**os.environ, "FAIRLEAD_INET": str(lab.INET)})


def replays(inside, folder):
    file = folder / "questions.pcap"
    capture(file, names_of(inside) + ["nothing.of.the.kind"])
    done = bench("replay", str(file), "--servers", "fairlead", "--runs", "1", "--inet", str(inside.dir),
                 "--output", str(folder / "out"))
    if not lab.expect("a capture is replayed", done.returncode == 0, f"{done.returncode}\n{done.stderr}\n{done.stdout}"):
        return
    server = json.loads((folder / "out/report.json").read_text())["cases"][0]["servers"][0]
    run = server["runs"][0]
    lab.expect("each question is asked and answered", run["answered"] == QUESTIONS, run["answered"])
    lab.expect("and every answer judged", run["judged"] == QUESTIONS and server["wrong"] == 0, run["judged"])
    length = (QUESTIONS - 1) * GAP_US / 1e6
    lab.expect("it takes as long as it took", length * 0.95 <= run["seconds"] < length + 2, run["seconds"])


def spares_strangers(folder):
    """A server of one's own is asked only with leave; here it is this very test."""
    file = str(folder / "questions.pcap")
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    server.settimeout(0.2)
    at = f"127.0.0.1@{server.getsockname()[1]}"
    seen, over = [], threading.Event()

    def serve():
        while not over.is_set():
            try:
                question, client = server.recvfrom(4096)
            except TimeoutError:
                continue
            seen.append((client, time.monotonic()))
            server.sendto(question[:2] + b"\x81\x80" + question[4:], client)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        done = bench("replay", file, "--target", at)
        lab.expect("without leave no target is asked", done.returncode == 1 and not seen, done.returncode)
        done = bench("run", "quick", "--target", at, "--yes-i-own-it")
        lab.expect("a profile has no names for a target", done.returncode == 1 and not seen, done.returncode)
        done = bench("replay", file, "--target", at, "--yes-i-own-it")
    finally:
        over.set()
        thread.join()
    lab.expect("with leave it is", done.returncode == 0 and seen and len(seen) % QUESTIONS == 0,  # a void run is run again
               f"{done.returncode} {len(seen)}\n{done.stderr}\n{done.stdout}")
    lab.expect("each client keeps its port", len({c for c, _ in seen}) > CLIENTS / 2, len({c for c, _ in seen}))
    if len(seen) >= QUESTIONS:
        lab.expect("and its times", seen[-1][1] - seen[-QUESTIONS][1] >= (QUESTIONS - 1) * GAP_US / 1e6 * 0.9,
                   seen[-1][1] - seen[-QUESTIONS][1])


def refuses(folder):
    (folder / "none.pcap").write_text("this is no capture")
    for sentence, file in (("a file that is no capture is refused", "none.pcap"), ("nor one that isn't there", "no")):
        done = bench("replay", str(folder / file), "--target", "127.0.0.1@9", "--yes-i-own-it")
        lab.expect(sentence, done.returncode != 0 and "capture" in done.stderr, f"{done.returncode} {done.stderr}")


def main():
    with lab.Lab() as inside, tempfile.TemporaryDirectory(prefix="fairlead-bench-test.") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        replays(inside, folder)
        spares_strangers(folder)
        refuses(folder)
    lab.finish()


main()
