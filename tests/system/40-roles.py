#!/usr/bin/env python3
# builds: dev
# timeout: 150
"""Each role may die, hang, or die ten times: who asks does not notice.

Two fronts under 2,000 cached questions a second. A gap over 250 ms on a socket of
a front that lives is a failure, and so is any wrong answer; what the machine itself
withheld from the generator is granted on top. A question that is lost was in the
hands of the front that died.
"""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import dnswire
import house
import lab
import load

GAP_MS = 250
FULL_SERVICE_S = 1.0
LANES = 12
BATCH = 64  # datagrams that a front may hold when it dies
HANG_S = (2.0, 3.5)
unique = 0


def fresh_name():
    """Never asked before, signed, in a zone that is known."""
    global unique
    unique += 1
    return f"fresh-{os.getpid()}-{unique}.wildcard.shape."


def fresh_is_answered(timeout=0.5):
    reply = dnswire.ask(fresh_name(), timeout=timeout)
    return reply is not None and reply.rcode == "NOERROR" and reply.flags & dnswire.AD != 0


def lanes_by_front(generator, fairlead):
    """Which socket the kernel gives to which front."""
    owner = []
    for lane in range(LANES):
        before = fairlead.counters()
        generator.told("burst", lane, 40)
        after = fairlead.counters()
        owner.append(max(("front 0", "front 1"), key=lambda f: after[f].get("questions_udp", 0)
                         - before.get(f, {}).get("questions_udp", 0)))
    return owner


def judge(title, seen, owner, dead, deaths):
    """What the generator saw while the roles in @p dead died."""
    allowed = GAP_MS + seen["stall_ms"]
    living = [lane for lane, front in zip(seen["lanes"], owner) if front not in dead]
    gap = max((lane["gap_ms"] for lane in living), default=0)
    lab.expect(f"{title}: no wrong answer", seen["wrong"] == 0, seen["example"])
    lab.expect(f"{title}: no gap over {GAP_MS} ms at the living fronts", gap <= allowed, seen)
    lab.expect(f"{title}: nothing lost at the living fronts", all(lane["lost"] == 0 for lane in living), seen)
    lab.expect(f"{title}: no gap over {1000 * FULL_SERVICE_S:.0f} ms anywhere",
               seen["gap_ms"] <= 1000 * FULL_SERVICE_S + seen["stall_ms"], seen)
    lab.expect(f"{title}: a dead front takes no more than what it held",
               seen["lost"] <= BATCH * deaths, seen)


def full_service(fairlead, names, before):
    """Until all are back and a new signed name is resolved: seconds, or None."""
    begin = time.monotonic()

    def back():
        return all(fairlead.is_back(name, before) for name in names) and fresh_is_answered(0.3)

    return None if house.wait_for(5, back) is None else time.monotonic() - begin


def die(fairlead, generator, owner, names, times):
    title = f"kill -9 of {' and '.join(names)}" + (f", {times} times" if times > 1 else "")
    generator.go()
    generator.mark()
    for n in range(times):
        before = fairlead.kill(*names)
        if n + 1 < times:
            house.wait_for(5, lambda: all(fairlead.is_back(name, before) for name in names))
    took = full_service(fairlead, names, before)
    lab.expect(f"{title}: full service within {FULL_SERVICE_S} s", took is not None and took <= FULL_SERVICE_S,
               f"{took}\n{fairlead.said()[-1500:]}")
    time.sleep(0.2)
    fronts = [name for name in names if name.startswith("front")]
    judge(title, generator.rest(), owner, fronts, times * len(fronts))


def check_log(fairlead):
    for name in ("front 0", "front 1", "resolver 0", "keeper 0"):
        lab.expect(f"the log names the cause of each death of {name}",
                   fairlead.said().count(f"{name} died: signal 9 (Killed)") >= 11, fairlead.said()[-1500:])
    lab.expect("no role was held back", not fairlead.says("started again in"))


def check_confined(fairlead):
    pid = fairlead.process.pid
    for name, role in sorted(fairlead.roles().items()):
        lab.expect(f"{name} runs under a filter, without new privileges",
                   house.status_of(role, "Seccomp") == "2" and house.status_of(role, "NoNewPrivs") == "1")
        lab.expect(f"{name} is the supervisor's child", house.status_of(role, "PPid") == str(pid))
    lab.expect("the supervisor is not confined", house.status_of(pid, "Seccomp") == "0"
               and house.status_of(pid, "NoNewPrivs") == "0")


def check_deaths(inside, text, names, resolvers):
    with house.House(inside, text) as fairlead, load.Load(names, sockets=LANES) as generator:
        check_confined(fairlead)
        owner = lanes_by_front(generator, fairlead)
        lab.expect("both fronts have clients", set(owner) == {"front 0", "front 1"}, owner)
        single = ["front 0", "front 1", "resolver 0", "keeper 0"] if resolvers == 1 else ["resolver 1"]
        pairs = [("front 0", "resolver 0"), ("front 1", "keeper 0"), ("resolver 0", "keeper 0")]
        for name in single:
            die(fairlead, generator, owner, (name,), 1)
        for pair in pairs if resolvers == 1 else [("resolver 0", "resolver 1"), ("front 0", "front 1")]:
            die(fairlead, generator, owner, pair, 1)
        if resolvers == 1:
            for name in single:
                die(fairlead, generator, owner, (name,), 10)
                time.sleep(0.3)
            check_log(fairlead)
        check_confined(fairlead)
        generator.go()
        time.sleep(0.5)
        seen = generator.end()
        lab.expect("the last answers are right, too", seen["wrong"] == 0 and seen["lost"] == 0, seen)


def check_hangs(inside, text, names):
    """SIGSTOP: the watchdog's work; others' answers go on."""
    with house.House(inside, text) as fairlead, load.Load(names, sockets=LANES) as generator:
        owner = lanes_by_front(generator, fairlead)
        for name in ("keeper 0", "resolver 0", "front 0"):
            generator.go()
            generator.mark()
            begin = time.monotonic()
            before = fairlead.kill(name, number=signal.SIGSTOP)
            house.wait_for(6, lambda: not house.is_alive(before[0]))
            took = time.monotonic() - begin
            lab.expect(f"{name} hangs: killed after {HANG_S[0]} to {HANG_S[1]} s",
                       HANG_S[0] - 0.2 <= took <= HANG_S[1], f"{took}\n{fairlead.said()[-800:]}")
            back = full_service(fairlead, (name,), before)
            lab.expect(f"{name} hangs: full service within {FULL_SERVICE_S} s of its end",
                       back is not None and back <= FULL_SERVICE_S, f"{back}\n{fairlead.said()[-1500:]}")
            lab.expect(f"{name} hangs: the log says so", fairlead.says(f"{name} hangs"))
            time.sleep(0.3)
            seen = generator.rest()
            living = [lane for lane, front in zip(seen["lanes"], owner) if front != name]
            gap = max(lane["gap_ms"] for lane in living)
            lab.expect(f"{name} hangs: no wrong answer", seen["wrong"] == 0, seen["example"])
            lab.expect(f"{name} hangs: no gap over {GAP_MS} ms at the living fronts",
                       gap <= GAP_MS + seen["stall_ms"], seen)
        generator.end()


def check_in_flight(inside):
    """A question in flight at a resolver's death: asked once more, and answered in time."""
    with house.House(inside, house.config(fronts=1)) as fairlead:
        dnswire.ask("www.nsec.shape.")
        questions = [(f"twice-{n}.silent1.down.", "A") for n in range(10)]
        pid = os.fork()
        if pid == 0:
            time.sleep(0.5)
            fairlead.kill("resolver 0")
            os._exit(0)
        replies = dnswire.ask_all(questions)
        os.waitpid(pid, 0)
        late = max((r.seconds for r in replies if r), default=0)
        lab.expect("in flight at a death: each is answered, within 4.5 s",
                   all(r and r.rcode == "SERVFAIL" for r in replies) and late <= 4.6, f"{late} {replies}")
        lab.expect("and was asked once more", fairlead.count("asked_again") >= 10, fairlead.counters())

        before = fairlead.count("asked_again")
        pid = os.fork()
        if pid == 0:
            time.sleep(0.4)
            first = fairlead.kill("resolver 0")
            house.wait_for(3, lambda: fairlead.is_back("resolver 0", first))
            time.sleep(0.3)
            fairlead.kill("resolver 0")
            os._exit(0)
        replies = dnswire.ask_all([("thrice.silent2.down.", "A")])
        os.waitpid(pid, 0)
        reply = replies[0]
        lab.expect("in flight at two deaths: SERVFAIL at once, with the reason",
                   reply is not None and reply.rcode == "SERVFAIL" and reply.seconds < 3
                   and any(code == 0 and "restarted" in text for code, text in reply.ede), reply)
        house.wait_for(3, fresh_is_answered)
        # those of the first part may be in flight still: asked again by what is left of their jobs
        lab.expect("and it was asked again once only", before < fairlead.count("asked_again") <= before + 11,
                   fairlead.counters())


def check_often(inside):
    """More than 20 deaths a minute: only then it is held back, and says so."""
    with house.House(inside, house.config(fronts=1)) as fairlead:
        for _ in range(22):
            before = fairlead.kill("keeper 0")
            house.wait_for(5, lambda: fairlead.is_back("keeper 0", before))
        lines = [line for line in fairlead.said().splitlines() if "keeper 0 died more than 20 times in a minute" in line]
        lab.expect("after more than 20 deaths a minute a role is held back", 1 <= len(lines) <= 2, lines)
        lab.expect("and said so with the time", all("it is started again in" in line for line in lines), lines)
        lab.expect("the others serve on", fresh_is_answered())


def check_supervisor(inside, text):
    fairlead = house.House(inside, text)
    fairlead.start()
    roles = fairlead.roles()
    lab.expect("all roles run", len(roles) == 4, roles)
    fairlead.process.kill()
    fairlead.process.wait()
    took = house.wait_for(3, lambda: not any(house.is_alive(pid) for pid in roles.values()))
    lab.expect("the supervisor killed: all roles are gone within 1 s", took is not None and took <= 1, took)
    again = house.House(inside, text, fairlead.state)
    again.start()
    lab.expect("and it starts again at once", fresh_is_answered(1))
    again.stop()


def main():
    inside = lab.Lab()
    with inside:
        inside.enter()
        names = inside.tmp / "names"
        with open(inside.dir / "queries.txt", encoding="ascii") as file:
            names.write_text("".join(file.readlines()[:400]))
        text = house.config(fronts=2, resolvers=1)
        check_deaths(inside, text, names, 1)
        check_deaths(inside, house.config(fronts=2, resolvers=2), names, 2)
        check_hangs(inside, text, names)
        check_in_flight(inside)
        check_often(inside)
        check_supervisor(inside, text)
    lab.finish()


main()
