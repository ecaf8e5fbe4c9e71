#include "load/udp.h"

#include "load/burst.h"
#include "load/tally.h"
#include "say.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	BATCH = 64,
	OPEN_BATCH = 16,   /* of one socket at a time, when the clock sets the pace */
	SLOTS_MOST = 4096, /* of a socket; an ID is a slot and a round */
	SLOT_BITS = 12,
	ROUNDS = 16,
	MANY_PORTS = 64, /* of more sockets only those are visited that have something */
	SLOTS_OF_MANY = 64,
	ANSWER_MAX = 4096,
	HEADER_LEN = 12,
	BUFFER_OCTETS = 4 << 20,
	SWEEP_NS = 50 * 1000 * 1000,
	PAUSE_TURNS = 400, /* some microseconds between passes that found nothing */
};

struct port {
	int fd;
	unsigned busy;
	unsigned free_head; /* a ring, so that a slot rests as long as it can */
	unsigned free_count;
	uint16_t *free_slot;
	struct flight *flight;
};

struct udp {
	const struct load_plan *plan;
	struct tally tally;
	struct port *ports;
	unsigned slots; /* of each port */
	unsigned next_port;
	unsigned busy;      /* in flight over all ports */
	bool empty;         /* the mix has nothing more */
	uint64_t begun_ns;  /* PACE_OPEN: the schedule's zero */
	uint64_t scheduled; /* questions sent by it */
	uint64_t swept_ns;
	int poll_fd;
	struct burst *burst; /* questions leave in trains; or NULL */
	/* one batch */
	struct mmsghdr head[BATCH];
	struct iovec iov[BATCH];
	uint8_t query[BATCH][QUERY_MAX];
	uint8_t answer[BATCH][ANSWER_MAX];
};

/* Source addresses 127.1.x.y, all local wherever lo is up. */
static bool open_port(struct udp *u, struct port *port, unsigned i)
{
	const int size = BUFFER_OCTETS;
	const struct sockaddr_in from = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = u->plan->far ? INADDR_ANY : htonl(0x7f010001U + i),
	};
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = i };
	port->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (port->fd < 0 || bind(port->fd, (const struct sockaddr *)&from, sizeof(from)) != 0 ||
	    connect(port->fd, (const struct sockaddr *)&u->plan->server,
		    sizeof(u->plan->server)) != 0 ||
	    epoll_ctl(u->poll_fd, EPOLL_CTL_ADD, port->fd, &event) != 0) {
		say_error("cannot open UDP socket %u: %s", i, strerror(errno));
		return false;
	}
	if (setsockopt(port->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0) {
		setsockopt(port->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	}
	if (u->burst != NULL) {
		burst_open(port->fd);
	}
	port->free_slot = calloc(u->slots, sizeof(*port->free_slot));
	port->flight = calloc(u->slots, sizeof(*port->flight));
	if (port->free_slot == NULL || port->flight == NULL) {
		say_error("out of memory");
		return false;
	}
	for (unsigned s = 0; s < u->slots; s++) {
		port->free_slot[s] = (uint16_t)s;
	}
	port->free_count = u->slots;
	return true;
}

static struct flight *take_slot(struct udp *u, struct port *port, uint16_t *id)
{
	const uint16_t slot = port->free_slot[port->free_head];
	struct flight *f = &port->flight[slot];
	port->free_head = (port->free_head + 1) % u->slots;
	port->free_count--;
	port->busy++;
	u->busy++;
	f->round = (uint8_t)((f->round + 1) % ROUNDS);
	f->busy = true;
	*id = (uint16_t)(f->round << SLOT_BITS | slot);
	return f;
}

static void free_slot(struct udp *u, struct port *port, unsigned slot)
{
	port->flight[slot].busy = false;
	port->free_slot[(port->free_head + port->free_count) % u->slots] = (uint16_t)slot;
	port->free_count++;
	port->busy--;
	u->busy--;
}

/* PACE_OPEN: when the next question should be sent. */
static uint64_t due_ns(const struct udp *u)
{
	const struct event *e = mix_event(u->plan->mix);
	if (e != NULL) {
		return u->begun_ns + e->at_ns;
	}
	return u->begun_ns + (uint64_t)((double)u->scheduled * 1e9 / u->plan->rate);
}

/* Write up to n questions; gives how many there were. */
static unsigned fill(struct udp *u, struct port *port, unsigned n, uint64_t now)
{
	unsigned i;
	for (i = 0; i < n && port->free_count > 0; i++) {
		struct pick pick;
		uint16_t id;
		const uint64_t due = u->plan->pace == PACE_OPEN ? due_ns(u) : now;
		if (!mix_next(u->plan->mix, &pick)) {
			u->empty = true;
			break;
		}
		struct flight *f = take_slot(u, port, &id);
		f->pick = pick;
		f->due_ns = due;
		u->scheduled++;
		tally_sent(&u->tally, f->due_ns, now);
		u->iov[i] = (struct iovec){ u->query[i],
					    mix_write(u->plan->mix, &pick, id, u->query[i]) };
		u->head[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &u->iov[i],
							    .msg_iovlen = 1 } };
	}
	return i;
}

/* What the kernel does not take is a question like any other that gets lost. */
static void send_batch(struct udp *u, struct port *port, unsigned n, uint64_t now)
{
	const unsigned count = fill(u, port, n, now);
	unsigned done = 0;
	if (u->burst != NULL) {
		burst_send(u->burst, port->fd, u->iov, count);
		return;
	}
	for (unsigned tries = 0; done < count && tries < BATCH; tries++) {
		const int sent = sendmmsg(port->fd, u->head + done, count - done, 0);
		done += sent > 0 ? (unsigned)sent : 0;
		if (sent < 0 && errno != EINTR && errno != ECONNREFUSED) {
			return;
		}
	}
}

static void take_answer(struct udp *u, struct port *port, const uint8_t *message, size_t len,
			uint64_t now)
{
	const unsigned id = len >= HEADER_LEN ? (unsigned)message[0] << 8 | message[1] : 0;
	const unsigned slot = id % SLOTS_MOST;
	const struct flight *f = &port->flight[slot < u->slots ? slot : 0];
	if (len < HEADER_LEN || slot >= u->slots || !f->busy || f->round != id >> SLOT_BITS) {
		u->tally.result->strays++;
		return;
	}
	tally_answer(&u->tally, f, message, len, now);
	free_slot(u, port, slot);
}

/* One of the answers that came merged. */
struct merged {
	struct udp *u;
	struct port *port;
	uint64_t now;
};

static void take_merged(void *context, const uint8_t *message, size_t len)
{
	const struct merged *m = context;
	take_answer(m->u, m->port, message, len, m->now);
}

static unsigned receive(struct udp *u, struct port *port)
{
	if (u->burst != NULL) {
		struct merged m = { u, port, now_ns() };
		return burst_receive(u->burst, port->fd, take_merged, &m);
	}
	for (unsigned i = 0; i < BATCH; i++) {
		u->iov[i] = (struct iovec){ u->answer[i], ANSWER_MAX };
		u->head[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &u->iov[i],
							    .msg_iovlen = 1 } };
	}
	const int n = recvmmsg(port->fd, u->head, BATCH, MSG_DONTWAIT, NULL);
	const uint64_t now = now_ns();
	for (int i = 0; i < n; i++) {
		take_answer(u, port, u->answer[i], u->head[i].msg_len, now);
	}
	return n > 0 ? (unsigned)n : 0;
}

static void sweep(struct udp *u, uint64_t now)
{
	u->swept_ns = now;
	for (unsigned i = 0; i < u->plan->sockets; i++) {
		struct port *port = &u->ports[i];
		for (unsigned s = 0; s < u->slots && port->busy > 0; s++) {
			const struct flight *f = &port->flight[s];
			if (f->busy && now > f->due_ns + u->plan->patience_ns) {
				tally_lost(&u->tally, f);
				free_slot(u, port, s);
			}
		}
	}
}

/* A socket all of whose slots wait: what is due on it is lost before it is sent. The
 * clock goes on, so that a server that answers nothing is not a sender that lags. */
static void lose(struct udp *u, unsigned n, uint64_t now)
{
	for (unsigned i = 0; i < n; i++) {
		const struct flight f = { .due_ns = due_ns(u) };
		tally_sent(&u->tally, f.due_ns, now);
		tally_lost(&u->tally, &f);
		u->scheduled++;
	}
}

/* Each event from the socket that its client has. */
static void send_events(struct udp *u, uint64_t now)
{
	struct mix *m = u->plan->mix;
	const struct event *e;
	for (unsigned i = 0; i < BATCH && (e = mix_event(m)) != NULL && due_ns(u) <= now; i++) {
		struct port *port = &u->ports[e->client % u->plan->sockets];
		struct pick pick;
		if (port->free_count > 0) {
			send_batch(u, port, 1, now);
		} else {
			lose(u, 1, now);
			mix_next(m, &pick);
		}
	}
	u->empty = mix_event(m) == NULL;
}

/* As many as are due go out, a batch from each socket in turn. */
static void send_due(struct udp *u, uint64_t now)
{
	if (u->plan->mix->options.order == ORDER_REPLAY) {
		send_events(u, now);
		return;
	}
	uint64_t due = (uint64_t)((double)(now - u->begun_ns) * u->plan->rate / 1e9);
	for (unsigned turn = 0; u->scheduled < due && turn < u->plan->sockets; turn++) {
		const uint64_t behind = due - u->scheduled;
		const unsigned n = behind < OPEN_BATCH ? (unsigned)behind : OPEN_BATCH;
		struct port *port = &u->ports[u->next_port];
		if (port->free_count == 0) {
			lose(u, n, now);
		} else {
			send_batch(u, port, n, now);
		}
		u->next_port = (u->next_port + 1) % u->plan->sockets;
	}
}

static void refill(struct udp *u, struct port *port, uint64_t now)
{
	const unsigned share = u->plan->outstanding / u->plan->sockets;
	while (!u->empty && port->busy < share) {
		const unsigned want = share - port->busy;
		send_batch(u, port, want < BATCH ? want : BATCH, now);
	}
}

static unsigned visit(struct udp *u, struct port *port, bool sending)
{
	const unsigned got = port->busy > 0 ? receive(u, port) : 0;
	const uint64_t now = now_ns();
	if (sending && u->plan->pace == PACE_OPEN) {
		send_due(u, now);
	} else if (sending) {
		refill(u, port, now);
	}
	return got;
}

/* Where all that was asked on a socket is lost, nothing wakes it. */
static void refill_all(struct udp *u, uint64_t now)
{
	for (unsigned i = 0; i < u->plan->sockets; i++) {
		refill(u, &u->ports[i], now);
	}
}

static unsigned pass_ready(struct udp *u, bool sending)
{
	struct epoll_event event[BATCH];
	const int n = epoll_wait(u->poll_fd, event, BATCH, 0);
	unsigned got = 0;
	for (int i = 0; i < n; i++) {
		got += visit(u, &u->ports[event[i].data.u32], sending);
	}
	if (n <= 0 && sending && u->plan->pace == PACE_OPEN) {
		send_due(u, now_ns());
	}
	return got;
}

/* One visit to each socket; gives how many answers there were. */
static unsigned pass(struct udp *u, bool sending)
{
	unsigned got = 0;
	if (u->plan->sockets > MANY_PORTS) {
		return pass_ready(u, sending);
	}
	for (unsigned i = 0; i < u->plan->sockets; i++) {
		got += visit(u, &u->ports[i], sending);
	}
	return got;
}

/* On a processor of our own we never sleep: to wake us would cost the server time
 * that no real client costs it. */
static void rest(const struct udp *u)
{
	struct epoll_event event;
	if (u->plan->yield) {
		epoll_wait(u->poll_fd, &event, 1, 1);
		return;
	}
	for (volatile unsigned i = 0; i < PAUSE_TURNS; i++) {
	}
}

static void drive(struct udp *u)
{
	bool sending = true;
	u->begun_ns = now_ns();
	if (u->plan->pace == PACE_CLOSED) {
		refill_all(u, u->begun_ns);
	}
	while (sending || (u->busy > 0 && *u->plan->stop == 0)) {
		const unsigned got = pass(u, sending);
		const uint64_t now = now_ns();
		sending = sending && tally_tick(&u->tally, now);
		if (sending && u->empty && u->busy == 0) {
			tally_end(&u->tally, now);
			return;
		}
		if (now > u->swept_ns + SWEEP_NS) {
			sweep(u, now);
			if (sending && u->plan->pace == PACE_CLOSED) {
				refill_all(u, now);
			}
		}
		if (got == 0) {
			rest(u);
		}
	}
}

/* Thousands of sockets are more than the usual soft limit. */
static void raise_descriptors(unsigned want)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < want + MANY_PORTS) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static void close_ports(struct port *ports, unsigned n)
{
	for (unsigned i = 0; ports != NULL && i < n; i++) {
		if (ports[i].fd > 0) {
			close(ports[i].fd);
		}
		free(ports[i].free_slot);
		free(ports[i].flight);
	}
	free(ports);
}

bool udp_run(const struct load_plan *p, struct load_result *out)
{
	struct udp *u = calloc(1, sizeof(*u));
	struct port *ports = calloc(p->sockets, sizeof(*ports));
	bool ok = u != NULL && ports != NULL;
	if (ok) {
		raise_descriptors(p->sockets);
		u->plan = p;
		u->ports = ports;
		u->slots = p->sockets > MANY_PORTS ? SLOTS_OF_MANY : SLOTS_MOST;
		u->poll_fd = epoll_create1(EPOLL_CLOEXEC);
		u->burst = p->burst ? burst_new() : NULL;
		ok = !p->burst || u->burst != NULL;
		for (unsigned i = 0; ok && i < p->sockets; i++) {
			ok = open_port(u, &ports[i], i);
		}
		if (ok) {
			tally_init(&u->tally, p, out);
			drive(u);
		}
		close(u->poll_fd);
		burst_free(u->burst);
	}
	close_ports(ports, p->sockets);
	free(u);
	return ok;
}
