/* Questions that wait: what is kept of them, how many there may be, and what becomes of
 * them when a resolver or its answer is lost. */
#include "toy.h"

enum { TURN_MS = 3 * FL_FRONT_SWEEP_MS };

#define ONE "resolvers: 1\nrate-limit: {errors: 0, exempt: []}\n"

static void fill(struct toy *t, unsigned n, const char *name, enum step want)
{
	for (unsigned i = 0; i < n; i++) {
		cr_assert_eq(toy_ask(t, (uint16_t)i, name, 0), want, "number %u", i);
	}
}

Test(pending, keeps_the_question_not_the_message)
{
	struct toy t;
	uint8_t reply[4096], want[512];
	struct fl_frame_header h;
	toy_open(&t, ONE);
	toy_connect(&t);
	cr_assert_eq(toy_ask(&t, 0xABCD, "WwW.miXed.Example.", 60000), STEP_WAIT);
	const struct waiter *w = FL_CONTAINER(t.f->pending.line.next, struct waiter, in_line);
	cr_expect_leq(w->q.len, FL_FRONT_KEPT_MAX);
	cr_expect_eq(w->q.msg, w->kept, "it borrows nothing");
	cr_expect_null(w->q.cookie);

	toy_run(&t, TURN_MS);
	const int fd = toy_accept(&t);
	cr_assert_eq(toy_questions(fd, &h), 1);
	toy_fail(fd, h.job_id);
	toy_run(&t, TURN_MS);
	const size_t len = toy_reply(&t, reply, sizeof(reply));
	const size_t asked = toy_question(want, sizeof(want), 0xABCD, "WwW.miXed.Example.", 0);
	cr_assert_gt(len, asked);
	cr_expect_arr_eq(reply, want, 2, "the id");
	cr_expect_eq(rcode_of(reply), FL_RCODE_SERVFAIL);
	cr_expect_arr_eq(reply + 12, want + 12, asked - 12 - 11, "the question as it came");
	cr_expect_arr_eq(reply + asked - 11, "\0\0\51", 3, "an OPT, as the question had");
	cr_expect_eq(reply[asked - 4], 0x80, "DO is echoed");
	close(fd);
	toy_close(&t);
}

Test(pending, one_resolvers_questions_leave_the_others_places)
{
	struct toy t;
	char name[64];
	toy_open(&t, "resolvers: 2\nlimits: {resolver: 4, zone: 4, client: 100}\n");
	for (unsigned n = 0; n < 4; n++) {
		cr_assert_eq(toy_ask(&t, 1, name_of(&t, 0, n, name), 0), STEP_WAIT);
	}
	cr_expect_eq(toy_ask(&t, 1, name_of(&t, 0, 4, name), 0), STEP_ANSWER);
	cr_expect_eq(rcode_of(t.f->reply), FL_RCODE_SERVFAIL);
	cr_expect_eq(t.counters.limit_resolver, 1);
	for (unsigned n = 0; n < 4; n++) {
		cr_expect_eq(toy_ask(&t, 1, name_of(&t, 1, n, name), 0), STEP_WAIT,
			     "the other resolver has its own places");
	}
	cr_expect_eq(toy_ask(&t, 1, name_of(&t, 1, 4, name), 0), STEP_ANSWER);
	toy_close(&t);
}

Test(pending, one_zones_questions_leave_its_resolvers_places)
{
	struct toy t;
	toy_open(&t, "resolvers: 1\nlimits: {resolver: 8, zone: 4, client: 100}\n");
	const char *flooded[] = { "a.flooded.example.", "b.flooded.EXAMPLE.",
				  "c.x.flooded.example.", "d.FLOODED.example." };
	for (unsigned n = 0; n < 4; n++) {
		cr_assert_eq(toy_ask(&t, 1, flooded[n], 0), STEP_WAIT);
	}
	cr_expect_eq(toy_ask(&t, 1, "e.flooded.example.", 0), STEP_ANSWER);
	cr_expect_eq(rcode_of(t.f->reply), FL_RCODE_SERVFAIL);
	cr_expect_eq(t.counters.limit_zone, 1);
	cr_expect_eq(t.counters.limit_resolver, 0);
	cr_expect_eq(toy_ask(&t, 1, "a.flooded.example.", 0), STEP_WAIT,
		     "who asks the same takes no place");
	cr_expect_eq(toy_ask(&t, 1, "www.calm.elsewhere.", 0), STEP_WAIT,
		     "another zone of that resolver has places");
	fl__pending_failed(t.f, first_job(&t), FL_REASON_FAILED);
	cr_expect_eq(toy_ask(&t, 1, "e.flooded.example.", 0), STEP_WAIT, "there is room again");
	cr_expect_eq(toy_ask(&t, 1, "f.flooded.example.", 0), STEP_ANSWER, "for one");
	toy_close(&t);
}

Test(pending, those_who_join_are_bounded)
{
	struct toy t;
	toy_open(&t, "resolvers: 1\nlimits: {resolver: 2, zone: 2, client: 100}\n");
	fill(&t, 1 + 2 * FL_FRONT_JOIN_TIMES, "one.example.", STEP_WAIT);
	cr_expect_eq(toy_ask(&t, 1, "one.example.", 0), STEP_ANSWER);
	cr_expect_eq(rcode_of(t.f->reply), FL_RCODE_SERVFAIL);
	cr_expect_eq(t.counters.limit_client, 1);
	cr_expect_eq(toy_ask(&t, 1, "two.example.", 0), STEP_WAIT,
		     "a name that nobody asks is not concerned");
	fl__pending_failed(t.f, first_job(&t), FL_REASON_FAILED);
	cr_expect_eq(toy_ask(&t, 1, "two.example.", 0), STEP_WAIT, "there is room again");
	cr_expect_eq(t.counters.in_flight, 2);
	toy_close(&t);
}

Test(pending, the_highest_client_limit_holds)
{
	struct toy t;
	toy_open(&t, ONE "limits: {resolver: 65536, zone: 65536, client: 65535}\n");
	fill(&t, 65535, "one.example.", STEP_WAIT);
	cr_expect_eq(toy_ask(&t, 1, "one.example.", 0), STEP_ANSWER);
	cr_expect_eq(t.counters.limit_client, 1);
	toy_close(&t);
}

Test(pending, a_failed_connection_loses_nothing)
{
	struct toy t;
	struct fl_frame_header h = { 0 };
	toy_open(&t, ONE);
	toy_connect(&t);
	fl__pending_start(t.f);
	toy_ask(&t, 1, "sent.example.", 0);
	toy_run(&t, TURN_MS);
	int fd = toy_accept(&t);
	cr_assert_eq(toy_questions(fd, &h), 1);
	close(t.resolver); /* nobody listens, then the resolver dies */
	close(fd);
	toy_run(&t, TURN_MS);
	cr_expect_null(t.f->up[0].channel);
	toy_ask(&t, 2, "unsent.example.", 0);

	toy_listen(&t);
	toy_run(&t, TURN_MS);
	fd = toy_accept(&t);
	cr_expect_eq(toy_questions(fd, &h), 2, "both are asked of the next one");
	cr_expect_eq(h.flags, 0, "the second had not been asked before");
	cr_expect_eq(t.counters.asked_again, 1);

	close(fd); /* and that dies too */
	toy_run(&t, TURN_MS);
	fd = toy_accept(&t);
	cr_expect_eq(toy_questions(fd, &h), 1, "twice is enough for the first");
	cr_expect_eq(h.flags, FL_FRAME_AGAIN);
	cr_expect_eq(t.counters.asked_again, 2);
	cr_expect_eq(t.counters.answers_failed, 1);
	close(fd);
	toy_close(&t);
}

Test(pending, a_lost_answer_is_asked_for_again)
{
	struct toy t;
	struct fl_frame_header h = { 0 };
	toy_open(&t, ONE);
	toy_connect(&t);
	fl__pending_start(t.f);
	toy_ask(&t, 1, "lost.example.", 0);
	toy_run(&t, TURN_MS);
	const int fd = toy_accept(&t);
	cr_assert_eq(toy_questions(fd, &h), 1);
	const uint64_t id = h.job_id;

	/* its first client has given up */
	struct waiter *w = FL_CONTAINER(t.f->pending.line.next, struct waiter, in_line);
	w->deadline_ns = 1;
	first_job(&t)->asked_ns -= 6 * FL_S_NS;
	toy_run(&t, TURN_MS);
	cr_expect_eq(t.counters.deadline, 1);
	cr_expect_eq(toy_questions(fd, &h), 0, "not asked for nobody");

	toy_ask(&t, 2, "lost.example.", 0);
	cr_expect_eq(t.counters.merged, 1);
	toy_run(&t, TURN_MS);
	cr_expect_eq(toy_questions(fd, &h), 1, "who comes later has it asked again, once");
	cr_expect_eq(h.job_id, id);
	toy_fail(fd, id);
	toy_fail(fd, id); /* the lost one, late: nobody is there for it */
	toy_run(&t, TURN_MS);
	cr_expect_eq(t.counters.answers_failed, 2);
	cr_expect_eq(t.counters.in_flight, 0);
	cr_expect_eq(t.f->up[0].n_jobs, 0);
	close(fd);
	toy_close(&t);
}

Test(pending, nothing_is_tried_before_start)
{
	struct toy t;
	toy_open(&t, ONE);
	toy_listen(&t);
	toy_ask(&t, 1, "early.example.", 0);
	toy_run(&t, TURN_MS);
	cr_expect_eq(toy_accept(&t), -1);
	cr_assert_eq(fl__upstream_start(t.f), FL_OK);
	fl__pending_start(t.f);
	toy_run(&t, TURN_MS);
	struct fl_frame_header h;
	const int fd = toy_accept(&t);
	cr_expect_eq(toy_questions(fd, &h), 1, "what came early is asked then");
	close(fd);
	toy_close(&t);
}

Test(pending, what_was_never_sent_has_its_second_try_still)
{
	struct toy t;
	struct fl_frame_header h = { 0 };
	toy_open(&t, ONE);
	toy_connect(&t);
	toy_ask(&t, 1, "unsent.example.", 0);
	first_job(&t)->asked_ns = 0; /* as if the queue had been full */
	close(toy_accept(&t));
	toy_run(&t, TURN_MS);
	const int fd = toy_accept(&t);
	cr_expect_eq(toy_questions(fd, &h), 1);
	cr_expect_eq(h.flags, 0);
	cr_expect_eq(t.counters.asked_again, 0);
	close(fd);
	toy_close(&t);
}
