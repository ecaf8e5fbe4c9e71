"""DNS messages for tests that ask by the thousand: written, read, asked in bulk.

No library's message class: what these tests look at must not be made by what
they test, and is little. Names inside rdata are left as they came.
"""
import collections
import random
import select
import socket
import struct
import time

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "TXT": 16, "AAAA": 28, "OPT": 41, "DS": 43, "RRSIG": 46}
RCODES = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"]
QR, AA, TC, RD, RA, AD, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0020, 0x0010

Record = collections.namedtuple("Record", "name type ttl rdata")
Reply = collections.namedtuple("Reply", "id flags rcode question answer authority ede seconds size")


class Malformed(Exception):
    """A reply that is none."""


def wire_name(name):
    out = b""
    for label in name.rstrip(".").split("."):
        if label:
            out += bytes([len(label)]) + label.encode("ascii")
    return out + b"\0"


def question(name, rrtype, ident, rd=True, do=True, cd=False):
    """A question with EDNS, 1232 octets."""
    flags = (RD if rd else 0) | (CD if cd else 0)
    return (struct.pack("!6H", ident, flags, 1, 0, 0, 1) + wire_name(name)
            + struct.pack("!HH", TYPES[rrtype], 1)
            + b"\0" + struct.pack("!HHIH", TYPES["OPT"], 1232, 0x8000 if do else 0, 0))


def _read_name(message, at):
    labels, end, hops = [], None, 0
    while True:
        size = message[at]
        if size >= 0xC0:
            end = at + 2 if end is None else end
            at = (size & 0x3F) << 8 | message[at + 1]
            hops += 1
            if hops > 64:
                raise Malformed("a pointer loop")
        elif size == 0:
            return ".".join(labels) + ".", at + 1 if end is None else end
        else:
            labels.append(message[at + 1:at + 1 + size].decode("latin-1").lower())
            at += 1 + size


def _read_records(message, at, count):
    records = []
    for _ in range(count):
        name, at = _read_name(message, at)
        rrtype, _, ttl, size = struct.unpack_from("!HHIH", message, at)
        at += 10
        if at + size > len(message):
            raise Malformed("a record beyond the end")
        records.append(Record(name, rrtype, ttl, message[at:at + size]))
        at += size
    return records, at


def _extended_errors(records):
    found = []
    for opt in (r for r in records if r.type == TYPES["OPT"]):
        at = 0
        while at + 4 <= len(opt.rdata):
            code, size = struct.unpack_from("!HH", opt.rdata, at)
            if code == 15 and size >= 2:
                info = struct.unpack_from("!H", opt.rdata, at + 4)[0]
                found.append((info, opt.rdata[at + 6:at + 4 + size].decode("utf-8", "replace")))
            at += 4 + size
    return found


def parse(message, seconds=0.0):
    try:
        ident, flags, n_q, n_an, n_ns, n_ar = struct.unpack_from("!6H", message, 0)
        at, asked = 12, None
        for _ in range(n_q):
            name, at = _read_name(message, at)
            asked = (name, struct.unpack_from("!H", message, at)[0])
            at += 4
        answer, at = _read_records(message, at, n_an)
        authority, at = _read_records(message, at, n_ns)
        additional, at = _read_records(message, at, n_ar)
    except (IndexError, struct.error) as error:
        raise Malformed(str(error)) from error
    if at != len(message):
        raise Malformed("octets behind the last record")
    rcode = flags & 15
    return Reply(ident, flags, RCODES[rcode] if rcode < len(RCODES) else str(rcode), asked, answer,
                 authority, _extended_errors(additional), seconds, len(message))


def meaning(reply):
    """What must not change between two answers to one question."""
    return (reply.rcode, reply.flags & (AA | TC | RA | AD), reply.question,
            sorted((r.name, r.type, r.rdata) for r in reply.answer if r.type != TYPES["RRSIG"]))


def ttl_of(reply):
    return min((r.ttl for r in reply.answer), default=min((r.ttl for r in reply.authority), default=0))


def ask(name, rrtype="A", server="127.0.0.1", source=None, timeout=6.0, port=53, **how):
    """One question over UDP; None when nobody answers in time."""
    return ask_all([(name, rrtype)], server=server, sources=[source], timeout=timeout, port=port, **how)[0]


class _Client:
    def __init__(self, server, source, port):
        self.socket = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect((server, port))
        self.socket.setblocking(False)
        self.waiting = {}

    def send(self, index, name, rrtype, how):
        ident = random.randrange(65536)
        while ident in self.waiting:
            ident = (ident + 1) % 65536
        try:
            self.socket.send(question(name, rrtype, ident, **how))
        except OSError:
            return  # nobody there: as good as lost
        self.waiting[ident] = (index, time.monotonic(), wire_name(name).lower())

    def give_up(self, timeout):
        """Those that waited too long no longer count as in flight."""
        now = time.monotonic()
        for ident in [i for i, (_, since, _) in self.waiting.items() if now - since > timeout]:
            del self.waiting[ident]

    def receive(self, replies):
        while True:
            try:
                message = self.socket.recv(65535)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error of one that was sent before
            ident = struct.unpack_from("!H", message)[0]
            index, since, _ = self.waiting.pop(ident, (None, 0, None))
            if index is not None:
                replies[index] = parse(message, time.monotonic() - since)


def ask_all(questions, server="127.0.0.1", sources=(None,), timeout=6.0, rate=None, window=None, port=53, **how):
    """Many at once, in turn from each source (an address, or None): their replies in order,
    None where there was none. With a rate, so many a second; with a window, so many in flight."""
    clients = [_Client(server, s, port) for s in sources]
    poll = select.poll()
    by_fd = {c.socket.fileno(): c for c in clients}
    for fd in by_fd:
        poll.register(fd, select.POLLIN)
    replies, begin, sent = [None] * len(questions), time.monotonic(), 0

    def receive(wait_s):
        for fd, _ in poll.poll(max(0, wait_s) * 1000):
            by_fd[fd].receive(replies)

    while sent < len(questions):
        due = len(questions) if rate is None else min(len(questions), int((time.monotonic() - begin) * rate) + 1)
        room = 32 if window is None else window - sum(len(c.waiting) for c in clients)
        if room <= 0:
            receive(0.1)
            for c in clients:
                c.give_up(timeout)
        for _ in range(min(due - sent, max(room, 0))):
            clients[sent % len(clients)].send(sent, *questions[sent], how)
            sent += 1
        receive(0 if due > sent and window is None else 0.002)
    end = time.monotonic() + timeout
    while any(c.waiting for c in clients) and time.monotonic() < end:
        receive(min(0.1, end - time.monotonic()))
    for c in clients:
        c.socket.close()
    return replies


def ask_tcp(questions, server="127.0.0.1", timeout=6.0, port=53, **how):
    """All on one connection, pipelined; None where the connection ended before."""
    replies, buffered = [None] * len(questions), b""
    begin = time.monotonic()
    with socket.create_connection((server, port), timeout) as stream:
        for index, (name, rrtype) in enumerate(questions):
            message = question(name, rrtype, index, **how)
            stream.sendall(struct.pack("!H", len(message)) + message)
        while any(r is None for r in replies) and time.monotonic() < begin + timeout:
            stream.settimeout(max(0.01, begin + timeout - time.monotonic()))
            try:
                some = stream.recv(65536)
            except OSError:
                break
            if not some:
                break
            buffered += some
            while len(buffered) >= 2 and len(buffered) >= 2 + struct.unpack_from("!H", buffered)[0]:
                size = struct.unpack_from("!H", buffered)[0]
                reply = parse(buffered[2:2 + size], time.monotonic() - begin)
                replies[reply.id] = reply
                buffered = buffered[2 + size:]
    return replies
