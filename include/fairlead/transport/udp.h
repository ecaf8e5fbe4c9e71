/**
 * @file
 * UDP in batches: one uv_poll on a socket, recvmmsg in, sendmmsg out.
 *
 * The transport owns its slots (receive buffer, peer, address asked, reply
 * buffer) and lends them to the batch callback until that returns; a kernel-
 * bypass transport can lend its own. A question that has to wait is copied out
 * (fl_udp_return is its way back); replies that come later are queued and leave
 * together, when the loop turns or the queue is full.
 *
 * Reply from the address asked (IP_PKTINFO, IPV6_PKTINFO). What is lost
 * (EAGAIN, ENOBUFS, receive buffer overflow by SO_RXQ_OVFL) is counted.
 */
#ifndef FAIRLEAD_TRANSPORT_UDP_H
#define FAIRLEAD_TRANSPORT_UDP_H

#include "fairlead/base/addr.h"
#include "fairlead/base/counters.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	FL_UDP_BATCH = 64,
	FL_UDP_ROUNDS = 4,          /* batches a loop turn, while the socket has more */
	FL_UDP_QUESTION_MAX = 4096, /* longer ones are marked truncated */
	FL_UDP_REPLY_MAX = 4096
};

/** Where a reply goes: peer and the local address it was asked at. Plain value, copied freely.
 */
struct fl_udp_return {
	struct fl_addr peer;
	struct fl_addr local; /* family 0: let the kernel choose */
	uint32_t ifindex;
};

struct fl_udp_slot {
	const uint8_t *question; /* lent; question_len octets */
	size_t question_len;
	bool truncated; /* the datagram was longer than the buffer */
	struct fl_udp_return way;
	uint8_t *reply;   /* FL_UDP_REPLY_MAX octets to write into */
	size_t reply_len; /* set by the callback; 0: nothing is sent now */
};

/** @p slots[0..n-1] are the callback's until it returns; it must not close the transport. */
typedef void (*fl_udp_batch_fn)(void *arg, struct fl_udp_slot *slots, unsigned n);

struct fl_udp;
struct uv_loop_s;

struct fl_udp_options {
	struct uv_loop_s *loop;
	int fd; /* bound, non-blocking; the transport takes it */
	fl_udp_batch_fn batch;
	void *arg;
	struct fl_counters *counters;
};

enum fl_err fl_udp_open(const struct fl_udp_options *o, struct fl_udp **out) FL_MUST_USE;

/** Queue a reply (copied). FL_EBUSY when the queue is full even after a flush: the reply is
 * lost and counted. */
enum fl_err fl_udp_send(struct fl_udp *u, const struct fl_udp_return *way, const uint8_t *reply,
			size_t len) FL_MUST_USE;
/** Send what is queued now. */
void fl_udp_flush(struct fl_udp *u);

/** Stop reading; queued replies still go out. */
void fl_udp_stop(struct fl_udp *u);
/** Stop, then free when the loop has closed the handle. */
void fl_udp_close(struct fl_udp *u);

/**
 * For the supervisor: a bound UDP socket as fl_udp_open() wants it (SO_REUSEPORT, PKTINFO,
 * freebind, RXQ_OVFL, path MTU discovery off with no fragments, 4 MiB buffers where allowed).
 * On FL_ESYSTEM errno says why.
 */
enum fl_err fl_udp_bind(const struct fl_addr *at, int *fd) FL_MUST_USE;

#endif
