/* What a turn of the loop took, and what of that was our own doing. */
#include "toy.h"

#define CONFIG "resolvers: 1\n"

enum { BEGIN = 1000000000 };

/* The scheduler says that so much was waited, all in all. */
static void waited(struct toy *t, uint64_t ns)
{
	char text[64];
	const int n = snprintf(text, sizeof(text), "123456 %llu 9\n", (unsigned long long)ns);
	if (t->f->turn.schedstat < 0) {
		t->f->turn.schedstat = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	}
	cr_assert_geq(t->f->turn.schedstat, 0);
	cr_assert_eq(ftruncate(t->f->turn.schedstat, 0), 0);
	cr_assert_eq(pwrite(t->f->turn.schedstat, text, (size_t)n, 0), n);
}

static void toy_turn(struct toy *t, uint64_t begin_ns, uint64_t took_ns)
{
	t->f->turn.polled_ms = uv_now(&t->loop);
	fl__turn_work(t->f, begin_ns);
	fl__turn_work(t->f, begin_ns + took_ns); /* more of the same turn */
	fl__turn_end(t->f, begin_ns + took_ns);
}

static void close_all(struct toy *t)
{
	if (t->f->turn.schedstat >= 0) {
		close(t->f->turn.schedstat);
	}
	toy_close(t);
}

Test(turn, is_counted_and_a_long_one_is_a_stall)
{
	struct toy t;
	toy_open(&t, CONFIG);
	toy_turn(&t, BEGIN, 20000);
	toy_turn(&t, BEGIN + 1, 2000000);
	cr_expect_eq(t.counters.loop_turn.count, 2);
	cr_expect_eq(t.counters.loop_turn.sum_ns, 2020000);
	cr_expect_eq(t.counters.loop_stalls, 0, "2 ms are no stall");
	toy_turn(&t, BEGIN + 2, 2000001);
	cr_expect_eq(t.counters.loop_stalls, 1);
	cr_expect_eq(t.counters.loop_stalls_own, 1,
		     "where the scheduler says nothing, nothing is excused");
	cr_expect_eq(t.counters.loop_own_max_ns, 2000001);
	close_all(&t);
}

Test(turn, that_waited_for_a_processor_is_no_stall_of_its_own)
{
	struct toy t;
	toy_open(&t, CONFIG);
	waited(&t, 5000000);
	fl__turn_work(t.f, BEGIN);
	waited(&t, 13000000);
	t.f->turn.polled_ms = uv_now(&t.loop);
	fl__turn_end(t.f, BEGIN + 10000000);
	cr_expect_eq(t.counters.loop_stalls, 1);
	cr_expect_eq(t.counters.loop_stalls_own, 0, "8 of 10 ms were waited");
	cr_expect_eq(t.counters.loop_own_max_ns, 2000000);
	waited(&t, 15000000);
	toy_turn(&t, BEGIN + 20000000, 10000000);
	cr_expect_eq(t.counters.loop_stalls_own, 1, "what was waited before is no excuse");
	close_all(&t);
}

Test(turn, soon_after_another_excuses_only_what_cannot_have_been_waited_before)
{
	struct toy t;
	toy_open(&t, CONFIG);
	waited(&t, 0);
	toy_turn(&t, BEGIN, 1000); /* looks */
	waited(&t, 4000000);
	toy_turn(&t, BEGIN + 900000, 6000000); /* too soon to look again */
	cr_expect_eq(t.counters.loop_own_max_ns, 6000000 - (4000000 - 900000));
	cr_expect_eq(t.counters.loop_stalls_own, 1);
	close_all(&t);
}

Test(turn, is_at_least_what_libuv_s_clock_says)
{
	struct toy t;
	toy_open(&t, CONFIG);
	t.f->turn.polled_ms = uv_now(&t.loop) - 7;
	fl__turn_end(t.f, BEGIN); /* no work of ours was begun: a socket's octets, say */
	cr_expect_eq(t.counters.loop_turn.sum_ns, 6000000, "whole ms are known to one");
	cr_expect_eq(t.counters.loop_stalls_own, 1);
	close_all(&t);
}

Test(turn, that_waited_before_its_work_began_is_no_stall_of_its_own)
{
	struct toy t;
	toy_open(&t, CONFIG);
	waited(&t, 1000);
	toy_turn(&t, BEGIN, 1000);
	waited(&t, 7001000); /* after the poll and before the work */
	t.f->turn.polled_ms = uv_now(&t.loop) - 7;
	fl__turn_work(t.f, BEGIN + 900000000);
	fl__turn_end(t.f, BEGIN + 900010000);
	cr_expect_eq(t.counters.loop_stalls, 1);
	cr_expect_eq(t.counters.loop_stalls_own, 0);
	close_all(&t);
}

static void stay(uv_timer_t *timer)
{
	const struct timespec pause = { .tv_nsec = 5000000 };
	fl__turn_work(timer->data, fl_clock_boot_ns());
	nanosleep(&pause, NULL);
}

Test(turn, is_measured_on_a_loop)
{
	struct toy t;
	uv_timer_t timer;
	toy_open(&t, CONFIG);
	fl__turn_init(t.f);
	uv_timer_init(&t.loop, &timer);
	timer.data = t.f;
	/* On a busy machine what we waited for a processor is taken off, and with it a turn
	 * that was long for both reasons: one of a few is seen, and none is made up. */
	unsigned slept = 0;
	while (slept < 20 && t.counters.loop_stalls_own == 0) {
		slept++;
		uv_timer_start(&timer, stay, 1, 0);
		toy_run(&t, 20);
	}
	cr_expect_geq(t.counters.loop_stalls_own, 1U, "%u turns slept for 5 ms", slept);
	cr_expect_leq(t.counters.loop_stalls_own, slept, "%llu of %u",
		      (unsigned long long)t.counters.loop_stalls_own, slept);
	cr_expect_geq(t.counters.loop_own_max_ns, 4000000);
	uv_close((uv_handle_t *)&timer, NULL);
	fl__turn_fini(t.f);
	t.f->turn.schedstat = -1;
	close_all(&t);
}
