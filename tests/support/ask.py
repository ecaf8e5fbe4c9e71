"""A DNS client that sends what it is told, and believes nothing that comes back.

    import ask, lab

    with lab.Lab() as world, ask.Door(world) as door, world.fairlead() as daemon:
        client = ask.Client(door)
        reply = client.ask("www.nsec.shape.", "A", do=True, ad=True)
        reply.rcode, reply.ad, reply.ede, reply.rdata("A"), reply.answer[0].ttl
        client.udp(octets)                      # any octets; the octets of the reply, or None
        stream = client.stream()                # TCP: send(octets), take() a framed message

A Door hands out sockets that live inside the miniature Internet; the test itself
stays outside, where it starts and ends fairleadd. Reply.read() is strict: octets
too many, counts that lie or pointers that don't lead backwards raise Malformed.
"""
import json
import os
import random
import re
import selectors
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

QR, AA, TC, RD, RA, AD, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0020, 0x0010
DO = 0x8000
TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "HINFO": 13, "MX": 15, "TXT": 16,
         "AAAA": 28, "SRV": 33, "DNAME": 39, "OPT": 41, "DS": 43, "RRSIG": 46, "NSEC": 47, "DNSKEY": 48,
         "NSEC3": 50, "NSEC3PARAM": 51, "IXFR": 251, "AXFR": 252, "ANY": 255}
CLASSES = {"IN": 1, "CH": 3, "HS": 4, "NONE": 254, "ANY": 255}
RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED",
          9: "NOTAUTH", 16: "BADVERS", 23: "BADCOOKIE"}
DNSSEC = {TYPES[t] for t in ("RRSIG", "NSEC", "NSEC3")}
ECS, COOKIE, NSID, EDE = 8, 10, 3, 15
# where names stand in rdata: octets before the first, how many (RFC 1035 3.3, RFC 3597 4)
NAMES_IN = {2: (0, 1), 5: (0, 1), 6: (0, 2), 12: (0, 1), 15: (2, 1), 33: (6, 1), 39: (0, 1)}


class Malformed(Exception):
    """A reply that breaks RFC 1035."""


# --- writing ---------------------------------------------------------------

def type_number(text):
    return TYPES[text] if text in TYPES else int(text.removeprefix("TYPE"))


def name(text):
    """Wire form of a name in zone-file notation (RFC 1035 5.1)."""
    labels, label, raw, i = [], bytearray(), text.encode("utf-8"), 0
    while i < len(raw):
        if raw[i:i + 1] == b"\\":
            if raw[i + 1:i + 4].isdigit():
                label.append(int(raw[i + 1:i + 4]))
                i += 4
            else:
                label.append(raw[i + 1])
                i += 2
        elif raw[i:i + 1] == b".":
            labels.append(bytes(label))
            label.clear()
            i += 1
        else:
            label.append(raw[i])
            i += 1
    if label:
        labels.append(bytes(label))
    return b"".join(bytes([len(x)]) + x for x in labels if x) + b"\0"


def option(code, data=b""):
    return struct.pack("!HH", code, len(data)) + data


def opt(size=1232, do=False, version=0, options=b"", rcode=0, owner=b"\0"):
    ttl = rcode << 24 | version << 16 | (DO if do else 0)
    return owner + struct.pack("!HHIH", TYPES["OPT"], size, ttl, len(options)) + options


def record(owner=b"\0", rrtype=16, rrclass=1, rdata=b"", length=None, ttl=0):
    return owner + struct.pack("!HHIH", rrtype, rrclass, ttl, len(rdata) if length is None else length) + rdata


def header(ident, flags, qd=1, an=0, ns=0, ar=0):
    return struct.pack("!6H", ident, flags, qd, an, ns, ar)


def question(owner, qtype, qclass="IN"):
    wire = owner if isinstance(owner, bytes) else name(owner)
    return wire + struct.pack("!HH", type_number(qtype), CLASSES[qclass])


def query(owner, qtype="A", qclass="IN", rd=True, ad=False, cd=False, do=False, edns=None, size=1232,
          version=0, options=b"", opcode=0, ident=None):
    """A question; EDNS when asked for, or when something needs it."""
    if edns is None:
        edns = do or size != 1232 or version != 0 or options != b""
    flags = opcode << 11 | (RD if rd else 0) | (AD if ad else 0) | (CD if cd else 0)
    ident = random.randrange(65536) if ident is None else ident
    extra = opt(size, do, version, options) if edns else b""
    return header(ident, flags, ar=1 if edns else 0) + question(owner, qtype, qclass) + extra


# --- reading ---------------------------------------------------------------

def read_name(message, at):
    """Labels and the place behind the name, at most 255 octets (RFC 1035 4.1.4)."""
    labels, end, size, before = [], None, 1, at
    while True:
        if at >= len(message):
            raise Malformed("a name runs over the end")
        length = message[at]
        if length >= 0xC0:
            if at + 2 > len(message):
                raise Malformed("half a pointer")
            target = (length & 0x3F) << 8 | message[at + 1]
            end = at + 2 if end is None else end
            if target >= before or target < 12:
                raise Malformed("a pointer that does not lead backwards")
            at = before = target
            continue
        if length > 63:
            raise Malformed("a label type of old")
        if length == 0:
            return labels, at + 1 if end is None else end
        if at + 1 + length > len(message):
            raise Malformed("a label runs over the end")
        labels.append(message[at + 1:at + 1 + length])
        size += 1 + length
        if size > 255:
            raise Malformed("a name of over 255 octets")
        at += 1 + length


def name_text(labels):
    def char(c):
        if c in b'.\\"();@$':
            return "\\" + chr(c)
        return chr(c) if 33 <= c <= 126 else f"\\{c:03d}"
    return "".join("".join(char(c) for c in label) + "." for label in labels) or "."


class Record:
    """One record; rdata as sent, plain with names written out and in lower case.

    Shallow ones, of which only the frame is read, have no plain rdata.
    """

    def __init__(self, message, at, shallow=False):
        labels, at = read_name(message, at)
        if at + 10 > len(message):
            raise Malformed("a record's head runs over the end")
        self.owner = name_text(labels)
        self.type, self.rrclass, self.ttl, length = struct.unpack_from("!HHIH", message, at)
        self.start, self.end = at + 10, at + 10 + length
        if self.end > len(message):
            raise Malformed("rdata runs over the end")
        self.rdata = message[self.start:self.end]
        self.plain = None if shallow else self._plain(message)

    def _plain(self, message):
        if self.type not in NAMES_IN:
            return self.rdata
        before, count = NAMES_IN[self.type]
        at, out = self.start + before, message[self.start:self.start + before]
        for _ in range(count):
            labels, at = read_name(message, at)
            out += b"".join(bytes([len(x)]) + x.lower() for x in labels) + b"\0"
        if at > self.end:
            raise Malformed("a name in rdata runs over its end")
        return out + message[at:self.end]

    def key(self):
        """What it says, but for its TTL."""
        return self.owner.lower(), self.type, self.rrclass, self.plain

    def text(self):
        """Rdata as the manifest writes it."""
        if self.type == TYPES["A"]:
            return socket.inet_ntop(socket.AF_INET, self.rdata)
        if self.type == TYPES["AAAA"]:
            return socket.inet_ntop(socket.AF_INET6, self.rdata)
        if self.type == TYPES["TXT"]:
            return " ".join(f'"{part.decode("latin-1")}"' for part in strings(self.rdata))
        if self.type in (2, 5, 12, 39):
            return name_text(read_name(self.plain, 0)[0])
        return f"\\# {len(self.rdata)} {self.rdata.hex().upper()}".strip()


def strings(rdata):
    out, at = [], 0
    while at < len(rdata):
        out.append(rdata[at + 1:at + 1 + rdata[at]])
        at += 1 + rdata[at]
    return out


class Reply:
    """A whole response, read strictly."""

    def __init__(self, message):
        if len(message) < 12:
            raise Malformed("under 12 octets")
        self.message = message
        self.id, self.flags, qd, *counts = struct.unpack_from("!6H", message)
        if not self.flags & QR:
            raise Malformed("QR=0")
        if qd > 1:
            raise Malformed("more than one question")
        at = 12
        self.question = b""
        if qd:
            _, at = read_name(message, at)
            at += 4
            self.question = message[12:at]
        sections = []
        for count in counts:
            records = []
            for _ in range(count):
                records.append(Record(message, at))
                at = records[-1].end
            sections.append(records)
        if at != len(message):
            raise Malformed(f"{len(message) - at} octets behind the last record")
        self.answer, self.authority, self.additional = sections
        self._take_opt()

    def _take_opt(self):
        self.edns = self.version = self.size = None
        self.do, self.options, high = False, [], 0
        opts = [r for r in self.additional if r.type == TYPES["OPT"]]
        if len(opts) > 1 or any(r.owner != "." for r in opts):
            raise Malformed("two OPTs, or one that is not the root's")
        for r in opts:
            self.additional.remove(r)
            self.edns, self.size = True, r.rrclass
            high, self.version, self.do = r.ttl >> 24, r.ttl >> 16 & 255, bool(r.ttl & DO)
            at = 0
            while at < len(r.rdata):
                if at + 4 > len(r.rdata):
                    raise Malformed("half an option")
                code, length = struct.unpack_from("!HH", r.rdata, at)
                if at + 4 + length > len(r.rdata):
                    raise Malformed("an option runs over its end")
                self.options.append((code, r.rdata[at + 4:at + 4 + length]))
                at += 4 + length
        number = high << 4 | self.flags & 15
        self.rcode = RCODES.get(number, str(number))

    def __getattr__(self, flag):
        bits = {"aa": AA, "tc": TC, "rd": RD, "ra": RA, "ad": AD, "cd": CD}
        if flag not in bits:
            raise AttributeError(flag)
        return bool(self.flags & bits[flag])

    @property
    def opcode(self):
        return self.flags >> 11 & 15

    @property
    def ede(self):
        return [struct.unpack_from("!H", data)[0] for code, data in self.options if code == EDE]

    def option(self, code):
        return next((data for c, data in self.options if c == code), None)

    def records(self):
        return self.answer + self.authority + self.additional

    def rdata(self, qtype):
        """Texts of the answer's records of one type, in order."""
        return sorted(r.text() for r in self.answer if r.type == type_number(qtype))

    def ttls(self):
        return {r.key(): r.ttl for r in self.answer + self.authority}

    def __str__(self):
        flags = " ".join(f for f in ("aa", "tc", "rd", "ra", "ad", "cd") if getattr(self, f))
        lines = [f"{self.rcode} [{flags}] {'EDNS' if self.edns else 'plain'} EDE {self.ede} "
                 f"{len(self.message)} octets"]
        for title in ("answer", "authority", "additional"):
            lines += [f"{title}: {r.owner} {r.ttl} {r.type} {r.text()[:100]}" for r in getattr(self, title)]
        return "\n".join(lines)


# --- sockets of the inside -------------------------------------------------

class Door:
    """Makes sockets inside the miniature Internet and hands them out."""

    def __init__(self, lab):
        self.lab, self.child, self.end = lab, None, None

    def __enter__(self):
        self.end, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with far:
            # its standard input is the one descriptor that surely gets there
            self.child = subprocess.Popen(self.lab.inside(sys.executable, __file__), stdin=far)
        return self

    def __exit__(self, *_):
        self.end.close()
        self.child.wait(10)

    def socket(self, family, kind):
        self.end.send(struct.pack("!ii", family, kind))
        _, fds, _, _ = socket.recv_fds(self.end, 1, 1)
        if not fds:
            raise OSError("the miniature Internet is gone")
        return socket.socket(fileno=fds[0])


def keep_door():
    """The far side: runs inside, until the near one is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end = socket.socket(fileno=os.dup(0))
    while request := end.recv(8):
        with socket.socket(*struct.unpack("!ii", request)) as made:
            socket.send_fds(end, [b"."], [made.fileno()])


class Stream:
    """One TCP connection with DNS framing (RFC 1035 4.2.2)."""

    def __init__(self, sock, timeout):
        self.sock, self.timeout, self.kept, self.ended = sock, timeout, b"", False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, *messages):
        self.raw(b"".join(struct.pack("!H", len(m)) + m for m in messages))

    def raw(self, octets):
        self.sock.sendall(octets)

    def finish(self):
        """No more questions; answers may still come."""
        self.sock.shutdown(socket.SHUT_WR)

    def take(self, timeout=None):
        """The next message, or None when there is none in time or the connection has ended."""
        end = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            if len(self.kept) >= 2:
                length = struct.unpack_from("!H", self.kept)[0]
                if len(self.kept) >= 2 + length:
                    message, self.kept = self.kept[2:2 + length], self.kept[2 + length:]
                    return message
            left = end - time.monotonic()
            if left <= 0 or self.ended:
                return None
            self.sock.settimeout(left)
            try:
                octets = self.sock.recv(65536)
            except (TimeoutError, socket.timeout):
                return None
            except ConnectionError:
                octets = b""
            self.ended = octets == b""
            self.kept += octets

    def is_closed(self, timeout):
        """Has the server ended it, within that time, without another word?"""
        return self.take(timeout) is None and self.ended and self.kept == b""


class Client:
    """Asks one server; a socket of its own for each question unless there are many."""

    def __init__(self, door, server="127.0.0.1", port=53, timeout=6.0, source=None):
        self.door, self.at, self.timeout, self.source = door, (server, port), timeout, source
        self.family = socket.AF_INET6 if ":" in server else socket.AF_INET

    def connected(self, kind):
        sock = self.door.socket(self.family, kind)
        sock.settimeout(self.timeout)
        if self.source is not None:
            sock.bind((self.source, 0))
        sock.connect(self.at)
        return sock

    def stream(self):
        sock = self.connected(socket.SOCK_STREAM)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Stream(sock, self.timeout)

    def udp(self, octets, timeout=None):
        with self.connected(socket.SOCK_DGRAM) as sock:
            sock.settimeout(self.timeout if timeout is None else timeout)
            sock.send(octets)
            try:
                return sock.recv(65536)
            except (TimeoutError, socket.timeout):
                return None

    def ask(self, owner, qtype="A", qclass="IN", tcp=False, **more):
        """A Reply, or None when nothing comes; its id and question are ours, or Malformed."""
        message = query(owner, qtype, qclass, **more)
        if tcp:
            with self.stream() as stream:
                stream.send(message)
                return fitting(message, stream.take())
        return fitting(message, self.udp(message))

    def many(self, messages, window=32, timeout=None):
        """The octets of the reply to each, or None; a window of them is under way at once.

        Up to 65,536 messages, which get the ids of their numbers. Those that are never answered
        cost their window a timeout, so give few of them or a short one.
        """
        timeout = self.timeout if timeout is None else timeout
        replies = [None] * len(messages)
        with self.connected(socket.SOCK_DGRAM) as sock, selectors.DefaultSelector() as selector:
            sock.setblocking(False)
            selector.register(sock, selectors.EVENT_READ)
            waiting, following = {}, 0
            while following < len(messages) or waiting:
                while following < len(messages) and len(waiting) < window:
                    waiting[following] = time.monotonic() + timeout
                    sock.send(struct.pack("!H", following) + messages[following][2:])
                    following += 1
                selector.select(max(0.0, min(waiting.values()) - time.monotonic()))
                self._gather(sock, replies, waiting)
                now = time.monotonic()
                waiting = {n: end for n, end in waiting.items() if end > now}
        return replies

    @staticmethod
    def _gather(sock, replies, waiting):
        while True:
            try:
                octets = sock.recv(65536)
            except BlockingIOError:
                return
            number = struct.unpack_from("!H", octets.ljust(2, b"\0"))[0]
            if number < len(replies):
                replies[number] = octets
            waiting.pop(number, None)


class Authority:
    """Serves a zone at addresses where nobody else does, and keeps what it is asked.

    Every name below the apex has the given records, {type: rdata}, and no other.
    """

    def __init__(self, door, zone, at, data):
        self.zone, self.data = name(zone), {type_number(t): rdata for t, rdata in data.items()}
        self.seen, self.sockets = [], []
        for address in at:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            sock = door.socket(family, socket.SOCK_DGRAM)
            sock.bind((address, 53))
            self.sockets.append(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for sock in self.sockets:
            sock.close()

    def _serve(self, sock):
        while True:
            try:
                octets, peer = sock.recvfrom(65536)
            except OSError:
                return
            self.seen.append(octets)
            sock.sendto(self._reply(octets), peer)

    def _reply(self, octets):
        _, at = read_name(octets, 12)
        ident, flags, asked = *struct.unpack_from("!HH", octets), octets[12:at + 4]
        rdata = self.data.get(struct.unpack_from("!H", octets, at)[0])
        if asked[:-4].lower() == self.zone or rdata is None:
            soa = self.zone * 2 + struct.pack("!5I", 1, 2, 3, 4, 60)
            return header(ident, QR | AA | flags & RD, ns=1) + asked + record(self.zone, 6, rdata=soa, ttl=60)
        return (header(ident, QR | AA | flags & RD, an=1) + asked +
                record(b"\xc0\x0c", struct.unpack_from("!H", octets, at)[0], rdata=rdata, ttl=60))

    def options(self):
        """Codes of all EDNS options that came."""
        codes = set()
        for octets in self.seen:
            _, at = read_name(octets, 12)
            at += 4
            for _ in range(struct.unpack_from("!H", octets, 10)[0]):
                extra = Record(octets, at, shallow=True)
                at, inside = extra.end, 0
                while extra.type == TYPES["OPT"] and inside < len(extra.rdata):
                    code, length = struct.unpack_from("!HH", extra.rdata, inside)
                    codes.add(code)
                    inside += 4 + length
        return codes


def fitting(message, octets):
    """The Reply in the octets; Malformed when it is none to this message."""
    if octets is None:
        return None
    reply = Reply(octets)
    if octets[:2] != message[:2]:
        raise Malformed("another id")
    if reply.question and reply.question != message[12:12 + len(reply.question)]:
        raise Malformed("another question")
    return reply


def manifest(world):
    """The zones of the miniature Internet, with their samples."""
    return json.loads((world.dir / "manifest.json").read_text(encoding="utf-8"))["zones"]


def addresses(zone):
    return [address for server in zone["servers"] for address in server["addresses"]]


# --- what the log says -----------------------------------------------------

def counters(daemon):
    """All counters that are not 0, as {role: {name: value}}: SIGUSR1 has them logged."""
    before = len(daemon.said())
    daemon.process.send_signal(signal.SIGUSR1)
    end = time.monotonic() + 10
    while "counters end" not in daemon.said()[before:] and time.monotonic() < end:
        time.sleep(0.02)
    found = {}
    for role, counter, value in re.findall(r"counter ([^:]+): (\w+)=(\d+)", daemon.said()[before:]):
        found.setdefault(role, {})[counter] = int(value)
    return found


def restarted(daemon):
    """Roles that became ready more than once, from the log."""
    ready = re.findall(r"supervisor: (\w+ \d+) ready after", daemon.said())
    return sorted({role for role in ready if ready.count(role) > 1}) if ready else ["none was ready"]


def counted(daemon, counter):
    """One counter's sum over all roles."""
    return sum(values.get(counter, 0) for values in counters(daemon).values())


if __name__ == "__main__":
    keep_door()
