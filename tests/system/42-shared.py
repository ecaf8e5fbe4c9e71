#!/usr/bin/env python3
# builds: dev
# timeout: 60
"""One cache folder, two supervisors: only one has it at a time, and its successor gets it at once."""
import os
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import dnswire
import house
import lab

COMMIT_S = 1.2
KNOWN = "www.nsec.shape."
OTHER = "127.0.3.1"
PATIENCE_S = 5


def check_two(inside):
    with house.House(inside, house.config(fronts=1)) as first:
        dnswire.ask(KNOWN)
        time.sleep(COMMIT_S)
        second = house.House(inside, house.config(fronts=1), first.state, OTHER)
        second.start()
        lab.expect("a second one on the same folder says so, and uses memory",
                   second.says("in use by another fairleadd; using memory"), second.said())
        reply = dnswire.ask(KNOWN, server=OTHER, rd=False)
        lab.expect("it has nothing of what the first one stored", reply.rcode == "REFUSED", reply)
        lab.expect("and serves", dnswire.ask(KNOWN, server=OTHER).rcode == "NOERROR")
        second.stop()
        lab.expect("the first one has its cache still", dnswire.ask(KNOWN, rd=False).rcode == "NOERROR"
                   and not first.says("cache was damaged|died"), first.said())


def check_successor(inside):
    """Only the supervisor is killed, and the next one starts while its roles are dying."""
    first = house.House(inside, house.config(fronts=2), inside.tmp / "successor")
    first.start()
    dnswire.ask(KNOWN)
    time.sleep(COMMIT_S)
    for _ in range(5):
        first.process.kill()
        first.process.wait()
        first.start()
        lab.expect("killed and started at once: the cache on the disk is used",
                   not first.says("using memory|cache was damaged"), first.said())
        found = house.wait_for(PATIENCE_S, lambda: dnswire.ask(KNOWN, rd=False).rcode == "NOERROR")
        lab.expect("and what was stored is there", found is not None, first.said())
    first.stop()


def check_address(inside):
    """What a dying instance still holds is given back in a moment; it is waited for."""
    fairlead = house.House(inside, house.config(fronts=1), inside.tmp / "address")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 53))
        fairlead.launch()
        time.sleep(0.5)
    lab.expect("an address that is given back while it starts is taken",
               house.wait_for(PATIENCE_S, lambda: fairlead.says("serving on")) is not None, fairlead.said())
    fairlead.stop()


def main():
    inside = lab.Lab()
    with inside:
        inside.enter()
        check_two(inside)
        check_successor(inside)
        check_address(inside)
    lab.finish()


main()
