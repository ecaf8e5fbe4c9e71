#include "tcp_private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Room for @p more octets at the end, growing by doubling, so that a buffer is never more than
 * twice what is in it. */
static bool buffer_reserve(struct fl__buffer *b, size_t more)
{
	const size_t len = fl__buffer_len(b);
	if (more <= b->size - b->end) {
		return true;
	}
	if (b->start > 0 && more <= b->size - len) {
		memmove(b->at, b->at + b->start, len);
		b->start = 0;
		b->end = len;
		return true;
	}
	size_t size = b->size > 0 ? b->size : 64;
	while (size - len < more) {
		size *= 2;
	}
	uint8_t *at = malloc(size);
	if (at == NULL) {
		return false;
	}
	if (len > 0) {
		memcpy(at, b->at + b->start, len);
	}
	free(b->at);
	*b = (struct fl__buffer){ at, 0, len, size };
	return true;
}

static void buffer_append(struct fl__buffer *b, const void *octets, size_t len)
{
	memcpy(b->at + b->end, octets, len);
	b->end += len;
}

/* Keeps up to @p keep octets of memory when nothing is in it. */
static void buffer_take(struct fl__buffer *b, size_t len, size_t keep)
{
	b->start += len;
	if (b->start < b->end) {
		return;
	}
	b->start = b->end = 0;
	if (b->size > keep) {
		free(b->at);
		*b = (struct fl__buffer){ 0 };
	}
}

static void broken(struct fl__tcp_conn *c)
{
	FL_COUNT_ADD(c->tcp->o.counters, tcp_broken, 1);
	fl__tcp_conn_close(c);
}

/* --- out --- */

static void write_out(struct fl__tcp_conn *c)
{
	while (!c->blocked && !c->closed && fl__buffer_len(&c->out) > 0) {
		const ssize_t n = send(c->fd, c->out.at + c->out.start, fl__buffer_len(&c->out),
				       MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM)) {
			c->blocked = true;
			return;
		}
		if (n < 0) {
			fl__tcp_conn_close(c); /* reset by the client */
			return;
		}
		/* a short write means a full socket, but saying so is left to the next one */
		buffer_take(&c->out, (size_t)n, FL__TCP_KEEP);
		c->written_ms = uv_now(c->tcp->o.loop);
	}
}

/* Replies are gathered and leave when the turn ends or the read that asked for them is done
 * with: one write for many. */
static void frame_reply(struct fl__tcp_conn *c, const uint8_t *reply, size_t len)
{
	const uint8_t prefix[2] = { (uint8_t)(len >> 8), (uint8_t)len };
	const size_t waiting = fl__buffer_len(&c->out);
	if (waiting + 2 + len > FL__TCP_GATHER || waiting + 2 + len > c->tcp->o.max_out_bytes) {
		write_out(c);
	}
	if (c->closed) {
		return;
	}
	if (fl__buffer_len(&c->out) + 2 + len > c->tcp->o.max_out_bytes) {
		broken(c); /* it asks, and does not read */
		return;
	}
	if (!buffer_reserve(&c->out, 2 + len)) {
		fl__tcp_conn_close(c);
		return;
	}
	if (fl__buffer_len(&c->out) == 0) {
		c->written_ms = uv_now(c->tcp->o.loop);
	}
	buffer_append(&c->out, prefix, sizeof(prefix));
	buffer_append(&c->out, reply, len);
}

void fl__tcp_conn_answer(struct fl__tcp_conn *c, const uint8_t *reply, size_t len)
{
	assert(c->in_flight > 0 && len <= FL__TCP_MESSAGE_MAX);
	c->in_flight--;
	c->was_active = true;
	if (!c->settling && fl_list_empty(&c->dirty)) {
		fl_list_append(&c->tcp->dirty, &c->dirty);
	}
	if (len > 0) {
		frame_reply(c, reply, len);
	}
}

/* --- in --- */

/* RFC 7766 6.2.1.1 lets a client pipeline as it likes; how much of it is taken in is ours. */
static bool may_consume(const struct fl__tcp_conn *c)
{
	return !c->closed && (!c->finishing || c->ended) &&
	       c->in_flight < c->tcp->o.max_in_flight &&
	       fl__buffer_len(&c->out) <= c->tcp->o.max_out_bytes / 2;
}

static bool may_read(const struct fl__tcp_conn *c)
{
	return may_consume(c) && !c->finishing;
}

/* Hand out the whole messages in @p octets; returns the octets consumed. */
static size_t consume(struct fl__tcp_conn *c, const uint8_t *octets, size_t len)
{
	struct fl_tcp *t = c->tcp;
	size_t done = 0;
	while (len - done >= 2 && may_consume(c)) {
		const size_t message = (size_t)octets[done] << 8 | octets[done + 1];
		if (message < FL__TCP_MESSAGE_MIN) {
			write_out(c); /* what was asked before it, and is answered */
			broken(c);
			break;
		}
		if (len - done - 2 < message) {
			break;
		}
		c->in_flight++;
		c->asked = c->was_active = true;
		const struct fl_tcp_conn_id id = { c->slot, t->slot[c->slot].generation };
		t->o.message(t->o.arg, id, &c->peer, octets + done + 2, message);
		done += 2 + message;
		/* answered at once, replies leave as soon as they fill a good segment train */
		if (fl__buffer_len(&c->out) > t->o.max_out_bytes / 2) {
			write_out(c);
		}
	}
	return done;
}

/* True when @p c->in holds a whole message, or a broken one: work for consume(). */
static bool has_message(const struct fl__tcp_conn *c)
{
	const size_t len = fl__buffer_len(&c->in);
	if (len < 2) {
		return false;
	}
	const uint8_t *at = c->in.at + c->in.start;
	const size_t message = (size_t)at[0] << 8 | at[1];
	return message < FL__TCP_MESSAGE_MIN || len - 2 >= message;
}

static void consume_kept(struct fl__tcp_conn *c)
{
	const size_t len = fl__buffer_len(&c->in);
	if (len > 0) {
		const size_t done = consume(c, c->in.at + c->in.start, len);
		buffer_take(&c->in, done, 0);
	}
}

/* Octets come from the shared buffer; most times they are whole messages and nothing stays. */
static void feed(struct fl__tcp_conn *c, const uint8_t *octets, size_t len)
{
	if (fl__buffer_len(&c->in) == 0) {
		const size_t done = consume(c, octets, len);
		octets += done;
		len -= done;
	}
	if (c->closed || len == 0) {
		return;
	}
	if (!buffer_reserve(&c->in, len)) {
		fl__tcp_conn_close(c);
		return;
	}
	buffer_append(&c->in, octets, len);
	consume_kept(c);
}

/* A client that has closed its side may still wait for answers (RFC 7766 6.2.4 is about
 * servers; kdig and others half-close). */
static void end_of_input(struct fl__tcp_conn *c)
{
	c->finishing = c->ended = true;
}

static void read_in(struct fl__tcp_conn *c)
{
	const ssize_t n = recv(c->fd, c->tcp->read, sizeof(c->tcp->read), MSG_DONTWAIT);
	if (n > 0) {
		feed(c, c->tcp->read, (size_t)n);
	} else if (n == 0) {
		end_of_input(c);
	} else if (errno != EAGAIN && errno != EINTR) {
		fl__tcp_conn_close(c);
	}
}

/* --- states --- */

static void on_poll(uv_poll_t *handle, int status, int events)
{
	struct fl__tcp_conn *c = handle->data;
	if (status < 0) { /* reset */
		fl__tcp_conn_close(c);
		return;
	}
	c->settling = true;
	if ((events & UV_WRITABLE) != 0) {
		c->blocked = false;
	}
	if ((events & UV_READABLE) != 0 && may_read(c)) {
		read_in(c);
	}
	c->settling = false;
	fl__tcp_conn_settle(c);
}

static void arm(struct fl__tcp_conn *c)
{
	const int events = (may_read(c) ? UV_READABLE : 0) | (c->blocked ? UV_WRITABLE : 0);
	if (events == c->armed) {
		return;
	}
	c->armed = events;
	if (events == 0) {
		(void)uv_poll_stop(&c->poll);
	} else {
		(void)uv_poll_start(&c->poll, events, on_poll);
	}
}

static void note_times(struct fl__tcp_conn *c)
{
	const uint64_t now = uv_now(c->tcp->o.loop);
	const bool partial = fl__buffer_len(&c->in) > 0 && may_read(c);
	if (partial && (!c->partial || c->was_active)) {
		c->started_ms = now; /* more octets of the same message do not move it */
	}
	c->partial = partial;
	if (!c->was_active) {
		return;
	}
	c->was_active = false;
	fl_list_remove(&c->quiet);
	if (c->in_flight == 0) {
		c->quiet_ms = now;
		fl_list_append(&c->tcp->quiet, &c->quiet);
	}
}

static bool is_done(const struct fl__tcp_conn *c)
{
	return c->finishing && c->in_flight == 0 && fl__buffer_len(&c->out) == 0;
}

void fl__tcp_conn_settle(struct fl__tcp_conn *c)
{
	fl_list_remove(&c->dirty);
	if (c->closed || c->settling) {
		return;
	}
	c->settling = true;
	write_out(c);
	/* ends: every round hands out a message of a bounded buffer */
	while (may_consume(c) && has_message(c)) {
		consume_kept(c);
		write_out(c);
	}
	c->settling = false;
	if (c->closed) {
		return;
	}
	if (is_done(c)) {
		fl__tcp_conn_close(c);
		return;
	}
	note_times(c);
	arm(c);
}

void fl__tcp_conn_finish(struct fl__tcp_conn *c)
{
	c->finishing = true;
	c->ended = false;
	if (fl_list_empty(&c->dirty)) {
		fl_list_append(&c->tcp->dirty, &c->dirty);
	}
}

void fl__tcp_conn_start(struct fl__tcp_conn *c)
{
	c->quiet_ms = uv_now(c->tcp->o.loop);
	fl_list_append(&c->tcp->quiet, &c->quiet);
	arm(c);
}

void fl__tcp_conn_check_time(struct fl__tcp_conn *c, uint64_t now_ms)
{
	const uint64_t limit_ms = c->tcp->o.idle_ms;
	if (fl__buffer_len(&c->out) > 0) {
		if (now_ms - c->written_ms >= limit_ms) {
			broken(c); /* it does not read */
		}
		return;
	}
	/* The first message has its time from the accept on, later ones from their first octet:
	 * a slow drip gains nothing. */
	const uint64_t since_ms = c->partial && c->asked ? c->started_ms : c->quiet_ms;
	if (c->in_flight > 0) {
		if (c->partial && now_ms - c->started_ms >= limit_ms) {
			FL_COUNT_ADD(c->tcp->o.counters, tcp_idle_closed, 1);
			fl__tcp_conn_finish(c);
		}
		return;
	}
	if (now_ms - since_ms >= limit_ms) {
		FL_COUNT_ADD(c->tcp->o.counters, tcp_idle_closed, 1);
		fl__tcp_conn_close(c);
	}
}
