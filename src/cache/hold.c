#include "hold.h"

#include "fairlead/cache/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static const char lock_name[] = "lock.mdb";

/* What a parcel carries beside its descriptors. */
struct label {
	uint32_t magic, lock_at;
};
enum { PARCEL_MAGIC = 0x464C5041, PARCEL_FDS = 2 };

/* Descriptors that travel. */
union passenger {
	struct cmsghdr align;
	char octets[CMSG_SPACE(sizeof(int) * PARCEL_FDS)];
};

/* --- the supervisor's side --- */

/* A new lock that every role will find under one number. What stood there is of an earlier run.
 */
static int make_lock(int folder_fd, unsigned lock_at)
{
	char target[40];
	snprintf(target, sizeof(target), "/proc/self/fd/%u", lock_at);
	const int fd = memfd_create("fairlead-lock", MFD_CLOEXEC);
	if (fd < 0) {
		return -1;
	}
	unlinkat(folder_fd, lock_name, 0);
	if (symlinkat(target, folder_fd, lock_name) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void remove_link(int folder_fd)
{
	struct stat st;
	if (fstatat(folder_fd, lock_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISLNK(st.st_mode)) {
		unlinkat(folder_fd, lock_name, 0);
	}
}

enum fl_err fl_cache_hold(int folder_fd, unsigned lock_at, struct fl_cache_hold *out)
{
	struct fl_cache_hold h = { .folder_fd = folder_fd, .lock_fd = -1, .lock_at = lock_at };
	if (flock(folder_fd, LOCK_EX | LOCK_NB) == 0) {
		h.lock_fd = make_lock(folder_fd, lock_at);
	} else if (errno == EWOULDBLOCK) {
		return FL_EBUSY;
	}
	if (h.lock_fd < 0) {
		remove_link(folder_fd); /* LMDB makes a file */
	}
	*out = h;
	return FL_OK;
}

enum fl_err fl_cache_hold_parcel(const struct fl_cache_hold *h, int *fd)
{
	if (h->lock_fd < 0) {
		const int folder_fd = fcntl(h->folder_fd, F_DUPFD_CLOEXEC, 0);
		*fd = folder_fd >= 0 ? folder_fd : *fd;
		return folder_fd >= 0 ? FL_OK : FL_ESYSTEM;
	}
	int pair[2];
	const int fds[PARCEL_FDS] = { h->folder_fd, h->lock_fd };
	struct label label = { PARCEL_MAGIC, h->lock_at };
	struct iovec iov = { &label, sizeof(label) };
	union passenger control = { 0 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(c), fds, sizeof(fds));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
		return FL_ESYSTEM;
	}
	const bool sent = sendmsg(pair[0], &m, MSG_NOSIGNAL) == (ssize_t)sizeof(label);
	close(pair[0]);
	if (!sent) {
		close(pair[1]);
		return FL_ESYSTEM;
	}
	*fd = pair[1];
	return FL_OK;
}

void fl_cache_hold_close(struct fl_cache_hold *h)
{
	if (h->lock_fd >= 0) {
		close(h->lock_fd);
	}
	close(h->folder_fd);
}

void fl_cache_hold_end(struct fl_cache_hold *h)
{
	if (h->lock_fd >= 0) {
		remove_link(h->folder_fd);
	}
	fl_cache_hold_close(h);
}

/* --- a role's side --- */

/* Looked at, not taken out: who could not open the cache may try again with the same one. */
static enum fl_err unpack(int parcel, struct label *label, int fds[static PARCEL_FDS])
{
	struct iovec iov = { label, sizeof(*label) };
	union passenger control;
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	const ssize_t n = recvmsg(parcel, &m, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	const struct cmsghdr *c = n >= 0 ? CMSG_FIRSTHDR(&m) : NULL;
	if (c == NULL || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
		return FL_ESYSTEM; /* no descriptors left, perhaps */
	}
	const unsigned n_fds = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
	memcpy(fds, CMSG_DATA(c), n_fds * sizeof(int));
	if (n == (ssize_t)sizeof(*label) && n_fds == PARCEL_FDS &&
	    label->magic == PARCEL_MAGIC && (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0) {
		return FL_OK;
	}
	for (unsigned i = 0; i < n_fds; i++) {
		close(fds[i]);
	}
	return FL_ESYSTEM;
}

/* Give the lock the number that its link names. */
static enum fl_err place_lock(int fd, unsigned at, int *out)
{
	const int placed = fcntl(fd, F_DUPFD_CLOEXEC, (int)at);
	if (placed < 0) {
		return FL_ESYSTEM;
	}
	if ((unsigned)placed != at) {
		close(placed);
		return FL_EBUSY;
	}
	*out = placed;
	return FL_OK;
}

enum fl_err fl__share_take(int fd, struct fl__share *out)
{
	struct stat st;
	struct label label;
	int fds[PARCEL_FDS];
	if (fstat(fd, &st) != 0) {
		return FL_ESYSTEM;
	}
	struct fl__share s = { .lock_fd = -1 };
	if (!S_ISSOCK(st.st_mode)) {
		s.folder_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (s.folder_fd < 0) {
			return FL_ESYSTEM;
		}
		*out = s;
		return FL_OK;
	}
	enum fl_err err = unpack(fd, &label, fds);
	if (err != FL_OK) {
		return err;
	}
	err = place_lock(fds[1], label.lock_at, &s.lock_fd);
	close(fds[1]);
	if (err != FL_OK) {
		close(fds[0]);
		return err;
	}
	s.folder_fd = fds[0];
	*out = s;
	return FL_OK;
}

void fl__share_close(struct fl__share *s)
{
	if (s->lock_fd >= 0) {
		close(s->lock_fd);
	}
	close(s->folder_fd);
}
