"""Counts a CTest run from its JUnit file: prints "PASSED FAILED NOTE".

A Criterion program says how many tests it held; a replay program counts as one.
"""
import re
import sys
import xml.etree.ElementTree as ET

SYNTHESIS = re.compile(
    r"Synthesis: Tested: (\d+) \| Passing: (\d+) \| Failing: (\d+) \| Crashing: (\d+)")
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def count(case):
    """Passed and failed tests of one program."""
    good = case.get("status") == "run"
    text = ANSI.sub("", case.findtext("system-out") or "")
    found = SYNTHESIS.findall(text)
    if not found:
        return (1, 0) if good else (0, 1)
    tested, passing, failing, crashing = map(int, found[-1])
    if good and tested == 0:
        return 0, 1  # a program without tests proves nothing
    bad = failing + crashing
    return passing, bad if good or bad else 1


def main():
    cases = list(ET.parse(sys.argv[1]).getroot().iter("testcase"))
    results = [count(case) for case in cases]
    passed = sum(p for p, _ in results)
    failed = sum(f for _, f in results)
    print(passed, failed, f"{len(cases)} programs")


main()
