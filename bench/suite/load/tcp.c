#include "load/tcp.h"

#include "load/tally.h"
#include "say.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	SLOTS = 256, /* questions of one connection; an ID is a slot and a round */
	SLOT_BITS = 8,
	LENGTH_LEN = 2, /* RFC 1035 4.2.2 */
	HEADER_LEN = 12,
	IN_ROOM = 128 << 10, /* two of the longest messages */
	OUT_ROOM = 32 << 10,
	EVENTS = 64,
	SWEEP_NS = 50 * 1000 * 1000,
};

struct connection {
	int fd;
	uint64_t reopen_ns; /* without a descriptor: when it is made anew; 0: never */
	bool connecting;
	unsigned asked; /* on this connection, where it is to end after so many */
	unsigned busy;
	unsigned free_head;
	unsigned free_count;
	uint8_t free_slot[SLOTS];
	struct flight flight[SLOTS];
	size_t in_len;
	size_t out_len;
	size_t out_at;
	uint8_t in[IN_ROOM];
	uint8_t out[OUT_ROOM];
};

struct tcp {
	const struct load_plan *plan;
	struct tally tally;
	struct connection *connections;
	unsigned busy;
	unsigned open;
	bool empty;
	bool sending;
	uint64_t swept_ns;
	int poll_fd;
};

static bool open_connection(struct tcp *t, struct connection *c, unsigned i)
{
	const int one = 1;
	const struct sockaddr_in from = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(0x7f010001U + i), /* 127.1.x.y */
	};
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT, .data.u32 = i };
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0 || bind(c->fd, (const struct sockaddr *)&from, sizeof(from)) != 0 ||
	    (connect(c->fd, (const struct sockaddr *)&t->plan->server,
		     sizeof(t->plan->server)) != 0 &&
	     errno != EINPROGRESS) ||
	    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0 ||
	    epoll_ctl(t->poll_fd, EPOLL_CTL_ADD, c->fd, &event) != 0) {
		say_error("cannot open TCP connection %u: %s", i, strerror(errno));
		return false;
	}
	for (unsigned s = 0; s < SLOTS; s++) {
		c->free_slot[s] = (uint8_t)s;
	}
	c->free_head = 0;
	c->free_count = SLOTS;
	c->in_len = c->out_len = c->out_at = 0;
	c->asked = 0;
	c->reopen_ns = 0;
	c->connecting = true;
	t->open++;
	return true;
}

/* The handshake is over, well or not: a failure shows when it is read. */
static void connected(struct tcp *t, struct connection *c, unsigned i)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = i };
	epoll_ctl(t->poll_fd, EPOLL_CTL_MOD, c->fd, &event);
	c->connecting = false;
	t->tally.result->handshakes += t->tally.counting ? 1 : 0;
}

static void free_slot(struct tcp *t, struct connection *c, unsigned slot)
{
	c->flight[slot].busy = false;
	c->free_slot[(c->free_head + c->free_count) % SLOTS] = (uint8_t)slot;
	c->free_count++;
	c->busy--;
	t->busy--;
}

static void close_connection(struct tcp *t, struct connection *c)
{
	close(c->fd);
	c->fd = -1;
	c->reopen_ns = t->plan->churn != 0 ? now_ns() + t->plan->idle_ns : 0;
	t->open--;
}

/* The server closed it: what was asked on it is lost. */
static void drop_connection(struct tcp *t, struct connection *c)
{
	for (unsigned s = 0; s < SLOTS; s++) {
		if (c->flight[s].busy) {
			tally_lost(&t->tally, &c->flight[s]);
			free_slot(t, c, s);
		}
	}
	close_connection(t, c);
	t->tally.result->reset = true;
}

static bool add_question(struct tcp *t, struct connection *c, uint64_t now)
{
	struct pick pick;
	if (!mix_next(t->plan->mix, &pick)) {
		t->empty = true;
		return false;
	}
	const uint8_t slot = c->free_slot[c->free_head];
	struct flight *f = &c->flight[slot];
	c->free_head = (c->free_head + 1) % SLOTS;
	c->free_count--;
	c->asked++;
	c->busy++;
	t->busy++;
	*f = (struct flight){ now, pick, (uint8_t)(f->round + 1), true };
	const uint16_t id = (uint16_t)(f->round << SLOT_BITS | slot);
	const size_t len = mix_write(t->plan->mix, &pick, id, c->out + c->out_len + LENGTH_LEN);
	c->out[c->out_len] = (uint8_t)(len >> 8);
	c->out[c->out_len + 1] = (uint8_t)len;
	c->out_len += LENGTH_LEN + len;
	tally_sent(&t->tally, now, now);
	return true;
}

static bool may_ask(const struct tcp *t, const struct connection *c)
{
	return t->sending && !t->empty && c->free_count > 0 &&
	       c->busy < t->plan->outstanding / t->plan->sockets &&
	       (t->plan->churn == 0 || c->asked < t->plan->churn) &&
	       OUT_ROOM - c->out_len >= LENGTH_LEN + QUERY_MAX;
}

/* Fill up to the connection's share, and write what the socket takes. */
static void refill(struct tcp *t, struct connection *c)
{
	const uint64_t now = now_ns();
	if (c->out_at == c->out_len) {
		c->out_at = c->out_len = 0;
	}
	while (may_ask(t, c) && add_question(t, c, now)) {
	}
	if (c->out_at < c->out_len) {
		const ssize_t n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at,
				       MSG_DONTWAIT | MSG_NOSIGNAL);
		c->out_at += n > 0 ? (size_t)n : 0;
	}
}

static void take_answer(struct tcp *t, struct connection *c, const uint8_t *message, size_t len,
			uint64_t now)
{
	const unsigned slot = len >= HEADER_LEN ? message[1] : 0;
	const struct flight *f = &c->flight[slot];
	if (len < HEADER_LEN || !f->busy || f->round != message[0]) {
		t->tally.result->strays++;
		return;
	}
	tally_answer(&t->tally, f, message, len, now);
	free_slot(t, c, slot);
}

static unsigned take_whole(struct tcp *t, struct connection *c)
{
	const uint64_t now = now_ns();
	size_t at = 0;
	unsigned got = 0;
	while (c->in_len - at >= LENGTH_LEN) {
		const size_t len = (size_t)c->in[at] << 8 | c->in[at + 1];
		if (c->in_len - at - LENGTH_LEN < len) {
			break;
		}
		take_answer(t, c, c->in + at + LENGTH_LEN, len, now);
		at += LENGTH_LEN + len;
		got++;
	}
	memmove(c->in, c->in + at, c->in_len - at);
	c->in_len -= at;
	return got;
}

static unsigned receive(struct tcp *t, struct connection *c)
{
	const ssize_t n = recv(c->fd, c->in + c->in_len, IN_ROOM - c->in_len, MSG_DONTWAIT);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		drop_connection(t, c);
		return 0;
	}
	c->in_len += n > 0 ? (size_t)n : 0;
	return n > 0 ? take_whole(t, c) : 0;
}

static void sweep(struct tcp *t, uint64_t now)
{
	t->swept_ns = now;
	for (unsigned i = 0; i < t->plan->sockets; i++) {
		struct connection *c = &t->connections[i];
		for (unsigned s = 0; s < SLOTS && c->busy > 0; s++) {
			const struct flight *f = &c->flight[s];
			if (f->busy && now > f->due_ns + t->plan->patience_ns) {
				tally_lost(&t->tally, f);
				free_slot(t, c, s);
			}
		}
	}
}

/* One turn over the connections that have something; those with room are filled. */
static void turn(struct tcp *t)
{
	struct epoll_event event[EVENTS];
	const int n = epoll_wait(t->poll_fd, event, EVENTS, t->plan->yield ? 1 : 0);
	for (int i = 0; i < n; i++) {
		const unsigned which = event[i].data.u32;
		struct connection *c = &t->connections[which];
		if (c->fd >= 0 && c->connecting) {
			connected(t, c, which);
		}
		if (c->fd >= 0) {
			receive(t, c);
		}
		if (c->fd >= 0) {
			refill(t, c);
		}
		if (c->fd >= 0 && t->plan->churn != 0 && c->busy == 0 &&
		    c->asked >= t->plan->churn) {
			close_connection(t, c); /* it has carried what it was to carry */
		}
	}
}

/* Connections whose idle time is over are made anew. False: one cannot be had. */
static bool reopen(struct tcp *t, uint64_t now)
{
	for (unsigned i = 0; t->sending && i < t->plan->sockets; i++) {
		struct connection *c = &t->connections[i];
		if (c->fd < 0 && c->reopen_ns != 0 && now >= c->reopen_ns &&
		    !open_connection(t, c, i)) {
			return false;
		}
	}
	return true;
}

static void refill_all(struct tcp *t)
{
	for (unsigned i = 0; i < t->plan->sockets; i++) {
		if (t->connections[i].fd >= 0) {
			refill(t, &t->connections[i]);
		}
	}
}

static void drive(struct tcp *t)
{
	t->sending = true;
	refill_all(t);
	while ((t->open > 0 || t->plan->churn != 0) &&
	       (t->sending || (t->busy > 0 && *t->plan->stop == 0))) {
		turn(t);
		const uint64_t now = now_ns();
		t->sending = t->sending && tally_tick(&t->tally, now);
		if ((t->empty && t->busy == 0) || !reopen(t, now)) {
			break;
		}
		if (now > t->swept_ns + SWEEP_NS) {
			sweep(t, now);
			refill_all(t); /* all of a connection's may be lost */
		}
	}
	tally_end(&t->tally, now_ns());
}

bool tcp_run(const struct load_plan *p, struct load_result *out)
{
	struct tcp t = { .plan = p, .poll_fd = epoll_create1(EPOLL_CLOEXEC) };
	unsigned opened = 0;
	bool ok = p->pace == PACE_CLOSED && p->outstanding / p->sockets <= SLOTS;
	t.connections = calloc(p->sockets, sizeof(*t.connections));
	for (; ok && t.connections != NULL && opened < p->sockets; opened++) {
		ok = open_connection(&t, &t.connections[opened], opened);
	}
	if (ok && t.connections != NULL) {
		tally_init(&t.tally, p, out);
		drive(&t);
	}
	for (unsigned i = 0; i < opened; i++) {
		if (t.connections[i].fd >= 0) {
			close(t.connections[i].fd);
		}
	}
	close(t.poll_fd);
	free(t.connections);
	return ok && opened == p->sockets;
}
