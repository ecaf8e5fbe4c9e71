/* Sockets that are full, refuse, or overflow: nothing is lost silently. */
#include "udp_support.h"

#include <netinet/in.h>

enum { N = 40 };

static int fd;

static void ask_n(unsigned n)
{
	for (uint32_t i = 0; i < n; i++) {
		ask_tag(fd, "127.0.0.1", i);
	}
}

static unsigned hear_all(void)
{
	unsigned n = 0;
	while (hear(fd, NULL) >= 0) {
		n++;
	}
	return n;
}

static void setup(void)
{
	calls.no_trains = true; /* so that each reply is a message of its own */
	server_open("0.0.0.0");
	fd = client_open("127.0.0.1");
	turn(&server.loop);
	memset(&calls, 0, sizeof(calls));
}

static void teardown(void)
{
	close(fd);
	server_close();
}

TestSuite(udp_full, .init = setup, .fini = teardown);

Test(udp_full, what_a_full_socket_leaves_is_sent_when_it_is_writable)
{
	calls.send_errno = EAGAIN;
	calls.send_pass = 3;
	calls.send_fail = 2; /* still full when it says it is not */
	ask_n(N);
	TURN_UNTIL(&server.loop, calls.send_fail == 0 && server.seen == N);
	turn_for(&server.loop, 5);
	for (uint32_t i = 0; i < N; i++) {
		cr_expect_eq(hear(fd, NULL), i, "in order, each once");
	}
	cr_expect_eq(hear(fd, NULL), -1);
	cr_expect_eq(server.counters.udp_send_queued, N - 3, "%lu",
		     (unsigned long)server.counters.udp_send_queued);
	cr_expect_eq(server.counters.udp_send_errors, 0);
}

Test(udp_full, while_it_is_full_nobody_asks_it)
{
	calls.send_errno = EAGAIN;
	calls.send_fail = -1;
	ask_n(10);
	turn(&server.loop);
	cr_expect_eq(server.seen, 10);
	cr_expect_eq(calls.send_calls, 1);
	ask_n(10);
	turn(&server.loop);
	cr_expect_eq(server.seen, 20);
	cr_expect_eq(calls.send_calls, 2, "when it is writable, and not for the new batch");
	calls.send_errno = 0;
	unsigned heard = 0;
	TURN_UNTIL(&server.loop, (heard += hear_all()) == 20);
}

Test(udp_full, no_buffers_is_tried_again_once)
{
	calls.send_errno = ENOBUFS;
	for (unsigned i = 1; i <= 3; i++) { /* a success between two refusals makes them new */
		calls.send_fail = 1;
		ask_n(N);
		TURN_UNTIL(&server.loop, server.seen == i * N);
		turn_for(&server.loop, 5);
		cr_expect_eq(hear_all(), N);
		cr_expect_eq(server.counters.udp_send_errors, 0);
	}
}

Test(udp_full, no_buffers_twice_costs_that_reply)
{
	calls.send_errno = ENOBUFS;
	calls.send_fail = 2;
	ask_n(N);
	TURN_UNTIL(&server.loop, server.seen == N);
	turn_for(&server.loop, 5);
	cr_expect_eq(hear(fd, NULL), 1, "number 0 is gone");
	cr_expect_eq(hear_all(), N - 2);
	cr_expect_eq(server.counters.udp_send_errors, 1);
}

Test(udp_full, one_reply_that_may_not_go_does_not_hold_the_others)
{
	static const int why[] = { EPERM, EINVAL, EHOSTUNREACH, EMSGSIZE, ENETUNREACH };
	for (unsigned i = 0; i < FL_COUNT(why); i++) {
		calls.send_errno = why[i];
		calls.send_pass = 5;
		calls.send_fail = 1;
		const unsigned seen = server.seen;
		ask_n(N);
		TURN_UNTIL(&server.loop, server.seen == seen + N);
		cr_expect_eq(hear_all(), N - 1, "%s", strerror(why[i]));
		cr_expect_eq(server.counters.udp_send_errors, i + 1, "%s", strerror(why[i]));
	}
	cr_expect_eq(server.counters.udp_send_queued, 0);
}

Test(udp_full, the_queue_is_bounded_and_says_so)
{
	uint8_t reply[200] = { 0 };
	struct fl_udp_return way = { .peer = name_of(fd) };
	calls.send_errno = EAGAIN;
	calls.send_fail = -1;
	unsigned taken = 0;
	enum fl_err err = FL_OK;
	while (taken < 100000 && err == FL_OK) {
		err = fl_udp_send(server.udp, &way, reply, sizeof(reply));
		taken += err == FL_OK;
	}
	cr_expect_eq(err, FL_EBUSY);
	cr_expect(taken >= FL_UDP_BATCH && taken <= 1024, "%u", taken);
	cr_expect_eq(server.counters.udp_send_errors, 1, "the lost one is counted");
	cr_expect_eq(server.counters.udp_send_queued, taken);
	unsigned heard = 0;
	while (heard < taken &&
	       calls.send_calls < 1000) { /* in portions that the client holds */
		calls.send_pass = 50;
		calls.send_fail = 1;
		turn(&server.loop);
		heard += hear_all();
	}
	cr_expect_eq(heard, taken);
	calls.send_errno = 0;
	cr_expect_eq(fl_udp_send(server.udp, &way, reply, sizeof(reply)), FL_OK, "room again");
	TURN_UNTIL(&server.loop, hear_all() == 1);
}

Test(udp_full, a_queue_that_empties_slowly_keeps_what_is_in_it)
{
	struct fl_udp_return way = { .peer = name_of(fd) };
	uint32_t sent = 0, heard = 0;
	calls.send_errno = EAGAIN;
	while (heard < 3000 || heard < sent) {
		calls.send_pass = 7; /* a little goes, then it is full again */
		calls.send_fail = 2;
		for (unsigned i = 0; i < 11 && heard < 3000; i++) {
			uint32_t reply[40] = { sent };
			sent += fl_udp_send(server.udp, &way, (const uint8_t *)reply,
					    sizeof(reply)) == FL_OK;
		}
		turn(&server.loop);
		for (int64_t tag; (tag = hear(fd, NULL)) >= 0;) {
			cr_assert_eq(tag, heard, "heard %u", heard);
			heard++;
		}
	}
}

Test(udp_full, close_while_replies_wait)
{
	calls.send_errno = EAGAIN;
	calls.send_fail = -1;
	ask_n(N);
	TURN_UNTIL(&server.loop, server.seen == N);
	fl_udp_stop(server.udp);
	turn(&server.loop);
}

Test(udp_full, stopped_with_replies_waiting_the_loop_ends_when_they_are_gone)
{
	calls.send_errno = EAGAIN;
	calls.send_fail = 1;
	ask_n(N);
	TURN_UNTIL(&server.loop, server.seen == N);
	fl_udp_stop(server.udp);
	cr_expect_eq(uv_run(&server.loop, UV_RUN_DEFAULT), 0, "by itself");
	cr_expect_eq(hear_all(), N);
}

Test(udp_full, datagrams_lost_in_the_receive_buffer_are_counted)
{
	enum { FLOOD = 3000 };
	const int small = 8192;
	cr_assert_eq(setsockopt(server.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	ask_n(FLOOD);
	turn_for(&server.loop, 10);
	const unsigned first = server.seen;
	cr_assert_lt(first, FLOOD);
	ask_tag(fd, "127.0.0.1", 1); /* the sum comes with the next datagram */
	TURN_UNTIL(&server.loop, server.seen == first + 1);
	cr_expect_eq(server.counters.udp_receive_overflow, FLOOD - first, "%lu of %u",
		     (unsigned long)server.counters.udp_receive_overflow, FLOOD - first);
	ask_tag(fd, "127.0.0.1", 1);
	TURN_UNTIL(&server.loop, server.seen == first + 2);
	cr_expect_eq(server.counters.udp_receive_overflow, FLOOD - first, "as a difference");
	struct fl_addr from;
	const struct fl_addr want = addr_of("127.0.0.4", server.at.port);
	hear_all();
	ask_tag(fd, "127.0.0.4", 1);
	TURN_UNTIL(&server.loop, hear(fd, &from) == 1);
	cr_expect(fl_addr_equal(&from, &want), "both control messages have room, each time");

	/* the next reader of the same socket does not count them again */
	const struct fl_udp_options o = { &server.loop, dup(server.fd), on_batch, &server,
					  &server.counters };
	fl_udp_close(server.udp);
	turn(&server.loop);
	cr_assert_eq(fl_udp_open(&o, &server.udp), FL_OK);
	const unsigned seen = server.seen;
	ask_tag(fd, "127.0.0.1", 1);
	TURN_UNTIL(&server.loop, server.seen == seen + 1);
	cr_expect_eq(server.counters.udp_receive_overflow, FLOOD - first);
}

Test(udp_full, clients_that_are_gone_do_no_harm)
{
	for (unsigned i = 0; i < 50; i++) {
		const int gone = client_open("127.0.0.1");
		ask_tag(gone, "127.0.0.1", i);
		close(gone);
	}
	TURN_UNTIL(&server.loop, server.seen == 50);
	ask_n(N);
	TURN_UNTIL(&server.loop, server.seen == 50 + N);
	cr_expect_eq(hear_all(), N);
}

Test(udp_full, an_error_on_the_socket_does_not_end_it)
{
	/* connected, the socket is told of the ICMP error, and the poll handle stops */
	struct sockaddr_storage ss;
	const struct fl_addr me = name_of(fd);
	const socklen_t len = fl_addr_to_sockaddr(&me, &ss);
	const struct fl_addr own = addr_of("127.0.0.1", 0);
	struct fl_udp *connected;
	cr_assert_eq(fl_udp_bind(&own, &server.fd), FL_OK);
	server.at = name_of(server.fd);
	cr_assert_eq(connect(server.fd, (const struct sockaddr *)&ss, len), 0);
	const struct fl_udp_options o = { &server.loop, server.fd, on_batch, &server,
					  &server.counters };
	cr_assert_eq(fl_udp_open(&o, &connected), FL_OK);
	for (unsigned i = 0; i < 5; i++) {
		ask_tag(fd, "127.0.0.1", i);
		close(fd);
		const unsigned seen = server.seen;
		TURN_UNTIL(&server.loop, server.seen == seen + 1);
		turn_for(&server.loop, 3);
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
		cr_assert_eq(bind(fd, (const struct sockaddr *)&ss, len), 0);
		ask_tag(fd, "127.0.0.1", 1000 + i);
		TURN_UNTIL(&server.loop, hear(fd, NULL) == 1000 + i);
	}
	fl_udp_close(connected);
}
