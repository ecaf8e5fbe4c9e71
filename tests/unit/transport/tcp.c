#include "tcp_support.h"

#include <criterion/parameterized.h>

/* --- framing: negative cases first --- */

struct broken_case {
	const char *why;
	uint8_t octets[32];
	size_t len;
	unsigned seen; /* messages before it that count */
	unsigned broken;
};

ParameterizedTestParameters(tcp, broken_framing)
{
	static struct broken_case cases[] = {
		{ "a message of no octets", { 0, 0 }, 2, 0, 1 },
		{ "a message of one octet", { 0, 1, 0 }, 3, 0, 1 },
		{ "11 octets are no header", { 0, 11 }, 13, 0, 1 },
		{ "good, then empty", { 0, 12, [14] = 0, 0 }, 16, 1, 1 },
	};
	return cr_make_param_array(struct broken_case, cases, FL_COUNT(cases));
}

ParameterizedTest(struct broken_case *c, tcp, broken_framing)
{
	server_open("127.0.0.1");
	const int fd = dial_local();
	say(fd, c->octets, c->len);
	TURN_UNTIL(&server.loop, is_over(fd));
	cr_expect_eq(server.seen, c->seen, "%s", c->why);
	cr_expect_eq(server.counters.tcp_broken, c->broken, "%s", c->why);
	close(fd);
	server_close();
}

Test(tcp, the_end_inside_a_message_ends_the_connection)
{
	uint8_t question[2 + QUESTION];
	server_open("127.0.0.1");
	const size_t len = frame(question, 5, QUESTION);
	for (size_t n = 0; n < len; n++) {
		const int fd = dial_local();
		say(fd, question, n);
		hang_up(fd);
		TURN_UNTIL(&server.loop, is_over(fd));
		close(fd);
	}
	cr_expect_eq(server.seen, 0);
	server_close();
}

Test(tcp, a_hundred_questions_in_one_segment_answered_in_reverse)
{
	server_open("127.0.0.1");
	server.hold = true;
	const int fd = dial_local();
	ask_n(fd, 100);
	TURN_UNTIL(&server.loop, server.seen == 100);
	cr_expect_eq(fl_tcp_busy(server.tcp), 1);
	calls.send_calls = 0;
	for (unsigned i = 100; i-- > 0;) {
		answer(i);
	}
	for (int64_t i = 100; i-- > 0;) {
		cr_assert_eq(hear(fd), i);
	}
	cr_expect_eq(calls.send_calls, 1, "one write for the turn, not %u", calls.send_calls);
	cr_expect_eq(fl_tcp_busy(server.tcp), 0);
	close(fd);
	server_close();
}

Test(tcp, replies_at_once_leave_in_one_write)
{
	server_open("127.0.0.1");
	const int fd = dial_local();
	ask_n(fd, 300); /* more than may be in flight, but none of them stays there */
	for (int64_t i = 0; i < 300; i++) {
		cr_assert_eq(hear(fd), i);
	}
	cr_expect_leq(calls.send_calls, 2, "%u", calls.send_calls);
	close(fd);
	server_close();
}

Test(tcp, octet_by_octet)
{
	uint8_t question[2 + QUESTION];
	server_open("127.0.0.1");
	const int fd = dial_local();
	for (uint32_t q = 0; q < 5; q++) {
		const size_t len = frame(question, q, QUESTION);
		for (size_t i = 0; i < len; i++) {
			cr_assert_eq(server.seen, q, "not before the last octet");
			say(fd, question + i, 1);
			turn(&server.loop);
		}
		cr_assert_eq(hear(fd), q);
	}
	close(fd);
	server_close();
}

Test(tcp, cut_anywhere)
{
	static uint8_t all[64 * 1024];
	size_t len = 0;
	uint32_t questions = 0;
	for (; len < sizeof(all) - 2000; questions++) {
		len += frame(all + len, questions, 12 + (questions * 37) % 1500);
	}
	static const size_t pieces[] = { 1,    2,     3,     13,    1000, 1460,
					 5000, 16383, 16384, 16385, 65000 };
	server_open("127.0.0.1");
	for (unsigned p = 0; p < FL_COUNT(pieces); p++) {
		const int fd = dial_local();
		uint32_t heard = 0;
		server.seen = 0;
		/* the smallest cuts with the first part only, for time */
		const size_t end = pieces[p] < 100 ? len / 16 : len;
		for (size_t at = 0; at < end;) {
			const size_t n = end - at < pieces[p] ? end - at : pieces[p];
			say(fd, all + at, n);
			turn(&server.loop);
			at += n;
		}
		hang_up(fd);
		for (int64_t tag; (tag = hear(fd)) >= 0; heard++) {
			cr_assert_eq(tag, heard, "pieces of %zu", pieces[p]);
		}
		cr_expect_eq(heard, server.seen);
		cr_expect(end < len || heard == questions, "%u of %u in pieces of %zu", heard,
			  questions, pieces[p]);
		close(fd);
	}
	cr_expect_eq(server.counters.tcp_broken, 0);
	server_close();
}

Test(tcp, the_largest_message_both_ways)
{
	static uint8_t question[2 + 65535];
	server_open("127.0.0.1");
	const int fd = dial_local();
	for (uint32_t q = 0; q < 8; q++) {
		size_t len = frame(question, q, 65535), reply_len = 0;
		for (size_t at = 0; at < len;) {
			const ssize_t n = write(fd, question + at, len - at);
			at += n > 0 ? (size_t)n : 0;
			turn(&server.loop);
		}
		cr_assert_eq(hear_len(fd, &reply_len), q);
		cr_expect_eq(reply_len, 65535);
	}
	close(fd);
	server_close();
}

Test(tcp, ipv6_and_the_peer_is_known)
{
	server_open("::");
	const int fd = dial("::1", "::1");
	ask(fd, 3);
	cr_expect_eq(hear(fd), 3);
	const struct fl_addr me = name_of(fd);
	cr_expect(fl_addr_equal(&server.peer, &me));
	close(fd);
	server_close();
}

/* --- half-closed clients --- */

Test(tcp, a_client_that_has_closed_its_side_gets_its_answers)
{
	server_open("127.0.0.1");
	server.hold = true;
	const int fd = dial_local();
	ask_n(fd, 3);
	hang_up(fd);
	TURN_UNTIL(&server.loop, server.seen == 3);
	turn_for(&server.loop, 20);
	answer(1);
	cr_expect_eq(hear(fd), 1);
	cr_expect_not(is_over(fd));
	answer(0);
	cr_expect_eq(hear(fd), 0);
	fl_tcp_send(server.tcp, server.held[2].conn, NULL, 0); /* no answer to that one */
	TURN_UNTIL(&server.loop, is_over(fd));
	close(fd);
	server_close();
}

Test(tcp, a_half_closed_client_over_the_in_flight_limit_gets_all_answers)
{
	server.o.max_in_flight = 4;
	server_open("127.0.0.1");
	server.hold = true;
	const int fd = dial_local();
	ask_n(fd, 11);
	hang_up(fd);
	for (unsigned i = 0; i < 11; i++) {
		TURN_UNTIL(&server.loop, server.seen > i);
		answer(i);
		cr_assert_eq(hear(fd), i);
	}
	TURN_UNTIL(&server.loop, is_over(fd));
	close(fd);
	server_close();
}

/* --- handles --- */

Test(tcp, a_late_reply_never_reaches_the_next_user_of_the_slot)
{
	server.o.max_connections = 1;
	server_open("127.0.0.1");
	server.hold = true;
	int fd = dial_local();
	ask(fd, 1);
	TURN_UNTIL(&server.loop, server.seen == 1);
	cr_expect(fl_tcp_alive(server.tcp, server.held[0].conn));
	reset(fd);
	TURN_UNTIL(&server.loop, !fl_tcp_alive(server.tcp, server.held[0].conn));
	fd = dial_local();
	ask(fd, 2);
	TURN_UNTIL(&server.loop, server.seen == 2);
	cr_expect_eq(server.held[0].conn.slot, server.held[1].conn.slot, "the same slot");
	cr_expect_neq(server.held[0].conn.generation, server.held[1].conn.generation);
	answer(0);
	cr_expect_not(fl_tcp_alive(server.tcp, server.held[0].conn));
	turn_for(&server.loop, 10);
	answer(1);
	cr_expect_eq(hear(fd), 2, "only its own");
	const struct fl_tcp_conn_id foreign = { UINT32_MAX, 0 };
	fl_tcp_send(server.tcp, foreign, server.reply, 12);
	cr_expect_not(fl_tcp_alive(server.tcp, foreign));
	close(fd);
	server_close();
}

Test(tcp, resets_at_any_moment)
{
	uint8_t question[2 + QUESTION];
	frame(question, 1, QUESTION);
	server_open("127.0.0.1");
	server.hold = true;
	for (unsigned i = 0; i < 200; i++) {
		const int fd = dial_local();
		const unsigned seen = server.seen;
		if (i % 4 > 0) {
			say(fd, question, i % 4 == 1 ? 9 : sizeof(question));
		}
		if (i % 8 < 6) {
			turn(&server.loop);
			turn(&server.loop);
		}
		const bool answered = i % 4 == 3 && server.seen > seen;
		if (answered) {
			answer(server.seen - 1);
			turn(&server.loop);
		}
		reset(fd);
		if (server.seen > seen && !answered) {
			answer(server.seen - 1); /* the socket is reset, and nobody knows yet */
		}
		turn(&server.loop);
		server.seen = 0;
	}
	const int fd = dial_local();
	server.hold = false;
	ask(fd, 9);
	cr_expect_eq(hear(fd), 9);
	close(fd);
	server_close();
}

/* --- the end --- */

Test(tcp, stop_closes_the_idle_and_lets_the_busy_finish)
{
	server_open("127.0.0.1");
	server.hold = true;
	const int idle = dial_local(), busy = dial_local();
	ask_n(busy, 2);
	TURN_UNTIL(&server.loop, server.seen == 2 && server.counters.tcp_accepted == 2);
	fl_tcp_stop(server.tcp);
	ask(busy, 99); /* too late */
	TURN_UNTIL(&server.loop, is_over(idle));
	cr_expect_eq(fl_tcp_busy(server.tcp), 1);
	answer(0);
	cr_expect_eq(hear(busy), 0);
	answer(1);
	cr_expect_eq(hear(busy), 1);
	uint8_t octet;
	ssize_t n;
	TURN_UNTIL(&server.loop, (n = read(busy, &octet, 1)) == 0 || errno != EAGAIN);
	cr_expect_eq(n, 0, "an orderly end: the question that was too late makes it no reset");
	cr_expect_eq(server.seen, 2);
	cr_expect_eq(fl_tcp_busy(server.tcp), 0);
	close(idle);
	close(busy);
	server_close();
}

static void stop_now(void)
{
	fl_tcp_stop(server.tcp);
}

static void close_now(void)
{
	fl_tcp_close(server.tcp);
}

Test(tcp, stop_within_a_message)
{
	server_open("127.0.0.1");
	const int idle = dial_local(), fd = dial_local();
	turn_for(&server.loop, 5);
	server.then = stop_now;
	ask_n(fd, 50);
	cr_expect_eq(hear(fd), 0, "the answer it had");
	TURN_UNTIL(&server.loop, is_over(fd) && is_over(idle));
	cr_expect_eq(server.seen, 1);
	close(idle);
	close(fd);
	server_close();
}

Test(tcp, stop_within_a_message_of_several_reads)
{
	uint8_t question[2 + QUESTION];
	server_open("127.0.0.1");
	const int fd = dial_local();
	frame(question, 4, QUESTION);
	say(fd, question, 10);
	turn_for(&server.loop, 5);
	server.then = stop_now;
	say(fd, question + 10, sizeof(question) - 10);
	cr_expect_eq(hear(fd), 4);
	TURN_UNTIL(&server.loop, is_over(fd));
	close(fd);
	server_close();
}

Test(tcp, close_within_a_message)
{
	uint8_t question[2 + QUESTION];
	for (unsigned split = 0; split < 2; split++) {
		memset(&server, 0, sizeof(server));
		server_open("127.0.0.1");
		const int fd = dial_local(), other = dial_local();
		frame(question, 4, QUESTION);
		server.then = close_now;
		say(fd, question, split * 10);
		turn_for(&server.loop, 5);
		say(fd, question + split * 10, sizeof(question) - split * 10);
		TURN_UNTIL(&server.loop, server.seen == 1);
		loop_end(&server.loop);
		close(fd);
		close(other);
	}
}

Test(tcp, close_takes_along_what_waits)
{
	server_open("127.0.0.1");
	server.hold = true;
	const int fd = dial_local(), quiet = dial_local();
	ask_n(fd, 2);
	TURN_UNTIL(&server.loop, server.seen == 2);
	answer(0);
	fl_tcp_close(server.tcp);
	answer(1); /* after the end: dropped */
	fl_tcp_close(server.tcp);
	cr_expect_eq(hear(fd), 0);
	close(fd);
	close(quiet);
	loop_end(&server.loop);
}

Test(tcp, close_at_once)
{
	server_open("::");
	fl_tcp_close(server.tcp);
	loop_end(&server.loop);
}

Test(tcp, options_without_sense_are_refused)
{
	struct fl_tcp *t = NULL;
	struct fl_tcp_options o = fl_tcp_options_default();
	o.max_connections = 0;
	cr_expect_eq(fl_tcp_open(&o, &t), FL_EINVALID);
	o = fl_tcp_options_default();
	o.max_in_flight = 0;
	cr_expect_eq(fl_tcp_open(&o, &t), FL_EINVALID);
	cr_expect_null(t);
}
