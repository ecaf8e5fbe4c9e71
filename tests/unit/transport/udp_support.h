/**
 * @file
 * A UDP server under test, and system calls that are counted and can be told to fail.
 */
#ifndef FL_TEST_TRANSPORT_UDP_SUPPORT_H
#define FL_TEST_TRANSPORT_UDP_SUPPORT_H

#include "fairlead/transport/udp.h"
#include "support.h"

#include <netinet/udp.h>

enum { KEPT_MAX = 4096 };

/* What the wrapped calls do: after `send_pass` more messages fail with `send_errno`,
 * `send_fail` times (-1: for ever); 0 errno: nothing fails. */
static struct {
	unsigned send_calls, receive_calls, trains;
	bool no_trains;  /* a kernel without UDP_SEGMENT */
	int train_errno; /* messages of more than one reply fail */
	int send_errno, send_fail;
	unsigned send_pass;
	uint64_t first_send_ms;
} calls;

int __real_sendmmsg(int fd, struct mmsghdr *v, unsigned n, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *v, unsigned n, int flags);
int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int __real_recvmmsg(int fd, struct mmsghdr *v, unsigned n, int flags, struct timespec *t);
int __wrap_recvmmsg(int fd, struct mmsghdr *v, unsigned n, int flags, struct timespec *t);

int __wrap_sendmmsg(int fd, struct mmsghdr *v, unsigned n, int flags)
{
	if (calls.send_calls++ == 0) {
		calls.first_send_ms = test_now_ms();
	}
	for (unsigned i = 0; i < n; i++) {
		const bool train = v[i].msg_hdr.msg_iovlen > 1;
		calls.trains += train;
		if (train && calls.train_errno != 0) {
			errno = calls.train_errno;
			return i > 0 ? __real_sendmmsg(fd, v, i, flags) : -1;
		}
	}
	if (calls.send_errno == 0 || calls.send_fail == 0) {
		return __real_sendmmsg(fd, v, n, flags);
	}
	if (calls.send_pass > 0) {
		const unsigned pass = n < calls.send_pass ? n : calls.send_pass;
		calls.send_pass -= pass;
		return __real_sendmmsg(fd, v, pass, flags);
	}
	calls.send_fail -= calls.send_fail > 0;
	errno = calls.send_errno;
	return -1;
}

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	if (calls.no_trains && level == SOL_UDP && name == UDP_SEGMENT) {
		errno = ENOPROTOOPT;
		return -1;
	}
	return __real_getsockopt(fd, level, name, value, len);
}

int __wrap_recvmmsg(int fd, struct mmsghdr *v, unsigned n, int flags, struct timespec *t)
{
	calls.receive_calls++;
	return __real_recvmmsg(fd, v, n, flags, t);
}

static struct {
	uv_loop_t loop;
	struct fl_udp *udp;
	int fd;
	struct fl_addr at;
	struct fl_counters counters;
	bool hold; /* keep the ways instead of answering */
	unsigned batches, seen;
	unsigned batch_size[64];
	struct fl_udp_slot last; /* its buffers are gone */
	struct fl_udp_return way[KEPT_MAX];
	uint32_t tag[KEPT_MAX];
} server;

static inline void on_batch(void *arg, struct fl_udp_slot *slots, unsigned n)
{
	cr_assert_eq(arg, &server);
	cr_assert(n > 0 && n <= FL_UDP_BATCH);
	server.batch_size[server.batches++ % 64] = n;
	for (unsigned i = 0; i < n; i++) {
		struct fl_udp_slot *s = &slots[i];
		cr_assert_eq(s->reply_len, 0);
		if (server.hold) {
			cr_assert_lt(server.seen, KEPT_MAX);
			server.way[server.seen] = s->way;
			memcpy(&server.tag[server.seen], s->question, sizeof(uint32_t));
		} else {
			memcpy(s->reply, s->question, s->question_len);
			s->reply_len = s->question_len;
		}
		server.seen++;
		server.last = *s;
	}
}

static inline void server_open(const char *at)
{
	const struct fl_addr a = addr_of(at, 0);
	cr_assert_eq(uv_loop_init(&server.loop), 0);
	cr_assert_eq(fl_udp_bind(&a, &server.fd), FL_OK, "%s", strerror(errno));
	server.at = name_of(server.fd);
	const struct fl_udp_options o = { &server.loop, server.fd, on_batch, &server,
					  &server.counters };
	cr_assert_eq(fl_udp_open(&o, &server.udp), FL_OK);
}

static inline void server_close(void)
{
	fl_udp_close(server.udp);
	loop_end(&server.loop);
}

static inline int client_open(const char *at)
{
	const struct fl_addr a = addr_of(at, 0);
	struct sockaddr_storage ss;
	const socklen_t len = fl_addr_to_sockaddr(&a, &ss);
	const int fd = socket(a.family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	cr_assert_geq(fd, 0);
	cr_assert_eq(bind(fd, (const struct sockaddr *)&ss, len), 0);
	return fd;
}

static inline void ask(int fd, const char *to, const void *octets, size_t len)
{
	const struct fl_addr a = addr_of(to, server.at.port);
	struct sockaddr_storage ss;
	const socklen_t ss_len = fl_addr_to_sockaddr(&a, &ss);
	cr_assert_eq(sendto(fd, octets, len, 0, (const struct sockaddr *)&ss, ss_len),
		     (ssize_t)len, "%s", strerror(errno));
}

static inline void ask_tag(int fd, const char *to, uint32_t tag)
{
	uint32_t question[4] = { tag, 0, 0, tag };
	ask(fd, to, question, sizeof(question));
}

/* The next reply: its tag, and where it came from; -1 when there is none. */
static inline int64_t hear(int fd, struct fl_addr *from)
{
	uint32_t reply[16];
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	const ssize_t n = recvfrom(fd, reply, sizeof(reply), 0, (struct sockaddr *)&ss, &len);
	if (n < (ssize_t)sizeof(reply[0])) {
		return -1;
	}
	if (from != NULL) {
		cr_assert(fl_addr_from_sockaddr((const struct sockaddr *)&ss, from));
	}
	return reply[0];
}

#endif
