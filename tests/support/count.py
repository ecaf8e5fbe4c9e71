"""Counts a CTest run: count.py JUNIT SANITIZER_FOLDER SOURCE prints "PASSED FAILED NOTE".

A Criterion program says how many tests it held; a replay program counts as one.

Criterion 2.4.1 on Debian 13 leaks 48 octets of its own in the process that
watches over a test with a time limit. Tests run in workers (boxfort-worker), so
a leak in a test_* process with no line of ours in it is Criterion's: its file is
taken away, and the status that it gave the program is not held against it.
"""
import os
import re
import sys
import xml.etree.ElementTree as ET

SYNTHESIS = re.compile(
    r"Synthesis: Tested: (\d+) \| Passing: (\d+) \| Failing: (\d+) \| Crashing: (\d+)")
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def only_criterions(text, source):
    """Is this report nothing but leaks that no line of ours made?"""
    errors = re.findall(r"ERROR: (\w+)", text)
    return (set(errors) == {"LeakSanitizer"} and "libcriterion" in text and
            source + os.sep not in text)


def forgive(folder, source):
    """Take Criterion's own leaks away; names of the programs that had them."""
    names = set()
    for file in os.listdir(folder):
        found = re.match(r"san\.(test_\w+)\.\d+$", file)
        if not found:
            continue
        path = os.path.join(folder, file)
        with open(path, encoding="utf-8", errors="replace") as f:
            if only_criterions(f.read(), source):
                os.remove(path)
                names.add(found.group(1))
    return names


def count(case, forgiven):
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
    program = case.get("name").replace("unit/", "test_", 1).replace("/", "_")
    if good or bad or program in forgiven:
        return passing, bad
    return passing, 1


def main():
    junit, folder, source = sys.argv[1:]
    forgiven = forgive(folder, source)
    cases = list(ET.parse(junit).getroot().iter("testcase"))
    results = [count(case, forgiven) for case in cases]
    passed = sum(p for p, _ in results)
    failed = sum(f for _, f in results)
    note = f", Criterion's own leak forgiven in {len(forgiven)}" if forgiven else ""
    print(passed, failed, f"{len(cases)} programs{note}")


main()
