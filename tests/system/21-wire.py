#!/usr/bin/env python3
# builds: dev asan
# lane: waits
# timeout: 150
"""What goes over the wire: every octet that a client sends, sensible or not.

Questions come back as they came, unknown types octet for octet, errors with the
RCODE that their RFC names, nothing larger than asked for; and whatever is thrown
at it, it answers well-formed or not at all, and goes on serving.
"""
import os
import random
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import ask  # noqa: E402
import lab  # noqa: E402
from ask import TYPES, header, opt, question, record  # noqa: E402

COMMIT_S = 1.3  # the keeper commits at most a second after an answer
UDP_MAX = 1232
TSIG = 250
NAME = "www.nsec.shape."
ECS = ask.option(ask.ECS, b"\0\1\x18\0\xc6\x33\x64")
MUTATIONS = 6000


def judged(client, octets, tcp=False):
    """The Reply to some octets; None when there is none. Malformed is a failure of its own."""
    if tcp:
        with client.stream() as stream:
            stream.send(octets)
            return ask.fitting(octets, stream.take())
    return ask.fitting(octets, client.udp(octets))


def expect_each(sentence, cases, holds):
    """One line for a table; each case is (title, what is given to holds)."""
    bad = []
    for title, given in cases:
        try:
            got = holds(given)
        except ask.Malformed as error:
            got = f"malformed: {error}"
        if got is not None:
            bad.append(f"{title}: {got}")
    lab.expect(f"{sentence} ({len(cases)})", cases and not bad, "\n".join(bad))


# --- the question comes back -----------------------------------------------

def mixed(text):
    return "".join(c.upper() if n % 2 else c.lower() for n, c in enumerate(text))


def the_case(client, daemon):
    """Dns 0x20: fitting() compares the question octet for octet."""
    names = [NAME, "nothing.nsec3.shape.", "www.badsig.broken.", "c1.chain.shape.", "any.wildcard.shape."]
    ways = [(spelled, tcp) for plain in names for spelled in (mixed(plain), plain.upper(), plain)
            for tcp in (False, True)]

    def same(way):
        reply = client.ask(way[0], "A", tcp=way[1], do=True)
        if reply is None or reply.question[:-4] != ask.name(way[0]):
            return reply
        at = reply.answer[0].owner if reply.answer else way[0]
        return None if at == way[0] else f"the owner is {at}"
    cases = [(f"{name} {'TCP' if tcp else 'UDP'}", (name, tcp)) for name, tcp in ways]
    expect_each("the question's case comes back on a miss", cases, same)
    time.sleep(COMMIT_S)
    hits = ask.counted(daemon, "cache_hits")
    expect_each("and on a hit", cases, same)
    hits = ask.counted(daemon, "cache_hits") - hits
    lab.expect("names differ in case only, and share a record", hits == len(cases), hits)


def unknown_types(client, door, servers):
    """RFC 3597: what the zone's own server says is what we say, signatures included."""
    asked = [("alien.unknown-type.shape.", "TYPE65280"), ("empty.unknown-type.shape.", "TYPE65281"),
             ("www.svcb.shape.", "TYPE65"), ("svcb.shape.", "TYPE65"), ("_dns.svcb.shape.", "TYPE64"),
             ("medium.bigtxt.shape.", "TXT"), ("large.bigtxt.shape.", "TXT"), ("with\\032space.idn.shape.", "A")]

    def same(given):
        zone = given[0].split(".", 1)[1] if given[0] not in servers else given[0]
        theirs = ask.Client(door, servers[zone]).ask(*given, tcp=True, rd=False, do=True)
        for tcp in (True, False):
            ours = client.ask(*given, tcp=tcp, do=True)
            if ours.tc and not tcp:
                continue
            if sorted(r.rdata for r in ours.answer) != sorted(r.rdata for r in theirs.answer):
                return f"{ours}\nnot {theirs}"
        return None if ours.answer or ours.tc else "nothing came"
    cases = [(f"{owner} {qtype}", (owner, qtype)) for owner, qtype in asked]
    expect_each("records of unknown types are the authority's, octet for octet", cases, same)
    time.sleep(COMMIT_S)
    expect_each("from the cache as well", cases, same)


# --- what is not a question ------------------------------------------------

def silence(client):
    good = ask.query(NAME, ident=0x4242)
    whole = client.udp(good)
    with client.connected(socket.SOCK_DGRAM) as sock:
        for length in range(12):
            sock.send(good[:length])
        for flags in (0x8000, 0x8180, 0x8580, 0xFFFF, 0x8001, 0xA800):
            sock.send(header(0x1111, flags) + question(NAME, "A"))
            sock.send(header(0x1111, flags, qd=0))
        sock.send(whole)  # our own reply: two resolvers must not talk for ever
        sock.send(good)
        first = sock.recv(65536)
        sock.settimeout(0.5)
        try:
            more = sock.recv(65536)
        except (TimeoutError, socket.timeout):
            more = None
    lab.expect("under 12 octets or QR=1: never answered", first[:2] == good[:2] and more is None,
               f"{first[:12].hex()} {more and more[:12].hex()}")
    with client.stream() as stream:
        stream.send(header(0x1111, 0x8180) + question(NAME, "A"), good)
        first = stream.take()
        lab.expect("over TCP neither", first is not None and first[:2] == good[:2] and
                   stream.take(0.5) is None, first and first[:12].hex())


def opcodes(client):
    """RFC 1035 4.1.1; DSO, opcode 6, RFC 8490 5.1.1."""
    def notimp(opcode):
        for edns in (False, True):
            for tcp in (False, True):
                reply = client.ask(NAME, "A", opcode=opcode, edns=edns, tcp=tcp)
                if (reply.rcode, reply.opcode, bool(reply.edns), reply.records()) != ("NOTIMP", opcode, edns, []):
                    return reply
        return None
    expect_each("an opcode that is not QUERY: NOTIMP", [(f"opcode {n}", n) for n in range(1, 16)], notimp)
    update = header(7, 5 << 11, qd=1, an=1, ns=2, ar=0) + question("nsec.shape.", "SOA") + b"\xff" * 40
    reply = judged(client, update)
    lab.expect("an UPDATE with all its sections as well", reply.rcode == "NOTIMP", reply)


def versions(client):
    """RFC 6891 6.1.3: the answer tells the version that we know, 0."""
    def badvers(version):
        for more in ({}, {"do": True}, {"options": ask.option(65001, b"x")}, {"options": b"\0\12\0"}):
            reply = client.ask(NAME, "A", version=version, **more)
            if reply.rcode != "BADVERS" or not reply.edns or reply.version != 0 or reply.records() or \
                    reply.do != more.get("do", False):
                return reply
        return None
    expect_each("an EDNS version that is not 0: BADVERS with EDNS", [(str(n), n) for n in (1, 2, 127, 255)],
                badvers)


def tsig(key=b"\3key\0"):
    """A signature by a key that nobody has, RFC 8945 4.2."""
    fixed = struct.pack("!HIHH", 0, 1_800_000_000, 300, 32) + bytes(32) + struct.pack("!HHH", 1, 0, 0)
    return record(key, TSIG, 255, b"\x0bhmac-sha256\0" + fixed)


def malformed_table():
    """(title, message): each breaks one rule."""
    plain, good = question(NAME, "A"), ask.name(NAME)
    tail = struct.pack("!HH", 1, 1)
    rd = ask.RD

    def one(octets, **counts):
        return header(1, rd, **counts) + octets
    table = [
        ("QNAME a pointer to itself", one(b"\xc0\x0c" + tail)),
        ("QNAME a pointer into the header", one(b"\xc0\x00" + tail)),
        ("QNAME ends in a pointer", one(b"\3www\xc0\x0c" + tail)),
        ("two pointers in a ring", one(b"\xc0\x0e\xc0\x0c" + tail)),
        ("a pointer over the end", one(b"\xff\xff" + tail)),
        ("label type 01", one(b"\x41x\0" + tail)),
        ("label type 10", one(b"\x80x\0" + tail)),
        ("a label over the end", one(b"\x3fabc")),
        ("no root label", one(b"\3www")),
        ("half a QTYPE", one(good + b"\0")),
        ("no QCLASS", one(good + b"\0\1")),
        ("a name of 256 octets", one((b"\x3f" + b"a" * 63) * 3 + b"\x3e" + b"a" * 62 + b"\0" + tail)),
        ("a name of 300 octets", one((b"\1a") * 150 + b"\0" + tail)),
        ("QDCOUNT 0", one(b"", qd=0)),
        ("QDCOUNT 0 with a question", one(plain, qd=0)),
        ("QDCOUNT 0 with OPT", one(opt(), qd=0, ar=1)),
        ("QDCOUNT 2, two questions", one(plain + plain, qd=2)),
        ("QDCOUNT 2, one question", one(plain, qd=2)),
        ("QDCOUNT 65535", one(plain, qd=65535)),
        ("QDCOUNT 1, no question", one(b"")),
        ("ANCOUNT 1, no record", one(plain, an=1)),
        ("ANCOUNT 1 and a record", one(plain + record(), an=1)),
        ("NSCOUNT 1, no record", one(plain, ns=1)),
        ("NSCOUNT 1 and a record", one(plain + record(), ns=1)),
        ("ARCOUNT 1, no record", one(plain, ar=1)),
        ("ARCOUNT 2, one OPT", one(plain + opt(), ar=2)),
        ("ARCOUNT 0 and an OPT", one(plain + opt())),
        ("ARCOUNT 65535", one(plain + opt(), ar=65535)),
        ("one octet behind the question", one(plain + b"\0")),
        ("one octet behind the OPT", one(plain + opt() + b"\0", ar=1)),
        ("a second message behind", one(plain + one(plain))),
        ("two OPTs", one(plain + opt() + opt(), ar=2)),
        ("an OPT that is not the root's", one(plain + opt(owner=b"\1x\0"), ar=1)),
        ("an OPT of the question's name", one(plain + opt(owner=b"\xc0\x0c"), ar=1)),
        ("an OPT cut short", one(plain + opt()[:-1], ar=1)),
        ("an OPT whose length lies", one(plain + record(rrtype=41, rrclass=1232, length=9), ar=1)),
        ("an option whose length lies", one(plain + opt(options=b"\0\3\0\5abc"), ar=1)),
        ("half an option", one(plain + opt(options=b"\0\3\0"), ar=1)),
        ("a record's owner a forward pointer", one(plain + record(b"\xc0\xff"), ar=1)),
        ("a record's owner a loop", one(plain + record(b"\xc0" + bytes([12 + len(plain)])), ar=1)),
        ("a record behind TSIG", one(plain + tsig() + opt(), ar=2)),
        ("a TSIG cut short", one(plain + record(b"\3key\0", TSIG, 255, b"\x0bhmac-sha256\0"), ar=1)),
        ("QTYPE OPT", one(question(NAME, "OPT"))),
    ]
    return table + [(f"a cookie of {n} octets", one(plain + opt(options=ask.option(ask.COOKIE, bytes(n))), ar=1))
                    for n in (0, 1, 7, 9, 15, 41, 255)]


def malformed(client):
    def formerr(octets):
        for tcp in (False, True):
            reply = judged(client, octets, tcp)
            if reply is None or reply.rcode != "FORMERR" or reply.records() or reply.tc or not reply.ra:
                return f"over {'TCP' if tcp else 'UDP'}: {reply}"
        return None
    expect_each("malformed questions: FORMERR", malformed_table(), formerr)


def borderline(client):
    """At the edge of the rules, on the good side."""
    long_name = (b"\x3f" + b"a" * 63) * 3 + b"\x3d" + b"a" * 61 + b"\0"
    plain = question(NAME, "A")
    table = [
        ("a name of 255 octets", ask.query(long_name)),
        ("127 labels", ask.query(b"\1a" * 127 + b"\0")),
        ("the root", ask.query(".", "NS")),
        ("cookie of 8", ask.query(NAME, options=ask.option(ask.COOKIE, bytes(8)))),
        ("cookie of 16", ask.query(NAME, options=ask.option(ask.COOKIE, bytes(16)))),
        ("cookie of 40", ask.query(NAME, options=ask.option(ask.COOKIE, bytes(40)))),
        ("Z bit of the header", header(1, ask.RD | 0x40) + plain),
        ("AA, TC, RA and RCODE in a question", header(1, ask.RD | 0x0680 | 0x0F) + plain),
        ("EDNS flags nobody knows", header(1, ask.RD, ar=1) + plain + b"\0\0\x29\4\xd0\0\0\x7f\xff\0\0"),
        ("another record beside OPT", header(1, ask.RD, ar=2) + plain + record(rdata=b"\1x") + opt()),
        ("an unknown option", ask.query(NAME, options=ask.option(65001, b"whatever"))),
        ("300 unknown options", ask.query(NAME, options=ask.option(65002, b"") * 300)),
        ("ECS", ask.query(NAME, options=ECS)),
        ("ECS that is no ECS", ask.query(NAME, options=ask.option(ask.ECS, b"\xff"))),
    ]

    def served(octets):
        reply = judged(client, octets)
        if reply is None or reply.rcode not in ("NOERROR", "NXDOMAIN") or reply.aa or reply.tc:
            return reply
        strange = [code for code, _ in reply.options if code not in (ask.COOKIE, ask.EDE)]
        return f"option {strange} came back" if strange or reply.flags & 0x40 else None
    expect_each("unusual but well-formed: answered", table, served)
    reply = judged(client, ask.query(NAME, options=ask.option(ask.COOKIE, bytes(8))))
    lab.expect("answers tell a UDP size of 1232", reply.size == UDP_MAX and reply.version == 0, reply)
    reply = judged(client, header(1, ask.RD, ar=1) + plain + tsig())
    lab.expect("TSIG by a key that is not ours: NOTAUTH, with TSIG and BADKEY (RFC 8945 5.2.1)",
               reply.rcode == "NOTAUTH" and [r.type for r in reply.records()] == [TSIG] and
               reply.additional[0].rdata[-6:] == b"\0\1\0\x11\0\0", reply)


# --- what goes upstream ----------------------------------------------------

def ecs(client, door, zones):
    zone = next(z for z in zones if z["zone"] == "dead9.down.")
    cookie = ask.option(ask.COOKIE, b"12345678")
    with ask.Authority(door, zone["zone"], ask.addresses(zone), {"A": bytes((198, 19, 9, 9))}) as authority:
        reply = client.ask("private.dead9.down.", "A", options=ECS + cookie + ask.option(65001, b"secret"))
        other = client.ask("other.dead9.down.", "A", options=ECS, do=True, cd=True)
        lab.expect("a question with ECS is answered as without",
                   reply.rdata("A") == other.rdata("A") == ["198.19.9.9"] and not reply.option(ask.ECS), reply)
        lab.expect("and none of its options goes upstream", authority.seen and
                   not authority.options() & {ask.ECS, 65001, ask.COOKIE}, authority.options())


# --- how large an answer may be --------------------------------------------

def sizes(client):
    """Whole RRsets or TC=1; never more than the client takes, or 1232 (RFC 6891 6.2.3, RFC 2181 9)."""
    asked = [("many.bigtxt.shape.", "A", False), ("medium.bigtxt.shape.", "TXT", False),
             ("large.bigtxt.shape.", "TXT", False), ("nothing.nsec3.shape.", "A", True),
             ("nothing.nsec.shape.", "A", True), ("c1.chain.shape.", "A", True),
             ("any.wildcard.shape.", "A", True), ("nothing.rsasha512.algo.", "A", True),
             ("nsec.shape.", "DNSKEY", True), ("rsasha512.algo.", "DNSKEY", True), (NAME, "A", True)]
    seen = set()

    def bounded(given):
        owner, qtype, do = given
        full = client.ask(owner, qtype, tcp=True, do=do)
        if full.tc:
            return f"over TCP: {full}"
        whole = {r.key() for r in full.answer + full.authority}
        for size in (None, 0, 100, 511, 512, 513, 600, 700, 800, 900, 1000, 1231, 1232, 1233, 4096, 65535):
            if size is None and do:
                continue
            reply = client.ask(owner, qtype, edns=size is not None, size=size or 0, do=do)
            most = max(512, min(size or 512, UDP_MAX))
            if len(reply.message) > most:
                return f"{len(reply.message)} octets, {size} were asked for"
            got = {r.key() for r in reply.answer + reply.authority}
            if not reply.tc and got != whole:
                return f"size {size}: not whole, and no TC: {reply}"
            if reply.tc and len(full.message) <= most:
                return f"size {size}: TC without need: {reply}"
            if reply.tc and any(partial(r, got, whole) for r in reply.answer):
                return f"size {size}: half an RRset: {reply}"
            if bool(reply.edns) != (size is not None) or reply.rcode != full.rcode:
                return f"size {size}: {reply}"
            seen.add(reply.tc)
        return None
    cases = [(f"{owner} {qtype}", (owner, qtype, do)) for owner, qtype, do in asked]
    first = client.ask("many.bigtxt.shape.", "A", size=512)
    lab.expect("a miss that is too large has TC=1", first.tc and len(first.message) <= 512, first)
    expect_each("no UDP answer is over its limit, or in part", cases, bounded)
    lab.expect("with and without TC=1 were seen", seen == {False, True}, seen)
    time.sleep(COMMIT_S)
    expect_each("from the cache neither", cases, bounded)


def partial(one, got, whole):
    return {k for k in whole if k[:3] == one.key()[:3]} != {k for k in got if k[:3] == one.key()[:3]}


# --- cookies ---------------------------------------------------------------

def cookies(client, daemon):
    """RFC 7873 5.2, RFC 9018 4."""
    mine = bytes(range(8))
    seen = []
    for owner in (NAME, "h000.z000.alpha.", "www.badsig.broken.", "localhost.", "nothing.at.all."):
        for _ in range(2):
            reply = client.ask(owner, "A", options=ask.option(ask.COOKIE, mine))
            seen.append(reply.option(ask.COOKIE))
    lab.expect("a client's cookie gets a server's, whatever the answer",
               all(c and len(c) == 24 and c[:8] == mine and c[8] == 1 for c in seen), seen)
    lab.expect("no cookie, no cookie back", client.ask(NAME, edns=True).option(ask.COOKIE) is None)
    before = ask.counted(daemon, "cookies_bad")
    reply = client.ask(NAME, options=ask.option(ask.COOKIE, seen[0]))
    lab.expect("ours is taken", reply.rcode == "NOERROR" and reply.option(ask.COOKIE)[:8] == mine and
               ask.counted(daemon, "cookies_bad") == before, reply)
    bad = [bytes(b ^ (1 << bit if n == at else 0) for n, b in enumerate(seen[0]))
           for at in (0, 8, 12, 16, 23) for bit in (0, 7)]
    bad += [seen[0][:16], seen[0] + b"\0", seen[0] + bytes(16)]
    replies = [client.ask(NAME, options=ask.option(ask.COOKIE, c)) for c in bad]
    lab.expect("a tampered one is answered with a good one",
               all(r.rcode == "NOERROR" and r.option(ask.COOKIE)[:8] == c[:8] and
                   r.option(ask.COOKIE) != c for r, c in zip(replies, bad)), replies)
    counted = ask.counted(daemon, "cookies_bad") - before
    lab.expect("and counted", counted == len(bad), counted)
    for address in ("127.0.0.2", "::1"):
        before = ask.counted(daemon, "cookies_bad")
        neighbour = ask.Client(client.door, "::1" if ":" in address else "127.0.0.1", source=address)
        reply = neighbour.ask(NAME, options=ask.option(ask.COOKIE, seen[0]))
        lab.expect(f"the cookie of one address is not that of {address}", reply.rcode == "NOERROR" and
                   reply.option(ask.COOKIE)[16:] != seen[0][16:] and
                   ask.counted(daemon, "cookies_bad") == before + 1, reply)


def cookies_required(world, door):
    """cookies: required; an address must be proven."""
    config = lab.CONFIG + "cookies: required\n"
    with world.fairlead(config, world.tmp / "required"):
        client, mine = ask.Client(door), bytes(range(8))
        reply = client.ask(NAME, options=ask.option(ask.COOKIE, mine))
        good = reply.option(ask.COOKIE)
        lab.expect("cookies required: a client's alone gets BADCOOKIE and the server's",
                   reply.rcode == "BADCOOKIE" and good and len(good) == 24 and not reply.records(), reply)
        reply = client.ask(NAME, options=ask.option(ask.COOKIE, good or mine))
        lab.expect("with it there is an answer", reply.rcode == "NOERROR" and reply.answer, reply)
        reply = client.ask(NAME, options=ask.option(ask.COOKIE, mine + bytes(16)))
        lab.expect("not with a wrong one", reply.rcode == "BADCOOKIE" and not reply.records(), reply)
        reply = client.ask(NAME)
        lab.expect("without any there is only TC=1", reply.tc and not reply.records(), reply)
        reply = client.ask(NAME, tcp=True)
        lab.expect("and TCP needs none", reply.rcode == "NOERROR" and reply.answer, reply)


# --- anything at all -------------------------------------------------------

def rule(message):
    """What our RFCs say of a message, without Fairlead: DROP, NOTIMP, FORMERR, BADVERS, NOTAUTH or OK."""
    if len(message) < 12 or message[2] & 0x80:
        return "DROP"
    try:
        verdict = rule_query(message)
    except ask.Malformed:
        verdict = "FORMERR"
    return "NOTIMP" if message[2] & 0x78 else verdict


def rule_query(message):
    qd, an, ns, ar = struct.unpack_from("!4H", message, 4)
    at = plain_end(message)
    if at - 12 > 255 or at + 4 > len(message) or qd != 1 or an:
        return "FORMERR"
    qtype = struct.unpack_from("!H", message, at)[0]
    records, at = [], at + 4
    for _ in range(ns + ar):
        records.append(ask.Record(message, at, shallow=True))
        at = records[-1].end
    if at != len(message) or ns and (ns != 1 or qtype != TYPES["IXFR"] or records[0].type != TYPES["SOA"]):
        return "FORMERR"
    return rule_extra(message, records[ns:])


def plain_end(message):
    """The place behind the name at 12, which may not be compressed."""
    at = 12
    while at < len(message) and 0 < message[at] < 64:
        at += 1 + message[at]
    if at >= len(message) or message[at]:
        raise ask.Malformed("no plain name")
    return at + 1


def rule_extra(message, extra):
    opts = [r for r in extra if r.type == TYPES["OPT"]]
    signed = [n for n, r in enumerate(extra) if r.type == TSIG]
    if len(opts) > 1 or signed and (signed != [len(extra) - 1] or not tsig_fits(message, extra[-1])):
        return "FORMERR"
    for r in opts:
        if message[r.start - 11] != 0 or r.owner != ".":
            return "FORMERR"
        if r.ttl >> 16 & 255:
            return "BADVERS"
        if not options_fit(r.rdata):
            return "FORMERR"
    return "NOTAUTH" if signed else "OK"


def tsig_fits(message, r):
    """RFC 8945 4.2: lengths that fill the rdata."""
    _, at = ask.read_name(message, r.start)
    if at + 10 > r.end:
        return False
    at += 10 + struct.unpack_from("!H", message, at + 8)[0]
    return at + 6 <= r.end and at + 6 + struct.unpack_from("!H", message, at + 4)[0] == r.end


def options_fit(rdata):
    at, first = 0, True
    while at < len(rdata):
        if at + 4 > len(rdata):
            return False
        code, length = struct.unpack_from("!HH", rdata, at)
        if at + 4 + length > len(rdata):
            return False
        if code == ask.COOKIE and first:
            first = False
            if length != 8 and not 16 <= length <= 40:
                return False
        at += 4 + length
    return True


def mutate(chance, octets):
    """One to three small changes; most change no length."""
    octets = bytearray(octets)
    for _ in range(chance.choice((1, 1, 2, 3))):
        at = chance.randrange(len(octets)) if octets else 0
        kind = chance.choice((0, 0, 0, 1, 1, 2, 3, 4, 5, 6))
        if kind == 0 and octets:
            octets[at] ^= 1 << chance.randrange(8)
        elif kind == 1 and octets:
            octets[at] = chance.choice((0, 1, 63, 64, 127, 128, 192, 255))
        elif kind == 2:
            octets[at:at] = bytes(chance.randrange(256) for _ in range(chance.randint(1, 8)))
        elif kind == 3:
            del octets[at:at + chance.randint(1, 8)]
        elif kind == 4:
            del octets[at:]
        elif kind == 5:
            octets[4:12] = bytes(chance.choice((0, 0, 1, 1, 2, 255)) for _ in range(8))
        else:
            octets += octets[at:at + 40]
    return bytes(octets)


def seeds():
    cookie = ask.option(ask.COOKIE, bytes(range(24)))
    return [ask.query(NAME), ask.query(NAME, do=True, options=cookie), ask.query("many.bigtxt.shape.", size=4096),
            ask.query("www.badsig.broken.", cd=True, do=True), ask.query("localhost.", "AAAA"),
            ask.query("version.bind.", "TXT", "CH"), ask.query(NAME, "ANY", options=ECS),
            ask.query("1.0.0.10.in-addr.arpa.", "PTR"), ask.query("nsec.shape.", "DNSKEY", do=True, ad=True),
            header(1, ask.RD, ar=2) + question(NAME, "A") + opt() + tsig()]


def mutations(client):
    """Every answer is well-formed and the RCODE is that of the rules; silence where they want it."""
    chance = random.Random(20260401)
    good = seeds()
    messages = [mutate(chance, chance.choice(good)) for _ in range(MUTATIONS)]
    # names that nobody answers for would only cost time
    messages = [m for m in messages if b"down" not in m.lower()]
    dropped = [m for m in messages if rule(m) == "DROP"]
    asked = [m for m in messages if rule(m) != "DROP"]
    bad, kinds = [], {}
    for n, (message, octets) in enumerate(zip(asked, client.many(asked))):
        message = n.to_bytes(2, "big") + message[2:]
        kinds[rule(message)] = kinds.get(rule(message), 0) + 1
        try:
            why = wrong_reply(message, ask.fitting(message, octets))
        except ask.Malformed as error:
            why = f"malformed reply: {error}: {octets.hex()}"
        if why:
            bad.append(f"{message.hex()} is {rule(message)}: {why}")
    lab.expect(f"of {len(asked)} mutated questions each is answered as the rules say", not bad, "\n".join(bad[:10]))
    lab.expect("all kinds were among them", all(kinds.get(k, 0) >= 20 for k in
                                                 ("OK", "FORMERR", "NOTIMP", "BADVERS")), kinds)
    with client.connected(socket.SOCK_DGRAM) as sock:
        for message in dropped:
            sock.send(message)
        sock.settimeout(1)
        try:
            came = sock.recv(65536).hex()
        except (TimeoutError, socket.timeout):
            came = None
    lab.expect(f"{len(dropped)} that may not be answered are not", dropped and came is None, came)


def wrong_reply(message, reply):
    want = rule(message)
    if reply is None:
        return "no answer"
    if want != "OK":
        data = [r for r in reply.records() if r.type != TSIG]
        return None if reply.rcode == want and not data else reply
    qtype, qclass = struct.unpack("!HH", reply.question[-4:]) if reply.question else (0, 0)
    errors = {"FORMERR": qtype in (TYPES["OPT"], TSIG), "NOTIMP": qtype == 0 or 128 <= qtype < 256, "BADVERS": False}
    if reply.rcode in errors and not errors[reply.rcode]:
        return reply
    if not reply.question:
        return "its question is missing"
    return reply if qclass != 1 and reply.rcode == "NOERROR" and reply.answer else None


def limited(door):
    """What is not exempt gets a bounded number of errors: no one is to be hit by them (BCP 38's victims)."""
    client = ask.Client(door, "::1")
    bad = header(1, ask.RD, qd=2) + question(NAME, "A") * 2
    came = sum(octets is not None for octets in client.many([bad] * 200, window=200, timeout=0.5))
    # 20 a second, and of the rest every second one
    lab.expect("errors to one client are limited", 1 <= came <= 130, came)
    lab.expect("good questions of that client are not", client.ask(NAME).rcode == "NOERROR")


def unharmed(daemon, client, contexts):
    """It serves, and every role is the one that was started."""
    said = daemon.said()
    lab.expect("it still serves", client.ask(NAME, do=True, ad=True).ad)
    lab.expect("no role was restarted", not ask.restarted(daemon) and
               not any(word in said for word in ("died", "killed", "ERROR: AddressSanitizer", "runtime error")),
               said[-3000:])
    now = ask.counters(daemon)
    lab.expect("nor a context lost", sum(r.get("contexts_made", 0) for r in now.values()) == contexts, now)


def main():
    with lab.Lab() as world, ask.Door(world) as door:
        zones = ask.manifest(world)
        servers = {z["zone"]: z["servers"][0]["addresses"][0] for z in zones}
        cookies_required(world, door)
        with world.fairlead() as daemon:
            client = ask.Client(door)
            contexts = ask.counted(daemon, "contexts_made")
            the_case(client, daemon)
            unknown_types(client, door, servers)
            silence(client)
            opcodes(client)
            versions(client)
            malformed(client)
            borderline(client)
            ecs(client, door, zones)
            sizes(client)
            cookies(client, daemon)
            mutations(client)
            limited(door)
            unharmed(daemon, client, contexts)
    lab.finish()


main()
