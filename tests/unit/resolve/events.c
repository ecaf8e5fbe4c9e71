#include "events.h"

#include "fairlead/base/clock.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The glue is driven as libunbound drives it: through the vtables. */
static struct {
	uv_loop_t loop;
	struct fl__events events;
	struct fl_counters counters;
	char fired[4096]; /* one letter a callback */
	size_t n_fired;
	unsigned turns, closed;
	struct ub_event *victim, *other;
	int other_fd;
} t;

static void on_turn(void *arg)
{
	(void)arg;
	t.turns++;
}

static void on_closed(void *arg)
{
	(void)arg;
	t.closed++;
}

static void start(void)
{
	uv_loop_init(&t.loop);
	cr_assert_eq(fl__events_open(&t.events, &t.loop, &t.counters, on_turn, NULL), FL_OK);
}

static void finish(void)
{
	cr_expect_eq(t.events.live, 0);
	fl__events_close(&t.events, on_closed);
	uv_run(&t.loop, UV_RUN_NOWAIT);
	cr_expect_eq(t.closed, 1);
	cr_expect_eq(uv_loop_close(&t.loop), 0);
}

static struct ub_event *new_event(int fd, short bits, void (*cb)(int, short, void *), void *arg)
{
	struct ub_event *e = t.events.base.vmt->new_event(&t.events.base, fd, bits, cb, arg);
	cr_assert_not_null(e);
	cr_assert_eq(e->magic, UB_EVENT_MAGIC);
	return e;
}

static void fire(int fd, short bits, void *letter)
{
	(void)fd;
	(void)bits;
	t.fired[t.n_fired++] = *(const char *)letter;
}

static struct timeval ms(long n)
{
	return (struct timeval){ .tv_sec = n / 1000, .tv_usec = n % 1000 * 1000 };
}

static void set_timer(struct ub_event *e, void (*cb)(int, short, void *), void *arg,
		      long wait_ms)
{
	struct timeval tv = ms(wait_ms);
	cr_assert_eq(e->vmt->add_timer(e, &t.events.base, cb, arg, &tv), 0);
}

static void on_stop(uv_timer_t *stop)
{
	uv_stop(stop->loop);
}

static void turn_for(unsigned wait_ms)
{
	uv_timer_t stop;
	uv_timer_init(&t.loop, &stop);
	uv_timer_start(&stop, on_stop, wait_ms, 0);
	uv_run(&t.loop, UV_RUN_DEFAULT);
	uv_close((uv_handle_t *)&stop, NULL);
	uv_run(&t.loop, UV_RUN_NOWAIT);
}

static void drop(struct ub_event *e)
{
	e->vmt->free(e);
}

/* The clock stands while a test sets timers that must have one instant. */
static struct {
	bool stands;
	struct timespec at;
} stopped;

int clock_gettime(clockid_t clock, struct timespec *ts)
{
	if (stopped.stands && clock == CLOCK_BOOTTIME) {
		*ts = stopped.at;
		return 0;
	}
	return (int)syscall(SYS_clock_gettime, clock, ts);
}

/* ---- timers ---- */

Test(events, timers_fire_by_time_whatever_their_order, .init = start, .fini = finish)
{
	static char letters[] = "abcdefghij";
	static const long wait_ms[] = { 50, 10, 90, 30, 70, 20, 80, 40, 100, 60 };
	struct ub_event *e[10];
	for (int i = 0; i < 10; i++) {
		e[i] = new_event(-1, UB_EV_TIMEOUT, fire, NULL);
		set_timer(e[i], fire, &letters[i], wait_ms[i]);
	}
	turn_for(150);
	cr_expect_str_eq(t.fired, "bfdhajegci");
	cr_expect_eq(t.counters.upstream_timers, 10);
	for (int i = 0; i < 10; i++) {
		drop(e[i]);
	}
}

Test(events, timers_of_one_instant_fire_in_the_order_they_were_set, .init = start,
     .fini = finish)
{
	enum { MANY = 600 };
	static char letters[MANY];
	static struct ub_event *e[MANY];
	clock_gettime(CLOCK_BOOTTIME, &stopped.at);
	stopped.stands = true;
	for (int i = 0; i < MANY; i++) {
		letters[i] = (char)('a' + i % 26);
		e[i] = new_event(-1, UB_EV_TIMEOUT, fire, NULL);
		set_timer(e[i], fire, &letters[i], 0);
	}
	stopped.stands = false;
	turn_for(100);
	cr_expect_eq(t.n_fired, MANY);
	cr_expect_arr_eq(t.fired, letters, MANY);
	for (int i = 0; i < MANY; i++) {
		drop(e[i]);
	}
}

enum { HEAP_MANY = 500 };

static struct {
	long wait_ms[HEAP_MANY]; /* -1: deleted */
	unsigned fired;
	long last_ms;
} heap;

static void fire_in_order(int fd, short bits, void *wait_ms)
{
	(void)fd;
	(void)bits;
	long now_ms = *(const long *)wait_ms;
	cr_expect_geq(now_ms, heap.last_ms);
	heap.last_ms = now_ms;
	heap.fired++;
}

/* All are set in far less than the 20 ms that lie between two waits. */
Test(events, setting_and_deleting_at_random_keeps_the_order, .init = start, .fini = finish)
{
	static struct ub_event *e[HEAP_MANY];
	unsigned seed = 1, left = 0;
	for (int i = 0; i < HEAP_MANY; i++) {
		e[i] = new_event(-1, UB_EV_TIMEOUT, fire, NULL);
		heap.wait_ms[i] = -1;
	}
	for (int i = 0; i < 3000; i++) {
		seed = seed * 1103515245U + 12345U;
		unsigned which = seed / 7 % HEAP_MANY;
		heap.wait_ms[which] = -1;
		if (seed / 65536 % 3 == 0) {
			e[which]->vmt->del_timer(e[which]);
		} else {
			heap.wait_ms[which] = 100 + 20 * (long)(seed / 65536 % 10);
			set_timer(e[which], fire_in_order, &heap.wait_ms[which],
				  heap.wait_ms[which]);
		}
	}
	for (int i = 0; i < HEAP_MANY; i++) {
		left += heap.wait_ms[i] >= 0;
	}
	turn_for(400);
	cr_expect_eq(heap.fired, left);
	for (int i = 0; i < HEAP_MANY; i++) {
		drop(e[i]);
	}
}

Test(events, a_deleted_timer_is_silent, .init = start, .fini = finish)
{
	static char a = 'a', b = 'b';
	struct ub_event *one = new_event(-1, UB_EV_TIMEOUT, fire, &a);
	struct ub_event *two = new_event(-1, UB_EV_TIMEOUT, fire, &b);
	set_timer(one, fire, &a, 10);
	set_timer(two, fire, &b, 20);
	one->vmt->del_timer(one);
	turn_for(60);
	cr_expect_str_eq(t.fired, "b");
	drop(one);
	drop(two);
}

static void fire_and_delete_victim(int fd, short bits, void *letter)
{
	fire(fd, bits, letter);
	if (t.victim != NULL) {
		t.victim->vmt->del(t.victim);
		drop(t.victim);
		t.victim = NULL;
	}
}

Test(events, a_timer_may_free_the_next_one, .init = start, .fini = finish)
{
	static char a = 'a', v = 'v';
	struct ub_event *one = new_event(-1, UB_EV_TIMEOUT, fire, &a);
	t.victim = new_event(-1, UB_EV_TIMEOUT, fire, &v);
	set_timer(one, fire_and_delete_victim, &a, 5);
	set_timer(t.victim, fire, &v, 5);
	turn_for(50);
	cr_expect_str_eq(t.fired, "a");
	drop(one);
}

static void fire_and_free_self(int fd, short bits, void *self)
{
	static char s = 's';
	fire(fd, bits, &s);
	drop(*(struct ub_event **)self);
}

Test(events, a_timer_may_free_itself, .init = start, .fini = finish)
{
	struct ub_event *one = new_event(-1, UB_EV_TIMEOUT, fire, NULL);
	set_timer(one, fire_and_free_self, &one, 5);
	turn_for(30);
	cr_expect_str_eq(t.fired, "s");
}

static void fire_and_set_again(int fd, short bits, void *letter)
{
	fire(fd, bits, letter);
	if (t.n_fired < 5) {
		set_timer(t.other, fire_and_set_again, letter, 2);
	}
}

Test(events, a_timer_is_one_shot_and_may_be_set_again, .init = start, .fini = finish)
{
	static char a = 'a';
	t.other = new_event(-1, UB_EV_TIMEOUT, fire, NULL);
	set_timer(t.other, fire_and_set_again, &a, 2);
	turn_for(100);
	cr_expect_str_eq(t.fired, "aaaaa");
	drop(t.other);
}

Test(events, a_stale_timeval_sets_no_timer, .init = start, .fini = finish)
{
	static char a = 'a';
	int p[2];
	cr_assert_eq(pipe2(p, O_NONBLOCK | O_CLOEXEC), 0);
	struct ub_event *e = new_event(p[0], UB_EV_READ | UB_EV_PERSIST, fire, &a);
	struct timeval tv = ms(1);
	cr_expect_eq(e->vmt->add(e, &tv), 0);
	turn_for(30);
	cr_expect_eq(t.n_fired, 0, "the event was not made for a time-out");
	drop(e);
	close(p[0]);
	close(p[1]);
}

/* ---- descriptors ---- */

static void fire_read(int fd, short bits, void *letter)
{
	char octets[16];
	cr_expect(bits & UB_EV_READ);
	while (read(fd, octets, sizeof(octets)) > 0) {
	}
	fire(fd, bits, letter);
}

Test(events, a_readable_descriptor_fires_until_it_is_deleted, .init = start, .fini = finish)
{
	static char a = 'a';
	int p[2];
	cr_assert_eq(pipe2(p, O_NONBLOCK | O_CLOEXEC), 0);
	struct ub_event *e = new_event(p[0], UB_EV_READ | UB_EV_PERSIST, fire_read, &a);
	cr_expect_eq(e->vmt->add(e, NULL), 0);
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(write(p[1], "x", 1), 1);
		turn_for(10);
	}
	e->vmt->del(e);
	cr_assert_eq(write(p[1], "x", 1), 1);
	turn_for(10);
	cr_expect_str_eq(t.fired, "aaa");
	cr_expect_gt(t.turns, 0);
	drop(e);
	close(p[0]);
	close(p[1]);
}

Test(events, without_persist_it_fires_once, .init = start, .fini = finish)
{
	static char a = 'a';
	int p[2];
	cr_assert_eq(pipe2(p, O_NONBLOCK | O_CLOEXEC), 0);
	struct ub_event *e = new_event(p[0], UB_EV_READ, fire, &a);
	cr_expect_eq(e->vmt->add(e, NULL), 0);
	cr_assert_eq(write(p[1], "x", 1), 1);
	turn_for(30);
	cr_expect_str_eq(t.fired, "a");
	drop(e);
	close(p[0]);
	close(p[1]);
}

Test(events, a_deleted_event_of_the_same_batch_is_dropped, .init = start, .fini = finish)
{
	static char a = 'a';
	int p[2][2];
	struct ub_event *e[2];
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(pipe2(p[i], O_NONBLOCK | O_CLOEXEC), 0);
		cr_assert_eq(write(p[i][1], "x", 1), 1);
		e[i] = new_event(p[i][0], UB_EV_READ | UB_EV_PERSIST, fire_and_delete_victim,
				 &a);
		cr_expect_eq(e[i]->vmt->add(e[i], NULL), 0);
	}
	t.victim = e[1]; /* the batch comes in the order they became ready */
	turn_for(0);
	cr_expect_eq(t.fired[0], 'a');
	cr_expect_null(t.victim);
	drop(e[0]);
	for (int i = 0; i < 2; i++) {
		close(p[i][0]);
		close(p[i][1]);
	}
}

/* libunbound deletes, closes, and opens again in one callback: the number comes back. */
static void fire_and_reopen(int fd, short bits, void *letter)
{
	static char n = 'n';
	char octet;
	fire(fd, bits, letter);
	cr_expect_eq(read(fd, &octet, 1), 1);
	if (t.victim == NULL) {
		return;
	}
	t.victim->vmt->del(t.victim);
	close(t.other_fd);
	int again = fcntl(fd, F_DUPFD_CLOEXEC, t.other_fd);
	cr_assert_eq(again, t.other_fd);
	drop(t.victim);
	t.victim = NULL;
	t.other = new_event(again, UB_EV_READ | UB_EV_PERSIST, fire, &n);
	cr_expect_eq(t.other->vmt->add(t.other, NULL), 0);
}

Test(events, a_number_used_again_in_one_turn_gets_no_foreign_event, .init = start,
     .fini = finish)
{
	static char a = 'a', v = 'v';
	int p[2][2];
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(pipe2(p[i], O_NONBLOCK | O_CLOEXEC), 0);
		cr_assert_eq(write(p[i][1], "x", 1), 1);
	}
	struct ub_event *one =
		new_event(p[0][0], UB_EV_READ | UB_EV_PERSIST, fire_and_reopen, &a);
	cr_expect_eq(one->vmt->add(one, NULL), 0);
	t.other_fd = p[1][0];
	t.victim = new_event(t.other_fd, UB_EV_READ | UB_EV_PERSIST, fire, &v);
	cr_expect_eq(t.victim->vmt->add(t.victim, NULL), 0);
	turn_for(20);
	cr_expect_str_eq(t.fired, "a", "%s", t.fired);
	drop(t.other);
	drop(one);
	for (int i = 0; i < 2; i++) {
		close(p[i][0]);
		close(p[i][1]);
	}
}

static void fire_bits(int fd, short bits, void *arg)
{
	char octet;
	*(short *)arg = bits;
	t.n_fired++;
	(void)recv(fd, &octet, 1, MSG_DONTWAIT); /* takes the error off the socket */
}

Test(events, an_error_is_told_as_readable_and_writable, .init = start, .fini = finish)
{
	int pair[2];
	short bits = 0;
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	struct ub_event *e = new_event(pair[0], UB_EV_READ | UB_EV_WRITE, fire_bits, &bits);
	close(pair[1]);
	cr_expect_eq(e->vmt->add(e, NULL), 0);
	turn_for(20);
	cr_expect_eq(bits, UB_EV_READ | UB_EV_WRITE);
	struct ub_event *w = new_event(pair[0], UB_EV_WRITE, fire_bits, &bits);
	cr_expect_eq(w->vmt->add(w, NULL), 0);
	turn_for(20);
	cr_expect_eq(bits, UB_EV_WRITE, "no more than it asked for");
	cr_expect_eq(t.n_fired, 2);
	drop(e);
	drop(w);
	close(pair[0]);
}

/* A refused UDP port shows as an error alone, neither readable nor writable. */
Test(events, a_refusal_reaches_who_only_reads, .init = start, .fini = finish)
{
	short bits = 0;
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(at);
	int shut = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(shut, (struct sockaddr *)&at, size), 0);
	cr_assert_eq(getsockname(shut, (struct sockaddr *)&at, &size), 0);
	close(shut);
	cr_assert_eq(connect(fd, (struct sockaddr *)&at, size), 0);
	struct ub_event *e = new_event(fd, UB_EV_READ | UB_EV_PERSIST, fire_bits, &bits);
	cr_expect_eq(e->vmt->add(e, NULL), 0);
	cr_expect_eq(send(fd, "x", 1, 0), 1);
	turn_for(50);
	cr_expect_eq(bits, UB_EV_READ);
	cr_expect_eq(t.n_fired, 1, "once: reading takes the error");
	drop(e);
	close(fd);
}

Test(events, bits_are_added_and_taken, .init = start, .fini = finish)
{
	int pair[2];
	short bits = 0;
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	struct ub_event *e = new_event(-1, UB_EV_READ, fire_bits, &bits);
	e->vmt->set_fd(e, pair[0]);
	e->vmt->del_bits(e, UB_EV_READ);
	e->vmt->add_bits(e, UB_EV_WRITE);
	cr_expect_eq(e->vmt->add(e, NULL), 0);
	turn_for(20);
	cr_expect_eq(bits, UB_EV_WRITE);
	drop(e);
	close(pair[0]);
	close(pair[1]);
}

Test(events, a_bad_descriptor_is_refused, .init = start, .fini = finish)
{
	struct ub_event *e = new_event(1000, UB_EV_READ, fire, NULL);
	cr_expect_eq(e->vmt->add(e, NULL), -1);
	drop(e);
}

Test(events, signals_are_not_had, .init = start, .fini = finish)
{
	struct ub_event *e = new_event(-1, UB_EV_TIMEOUT, fire, NULL);
	cr_expect_eq(e->vmt->add_signal(e, NULL), -1);
	cr_expect_eq(e->vmt->del_signal(e), -1);
	cr_expect_null(t.events.base.vmt->new_signal(&t.events.base, 1, fire, NULL));
	cr_expect_eq(t.events.base.vmt->dispatch(&t.events.base), -1);
	drop(e);
}

Test(events, events_come_from_a_slab_and_go_back, .init = start, .fini = finish)
{
	enum { MANY = 1000 };
	static struct ub_event *e[MANY];
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < MANY; i++) {
			e[i] = new_event(-1, UB_EV_TIMEOUT, fire, NULL);
		}
		cr_expect_eq(t.events.live, MANY);
		for (int i = 0; i < MANY; i++) {
			drop(e[i]);
		}
	}
	cr_expect_eq(t.events.live, 0);
}
