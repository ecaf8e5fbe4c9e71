#include "fairlead/ipc/acceptor.h"

#include "fairlead/base/clock.h"
#include "fairlead/base/list.h"
#include "fairlead/base/log.h"
#include "fairlead/ipc/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

enum {
	TURN_MAX = 64,       /* accepted in one turn of the loop */
	UNGREETED_MAX = 128, /* at least TURN_MAX more: who is accepted lives through a turn */
	GREET_MS = 5000,
	TICK_MS = 200
};

struct link {                /* one connection */
	struct fl_list node; /* in ungreeted while it has not proven itself; else alone */
	struct fl_acceptor *acceptor;
	struct fl_channel *channel;
	struct fl_peer peer; /* life 0: not proven */
	uint64_t since_ns;
};

struct fl_acceptor {
	struct fl_acceptor_options o;
	uv_poll_t poll;
	uv_timer_t tick; /* runs while there is somebody to wait for, or no accepting */
	unsigned handles;
	bool paused; /* not polled until the next tick */
	struct fl_log_gate gate;
	struct fl_list ungreeted; /* oldest first */
	unsigned n_ungreeted;
	uint32_t *lives;      /* of each index, so far */
	struct link *links[]; /* of each index, NULL: nobody */
};

static void refused(struct fl_acceptor *a)
{
	if (a->o.counters != NULL) {
		FL_COUNT_ADD(a->o.counters, ipc_refused, 1);
	}
}

static bool is_proven(const struct link *l)
{
	return l->peer.life != 0;
}

static void drop(struct link *l)
{
	struct fl_acceptor *a = l->acceptor;
	if (is_proven(l)) {
		a->links[l->peer.index] = NULL;
	} else {
		fl_list_remove(&l->node);
		a->n_ungreeted--;
	}
	fl_channel_free(l->channel);
	free(l);
}

/* --- who it is --- */

static bool proves_itself(const struct fl_acceptor *a, const struct fl_frame *f)
{
	return f->h.kind == FL_FRAME_HELLO && f->h.role == a->o.role &&
	       f->h.index < a->o.peers &&
	       f->h.job_id == fl_control_hello(a->o.greeting, a->o.role, f->h.index);
}

/* One connection an index: the new one has proven that it is the one that lives. */
static void greet(struct link *l, unsigned index)
{
	struct fl_acceptor *a = l->acceptor;
	if (a->links[index] != NULL) {
		drop(a->links[index]);
	}
	fl_list_remove(&l->node);
	a->n_ungreeted--;
	if (++a->lives[index] == 0) {
		a->lives[index] = 1;
	}
	l->peer = (struct fl_peer){ .index = index, .life = a->lives[index] };
	a->links[index] = l;
}

static void on_frame(void *arg, struct fl_channel *ch, const struct fl_frame *f, int *fds,
		     unsigned n_fds)
{
	struct link *l = arg;
	struct fl_acceptor *a = l->acceptor;
	(void)ch;
	(void)fds; /* nobody passes any here: the channel closes them */
	(void)n_fds;
	bool welcome;
	if (is_proven(l)) {
		welcome = f->h.kind != FL_FRAME_HELLO && a->o.frame(a->o.arg, l->peer, f);
	} else if ((welcome = proves_itself(a, f))) {
		greet(l, f->h.index);
	}
	if (!welcome) {
		refused(a);
		drop(l);
	}
}

static void on_closed(void *arg, struct fl_channel *ch)
{
	(void)ch;
	drop(arg);
}

/* --- accepting --- */

static void on_tick(uv_timer_t *t);

static void run_tick(struct fl_acceptor *a)
{
	if (!uv_is_active((uv_handle_t *)&a->tick)) {
		uv_timer_start(&a->tick, on_tick, TICK_MS, TICK_MS);
	}
}

static enum fl_err take(struct fl_acceptor *a, int fd)
{
	struct link *l = calloc(1, sizeof(*l));
	if (l == NULL) {
		return FL_ENOMEM;
	}
	const struct fl_channel_options o = { .loop = a->o.loop,
					      .fd = fd,
					      .frame = on_frame,
					      .closed = on_closed,
					      .arg = l,
					      .counters = a->o.counters,
					      .receiver = a->o.receiver };
	const enum fl_err err = fl_channel_open(&o, &l->channel);
	if (err != FL_OK) {
		free(l);
		return err;
	}
	l->acceptor = a;
	l->since_ns = fl_clock_boot_ns();
	fl_list_append(&a->ungreeted, &l->node);
	if (++a->n_ungreeted > UNGREETED_MAX) {
		refused(a);
		drop(FL_CONTAINER(a->ungreeted.next, struct link, node));
	}
	return FL_OK;
}

/* No descriptors, no memory, or a broken handle: the socket stays readable, so polling on would
 * spin. */
static void pause_accepting(struct fl_acceptor *a, int why)
{
	fl_log_gated(&a->gate, 10, FL_LOG_ERROR, "cannot accept connections of other roles: %s",
		     strerror(why));
	uv_poll_stop(&a->poll);
	a->paused = true;
}

static bool is_passing(int e)
{
	return e == EINTR || e == ECONNABORTED || e == EPROTO;
}

static void on_poll(uv_poll_t *h, int status, int events)
{
	struct fl_acceptor *a = h->data;
	(void)events;
	if (status < 0) {
		pause_accepting(a, -status);
	}
	for (unsigned i = 0; i < TURN_MAX && !a->paused; i++) {
		int fd;
		const enum fl_err err = fl_channel_accept(a->o.fd, &fd);
		if (err == FL_ENOTFOUND) {
			break;
		}
		if (err == FL_EDENIED) {
			refused(a);
		} else if (err != FL_OK && !is_passing(errno)) {
			pause_accepting(a, errno);
		} else if (err == FL_OK && take(a, fd) != FL_OK) {
			close(fd);
			refused(a);
			pause_accepting(a, ENOMEM);
		}
	}
	if (a->paused || a->n_ungreeted > 0) {
		run_tick(a);
	}
}

static void poll_on(struct fl_acceptor *a)
{
	a->paused = uv_poll_start(&a->poll, UV_READABLE, on_poll) != 0;
}

static void drop_silent(struct fl_acceptor *a)
{
	const uint64_t now = fl_clock_boot_ns();
	while (!fl_list_empty(&a->ungreeted)) {
		struct link *oldest = FL_CONTAINER(a->ungreeted.next, struct link, node);
		if (now - oldest->since_ns < (uint64_t)GREET_MS * FL_MS_NS) {
			return;
		}
		refused(a);
		drop(oldest);
	}
}

static void on_tick(uv_timer_t *t)
{
	struct fl_acceptor *a = t->data;
	drop_silent(a); /* first: it may give back the descriptors that were lacking */
	if (a->paused) {
		poll_on(a);
	}
	if (!a->paused && a->n_ungreeted == 0) {
		uv_timer_stop(t);
	}
}

/* --- for the role --- */

struct fl_peer fl_acceptor_peer(const struct fl_acceptor *a, unsigned index)
{
	return index < a->o.peers && a->links[index] != NULL ? a->links[index]->peer
							     : (struct fl_peer){ index, 0 };
}

enum fl_err fl_acceptor_send(struct fl_acceptor *a, struct fl_peer to, const struct fl_frame *f)
{
	const struct fl_peer now = fl_acceptor_peer(a, to.index);
	if (now.life == 0 || now.life != to.life) {
		return FL_ECLOSED;
	}
	return fl_channel_send(a->links[to.index]->channel, f);
}

void fl_acceptor_flush(struct fl_acceptor *a)
{
	for (unsigned i = 0; i < a->o.peers; i++) {
		if (a->links[i] != NULL) {
			fl_channel_flush(a->links[i]->channel);
		}
	}
}

/* --- life --- */

static void free_acceptor(struct fl_acceptor *a)
{
	free(a->lives);
	free(a);
}

enum fl_err fl_acceptor_open(const struct fl_acceptor_options *o, struct fl_acceptor **out)
{
	struct fl_acceptor *a = calloc(1, sizeof(*a) + o->peers * sizeof(a->links[0]));
	if (a == NULL) {
		return FL_ENOMEM;
	}
	a->o = *o;
	fl_list_init(&a->ungreeted);
	a->lives = calloc(o->peers + 1, sizeof(a->lives[0]));
	if (a->lives == NULL) {
		free_acceptor(a);
		return FL_ENOMEM;
	}
	if (uv_poll_init(o->loop, &a->poll, o->fd) != 0) {
		free_acceptor(a);
		return FL_ESYSTEM;
	}
	uv_timer_init(o->loop, &a->tick);
	a->poll.data = a->tick.data = a;
	a->handles = 2;
	poll_on(a);
	if (a->paused) {
		run_tick(a);
	}
	*out = a;
	return FL_OK;
}

static void on_handle_closed(uv_handle_t *h)
{
	struct fl_acceptor *a = h->data;
	if (h == (uv_handle_t *)&a->poll) {
		close(a->o.fd); /* after libuv forgot it, or the number could be another's */
	}
	if (--a->handles == 0) {
		free_acceptor(a);
	}
}

void fl_acceptor_close(struct fl_acceptor *a)
{
	if (a == NULL) {
		return;
	}
	while (!fl_list_empty(&a->ungreeted)) {
		drop(FL_CONTAINER(a->ungreeted.next, struct link, node));
	}
	for (unsigned i = 0; i < a->o.peers; i++) {
		if (a->links[i] != NULL) {
			drop(a->links[i]);
		}
	}
	uv_close((uv_handle_t *)&a->poll, on_handle_closed);
	uv_close((uv_handle_t *)&a->tick, on_handle_closed);
}
