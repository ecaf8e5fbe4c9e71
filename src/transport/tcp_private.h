/**
 * @file
 * What tcp.c (listening, slots, time) and tcp_conn.c (one connection's octets) share.
 *
 *   accepted -> reading <-> paused (in flight or output at its limit)
 *                 |            |
 *              finishing: end of input, a broken partial message, or fl_tcp_stop();
 *                 |       nothing is read any more, answers still leave
 *              closed: slot and descriptor are free at once, memory when libuv lets go
 */
#ifndef FL_TRANSPORT_TCP_PRIVATE_H
#define FL_TRANSPORT_TCP_PRIVATE_H

#include "fairlead/base/list.h"
#include "fairlead/base/log.h"
#include "fairlead/base/siphash.h"
#include "fairlead/transport/tcp.h"

#include <uv.h>

enum {
	/* One read. Shared by all connections: a connection keeps only what is left of an
	 * incomplete message, or what arrived with the question that made it pause. */
	FL__TCP_READ = 16 * 1024,
	FL__TCP_GATHER = 32 * 1024, /* replies gathered before they are written in mid-turn */
	FL__TCP_KEEP = 4096,      /* an output buffer up to this size stays for the next turn */
	FL__TCP_MESSAGE_MIN = 12, /* a DNS header; RFC 1035 4.1.1 */
	FL__TCP_MESSAGE_MAX = 65535,
	FL__TCP_ACCEPTS = 64, /* connections accepted a turn */
	FL__TCP_ACCEPT_PAUSE_MS = 100,
	FL__TCP_SWEEP_MS = 1000
};

/* Octets [start, end) of at[] are in use. */
struct fl__buffer {
	uint8_t *at;
	size_t start, end, size;
};

struct fl__tcp_conn {
	struct fl_tcp *tcp;
	uv_poll_t poll;
	struct fl_list quiet;  /* in fl_tcp.quiet while nothing is in flight, oldest first */
	struct fl_list dirty;  /* in fl_tcp.dirty while the end of the turn has work with it */
	struct fl__buffer in;  /* input not yet consumed */
	struct fl__buffer out; /* framed replies not yet written */
	uint64_t quiet_ms;     /* accepted, or last answered */
	uint64_t started_ms;   /* the partial message in `in` began */
	uint64_t written_ms;   /* the output last moved, or began to wait */
	struct fl_addr peer;
	int fd;
	int armed; /* events the poll handle waits for */
	uint32_t slot;
	uint32_t in_flight;
	uint32_t client; /* index in fl__clients */
	bool asked;      /* has sent a whole message */
	bool partial;    /* `in` ends in an incomplete message, and more may be read */
	bool blocked;    /* the socket is full */
	bool finishing;  /* read no more; close after the last answer */
	bool ended;      /* finishing since the client has closed its side: whole messages that
			    came before are still answered */
	bool closed;
	bool was_active; /* a message or an answer since the last settling */
	bool settling;   /* no recursion through the message callback */
};

struct fl__tcp_slot {
	struct fl__tcp_conn *conn; /* NULL: free */
	uint32_t generation;       /* of the connection in it, or of the next one */
	uint32_t next_free;
};

/* Connections a client: an IPv4 address or an IPv6 /64, which one client has to itself. */
struct fl__client {
	uint64_t net;
	uint32_t count;
	uint32_t next; /* in its bucket, or in the free list */
	uint16_t family;
};

struct fl__clients {
	struct fl_sipkey key; /* or somebody would choose addresses of one bucket */
	struct fl__client *client;
	uint32_t *bucket;
	uint32_t mask, free;
};

struct fl_tcp {
	struct fl_tcp_options o;
	uv_poll_t listener;
	uv_timer_t sweep;  /* runs while there are connections */
	uv_timer_t resume; /* accepts again after the descriptors ran out */
	uv_prepare_t prepare;
	uv_check_t check;
	unsigned open_handles; /* of the transport and its connections */
	bool stopped, closing;
	uint32_t n; /* connections */
	uint32_t first_free;
	struct fl__tcp_slot *slot;
	struct fl__clients clients;
	struct fl_list quiet, dirty;
	struct fl_log_gate no_descriptors;
	uint8_t read[FL__TCP_READ];
};

#define FL__TCP_NONE UINT32_MAX

/* clients.c */
enum fl_err fl__clients_init(struct fl__clients *c, uint32_t max) FL_MUST_USE;
void fl__clients_fini(struct fl__clients *c);
/* Count one more connection of @p peer; false, and nothing is counted, at the limit. */
bool fl__clients_enter(struct fl__clients *c, const struct fl_addr *peer, uint32_t limit,
		       uint32_t *client);
void fl__clients_leave(struct fl__clients *c, uint32_t client);

/* tcp.c */
void fl__tcp_conn_close(struct fl__tcp_conn *c);

/* tcp_conn.c */
void fl__tcp_conn_start(struct fl__tcp_conn *c);
void fl__tcp_conn_answer(struct fl__tcp_conn *c, const uint8_t *reply, size_t len);
/* Read no more, drop what was not handed out; it closes after its last answer, or at the end of
 * the turn when there is none. */
void fl__tcp_conn_finish(struct fl__tcp_conn *c);
/* Consume what may be, write what can be, and then close or wait for the right events. */
void fl__tcp_conn_settle(struct fl__tcp_conn *c);
/* Once a second or so: close or finish it for its slowness. */
void fl__tcp_conn_check_time(struct fl__tcp_conn *c, uint64_t now_ms);

static inline size_t fl__buffer_len(const struct fl__buffer *b)
{
	return b->end - b->start;
}

#endif
