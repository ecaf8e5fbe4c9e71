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
	BATCH = 8,             /* messages a call, of up to FL_FRAME_TRAIN_MAX frames each */
	FRAMES_A_WAKEUP = 128, /* then others have their turn: one peer cannot hold the loop */
	TRAIN_OCTETS = 16384,  /* small frames share a message up to there */
	QUEUE_DEFAULT = 8192,  /* frames */
	OCTETS_DEFAULT = 8 << 20,
	RESETS_MAX = 2, /* read past; there is one, unless the kernel has a new idea */
	SOCKET_BUFFER = 1 << 20
};

/* Frames that leave as one message: a message costs the kernel more than its octets do, at
 * both ends. */
struct train {
	struct fl_list node;
	size_t len, cap;
	unsigned n_frames;
	unsigned n_fds; /* where there are any, the frame is alone */
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
	struct fl_list queue; /* of trains */
	size_t n_queued;      /* frames in it */
	size_t queued_octets; /* what it takes of memory */
	struct fl_receiver *rx;
};

static void on_poll(uv_poll_t *h, int status, int events);

static void watch(struct fl_channel *ch)
{
	const int events = UV_READABLE | (ch->blocked ? UV_WRITABLE : 0);
	uv_poll_start(&ch->poll, events, on_poll);
}

static size_t weight(size_t cap)
{
	return sizeof(struct train) + cap;
}

static void free_train(struct train *t)
{
	for (unsigned i = 0; i < t->n_fds; i++) {
		close(t->fds[i]);
	}
	free(t);
}

static struct train *first_train(struct fl_channel *ch)
{
	return FL_CONTAINER(ch->queue.next, struct train, node);
}

/* Take the first out of the queue, sent or given up; returns its number of frames. */
static unsigned unqueue(struct fl_channel *ch)
{
	struct train *t = first_train(ch);
	const unsigned n = t->n_frames;
	fl_list_remove(&t->node);
	ch->n_queued -= n;
	ch->queued_octets -= weight(t->cap);
	free_train(t);
	return n;
}

static void drop_queue(struct fl_channel *ch)
{
	unsigned n = 0;
	while (!fl_list_empty(&ch->queue)) {
		n += unqueue(ch);
	}
	if (ch->o.counters != NULL) {
		FL_COUNT_ADD(ch->o.counters, ipc_dropped, n);
	}
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

static void close_fds(const int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (fds[i] >= 0) {
			close(fds[i]);
		}
	}
}

static bool is_wanted(const struct fl_channel *ch)
{
	return ch->open && !ch->freed; /* a callback may have ended it */
}

/* Hand on the frames of one message; its descriptors are the first one's. */
static enum fl_err deliver_frames(struct fl_channel *ch, const uint8_t *octets, size_t len,
				  int *fds, unsigned n_fds, unsigned *n_frames)
{
	struct fl_frame f;
	for (unsigned n = 0; len > 0 && is_wanted(ch); n++) {
		const enum fl_err err = n == FL_FRAME_TRAIN_MAX
						? FL_EMALFORMED
						: fl_frame_first(octets, len, &f);
		if (err != FL_OK) {
			return err;
		}
		ch->o.frame(ch->o.arg, ch, &f, fds, n == 0 ? n_fds : 0);
		++*n_frames;
		octets += fl_frame_len(&f);
		len -= fl_frame_len(&f);
	}
	return FL_OK;
}

/* Hand one message on; false when the channel is done for. */
static bool deliver(struct fl_channel *ch, struct mmsghdr *m, const uint8_t *octets,
		    unsigned *n_frames)
{
	int fds[FL_CHANNEL_FDS_MAX];
	const unsigned n_fds = passed_fds(&m->msg_hdr, fds);
	const unsigned before = *n_frames;
	enum fl_err err = FL_EMALFORMED;
	if (m->msg_len == 0) {
		close_fds(fds, n_fds);
		return false; /* end of file: SEQPACKET has no empty frames of ours */
	}
	if ((m->msg_hdr.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0) {
		err = deliver_frames(ch, octets, m->msg_len, fds, n_fds, n_frames);
	}
	close_fds(fds, n_fds);
	if (ch->o.counters != NULL) {
		const unsigned refused = err == FL_OK ? 0 : 1;
		FL_COUNT_ADD(ch->o.counters, ipc_received, *n_frames - before + refused);
		FL_COUNT_ADD(ch->o.counters, ipc_refused, refused);
	}
	if (err != FL_OK) {
		fl_log(FL_LOG_ERROR,
		       "a message between roles was refused (%s); its connection is closed",
		       fl_err_text(err));
	}
	return err == FL_OK;
}

/* A peer that died with unread messages of ours: the kernel reports that once, before what the
 * peer itself had sent, which still waits. */
static bool is_reset(struct fl_channel *ch)
{
	return errno == ECONNRESET && ch->resets++ < RESETS_MAX;
}

/* Receive once. 0: nothing more now; <0: closed; else messages handled. */
static int receive_batch(struct fl_channel *ch, unsigned *n_frames)
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
		if (!is_wanted(ch) ||
		    !deliver(ch, &ch->rx->hdr[i], ch->rx->octets[i], n_frames)) {
			for (int j = i + 1; j < n; j++) { /* no longer wanted */
				int fds[FL_CHANNEL_FDS_MAX];
				close_fds(fds, passed_fds(&ch->rx->hdr[j].msg_hdr, fds));
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
		for (unsigned n_frames = 0; n_frames < FRAMES_A_WAKEUP && got == BATCH;) {
			got = receive_batch(ch, &n_frames);
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

static void put_fds(struct msghdr *m, char *control, const struct train *t)
{
	if (t->n_fds == 0) {
		return;
	}
	m->msg_control = control;
	m->msg_controllen = CMSG_SPACE(sizeof(int) * t->n_fds);
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * t->n_fds);
	memcpy(CMSG_DATA(c), t->fds, sizeof(int) * t->n_fds);
}

static void sent(struct fl_channel *ch, int n)
{
	unsigned frames = 0;
	for (; n > 0; n--) {
		frames += unqueue(ch);
	}
	if (ch->o.counters != NULL) {
		FL_COUNT_ADD(ch->o.counters, ipc_sent, frames);
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
	while (ch->open && !ch->blocked && !fl_list_empty(&ch->queue)) {
		unsigned n = 0;
		memset(hdr, 0, sizeof(hdr));
		for (struct fl_list *at = ch->queue.next; at != &ch->queue && n < BATCH;
		     at = at->next, n++) {
			struct train *t = FL_CONTAINER(at, struct train, node);
			iov[n] = (struct iovec){ t->octets, t->len };
			hdr[n].msg_hdr.msg_iov = &iov[n];
			hdr[n].msg_hdr.msg_iovlen = 1;
			put_fds(&hdr[n].msg_hdr, control[n], t);
		}
		const int r = sendmmsg(ch->fd, hdr, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (r > 0) {
			sent(ch, r);
		} else if (r < 0 && may_pass(errno)) {
			ch->blocked = true;
			watch(ch);
		} else if (r < 0 && errno != EINTR) {
			not_sent(ch, errno);
		}
	}
	if (fl_list_empty(&ch->queue) || ch->blocked) {
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
static bool dup_fds(struct train *t, const int *fds, unsigned n_fds)
{
	while (t->n_fds < n_fds) {
		const int fd = fcntl(fds[t->n_fds], F_DUPFD_CLOEXEC, 0);
		if (fd < 0) {
			return false;
		}
		t->fds[t->n_fds++] = fd;
	}
	return true;
}

static void append(struct train *t, const struct fl_frame *f)
{
	uint8_t *at = t->octets + t->len;
	memcpy(at, &f->h, sizeof(f->h));
	at += sizeof(f->h);
	if (f->h.text_len > 0) {
		memcpy(at, f->text, f->h.text_len);
	}
	at += f->h.text_len;
	if (f->h.packet_len > 0) {
		memcpy(at, f->packet, f->h.packet_len);
	}
	t->len += fl_frame_len(f);
	t->n_frames++;
}

/* The last train, where @p len octets more have room in it. */
static struct train *joinable(struct fl_channel *ch, size_t len)
{
	if (fl_list_empty(&ch->queue)) {
		return NULL;
	}
	struct train *t = FL_CONTAINER(ch->queue.prev, struct train, node);
	const bool has_room = t->n_frames < FL_FRAME_TRAIN_MAX && len <= t->cap - t->len;
	return has_room && t->n_fds == 0 ? t : NULL;
}

/* A new one at the queue's end, with room for followers as far as the bound allows. */
static enum fl_err new_train(struct fl_channel *ch, size_t len, const int *fds, unsigned n_fds,
			     struct train **out)
{
	const size_t left = ch->o.max_octets - ch->queued_octets; /* never above the bound */
	if (weight(len) > left) {
		return FL_EBUSY;
	}
	size_t cap = left - weight(0) < TRAIN_OCTETS ? left - weight(0) : TRAIN_OCTETS;
	cap = len > cap || n_fds > 0 ? len : cap;
	struct train *t = malloc(weight(cap));
	if (t == NULL) {
		return FL_ENOMEM;
	}
	t->len = 0;
	t->cap = cap;
	t->n_frames = t->n_fds = 0;
	if (!dup_fds(t, fds, n_fds)) {
		free_train(t);
		return FL_ESYSTEM;
	}
	fl_list_append(&ch->queue, &t->node);
	ch->queued_octets += weight(cap);
	*out = t;
	return FL_OK;
}

enum fl_err fl_channel_send_fds(struct fl_channel *ch, const struct fl_frame *f, const int *fds,
				unsigned n_fds)
{
	assert(n_fds <= FL_CHANNEL_FDS_MAX);
	if (!ch->open) {
		return FL_ECLOSED;
	}
	const size_t len = fl_frame_len(f);
	struct train *t = n_fds == 0 ? joinable(ch, len) : NULL;
	enum fl_err err = ch->n_queued >= ch->o.max_queued ? FL_EBUSY : FL_OK;
	if (err == FL_OK && t == NULL) {
		err = new_train(ch, len, fds, n_fds, &t);
	}
	if (err != FL_OK) {
		if (err == FL_EBUSY && ch->o.counters != NULL) {
			FL_COUNT_ADD(ch->o.counters, ipc_dropped, 1);
		}
		return err;
	}
	append(t, f);
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
