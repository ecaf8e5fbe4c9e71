#!/usr/bin/env python3
# builds: dev asan
# lane: waits
# timeout: 120
"""DNS over TCP: what UDP could not hold, pipelined, overtaking, in pieces, and broken.

RFC 1035 4.2.2 is the framing, RFC 7766 the manners.
"""
import os
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import ask  # noqa: E402
import lab  # noqa: E402

NAME = "www.nsec.shape."
DEADLINE_S = 4.5  # a client hears of a failure by then
IDLE_S = 10


def complete(client, zones):
    """TC=1 over UDP, everything over TCP."""
    samples = [s for z in zones if z["zone"] == "bigtxt.shape." for s in z["samples"]]
    for when in ("on a miss", "on a hit"):
        for sample in samples:
            short = client.ask(sample["name"], sample["type"])
            whole = client.ask(sample["name"], sample["type"], tcp=True)
            lab.expect(f"{sample['name']} {sample['type']}: TC=1, and over TCP {len(whole.message)} octets {when}",
                       short.tc and not short.answer and not whole.tc and
                       whole.rdata(sample["type"]) == sorted(sample["answer"]), f"{short}\n{whole}")
        time.sleep(1.3)
    with client.stream() as stream:
        questions = [ask.query("large.bigtxt.shape.", "TXT", ident=n) for n in range(40)]
        stream.send(*questions)
        replies = take_all(stream, questions, 10)
    lab.expect("one over 8 KiB forty times on one connection",
               all(r and len(r.message) > 8192 and r.rdata("TXT") == sorted(samples[1]["answer"]) for r in replies))


def take_all(stream, questions, seconds, times=None):
    """The replies in the order of their questions; when each came, in times."""
    end, by_id = time.monotonic() + seconds, {}
    while len(by_id) < len(questions):
        octets = stream.take(max(0.0, end - time.monotonic()))
        if octets is None:
            break
        number = struct.unpack_from("!H", octets)[0]
        by_id[number] = octets
        if times is not None:
            times[number] = time.monotonic()
    return [ask.fitting(q, by_id.get(struct.unpack_from("!H", q)[0])) for q in questions]


def overtaking(client, samples):
    """A hundred in one segment, behind one that nobody answers."""
    slow = ask.query("www.silent0.down.", "A", ident=0, edns=True)
    quick = [ask.query(s["name"], s["type"], ident=n + 1, ad=True) for n, s in enumerate(samples)]
    times = {}
    with client.stream() as stream:
        began = time.monotonic()
        stream.send(slow, *quick)
        replies = take_all(stream, [slow] + quick, 8, times)
    late = {n: round(at - began, 2) for n, at in times.items() if n and at - began > 2}
    lab.expect(f"{len(quick)} answers overtake a slow one", len(times) == len(quick) + 1 and not late and
               replies[0].rcode == "SERVFAIL" and 3 < times[0] - began < DEADLINE_S + 0.5,
               f"{len(times)} came, late {late}, slow {times.get(0, began) - began}")
    bad = [f"{s['name']}: {r}" for s, r in zip(samples, replies[1:]) if r is None or r.rcode != s["rcode"] or
           r.rdata(s["type"]) != sorted(s["answer"]) or r.ad != (s["verdict"] == "secure")]
    lab.expect("each is the answer to its question", not bad, "\n".join(bad[:5]))


def more_than_allowed(client):
    """Over the questions in flight of one connection, reading pauses: nothing is lost."""
    slow = [ask.query(f"n{n}.silent1.down.", "A", ident=n) for n in range(150)]
    quick = ask.query(NAME, ident=999)
    with client.stream() as stream:
        stream.send(*slow, quick)
        replies = take_all(stream, slow + [quick], 12)
    lab.expect("150 slow ones and a quick one behind: all are answered",
               all(r is not None for r in replies) and replies[-1].rcode == "NOERROR" and
               all(r.rcode == "SERVFAIL" for r in replies[:-1]), sum(r is None for r in replies))


def connections(client):
    """Sixty at once, their questions and answers criss-cross."""
    streams = [client.stream() for _ in range(60)]
    questions = [[ask.query(NAME, "A", ident=n), ask.query("c1.chain.shape.", "A", ident=1000 + n)]
                 for n in range(len(streams))]
    for stream, pair in zip(streams, questions):
        stream.send(pair[0])
    for stream, pair in zip(reversed(streams), reversed(questions)):
        stream.send(pair[1])
    bad = 0
    for stream, pair in zip(streams, questions):
        bad += any(r is None or r.rcode != "NOERROR" for r in take_all(stream, pair, 8))
        bad += stream.take(0) is not None
    for stream in streams:
        stream.sock.close()
    lab.expect("sixty connections each get their own answers, and only those", bad == 0, bad)


def pieces(client):
    """Octet by octet, and cut at every place."""
    question = ask.query(NAME, do=True, ident=77)
    framed = struct.pack("!H", len(question)) + question
    with client.stream() as stream:
        for at in range(len(framed)):
            stream.raw(framed[at:at + 1])
            time.sleep(0.002)
        reply = ask.fitting(question, stream.take())
        lab.expect("a question that comes octet by octet", reply is not None and reply.rcode == "NOERROR", reply)
        bad = []
        for at in range(1, 2 * len(framed)):
            stream.raw((framed * 2)[:at])
            time.sleep(0.001)
            stream.raw((framed * 2)[at:])
            bad += [at for _ in range(2) if ask.fitting(question, stream.take()) is None]
        lab.expect("two that are cut at any place", not bad, bad)


def broken(client):
    """Frames that can hold no message end the connection, and only that one."""
    good = ask.query(NAME, ident=5)
    framed = struct.pack("!H", len(good)) + good
    with client.stream() as other:
        for length in (0, 1, 11):
            with client.stream() as stream:
                stream.raw(framed + struct.pack("!H", length) + b"x" * length + framed)
                first = stream.take()
                lab.expect(f"a length of {length}: the question before it is answered, then it is closed",
                           first is not None and stream.is_closed(3), first)
        with client.stream() as stream:
            stream.raw(struct.pack("!H", len(good) + 5) + good)
            lab.expect("a length that is too large waits for the rest", stream.take(0.5) is None and not stream.ended)
            stream.raw(b"12345")
            reply = stream.take()
            lab.expect("which makes it malformed", reply is not None and ask.Reply(reply).rcode == "FORMERR", reply)
        with client.stream() as stream:
            stream.raw(struct.pack("!H", len(good) - 5) + good + framed)
            reply = stream.take()
            lab.expect("a length that is too small: FORMERR for what was framed",
                       reply is not None and ask.Reply(reply).rcode == "FORMERR", reply)
        with client.stream() as stream:
            stream.raw(b"\xff\xff" + good + b"\0" * (65535 - len(good)) + framed)
            replies = [stream.take(), stream.take()]
            lab.expect("65,535 octets are a message like any other", None not in replies and
                       ask.Reply(replies[0]).rcode == "FORMERR" and ask.Reply(replies[1]).rcode == "NOERROR", replies)
        other.send(good)
        lab.expect("other connections notice nothing", other.take() is not None)


def half_close(client):
    """A client that has said all still gets its answers, and then the end."""
    quick, slow = ask.query(NAME, ident=1), ask.query("www.silent2.down.", "A", ident=2)
    with client.stream() as stream:
        stream.send(quick, slow)
        stream.finish()
        began = time.monotonic()
        replies = take_all(stream, [quick, slow], 8)
        lab.expect("after a half close the answers still come, the slow one too",
                   all(r is not None for r in replies) and time.monotonic() - began > 2, replies)
        lab.expect("and then the end", stream.is_closed(3))
    with client.stream() as stream:
        stream.raw(b"\0\x20abc")
        stream.finish()
        lab.expect("half a question and a half close: closed", stream.is_closed(3))
    with client.stream() as stream:
        stream.finish()
        lab.expect("no question and a half close: closed", stream.is_closed(3))


def gone(client):
    """Those who leave before their answers harm nobody."""
    for n in range(50):
        with client.stream() as stream:
            stream.send(*[ask.query(f"g{n}-{m}.silent3.down.", "A") for m in range(5)])
            if n % 2:
                stream.sock.setsockopt(ask.socket.SOL_SOCKET, ask.socket.SO_LINGER, struct.pack("ii", 1, 0))
    lab.expect("fifty left before their answers came", client.ask(NAME, tcp=True).rcode == "NOERROR")


class Idle(threading.Thread):
    """A connection that says nothing, or says it too slowly; watched beside the other tests."""

    def __init__(self, title, stream, octets):
        super().__init__(daemon=True)
        self.title, self.stream, self.began = title, stream, time.monotonic()
        stream.raw(octets)
        self.start()

    def run(self):
        with self.stream:
            self.closed = self.stream.is_closed(IDLE_S + 4)
            self.took = time.monotonic() - self.began

    def judge(self):
        self.join()
        lab.expect(f"{self.title}: closed after {IDLE_S} s",
                   self.closed and IDLE_S - 0.5 <= self.took, f"{self.closed} {self.took:.1f} s")


def main():
    with lab.Lab() as world, ask.Door(world) as door, world.fairlead() as daemon:
        zones = ask.manifest(world)
        client, client6 = ask.Client(door), ask.Client(door, "::1")
        samples = [s for z in zones if z["verdict"] == "secure" and z["algorithm"] == 13 and z["fault"] == "none"
                   for s in z["samples"] if s["verdict"] in ("secure", "insecure") and len(str(s["answer"])) < 500][:100]
        idlers = [Idle("a connection without a word", client6.stream(), b""),
                  Idle("half a question", client6.stream(), b"\0\x20abc")]
        overtaking(client, samples)
        complete(client, zones)
        more_than_allowed(client)
        connections(client)
        connections(client6)
        pieces(client)
        broken(client)
        half_close(client)
        gone(client)
        for idler in idlers:
            idler.judge()
        lab.expect("no role was restarted", not ask.restarted(daemon), daemon.said()[-2000:])
    lab.finish()


main()
