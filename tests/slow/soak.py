#!/usr/bin/env python3
"""No leak and no growth: a million questions through real processes.

    fairlead-inet --dir DIR exec python3 tests/slow/soak.py --pid PID [--count 1000000]

70 % cached names, 20 % new signed names, 5 % names that do not exist, 5 %
malformed, over UDP to 127.0.0.1@53, against the fairleadd whose supervisor is
PID. Prints the resident memory of every role as it goes; fails when a role's
grows by more than a tenth and 4 MiB, when a question is lost, or when a role
was restarted. Memory is looked at after a warm-up of half a million questions
more: by then the fronts' tables and libunbound's caches have the size they are
configured to have, and from there on a million questions must leave it flat. The cache's map is the
kernel's to drop: memory counted is what is the process's alone (RssAnon).
"""
import argparse
import collections
import os
import random
import select
import socket
import struct
import sys
import time

WINDOW = 200          # questions outstanding
PATIENCE_S = 6.0      # the resolver ends every question within 4.5 s
GROWTH = 1.10
SLACK_KIB = 4096


def name(text):
    return b"".join(bytes([len(label)]) + label for label in text.encode().split(b".") if label) + b"\0"


def question(ident, text, qtype=1, dnssec=False):
    opt = b"\0" + struct.pack("!HHIH", 41, 1232, 0x8000 if dnssec else 0, 0)
    return struct.pack("!6H", ident, 0x0100, 1, 0, 0, 1) + name(text) + struct.pack("!2H", qtype, 1) + opt


def roles(supervisor):
    found = {}
    for pid in os.listdir("/proc"):
        if not pid.isdigit():
            continue
        try:
            status = open(f"/proc/{pid}/status").read()
            cmd = open(f"/proc/{pid}/cmdline").read().split("\0")[0]
        except OSError:
            continue
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        if int(fields["PPid"]) == supervisor or int(pid) == supervisor:
            anon = int(fields.get("RssAnon", "0 kB").split()[0])
            found[int(pid)] = (cmd.replace("fairleadd: ", ""), anon)
    return found


class Mix:
    """What is asked next, drawn from a fixed seed."""

    def __init__(self, count, seed=1):
        self.random = random.Random(seed)
        self.count = count
        self.unique = 0
        self.cached = [f"h000.z{z:03d}.{t}." for z in range(30) for t in ("alpha", "beta", "gamma")]

    def next(self, ident):
        r = self.random.random()
        if r < 0.70:
            return question(ident, self.random.choice(self.cached), dnssec=r < 0.35), True
        if r < 0.90:
            self.unique += 1
            return question(ident, f"u{self.unique}.wildcard.shape.", dnssec=True), True
        if r < 0.95:
            self.unique += 1
            return question(ident, f"n{self.unique}.nsec.shape.", dnssec=True), True
        good = bytearray(question(ident, "www.nsec.shape."))
        good[5] = 9  # nine questions are promised: FORMERR, and the id comes back
        return bytes(good), True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pid", type=int, required=True)
    parser.add_argument("--count", type=int, default=1000000)
    parser.add_argument("--warm-up", type=int, help="questions before memory is looked at; half of --count")
    parser.add_argument("--server", default="127.0.0.1")
    args = parser.parse_args()
    warm_up = args.count // 2 if args.warm_up is None else args.warm_up
    total = warm_up + args.count

    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.connect((args.server, 53))
    sock.setblocking(False)
    mix = Mix(total)
    started = time.monotonic()
    before = roles(args.pid)
    waiting = {}            # id -> time asked
    free = collections.deque(range(65536))
    sent = answered = lost = servfail = 0
    base = None
    next_report = 0
    while sent < total or waiting:
        while sent < total and len(waiting) < WINDOW and free:
            ident = free.popleft()
            packet, _ = mix.next(ident)
            sock.send(packet)
            waiting[ident] = time.monotonic()
            sent += 1
        if not select.select([sock], [], [], 1.0)[0]:
            now = time.monotonic()
            for ident, at in list(waiting.items()):
                if now - at > PATIENCE_S:
                    del waiting[ident]
                    lost += 1
            continue
        while True:
            try:
                reply = sock.recv(4096)
            except BlockingIOError:
                break
            ident, flags = struct.unpack("!2H", reply[:4])
            if waiting.pop(ident, None) is not None:
                free.append(ident)
                answered += 1
                servfail += (flags & 15) == 2
        if base is None and sent >= warm_up:
            base = roles(args.pid)
        if sent >= next_report:
            next_report += max(total // 20, 1)
            now = roles(args.pid)
            text = " ".join(f"{who.replace(' ', '')}={kib // 1024}MiB" for who, kib in sorted(now.values()))
            spent = time.monotonic() - started
            left = spent / max(sent, 1) * (total - sent)
            print(f"# {sent} asked, {lost} lost, {servfail} SERVFAIL, {left:.0f} s left: {text}", flush=True)
    time.sleep(1)
    after = roles(args.pid)
    failed = 0

    def expect(sentence, good, detail=""):
        nonlocal failed
        print(f"{'ok' if good else 'not ok'} - {sentence} {detail}".rstrip())
        failed += not good

    expect("every question was answered", lost == 0 and answered == total, f"({answered} of {total})")
    expect("none failed", servfail == 0, f"({servfail} SERVFAIL)")
    expect("no role was restarted", before.keys() == after.keys())
    for pid, (who, kib) in sorted(after.items(), key=lambda item: item[1]):
        was = (base or before).get(pid, (who, 0))[1]
        expect(f"{who} does not grow after warm-up", kib <= was * GROWTH + SLACK_KIB, f"({was} -> {kib} KiB)")
    print(f"# {total} questions in {time.monotonic() - started:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
