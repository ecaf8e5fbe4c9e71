/*
 * A front in this process: src/front, its transport, its loop and its cache as they are.
 *
 * What is around it is played here, by defining what it calls: the supervisor (ipc/role.h),
 * which tells it what it is and gives it a socket, a cache and a sketch, and the kernel, which
 * has always another batch of questions (recvmmsg) and takes all answers (sendmmsg). The socket
 * is real, and readable for ever: one datagram waits in it that nobody receives. So a turn of
 * the loop is what it is in the field but for the two calls.
 *
 * These functions have no argument of ours: the run at hand is the one global. They are not
 * wrapped by the linker, which link-time optimization does not heed.
 */
#include "fairlead/base/clock.h"
#include "fairlead/cache/sketch.h"
#include "fairlead/front/front.h"
#include "fairlead/ipc/role.h"
#include "fairlead/wire/writer.h"
#include "micro.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

enum { WARM_PASSES = 3, PORT = 20000, PORTS = 16384 };

static struct run {
	struct whole *h;
	struct fl_counters counters;
	struct fl_generations *generations;
	uv_loop_t loop;
	uint64_t left;  /* questions to be received yet */
	unsigned next;  /* name */
	uint64_t right; /* answers that went out, and were as they should be */
	bool ok;
} * run;

/* Callgrind counts in the first, and not in the others: they stay functions. */
__attribute__((noinline)) void fl_micro_turns(struct run *r);
__attribute__((noinline)) int recvmmsg(int fd, struct mmsghdr *m, unsigned n, int flags,
				       struct timespec *t);
__attribute__((noinline)) int sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags);

/* --- the kernel --- */

/* Each question comes from a port of its own, so that no two answers leave as one message; none
 * comes from the socket's own address and port, which would get no answer. */
static void give(struct mmsghdr *m, const struct asked *a, unsigned port)
{
	const struct sockaddr_in from = { .sin_family = AF_INET,
					  .sin_addr = { htonl(INADDR_LOOPBACK + 1) },
					  .sin_port = htons((uint16_t)port) };
	memcpy(m->msg_hdr.msg_iov->iov_base, a->octets, a->len);
	memcpy(m->msg_hdr.msg_name, &from, sizeof(from));
	m->msg_hdr.msg_namelen = sizeof(from);
	m->msg_hdr.msg_controllen = 0;
	m->msg_hdr.msg_flags = 0;
	m->msg_len = a->len;
}

int recvmmsg(int fd, struct mmsghdr *m, unsigned n, int flags, struct timespec *t)
{
	struct run *r = run;
	(void)fd;
	(void)flags;
	(void)t;
	if (r->left == 0) {
		errno = EAGAIN;
		return -1;
	}
	n = n < r->left ? n : (unsigned)r->left;
	for (unsigned i = 0; i < n; i++) {
		give(&m[i], &r->h->w->asked[r->next], PORT + r->next % PORTS);
		r->next = r->next + 1 < r->h->w->n ? r->next + 1 : 0;
	}
	r->left -= n;
	return (int)n;
}

/* NOERROR, not truncated, the address, and with DO its signature. */
static bool is_right(const struct iovec *v, bool dnssec_ok)
{
	const uint8_t *a = v->iov_base;
	return v->iov_len > 12 && (a[2] & 0x82) == 0x80 && (a[3] & 15) == 0 &&
	       fl_load_u16(a + 6) == (dnssec_ok ? 2 : 1);
}

int sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags)
{
	(void)fd;
	(void)flags;
	for (unsigned i = 0; i < n; i++) {
		for (size_t k = 0; k < m[i].msg_hdr.msg_iovlen; k++) {
			run->right += is_right(&m[i].msg_hdr.msg_iov[k], run->h->w->dnssec_ok);
		}
	}
	return (int)n;
}

/* --- the supervisor --- */

enum fl_err fl_role_begin(struct fl_role_self *self)
{
	struct run *r = run;
	char text[128];
	const int len = snprintf(text, sizeof(text),
				 "resolvers: 1\ncache: {size: %lluMiB, front-size: %s}\n",
				 (unsigned long long)(r->h->w->map_bytes >> 20),
				 r->h->from == FROM_CACHE ? "0" : "256MiB");
	self->welcome =
		(struct fl_welcome){ .role = FL_ROLE_FRONT,
				     .fronts = 1,
				     .resolvers = 1,
				     .boot_id = MICRO_BOOT,
				     .sketch_bytes = fl_sketch_bytes(r->h->w->map_bytes),
				     .seed = { 1, 2 },
				     .cookie = { 3, 4 } };
	self->counters = &r->counters;
	self->generations = r->generations;
	self->loop = &r->loop;
	self->folder_fd = -1;
	return fl_config_parse_text(text, (size_t)len, "micro", stderr, &self->config);
}

void fl_role_fail(struct fl_role_self *self, int code, const char *fmt, ...)
{
	self->exit_code = code;
	fl_log(FL_LOG_ERROR, "%s", fmt);
}

void fl_role_say(struct fl_role_self *self, enum fl_control verb, enum fl_err code,
		 const char *text)
{
	fl_role_fail(self, FL_EXIT_RUNTIME, "it speaks unasked, verb %d: %s %s", (int)verb,
		     fl_err_text(code), text);
}

void fl_role_end(struct fl_role_self *self, int code)
{
	self->exit_code = code;
}

/* It is not told to start. */
enum fl_err fl_role_confine(struct fl_role_self *self)
{
	(void)self;
	return FL_OK;
}

static void tell(struct fl_role_self *self, enum fl_control verb, int fd)
{
	const struct fl_addr at = { .family = AF_INET, .octets = { 127, 0, 0, 1 } };
	struct fl_frame f = fl_frame_init(FL_FRAME_CONTROL);
	f.h.flags = verb;
	f.h.packet_len = verb == FL_CONTROL_LISTEN_UDP ? sizeof(at) : 0;
	f.packet = (const uint8_t *)&at;
	self->told(self->arg, &f, &fd, 1);
	if (fd >= 0) {
		close(fd);
	}
}

/* Bound to an address, with one datagram in it. */
static int make_socket(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(at);
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&at, len) == 0 &&
	    getsockname(fd, (struct sockaddr *)&at, &len) == 0 &&
	    sendto(fd, "", 1, 0, (struct sockaddr *)&at, len) == 1) {
		return fd;
	}
	perror("fairlead-micro: a socket on the loopback");
	return -1;
}

static bool tell_all(struct fl_role_self *self)
{
	int sketch, sketch_read;
	const int udp = make_socket();
	if (udp < 0 || fl_shm_make("micro-sketch", self->welcome.sketch_bytes, &sketch,
				   &sketch_read) != FL_OK) {
		return false;
	}
	close(sketch_read);
	tell(self, FL_CONTROL_SKETCH, sketch);
	tell(self, FL_CONTROL_CACHE, dup(run->h->w->folder_fd));
	tell(self, FL_CONTROL_LISTEN_UDP, udp);
	return true;
}

void fl_micro_turns(struct run *r)
{
	while (r->left > 0) {
		uv_run(&r->loop, UV_RUN_NOWAIT);
	}
}

/* Bounded: the socket is readable, so each turn receives. */
static bool ask(struct run *r, uint64_t questions)
{
	const struct fl_counters before = r->counters;
	const uint64_t right = r->right + questions;
	r->left = questions;
	fl_micro_turns(r);
	const uint64_t hits = r->counters.cache_hits - before.cache_hits,
		       ready = r->counters.ready_hits - before.ready_hits,
		       wanted = r->h->from == FROM_READY ? questions : 0;
	if (r->right == right && hits == questions && ready == wanted) {
		return true;
	}
	fprintf(stderr,
		"fairlead-micro: %llu questions: %llu hits, %llu of them ready; "
		"%llu not there, %llu expired, %llu damaged; %llu answers wrong or missing\n",
		(unsigned long long)questions, (unsigned long long)hits,
		(unsigned long long)ready,
		(unsigned long long)(r->counters.cache_misses - before.cache_misses),
		(unsigned long long)(r->counters.cache_expired - before.cache_expired),
		(unsigned long long)(r->counters.cache_damaged - before.cache_damaged),
		(unsigned long long)(right - r->right));
	return false;
}

int fl_role_run(struct fl_role_self *self)
{
	struct run *r = run;
	if (!tell_all(self)) {
		return FL_EXIT_RUNTIME;
	}
	for (unsigned i = 0; i < WARM_PASSES; i++) { /* to be kept ready it is asked twice */
		r->left = r->h->w->n;
		fl_micro_turns(r);
	}
	r->ok = true;
	quiet_begin();
	for (unsigned i = 0; r->ok && i < r->h->repeats; i++) {
		const uint64_t begun = fl_clock_boot_ns();
		r->ok = ask(r, r->h->questions);
		r->h->ns[i] = (double)(fl_clock_boot_ns() - begun) / (double)r->h->questions;
	}
	r->h->quiet = quiet_end();
	return self->exit_code;
}

void fl_role_fini(struct fl_role_self *self)
{
	uv_run(self->loop, UV_RUN_DEFAULT);
	fl_config_free(self->config);
}

bool whole_measure(struct whole *h)
{
	struct run r = { .h = h, .generations = calloc(1, sizeof(struct fl_generations)) };
	if (r.generations == NULL || uv_loop_init(&r.loop) != 0) {
		free(r.generations);
		return false;
	}
	run = &r;
	const int code = fl_front_main();
	run = NULL;
	(void)uv_loop_close(&r.loop);
	free(r.generations);
	if (code != FL_EXIT_OK || !r.ok) {
		fprintf(stderr, "fairlead-micro: the front did not answer all from its %s\n",
			h->from == FROM_READY ? "ready answers" : "cache");
	}
	return code == FL_EXIT_OK && r.ok;
}
