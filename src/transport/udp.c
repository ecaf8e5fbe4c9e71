#include "fairlead/transport/udp.h"

#include "source.h"
#include "udp_private.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* SO_RXQ_OVFL is a running 32-bit sum of the socket, which may have had another reader before
 * us (a front that was restarted): only what is added from now on is counted. */
static void note_drops(struct fl_udp *u, uint32_t drops)
{
	const uint32_t more = drops - u->drops; /* wraps as the kernel's does */
	if (more == 0 || more > INT32_MAX) {
		return;
	}
	u->drops = drops;
	FL_COUNT_ADD(u->o.counters, udp_receive_overflow, more);
}

static void local_ipv4(const struct cmsghdr *c, struct fl_udp_return *way)
{
	struct in_pktinfo info;
	memcpy(&info, CMSG_DATA(c), sizeof(info));
	/* The kernel gives two addresses, and they differ when the datagram was sent to a
	 * broadcast address: leave that one standing, it is refused below. */
	const bool group = info.ipi_spec_dst.s_addr != 0 &&
			   info.ipi_spec_dst.s_addr != info.ipi_addr.s_addr;
	way->local.family = AF_INET;
	if (group) {
		memset(way->local.octets, 0xff, 4);
	} else {
		memcpy(way->local.octets, &info.ipi_addr, 4);
	}
	way->ifindex = (uint32_t)info.ipi_ifindex;
}

static void local_ipv6(const struct cmsghdr *c, struct fl_udp_return *way)
{
	struct in6_pktinfo info;
	memcpy(&info, CMSG_DATA(c), sizeof(info));
	way->local.family = AF_INET6;
	memcpy(way->local.octets, &info.ipi6_addr, sizeof(info.ipi6_addr));
	way->ifindex = info.ipi6_ifindex;
	if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) {
		way->local.scope = info.ipi6_ifindex;
	}
}

/* Returns the length of each question that the kernel has merged into this message (UDP_GRO);
 * 0: it is one. */
static size_t read_control(struct fl_udp *u, struct msghdr *m, struct fl_udp_return *way)
{
	int segment = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			local_ipv4(c, way);
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			local_ipv6(c, way);
		} else if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
			memcpy(&segment, CMSG_DATA(c), sizeof(segment));
		} else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
			uint32_t drops;
			memcpy(&drops, CMSG_DATA(c), sizeof(drops));
			note_drops(u, drops);
		}
	}
	return segment > 0 ? (size_t)segment : 0;
}

/* The way back from message @p i; false: it came from where no answer may go. */
static bool take_way(struct fl_udp *u, unsigned i, struct fl_udp_return *way, size_t *segment)
{
	struct msghdr *m = &u->in.msg[i].msg_hdr;
	*segment = 0;
	if (!fl_addr_from_sockaddr(&u->in.from[i].sa, &way->peer)) {
		return false;
	}
	way->ifindex = 0;
	way->local = u->at;
	if (u->any_address) {
		way->local.family = 0; /* until PKTINFO tells */
	}
	if (m->msg_controllen > 0) {
		*segment = read_control(u, m, way);
	}
	return fl__source_ok(&way->peer, &way->local) && !fl__addr_is_group(&way->local);
}

static void serve_slots(struct fl_udp *u, unsigned n)
{
	if (n > 0) {
		u->o.batch(u->o.arg, u->slot, n);
		fl__udp_reply(u, n);
	}
}

/* The questions of message @p i into slots from @p n on; full ones are served. Returns how many
 * questions it held. */
static unsigned fill_slots(struct fl_udp *u, unsigned i, unsigned *n)
{
	struct fl_udp_return way;
	size_t segment, at = 0;
	const size_t len = u->in.msg[i].msg_len;
	const bool truncated = (u->in.msg[i].msg_hdr.msg_flags & MSG_TRUNC) != 0;
	const bool ok = take_way(u, i, &way, &segment);
	const unsigned questions =
		segment == 0 || segment >= len ? 1 : (unsigned)((len + segment - 1) / segment);
	if (!ok) {
		FL_COUNT_ADD(u->o.counters, dropped_malformed, questions);
		return questions;
	}
	for (unsigned q = 0; q < questions; q++) {
		if (*n == FL_UDP_BATCH) {
			serve_slots(u, *n);
			*n = 0;
		}
		struct fl_udp_slot *s = &u->slot[*n];
		const size_t one = q + 1 < questions ? segment : len - at;
		s->question = u->message[i] + at;
		s->question_len = one < FL_UDP_QUESTION_MAX ? one : FL_UDP_QUESTION_MAX;
		s->truncated = truncated || one > FL_UDP_QUESTION_MAX;
		s->way = way;
		s->reply = u->reply[*n];
		s->reply_len = 0;
		u->sender[(*n)++] = (uint8_t)i;
		at += one;
	}
	return questions;
}

/* How many messages the next call asks for: about as many as make a batch of questions. */
static void learn(struct fl_udp *u, unsigned received, unsigned questions)
{
	if (questions > 2 * FL_UDP_BATCH) {
		u->ask_for = (received * FL_UDP_BATCH + questions - 1) / questions;
	} else if (u->ask_for < FL_UDP_BATCH && received == u->ask_for) {
		u->ask_for = 2 * u->ask_for < FL_UDP_BATCH ? 2 * u->ask_for : FL_UDP_BATCH;
	}
}

/* Returns the number of questions. */
static unsigned serve_batch(struct fl_udp *u, unsigned received)
{
	unsigned n = 0, served = 0;
	for (unsigned i = 0; i < received; i++) {
		served += fill_slots(u, i, &n);
	}
	serve_slots(u, n);
	learn(u, received, served);
	for (unsigned i = 0; i < received; i++) {
		struct msghdr *m = &u->in.msg[i].msg_hdr;
		m->msg_namelen = sizeof(u->in.from[i]);
		m->msg_controllen = sizeof(u->in.control[i]);
	}
	return served;
}

enum {
	MORE_LIKELY = 4
}; /* questions in a batch, from which on the next is looked for at once */

/* While a batch of some size was served, more has come as a rule: another look costs less than
 * to sleep and be woken. After a small batch it would only hear EAGAIN. The rounds are bounded
 * for the other handles of the loop. */
static void receive(struct fl_udp *u)
{
	unsigned questions = 0;
	while (questions < FL_UDP_ROUNDS * FL_UDP_BATCH && !u->stopped) {
		const int n = recvmmsg(u->o.fd, u->in.msg, u->ask_for, MSG_DONTWAIT, NULL);
		if (n > 0) {
			questions += serve_batch(u, (unsigned)n);
		}
		if (n < 0 && errno != ECONNREFUSED && errno != EHOSTUNREACH &&
		    errno != ENETUNREACH && errno != EINTR) {
			return; /* EAGAIN, or short of memory: the poll handle calls again */
		}
		/* an ICMP error about an earlier reply takes a round and nothing else */
		questions += n < 0 ? FL_UDP_BATCH : 0;
		if (n >= 0 && n < MORE_LIKELY && (unsigned)n < u->ask_for) {
			return;
		}
	}
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
	struct fl_udp *u = handle->data;
	if (status < 0) { /* an error waits on the socket, and libuv has stopped the handle */
		int err = 0;
		socklen_t len = sizeof(err);
		(void)getsockopt(u->o.fd, SOL_SOCKET, SO_ERROR, &err, &len); /* takes it off */
		u->armed = 0;
		fl__udp_arm(u);
		return;
	}
	if ((events & UV_WRITABLE) != 0) {
		u->blocked = false;
		fl_udp_flush(u);
		fl__udp_arm(u);
	}
	if ((events & UV_READABLE) != 0) {
		receive(u);
	}
}

static void on_prepare(uv_prepare_t *handle)
{
	fl_udp_flush(handle->data);
}

static void on_check(uv_check_t *handle)
{
	fl_udp_flush(handle->data);
}

static void in_init(struct fl_udp *u)
{
	for (unsigned i = 0; i < FL_UDP_BATCH; i++) {
		u->in.iov[i] = (struct iovec){ .iov_base = u->message[i],
					       .iov_len = FL__UDP_MESSAGE_MAX };
		u->in.msg[i].msg_hdr = (struct msghdr){
			.msg_name = &u->in.from[i],
			.msg_namelen = sizeof(u->in.from[i]),
			.msg_iov = &u->in.iov[i],
			.msg_iovlen = 1,
			.msg_control = u->in.control[i],
			.msg_controllen = sizeof(u->in.control[i]),
		};
	}
}

/* What the socket is bound to, and the options that only this file reads the results of. */
static enum fl_err examine(struct fl_udp *u)
{
	const int on = 1;
	uint32_t mem[SK_MEMINFO_VARS] = { 0 };
	socklen_t mem_len = sizeof(mem);
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	if (getsockname(u->o.fd, (struct sockaddr *)&ss, &len) != 0) {
		return FL_ESYSTEM;
	}
	if (!fl_addr_from_sockaddr((const struct sockaddr *)&ss, &u->at)) {
		return FL_EINVALID;
	}
	/* Bound to one address, every datagram was sent there and every reply leaves from it:
	 * PKTINFO would only repeat it. */
	u->any_address = fl__addr_is_any(&u->at);
	u->ask_for = FL_UDP_BATCH;
	if (u->any_address) {
		const bool v4 = u->at.family == AF_INET;
		if (setsockopt(u->o.fd, v4 ? IPPROTO_IP : IPPROTO_IPV6,
			       v4 ? IP_PKTINFO : IPV6_RECVPKTINFO, &on, sizeof(on)) != 0) {
			return FL_ESYSTEM;
		}
	}
	(void)setsockopt(u->o.fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof(on));
	/* A balancer's burst of equal length comes as one message; others as ever. */
	(void)setsockopt(u->o.fd, SOL_UDP, UDP_GRO, &on, sizeof(on));
	if (getsockopt(u->o.fd, SOL_SOCKET, SO_MEMINFO, mem, &mem_len) == 0) {
		u->drops = mem[SK_MEMINFO_DROPS];
	}
	return FL_OK;
}

enum fl_err fl_udp_open(const struct fl_udp_options *o, struct fl_udp **out)
{
	enum fl_err err;
	struct fl_udp *u = calloc(1, sizeof(*u));
	if (u == NULL) {
		return FL_ENOMEM;
	}
	u->o = *o;
	if ((err = examine(u)) != FL_OK) {
		goto free_udp;
	}
	in_init(u);
	fl__udp_out_init(u);
	err = FL_ESYSTEM;
	if (uv_poll_init(o->loop, &u->poll, o->fd) != 0) { /* also makes it non-blocking */
		goto free_udp;
	}
	/* neither can fail; they do not keep the loop alive, what waits in the socket does */
	(void)uv_prepare_init(o->loop, &u->prepare);
	(void)uv_check_init(o->loop, &u->check);
	u->open_handles = 3;
	u->poll.data = u->prepare.data = u->check.data = u;
	(void)uv_prepare_start(&u->prepare, on_prepare);
	(void)uv_check_start(&u->check, on_check);
	uv_unref((uv_handle_t *)&u->prepare);
	uv_unref((uv_handle_t *)&u->check);
	fl__udp_arm(u);
	*out = u;
	return FL_OK;
free_udp:
	free(u);
	return err;
}

void fl__udp_arm(struct fl_udp *u)
{
	const int events = (u->stopped ? 0 : UV_READABLE) | (u->blocked ? UV_WRITABLE : 0);
	if (u->closing || events == u->armed) {
		return;
	}
	u->armed = events;
	if (events == 0) {
		(void)uv_poll_stop(&u->poll);
	} else {
		(void)uv_poll_start(&u->poll, events, on_poll);
	}
}

void fl_udp_stop(struct fl_udp *u)
{
	u->stopped = true;
	fl_udp_flush(u);
	fl__udp_arm(u);
}

static void on_closed(uv_handle_t *handle)
{
	struct fl_udp *u = handle->data;
	if (--u->open_handles == 0) {
		free(u);
	}
}

void fl_udp_close(struct fl_udp *u)
{
	if (u->closing) {
		return;
	}
	fl_udp_stop(u);
	u->closing = true;
	uv_close((uv_handle_t *)&u->poll, on_closed);
	uv_close((uv_handle_t *)&u->prepare, on_closed);
	uv_close((uv_handle_t *)&u->check, on_closed);
	(void)close(u->o.fd); /* libuv allows it as soon as uv_close() was called */
	u->o.fd = -1;
}
