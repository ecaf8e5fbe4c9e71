#!/usr/bin/env python3
"""A steady load: cached questions at a fixed rate, every answer checked.

Runs as a process of its own, inside the laboratory, told over standard input:

    burst SOCKET COUNT   COUNT questions on one socket, at once
    go                   from now on, --rate questions a second, all sockets in turn
    mark                 what was seen since the last mark
    rest                 stop until the next go, wait for what is still to come, report
    end                  stop, wait for what is still to come, report, go

and answers all but go with one line of JSON. What the right answer is it
has learned before "ready". A gap is the time that a question waited for its answer,
or the time from the first to the last of a run of questions that got none; the
kernel's time stamps are used, so a slow generator makes no gap. What kept the
generator itself from running is told as stall_ms.

The class Load is the other end of that, for tests.
"""
import argparse
import json
import os
import select
import socket
import struct
import subprocess
import sys
import time

import dnswire

SO_TIMESTAMPNS = 35
LOST_S = 2.0  # a question without an answer for so long is lost
TICK_S = 0.004


class Name:
    """A question, and what was learned of its answer."""

    def __init__(self, text, rrtype, reply):
        self.meaning = dnswire.meaning(reply)
        self.expires = time.time() + dnswire.ttl_of(reply)
        self.octets = dnswire.question(text, rrtype, 0)[2:]
        self.known = set()  # replies seen to be right, without id and TTLs

    def judge(self, message):
        """None when it is right, else what is wrong."""
        try:
            reply = dnswire.parse(message)
        except dnswire.Malformed as error:
            return f"malformed: {error}"
        if dnswire.meaning(reply) != self.meaning:
            return f"{dnswire.meaning(reply)} instead of {self.meaning}"
        return None

    def is_renewed(self, message):
        """Does its TTL begin anew?"""
        return time.time() + dnswire.ttl_of(dnswire.parse(message)) > self.expires + 2


class Lane:
    """A socket, its questions in flight, and what came of them."""

    def __init__(self, server):
        family = socket.AF_INET6 if ":" in server else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.connect((server, 53))
        self.socket.setblocking(False)
        self.ident = 0
        self.waiting = {}  # in the order of sending
        self.clear()

    def clear(self):
        self.sent = self.answered = self.lost = 0
        self.gap = self.hole = 0.0
        self.hole_begin = self.hole_end = 0.0

    def send(self, name):
        self.ident = (self.ident + 1) % 65536
        self.sent += 1
        self.waiting[self.ident] = (time.time(), name)
        try:
            self.socket.send(struct.pack("!H", self.ident) + name.octets)
        except OSError:
            pass  # counted as lost when nothing comes

    def take(self, message, at):
        """The name that was asked, None when this answers nothing."""
        since, name = self.waiting.pop(struct.unpack_from("!H", message)[0], (0, None))
        if name is not None:
            self.answered += 1
            self.gap = max(self.gap, at - since)
        return name

    def forget(self, now):
        for ident in list(self.waiting):
            since, _ = self.waiting[ident]
            if now - since < LOST_S:
                return
            del self.waiting[ident]
            self.lost += 1
            if since - self.hole_end > 0.1:
                self.hole_begin = since
            self.hole_end = since
            self.hole = max(self.hole, self.hole_end - self.hole_begin)

    def report(self):
        return {"sent": self.sent, "answered": self.answered, "lost": self.lost,
                "gap_ms": round(1000 * max(self.gap, self.hole), 1)}


class Generator:
    def __init__(self, args, names):
        self.lanes = [Lane(args.server) for _ in range(args.sockets)]
        self.names, self.rate = names, args.rate
        self.turn, self.going, self.due = 0, False, 0.0
        self.by_fd = {lane.socket.fileno(): lane for lane in self.lanes}
        self.poll = select.poll()
        for fd in self.by_fd:
            self.poll.register(fd, select.POLLIN)
        self.poll.register(0, select.POLLIN)
        self.last = time.monotonic()
        self.clear()

    def clear(self):
        self.wrong = self.renewed = 0
        self.stall = 0.0
        self.example = ""
        for lane in self.lanes:
            lane.clear()

    def next_name(self):
        self.turn += 1
        return self.names[self.turn % len(self.names)]

    def check(self, name, message):
        wrong = name.judge(message)
        if wrong:
            self.wrong += 1
            self.example = self.example or wrong
        elif name.is_renewed(message):
            self.renewed += 1

    def receive(self, lane):
        for _ in range(256):
            try:
                message, more, _, _ = lane.socket.recvmsg(4096, 64)
            except BlockingIOError:
                return
            except OSError:
                continue
            at = time.time()
            for _, kind, data in more:
                if kind == SO_TIMESTAMPNS:
                    seconds, ns = struct.unpack("qq", data[:16])
                    at = seconds + ns / 1e9
            name = lane.take(message, at)
            if name is not None:
                self.check(name, message)

    def tick(self):
        """Send what is due, read what came; is there a command?"""
        now = time.monotonic()
        self.stall = max(self.stall, now - self.last - 2 * TICK_S)
        if self.going:
            self.due = min(self.due + (now - self.last) * self.rate, self.rate / 10)
            while self.due >= 1:
                self.due -= 1
                self.lanes[self.turn % len(self.lanes)].send(self.next_name())
        self.last = now
        told = False
        for fd, _ in self.poll.poll(TICK_S * 1000):
            if fd == 0:
                told = True
            else:
                self.receive(self.by_fd[fd])
        for lane in self.lanes:
            lane.forget(time.time())
        return told

    def report(self):
        lanes = [lane.report() for lane in self.lanes]
        total = {key: sum(lane[key] for lane in lanes) for key in ("sent", "answered", "lost")}
        total.update(gap_ms=max(lane["gap_ms"] for lane in lanes), wrong=self.wrong, example=self.example,
                     renewed=self.renewed, stall_ms=round(1000 * self.stall, 1), lanes=lanes)
        print(json.dumps(total), flush=True)
        self.clear()

    def settle(self):
        end = time.monotonic() + LOST_S + 0.2
        while any(lane.waiting for lane in self.lanes) and time.monotonic() < end:
            self.tick()

    def obey(self, words):
        """Is there more to come?"""
        if words[0] == "go":
            self.going = True
        elif words[0] == "burst":
            for _ in range(int(words[2])):
                self.lanes[int(words[1])].send(self.next_name())
            self.settle()
            self.report()
        elif words[0] == "mark":
            self.report()
        elif words[0] in ("rest", "end"):
            self.going = False
            self.settle()
            self.report()
        self.last = time.monotonic()
        return words[0] != "end"

    def run(self):
        print("ready", flush=True)
        while True:
            if self.tick():
                line = os.read(0, 200).decode()
                if not line or not all([self.obey(words.split()) for words in line.splitlines()]):
                    return


def learn(args):
    """Names that are answered, and live long enough for a test."""
    with open(args.names, encoding="ascii") as file:
        questions = [tuple(line.split()) for line in file]
    names = []
    for (text, rrtype), reply in zip(questions, dnswire.ask_all(questions, server=args.server, rate=500)):
        if reply is not None and reply.rcode in ("NOERROR", "NXDOMAIN") and dnswire.ttl_of(reply) >= args.ttl:
            names.append(Name(text, rrtype, reply))
    return names


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--server", default="127.0.0.1")
    parser.add_argument("--rate", type=float, default=2000)
    parser.add_argument("--sockets", type=int, default=8)
    parser.add_argument("--ttl", type=int, default=300, help="use names that live so many seconds at least")
    parser.add_argument("--names", required=True, help="a file of questions, NAME TYPE a line")
    args = parser.parse_args()
    names = learn(args)
    if not names:
        sys.exit("load: nothing could be learned")
    Generator(args, names).run()


class Load:
    """The generator as a context; only inside the laboratory."""

    def __init__(self, names, **options):
        self.command = [sys.executable, __file__, "--names", str(names)]
        for key, value in options.items():
            self.command += [f"--{key}", str(value)]
        self.process = None

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline().strip() != "ready":
            raise RuntimeError("the load generator does not start")
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def say(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()

    def told(self, *words):
        self.say(*words)
        return json.loads(self.process.stdout.readline())

    def go(self):
        self.say("go")

    def mark(self):
        return self.told("mark")

    def rest(self):
        return self.told("rest")

    def end(self):
        return self.told("end")


if __name__ == "__main__":
    main()
