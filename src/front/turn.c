/*
 * How long the loop's turns take. A question that arrives in a turn waits for its end, so a
 * long one is counted; and apart from it, whether we worked or slept in it, or were only kept
 * from a processor, which is another's doing.
 */
#include "fairlead/base/clock.h"
#include "front.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	/* The scheduler's figure is read at the beginning of a turn, but not again sooner than
	 * this: it costs a system call. */
	LOOK_EVERY_NS = FL_MS_NS,
	STALL_NS = FL_FRONT_STALL_MS * FL_MS_NS
};

/* "ran waited slices", nanoseconds; 0 where it cannot be read: then nothing is excused. */
static uint64_t read_waited(const struct turn *t)
{
	char text[96], *end;
	const ssize_t n =
		t->schedstat < 0 ? -1 : pread(t->schedstat, text, sizeof(text) - 1, 0);
	if (n <= 0) {
		return 0;
	}
	text[n] = '\0';
	(void)strtoull(text, &end, 10);
	return strtoull(end, NULL, 10);
}

void fl__turn_work(struct front *f, uint64_t now_ns)
{
	struct turn *t = &f->turn;
	if (t->begin_ns != 0) {
		return;
	}
	t->begin_ns = now_ns;
	if (now_ns - t->looked_ns >= LOOK_EVERY_NS) {
		const uint64_t waited = read_waited(t);
		t->waited_before_ns = waited > t->waited_ns ? waited - t->waited_ns : 0;
		t->waited_ns = waited;
		t->looked_ns = now_ns;
	}
}

/* What was waited since the last look, less what may have been waited before this turn. Of a
 * turn whose beginning only libuv's clock knows, that cannot be told: all of it is excused. */
static uint64_t waited_in(struct turn *t, uint64_t begin_ns, uint64_t end_ns, bool exact)
{
	const uint64_t waited = read_waited(t);
	const uint64_t since = waited > t->waited_ns ? waited - t->waited_ns : 0;
	const uint64_t before = begin_ns > t->looked_ns ? begin_ns - t->looked_ns : 0;
	t->waited_ns = waited;
	t->looked_ns = end_ns;
	if (!exact) {
		return since + t->waited_before_ns;
	}
	return since > before ? since - before : 0;
}

static void count_stall(struct front *f, uint64_t end_ns, uint64_t took_ns, bool exact)
{
	struct fl_counters *c = f->self.counters;
	const uint64_t waited = waited_in(&f->turn, end_ns - took_ns, end_ns, exact);
	const uint64_t own = took_ns > waited ? took_ns - waited : 0;
	FL_COUNT_ADD(c, loop_stalls, 1);
	FL_COUNT_ADD(c, loop_stalls_own, own > STALL_NS);
	if (own > c->loop_own_max_ns) {
		__atomic_store_n(&c->loop_own_max_ns, own, __ATOMIC_RELAXED);
	}
}

void fl__turn_end(struct front *f, uint64_t now_ns)
{
	struct turn *t = &f->turn;
	/* Whole milliseconds, so one less is certain. It covers what is done before our own
	 * work begins: reading from a socket, say. */
	const uint64_t ms = uv_now(f->self.loop) - t->polled_ms;
	const uint64_t at_least = ms > 1 ? (ms - 1) * FL_MS_NS : 0;
	uint64_t took = t->begin_ns != 0 ? now_ns - t->begin_ns : 0;
	const bool exact = took >= at_least;
	took = exact ? took : at_least;
	fl_histogram_add(&f->self.counters->loop_turn, took);
	if (took > STALL_NS) {
		count_stall(f, now_ns, took, exact);
	}
	t->begin_ns = 0;
	t->waited_before_ns = 0;
}

static void on_check(uv_check_t *h)
{
	struct front *f = h->data;
	f->turn.polled_ms = uv_now(h->loop);
}

static void on_prepare(uv_prepare_t *h)
{
	struct front *f = h->data;
	const bool idle = f->turn.begin_ns == 0 && uv_now(h->loop) - f->turn.polled_ms <= 1;
	if (!idle) {
		fl__turn_end(f, fl_clock_boot_ns());
	}
}

/* Of handles of one kind libuv calls the youngest first: begun before the listeners, this one
 * is called after they have sent. */
void fl__turn_init(struct front *f)
{
	struct turn *t = &f->turn;
	t->schedstat = open("/proc/self/schedstat", O_RDONLY | O_CLOEXEC);
	uv_prepare_init(f->self.loop, &t->prepare);
	uv_check_init(f->self.loop, &t->check);
	t->prepare.data = t->check.data = f;
	t->polled_ms = uv_now(f->self.loop);
	uv_prepare_start(&t->prepare, on_prepare);
	uv_check_start(&t->check, on_check);
	uv_unref((uv_handle_t *)&t->prepare);
	uv_unref((uv_handle_t *)&t->check);
}

void fl__turn_fini(struct front *f)
{
	struct turn *t = &f->turn;
	if (t->prepare.data == NULL) {
		return;
	}
	uv_close((uv_handle_t *)&t->prepare, NULL);
	uv_close((uv_handle_t *)&t->check, NULL);
	if (t->schedstat >= 0) {
		close(t->schedstat);
	}
}
