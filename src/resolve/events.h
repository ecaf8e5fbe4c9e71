/**
 * @file
 * libunbound's events on one libuv loop.
 *
 * libunbound brings its own event interface (unbound-event.h) and asks for an
 * event a socket and a timer a query. All sockets stand in one epoll descriptor,
 * which one uv_poll_t watches, and all timers in one binary heap behind one
 * uv_timer_t: a third fewer system calls than a libuv handle for each, and no
 * handle whose closing outlives its event.
 *
 * One struct serves every context of a process: contexts share the base.
 */
#ifndef FL_RESOLVE_EVENTS_H
#define FL_RESOLVE_EVENTS_H

#include "fairlead/base/counters.h"
#include "fairlead/base/err.h"

#include <stdint.h>
#include <unbound-event.h>
#include <uv.h>

struct fl__event;

/** Called after each round of callbacks, outside of libunbound. */
typedef void (*fl__events_turn_fn)(void *arg);

enum { FL__EVENTS_BATCH = 64, FL__EVENTS_ROUNDS = 4 };

struct fl__events {
	struct ub_event_base base; /* first: libunbound holds a pointer to it */
	uv_poll_t poll;
	uv_timer_t timer;
	int epoll_fd;
	struct fl__event **heap; /* [1..n_heap], soonest first */
	uint32_t n_heap, cap_heap;
	uint64_t armed_ns; /* when the uv timer will fire; 0: not set */
	uint64_t sequence; /* timers of one instant fire in the order they were set */
	struct fl__event *free;
	struct fl__slab *slabs;
	uint32_t live;                             /* events handed out */
	struct fl__event *batch[FL__EVENTS_BATCH]; /* NULL: deleted since epoll_wait */
	int n_batch;
	fl__events_turn_fn turn;
	void *turn_arg;
	struct fl_counters *counters;
	unsigned open_handles;
	void (*closed)(void *arg);
};

/** Needs one descriptor; @p turn may be NULL. */
enum fl_err fl__events_open(struct fl__events *es, uv_loop_t *loop,
			    struct fl_counters *counters, fl__events_turn_fn turn,
			    void *arg) FL_MUST_USE;

/**
 * No event may be live. @p closed is called with the same argument as the turn
 * when libuv has let the handles go, on a later turn of the loop; @p es must
 * live until then.
 */
void fl__events_close(struct fl__events *es, void (*closed)(void *arg));

#endif
