/**
 * @file
 * A TCP server under test, clients that speak in pieces, and system calls that are counted.
 */
#ifndef FL_TEST_TRANSPORT_TCP_SUPPORT_H
#define FL_TEST_TRANSPORT_TCP_SUPPORT_H

#include "fairlead/transport/tcp.h"
#include "support.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { HELD_MAX = 4096, QUESTION = 20 };

static struct {
	unsigned send_calls, accept_calls;
} calls;

ssize_t __real_send(int fd, const void *octets, size_t len, int flags);
ssize_t __wrap_send(int fd, const void *octets, size_t len, int flags);
int __real_accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags);
int __wrap_accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags);

ssize_t __wrap_send(int fd, const void *octets, size_t len, int flags)
{
	calls.send_calls++;
	return __real_send(fd, octets, len, flags);
}

int __wrap_accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags)
{
	calls.accept_calls++;
	return __real_accept4(fd, sa, len, flags);
}

struct held {
	struct fl_tcp_conn_id conn;
	uint32_t tag;
	size_t len;
};

static struct {
	uv_loop_t loop;
	struct fl_tcp *tcp;
	struct fl_addr at, peer;
	struct fl_counters counters;
	struct fl_tcp_options o;
	bool hold;        /* answer later */
	size_t reply_len; /* 0: as long as the question */
	unsigned seen;
	void (*then)(void); /* called at the end of each message callback */
	struct held held[HELD_MAX];
	uint8_t reply[65535];
} server;

static inline void answer(unsigned i)
{
	const struct held *h = &server.held[i];
	memcpy(server.reply, &h->tag, sizeof(h->tag));
	fl_tcp_send(server.tcp, h->conn, server.reply,
		    server.reply_len > 0 ? server.reply_len : h->len);
}

static inline void on_message(void *arg, struct fl_tcp_conn_id conn, const struct fl_addr *peer,
			      const uint8_t *message, size_t len)
{
	cr_assert_eq(arg, &server);
	cr_assert(len >= 12);
	cr_assert(fl_tcp_alive(server.tcp, conn));
	cr_assert_lt(server.seen, HELD_MAX);
	struct held *h = &server.held[server.seen++];
	*h = (struct held){ .conn = conn, .len = len };
	memcpy(&h->tag, message, sizeof(h->tag));
	server.peer = *peer;
	cr_assert_eq(message[len - 1], (uint8_t)h->tag, "whole and in place");
	if (!server.hold) {
		answer(server.seen - 1);
	}
	if (server.then != NULL) {
		server.then();
	}
}

/* The options of server.o that a test has not set are the defaults. */
static inline void server_open(const char *at)
{
	const struct fl_addr a = addr_of(at, 0);
	const struct fl_tcp_options d = fl_tcp_options_default();
	struct fl_tcp_options *o = &server.o;
	cr_assert_eq(uv_loop_init(&server.loop), 0);
	cr_assert_eq(fl_tcp_bind(&a, &o->fd), FL_OK, "%s", strerror(errno));
	server.at = name_of(o->fd);
	o->loop = &server.loop;
	o->message = on_message;
	o->arg = &server;
	o->counters = &server.counters;
	o->max_connections = o->max_connections > 0 ? o->max_connections : d.max_connections;
	o->max_per_client = o->max_per_client > 0 ? o->max_per_client : d.max_per_client;
	o->max_in_flight = o->max_in_flight > 0 ? o->max_in_flight : d.max_in_flight;
	o->max_out_bytes = o->max_out_bytes > 0 ? o->max_out_bytes : d.max_out_bytes;
	o->idle_ms = o->idle_ms > 0 ? o->idle_ms : d.idle_ms;
	cr_assert_eq(fl_tcp_open(o, &server.tcp), FL_OK);
}

static inline void server_close(void)
{
	fl_tcp_close(server.tcp);
	loop_end(&server.loop);
}

/* A connection from @p from to the server's port on @p to; the handshake is the kernel's. */
static inline int dial(const char *from, const char *to)
{
	const int on = 1;
	struct sockaddr_storage ss;
	struct fl_addr a = addr_of(from, 0);
	const int fd = socket(a.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_geq(fd, 0, "%s", strerror(errno));
	socklen_t len = fl_addr_to_sockaddr(&a, &ss);
	cr_assert_eq(bind(fd, (const struct sockaddr *)&ss, len), 0);
	a = addr_of(to, server.at.port);
	len = fl_addr_to_sockaddr(&a, &ss);
	cr_assert_eq(connect(fd, (const struct sockaddr *)&ss, len), 0, "%s", strerror(errno));
	cr_assert_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	/* or small pieces would be put together behind our back */
	cr_assert_eq(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
	return fd;
}

static inline int dial_local(void)
{
	return dial("127.0.0.1", "127.0.0.1");
}

/* Frame a question of @p len octets that begins with @p tag and ends with its low octet. */
static inline size_t frame(uint8_t *at, uint32_t tag, size_t len)
{
	at[0] = (uint8_t)(len >> 8);
	at[1] = (uint8_t)len;
	memset(at + 2, 0, len);
	memcpy(at + 2, &tag, sizeof(tag));
	at[2 + len - 1] = (uint8_t)tag;
	return 2 + len;
}

static inline void say(int fd, const void *octets, size_t len)
{
	cr_assert_eq(write(fd, octets, len), (ssize_t)len, "%s", strerror(errno));
}

static inline void ask(int fd, uint32_t tag)
{
	uint8_t question[2 + QUESTION];
	say(fd, question, frame(question, tag, QUESTION));
}

static inline void ask_n(int fd, uint32_t n)
{
	static uint8_t all[1000 * (2 + QUESTION)];
	size_t len = 0;
	cr_assert_leq(n, 1000);
	for (uint32_t i = 0; i < n; i++) {
		len += frame(all + len, i, QUESTION);
	}
	say(fd, all, len);
}

/* Read @p len octets, turning the server's loop meanwhile; less at the end or after 10 s. */
static inline size_t listen_for(int fd, uint8_t *at, size_t len)
{
	const uint64_t end = test_now_ms() + 10000;
	size_t got = 0;
	while (got < len && test_now_ms() < end) {
		turn(&server.loop);
		const ssize_t n = read(fd, at + got, len - got);
		if (n == 0 || (n < 0 && errno != EAGAIN)) {
			break;
		}
		if (n < 0) {
			poll(NULL, 0, 1);
			continue;
		}
		got += (size_t)n;
	}
	return got;
}

/* The next reply's tag and length; -1 at the end of the connection. */
static inline int64_t hear_len(int fd, size_t *len)
{
	static uint8_t reply[65535];
	uint8_t prefix[2];
	uint32_t tag;
	if (listen_for(fd, prefix, 2) < 2) {
		return -1;
	}
	*len = (size_t)prefix[0] << 8 | prefix[1];
	cr_assert_eq(listen_for(fd, reply, *len), *len);
	memcpy(&tag, reply, sizeof(tag));
	return tag;
}

static inline int64_t hear(int fd)
{
	size_t len;
	return hear_len(fd, &len);
}

/* True once the other side has closed or reset it; what it still said is thrown away. */
static inline bool is_over(int fd)
{
	uint8_t octets[4096];
	ssize_t n;
	while ((n = read(fd, octets, sizeof(octets))) > 0) {
	}
	return n == 0 || errno != EAGAIN;
}

static inline void reset(int fd)
{
	const struct linger hard = { 1, 0 };
	cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
	close(fd);
}

static inline void hang_up(int fd)
{
	(void)shutdown(fd, SHUT_WR);
}

#endif
