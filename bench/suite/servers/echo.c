#include "servers/echo.h"

#include "say.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	BATCH = 64,
	MESSAGE_MAX = 4096,
	HEADER_LEN = 12,
	BUFFER_OCTETS = 4 << 20,
	CONTROL_LEN = CMSG_SPACE(sizeof(struct in_pktinfo)),
};

struct echo {
	int fd;
	const uint16_t *sizes;
	struct mmsghdr head[BATCH];
	struct iovec iov[BATCH];
	struct sockaddr_in peer[BATCH];
	_Alignas(struct cmsghdr) uint8_t control[BATCH][CONTROL_LEN];
	uint8_t message[BATCH][MESSAGE_MAX];
};

static int open_socket(const struct sockaddr_in *at)
{
	const int one = 1;
	const int size = BUFFER_OCTETS;
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one)) != 0 ||
	    bind(fd, (const struct sockaddr *)at, sizeof(*at)) != 0) {
		say_error("the null server cannot listen: %s", strerror(errno));
		return -1;
	}
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0) {
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	}
	return fd;
}

static int receive(struct echo *e, int flags)
{
	for (unsigned i = 0; i < BATCH; i++) {
		e->iov[i] = (struct iovec){ e->message[i], MESSAGE_MAX };
		e->head[i].msg_hdr = (struct msghdr){
			.msg_name = &e->peer[i],
			.msg_namelen = sizeof(e->peer[i]),
			.msg_iov = &e->iov[i],
			.msg_iovlen = 1,
			.msg_control = e->control[i],
			.msg_controllen = CONTROL_LEN,
		};
	}
	return recvmmsg(e->fd, e->head, BATCH, flags, NULL);
}

/* The control message that came says where the question was asked; it goes back
 * with the interface left open, so that the route decides. */
static void turn_round(struct echo *e, unsigned i)
{
	uint8_t *m = e->message[i];
	struct msghdr *head = &e->head[i].msg_hdr;
	struct cmsghdr *c = CMSG_FIRSTHDR(head);
	const size_t want = e->sizes[m[1]];
	if (c != NULL && c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
		struct in_pktinfo info;
		memcpy(&info, CMSG_DATA(c), sizeof(info));
		info.ipi_spec_dst = info.ipi_addr;
		info.ipi_ifindex = 0;
		memcpy(CMSG_DATA(c), &info, sizeof(info));
	}
	m[2] |= 0x80;
	m[3] = 0x80;
	e->iov[i].iov_len = want > e->head[i].msg_len ? want : e->head[i].msg_len;
	head->msg_flags = 0;
}

static void send_all(struct echo *e, unsigned count)
{
	unsigned done = 0;
	while (done < count) {
		const int n = sendmmsg(e->fd, e->head + done, count - done, 0);
		done += n > 0 ? (unsigned)n : 1; /* one that cannot be sent is left out */
	}
}

static void answer_batch(struct echo *e, int n)
{
	unsigned keep = 0;
	for (int i = 0; i < n; i++) {
		if (e->head[i].msg_len >= HEADER_LEN) {
			turn_round(e, (unsigned)i);
			keep++;
		} else {
			e->iov[i].iov_len = 0;
		}
	}
	if (keep > 0) {
		send_all(e, (unsigned)n);
	}
}

static void serve_polled(struct echo *e)
{
	struct epoll_event event = { .events = EPOLLIN };
	const int poll_fd = epoll_create1(EPOLL_CLOEXEC);
	epoll_ctl(poll_fd, EPOLL_CTL_ADD, e->fd, &event);
	for (;;) {
		int n;
		if (epoll_wait(poll_fd, &event, 1, -1) < 0) {
			continue;
		}
		do {
			n = receive(e, MSG_DONTWAIT);
			answer_batch(e, n);
		} while (n == BATCH);
	}
}

int echo_serve(const struct sockaddr_in *at, const uint16_t sizes[static ECHO_SIZES],
	       bool polled)
{
	struct echo *e = calloc(1, sizeof(*e));
	if (e == NULL || (e->fd = open_socket(at)) < 0) {
		free(e);
		return EXIT_FAILURE;
	}
	e->sizes = sizes;
	if (polled) {
		serve_polled(e);
	}
	for (;;) { /* until killed */
		answer_batch(e, receive(e, MSG_WAITFORONE));
	}
}
