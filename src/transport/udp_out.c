#include "udp_private.h"

#include <assert.h>
#include <errno.h>
#include <netinet/udp.h>
#include <string.h>

/* Octets of the first control header, the address; the second is a train's segment length. */
static size_t local_space(const struct fl_udp *u)
{
	return u->at.family == AF_INET ? CMSG_SPACE(sizeof(struct in_pktinfo))
				       : CMSG_SPACE(sizeof(struct in6_pktinfo));
}

static void control_init(struct fl_udp *u, unsigned i)
{
	const bool v4 = u->at.family == AF_INET;
	const struct cmsghdr segment = {
		.cmsg_len = CMSG_LEN(sizeof(uint16_t)),
		.cmsg_level = SOL_UDP,
		.cmsg_type = UDP_SEGMENT,
	};
	const struct cmsghdr head = {
		.cmsg_len = v4 ? CMSG_LEN(sizeof(struct in_pktinfo))
			       : CMSG_LEN(sizeof(struct in6_pktinfo)),
		.cmsg_level = v4 ? IPPROTO_IP : IPPROTO_IPV6,
		.cmsg_type = v4 ? IP_PKTINFO : IPV6_PKTINFO,
	};
	memcpy(u->out.control[i], &head, sizeof(head));
	memcpy(u->out.control[i] + local_space(u), &segment, sizeof(segment));
}

void fl__udp_out_init(struct fl_udp *u)
{
	for (unsigned i = 0; i < FL_UDP_BATCH; i++) {
		control_init(u, i);
	}
	u->trains = fl__udp_can_train(u->o.fd);
}

/* The source address of message @p i. The interface is left to the routes, but for link-local
 * addresses, which mean nothing without one. */
static void set_local(struct fl_udp *u, unsigned i, const struct fl_udp_return *way)
{
	struct msghdr *m = &u->out.msg[i].msg_hdr;
	uint8_t *data = u->out.control[i] + CMSG_LEN(0);
	if (!u->any_address || way->local.family != u->at.family) {
		m->msg_control = NULL;
		m->msg_controllen = 0;
		return;
	}
	m->msg_control = u->out.control[i];
	if (way->local.family == AF_INET) {
		struct in_pktinfo info = { 0 };
		memcpy(&info.ipi_spec_dst, way->local.octets, sizeof(info.ipi_spec_dst));
		memcpy(data, &info, sizeof(info));
		m->msg_controllen = CMSG_SPACE(sizeof(info));
	} else {
		struct in6_pktinfo info = { .ipi6_ifindex = way->local.scope };
		memcpy(&info.ipi6_addr, way->local.octets, sizeof(info.ipi6_addr));
		memcpy(data, &info, sizeof(info));
		m->msg_controllen = CMSG_SPACE(sizeof(info));
	}
}

/* The length into which the kernel cuts message @p i. Called after set_local(). */
static void set_segment(struct fl_udp *u, unsigned i)
{
	struct msghdr *m = &u->out.msg[i].msg_hdr;
	uint8_t *header = u->out.control[i] + local_space(u);
	const uint16_t len = (uint16_t)m->msg_iov[0].iov_len;
	memcpy(header + CMSG_LEN(0), &len, sizeof(len));
	if (m->msg_control == NULL) {
		m->msg_control = header;
	}
	m->msg_controllen += CMSG_SPACE(sizeof(len));
}

/* Message @p i goes @p to, with @p n replies from iov[first] on. */
static void set_message(struct fl_udp *u, unsigned i, unsigned first, unsigned n, void *to,
			socklen_t to_len)
{
	struct msghdr *m = &u->out.msg[i].msg_hdr;
	m->msg_name = to;
	m->msg_namelen = to_len;
	m->msg_iov = &u->out.iov[first];
	m->msg_iovlen = n;
}

/*
 * Send prepared messages [0, n); returns how many are done with: sent, or given
 * up and counted. When some are left the socket is blocked, or the next one is a train that
 * was refused. sendmmsg() stops at the first message that fails and tells why only when that
 * one is the first.
 */
static unsigned push(struct fl_udp *u, unsigned n)
{
	unsigned done = 0;
	while (done < n) {
		const int r = sendmmsg(u->o.fd, u->out.msg + done, n - done, MSG_DONTWAIT);
		if (r > 0) {
			done += (unsigned)r;
			u->refused = false;
			continue;
		}
		if (errno == EINTR) {
			continue;
		}
		if (errno == EAGAIN || ((errno == ENOBUFS || errno == ENOMEM) && !u->refused)) {
			u->refused = errno != EAGAIN; /* once more next turn, then given up */
			u->blocked = true;
			break;
		}
		u->refused = false;
		/* longer than the path's MTU, or a device that computes no checksums: what the
		 * kernel does not take as a train may go singly */
		if (u->out.msg[done].msg_hdr.msg_iovlen > 1) {
			u->pause = FL__UDP_TRAIN_PAUSE;
			break;
		}
		/* EPERM (a firewall), EINVAL, EHOSTUNREACH, EMSGSIZE: this reply's own trouble
		 */
		FL_COUNT_ADD(u->o.counters, udp_send_errors, 1);
		done++;
	}
	return done;
}

/* Replies that the socket made wait, each counted once. */
static void count_waiting(struct fl_udp *u)
{
	struct fl__udp_queue *q = &u->queue;
	FL_COUNT_ADD(u->o.counters, udp_send_queued, q->n - q->counted);
	q->counted = q->n;
}

/* Move what waits to the front of the queue's memory. */
static void compact(struct fl__udp_queue *q)
{
	if (q->head == 0) {
		return;
	}
	const uint32_t from = q->head < q->n ? q->reply[q->head].offset : q->used;
	memmove(q->octets, q->octets + from, q->used - from);
	memmove(q->reply, q->reply + q->head, (q->n - q->head) * sizeof(q->reply[0]));
	q->n -= q->head;
	q->counted -= q->counted < q->head ? q->counted : q->head;
	q->head = 0;
	q->used -= from;
	for (unsigned i = 0; i < q->n; i++) {
		q->reply[i].offset -= from;
	}
}

static bool has_room(const struct fl__udp_queue *q, size_t len)
{
	return q->n < FL__UDP_QUEUE_REPLIES && len <= FL__UDP_QUEUE_OCTETS - q->used;
}

static enum fl_err put(struct fl_udp *u, const struct fl_udp_return *way, const uint8_t *reply,
		       size_t len)
{
	struct fl__udp_queue *q = &u->queue;
	if (!has_room(q, len)) {
		fl_udp_flush(u);
		compact(q);
	}
	if (!has_room(q, len)) {
		FL_COUNT_ADD(u->o.counters, udp_send_errors, 1);
		return FL_EBUSY;
	}
	q->reply[q->n++] = (struct fl__udp_queued){ *way, q->used, (uint32_t)len };
	memcpy(q->octets + q->used, reply, len);
	q->used += (uint32_t)len;
	if (u->blocked) {
		count_waiting(u);
	}
	return FL_OK;
}

/* The replies of a batch as messages; @p order tells whose reply each iovec is. */
static unsigned prepare(struct fl_udp *u, unsigned n, uint8_t order[static FL_UDP_BATCH])
{
	uint8_t cars[FL_UDP_BATCH];
	unsigned messages = 0, first = 0;
	if (u->trains && u->pause == 0) {
		messages = fl__udp_trains(u, n, order, cars);
	} else {
		u->pause -= u->pause > 0;
		for (unsigned k = 0; k < n; k++) {
			if (u->slot[k].reply_len > 0) {
				order[messages] = (uint8_t)k;
				cars[messages++] = 1;
			}
		}
	}
	for (unsigned m = 0; m < messages; first += cars[m++]) {
		for (unsigned i = first; i < first + cars[m]; i++) {
			const struct fl_udp_slot *s = &u->slot[order[i]];
			assert(s->reply_len <= FL_UDP_REPLY_MAX);
			u->out.iov[i] = (struct iovec){ s->reply, s->reply_len };
		}
		const unsigned from = u->sender[order[first]];
		set_message(u, m, first, cars[m], &u->in.from[from],
			    u->in.msg[from].msg_hdr.msg_namelen);
		set_local(u, m, &u->slot[order[first]].way);
		if (cars[m] > 1) {
			set_segment(u, m);
		}
	}
	return messages;
}

void fl__udp_reply(struct fl_udp *u, unsigned n)
{
	uint8_t order[FL_UDP_BATCH];
	const unsigned messages = prepare(u, n, order);
	/* a socket known to be full is not asked again before it says it is writable */
	unsigned done = u->blocked || u->closing ? 0 : push(u, messages);
	for (; done < messages; done++) {
		const struct msghdr *m = &u->out.msg[done].msg_hdr;
		const size_t first = (size_t)(m->msg_iov - u->out.iov);
		for (size_t i = first; i < first + m->msg_iovlen; i++) {
			const struct fl_udp_slot *s = &u->slot[order[i]];
			/* lost ones are counted there */
			(void)put(u, &s->way, s->reply, s->reply_len);
		}
	}
	fl__udp_arm(u);
}

void fl_udp_flush(struct fl_udp *u)
{
	struct fl__udp_queue *q = &u->queue;
	if (q->head == q->n || u->blocked || u->closing) {
		return;
	}
	while (q->head < q->n && !u->blocked) {
		unsigned n = q->n - q->head;
		n = n < FL_UDP_BATCH ? n : FL_UDP_BATCH;
		for (unsigned i = 0; i < n; i++) {
			const struct fl__udp_queued *r = &q->reply[q->head + i];
			struct sockaddr_storage *to = &u->out.to[i];
			const socklen_t len = fl_addr_to_sockaddr(&r->way.peer, to);
			u->out.iov[i] = (struct iovec){ q->octets + r->offset, r->len };
			set_message(u, i, i, 1, to, len);
			set_local(u, i, &r->way);
		}
		q->head += push(u, n);
	}
	if (q->head == q->n) {
		q->head = q->n = q->counted = 0;
		q->used = 0;
		return;
	}
	if (q->counted < q->head) {
		q->counted = q->head; /* those went at once */
	}
	count_waiting(u);
	fl__udp_arm(u);
}

enum fl_err fl_udp_send(struct fl_udp *u, const struct fl_udp_return *way, const uint8_t *reply,
			size_t len)
{
	if (len == 0 || len > FL_UDP_REPLY_MAX || way->peer.family != u->at.family) {
		return FL_EINVALID;
	}
	if (u->closing) {
		return FL_ECLOSED;
	}
	const enum fl_err err = put(u, way, reply, len);
	if (u->queue.n - u->queue.head >= FL_UDP_BATCH) {
		fl_udp_flush(u); /* a whole batch: nothing is gained by waiting */
	}
	return err;
}
