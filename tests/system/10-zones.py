#!/usr/bin/env python3
# builds: dev
# timeout: 120
"""Every zone of the miniature Internet, as a client sees it through Fairlead.

Each sample of the manifest has its RCODE, its AD bit, its records or its extended
error; then again from the cache, after a stop, and after everything was killed:
the same answers, and no TTL begins anew.
"""
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import ask  # noqa: E402
import lab  # noqa: E402

COMMIT_S = 1.3  # the keeper commits at most a second after an answer
KEPT_MAX = 8192  # larger answers are not stored
CHAIN = {ask.TYPES["CNAME"], ask.TYPES["DNAME"], ask.TYPES["RRSIG"]}


def knows_ed448():
    """Algorithm 16 needs a libunbound on OpenSSL; nettle has none of it."""
    said = subprocess.run(["ldd", str(lab.BIN / "fairleadd")], stdout=subprocess.PIPE, text=True,
                          check=True).stdout
    library = re.search(r"libunbound\S* => (\S+)", said).group(1)
    with open(library, "rb") as file:
        return b"libnettle.so" not in file.read()


def read_manifest(world):
    """All samples, each with its zone; verdicts as this machine's libunbound can have them."""
    samples = []
    for zone in ask.manifest(world):
        for sample in zone["samples"]:
            sample["zone"] = zone
            if zone["algorithm"] == 16 and not knows_ed448():
                sample["verdict"] = zone["verdict_if_unsupported"]
            samples.append(sample)
    return samples


def title(sample):
    zone = sample["zone"]
    generated = re.match(r"z\d+\.", zone["zone"])
    return (f"generated zones, algorithm {zone['algorithm']}, {zone['denial']}" if generated
            else f"{zone['zone']} ({zone['fault']}) is {zone['verdict']}" if zone["fault"] != "none"
            else f"{zone['zone']} is {sample['zone']['verdict']}")


class Round:
    """All samples asked once; what came, and when."""

    def __init__(self, client, samples, **flags):
        self.samples, self.began = samples, time.monotonic()
        messages = [ask.query(s["name"], s["type"], do=True, ad=True, **flags) for s in samples]
        octets = client.many(messages)
        self.ended = time.monotonic()
        self.replies = []
        for n, (message, reply) in enumerate(zip(messages, octets)):
            message = n.to_bytes(2, "big") + message[2:]
            try:
                reply = ask.fitting(message, reply)
                if reply is not None and reply.tc:
                    reply = client.ask(samples[n]["name"], samples[n]["type"], tcp=True, do=True, ad=True,
                                       **flags)
            except ask.Malformed as error:
                lab.expect(f"{samples[n]['name']} has a well-formed answer", False, error)
                reply = None
            self.replies.append(reply)

    def judge(self, sentence, wrong):
        """One line; wrong(sample, reply) says what is, or None."""
        bad = [f"{s['name']} {s['type']}: {why}" for s, r in zip(self.samples, self.replies)
               if (why := "no answer" if r is None else wrong(s, r))]
        lab.expect(f"{sentence} ({len(self.samples)} questions)", not bad and self.samples, "\n".join(bad[:30]))

    def judge_zones(self, wrong):
        """One line a kind of zone, so that a failing line tells which."""
        for text in sorted({title(s) for s in self.samples}):
            part = object.__new__(Round)
            chosen = [n for n, s in enumerate(self.samples) if title(s) == text]
            part.samples = [self.samples[n] for n in chosen]
            part.replies = [self.replies[n] for n in chosen]
            part.judge(text, wrong)


# --- what must hold --------------------------------------------------------

def wrong_answer(sample, reply):
    """RCODE, AD, records and extended error are the manifest's."""
    if reply.rcode != sample["rcode"] or reply.ad != (sample["verdict"] == "secure"):
        return f"want {sample['rcode']}, {sample['verdict']}; got {reply}"
    if not reply.ra or reply.aa or reply.cd or not reply.rd:
        return f"flags: {reply}"
    if reply.rcode == "SERVFAIL":
        if not set(reply.ede) & set(sample["ede"]) or reply.records():
            return f"want EDE {sample['ede']} and no records; got {reply}"
        return None
    return wrong_records(sample, reply)


def wrong_records(sample, reply):
    if reply.rdata(sample["type"]) != sorted(sample["answer"]):
        return f"want {sample['answer']}; got {reply}"
    at = ask.name(sample["name"]).lower()  # the chain in its order, RFC 1034 4.3.2
    for record in reply.answer:
        if record.type == ask.TYPES["CNAME"]:
            if ask.name(record.owner).lower() != at:
                return f"the chain is broken at {record.owner}: {reply}"
            at = record.plain
        elif record.type not in CHAIN and ask.name(record.owner).lower() != at:
            return f"{record.owner} is not where the chain leads: {reply}"
    denies = any(record.type == ask.TYPES["SOA"] for record in reply.authority)
    if not sample["answer"] and not denies:
        return f"a denial without SOA: {reply}"
    return None


def wrong_unchecked(sample, reply):
    """With CD=1 a bogus name has its data."""
    if reply.rcode != sample["cd_rcode"] or reply.ad or not reply.cd:
        return f"want {sample['cd_rcode']} with CD and without AD; got {reply}"
    return None if reply.rdata(sample["type"]) == sorted(sample["answer"]) else f"{sample['answer']}; {reply}"


def later_than(first):
    """The same as in the first round, and TTLs less by the time between."""
    def wrong(sample, reply):
        before, age_s = earlier[id(sample)]
        if (reply.rcode, reply.ad, reply.ede) != (before.rcode, before.ad, before.ede):
            return f"{reply}\nand first {before}"
        then, now = before.ttls(), reply.ttls()
        if set(then) != set(now):
            return f"{reply}\nand first {before}"
        young = [(key[0], then[key], now[key]) for key in then if now[key] > then[key] - age_s]
        return f"TTLs after {age_s} s: {young[:3]}" if young and len(reply.message) <= KEPT_MAX else None

    age = int(time.monotonic() - first.ended)
    earlier = {id(s): (r, age) for s, r in zip(first.samples, first.replies) if r is not None}
    return wrong


def again(client, daemon, first, when):
    """A later round, all of it from the cache."""
    wrong = later_than(first)
    resolved = ask.counted(daemon, "answers_resolved")
    large = sum(r is not None and len(r.message) > KEPT_MAX for r in first.replies)
    Round(client, first.samples).judge(f"the same answers {when}, with lower TTLs", wrong)
    resolved = ask.counted(daemon, "answers_resolved") - resolved
    # those are asked twice: over UDP, and after TC=1 over TCP
    lab.expect(f"only what is too large to keep was resolved anew {when}", resolved == 2 * large,
               f"{resolved} resolved, {large} are large")


def kill_all(daemon):
    """Everything at once, as a power cut would: supervisor first, so that it restarts nothing."""
    root = daemon.process.pid
    below = [root]
    for pid in below:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            below += [int(child) for child in file.read().split()]
    os.kill(root, signal.SIGSTOP)
    for pid in reversed(below):
        os.kill(pid, signal.SIGKILL)
    daemon.process.wait()
    daemon.process = None
    return len(below)


def unreachable(client, samples):
    """Nobody answers: said in time, with a reason."""
    asked = Round(client, samples)
    asked.judge("what cannot be reached fails with EDE 22 or 23", wrong_answer)
    lab.expect("within 4.8 s, all at once", asked.ended - asked.began < 4.8, asked.ended - asked.began)


def main():
    with lab.Lab() as world, ask.Door(world) as door, world.fairlead() as daemon:
        samples = read_manifest(world)
        reachable = [s for s in samples if s["verdict"] != "unreachable"]
        client = ask.Client(door)
        first = Round(client, reachable)
        first.judge_zones(wrong_answer)
        bogus = [s for s in reachable if s["verdict"] == "bogus"]
        Round(client, bogus, cd=True).judge("bogus data comes with CD=1", wrong_unchecked)
        unreachable(client, [s for s in samples if s["verdict"] == "unreachable"])
        time.sleep(COMMIT_S)
        again(client, daemon, first, "a moment later")

        daemon.stop()
        daemon.start()
        again(client, daemon, first, "after a stop and a start")
        lab.expect("kill -9 of everything", kill_all(daemon) >= 4)
        daemon.start()
        again(client, daemon, first, "after kill -9 of everything")
        Round(client, bogus, cd=True).judge("with CD=1 as well", wrong_unchecked)
    lab.finish()


main()
