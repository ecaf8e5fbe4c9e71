/* Who connects, and who may stay: over real sockets and a real loop. */
#include "fairlead/ipc/acceptor.h"

#include "fairlead/ipc/control.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

enum { PEERS = 4 };

static const uint64_t greeting[2] = { 0x0123456789ABCDEF, 0x42 };

struct house { /* a keeper, as it were: resolvers come */
	uv_loop_t loop;
	uv_timer_t timer;
	struct fl_acceptor *acceptor;
	struct fl_counters counters;
	char token[48];
	unsigned frames;
	struct fl_peer last;
	uint64_t last_job;
};

static bool on_frame(void *arg, struct fl_peer from, const struct fl_frame *f)
{
	struct house *h = arg;
	h->frames++;
	h->last = from;
	h->last_job = f->h.job_id;
	return f->h.kind == FL_FRAME_STORE;
}

static void build(struct house *h)
{
	static unsigned n;
	int fd;
	memset(h, 0, sizeof(*h));
	uv_loop_init(&h->loop);
	uv_timer_init(&h->loop, &h->timer);
	snprintf(h->token, sizeof(h->token), "test-%d-%u", getpid(), n++);
	cr_assert_eq(fl_channel_listen(h->token, "keeper", &fd), FL_OK);
	const struct fl_acceptor_options o = { .loop = &h->loop,
					       .fd = fd,
					       .role = FL_ROLE_RESOLVER,
					       .peers = PEERS,
					       .greeting = { greeting[0], greeting[1] },
					       .frame = on_frame,
					       .arg = h,
					       .counters = &h->counters };
	cr_assert_eq(fl_acceptor_open(&o, &h->acceptor), FL_OK);
}

static void demolish(struct house *h)
{
	fl_acceptor_close(h->acceptor);
	uv_close((uv_handle_t *)&h->timer, NULL);
	uv_run(&h->loop, UV_RUN_DEFAULT);
	cr_expect_eq(uv_loop_close(&h->loop), 0, "nothing is left on the loop");
}

static void on_timeout(uv_timer_t *t)
{
	uv_stop(t->loop);
}

static void run_for(struct house *h, unsigned ms)
{
	uv_timer_start(&h->timer, on_timeout, ms, 0);
	uv_run(&h->loop, UV_RUN_DEFAULT);
	uv_timer_stop(&h->timer);
}

/* Turn the loop until the numbers settle, without a clock. */
static void run_turns(struct house *h, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uv_run(&h->loop, UV_RUN_NOWAIT);
	}
}

static int come(const struct house *h)
{
	int fd;
	cr_assert_eq(fl_channel_connect(h->token, "keeper", &fd), FL_OK);
	return fd;
}

static void say(int fd, struct fl_frame f)
{
	cr_assert_eq(send(fd, &f.h, sizeof(f.h), MSG_NOSIGNAL), (ssize_t)sizeof(f.h));
}

static struct fl_frame hello(enum fl_role role, unsigned index, uint64_t proof)
{
	struct fl_frame f = fl_frame_init(FL_FRAME_HELLO);
	f.h.role = (uint8_t)role;
	f.h.index = (uint16_t)index;
	f.h.job_id = proof;
	return f;
}

static struct fl_frame true_hello(unsigned index)
{
	return hello(FL_ROLE_RESOLVER, index,
		     fl_control_hello(greeting, FL_ROLE_RESOLVER, index));
}

static struct fl_frame store(uint64_t job)
{
	struct fl_frame f = fl_frame_init(FL_FRAME_STORE);
	f.h.job_id = job;
	return f;
}

/* Has our end been closed? */
static bool is_shut(int fd)
{
	char c;
	return recv(fd, &c, 1, MSG_DONTWAIT) == 0 || errno == ECONNRESET;
}

Test(acceptor, who_proves_itself_is_heard_and_answered)
{
	struct house h;
	build(&h);
	const int fd = come(&h);
	say(fd, true_hello(2));
	say(fd, store(77));
	run_turns(&h, 5);
	cr_expect_eq(h.frames, 1);
	cr_expect_eq(h.last.index, 2);
	cr_expect_eq(h.last_job, 77);
	const struct fl_peer p = fl_acceptor_peer(h.acceptor, 2);
	cr_expect_eq(p.life, 1);
	cr_expect_eq(fl_acceptor_peer(h.acceptor, 1).life, 0);
	cr_expect_eq(fl_acceptor_peer(h.acceptor, PEERS).life, 0);
	const struct fl_frame f = fl_frame_init(FL_FRAME_REFRESH);
	cr_expect_eq(fl_acceptor_send(h.acceptor, p, &f), FL_OK);
	fl_acceptor_flush(h.acceptor);
	struct fl_frame_header got;
	cr_expect_eq(recv(fd, &got, sizeof(got), 0), (ssize_t)sizeof(got));
	cr_expect_eq(got.kind, FL_FRAME_REFRESH);
	close(fd);
	run_turns(&h, 5);
	cr_expect_eq(fl_acceptor_send(h.acceptor, p, &f), FL_ECLOSED);
	demolish(&h);
}

struct false_hello {
	char why[48];
	enum fl_frame_kind kind;
	enum fl_role role;
	unsigned index;
	enum fl_role proof_role; /* of whose value it says */
	unsigned proof_index;
	uint64_t flip; /* bits of it that are wrong */
};

ParameterizedTestParameters(acceptor, false_hello)
{
	static struct false_hello cases[] = {
		{ "a wrong value", FL_FRAME_HELLO, FL_ROLE_RESOLVER, 0, FL_ROLE_RESOLVER, 0,
		  1 },
		{ "another wrong one", FL_FRAME_HELLO, FL_ROLE_RESOLVER, 0, FL_ROLE_RESOLVER, 0,
		  UINT64_C(1) << 63 },
		{ "another's value", FL_FRAME_HELLO, FL_ROLE_RESOLVER, 1, FL_ROLE_RESOLVER, 2,
		  0 },
		{ "its value, another role", FL_FRAME_HELLO, FL_ROLE_FRONT, 1, FL_ROLE_RESOLVER,
		  1, 0 },
		{ "another role and that one's value", FL_FRAME_HELLO, FL_ROLE_FRONT, 1,
		  FL_ROLE_FRONT, 1, 0 },
		{ "another role's value", FL_FRAME_HELLO, FL_ROLE_RESOLVER, 1, FL_ROLE_FRONT, 1,
		  0 },
		{ "an index that is not", FL_FRAME_HELLO, FL_ROLE_RESOLVER, PEERS,
		  FL_ROLE_RESOLVER, PEERS, 0 },
		{ "no greeting at all", FL_FRAME_STORE, FL_ROLE_RESOLVER, 1, FL_ROLE_RESOLVER,
		  1, 0 },
	};
	return cr_make_param_array(struct false_hello, cases, FL_COUNT(cases));
}

ParameterizedTest(struct false_hello *c, acceptor, false_hello)
{
	struct house h;
	build(&h);
	const int fd = come(&h);
	struct fl_frame f =
		hello(c->role, c->index,
		      fl_control_hello(greeting, c->proof_role, c->proof_index) ^ c->flip);
	f.h.kind = (uint16_t)c->kind;
	say(fd, f);
	say(fd, store(1));
	run_turns(&h, 5);
	cr_expect_eq(h.frames, 0, "%s was believed", c->why);
	cr_expect(is_shut(fd), "%s may stay", c->why);
	cr_expect_eq(h.counters.ipc_refused, 1, "%s: %llu refused", c->why,
		     (unsigned long long)h.counters.ipc_refused);
	for (unsigned i = 0; i < PEERS; i++) {
		cr_expect_eq(fl_acceptor_peer(h.acceptor, i).life, 0, "%s", c->why);
	}
	close(fd);
	demolish(&h);
}

Test(acceptor, a_false_one_does_no_harm_to_who_is_there)
{
	struct house h;
	build(&h);
	const int good = come(&h), bad = come(&h);
	say(good, true_hello(1));
	run_turns(&h, 5);
	say(bad, hello(FL_ROLE_RESOLVER, 1, 12345));
	run_turns(&h, 5);
	cr_expect(is_shut(bad));
	say(good, store(5));
	run_turns(&h, 5);
	cr_expect_eq(h.frames, 1);
	cr_expect_eq(fl_acceptor_peer(h.acceptor, 1).life, 1);
	close(good);
	close(bad);
	demolish(&h);
}

Test(acceptor, a_second_true_one_replaces_the_first)
{
	struct house h;
	build(&h);
	const int first = come(&h);
	say(first, true_hello(3));
	run_turns(&h, 5);
	const struct fl_peer before = fl_acceptor_peer(h.acceptor, 3);
	const int second = come(&h);
	say(second, true_hello(3));
	run_turns(&h, 5);
	const struct fl_peer after = fl_acceptor_peer(h.acceptor, 3);
	cr_expect(is_shut(first), "one connection an index");
	cr_expect_eq(after.life, before.life + 1);
	const struct fl_frame f = fl_frame_init(FL_FRAME_REFRESH);
	cr_expect_eq(fl_acceptor_send(h.acceptor, before, &f), FL_ECLOSED,
		     "the new one gets nothing of the old one's");
	cr_expect_eq(fl_acceptor_send(h.acceptor, after, &f), FL_OK);
	say(second, store(9));
	run_turns(&h, 5);
	cr_expect_eq(h.frames, 1);
	close(first);
	close(second);
	demolish(&h);
}

Test(acceptor, a_frame_out_of_place_ends_the_connection)
{
	struct house h;
	build(&h);
	const int asks = come(&h), greets_twice = come(&h);
	say(asks, true_hello(0));
	say(asks, fl_frame_init(FL_FRAME_ANSWER));
	say(greets_twice, true_hello(1));
	say(greets_twice, true_hello(2));
	run_turns(&h, 5);
	cr_expect(is_shut(asks));
	cr_expect(is_shut(greets_twice));
	cr_expect_eq(fl_acceptor_peer(h.acceptor, 0).life, 0);
	cr_expect_eq(fl_acceptor_peer(h.acceptor, 2).life, 0);
	close(asks);
	close(greets_twice);
	demolish(&h);
}

Test(acceptor, who_says_nothing_is_dropped_in_time)
{
	struct house h;
	build(&h);
	const int silent = come(&h), known = come(&h);
	say(known, true_hello(0));
	run_for(&h, 3000);
	cr_expect_not(is_shut(silent), "there is time");
	run_for(&h, 3000);
	cr_expect(is_shut(silent));
	cr_expect_not(is_shut(known), "who has proven itself may be silent");
	close(silent);
	close(known);
	demolish(&h);
}

/* 200 connections of somebody who says nothing: they are taken in a few turns, few are held,
 * and who proves itself comes through. */
Test(acceptor, a_flood_is_accepted_bounded_and_survived)
{
	enum { FLOOD = 200 };
	struct house h;
	int fd[FLOOD], shut = 0;
	build(&h);
	for (unsigned i = 0; i < FLOOD; i++) {
		fd[i] = come(&h);
	}
	const int good = come(&h);
	say(good, true_hello(0));
	run_turns(&h, 8);
	for (unsigned i = 0; i < FLOOD; i++) {
		shut += is_shut(fd[i]);
	}
	cr_expect_eq(fl_acceptor_peer(h.acceptor, 0).life, 1, "within eight turns");
	cr_expect_geq(shut, FLOOD - 128, "%d of %d were dropped", shut, FLOOD);
	cr_expect_lt(shut, FLOOD);
	for (unsigned i = 0; i < FLOOD; i++) {
		close(fd[i]);
	}
	close(good);
	demolish(&h);
}

/* Who greets in the middle of a flood that goes on: a turn is enough. */
Test(acceptor, a_true_one_comes_through_a_flood_that_goes_on)
{
	struct house h;
	build(&h);
	for (unsigned round = 0; round < 20; round++) {
		int flood[200];
		for (unsigned i = 0; i < 200; i++) {
			flood[i] = come(&h);
			if (i == 100) {
				const int good = come(&h);
				say(good, true_hello(1));
				flood[i] = good;
			}
		}
		run_turns(&h, 6);
		cr_expect_eq(fl_acceptor_peer(h.acceptor, 1).life, round + 1);
		for (unsigned i = 0; i < 200; i++) {
			close(flood[i]);
		}
		run_turns(&h, 6);
	}
	demolish(&h);
}

static double cpu_ms(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000 +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1000;
}

/* No descriptor is left: the connection waits, the loop sleeps, and all goes on when there is
 * one. */
Test(acceptor, without_descriptors_it_waits_and_does_not_spin)
{
	struct house h;
	struct rlimit limit;
	build(&h);
	const int fd = come(&h);
	say(fd, true_hello(0));
	getrlimit(RLIMIT_NOFILE, &limit);
	const rlim_t before = limit.rlim_cur;
	const int lowest = dup(0);
	close(lowest);
	limit.rlim_cur = (rlim_t)lowest;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	const double cpu = cpu_ms();
	run_for(&h, 1000);
	const double spent = cpu_ms() - cpu;
	cr_expect_lt(spent, 200, "%.0f ms of a second", spent);
	cr_expect_eq(fl_acceptor_peer(h.acceptor, 0).life, 0);
	limit.rlim_cur = before;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	run_for(&h, 1000);
	cr_expect_eq(fl_acceptor_peer(h.acceptor, 0).life, 1, "tried again by the clock");
	close(fd);
	demolish(&h);
}

Test(acceptor, another_user_is_closed_at_once)
{
	struct house h;
	if (geteuid() != 0) {
		cr_skip_test("only root can be two users");
	}
	build(&h);
	cr_assert_eq(seteuid(65534), 0);
	const int fd = come(&h);
	cr_assert_eq(seteuid(0), 0);
	say(fd, true_hello(0));
	run_turns(&h, 5);
	cr_expect(is_shut(fd));
	cr_expect_eq(fl_acceptor_peer(h.acceptor, 0).life, 0);
	close(fd);
	demolish(&h);
}
