/* Replies to one peer leave together, and each arrives as it was. */
#include "udp_support.h"

enum { PEERS = 5, LONGEST = 1200 };

static struct {
	unsigned n;
	uint8_t seen[1024]; /* how often each tag came back */
	unsigned wrong;
} heard;

/* A question of @p len octets that its echo proves: tag, then octets made of it. */
static void ask_long(int fd, const char *to, uint32_t tag, size_t len)
{
	uint8_t q[LONGEST];
	memset(q, (int)(tag & 0xff), len);
	memcpy(q, &tag, sizeof(tag));
	q[len - 1] = (uint8_t)len;
	ask(fd, to, q, len);
}

static void hear_replies(int fd, const char *from)
{
	uint8_t r[2 * LONGEST];
	struct sockaddr_storage ss;
	struct fl_addr at;
	for (;;) {
		socklen_t len = sizeof(ss);
		const ssize_t n = recvfrom(fd, r, sizeof(r), 0, (struct sockaddr *)&ss, &len);
		if (n < 0) {
			return;
		}
		uint32_t tag;
		memcpy(&tag, r, sizeof(tag));
		const struct fl_addr want = addr_of(from, server.at.port);
		heard.n++;
		heard.wrong += tag >= sizeof(heard.seen) || r[n - 1] != (uint8_t)n ||
			       !fl_addr_from_sockaddr((const struct sockaddr *)&ss, &at) ||
			       !fl_addr_equal(&at, &want);
		for (ssize_t i = sizeof(tag); i < n - 1; i++) {
			heard.wrong += r[i] != (uint8_t)tag;
		}
		heard.seen[tag % sizeof(heard.seen)]++;
	}
}

static void expect_each_once(unsigned n)
{
	cr_expect_eq(heard.n, n, "%u of %u", heard.n, n);
	cr_expect_eq(heard.wrong, 0, "%u replies are not what was sent, or not from there",
		     heard.wrong);
	for (unsigned i = 0; i < n; i++) {
		cr_expect_eq(heard.seen[i], 1, "tag %u came %u times", i, heard.seen[i]);
	}
}

static void begin(const char *at)
{
	memset(&calls, 0, sizeof(calls));
	memset(&heard, 0, sizeof(heard));
	server.seen = server.batches = 0;
	memset(&server.counters, 0, sizeof(server.counters));
	server_open(at);
}

/* Waits for the questions, which one batch then takes. */
static void serve(unsigned n)
{
	turn(&server.loop);
	TURN_UNTIL(&server.loop, server.seen >= n);
	turn(&server.loop);
}

Test(udp_train, equal_replies_to_one_peer_are_one_message)
{
	begin("127.0.0.1");
	const int fd = client_open("127.0.0.1");
	for (uint32_t i = 0; i < FL_UDP_BATCH; i++) {
		ask_long(fd, "127.0.0.1", i, 90);
	}
	serve(FL_UDP_BATCH);
	hear_replies(fd, "127.0.0.1");
	expect_each_once(FL_UDP_BATCH);
	cr_expect_eq(calls.trains, 1);
	close(fd);
	server_close();
}

Test(udp_train, a_batch_of_the_longest_is_cut_where_the_kernel_wants_it)
{
	begin("127.0.0.1");
	const int fd = client_open("127.0.0.1");
	for (uint32_t i = 0; i < FL_UDP_BATCH; i++) {
		ask_long(fd, "127.0.0.1", i, LONGEST);
	}
	serve(FL_UDP_BATCH);
	hear_replies(fd, "127.0.0.1");
	expect_each_once(FL_UDP_BATCH);
	cr_expect_eq(calls.trains, 2, "%u", calls.trains);
	cr_expect_eq(server.counters.udp_send_errors, 0);
	close(fd);
	server_close();
}

Test(udp_train, peers_and_lengths_mixed)
{
	static const char *const at[] = { "127.0.0.1", "0.0.0.0", "::", "::1" };
	static const char *const to[] = { "127.0.0.1", "127.0.0.9", "::1", "::1" };
	for (size_t f = 0; f < FL_COUNT(at); f++) {
		int fd[PEERS];
		uint32_t tag = 0;
		begin(at[f]);
		for (unsigned p = 0; p < PEERS; p++) {
			fd[p] = client_open(strchr(to[f], ':') != NULL ? "::1" : "127.0.0.1");
		}
		for (; tag < 60; tag++) { /* a peer's lengths: all different, two, or one */
			const unsigned p = tag * 7 % PEERS;
			ask_long(fd[p], to[f], tag, 40 + tag * (p % 3));
		}
		serve(tag);
		for (unsigned p = 0; p < PEERS; p++) {
			hear_replies(fd[p], to[f]);
			close(fd[p]);
		}
		expect_each_once(tag);
		cr_expect_gt(calls.trains, 0U);
		server_close();
	}
}

Test(udp_train, single_questions_make_no_train)
{
	begin("127.0.0.1");
	int fd[40];
	for (uint32_t i = 0; i < FL_COUNT(fd); i++) {
		fd[i] = client_open("127.0.0.1");
		ask_long(fd[i], "127.0.0.1", i, 64);
	}
	serve(FL_COUNT(fd));
	for (uint32_t i = 0; i < FL_COUNT(fd); i++) {
		hear_replies(fd[i], "127.0.0.1");
		close(fd[i]);
	}
	expect_each_once(FL_COUNT(fd));
	cr_expect_eq(calls.trains, 0);
	server_close();
}

Test(udp_train, what_the_kernel_refuses_together_goes_singly)
{
	static const int why[] = { EINVAL, EIO, EMSGSIZE };
	for (size_t w = 0; w < FL_COUNT(why); w++) {
		begin("0.0.0.0");
		const int fd = client_open("127.0.0.1");
		const int other = client_open("127.0.0.1");
		calls.train_errno = why[w];
		for (uint32_t i = 0; i < 41;
		     i++) { /* one message, then a train, then another */
			ask_long(i == 0 ? other : fd, "127.0.0.3", i, i < 20 ? 50 : 60);
		}
		serve(41);
		for (uint32_t i = 41; i < 60; i++) {
			ask_long(fd, "127.0.0.3", i, 70);
		}
		serve(60);
		hear_replies(fd, "127.0.0.3");
		hear_replies(other, "127.0.0.3");
		expect_each_once(60);
		cr_expect_eq(server.counters.udp_send_errors, 0);
		cr_expect_leq(calls.trains, 2U, "%u: it was told once", calls.trains);
		close(fd);
		close(other);
		server_close();
	}
}

Test(udp_train, a_full_socket_loses_none_of_a_train)
{
	begin("127.0.0.1");
	const int fd = client_open("127.0.0.1");
	turn(&server.loop);
	calls.send_errno = EAGAIN;
	calls.send_fail = 2;
	for (uint32_t i = 0; i < 30; i++) {
		ask_long(fd, "127.0.0.1", i, 50 + i % 3);
	}
	serve(30);
	TURN_UNTIL(&server.loop, calls.send_fail == 0);
	turn_for(&server.loop, 5);
	hear_replies(fd, "127.0.0.1");
	expect_each_once(30);
	cr_expect_eq(server.counters.udp_send_queued, 30);
	close(fd);
	server_close();
}

/* --- what comes as a train --- */

/* @p n questions with tags from @p tag on, each of @p len octets and the last of @p last, in
 * one send. */
static void ask_together(int fd, const char *to, uint32_t tag, unsigned n, size_t len,
			 size_t last)
{
	static uint8_t octets[FL_UDP_BATCH * LONGEST];
	const struct fl_addr a = addr_of(to, server.at.port);
	const uint16_t segment = (uint16_t)len;
	struct sockaddr_storage ss;
	_Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(segment))] = { 0 };
	struct iovec iov = { octets, (n - 1) * len + last };
	struct msghdr m = { .msg_name = &ss,
			    .msg_namelen = fl_addr_to_sockaddr(&a, &ss),
			    .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	for (unsigned i = 0; i < n; i++) {
		uint8_t *q = octets + i * len;
		const size_t one = i + 1 < n ? len : last;
		const uint32_t t = tag + i;
		memset(q, (int)(t & 0xff), one);
		memcpy(q, &t, sizeof(t));
		q[one - 1] = (uint8_t)one;
	}
	c->cmsg_level = SOL_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof(segment));
	memcpy(CMSG_DATA(c), &segment, sizeof(segment));
	cr_assert_eq(sendmsg(fd, &m, 0), (ssize_t)iov.iov_len, "%s", strerror(errno));
}

Test(udp_train, a_train_of_questions_is_questions)
{
	static const char *const at[] = { "127.0.0.1", "0.0.0.0", "::1" };
	static const char *const to[] = { "127.0.0.1", "127.0.0.7", "::1" };
	for (size_t f = 0; f < FL_COUNT(at); f++) {
		begin(at[f]);
		const int fd = client_open(f == 2 ? "::1" : "127.0.0.1");
		ask_long(fd, to[f], 0, 44);
		ask_together(fd, to[f], 1, 30, 50, 21);
		ask_together(fd, to[f], 31, 64, 40, 40); /* goes on in the next batch */
		ask_long(fd, to[f], 95, 50);
		serve(96);
		hear_replies(fd, to[f]);
		expect_each_once(96);
		cr_expect_eq(server.batches, 2, "%u", server.batches);
		cr_expect_eq(calls.receive_calls, 2, "%u: all in the first",
			     calls.receive_calls);
		close(fd);
		server_close();
	}
}

Test(udp_train, trains_do_not_keep_the_loop_from_others)
{
	enum { TRAINS = 40, CARS = 60 };
	begin("127.0.0.1");
	const int fd = client_open("127.0.0.1");
	for (unsigned round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < TRAINS; i++) {
			ask_together(fd, "127.0.0.1", 0, CARS, 20, 20);
		}
		const unsigned before = server.seen;
		turn(&server.loop);
		cr_expect_leq(server.seen - before,
			      round == 0 ? TRAINS * CARS
					 : FL_UDP_BATCH * FL_UDP_ROUNDS + 2 * CARS,
			      "%u questions in one turn", server.seen - before);
		TURN_UNTIL(&server.loop, server.seen == (round + 1) * TRAINS * CARS);
		hear_replies(fd, "127.0.0.1");
	}
	/* and for questions that come singly, calls are full again */
	for (uint32_t i = 0; i < 2 * FL_UDP_BATCH; i++) {
		ask_long(fd, "127.0.0.1", i, 40);
	}
	TURN_UNTIL(&server.loop, server.seen == 3 * TRAINS * CARS + 2 * FL_UDP_BATCH);
	cr_expect_eq(server.counters.udp_receive_overflow, 0);
	close(fd);
	server_close();
}
