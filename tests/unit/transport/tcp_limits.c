/* Every bound at its edge: a client can cost only so much. */
#include "tcp_support.h"

#include <malloc.h>
#include <sys/resource.h>

static void teardown(void)
{
	server_close();
}

TestSuite(tcp_limits, .fini = teardown);

/* --- in flight --- */

Test(tcp_limits, reading_pauses_at_the_in_flight_limit)
{
	server.o.max_in_flight = 5;
	server_open("127.0.0.1");
	server.hold = true;
	const int fd = dial_local();
	ask_n(fd, 12);
	TURN_UNTIL(&server.loop, server.seen == 5);
	turn_for(&server.loop, 20);
	cr_expect_eq(server.seen, 5);
	for (unsigned i = 0; i < 12; i++) {
		answer(i);
		const unsigned want = 6 + i < 12 ? 6 + i : 12;
		TURN_UNTIL(&server.loop, server.seen == want);
		cr_expect_eq(hear(fd), i);
		cr_expect_eq(server.seen, want, "one answered, one more taken");
	}
	ask(fd, 77);
	TURN_UNTIL(&server.loop, server.seen == 13);
	answer(12);
	cr_expect_eq(hear(fd), 77, "it reads again");
	close(fd);
}

/* --- output --- */

Test(tcp_limits, output_may_fill_its_limit_to_the_octet)
{
	server.o.max_out_bytes = 1000;
	server_open("127.0.0.1");
	int fd = dial_local();
	server.reply_len = 998;
	ask(fd, 1);
	cr_expect_eq(hear(fd), 1, "998 and the length");
	server.reply_len = 999;
	ask(fd, 2);
	TURN_UNTIL(&server.loop, is_over(fd));
	cr_expect_eq(server.counters.tcp_broken, 1);
	close(fd);
}

Test(tcp_limits, who_asks_and_never_reads_is_paused_and_then_closed)
{
	server.o.max_out_bytes = 100000;
	server_open("127.0.0.1");
	server.reply_len = 30000;
	const int fd = dial_local();
	/* The kernel takes some MiB; then a reply waits, then half the limit, and no more
	 * questions are taken. */
	unsigned asked = 0;
	for (unsigned still = 0; still < 10 && asked < HELD_MAX - 10;) {
		const unsigned seen = server.seen;
		ask(fd, asked++);
		turn_for(&server.loop, 1);
		still = server.seen == seen ? still + 1 : 0;
	}
	cr_assert_lt(asked, HELD_MAX - 10);
	cr_expect_eq(server.counters.tcp_broken, 0, "paused, since what it asked still fits");
	cr_expect_eq(fl_tcp_busy(server.tcp), 1, "replies wait");
	/* it reads after all, and nothing was lost */
	size_t len;
	for (unsigned i = 0; i < asked; i++) {
		cr_assert_eq(hear_len(fd, &len), i);
		cr_assert_eq(len, 30000);
	}
	close(fd);
}

Test(tcp_limits, answers_in_flight_beyond_the_output_limit_close_it)
{
	server.o.max_out_bytes = 100000;
	server_open("127.0.0.1");
	server.hold = true;
	server.reply_len = 60000;
	const int fd = dial_local();
	unsigned answered = 0;
	while (server.counters.tcp_broken == 0 && answered < 1000) {
		ask_n(fd, 50);
		TURN_UNTIL(&server.loop, server.seen == answered + 50);
		for (unsigned i = 0; i < 50; i++) {
			answer(answered++);
		}
	}
	cr_expect_eq(server.counters.tcp_broken, 1, "after %u answers", answered);
	cr_expect_not(fl_tcp_alive(server.tcp, server.held[0].conn));
	close(fd);
}

Test(tcp_limits, who_never_reads_has_its_time)
{
	server.o.idle_ms = 200;
	server_open("127.0.0.1");
	server.reply_len = 60000;
	const int fd = dial_local();
	for (unsigned i = 0; i < 1000 && fl_tcp_busy(server.tcp) == 0; i++) {
		ask(fd, i);
		turn_for(&server.loop, 1);
	}
	cr_assert_eq(fl_tcp_busy(server.tcp), 1);
	TURN_UNTIL(&server.loop, server.counters.tcp_broken == 1);
	close(fd);
}

/* --- time --- */

Test(tcp_limits, idle_connections_are_closed_and_busy_ones_are_not)
{
	server.o.idle_ms = 200;
	server_open("127.0.0.1");
	server.hold = true;
	const int never = dial_local(), once = dial_local(), waits = dial_local();
	ask(once, 1);
	ask(waits, 2);
	TURN_UNTIL(&server.loop, server.seen == 2);
	const unsigned of_once = server.held[0].tag == 1 ? 0 : 1;
	turn_for(&server.loop, 120);
	answer(of_once);
	cr_expect_eq(hear(once), 1);
	TURN_UNTIL(&server.loop, is_over(never));
	cr_expect_not(is_over(once), "its time began with the answer");
	const uint64_t start = test_now_ms();
	TURN_UNTIL(&server.loop, is_over(once));
	cr_expect_leq(test_now_ms() - start, 400);
	turn_for(&server.loop, 300);
	cr_expect_not(is_over(waits), "who waits for us is not idle");
	cr_expect_eq(server.counters.tcp_idle_closed, 2);
	answer(1 - of_once);
	cr_expect_eq(hear(waits), 2);
	close(never);
	close(once);
	close(waits);
}

static uint64_t drip(int fd, uint32_t tag)
{
	static uint8_t question[2 + 4000];
	const uint64_t start = test_now_ms();
	const size_t len = frame(question, tag, 4000);
	for (size_t i = 0; i < len && test_now_ms() - start < 3000; i++) {
		if (send(fd, question + i, 1, MSG_NOSIGNAL) < 0 || is_over(fd)) {
			break;
		}
		turn_for(&server.loop, 10);
	}
	return test_now_ms() - start;
}

Test(tcp_limits, a_slow_first_message_gains_no_time)
{
	server.o.idle_ms = 400;
	server_open("127.0.0.1");
	const int fd = dial_local();
	turn_for(&server.loop, 300);
	const uint64_t took = drip(fd, 1);
	cr_expect_leq(took, 350, "closed after %lu ms more", (unsigned long)took);
	cr_expect_eq(server.counters.tcp_idle_closed, 1);
	close(fd);
}

Test(tcp_limits, a_slow_later_message_has_its_time_from_its_first_octet)
{
	server.o.idle_ms = 200;
	server_open("127.0.0.1");
	const int fd = dial_local();
	ask(fd, 1);
	cr_expect_eq(hear(fd), 1);
	turn_for(&server.loop, 100);
	const uint64_t took = drip(fd, 2);
	cr_expect(took >= 190 && took <= 400, "closed after %lu ms", (unsigned long)took);
	close(fd);
}

Test(tcp_limits, a_slow_message_beside_one_in_flight_costs_no_answer)
{
	server.o.idle_ms = 100;
	server_open("127.0.0.1");
	server.hold = true;
	const int fd = dial_local();
	ask(fd, 1);
	say(fd, "\0\40abc", 5);
	TURN_UNTIL(&server.loop, server.seen == 1);
	TURN_UNTIL(&server.loop, server.counters.tcp_idle_closed == 1);
	answer(0);
	cr_expect_eq(hear(fd), 1);
	TURN_UNTIL(&server.loop, is_over(fd));
	close(fd);
}

/* --- connections --- */

Test(tcp_limits, connections_of_one_client)
{
	server.o.max_per_client = 3;
	server_open("0.0.0.0");
	int fd[4];
	for (unsigned i = 0; i < 4; i++) {
		fd[i] = dial_local();
	}
	TURN_UNTIL(&server.loop, server.counters.tcp_accepted == 4);
	cr_expect_eq(server.counters.tcp_overflow, 1);
	TURN_UNTIL(&server.loop, is_over(fd[3]));
	const int other = dial("127.0.0.2", "127.0.0.1");
	ask(other, 1);
	cr_expect_eq(hear(other), 1, "another client");
	ask(fd[2], 2);
	cr_expect_eq(hear(fd[2]), 2, "the third of the first");
	close(fd[0]);
	turn_for(&server.loop, 10);
	close(fd[3]);
	fd[3] = dial_local();
	ask(fd[3], 3);
	cr_expect_eq(hear(fd[3]), 3, "room after one has left");
	for (unsigned i = 1; i < 4; i++) {
		close(fd[i]);
	}
	close(other);
}

Test(tcp_limits, a_client_at_its_own_limit_pushes_nobody_out)
{
	server.o.max_connections = 4;
	server.o.max_per_client = 3;
	server_open("0.0.0.0");
	int fd[20];
	const int other = dial("127.0.0.2", "127.0.0.1"); /* the quiet longest */
	ask(other, 1);
	cr_expect_eq(hear(other), 1);
	for (unsigned i = 0; i < 20; i++) {
		fd[i] = dial_local();
		turn(&server.loop);
	}
	TURN_UNTIL(&server.loop, server.counters.tcp_accepted == 21);
	cr_expect_eq(server.counters.tcp_overflow, 17);
	ask(other, 2);
	cr_expect_eq(hear(other), 2);
	for (unsigned i = 0; i < 20; i++) {
		close(fd[i]);
	}
	close(other);
}

Test(tcp_limits, at_the_limit_the_quiet_longest_goes)
{
	enum { MAX = 10 };
	server.o.max_connections = MAX;
	server_open("127.0.0.1");
	int fd[MAX + 2];
	for (unsigned i = 0; i < MAX; i++) {
		fd[i] = dial_local();
		ask(fd[i], i);
		cr_assert_eq(hear(fd[i]), i);
		turn_for(&server.loop, 2);
	}
	cr_expect_eq(server.counters.tcp_overflow, 0, "the limit itself is allowed");
	ask(fd[0], 1); /* so that number 1 is the oldest now */
	cr_expect_eq(hear(fd[0]), 1);
	fd[MAX] = dial_local();
	ask(fd[MAX], 50);
	cr_expect_eq(hear(fd[MAX]), 50);
	for (unsigned i = 0; i <= MAX; i++) {
		cr_expect_eq(is_over(fd[i]), i == 1, "number %u", i);
	}
	cr_expect_eq(server.counters.tcp_overflow, 1);
	for (unsigned i = 0; i <= MAX; i++) {
		close(fd[i]);
	}
}

Test(tcp_limits, over_80_percent_idle_ones_make_room_early)
{
	enum { MAX = 10 };
	server.o.max_connections = MAX;
	server.o.idle_ms = 2000;
	server_open("127.0.0.1");
	int fd[MAX];
	for (unsigned i = 0; i < MAX; i++) {
		fd[i] = dial_local();
		TURN_UNTIL(&server.loop, server.counters.tcp_accepted == i + 1);
		if (i == 7) {
			cr_expect_eq(server.counters.tcp_overflow, 0);
			turn_for(&server.loop, 300); /* over a tenth of the idle time */
		}
	}
	cr_expect_eq(server.counters.tcp_overflow, 2, "80 %% may stay");
	for (unsigned i = 0; i < MAX; i++) {
		TURN_UNTIL(&server.loop, is_over(fd[i]) == (i < 2));
		close(fd[i]);
	}
}

Test(tcp_limits, when_all_are_busy_the_new_one_is_refused)
{
	server.o.max_connections = 3;
	server_open("127.0.0.1");
	server.hold = true;
	int fd[4];
	for (unsigned i = 0; i < 3; i++) {
		fd[i] = dial_local();
		ask(fd[i], i);
		TURN_UNTIL(&server.loop, server.seen == i + 1);
	}
	fd[3] = dial_local();
	TURN_UNTIL(&server.loop, is_over(fd[3]));
	cr_expect_eq(server.counters.tcp_overflow, 1);
	for (unsigned i = 0; i < 3; i++) {
		answer(i);
		cr_expect_eq(hear(fd[i]), i);
	}
	for (unsigned i = 0; i < 4; i++) {
		close(fd[i]);
	}
}

static size_t resident(void)
{
	size_t pages = 0, shared = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	cr_assert(f != NULL && fscanf(f, "%zu %zu", &pages, &shared) == 2);
	fclose(f);
	return shared * 4096;
}

Test(tcp_limits, idle_and_slow_clients_by_the_hundred)
{
	enum { EACH = 400 };
	static int idle[EACH], slow[EACH];
	struct rlimit files;
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = files.rlim_max;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
	if (files.rlim_cur < 4 * EACH + 100) {
		server_open("127.0.0.1");
		cr_log_warn("too few descriptors are allowed here (%lu): not tested",
			    (unsigned long)files.rlim_cur);
		return;
	}
	server_open("0.0.0.0");
	const size_t before = resident();
	for (unsigned i = 0; i < EACH; i++) {
		char from[32];
		snprintf(from, sizeof(from), "127.0.1.%u", 1 + i % 100);
		idle[i] = dial(from, "127.0.0.1");
		slow[i] = dial(from, "127.0.0.1");
		say(slow[i], "\377\377", 2); /* the largest message, never finished */
		turn(&server.loop);
	}
	TURN_UNTIL(&server.loop, server.counters.tcp_accepted == 2 * EACH);
	for (unsigned i = 0; i < EACH; i++) {
		say(slow[i], "a", 1);
	}
	turn_for(&server.loop, 20);
	const size_t grown = resident() - before;
	cr_expect_lt(grown, 8u << 20, "%zu KiB for %u connections", grown >> 10, 2 * EACH);
	for (unsigned i = 0; i < 10; i++) {
		const int fd = dial_local();
		ask(fd, i);
		cr_expect_eq(hear(fd), i, "another client");
		close(fd);
	}
	cr_expect_eq(server.counters.tcp_overflow, 0);
	for (unsigned i = 0; i < EACH; i++) {
		close(idle[i]);
		close(slow[i]);
	}
}

Test(tcp_limits, without_descriptors_accepting_waits_and_does_not_spin)
{
	struct rlimit files, none;
	server_open("127.0.0.1");
	const int fd = dial_local();
	const int next = dup(fd);
	close(next);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
	none = files;
	none.rlim_cur = (rlim_t)next;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	calls.accept_calls = 0;
	turn_for(&server.loop, 350);
	cr_expect(calls.accept_calls >= 2 && calls.accept_calls <= 6, "%u", calls.accept_calls);
	cr_expect_eq(server.counters.tcp_accepted, 0);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
	ask(fd, 5);
	cr_expect_eq(hear(fd), 5, "who waited is served");
	close(fd);
}
