#include "udp_support.h"

#include <limits.h>

/* --- addresses --- */

Test(udp, reply_leaves_from_the_address_asked)
{
	enum { PEERS = 60, QUESTIONS = 40 };
	static int peer[PEERS];
	server_open("0.0.0.0");
	unsigned heard = 0;
	for (unsigned i = 0; i < PEERS; i++) {
		peer[i] = client_open("127.0.0.1");
	}
	for (unsigned q = 0; q < QUESTIONS; q++) {
		char to[32];
		snprintf(to, sizeof(to), "127.0.0.%u", 1 + q % 9);
		for (unsigned i = 0; i < PEERS; i++) {
			ask_tag(peer[i], to, q << 16 | i);
		}
		TURN_UNTIL(&server.loop, server.seen == (q + 1) * PEERS);
		for (unsigned i = 0; i < PEERS; i++) {
			struct fl_addr from;
			const struct fl_addr want = addr_of(to, server.at.port);
			cr_assert_eq(hear(peer[i], &from), q << 16 | i, "its own reply");
			cr_assert(fl_addr_equal(&from, &want), "asked at %s", to);
			heard++;
		}
	}
	cr_expect_eq(heard, PEERS * QUESTIONS);
	cr_expect_eq(server.counters.dropped_malformed, 0);
	for (unsigned i = 0; i < PEERS; i++) {
		close(peer[i]);
	}
	server_close();
}

Test(udp, the_callback_knows_who_asked_and_where)
{
	server_open("0.0.0.0");
	const int fd = client_open("127.0.0.3");
	const struct fl_addr me = name_of(fd), want = addr_of("127.0.0.5", server.at.port);
	ask_tag(fd, "127.0.0.5", 1);
	TURN_UNTIL(&server.loop, server.seen == 1);
	cr_expect(fl_addr_equal(&server.last.way.peer, &me));
	cr_expect(fl_addr_equal(&server.last.way.local, &want));
	cr_expect_gt(server.last.way.ifindex, 0);
	close(fd);
	server_close();
}

Test(udp, ipv6_wildcard)
{
	server_open("::");
	const int fd = client_open("::1");
	const struct fl_addr want = addr_of("::1", server.at.port);
	struct fl_addr from;
	for (uint32_t i = 0; i < 2000; i++) {
		ask_tag(fd, "::1", i);
		TURN_UNTIL(&server.loop, server.seen == i + 1);
		cr_assert_eq(hear(fd, &from), i);
		cr_assert(fl_addr_equal(&from, &want));
	}
	cr_expect(fl_addr_equal(&server.last.way.local, &want));
	close(fd);
	server_close();
}

Test(udp, one_address_bound_is_the_one_asked)
{
	server_open("127.0.0.6");
	const int fd = client_open("127.0.0.1");
	struct fl_addr from;
	ask_tag(fd, "127.0.0.6", 7);
	TURN_UNTIL(&server.loop, server.seen == 1);
	cr_expect_eq(hear(fd, &from), 7);
	cr_expect(fl_addr_equal(&from, &server.at));
	cr_expect(fl_addr_equal(&server.last.way.local, &server.at), "known without PKTINFO");
	close(fd);
	server_close();
}

Test(udp, sockets_of_two_fronts_share_an_address)
{
	int a, b;
	struct fl_addr at = addr_of("127.0.0.1", 0);
	cr_assert_eq(fl_udp_bind(&at, &a), FL_OK);
	at = name_of(a);
	cr_expect_eq(fl_udp_bind(&at, &b), FL_OK);
	close(a);
	close(b);
}

Test(udp, an_address_that_is_not_here_yet)
{
	int fd;
	const struct fl_addr v4 = addr_of("192.0.2.77", 0), v6 = addr_of("2001:db8::77", 0);
	cr_expect_eq(fl_udp_bind(&v4, &fd), FL_OK);
	close(fd);
	cr_expect_eq(fl_udp_bind(&v6, &fd), FL_OK);
	close(fd);
}

Test(udp, both_wildcards_have_the_same_port)
{
	int a, b;
	struct fl_addr at = addr_of("0.0.0.0", 0);
	cr_assert_eq(fl_udp_bind(&at, &a), FL_OK);
	at = addr_of("::", name_of(a).port);
	cr_expect_eq(fl_udp_bind(&at, &b), FL_OK);
	close(a);
	close(b);
}

/* --- what is dropped --- */

Test(udp, own_datagrams_and_broadcasts_are_dropped)
{
	server_open("0.0.0.0");
	const int on = 1, fd = client_open("127.0.0.1");
	ask_tag(server.fd, "127.0.0.1", 1); /* its source is 127.0.0.1 and the server's port */
	TURN_UNTIL(&server.loop, server.counters.dropped_malformed == 1);
	cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)), 0);
	ask_tag(fd, "127.255.255.255", 2);
	TURN_UNTIL(&server.loop, server.counters.dropped_malformed == 2);
	ask_tag(fd, "127.0.0.1", 3);
	TURN_UNTIL(&server.loop, server.seen == 1);
	cr_expect_eq(hear(fd, NULL), 3, "an honest one, after all that");
	cr_expect_eq(hear(fd, NULL), -1);
	close(fd);
	server_close();
}

Test(udp, dropped_ones_leave_no_hole_in_the_batch)
{
	server_open("0.0.0.0");
	const int fd = client_open("127.0.0.1");
	for (uint32_t i = 0; i < 30; i++) {
		ask_tag(i % 3 == 0 ? server.fd : fd, "127.0.0.1", i);
	}
	TURN_UNTIL(&server.loop, server.seen == 20);
	cr_expect_eq(server.counters.dropped_malformed, 10);
	for (uint32_t i = 0; i < 30; i++) {
		if (i % 3 != 0) {
			cr_expect_eq(hear(fd, NULL), i);
		}
	}
	close(fd);
	server_close();
}

Test(udp, empty_and_oversized_datagrams_reach_the_parser)
{
	static uint8_t big[FL_UDP_QUESTION_MAX + 1];
	server_open("127.0.0.1");
	const int fd = client_open("127.0.0.1");
	ask(fd, "127.0.0.1", big, 0);
	TURN_UNTIL(&server.loop, server.seen == 1);
	cr_expect_eq(server.last.question_len, 0);
	cr_expect_not(server.last.truncated);
	ask(fd, "127.0.0.1", big, FL_UDP_QUESTION_MAX);
	TURN_UNTIL(&server.loop, server.seen == 2);
	cr_expect_eq(server.last.question_len, FL_UDP_QUESTION_MAX);
	cr_expect_not(server.last.truncated, "fits to the octet");
	ask(fd, "127.0.0.1", big, FL_UDP_QUESTION_MAX + 1);
	TURN_UNTIL(&server.loop, server.seen == 3);
	cr_expect_eq(server.last.question_len, FL_UDP_QUESTION_MAX);
	cr_expect(server.last.truncated, "one octet more does not");
	ask_tag(fd, "127.0.0.1", 9);
	TURN_UNTIL(&server.loop, server.seen == 4);
	cr_expect_not(server.last.truncated, "the flag does not stick");
	close(fd);
	server_close();
}

/* --- batches --- */

Test(udp, a_turn_takes_full_batches_and_no_call_more)
{
	enum { MORE = 3, ALL = FL_UDP_BATCH * FL_UDP_ROUNDS + MORE };
	server_open("127.0.0.1");
	/* one client's receive buffer would just not hold all */
	const int fd[2] = { client_open("127.0.0.1"), client_open("127.0.0.1") };
	turn(&server.loop);
	memset(&calls, 0, sizeof(calls));
	for (uint32_t i = 0; i < ALL; i++) {
		ask_tag(fd[i % 2], "127.0.0.1", i);
	}
	turn(&server.loop);
	uint32_t heard = 0;
	for (; hear(fd[heard % 2], NULL) == heard; heard++) {
	}
	cr_expect_eq(heard, FL_UDP_ROUNDS * FL_UDP_BATCH);
	cr_expect_eq(server.batches, FL_UDP_ROUNDS, "%u", server.batches);
	cr_expect_eq(server.seen, FL_UDP_ROUNDS * FL_UDP_BATCH, "others get their turn");
	cr_expect_eq(calls.receive_calls, FL_UDP_ROUNDS);
	cr_expect_eq(calls.send_calls, FL_UDP_ROUNDS, "one sendmmsg a batch");
	turn(&server.loop);
	cr_expect_eq(server.seen, ALL);
	cr_expect_eq(server.batch_size[FL_UDP_ROUNDS], MORE);
	turn(&server.loop);
	cr_expect_eq(calls.receive_calls, FL_UDP_ROUNDS + 1, "nobody asks to hear EAGAIN");
	for (; hear(fd[heard % 2], NULL) == heard; heard++) {
	}
	cr_expect_eq(heard, ALL);
	close(fd[0]);
	close(fd[1]);
	server_close();
}

Test(udp, a_batch_of_some_size_is_followed_by_a_look)
{
	server_open("127.0.0.1");
	const int fd = client_open("127.0.0.1");
	turn(&server.loop);
	memset(&calls, 0, sizeof(calls));
	for (uint32_t i = 0; i < 4; i++) {
		ask_tag(fd, "127.0.0.1", i);
	}
	turn(&server.loop);
	cr_expect_eq(server.seen, 4);
	cr_expect_eq(calls.receive_calls, 2, "more may have come while four were served");
	close(fd);
	server_close();
}

static void answer_held(uv_timer_t *timer)
{
	(void)timer;
	for (unsigned i = 0; i < server.seen; i++) {
		uint32_t reply[4] = { server.tag[i] };
		cr_expect_eq(fl_udp_send(server.udp, &server.way[i], (const uint8_t *)reply,
					 sizeof(reply)),
			     FL_OK);
	}
}

static unsigned calls_at_wake = UINT_MAX;

static void note_calls(uv_timer_t *timer)
{
	(void)timer;
	calls_at_wake = calls.send_calls;
}

Test(udp, late_replies_leave_together_before_the_loop_sleeps)
{
	server_open("0.0.0.0");
	server.hold = true;
	uv_timer_t timer, wake;
	struct fl_addr from;
	const int fd = client_open("127.0.0.1");
	const struct fl_addr want = addr_of("127.0.0.8", server.at.port);
	for (uint32_t i = 0; i < 50; i++) {
		ask_tag(fd, "127.0.0.8", i);
	}
	TURN_UNTIL(&server.loop, server.seen == 50);
	memset(&calls, 0, sizeof(calls));
	uv_timer_init(&server.loop, &timer);
	uv_timer_start(&timer, answer_held, 1, 0);
	uv_timer_init(&server.loop, &wake);
	uv_timer_start(&wake, note_calls, 100, 0);
	const uint64_t start = test_now_ms();
	for (unsigned i = 0; i < 10 && calls_at_wake == UINT_MAX; i++) {
		uv_run(&server.loop, UV_RUN_ONCE); /* sleeps until the next timer */
	}
	cr_expect_eq(calls_at_wake, 1, "one call for 50 replies");
	cr_expect_lt(calls.first_send_ms - start, 50, "before the loop slept, not after");
	for (uint32_t i = 0; i < 50; i++) {
		cr_expect_eq(hear(fd, &from), i);
		cr_expect(fl_addr_equal(&from, &want));
	}
	cr_expect_eq(server.counters.udp_send_queued, 0, "none had to wait for the socket");
	uv_close((uv_handle_t *)&timer, NULL);
	uv_close((uv_handle_t *)&wake, NULL);
	close(fd);
	server_close();
}

Test(udp, an_idle_loop_sleeps)
{
	server_open("127.0.0.1");
	uv_timer_t timer;
	uv_timer_init(&server.loop, &timer);
	uv_timer_start(&timer, note_calls, 50, 0);
	unsigned turns = 0;
	for (; turns < 1000 && calls_at_wake == UINT_MAX; turns++) {
		uv_run(&server.loop, UV_RUN_ONCE);
	}
	cr_expect_leq(turns, 3, "%u turns in 50 ms", turns);
	uv_close((uv_handle_t *)&timer, NULL);
	server_close();
}

/* --- the end --- */

Test(udp, stop_reads_no_more_and_still_answers)
{
	server_open("127.0.0.1");
	server.hold = true;
	const int fd = client_open("127.0.0.1");
	ask_tag(fd, "127.0.0.1", 1);
	TURN_UNTIL(&server.loop, server.seen == 1);
	fl_udp_stop(server.udp);
	ask_tag(fd, "127.0.0.1", 2);
	turn_for(&server.loop, 20);
	cr_expect_eq(server.seen, 1, "not read");
	uint32_t reply[4] = { 77 };
	cr_expect_eq(
		fl_udp_send(server.udp, &server.way[0], (const uint8_t *)reply, sizeof(reply)),
		FL_OK);
	fl_udp_close(server.udp); /* takes along what waits */
	cr_expect_eq(hear(fd, NULL), 77);
	close(fd);
	loop_end(&server.loop);
}

Test(udp, close_at_once)
{
	server_open("0.0.0.0");
	fl_udp_close(server.udp);
	fl_udp_close(server.udp); /* twice is once */
	loop_end(&server.loop);
}

/* Before the loop polls: in every version of libuv (newer ones run timers after it). */
static void close_now(uv_prepare_t *prepare)
{
	fl_udp_close(server.udp);
	uv_close((uv_handle_t *)prepare, NULL);
}

Test(udp, close_with_questions_waiting)
{
	server_open("127.0.0.1");
	uv_prepare_t prepare;
	const int fd = client_open("127.0.0.1");
	for (uint32_t i = 0; i < 200; i++) {
		ask_tag(fd, "127.0.0.1", i);
	}
	uv_prepare_init(&server.loop, &prepare);
	uv_prepare_start(&prepare, close_now);
	turn(&server.loop);
	cr_expect_eq(server.seen, 0);
	close(fd);
	loop_end(&server.loop);
}

Test(udp, what_cannot_be_sent_is_refused)
{
	static uint8_t reply[FL_UDP_REPLY_MAX + 1];
	server_open("127.0.0.1");
	struct fl_udp_return way = { .peer = addr_of("127.0.0.1", 4000) };
	cr_expect_eq(fl_udp_send(server.udp, &way, reply, 0), FL_EINVALID);
	cr_expect_eq(fl_udp_send(server.udp, &way, reply, sizeof(reply)), FL_EINVALID);
	way.peer = addr_of("::1", 4000);
	cr_expect_eq(fl_udp_send(server.udp, &way, reply, 20), FL_EINVALID);
	server_close();
}

Test(udp, a_port_in_use_by_another_is_an_error_with_its_reason)
{
	const int fd = client_open("127.0.0.1"); /* without SO_REUSEPORT */
	const struct fl_addr at = name_of(fd);
	int other = -5;
	errno = 0;
	cr_expect_eq(fl_udp_bind(&at, &other), FL_ESYSTEM);
	cr_expect_eq(errno, EADDRINUSE);
	cr_expect_eq(other, -5, "written only on success");
	close(fd);
}
