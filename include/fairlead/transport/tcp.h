/**
 * @file
 * DNS over TCP: RFC 1035 4.2.2 framing, pipelined, answered out of order (RFC 7766).
 *
 * A connection is known to others as a handle (slot and generation): replies to
 * one that is gone are dropped. Bounds: connections a front, connections a
 * client prefix, questions in flight a connection (reading pauses), octets
 * waiting to be written (the connection is closed), idle time (10 s, none of it
 * when over 80 % full: the idle oldest is closed).
 */
#ifndef FAIRLEAD_TRANSPORT_TCP_H
#define FAIRLEAD_TRANSPORT_TCP_H

#include "fairlead/base/addr.h"
#include "fairlead/base/counters.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fl_tcp;
struct uv_loop_s;

struct fl_tcp_conn_id {
	uint32_t slot, generation;
};

/** A whole message; @p message is lent until the callback returns. Answer with fl_tcp_send(),
 * now or later, once. */
typedef void (*fl_tcp_message_fn)(void *arg, struct fl_tcp_conn_id conn,
				  const struct fl_addr *peer, const uint8_t *message,
				  size_t len);

struct fl_tcp_options {
	struct uv_loop_s *loop;
	int fd; /* bound, listening; the transport takes it */
	fl_tcp_message_fn message;
	void *arg;
	struct fl_counters *counters;
	uint32_t max_connections; /* 1024 */
	uint32_t max_per_client;  /* connections of one address; 100 */
	uint32_t max_in_flight;   /* questions a connection; 100 */
	uint32_t max_out_bytes;   /* waiting to be written; 256 KiB */
	uint32_t idle_ms;         /* 10,000 */
};

struct fl_tcp_options fl_tcp_options_default(void);
enum fl_err fl_tcp_open(const struct fl_tcp_options *o, struct fl_tcp **out) FL_MUST_USE;

/** Send one reply of 12..65,535 octets; len 0 ends the question without one (it was to be
 * dropped). */
void fl_tcp_send(struct fl_tcp *t, struct fl_tcp_conn_id conn, const uint8_t *reply,
		 size_t len);

/** True while the client is still there: work for a gone one can be saved. */
bool fl_tcp_alive(const struct fl_tcp *t, struct fl_tcp_conn_id conn);

void fl_tcp_stop(struct fl_tcp *t); /* accept no more; idle connections are closed, busy ones
				       after their last answer */
unsigned fl_tcp_busy(const struct fl_tcp *t); /* connections with questions in flight */
void fl_tcp_close(struct fl_tcp *t); /* close all, free when the loop has closed the handles */

/** For the supervisor: a listening socket as fl_tcp_open() wants it (SO_REUSEPORT, IPV6_V6ONLY,
 * freebind, backlog 1024, fast open). */
enum fl_err fl_tcp_bind(const struct fl_addr *at, int *fd) FL_MUST_USE;

#endif
