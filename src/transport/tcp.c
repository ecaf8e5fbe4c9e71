#include "fairlead/transport/tcp.h"

#include "tcp_private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DISCARD_OCTETS = 1024 * 1024 }; /* tcp(7): MSG_TRUNC drops them without a buffer */

/* --- lifetime --- */

static void free_tcp(struct fl_tcp *t)
{
	fl__clients_fini(&t->clients);
	free(t->slot);
	free(t);
}

static void release(struct fl_tcp *t)
{
	if (--t->open_handles == 0) {
		free_tcp(t);
	}
}

static void on_conn_closed(uv_handle_t *handle)
{
	struct fl__tcp_conn *c = handle->data;
	struct fl_tcp *t = c->tcp;
	free(c->in.at);
	free(c->out.at);
	free(c);
	release(t);
}

static void on_closed(uv_handle_t *handle)
{
	release(handle->data);
}

/* The slot is free for the next connection at once: its new generation keeps late replies out.
 * Buffers stay until libuv lets go, since the message callback may be reading them. */
void fl__tcp_conn_close(struct fl__tcp_conn *c)
{
	struct fl_tcp *t = c->tcp;
	if (c->closed) {
		return;
	}
	c->closed = true;
	fl_list_remove(&c->quiet);
	fl_list_remove(&c->dirty);
	fl__clients_leave(&t->clients, c->client);
	t->slot[c->slot] = (struct fl__tcp_slot){
		.generation = t->slot[c->slot].generation + 1,
		.next_free = t->first_free,
	};
	t->first_free = c->slot;
	if (c->finishing) {
		/* Input left unread would turn the close into a reset, and that into a loss of
		 * the last answers (RFC 9293 3.10.4). */
		(void)recv(c->fd, NULL, DISCARD_OCTETS, MSG_TRUNC | MSG_DONTWAIT);
	}
	uv_close((uv_handle_t *)&c->poll, on_conn_closed);
	(void)close(c->fd); /* libuv allows it as soon as uv_close() was called */
	c->fd = -1;
	if (--t->n == 0 && !t->closing) {
		(void)uv_timer_stop(&t->sweep);
	}
}

/* --- time --- */

static void on_sweep(uv_timer_t *timer)
{
	struct fl_tcp *t = timer->data;
	const uint64_t now_ms = uv_now(t->o.loop);
	for (uint32_t i = 0; i < t->o.max_connections && !t->closing; i++) {
		if (t->slot[i].conn != NULL) {
			fl__tcp_conn_check_time(t->slot[i].conn, now_ms);
		}
	}
}

static void settle_dirty(struct fl_tcp *t)
{
	/* a message callback may answer others, which come at the end of the same list */
	while (!fl_list_empty(&t->dirty) && !t->closing) {
		fl__tcp_conn_settle(FL_CONTAINER(t->dirty.next, struct fl__tcp_conn, dirty));
	}
}

static void on_prepare(uv_prepare_t *handle)
{
	settle_dirty(handle->data);
}

static void on_check(uv_check_t *handle)
{
	settle_dirty(handle->data);
}

/* --- accepting --- */

static void overflow(struct fl_tcp *t)
{
	FL_COUNT_ADD(t->o.counters, tcp_overflow, 1);
}

/*
 * Over 80 % full, room is made by the connection that has been quiet longest;
 * up to the limit only by one that has had a fair while to ask (a tenth of the
 * idle time), so that a burst of new ones does not push each other out. Quiet
 * means nothing in flight: a half-sent message or an unread answer counts as
 * quiet too.
 */
static void make_room(struct fl_tcp *t)
{
	if (t->n < t->o.max_connections - t->o.max_connections / 5 ||
	    fl_list_empty(&t->quiet)) {
		return;
	}
	struct fl__tcp_conn *c = FL_CONTAINER(t->quiet.next, struct fl__tcp_conn, quiet);
	const bool fair = uv_now(t->o.loop) - c->quiet_ms >= t->o.idle_ms / 10;
	if (fair || t->n >= t->o.max_connections) {
		overflow(t);
		fl__tcp_conn_close(c);
	}
}

static struct fl__tcp_conn *new_conn(struct fl_tcp *t, int fd, const struct fl_addr *peer,
				     uint32_t client)
{
	struct fl__tcp_conn *c = calloc(1, sizeof(*c));
	if (c == NULL || uv_poll_init(t->o.loop, &c->poll, fd) != 0) {
		free(c);
		return NULL;
	}
	c->tcp = t;
	c->poll.data = c;
	c->fd = fd;
	c->peer = *peer;
	c->client = client;
	c->slot = t->first_free;
	fl_list_init(&c->quiet);
	fl_list_init(&c->dirty);
	t->first_free = t->slot[c->slot].next_free;
	t->slot[c->slot].conn = c;
	t->open_handles++;
	return c;
}

/* True when the connection has been taken in; else it is still the caller's to close. */
static bool admit(struct fl_tcp *t, int fd, const struct sockaddr *from)
{
	struct fl_addr peer;
	uint32_t client;
	if (!fl_addr_from_sockaddr(from, &peer)) {
		return false;
	}
	/* before room is made: a client at its own limit must not push out others */
	if (!fl__clients_enter(&t->clients, &peer, t->o.max_per_client, &client)) {
		overflow(t);
		return false;
	}
	make_room(t);
	struct fl__tcp_conn *c = NULL;
	if (t->n >= t->o.max_connections) {
		overflow(t);
	} else {
		c = new_conn(t, fd, &peer, client);
	}
	if (c == NULL) {
		fl__clients_leave(&t->clients, client);
		return false;
	}
	if (t->n++ == 0) {
		uint64_t every_ms = t->o.idle_ms / 4;
		every_ms = every_ms < FL__TCP_SWEEP_MS ? every_ms : FL__TCP_SWEEP_MS;
		every_ms = every_ms > 0 ? every_ms : 1;
		(void)uv_timer_start(&t->sweep, on_sweep, every_ms, every_ms);
	}
	fl__tcp_conn_start(c);
	return true;
}

static void on_listener(uv_poll_t *handle, int status, int events);

static void on_resume(uv_timer_t *timer)
{
	struct fl_tcp *t = timer->data;
	if (!t->stopped) {
		(void)uv_poll_start(&t->listener, UV_READABLE, on_listener);
	}
}

/* Out of descriptors or memory, the listening socket stays readable: wait a little instead of
 * spinning. What waits in the backlog is served later. */
static void pause_accepting(struct fl_tcp *t, int why)
{
	fl_log_gated(&t->no_descriptors, 60, FL_LOG_WARNING,
		     "TCP connections wait, since the system refuses to accept them: %s",
		     strerror(why));
	(void)uv_poll_stop(&t->listener);
	(void)uv_timer_start(&t->resume, on_resume, FL__TCP_ACCEPT_PAUSE_MS, 0);
}

static void on_listener(uv_poll_t *handle, int status, int events)
{
	struct fl_tcp *t = handle->data;
	(void)events;
	if (status < 0) { /* libuv has stopped the handle */
		pause_accepting(t, -status);
		return;
	}
	for (unsigned i = 0; i < FL__TCP_ACCEPTS; i++) {
		struct sockaddr_storage from;
		socklen_t len = sizeof(from);
		const int fd = accept4(t->o.fd, (struct sockaddr *)&from, &len,
				       SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			FL_COUNT_ADD(t->o.counters, tcp_accepted, 1);
			if (!admit(t, fd, (const struct sockaddr *)&from)) {
				(void)close(fd);
			}
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			pause_accepting(t, errno);
			return;
		}
		if (errno == EAGAIN) {
			return;
		}
		/* others belong to a connection that is gone already: accept(2) */
	}
}

/* --- the contract --- */

struct fl_tcp_options fl_tcp_options_default(void)
{
	return (struct fl_tcp_options){
		.fd = -1,
		.max_connections = 1024,
		.max_per_client = 100,
		.max_in_flight = 100,
		.max_out_bytes = 256 * 1024,
		.idle_ms = 10000, /* RFC 7766 6.2.3: some seconds */
	};
}

static enum fl_err make_slots(struct fl_tcp *t)
{
	const uint32_t max = t->o.max_connections;
	t->slot = calloc(max, sizeof(*t->slot));
	if (t->slot == NULL) {
		return FL_ENOMEM;
	}
	for (uint32_t i = 0; i < max; i++) {
		t->slot[i].next_free = i + 1 < max ? i + 1 : FL__TCP_NONE;
	}
	return fl__clients_init(&t->clients, max + 1); /* one more while room is made */
}

static void start_handles(struct fl_tcp *t)
{
	/* none of these can fail; none keeps the loop alive but the listener and the sweep */
	(void)uv_timer_init(t->o.loop, &t->sweep);
	(void)uv_timer_init(t->o.loop, &t->resume);
	(void)uv_prepare_init(t->o.loop, &t->prepare);
	(void)uv_check_init(t->o.loop, &t->check);
	t->listener.data = t->sweep.data = t->resume.data = t;
	t->prepare.data = t->check.data = t;
	t->open_handles = 5;
	(void)uv_prepare_start(&t->prepare, on_prepare);
	(void)uv_check_start(&t->check, on_check);
	uv_unref((uv_handle_t *)&t->prepare);
	uv_unref((uv_handle_t *)&t->check);
	(void)uv_poll_start(&t->listener, UV_READABLE, on_listener);
}

enum fl_err fl_tcp_open(const struct fl_tcp_options *o, struct fl_tcp **out)
{
	enum fl_err err;
	if (o->max_connections == 0 || o->max_per_client == 0 || o->max_in_flight == 0 ||
	    o->max_out_bytes == 0 || o->idle_ms == 0) {
		return FL_EINVALID;
	}
	struct fl_tcp *t = calloc(1, sizeof(*t));
	if (t == NULL) {
		return FL_ENOMEM;
	}
	t->o = *o;
	fl_list_init(&t->quiet);
	fl_list_init(&t->dirty);
	if ((err = make_slots(t)) != FL_OK) {
		goto free_all;
	}
	err = FL_ESYSTEM;
	if (uv_poll_init(o->loop, &t->listener, o->fd) != 0) { /* also makes it non-blocking */
		goto free_all;
	}
	start_handles(t);
	*out = t;
	return FL_OK;
free_all:
	free_tcp(t);
	return err;
}

static struct fl__tcp_conn *find(const struct fl_tcp *t, struct fl_tcp_conn_id id)
{
	if (id.slot >= t->o.max_connections || t->slot[id.slot].generation != id.generation) {
		return NULL;
	}
	return t->slot[id.slot].conn;
}

void fl_tcp_send(struct fl_tcp *t, struct fl_tcp_conn_id conn, const uint8_t *reply, size_t len)
{
	struct fl__tcp_conn *c = find(t, conn);
	if (c != NULL) {
		fl__tcp_conn_answer(c, reply, len);
	}
}

bool fl_tcp_alive(const struct fl_tcp *t, struct fl_tcp_conn_id conn)
{
	return find(t, conn) != NULL;
}

unsigned fl_tcp_busy(const struct fl_tcp *t)
{
	unsigned busy = 0;
	for (uint32_t i = 0; i < t->o.max_connections; i++) {
		const struct fl__tcp_conn *c = t->slot[i].conn;
		busy += c != NULL && (c->in_flight > 0 || fl__buffer_len(&c->out) > 0);
	}
	return busy;
}

void fl_tcp_stop(struct fl_tcp *t)
{
	if (t->stopped) {
		return;
	}
	t->stopped = true;
	(void)uv_poll_stop(&t->listener);
	(void)uv_timer_stop(&t->resume);
	(void)close(t->o.fd); /* the supervisor keeps its own; connections wait in there */
	t->o.fd = -1;
	for (uint32_t i = 0; i < t->o.max_connections; i++) {
		if (t->slot[i].conn != NULL) {
			fl__tcp_conn_finish(t->slot[i].conn);
		}
	}
	settle_dirty(t);
}

void fl_tcp_close(struct fl_tcp *t)
{
	if (t->closing) {
		return;
	}
	fl_tcp_stop(t); /* replies that wait get their last chance */
	t->closing = true;
	for (uint32_t i = 0; i < t->o.max_connections; i++) {
		if (t->slot[i].conn != NULL) {
			fl__tcp_conn_close(t->slot[i].conn);
		}
	}
	(void)uv_timer_stop(&t->sweep);
	uv_close((uv_handle_t *)&t->listener, on_closed);
	uv_close((uv_handle_t *)&t->sweep, on_closed);
	uv_close((uv_handle_t *)&t->resume, on_closed);
	uv_close((uv_handle_t *)&t->prepare, on_closed);
	uv_close((uv_handle_t *)&t->check, on_closed);
}
