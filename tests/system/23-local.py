#!/usr/bin/env python3
# builds: dev
# lane: waits
# timeout: 60
"""Names and questions that are answered here, and never asked of anybody else.

RFC 6761, 6303, 7793, 8375, 7686, 9462 and 9476 set names apart, and a stub zone of the
operator's opens them; RFC 8482 is about ANY, RFC 4892 about the server's own name.
"""
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import ask  # noqa: E402
import lab  # noqa: E402

TTL_S = 10800
V6 = "0." * 31  # the low nibbles of an address, but for the last

# RFC 6303 4.1 to 4.6, RFC 7793 2, RFC 8375 4
EMPTY = ["10.in-addr.arpa.", "168.192.in-addr.arpa.", "0.in-addr.arpa.", "127.in-addr.arpa.",
         "254.169.in-addr.arpa.", "2.0.192.in-addr.arpa.", "100.51.198.in-addr.arpa.", "113.0.203.in-addr.arpa.",
         "255.255.255.255.in-addr.arpa.", "0." + V6 + "ip6.arpa.", "1." + V6 + "ip6.arpa.", "d.f.ip6.arpa.",
         "8.e.f.ip6.arpa.", "9.e.f.ip6.arpa.", "a.e.f.ip6.arpa.", "b.e.f.ip6.arpa.", "8.b.d.0.1.0.0.2.ip6.arpa.",
         "home.arpa."]
EMPTY += [f"{n}.172.in-addr.arpa." for n in range(16, 32)]
EMPTY += [f"{n}.100.in-addr.arpa." for n in range(64, 128)]
ABSENT = ["invalid.", "test.", "onion.", "alt."]
# their neighbours are names like any other
OUTSIDE = ["11.in-addr.arpa.", "15.172.in-addr.arpa.", "32.172.in-addr.arpa.", "63.100.in-addr.arpa.",
           "128.100.in-addr.arpa.", "010.in-addr.arpa.", "7.e.f.ip6.arpa.", "c.e.f.ip6.arpa.", "e.f.ip6.arpa.",
           "2." + V6 + "ip6.arpa.", "notlocalhost.", "contest.", "homes.arpa.", "invalid.nsec.shape.",
           "localhost.nsec.shape.", "xn--test.", "10.in-addr.arpa.nsec.shape."]
RECORDS = [("localhost.", "A", "127.0.0.1"), ("localhost.", "AAAA", "::1"), ("a.b.localhost.", "A", "127.0.0.1"),
           ("LocalHost.", "A", "127.0.0.1"), ("1.0.0.127.in-addr.arpa.", "PTR", "localhost."),
           ("1." + V6 + "ip6.arpa.", "PTR", "localhost.")]
NOTHING = [("localhost.", "MX"), ("x.localhost.", "TXT"), ("0.0.127.in-addr.arpa.", "PTR"), ("home.arpa.", "A"),
           ("1.0.0.127.in-addr.arpa.", "A"), ("resolver.arpa.", "A"), ("_dns.resolver.arpa.", "TYPE64")]


def flags_of(reply):
    return reply.ra and not (reply.aa or reply.ad or reply.tc)


def soa_of(reply):
    return [r for r in reply.authority if r.type == ask.TYPES["SOA"]]


def denied(reply, rcode):
    """A denial that caches can keep: RFC 6303 3."""
    good = reply is not None and reply.rcode == rcode and not reply.answer and flags_of(reply) and \
        len(soa_of(reply)) == 1 and soa_of(reply)[0].ttl == TTL_S
    return None if good else reply


def each(sentence, cases, wrong):
    bad = [f"{case}: {why}" for case in cases if (why := wrong(case)) is not None]
    lab.expect(f"{sentence} ({len(cases)})", cases and not bad, "\n".join(bad[:10]))


def special(client):
    def has(case):
        name, qtype, rdata = case
        for more in ({}, {"do": True}, {"cd": True, "ad": True}, {"rd": False}, {"tcp": True}):
            reply = client.ask(name, qtype, **more)
            if reply.rcode != "NOERROR" or reply.rdata(qtype) != [rdata] or not flags_of(reply) or \
                    [r.ttl for r in reply.answer] != [TTL_S] or reply.answer[0].owner != name:
                return f"{more} {reply}"
        return None

    def apex(zone):
        soa, ns = client.ask(zone, "SOA"), client.ask(zone, "NS")
        if [r.type for r in soa.answer] != [6] or not flags_of(soa) or soa.rcode != "NOERROR":
            return soa
        if [r.type for r in ns.answer] != [2] or not flags_of(ns) or ns.rcode != "NOERROR":
            return ns
        return denied(client.ask(zone, "TXT", do=True), "NOERROR")

    each("localhost and the loopback addresses have their records", RECORDS, has)
    each("and nothing else", NOTHING, lambda case: denied(client.ask(*case), "NOERROR"))
    # the loopback addresses have names of their own, and are an apex as well
    each("empty zones have an apex", EMPTY, apex)
    each("and nothing below", EMPTY, lambda zone: denied(client.ask("7.7." + zone, "PTR"), "NXDOMAIN"))
    each("names that are not there", [below + top for top in ABSENT for below in ("", "www.", "a.b.")],
         lambda name: denied(client.ask(name, "A", do=True), "NXDOMAIN"))


def any_type(client):
    """RFC 8482 4.2: the same small answer for every name."""
    def hinfo(name):
        for tcp in (False, True):
            reply = client.ask(name, "ANY", tcp=tcp, do=True)
            if [(r.type, r.rdata, r.owner) for r in reply.answer] != [(13, b"\7RFC8482\0", name)] or \
                    reply.rcode != "NOERROR" or not flags_of(reply):
                return reply
        return None
    each("ANY: HINFO RFC8482", ["www.nsec.shape.", "nothing.nsec.shape.", "www.badsig.broken.", ".", "Shape.",
                                "www.dead0.down."], hinfo)
    reply = client.ask("localhost.", "ANY")
    lab.expect("ANY of a special name: one of its sets", reply.rdata("A") == ["127.0.0.1"], reply)


def refused(client):
    def no(rcode, ede):
        def wrong(case):
            for tcp in (False, True):
                reply = client.ask(*case, tcp=tcp, edns=True)
                if reply.rcode != rcode or reply.records() or reply.ede != ede or not flags_of(reply):
                    return f"over {'TCP' if tcp else 'UDP'}: {reply}"
            return None
        return wrong
    each("zone transfers: REFUSED", [("nsec.shape.", "AXFR"), (".", "AXFR"), ("nsec.shape.", "IXFR")],
         no("REFUSED", [21]))
    each("classes other than IN and CH: REFUSED", [("www.nsec.shape.", "A", c) for c in ("HS", "NONE", "ANY")] +
         [("version.bind.", "TXT", "HS")], no("REFUSED", [21]))
    each("the server's own name and version: REFUSED",
         [(n, "TXT", "CH") for n in ("version.bind.", "hostname.bind.", "id.server.", "version.server.",
                                     "VERSION.Bind.", "authors.bind.", "www.nsec.shape.")], no("REFUSED", [21]))
    each("types that are no data: NOTIMP", [("www.nsec.shape.", f"TYPE{n}") for n in (128, 249, 253, 254)],
         no("NOTIMP", [21]))
    soa = ask.name("nsec.shape.") * 2 + struct.pack("!5I", 1, 2, 3, 4, 60)
    ixfr = ask.header(9, 0, ns=1) + ask.question("nsec.shape.", "IXFR") + \
        ask.record(ask.name("nsec.shape."), 6, rdata=soa)
    reply = ask.fitting(ixfr, client.udp(ixfr))
    lab.expect("an IXFR with its SOA: REFUSED", reply.rcode == "REFUSED" and not reply.records(), reply)
    lab.expect("NSID is not told", client.ask("localhost.", options=ask.option(ask.NSID)).option(ask.NSID) is None)


def outside(client, daemon):
    """What looks like a special name and is none goes the ordinary way."""
    timers = ask.counted(daemon, "upstream_timers")
    each("their neighbours are asked for", OUTSIDE, lambda name: None if
         (r := client.ask(name, "PTR", do=True)).rcode == "NXDOMAIN" and r.ad else r)
    reply = client.ask("home.arpa.", "DS", do=True)
    lab.expect("and so is the DS of home.arpa (RFC 8375 4)", reply.rcode == "NXDOMAIN" and reply.ad, reply)
    lab.expect("of the world outside", ask.counted(daemon, "upstream_timers") > timers)


OPENED = """\
identity: "box-7 in the cellar"
"""
STUBS = """\
  negative-trust-anchors: [10.in-addr.arpa., lan.home.arpa., lab.test.]
  stub-zones:
    - {name: 10.in-addr.arpa., servers: [@A@]}
    - {name: lan.home.arpa., servers: [@A@]}
  forward-zones:
    - {name: lab.test., servers: [@A@]}
"""


def told(client):
    """With an identity set it is told, and only where it is asked for."""
    text = b"box-7 in the cellar"

    def identity(name):
        reply = client.ask(name, "TXT", "CH")
        good = [(r.rdata, r.rrclass) for r in reply.answer] == [(bytes([len(text)]) + text, 3)]
        return None if good and flags_of(reply) else reply
    each("an identity is told to who asks for it", ["version.bind.", "hostname.bind.", "id.server.",
                                                    "version.server.", "Id.Server."], identity)
    lab.expect("as NSID as well", client.ask("localhost.", options=ask.option(ask.NSID)).option(ask.NSID) == text)
    lab.expect("but not unasked", client.ask("localhost.", edns=True).option(ask.NSID) is None)
    reply = client.ask("authors.bind.", "TXT", "CH")
    lab.expect("other names of class CH are refused", reply.rcode == "REFUSED", reply)
    reply = client.ask("version.bind.", "A", "CH")
    lab.expect("and other types", reply.rcode in ("REFUSED", "NOERROR") and not reply.answer, reply)


def opened(world, door):
    zone = next(z for z in ask.manifest(world) if z["zone"] == "dead0.down.")
    at = ask.addresses(zone)
    config = (OPENED + lab.CONFIG + STUBS).replace("@A@", next(a for a in at if ":" not in a) + "@53")
    data = {"PTR": ask.name("printer.example."), "A": bytes((10, 0, 0, 7))}
    with ask.Authority(door, ".", at, data), world.fairlead(config, world.tmp / "opened") as daemon:
        client = ask.Client(door)
        told(client)
        found = [("7.0.0.10.in-addr.arpa.", "PTR", "printer.example."), ("nas.lan.home.arpa.", "A", "10.0.0.7"),
                 ("www.lab.test.", "A", "10.0.0.7")]
        each("stub and forward zones open their names", found,
             lambda case: None if (r := client.ask(*case[:2])).rdata(case[1]) == [case[2]] else r)
        closed = ["x.168.192.in-addr.arpa.", "7.11.10.in-addr.arpa.invalid.", "nas.home.arpa.", "www.test.",
                  "otherlab.test.", "9.127.in-addr.arpa."]
        each("and no others", closed, lambda name: denied(client.ask(name, "A"), "NXDOMAIN"))
        each("what lies above an opened name is there, and empty (RFC 8020)", ["test.", "home.arpa."],
             lambda name: denied(client.ask(name, "A"), "NOERROR"))
        lab.expect("no role was restarted", not ask.restarted(daemon), daemon.said()[-2000:])


def main():
    with lab.Lab() as world, ask.Door(world) as door:
        with world.fairlead() as daemon:
            client = ask.Client(door)
            before = ask.counters(daemon)
            special(client)
            any_type(client)
            refused(client)
            now = ask.counters(daemon)
            sent = [sum(r.get(n, 0) for r in now.values()) - sum(r.get(n, 0) for r in before.values())
                    for n in ("ipc_sent", "cache_misses", "cache_hits", "answers_local")]
            lab.expect("none of it was looked up, or asked of a resolver", sent[:3] == [0, 0, 0] and sent[3] > 300, sent)
            lab.expect("nor of anybody else", ask.counted(daemon, "upstream_timers") ==
                       sum(r.get("upstream_timers", 0) for r in before.values()), now)
            outside(client, daemon)
        opened(world, door)
    lab.finish()


main()
