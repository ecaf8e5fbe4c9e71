#include "lab.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <malloc.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The wall clock of this program, libraries included, can be set by a test. */
static struct {
	long ahead_s;
} wall;

int clock_gettime(clockid_t clock, struct timespec *ts)
{
	long err = syscall(SYS_clock_gettime, clock, ts);
	if (err == 0 && clock == CLOCK_REALTIME) {
		ts->tv_sec += wall.ahead_s;
	}
	return (int)err;
}

Test(renew, small_corrections_of_the_clock_are_nothing, .init = lab_start, .fini = lab_finish)
{
	lab_ask("a.good.", 0);
	cr_assert(lab_wait_answers(1, 2000));
	wall.ahead_s = 50;
	lab_turn_for(1500);
	cr_expect_eq(lab.counters.contexts_made, 1);
}

Test(renew, a_clock_step_renews, .init = lab_start, .fini = lab_finish)
{
	static const long steps_s[] = { 3600, -86400, 0 };
	for (unsigned i = 0; i < FL_COUNT(steps_s); i++) {
		lab_ask("a.good.", i);
		cr_assert(lab_wait_answers(i + 1, 2000));
		wall.ahead_s = steps_s[i];
		lab_turn_for(1500);
		cr_expect_eq(lab.counters.contexts_made, i + 2, "step to %ld s", steps_s[i]);
		lab_turn_for(1500);
		cr_expect_eq(lab.counters.contexts_made, i + 2, "once a step");
	}
}

Test(renew, renewed_ten_times_nothing_is_lost, .init = lab_start, .fini = lab_finish)
{
	enum { ROUNDS = 10, EACH = 300 };
	char name[64];
	atomic_store(&lab.toy.shared->hold, true);
	for (unsigned r = 0; r < ROUNDS; r++) {
		atomic_store(&lab.toy.shared->hold, r % 3 != 2); /* some rounds let go */
		for (unsigned i = 0; i < EACH && fl_engine_jobs(lab.engine) < 2000; i++) {
			snprintf(name, sizeof(name), "r%u-%u.good.", r, i);
			lab_ask(name, r * EACH + i);
		}
		lab_turn_for(30);
		cr_expect_eq(fl_engine_renew(lab.engine), FL_OK);
		cr_expect_leq(fl_engine_contexts(lab.engine), 7);
	}
	atomic_store(&lab.toy.shared->hold, false);
	unsigned asked = 0;
	lab_wait_answers(ROUNDS * EACH, 10000);
	for (unsigned i = 0; i < ROUNDS * EACH; i++) {
		asked += lab.times[i] == 1;
		cr_expect_leq(lab.times[i], 1, "ticket %u twice", i);
	}
	cr_expect_eq(fl_engine_jobs(lab.engine), 0);
	cr_expect_eq(asked, lab.answered);
	cr_expect_eq(lab.answered, ROUNDS * EACH);
	cr_expect_eq(lab.counters.resolved_failed, 0);
	cr_expect_eq(lab.counters.resolved_insecure, ROUNDS * EACH);
	lab_turn_for(50);
	cr_expect_eq(fl_engine_contexts(lab.engine), 1, "the drained are gone");
}

Test(renew, a_late_context_hands_its_jobs_on, .init = lab_start, .fini = lab_finish,
     .timeout = 60)
{
	lab_ask("first.good.", 0); /* the current context has worked */
	cr_assert(lab_wait_answers(1, 2000));
	atomic_store(&lab.toy.shared->hold, true);
	char name[64];
	for (unsigned i = 1; i <= 20; i++) {
		snprintf(name, sizeof(name), "n%u.dead.", i);
		lab_ask(name, i);
	}
	for (unsigned r = 0; r < 6; r++) { /* more than may drain at once */
		cr_expect_eq(fl_engine_renew(lab.engine), FL_OK);
		snprintf(name, sizeof(name), "again%u.good.", r);
		lab_ask(name, 100 + r);
		lab_turn_for(20);
		cr_expect_leq(fl_engine_contexts(lab.engine), 6);
	}
	cr_expect_eq(fl_engine_jobs(lab.engine), 26);
	atomic_store(&lab.toy.shared->hold, false);
	cr_expect(lab_wait_answers(27, 30000));
	for (unsigned i = 0; i <= 20; i++) {
		cr_expect_eq(lab.times[i], 1, "ticket %u: %u", i, lab.times[i]);
	}
}

Test(renew, reasons_are_still_told_when_a_context_has_gone, .init = lab_start,
     .fini = lab_finish)
{
	lab_ask("a.good.", 0);
	cr_assert(lab_wait_answers(1, 2000));
	cr_assert_eq(fl_engine_renew(lab.engine), FL_OK);
	lab_turn_for(50);
	cr_assert_eq(fl_engine_contexts(lab.engine), 1);
	lab_ask("servfail.good.", 1);
	cr_assert(lab_wait_answers(2, 10000));
	cr_expect_eq(lab.last.reason, FL_REASON_NO_REACHABLE);
	cr_expect_neq(lab.last.text[0], '\0');
}

Test(renew, an_unused_context_is_as_good_as_new, .init = lab_start, .fini = lab_finish)
{
	for (unsigned i = 0; i < 100; i++) {
		cr_expect_eq(fl_engine_renew(lab.engine), FL_OK);
	}
	cr_expect_eq(lab.counters.contexts_made, 1);
}

static bool way_over_ipv6;

static bool has_way(void)
{
	return way_over_ipv6;
}

/* A server that hears and says nothing, at ::1; -1 where there is no IPv6 at all. */
static int listen_over_ipv6(struct fl_addr *at)
{
	struct sockaddr_in6 sa = { .sin6_family = AF_INET6,
				   .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	socklen_t len = sizeof(sa);
	const int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&sa, len) == 0 &&
	    getsockname(fd, (struct sockaddr *)&sa, &len) == 0 &&
	    fl_addr_from_sockaddr((struct sockaddr *)&sa, at)) {
		return fd;
	}
	close(fd);
	return -1;
}

static bool was_heard(int fd)
{
	char octets[512];
	return recv(fd, octets, sizeof(octets), 0) > 0;
}

/* A box may boot before its network. */
Test(renew, a_way_over_ipv6_is_looked_for_again, .init = lab_prepare, .fini = lab_finish)
{
	struct fl_addr six;
	const int fd = listen_over_ipv6(&six);
	if (fd < 0) {
		lab_open_engine();
		cr_skip_test("this machine has no IPv6");
	}
	struct fl_engine_zone stub[4];
	memcpy(stub, lab.stub, sizeof(lab.stub));
	stub[3] = (struct fl_engine_zone){ "six.", &six, 1 };
	lab.options.stub = stub;
	lab.options.n_stub = 4;
	lab.options.have_ipv6 = has_way;
	lab_open_engine();
	lab_ask("a.six.", 0);
	cr_expect(lab_wait_answers(1, 5000));
	cr_expect_not(was_heard(fd), "there is no way yet");
	way_over_ipv6 = true;
	cr_expect_eq(fl_engine_renew(lab.engine), FL_OK);
	lab_ask("b.six.", 1);
	lab_turn_for(500);
	cr_expect(was_heard(fd), "the next context takes it");
	way_over_ipv6 = false; /* also where nothing was asked of the one before */
	cr_expect_eq(fl_engine_renew(lab.engine), FL_OK);
	way_over_ipv6 = true;
	cr_expect_eq(fl_engine_renew(lab.engine), FL_OK);
	cr_expect_eq(lab.counters.contexts_made, 4);
	close(fd);
}

Test(renew, age_renews, .init = lab_prepare, .fini = lab_finish)
{
	lab.options.context_age_s = 1;
	lab_open_engine();
	lab_ask("a.good.", 0);
	cr_assert(lab_wait_answers(1, 2000));
	lab_turn_for(2500);
	cr_expect_eq(lab.counters.contexts_made, 2);
	cr_expect_eq(fl_engine_contexts(lab.engine), 1);
	lab_ask("a.good.", 1);
	cr_expect(lab_wait_answers(2, 2000));
	cr_expect_eq(atomic_load(&lab.toy.shared->packets), 2,
		     "the new one has an empty cache");
}

Test(renew, renewing_leaks_nothing, .init = lab_start, .fini = lab_finish, .timeout = 60)
{
	size_t before = 0;
	for (unsigned i = 0; i < 40; i++) {
		char name[64];
		snprintf(name, sizeof(name), "n%u.good.", i);
		lab_ask(name, i);
		cr_assert(lab_wait_answers(i + 1, 5000));
		cr_assert_eq(fl_engine_renew(lab.engine), FL_OK);
		lab_turn_for(20);
		before = i == 10 ? mallinfo2().uordblks : before;
	}
	cr_expect_eq(lab.counters.contexts_made, 41);
	cr_expect_lt(mallinfo2().uordblks, before + (64 << 10), "%zu octets more",
		     mallinfo2().uordblks - before);
}
