/**
 * @file
 * A connection between two roles: SOCK_SEQPACKET on uv_poll, in batches.
 *
 * What a loop turn has gathered leaves at its end: small frames share a message, messages a
 * sendmmsg. Receives with recvmmsg, 8 messages a call. What the kernel does not take waits in a
 * queue that is bounded in frames and in octets; a full queue refuses (FL_EBUSY, counted) and
 * the caller decides. A frame that does not parse closes the connection: its peer is broken or
 * foreign. What a peer said before it died is heard first.
 *
 * The bound is each channel's: a process may hold as many times max_octets as it has channels
 * to peers that stand still.
 *
 * The listening ends are the supervisor's and outlive every role, so a
 * connection to a peer that is being restarted succeeds at once and is served when it
 * is back.
 */
#ifndef FAIRLEAD_IPC_CHANNEL_H
#define FAIRLEAD_IPC_CHANNEL_H

#include "fairlead/base/counters.h"
#include "fairlead/ipc/frame.h"

#include <stdbool.h>
#include <stddef.h>

struct fl_channel;
struct fl_receiver;
struct uv_loop_s;

struct fl_channel_options {
	struct uv_loop_s *loop;
	int fd; /* connected SOCK_SEQPACKET; the channel takes it */
	void (*frame)(void *arg, struct fl_channel *ch, const struct fl_frame *f, int *fds,
		      unsigned n_fds);
	void (*closed)(void *arg, struct fl_channel *ch); /* peer gone or broken; call
							     fl_channel_free() in it or later */
	void *arg;
	struct fl_counters *counters; /* may be NULL */
	size_t max_queued;            /* frames waiting, 8192 when 0 */
	size_t max_octets; /* of them, with what the queue itself takes; 8 MiB when 0 */
	struct fl_receiver
		*receiver; /* of this loop, borrowed; NULL: the channel makes its own */
};

/**
 * Room for one batch of received messages, 514 KiB of which only what frames reach is touched.
 * Channels of one loop can share one; it must outlive them.
 */
struct fl_receiver *fl_receiver_new(void); /* NULL: out of memory */
void fl_receiver_free(struct fl_receiver *rx);

/** Passed descriptors are the callback's to close; it sets those it keeps to -1. At most 32 a
 * frame. */
enum { FL_CHANNEL_FDS_MAX = 32 };

enum fl_err fl_channel_open(const struct fl_channel_options *o,
			    struct fl_channel **out) FL_MUST_USE;

/** Queue a frame (copied); it leaves at the end of the loop turn. */
enum fl_err fl_channel_send(struct fl_channel *ch, const struct fl_frame *f) FL_MUST_USE;
/** The same with descriptors (duplicated); supervisor's and control's only. */
enum fl_err fl_channel_send_fds(struct fl_channel *ch, const struct fl_frame *f, const int *fds,
				unsigned n_fds) FL_MUST_USE;
void fl_channel_flush(struct fl_channel *ch);
bool fl_channel_is_open(const struct fl_channel *ch);
/** Close and free when the loop has closed its handles; no callback comes after this. */
void fl_channel_free(struct fl_channel *ch);

/**
 * The listening end @p name ("resolver.0") of the instance @p token: an abstract
 * AF_UNIX address, so that it works where no disk can be written.
 */
enum fl_err fl_channel_listen(const char *token, const char *name, int *fd) FL_MUST_USE;
enum fl_err fl_channel_connect(const char *token, const char *name, int *fd) FL_MUST_USE;
/** Accept one waiting connection; FL_EDENIED (closed, to be counted) when its peer's user is
 * not ours. */
enum fl_err fl_channel_accept(int listen_fd, int *fd) FL_MUST_USE;

#endif
