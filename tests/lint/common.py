"""What every lint shares: the walk over the tree, the command line, the self-test.

A lint is a function check(root, build) that yields problems (sentences that
begin with a path) and returns a closing summary. Its SAMPLES are small trees:
(what it shows, {path: text}, a part of the problem expected, or None for a
clean tree). --self-test runs them, so that a lint which can't fail is noticed.
"""
import argparse
import os
import subprocess
import sys
import tempfile

SKIPPED_DIRS = {".git", "__pycache__", "node_modules", "corpus"}


def walk(root, *tops, suffixes=()):
    """Paths below root (relative, sorted), without what is built."""
    found = []
    for top in tops or ("",):
        for folder, dirs, files in os.walk(os.path.join(root, top)):
            here = os.path.relpath(folder, root)
            dirs[:] = sorted(d for d in dirs if d not in SKIPPED_DIRS and
                             not (here == "." and d.startswith("build")))
            for name in files:
                path = os.path.normpath(os.path.join(here, name))
                if not suffixes or name.endswith(suffixes):
                    found.append(path)
    return sorted(found)


def read(root, path):
    """The text of a file, or None when it is not text."""
    with open(os.path.join(root, path), "rb") as f:
        data = f.read()
    if b"\0" in data:
        return None
    return data.decode("utf-8", "replace")


def run(command, cwd=None, **more):
    """A command's exit status and what it said."""
    done = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", check=False, **more)
    return done.returncode, done.stdout


def drain(generator):
    """All that a check yields, and what it returns."""
    problems = []
    while True:
        try:
            problems.append(next(generator))
        except StopIteration as stop:
            return problems, stop.value


def self_test(check, samples):
    bad = 0
    for what, files, expected in samples:
        with tempfile.TemporaryDirectory() as root:
            for path, text in files.items():
                target = os.path.join(root, path)
                os.makedirs(os.path.dirname(target), exist_ok=True)
                with open(target, "w", encoding="utf-8") as f:
                    f.write(text)
            problems, _ = drain(check(root, None))
        hit = any(expected in p for p in problems) if expected else not problems
        if not hit:
            bad += 1
            print(f"self-test: {what}: expected {expected or 'nothing'}, got {problems}")
    if not any(expected for _, _, expected in samples):
        bad += 1
        print("self-test: no sample shows a failure")
    return 1 if bad else 0


def main(check, samples):
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("root", nargs="?", default=".")
    parser.add_argument("--build", help="build folder with compile_commands.json")
    parser.add_argument("--self-test", action="store_true")
    args = parser.parse_args()
    if args.self_test:
        sys.exit(self_test(check, samples))
    problems, summary = drain(check(args.root, args.build))
    for problem in problems:
        print(f"FAILED: {problem}")
    print(f"{len(problems)} problems" if problems else summary)
    sys.exit(1 if problems else 0)
