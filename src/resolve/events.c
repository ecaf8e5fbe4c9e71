#include "events.h"

#include "fairlead/base/clock.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <unistd.h>

enum {
	SLAB_EVENTS = 128,
	TIMERS_A_TURN = FL__EVENTS_BATCH *
			FL__EVENTS_ROUNDS /* so that a burst does not hold the loop */
};

struct fl__event {
	struct ub_event event; /* first: libunbound holds a pointer to it */
	struct fl__events *of;
	void (*cb)(int fd, short bits, void *arg);
	void *arg;
	uint64_t due_ns, order;
	uint32_t heap_at; /* index in the heap; 0: no timer */
	int fd;
	int batch_at; /* index in the batch being delivered, or -1 */
	short bits;
	bool watched; /* fd stands in the epoll set */
	struct fl__event *next_free;
};

struct fl__slab {
	struct fl__slab *next;
	struct fl__event at[SLAB_EVENTS];
};

/* ---- timer heap ---- */

static bool sooner(const struct fl__event *a, const struct fl__event *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

static void heap_put(struct fl__events *es, uint32_t i, struct fl__event *e)
{
	es->heap[i] = e;
	e->heap_at = i;
}

static void sift_up(struct fl__events *es, uint32_t i, struct fl__event *e)
{
	while (i > 1 && sooner(e, es->heap[i / 2])) {
		heap_put(es, i, es->heap[i / 2]);
		i /= 2;
	}
	heap_put(es, i, e);
}

static void sift_down(struct fl__events *es, uint32_t i, struct fl__event *e)
{
	for (uint32_t child; (child = 2 * i) <= es->n_heap; i = child) {
		if (child < es->n_heap && sooner(es->heap[child + 1], es->heap[child])) {
			child++;
		}
		if (!sooner(es->heap[child], e)) {
			break;
		}
		heap_put(es, i, es->heap[child]);
	}
	heap_put(es, i, e);
}

static bool heap_grow(struct fl__events *es)
{
	if (es->n_heap + 2 <= es->cap_heap) {
		return true;
	}
	uint32_t cap = es->cap_heap * 2 + 64;
	struct fl__event **heap = realloc(es->heap, cap * sizeof(struct fl__event *));
	if (heap == NULL) {
		return false;
	}
	es->heap = heap;
	es->cap_heap = cap;
	return true;
}

static bool heap_add(struct fl__events *es, struct fl__event *e)
{
	if (!heap_grow(es)) {
		return false;
	}
	e->order = es->sequence++;
	sift_up(es, ++es->n_heap, e);
	return true;
}

static void heap_remove(struct fl__events *es, struct fl__event *e)
{
	uint32_t i = e->heap_at;
	if (i == 0) {
		return;
	}
	e->heap_at = 0;
	struct fl__event *last = es->heap[es->n_heap--];
	if (last == e) {
		return;
	}
	if (i > 1 && sooner(last, es->heap[i / 2])) {
		sift_up(es, i, last);
	} else {
		sift_down(es, i, last);
	}
}

static void on_timer(uv_timer_t *timer);

/* Set libuv's timer to the soonest of ours. It rounds up, and on_timer() looks at
 * the clock itself, so a timer is never early and at most 1 ms late. */
static void arm(struct fl__events *es)
{
	if (es->n_heap == 0) {
		if (es->armed_ns != 0) {
			uv_timer_stop(&es->timer);
			es->armed_ns = 0;
		}
		return;
	}
	uint64_t due = es->heap[1]->due_ns;
	if (due == es->armed_ns) {
		return;
	}
	uint64_t now = fl_clock_boot_ns();
	uint64_t wait_ms = due > now ? (due - now + FL_MS_NS - 1) / FL_MS_NS : 0;
	uv_update_time(es->timer.loop); /* its own idea of now is as old as the turn */
	uv_timer_start(&es->timer, on_timer, wait_ms, 0);
	es->armed_ns = due;
}

/* ---- delivering ---- */

static void end_turn(struct fl__events *es)
{
	arm(es);
	if (es->turn != NULL) {
		es->turn(es->turn_arg);
	}
}

static void on_timer(uv_timer_t *timer)
{
	struct fl__events *es = timer->data;
	es->armed_ns = 0;
	uint64_t now = fl_clock_boot_ns();
	for (int n = 0; n < TIMERS_A_TURN && es->n_heap > 0; n++) {
		struct fl__event *e = es->heap[1];
		if (e->due_ns > now) {
			break;
		}
		heap_remove(es, e); /* one-shot: the callback may set it again, or free it */
		e->cb(e->fd, UB_EV_TIMEOUT, e->arg);
	}
	end_turn(es);
}

static short bits_of(uint32_t epoll_bits)
{
	short bits = 0;
	if (epoll_bits &
	    (EPOLLERR | EPOLLHUP)) { /* a refusal is read from the socket by who owns it */
		bits = UB_EV_READ | UB_EV_WRITE;
	}
	if (epoll_bits & EPOLLIN) {
		bits |= UB_EV_READ;
	}
	if (epoll_bits & EPOLLOUT) {
		bits |= UB_EV_WRITE;
	}
	return bits;
}

static int event_del(struct ub_event *event);

static void deliver(struct fl__event *e, short bits)
{
	e->batch_at = -1;
	bits = (short)(bits & e->bits);
	if (bits == 0) {
		return;
	}
	if (!(e->bits & UB_EV_PERSIST)) {
		event_del(&e->event);
	}
	e->cb(e->fd, bits, e->arg); /* e may be gone now */
}

/* One epoll_wait; returns true when there may be more to fetch. */
static bool deliver_batch(struct fl__events *es)
{
	struct epoll_event got[FL__EVENTS_BATCH];
	int n = epoll_wait(es->epoll_fd, got, FL__EVENTS_BATCH, 0);
	if (n <= 0) {
		return false;
	}
	for (int i = 0; i < n; i++) {
		es->batch[i] = got[i].data.ptr;
		es->batch[i]->batch_at = i;
	}
	es->n_batch = n;
	for (int i = 0; i < n; i++) {
		if (es->batch[i] != NULL) {
			deliver(es->batch[i], bits_of(got[i].events));
		}
	}
	es->n_batch = 0;
	return n == FL__EVENTS_BATCH;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	(void)status; /* the epoll descriptor itself cannot fail */
	(void)events;
	struct fl__events *es = poll->data;
	for (int round = 0; round < FL__EVENTS_ROUNDS && deliver_batch(es); round++) {
	}
	end_turn(es);
}

/* ---- libunbound's vtables ---- */

static struct fl__event *of(struct ub_event *event)
{
	return (struct fl__event *)(void *)event;
}

static int event_del(struct ub_event *event)
{
	struct fl__event *e = of(event);
	struct fl__events *es = e->of;
	if (e->watched) { /* at once: the caller closes fd next, and its number comes back */
		epoll_ctl(es->epoll_fd, EPOLL_CTL_DEL, e->fd, NULL);
		e->watched = false;
	}
	heap_remove(es, e);
	if (e->batch_at >= 0) {
		es->batch[e->batch_at] = NULL;
		e->batch_at = -1;
	}
	return 0;
}

static uint64_t due_after(const struct timeval *tv)
{
	uint64_t s = tv->tv_sec > 0 ? (uint64_t)tv->tv_sec : 0;
	uint64_t us = tv->tv_usec > 0 ? (uint64_t)tv->tv_usec : 0;
	return fl_clock_boot_ns() + s * FL_S_NS + us * 1000;
}

static int set_timer(struct fl__event *e, const struct timeval *tv)
{
	struct fl__events *es = e->of;
	e->due_ns = due_after(tv);
	if (!heap_add(es, e)) {
		return -1;
	}
	FL_COUNT_ADD(es->counters, upstream_timers, 1);
	if (es->heap[1] == e) {
		arm(es);
	}
	return 0;
}

static int watch(struct fl__event *e)
{
	struct epoll_event want = { .data.ptr = e };
	want.events |= e->bits & UB_EV_READ ? EPOLLIN : 0U;
	want.events |= e->bits & UB_EV_WRITE ? EPOLLOUT : 0U;
	if (want.events == 0) {
		return 0;
	}
	if (epoll_ctl(e->of->epoll_fd, EPOLL_CTL_ADD, e->fd, &want) != 0) {
		return -1;
	}
	e->watched = true;
	return 0;
}

/* The timeout counts only where the event was made for one: libunbound passes
 * stale timevals with events that were not. */
static int event_add(struct ub_event *event, struct timeval *tv)
{
	struct fl__event *e = of(event);
	event_del(event);
	if (e->fd >= 0 && watch(e) != 0) {
		return -1;
	}
	if (tv != NULL && (e->bits & UB_EV_TIMEOUT)) {
		return set_timer(e, tv);
	}
	return 0;
}

static void event_add_bits(struct ub_event *event, short bits)
{
	of(event)->bits = (short)(of(event)->bits | bits);
}

static void event_del_bits(struct ub_event *event, short bits)
{
	of(event)->bits = (short)(of(event)->bits & ~bits);
}

static void event_set_fd(struct ub_event *event, int fd)
{
	event_del(event);
	of(event)->fd = fd;
}

static void event_free(struct ub_event *event)
{
	struct fl__event *e = of(event);
	struct fl__events *es = e->of;
	event_del(event);
	e->event.magic = 0; /* a call on a freed event is then skipped by libunbound itself */
	e->next_free = es->free;
	es->free = e;
	es->live--;
}

static int event_add_timer(struct ub_event *event, struct ub_event_base *base,
			   void (*cb)(int, short, void *), void *arg, struct timeval *tv)
{
	(void)base; /* there is one, and the event knows it */
	struct fl__event *e = of(event);
	e->cb = cb;
	e->arg = arg;
	e->bits = (short)(e->bits | UB_EV_TIMEOUT);
	event_del(event);
	return set_timer(e, tv);
}

static int no_signal_add(struct ub_event *event, struct timeval *tv)
{
	(void)event;
	(void)tv;
	return -1;
}

static int no_signal_del(struct ub_event *event)
{
	(void)event;
	return -1;
}

static void no_wsaevent(struct ub_event *event)
{
	(void)event;
}

static void no_wouldblock(struct ub_event *event, int bit)
{
	(void)event;
	(void)bit;
}

static struct ub_event_vmt *event_vmt(void)
{
	static struct ub_event_vmt vmt = { /* const but for libunbound's prototype */
					   .add_bits = event_add_bits,
					   .del_bits = event_del_bits,
					   .set_fd = event_set_fd,
					   .free = event_free,
					   .add = event_add,
					   .del = event_del,
					   .add_timer = event_add_timer,
					   .del_timer = event_del,
					   .add_signal = no_signal_add,
					   .del_signal = no_signal_del,
					   .winsock_unregister_wsaevent = no_wsaevent,
					   .winsock_tcp_wouldblock = no_wouldblock
	};
	return &vmt;
}

static bool slab_add(struct fl__events *es)
{
	struct fl__slab *slab = calloc(1, sizeof(*slab));
	if (slab == NULL) {
		return false;
	}
	slab->next = es->slabs;
	es->slabs = slab;
	for (int i = SLAB_EVENTS; i-- > 0;) {
		slab->at[i].next_free = es->free;
		es->free = &slab->at[i];
	}
	return true;
}

static struct ub_event *base_new_event(struct ub_event_base *base, int fd, short bits,
				       void (*cb)(int, short, void *), void *arg)
{
	struct fl__events *es = (struct fl__events *)(void *)base;
	if (es->free == NULL && !slab_add(es)) {
		return NULL;
	}
	struct fl__event *e = es->free;
	es->free = e->next_free;
	*e = (struct fl__event){ .event = { .magic = UB_EVENT_MAGIC, .vmt = event_vmt() },
				 .of = es,
				 .cb = cb,
				 .arg = arg,
				 .fd = fd,
				 .batch_at = -1,
				 .bits = bits };
	es->live++;
	return &e->event;
}

static void base_free(struct ub_event_base *base)
{
	(void)base; /* ours, and older than any context */
}

static int base_dispatch(struct ub_event_base *base)
{
	(void)base;
	return -1;
}

static int base_loopexit(struct ub_event_base *base, struct timeval *tv)
{
	(void)base;
	(void)tv;
	return -1;
}

static struct ub_event *base_new_signal(struct ub_event_base *base, int fd,
					void (*cb)(int, short, void *), void *arg)
{
	(void)base;
	(void)fd;
	(void)cb;
	(void)arg;
	return NULL;
}

static struct ub_event *base_wsaevent(struct ub_event_base *base, void *wsaevent,
				      void (*cb)(int, short, void *), void *arg)
{
	(void)base;
	(void)wsaevent;
	(void)cb;
	(void)arg;
	return NULL;
}

static struct ub_event_base_vmt *base_vmt(void)
{
	static struct ub_event_base_vmt vmt = { /* const but for libunbound's prototype */
						.free = base_free,
						.dispatch = base_dispatch,
						.loopexit = base_loopexit,
						.new_event = base_new_event,
						.new_signal = base_new_signal,
						.winsock_register_wsaevent = base_wsaevent
	};
	return &vmt;
}

/* ---- life ---- */

enum fl_err fl__events_open(struct fl__events *es, uv_loop_t *loop,
			    struct fl_counters *counters, fl__events_turn_fn turn, void *arg)
{
	*es = (struct fl__events){ .base = { .magic = UB_EVENT_MAGIC, .vmt = base_vmt() },
				   .turn = turn,
				   .turn_arg = arg,
				   .counters = counters };
	es->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (es->epoll_fd < 0) {
		return FL_ESYSTEM;
	}
	if (uv_poll_init(loop, &es->poll, es->epoll_fd) != 0) {
		close(es->epoll_fd);
		return FL_ESYSTEM;
	}
	uv_timer_init(loop, &es->timer);
	es->poll.data = es;
	es->timer.data = es;
	es->open_handles = 2;
	uv_poll_start(&es->poll, UV_READABLE, on_poll);
	return FL_OK;
}

static void on_closed(uv_handle_t *handle)
{
	struct fl__events *es = handle->data;
	if (--es->open_handles == 0) {
		es->closed(es->turn_arg);
	}
}

void fl__events_close(struct fl__events *es, void (*closed)(void *arg))
{
	assert(es->live == 0);
	es->closed = closed;
	uv_close((uv_handle_t *)&es->timer, on_closed);
	uv_close((uv_handle_t *)&es->poll, on_closed);
	close(es->epoll_fd); /* libuv has let go of it in uv_close() */
	for (struct fl__slab *slab = es->slabs, *next; slab != NULL; slab = next) {
		next = slab->next;
		free(slab);
	}
	free(es->heap);
	es->slabs = NULL;
	es->heap = NULL;
}
