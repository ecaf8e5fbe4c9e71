#!/usr/bin/env python3
# builds: dev asan
# lane: waits
# timeout: 150
"""The flag matrix: RD, AD, CD, DO and EDNS in all combinations, on a miss and on a hit.

RFC 4035 3.2 and RFC 6840 5.7-5.9 say what AD and CD mean in a question and an
answer, RFC 3225 what DO does. Then time: TTLs fall, and denials, bogus data and
failures are kept no longer than they may be.
"""
import itertools
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import ask  # noqa: E402
import lab  # noqa: E402

COMMIT_S = 1.3  # the keeper commits at most a second after an answer
BOGUS_TTL_S = 60
# kind: a name for each combination of flags, so that each is a miss once; type; verdict; RCODE
KINDS = {
    "secure": ("m{}.wildcard.shape.", "A", "secure", "NOERROR"),
    "secure NODATA": ("m{}.wildcard.shape.", "TXT", "secure", "NOERROR"),
    "secure NXDOMAIN": ("m{}.nsec.shape.", "A", "secure", "NXDOMAIN"),
    "secure NXDOMAIN, NSEC3": ("m{}.nsec3.shape.", "A", "secure", "NXDOMAIN"),
    "insecure NXDOMAIN": ("m{}.unsigned.shape.", "A", "insecure", "NXDOMAIN"),
    "insecure NXDOMAIN, opt-out": ("m{}.optout.shape.", "A", "insecure", "NXDOMAIN"),
    "bogus NXDOMAIN": ("m{}.badsig.broken.", "A", "bogus", "NXDOMAIN"),
    "bogus NODATA without denial": ("m{}.nodenial.broken.", "A", "bogus", "NXDOMAIN"),
}
# these have one name each: the first combination is the miss
SINGLE = {
    "insecure": ("www.unsigned.shape.", "A", "insecure", "NOERROR"),
    "insecure below opt-out": ("www.unsigned.optout.shape.", "A", "insecure", "NOERROR"),
    "secure chain": ("across.chain.shape.", "A", "secure", "NOERROR"),
    "chain that ends insecure": ("to-unsigned.chain.shape.", "A", "insecure", "NOERROR"),
    "chain that ends bogus": ("to-badsig.chain.shape.", "A", "bogus", "NOERROR"),
    "DNAME": ("www.moved.dname.shape.", "A", "secure", "NOERROR"),
    "bogus": ("www.badsig.broken.", "A", "bogus", "NOERROR"),
    "expired": ("www.expired.broken.", "A", "bogus", "NOERROR"),
    "algorithm unknown": ("www.badalg.broken.", "A", "insecure", "NOERROR"),
}
# asked for by name, these come without DO as well (RFC 4035 3.2.1)
ASKED_FOR = {
    "DNSKEY": ("nsec.shape.", "DNSKEY", "secure", "NOERROR"),
    "DS": ("nsec.shape.", "DS", "secure", "NOERROR"),
    "NSEC": ("www.nsec.shape.", "NSEC", "secure", "NOERROR"),
    "NSEC3PARAM": ("nsec3.shape.", "NSEC3PARAM", "secure", "NOERROR"),
    "RRSIG": ("www.nsec.shape.", "RRSIG", None, "NOERROR"),
}


def combinations():
    """All of AD, CD, DO, EDNS; DO needs EDNS."""
    for ad, cd, do, edns in itertools.product((False, True), repeat=4):
        if edns or not do:
            yield {"ad": ad, "cd": cd, "do": do, "edns": edns}


def spelled(flags):
    return " ".join(f"{k.upper()}={int(v)}" for k, v in flags.items())


def wrong(kind, flags, reply):
    """What in the reply is not as the RFCs want it, or None."""
    _, qtype, verdict, rcode = kind
    if reply is None:
        return "no answer"
    fixed = (reply.ra, reply.aa, reply.tc, reply.rd, reply.cd, reply.opcode)
    if fixed != (True, False, False, flags.get("rd", True), flags["cd"], 0):
        return "RA, AA, TC, RD or CD"
    if bool(reply.edns) != flags["edns"] or reply.do != flags["do"]:
        return "EDNS or DO"
    if verdict == "bogus" and not flags["cd"]:
        good = reply.rcode == "SERVFAIL" and not reply.records() and not reply.ad
        return None if good and (not flags["edns"] or reply.ede) else "bogus data without CD, or without EDE"
    if reply.rcode != rcode:
        return f"RCODE is not {rcode}"
    if reply.ede and not (verdict == "bogus" or "badalg" in kind[0]):
        return "EDE"
    if verdict is not None and reply.ad != (verdict == "secure" and (flags["ad"] or flags["do"]) and not flags["cd"]):
        return "AD"
    return wrong_dnssec(kind, flags, reply, ask.TYPES.get(qtype))


def wrong_dnssec(kind, flags, reply, qtype):
    """RRSIG, NSEC and NSEC3 for who set DO, and nobody else."""
    found = {r.type for r in reply.records() if r.type in ask.DNSSEC and r.type != qtype}
    if not flags["do"]:
        return f"types {found} without DO" if found else None
    signed = kind[2] == "secure" or kind[2] == "bogus" and "nosig" not in kind[0]
    if signed and ask.TYPES["RRSIG"] not in found:
        return "no RRSIG with DO"
    if kind[2] == "secure" and not whole_signatures(reply):
        return "a set without its RRSIG"
    denies = not any(r.type == qtype for r in reply.answer)
    if denies and kind[2] == "secure" and not found & {ask.TYPES["NSEC"], ask.TYPES["NSEC3"]}:
        return "a denial without proof"
    return None


def whole_signatures(reply):
    """Each set of answer and authority has an RRSIG; a CNAME that a DNAME made has none."""
    for section in (reply.answer, reply.authority):
        dnames = [r.owner for r in section if r.type == ask.TYPES["DNAME"]]
        covered = {(r.owner.lower(), int.from_bytes(r.rdata[:2], "big")) for r in section
                   if r.type == ask.TYPES["RRSIG"]}
        for r in section:
            made = r.type == ask.TYPES["CNAME"] and any(r.owner.endswith("." + d) for d in dnames)
            if r.type != ask.TYPES["RRSIG"] and not made and (r.owner.lower(), r.type) not in covered:
                return False
    return True


def round_of(client, cases):
    """Ask all; what is wrong, by kind."""
    messages = [ask.query(name, kind[1], **flags) for _, name, kind, flags in cases]
    bad = {}
    for n, octets in enumerate(client.many(messages)):
        title, name, kind, flags = cases[n]
        bad.setdefault(title, [])
        message = n.to_bytes(2, "big") + messages[n][2:]
        try:
            reply = ask.fitting(message, octets)
            if reply is not None and reply.tc:
                reply = client.ask(name, kind[1], tcp=True, **flags)
            why = wrong(kind, flags, reply)
        except ask.Malformed as error:
            reply, why = "", f"malformed: {error}"
        if why:
            bad[title].append(f"{name} {kind[1]} {spelled(flags)}: {why}\n{reply}")
    return bad


def matrix(client, daemon):
    cases = []
    for title, kind in KINDS.items():
        cases += [(title, kind[0].format(n), kind, flags) for n, flags in enumerate(combinations())]
    for title, kind in {**SINGLE, **ASKED_FOR}.items():
        cases += [(title, kind[0], kind, flags) for flags in combinations()]
    for when in ("on a miss", "on a hit"):
        before = ask.counters(daemon)
        for title, bad in round_of(client, cases).items():
            lab.expect(f"{title}: all flags {when}", not bad, "\n".join(bad[:4]))
        misses = misses_since(daemon, before)
        if when == "on a miss":
            lab.expect("those were misses", misses >= len(KINDS) * 12, misses)
            time.sleep(COMMIT_S)
        else:
            lab.expect("those were hits", misses == 0, misses)


def misses_since(daemon, before):
    now = ask.counters(daemon)
    return sum(now[role].get("cache_misses", 0) - before.get(role, {}).get("cache_misses", 0) for role in now)


# --- CD=1 poisons nobody ---------------------------------------------------

def both_orders(world, door):
    """Bogus data went to one client; the next gets SERVFAIL all the same. And the other way round."""
    asked = [("www.badsig.broken.", "A"), ("www.expired.broken.", "A"), ("www.nosig.broken.", "A"),
             ("www.ds-nokey.broken.", "A"), ("nothing.nodenial.broken.", "A"), ("to-badsig.chain.shape.", "A")]
    for order in ((True, False), (False, True)):
        title = "CD=1, then CD=0" if order[0] else "CD=0, then CD=1"
        with world.fairlead(state=world.tmp / f"order{order[0]:d}"):
            client, bad = ask.Client(door), []
            for pause in (0, COMMIT_S, 0):
                time.sleep(pause)
                for (name, qtype), cd in itertools.product(asked, order):
                    reply = client.ask(name, qtype, cd=cd, do=True)
                    served = reply.rcode in ("NOERROR", "NXDOMAIN") and reply.records()
                    failed = reply.rcode == "SERVFAIL" and reply.ede and not reply.records()
                    if reply.ad or not (served if cd else failed):
                        bad.append(f"{name} CD={cd:d}: {reply}")
            lab.expect(f"{title}: each gets its own", not bad, "\n".join(bad[:6]))


# --- RD=0 ------------------------------------------------------------------

def no_recursion(client, daemon):
    """RFC 1034 4.3.1: without RD there is only what is known already."""
    before = ask.counted(daemon, "upstream_timers")
    replies = [client.ask("never-asked.nsec.shape.", "A", rd=False, edns=True, do=do) for do in (False, True)]
    lab.expect("RD=0, not cached: REFUSED and EDE 20",
               all(r.rcode == "REFUSED" and r.ede == [20] and not r.rd and r.ra and not r.records()
                   for r in replies), replies[0])
    lab.expect("and nobody else is asked", ask.counted(daemon, "upstream_timers") == before)
    client.ask("www.nsec.shape.", "A")
    client.ask("www.badsig.broken.", "A")
    time.sleep(COMMIT_S)
    bad = []
    for title, kind in {**SINGLE, **ASKED_FOR}.items():
        for flags in combinations():
            reply = client.ask(kind[0], kind[1], rd=False, **flags)
            why = wrong(kind, {**flags, "rd": False}, reply)
            if why:
                bad.append(f"{title} {spelled(flags)}: {why}\n{reply}")
    lab.expect("RD=0, cached: answered like RD=1", not bad, "\n".join(bad[:4]))


# --- time ------------------------------------------------------------------

def soa_rule(reply):
    """RFC 2308 5: a denial lives for the least of its SOA's TTL and MINIMUM."""
    soa = next((r for r in reply.authority if r.type == ask.TYPES["SOA"]), None)
    if soa is None:
        return "no SOA"
    least = min(3600, int.from_bytes(soa.rdata[-4:], "big"))
    high = [r for r in reply.authority if r.ttl > least]
    return f"TTL {high[0].ttl} is above {least}" if high else None


def ages(client):
    """Answers of one record: asked twice, the second is as old as it is."""
    asked = [("www.nsec.shape.", "A", {"do": True}), ("fresh1.nsec.shape.", "A", {"do": True}),
             ("fresh2.unsigned.shape.", "A", {}), ("www.nsec3.shape.", "SRV", {"do": True}),
             ("www.expired.broken.", "A", {"cd": True, "do": True}), ("across.chain.shape.", "A", {}),
             ("www.moved.dname.shape.", "A", {})]
    first, began = [client.ask(name, qtype, **more) for name, qtype, more in asked], time.monotonic()
    bad = [f"{a}: {why}\n{r}" for a, r in zip(asked, first) if not r.answer and (why := soa_rule(r))]
    lab.expect("denials have TTLs of the SOA rule", not bad, "\n".join(bad))
    bogus = first[4]
    lab.expect(f"bogus data lives for {BOGUS_TTL_S} s at most",
               bogus.answer and all(r.ttl <= BOGUS_TTL_S for r in bogus.records()), bogus)
    time.sleep(3.2)
    for when in ("", " again"):
        age_s, bad = int(time.monotonic() - began), []
        for (name, qtype, more), before in zip(asked, first):
            then, reply = before.ttls(), client.ask(name, qtype, **more)
            now = reply.ttls()
            if set(now) != set(then) or any(not then[k] - age_s - 2 <= now[k] <= then[k] - age_s for k in then):
                bad.append(f"{name} after {age_s} s: {reply}\nfirst {before}")
        lab.expect(f"TTLs count down{when}", not bad, "\n".join(bad[:3]))
        time.sleep(1)


def failures(client):
    """RFC 9520: a failure is remembered, briefly, and with its reason."""
    replies, took = [], []
    for _ in range(2):
        began = time.monotonic()
        replies.append(client.ask("www.lame.down.", "A", edns=True))
        took.append(time.monotonic() - began)
        time.sleep(COMMIT_S)
    lab.expect("what cannot be reached fails with EDE 22 or 23",
               all(r.rcode == "SERVFAIL" and set(r.ede) & {22, 23} for r in replies), replies[1])
    lab.expect("and at once the second time", took[1] < 0.3, took)


def main():
    with lab.Lab() as world, ask.Door(world) as door:
        both_orders(world, door)
        with world.fairlead() as daemon:
            client = ask.Client(door)
            matrix(client, daemon)
            ages(client)
            no_recursion(client, daemon)
            failures(client)
            lab.expect("no role was restarted", not ask.restarted(daemon), daemon.said()[-2000:])
    lab.finish()


main()
