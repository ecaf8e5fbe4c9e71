#include "fairlead/ipc/channel.h"

#include "fairlead/base/list.h"
#include "fairlead/base/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

enum {
	BATCH = 32,
	ROUNDS = 4, /* receive calls a wake-up, so that one peer cannot hold the loop */
	QUEUE_DEFAULT = 8192, /* frames */
	OCTETS_DEFAULT = 8 << 20,
	RESETS_MAX = 2, /* read past; there is one, unless the kernel has a new idea */
	SOCKET_BUFFER = 1 << 20
};

struct queued {
	struct fl_list node;
	size_t len;
	unsigned n_fds;
	int fds[FL_CHANNEL_FDS_MAX];
	uint8_t octets[];
};

struct fl_receiver { /* one batch of buffers; pages are touched only as far as frames reach */
	struct mmsghdr hdr[BATCH];
	struct iovec iov[BATCH];
	_Alignas(struct cmsghdr) char control[BATCH]
					     [CMSG_SPACE(sizeof(int) * FL_CHANNEL_FDS_MAX)];
	uint8_t octets[BATCH][FL_FRAME_MAX];
};

struct fl_channel {
	struct fl_channel_options o;
	uv_poll_t poll;
	uv_prepare_t prepare; /* flushes what timers queued, before the loop sleeps */
	uv_check_t check;     /* flushes what this turn's events queued */
	int fd;
	unsigned handles; /* not yet closed by the loop */
	bool freed, open, blocked, in_callback, owns_rx;
	unsigned resets;
	struct fl_list queue;
	size_t n_queued, queued_octets;
	struct fl_receiver *rx;
};

static void on_poll(uv_poll_t *h, int status, int events);

static void watch(struct fl_channel *ch)
{
	const int events = UV_READABLE | (ch->blocked ? UV_WRITABLE : 0);
	uv_poll_start(&ch->poll, events, on_poll);
}

/* What a queued frame takes of the bound: small ones weigh as much as they cost. */
static size_t weight(size_t len)
{
	return sizeof(struct queued) + len;
}

static void free_queued(struct queued *q)
{
	for (unsigned i = 0; i < q->n_fds; i++) {
		close(q->fds[i]);
	}
	free(q);
}

/* Take the first @p n out of the queue: sent, or given up. */
static void unqueue(struct fl_channel *ch, size_t n)
{
	ch->n_queued -= n;
	for (; n > 0; n--) {
		struct queued *q = FL_CONTAINER(ch->queue.next, struct queued, node);
		fl_list_remove(&q->node);
		ch->queued_octets -= weight(q->len);
		free_queued(q);
	}
}

static void drop_queue(struct fl_channel *ch)
{
	if (ch->o.counters != NULL) {
		FL_COUNT_ADD(ch->o.counters, ipc_dropped, ch->n_queued);
	}
	unqueue(ch, ch->n_queued);
}

static void stop_flushing(struct fl_channel *ch)
{
	uv_prepare_stop(&ch->prepare);
	uv_check_stop(&ch->check);
}

/* The peer is gone or broken: say so once. Handles are closed by fl_channel_free(). */
static void shut(struct fl_channel *ch)
{
	if (!ch->open) {
		return;
	}
	ch->open = false;
	uv_poll_stop(&ch->poll);
	stop_flushing(ch);
	drop_queue(ch);
	if (!ch->freed) {
		ch->o.closed(ch->o.arg, ch);
	}
}

static void finish(struct fl_channel *ch)
{
	if (ch->handles > 0 || !ch->freed || ch->in_callback) {
		return;
	}
	drop_queue(ch);
	if (ch->owns_rx) {
		fl_receiver_free(ch->rx);
	}
	free(ch);
}

static void on_handle_closed(uv_handle_t *h)
{
	struct fl_channel *ch = h->data;
	if (h == (uv_handle_t *)&ch->poll) {
		close(ch->fd); /* after libuv forgot it, or the number could be another's */
	}
	ch->handles--;
	finish(ch);
}

/* --- receiving --- */

struct fl_receiver *fl_receiver_new(void)
{
	return malloc(sizeof(struct fl_receiver)); /* not cleared: most is never touched */
}

void fl_receiver_free(struct fl_receiver *rx)
{
	free(rx);
}

static void prepare_batch(struct fl_receiver *rx)
{
	for (unsigned i = 0; i < BATCH; i++) {
		rx->iov[i] = (struct iovec){ rx->octets[i], FL_FRAME_MAX };
		rx->hdr[i].msg_hdr =
			(struct msghdr){ .msg_iov = &rx->iov[i],
					 .msg_iovlen = 1,
					 .msg_control = rx->control[i],
					 .msg_controllen = sizeof(rx->control[i]) };
	}
}

static unsigned passed_fds(struct msghdr *m, int fds[static FL_CHANNEL_FDS_MAX])
{
	unsigned n = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
			continue;
		}
		const size_t have = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < have; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (n < FL_CHANNEL_FDS_MAX) {
				fds[n++] = fd;
			} else {
				close(fd);
			}
		}
	}
	return n;
}

/* Hand one message on; false when the channel is done for. */
static bool deliver(struct fl_channel *ch, struct mmsghdr *m, const uint8_t *octets)
{
	int fds[FL_CHANNEL_FDS_MAX];
	const unsigned n_fds = passed_fds(&m->msg_hdr, fds);
	struct fl_frame f;
	enum fl_err err = FL_EMALFORMED;
	if (m->msg_len == 0) {
		return false; /* end of file: SEQPACKET has no empty frames of ours */
	}
	if ((m->msg_hdr.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0) {
		err = fl_frame_parse(octets, m->msg_len, &f);
	}
	if (ch->o.counters != NULL) {
		FL_COUNT_ADD(ch->o.counters, ipc_received, 1);
		FL_COUNT_ADD(ch->o.counters, ipc_refused, err == FL_OK ? 0 : 1);
	}
	if (err == FL_OK) {
		ch->o.frame(ch->o.arg, ch, &f, fds, n_fds);
	} else {
		fl_log(FL_LOG_ERROR,
		       "a message between roles was refused (%s); its connection is closed",
		       fl_err_text(err));
	}
	for (unsigned i = 0; i < n_fds; i++) {
		if (fds[i] >= 0) {
			close(fds[i]);
		}
	}
	return err == FL_OK;
}

/* A peer that died with unread messages of ours: the kernel reports that once, before what the
 * peer itself had sent, which still waits. */
static bool is_reset(struct fl_channel *ch)
{
	return errno == ECONNRESET && ch->resets++ < RESETS_MAX;
}

/* Receive once. 0: nothing more now; <0: closed; else frames handled. */
static int receive_batch(struct fl_channel *ch)
{
	prepare_batch(ch->rx);
	int n;
	do {
		n = recvmmsg(ch->fd, ch->rx->hdr, BATCH, MSG_DONTWAIT | MSG_CMSG_CLOEXEC, NULL);
	} while (n < 0 && (errno == EINTR || is_reset(ch)));
	if (n < 0) {
		return errno == EAGAIN ? 0 : -1;
	}
	for (int i = 0; i < n; i++) {
		/* a callback may have freed the channel: what came with it is no longer wanted
		 */
		if (!ch->open || ch->freed ||
		    !deliver(ch, &ch->rx->hdr[i], ch->rx->octets[i])) {
			for (int j = i + 1; j < n; j++) {
				int fds[FL_CHANNEL_FDS_MAX];
				const unsigned n_fds = passed_fds(&ch->rx->hdr[j].msg_hdr, fds);
				for (unsigned k = 0; k < n_fds; k++) {
					close(fds[k]);
				}
			}
			return -1;
		}
	}
	return n;
}

static void on_poll(uv_poll_t *h, int status, int events)
{
	struct fl_channel *ch = h->data;
	ch->in_callback = true;
	if (status == 0 && (events & UV_WRITABLE) != 0) {
		ch->blocked = false;
		fl_channel_flush(ch);
		if (ch->open && !ch->freed) {
			watch(ch);
		}
	}
	/* a status below 0 is an error or a hang-up: reading tells which, and what was left */
	if ((status < 0 || (events & UV_READABLE) != 0) && ch->open && !ch->freed) {
		int got = BATCH;
		for (unsigned round = 0; round < ROUNDS && got == BATCH; round++) {
			got = receive_batch(ch);
		}
		if (got < 0) {
			shut(ch);
		} else if (status < 0 && ch->open && !ch->freed) {
			watch(ch); /* libuv stopped the handle */
		}
	}
	ch->in_callback = false;
	finish(ch);
}

/* --- sending --- */

static void put_fds(struct msghdr *m, char *control, const struct queued *q)
{
	if (q->n_fds == 0) {
		return;
	}
	m->msg_control = control;
	m->msg_controllen = CMSG_SPACE(sizeof(int) * q->n_fds);
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * q->n_fds);
	memcpy(CMSG_DATA(c), q->fds, sizeof(int) * q->n_fds);
}

static void sent(struct fl_channel *ch, unsigned n)
{
	unqueue(ch, n);
	if (ch->o.counters != NULL) {
		FL_COUNT_ADD(ch->o.counters, ipc_sent, n);
	}
}

/* The kernel takes no more of this channel, for ever. A peer that is gone is found by reading,
 * after what it still had to say; after anything else (too many descriptors in flight, say)
 * the connection is cut, so that both ends learn that something was lost. */
static void not_sent(struct fl_channel *ch, int why)
{
	drop_queue(ch);
	if (why != EPIPE && why != ECONNRESET) {
		fl_log(FL_LOG_ERROR, "cannot send to another role, closing: %s", strerror(why));
		shutdown(ch->fd, SHUT_RDWR);
	}
}

static bool may_pass(int why)
{
	return why == EAGAIN || why == ENOBUFS || why == ENOMEM;
}

void fl_channel_flush(struct fl_channel *ch)
{
	_Alignas(struct cmsghdr) char control[BATCH]
					     [CMSG_SPACE(sizeof(int) * FL_CHANNEL_FDS_MAX)];
	struct mmsghdr hdr[BATCH];
	struct iovec iov[BATCH];
	while (ch->open && !ch->blocked && ch->n_queued > 0) {
		unsigned n = 0;
		memset(hdr, 0, sizeof(hdr));
		for (struct fl_list *at = ch->queue.next; at != &ch->queue && n < BATCH;
		     at = at->next, n++) {
			struct queued *q = FL_CONTAINER(at, struct queued, node);
			iov[n] = (struct iovec){ q->octets, q->len };
			hdr[n].msg_hdr.msg_iov = &iov[n];
			hdr[n].msg_hdr.msg_iovlen = 1;
			put_fds(&hdr[n].msg_hdr, control[n], q);
		}
		const int r = sendmmsg(ch->fd, hdr, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (r > 0) {
			sent(ch, (unsigned)r);
		} else if (r < 0 && may_pass(errno)) {
			ch->blocked = true;
			watch(ch);
		} else if (r < 0 && errno != EINTR) {
			not_sent(ch, errno);
		}
	}
	if (ch->n_queued == 0 || ch->blocked) {
		stop_flushing(ch);
	}
}

static void on_prepare(uv_prepare_t *h)
{
	fl_channel_flush(h->data);
}

static void on_check(uv_check_t *h)
{
	fl_channel_flush(h->data);
}

/* Duplicates of @p fds for a queued frame; on failure those made are its to close. */
static bool dup_fds(struct queued *q, const int *fds, unsigned n_fds)
{
	while (q->n_fds < n_fds) {
		const int fd = fcntl(fds[q->n_fds], F_DUPFD_CLOEXEC, 0);
		if (fd < 0) {
			return false;
		}
		q->fds[q->n_fds++] = fd;
	}
	return true;
}

static void write_octets(struct queued *q, const struct fl_frame *f)
{
	memcpy(q->octets, &f->h, sizeof(f->h));
	if (f->h.text_len > 0) {
		memcpy(q->octets + sizeof(f->h), f->text, f->h.text_len);
	}
	if (f->h.packet_len > 0) {
		memcpy(q->octets + sizeof(f->h) + f->h.text_len, f->packet, f->h.packet_len);
	}
}

enum fl_err fl_channel_send_fds(struct fl_channel *ch, const struct fl_frame *f, const int *fds,
				unsigned n_fds)
{
	assert(n_fds <= FL_CHANNEL_FDS_MAX);
	const size_t len = sizeof(f->h) + f->h.text_len + f->h.packet_len;
	if (!ch->open) {
		return FL_ECLOSED;
	}
	if (ch->n_queued >= ch->o.max_queued ||
	    ch->queued_octets + weight(len) > ch->o.max_octets) {
		if (ch->o.counters != NULL) {
			FL_COUNT_ADD(ch->o.counters, ipc_dropped, 1);
		}
		return FL_EBUSY;
	}
	struct queued *q = malloc(sizeof(*q) + len);
	if (q == NULL) {
		return FL_ENOMEM;
	}
	q->len = len;
	q->n_fds = 0;
	if (!dup_fds(q, fds, n_fds)) {
		free_queued(q);
		return FL_ESYSTEM;
	}
	write_octets(q, f);
	fl_list_append(&ch->queue, &q->node);
	ch->queued_octets += weight(len);
	if (ch->n_queued++ == 0 && !ch->blocked) {
		uv_prepare_start(&ch->prepare, on_prepare);
		uv_check_start(&ch->check, on_check);
	}
	return FL_OK;
}

enum fl_err fl_channel_send(struct fl_channel *ch, const struct fl_frame *f)
{
	return fl_channel_send_fds(ch, f, NULL, 0);
}

bool fl_channel_is_open(const struct fl_channel *ch)
{
	return ch->open;
}

static void set_options(struct fl_channel *ch, const struct fl_channel_options *o)
{
	ch->o = *o;
	if (ch->o.max_queued == 0) {
		ch->o.max_queued = QUEUE_DEFAULT;
	}
	if (ch->o.max_octets == 0) {
		ch->o.max_octets = OCTETS_DEFAULT;
	}
	ch->fd = o->fd;
	const int size = SOCKET_BUFFER; /* bounded by wmem_max: then more waits in the queue */
	setsockopt(o->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

enum fl_err fl_channel_open(const struct fl_channel_options *o, struct fl_channel **out)
{
	enum fl_err err = FL_ENOMEM;
	struct fl_channel *ch = calloc(1, sizeof(*ch));
	if (ch == NULL) {
		return FL_ENOMEM;
	}
	ch->owns_rx = o->receiver == NULL;
	ch->rx = ch->owns_rx ? fl_receiver_new() : o->receiver;
	if (ch->rx == NULL) {
		goto free_channel;
	}
	fl_list_init(&ch->queue);
	set_options(ch, o);
	if (uv_poll_init(o->loop, &ch->poll, o->fd) != 0) {
		err = FL_ESYSTEM;
		goto free_receiver;
	}
	uv_prepare_init(o->loop, &ch->prepare);
	uv_check_init(o->loop, &ch->check);
	ch->poll.data = ch->prepare.data = ch->check.data = ch;
	ch->handles = 3;
	ch->open = true;
	watch(ch);
	*out = ch;
	return FL_OK;
free_receiver:
	if (ch->owns_rx) {
		fl_receiver_free(ch->rx);
	}
free_channel:
	free(ch);
	return err;
}

void fl_channel_free(struct fl_channel *ch)
{
	if (ch == NULL || ch->freed) {
		return;
	}
	ch->freed = true;
	ch->open = false;
	uv_poll_stop(&ch->poll);
	stop_flushing(ch);
	drop_queue(ch);
	uv_close((uv_handle_t *)&ch->poll, on_handle_closed);
	uv_close((uv_handle_t *)&ch->prepare, on_handle_closed);
	uv_close((uv_handle_t *)&ch->check, on_handle_closed);
}
