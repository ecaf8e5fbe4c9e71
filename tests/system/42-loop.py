#!/usr/bin/env python3
# builds: dev
# timeout: 60
"""A role that gets ready and dies at once, again and again: it is started more and more seldom."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import dnswire
import house
import lab

DEATHS = 26
WAITS_MS = [100, 200, 400, 800, 1600]


def main():
    inside = lab.Lab()
    with inside:
        inside.enter()
        with house.House(inside, house.config(fronts=1)) as fairlead:
            for _ in range(DEATHS):
                before = fairlead.kill("keeper 0")
                house.wait_for(5, lambda: fairlead.is_back("keeper 0", before))
            waits = [int(ms) for ms in re.findall(r"keeper 0 died more than 20 times in a minute; it is started again in (\d+) ms",
                                                  fairlead.said())]
            lab.expect("after 20 deaths in a minute each start waits twice as long as the last one",
                       waits[:len(WAITS_MS)] == WAITS_MS, f"{waits}\n{fairlead.said()[-1500:]}")
            lab.expect("the others serve on", dnswire.ask("www.nsec.shape.").rcode == "NOERROR")
    lab.finish()


main()
