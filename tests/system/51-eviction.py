#!/usr/bin/env python3
# builds: dev
# timeout: 120
"""Ten cachefuls of unique names, and popular ones asked meanwhile.

What is popular stays, what is new is stored, the file keeps its size, and it is
never full. Names that do not exist make the largest records: a proof of three
NSEC3 records and their signatures each.
"""
import os
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import dnswire
import house
import lab

SIZE_MIB = 16
ROUND = 1000          # unique names, between which the popular ones are asked once
POPULAR = [(f"popular{n}.wildcard.shape.", "A") for n in range(50)]
FORGOTTEN = [(f"forgotten{n}.wildcard.shape.", "A") for n in range(200)]
CACHEFULS = 10
LONGEST_S = 80
COMMIT_S = 1.2
WINDOW = 120          # below the zone limit


def share_stored(questions):
    replies = dnswire.ask_all(questions, rd=False, window=WINDOW)
    return sum(r is not None and r.rcode in ("NOERROR", "NXDOMAIN") for r in replies) / len(questions)


def flood(fairlead):
    """Unique names until ten cachefuls were stored: (how many, replies that were wrong, slowest popular)."""
    rounds, wrong, slowest = 0, [], 0.0
    begin, record, full = time.monotonic(), None, SIZE_MIB << 20
    while time.monotonic() - begin < LONGEST_S:
        unique = [(f"unique{rounds}x{n}.nsec3.shape.", "A") for n in range(ROUND)]
        replies = dnswire.ask_all(unique, window=WINDOW, sources=[None] * 4)
        wrong += [r for r in replies if r is None or r.rcode != "NXDOMAIN"]
        for reply in dnswire.ask_all(POPULAR, window=WINDOW):
            if reply is None or reply.rcode != "NOERROR" or reply.answer[0].rdata != bytes([198, 19, 1, 1]):
                wrong.append(reply)
            else:
                slowest = max(slowest, reply.seconds)
        rounds += 1
        if rounds == 3:
            time.sleep(2.2)  # the keeper's figures are a second old
            keeper = fairlead.counters()["keeper 0"]
            record = keeper["cache_bytes"] / keeper["cache_entries"]
        if record is not None and rounds * ROUND * record >= CACHEFULS * full * 0.8:
            break
    return rounds, wrong, slowest, rounds * ROUND * (record or 0) / (full * 0.8)


def main():
    inside = lab.Lab()
    with inside:
        inside.enter()
        state = tempfile.mkdtemp(dir=inside.tmp)
        text = house.config(fronts=1, size=f"{SIZE_MIB}MiB", resolver='libunbound: {ratelimit: "0"}')
        with house.House(inside, text, state) as fairlead:
            dnswire.ask_all(POPULAR + FORGOTTEN, window=WINDOW)
            rounds, wrong, slowest, cachefuls = flood(fairlead)
            time.sleep(COMMIT_S)
            lab.expect(f"{CACHEFULS} cachefuls of unique names went through", cachefuls >= CACHEFULS, cachefuls)
            lab.expect("every answer on the way was right", len(wrong) == 0, f"{len(wrong)}: {wrong[:3]}")
            lab.expect("popular names are in the cache", share_stored(POPULAR) == 1, fairlead.counters())
            newest = [(f"unique{rounds - 1}x{n}.nsec3.shape.", "A") for n in range(ROUND)]
            kept = share_stored(newest)
            lab.expect("so are the newest ones", kept >= 0.95, kept)
            kept = share_stored(FORGOTTEN)
            lab.expect("names that nobody asked for again are not", kept <= 0.2, kept)
            counters = fairlead.counters()
            keeper = counters["keeper 0"]
            lab.expect("records were evicted", keeper.get("evicted", 0) >= rounds * ROUND / 2, keeper)
            lab.expect("no write failed, the map was never full", keeper.get("write_errors", 0) == 0
                       and not fairlead.says("could not be written|MAP_FULL|is full"), fairlead.said()[-2000:])
            lab.expect("nothing that was to be stored was refused", keeper.get("store_refused", 0) == 0
                       and counters["resolver 0"].get("ipc_dropped", 0) == 0, counters)
            size = next(pathlib.Path(state).glob("cache/*/data.mdb")).stat().st_size
            lab.expect("the file keeps its size", size <= SIZE_MIB << 20, size)
            lab.expect("what lives is under nine tenths of it", keeper["cache_bytes"] <= 0.9 * (SIZE_MIB << 20), keeper)
            lab.expect("no role died", not fairlead.says("died|ended with"), fairlead.said()[-2000:])
            print(f"# {rounds * ROUND} unique names, {keeper['evicted']} evicted, {keeper['cache_entries']} live, "
                  f"slowest popular answer {1000 * slowest:.0f} ms", flush=True)
    lab.finish()


main()
