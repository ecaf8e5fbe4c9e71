#include "toy.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HELD_MAX = 4096, MESSAGE = 512 };

struct held {
	struct sockaddr_in from;
	uint8_t query[MESSAGE];
	size_t len;
};

static bool first_label_begins(const uint8_t *query, const char *word)
{
	size_t len = strlen(word);
	return query[12] >= len && strncasecmp((const char *)query + 13, word, len) == 0;
}

static size_t question_end(const uint8_t *m, size_t len)
{
	size_t at = 12;
	while (at < len && m[at] != 0) {
		at += m[at] + 1U;
	}
	return at + 5 <= len ? at + 5 : 0;
}

static size_t put(uint8_t *at, const void *data, size_t len)
{
	memcpy(at, data, len);
	return len;
}

static size_t add_soa(uint8_t *r, size_t len)
{
	static const uint8_t soa[] = { 0xC0, 12, 0,    6,  0, 1, 0, 0,  0, 60, 0, 24,
				       0xC0, 12, 0xC0, 12, 0, 0, 0, 1,  0, 0,  0, 60,
				       0,    0,  0,    60, 0, 0, 0, 60, 0, 0,  0, 60 };
	r[9] = 1;
	return len + put(r + len, soa, sizeof(soa));
}

static size_t respond(const uint8_t *q, size_t q_len, uint8_t *r)
{
	static const uint8_t a[] = { 0xC0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 192, 0, 2, 1 };
	size_t len = question_end(q, q_len);
	if (len == 0) {
		return 0;
	}
	memcpy(r, q, len);
	r[2] = 0x84; /* QR, AA */
	r[3] = 0;
	memset(r + 6, 0, 6);
	if (first_label_begins(q, "nx")) {
		r[3] = 3;
		return add_soa(r, len);
	}
	if (first_label_begins(q, "nodata") || q[len - 3] != 1) { /* only A is had */
		return add_soa(r, len);
	}
	if (first_label_begins(q, "servfail")) {
		r[3] = 2;
		return len;
	}
	if (first_label_begins(q, "refused")) {
		r[3] = 5;
		return len;
	}
	if (first_label_begins(q, "tc")) {
		r[2] |= 2; /* and nothing listens on TCP */
		return len;
	}
	r[7] = 1;
	len += put(r + len, a, sizeof(a));
	return first_label_begins(q, "garbage") ? len - 9 : len;
}

static void answer(int fd, const struct held *h)
{
	uint8_t r[MESSAGE + 64];
	size_t len = respond(h->query, h->len, r);
	if (len > 0) {
		sendto(fd, r, len, 0, (const struct sockaddr *)&h->from, sizeof(h->from));
	}
}

/* Ends with its test, also one that ends badly, and keeps no pipe of the runner open. */
static int leave_the_test(int fd, pid_t test)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != test) { /* it was gone before the line above */
		_exit(1);
	}
	dup2(fd, STDIN_FILENO);
	close_range(1, ~0U, 0);
	return STDIN_FILENO;
}

static _Noreturn void serve(int fd, struct toy_shared *shared)
{
	static struct held held[HELD_MAX];
	unsigned n = 0;
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		if (poll(&p, 1, 5) > 0 && n < HELD_MAX) {
			socklen_t size = sizeof(held[n].from);
			ssize_t got = recvfrom(fd, held[n].query, MESSAGE, MSG_DONTWAIT,
					       (struct sockaddr *)&held[n].from, &size);
			if (got > 12) {
				held[n++].len = (size_t)got;
				atomic_fetch_add(&shared->packets, 1);
			}
		}
		for (unsigned i = 0; i < n && !atomic_load(&shared->hold); i++) {
			answer(fd, &held[i]);
		}
		n = atomic_load(&shared->hold) ? n : 0;
		atomic_store(&shared->held, n);
	}
}

static int bound_socket(int type, struct fl_addr *addr)
{
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(at);
	int room = 4 << 20;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	cr_assert(fd >= 0 && bind(fd, (struct sockaddr *)&at, size) == 0 &&
		  getsockname(fd, (struct sockaddr *)&at, &size) == 0);
	*addr = (struct fl_addr){ .octets = { 127, 0, 0, 1 },
				  .port = ntohs(at.sin_port),
				  .family = AF_INET };
	return fd;
}

void toy_start(struct toy *t)
{
	int fd = bound_socket(SOCK_DGRAM, &t->addr);
	t->shared = mmap(NULL, sizeof(*t->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cr_assert(t->shared != MAP_FAILED);
	pid_t self = getpid();
	t->pid = fork();
	cr_assert(t->pid >= 0);
	if (t->pid == 0) {
		serve(leave_the_test(fd, self), t->shared);
	}
	close(fd);
}

void toy_stop(struct toy *t)
{
	kill(t->pid, SIGKILL);
	waitpid(t->pid, NULL, 0);
	munmap(t->shared, sizeof(*t->shared));
}

int toy_silent(struct fl_addr *addr)
{
	return bound_socket(SOCK_DGRAM, addr);
}

void toy_refused(struct fl_addr *addr)
{
	close(bound_socket(SOCK_DGRAM, addr));
}
