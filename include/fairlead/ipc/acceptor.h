/**
 * @file
 * The side of a role that others connect to: it accepts, lets them prove who they are, and
 * keeps one connection for each.
 *
 * An abstract address can be found, and connected to, by any process of this
 * network namespace. So: who is of another user is closed at once; who has not proven role
 * and index by HELLO within 5 s is dropped, and of such ones at most 128 are held, the
 * oldest making way; each proven HELLO replaces the connection that its index had. A turn of
 * the loop accepts at most 64, so that a flood takes its share and no more. Where the process
 * has no descriptors left, waiting connections wait: it tries again by the clock and never
 * spins.
 *
 * A peer is one life of an index: what was to be said to a front that has gone is never said to
 * the one that stands in its place.
 */
#ifndef FAIRLEAD_IPC_ACCEPTOR_H
#define FAIRLEAD_IPC_ACCEPTOR_H

#include "fairlead/ipc/channel.h"
#include "fairlead/ipc/confine.h"

#include <stdbool.h>
#include <stdint.h>

struct fl_acceptor;

struct fl_peer {
	uint32_t index; /* which of its role */
	uint32_t life;  /* 1 for the first of this index, and so on; 0: nobody */
};

struct fl_acceptor_options {
	struct uv_loop_s *loop;
	int fd;               /* the listening end; the acceptor takes it */
	enum fl_role role;    /* of all who come */
	unsigned peers;       /* index 0 .. peers - 1 */
	uint64_t greeting[2]; /* fl_control_hello()'s key */
	/** A frame of a proven peer, never HELLO. False: it is out of place; the peer is
	 * dropped. Not the place for fl_acceptor_close(). */
	bool (*frame)(void *arg, struct fl_peer from, const struct fl_frame *f);
	void *arg;
	struct fl_counters *counters; /* may be NULL */
	struct fl_receiver *receiver; /* see fl_channel_options */
};

/** On failure the descriptor stays the caller's. */
enum fl_err fl_acceptor_open(const struct fl_acceptor_options *o,
			     struct fl_acceptor **out) FL_MUST_USE;

/** Who is connected as @p index now; life 0 when nobody is. */
struct fl_peer fl_acceptor_peer(const struct fl_acceptor *a, unsigned index);

/** @retval FL_ECLOSED  that peer is gone; its successor gets nothing of it */
enum fl_err fl_acceptor_send(struct fl_acceptor *a, struct fl_peer to,
			     const struct fl_frame *f) FL_MUST_USE;

/** Hand what is queued for all of them to the kernel, as far as it takes it. */
void fl_acceptor_flush(struct fl_acceptor *a);

/** Close it and all its connections; freed when the loop has closed the handles. NULL is fine.
 */
void fl_acceptor_close(struct fl_acceptor *a);

#endif
