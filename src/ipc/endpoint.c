/* Listening ends of channels: abstract AF_UNIX addresses of one instance. */
#include "fairlead/base/siphash.h"
#include "fairlead/ipc/channel.h"
#include "fairlead/ipc/control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static enum fl_err address_of(const char *token, const char *name, struct sockaddr_un *sa,
			      socklen_t *len)
{
	memset(sa, 0, sizeof(*sa));
	sa->sun_family = AF_UNIX;
	/* the leading NUL makes it abstract: no file, gone with its last descriptor */
	const int n = snprintf(sa->sun_path + 1, sizeof(sa->sun_path) - 1, "fairlead/%s/%s",
			       token, name);
	if (n < 0 || (size_t)n >= sizeof(sa->sun_path) - 1) {
		return FL_EINVALID;
	}
	*len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
	return FL_OK;
}

/* A new socket made into one end of @p name by @p become, which is bind's or connect's. */
static enum fl_err open_end(const char *token, const char *name,
			    int (*become)(int, const struct sockaddr *, socklen_t), int *fd)
{
	struct sockaddr_un sa;
	socklen_t len;
	const enum fl_err err = address_of(token, name, &sa, &len);
	if (err != FL_OK) {
		return err;
	}
	const int s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s < 0) {
		return FL_ESYSTEM;
	}
	if (become(s, (const struct sockaddr *)&sa, len) != 0) {
		const int e = errno;
		close(s);
		errno = e;
		return e == EAGAIN ? FL_EBUSY : FL_ESYSTEM;
	}
	*fd = s;
	return FL_OK;
}

/* As deep as the kernel lets it be: who connects while nobody accepts, because a role is being
 * started again, should find room beside strangers. */
static int bind_and_listen(int s, const struct sockaddr *sa, socklen_t len)
{
	return bind(s, sa, len) == 0 ? listen(s, SOMAXCONN) : -1;
}

enum fl_err fl_channel_listen(const char *token, const char *name, int *fd)
{
	return open_end(token, name, bind_and_listen, fd);
}

/* Not connect() itself: a library may declare that one with a union of addresses. */
static int connect_end(int s, const struct sockaddr *sa, socklen_t len)
{
	return connect(s, sa, len);
}

enum fl_err fl_channel_connect(const char *token, const char *name, int *fd)
{
	return open_end(token, name, connect_end, fd);
}

enum fl_err fl_channel_accept(int listen_fd, int *fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	const int s = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (s < 0) {
		return errno == EAGAIN ? FL_ENOTFOUND : FL_ESYSTEM;
	}
	/* An abstract name can be found by any local user of this network namespace;
	 * who connects is told by the kernel. */
	if (getsockopt(s, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0 || peer.uid != geteuid()) {
		close(s);
		return FL_EDENIED;
	}
	*fd = s;
	return FL_OK;
}

uint64_t fl_control_hello(const uint64_t greeting[static 2], enum fl_role role, uint32_t index)
{
	const struct fl_sipkey key = { .k = { greeting[0], greeting[1] } };
	const uint32_t who[2] = { (uint32_t)role, index };
	return fl_siphash24(key, who, sizeof(who));
}
