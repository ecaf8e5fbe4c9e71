/**
 * @file
 * What udp.c (in), udp_out.c (out) and udp_train.c (what leaves together) share.
 */
#ifndef FL_TRANSPORT_UDP_PRIVATE_H
#define FL_TRANSPORT_UDP_PRIVATE_H

#include "fairlead/transport/udp.h"

#include <netinet/in.h>
#include <uv.h>

enum {
	/* Not a power of two: buffers 4,096 octets apart would share the same few sets of the
	 * first-level cache, and a batch of 64 headers would not fit in there. */
	FL__UDP_STRIDE = FL_UDP_REPLY_MAX + 128,
	/* Questions of one peer that the kernel has merged fill up to an IP packet. What no
	 * message fills is never touched, and takes no memory. */
	FL__UDP_MESSAGE_MAX = 65536,
	FL__UDP_MESSAGE_STRIDE = FL__UDP_MESSAGE_MAX + 128,
#ifdef FL_TINY
	FL__UDP_QUEUE_REPLIES = 96,
	FL__UDP_QUEUE_OCTETS = 16 * 1024,
#else
	FL__UDP_QUEUE_REPLIES = 1024,
	FL__UDP_QUEUE_OCTETS = 1024 * 1024,
#endif
	FL__UDP_CONTROL_IN = CMSG_SPACE(sizeof(struct in6_pktinfo)) +
			     CMSG_SPACE(sizeof(uint32_t)) + CMSG_SPACE(sizeof(int)),
	FL__UDP_CONTROL_OUT =
		CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(uint16_t)),
	FL__UDP_TRAIN_PAUSE = 1024, /* batches without trains after the kernel refused one */
};
_Static_assert((int)FL_UDP_REPLY_MAX <= (int)FL__UDP_STRIDE, "a reply buffer is a stride");
_Static_assert((int)FL_UDP_REPLY_MAX <= (int)FL__UDP_QUEUE_OCTETS,
	       "any reply fits an empty queue");

union fl__sockaddr {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/* Prepared once. The kernel changes msg_namelen, msg_controllen and msg_flags. */
struct fl__udp_in {
	struct mmsghdr msg[FL_UDP_BATCH];
	struct iovec iov[FL_UDP_BATCH];
	union fl__sockaddr from[FL_UDP_BATCH];
	_Alignas(struct cmsghdr) uint8_t control[FL_UDP_BATCH][FL__UDP_CONTROL_IN];
};

/* Control headers prepared once; only the address and the length in them change. */
struct fl__udp_out {
	struct mmsghdr msg[FL_UDP_BATCH];
	struct iovec iov[FL_UDP_BATCH]; /* a reply each; those of a message stand together */
	struct sockaddr_storage to[FL_UDP_BATCH]; /* of queued replies; others use in.from */
	_Alignas(struct cmsghdr) uint8_t control[FL_UDP_BATCH][FL__UDP_CONTROL_OUT];
};

struct fl__udp_queued {
	struct fl_udp_return way;
	uint32_t offset, len; /* in octets[] */
};

/* Filled at the end and emptied from the front; both begin again when it is empty, so that in
 * the ordinary case the same few cache lines are used. */
struct fl__udp_queue {
	unsigned head, n;
	unsigned counted; /* replies before it are in udp_send_queued already */
	uint32_t used;    /* of octets[] */
	struct fl__udp_queued reply[FL__UDP_QUEUE_REPLIES];
	uint8_t octets[FL__UDP_QUEUE_OCTETS];
};

struct fl_udp {
	struct fl_udp_options o;
	uv_poll_t poll;
	uv_prepare_t prepare; /* replies from timers leave before the loop sleeps */
	uv_check_t check;     /* replies from other descriptors leave when the turn ends */
	unsigned open_handles;
	int armed;        /* events the poll handle waits for */
	bool any_address; /* bound to a wildcard: PKTINFO says what was asked */
	bool stopped;     /* reads no more */
	bool closing;
	bool blocked;      /* the socket is full: wait until it is writable */
	bool refused;      /* the first waiting reply has met ENOBUFS once */
	bool trains;       /* the kernel knows UDP_SEGMENT */
	unsigned pause;    /* batches to go without trains: the kernel refused one */
	struct fl_addr at; /* bound to */
	uint32_t drops;    /* last value of SO_RXQ_OVFL */
	unsigned ask_for;  /* messages a call: fewer while each holds many questions */

	struct fl_udp_slot slot[FL_UDP_BATCH];
	uint8_t sender[FL_UDP_BATCH]; /* slot -> message it came in. A message that the kernel
					 has merged (UDP_GRO) may fill several slots. */
	struct fl__udp_in in;
	struct fl__udp_out out;
	uint8_t message[FL_UDP_BATCH][FL__UDP_MESSAGE_STRIDE];
	uint8_t reply[FL_UDP_BATCH][FL__UDP_STRIDE];
	struct fl__udp_queue queue;
};

/* udp_out.c */
void fl__udp_out_init(struct fl_udp *u);
/* Send, or queue, what the callback has written into slots [0, n). */
void fl__udp_reply(struct fl_udp *u, unsigned n);
/* Wait for the events that are of use now. */
void fl__udp_arm(struct fl_udp *u);

/* udp_train.c */
bool fl__udp_can_train(int fd);
/* Order the slots of [0, n) that have a reply so that each train's stand together; cars[i] is
 * the number of replies in train i. Returns the number of trains. */
unsigned fl__udp_trains(struct fl_udp *u, unsigned n, uint8_t order[static FL_UDP_BATCH],
			uint8_t cars[static FL_UDP_BATCH]);

#endif
