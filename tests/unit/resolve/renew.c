#include "lab.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
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
