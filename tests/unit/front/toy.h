/**
 * @file
 * A front inside the test's own process: its tables and its loop are real, clients are
 * UDP sockets, and the test itself plays the resolvers' listening ends.
 */
#ifndef FAIRLEAD_TESTS_UNIT_FRONT_TOY_H
#define FAIRLEAD_TESTS_UNIT_FRONT_TOY_H

#include "fairlead/base/clock.h"
#include "fairlead/wire/name.h"
#include "fairlead/wire/writer.h"
#include "front.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TOY_BOOT = 7 };

struct toy {
	struct front *f;
	uv_loop_t loop;
	struct fl_counters counters;
	struct listener udp;
	int client; /* a socket that asks, and is answered */
	struct fl_addr client_at;
	int resolver; /* listening end of resolver 0; -1 none */
};

static inline void toy_config(struct toy *t, const char *text)
{
	struct front *f = t->f;
	cr_assert_eq(fl_config_parse_text(text, strlen(text), "toy", stderr, &f->self.config),
		     FL_OK);
	const struct fl_config *c = f->self.config;
	const struct fl_ratelimit_options o = { .per_second = c->rate_limit.errors,
						.buckets = 64,
						.exempt = c->rate_limit.exempt };
	const struct fl_local_options none = { 0 };
	cr_assert_eq(fl_ratelimit_new(&o, &f->errors), FL_OK);
	cr_assert_eq(fl_access_new(&c->access_allow, &c->access_deny, &f->access), FL_OK);
	cr_assert_eq(fl_local_new(&none, &f->local), FL_OK);
	cr_assert_eq(fl_ready_new(0, &f->ready), FL_OK);
	f->limits = (struct fl_record_limits){ .max_ttl_s = 86400,
					       .negative_ttl_s = 3600,
					       .bogus_ttl_s = FL_RECORD_BOGUS_TTL_S };
}

static inline struct fl_addr toy_bind(int fd)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);
	struct fl_addr out;
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	cr_assert(fl_addr_from_sockaddr((struct sockaddr *)&at, &out));
	return out;
}

static inline void toy_sockets(struct toy *t)
{
	const int room = 1 << 22;
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	toy_bind(fd);
	const struct fl_udp_options o = { .loop = &t->loop,
					  .fd = fd,
					  .counters = &t->counters };
	cr_assert_eq(fl_udp_open(&o, &t->udp.udp), FL_OK);
	fl_udp_stop(t->udp.udp); /* questions are handed over by the test */
	t->udp.front = t->f;
	t->client = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(t->client, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	t->client_at = toy_bind(t->client);
}

static inline void toy_open(struct toy *t, const char *config)
{
	memset(t, 0, sizeof(*t));
	struct front *f = t->f = calloc(1, sizeof(*t->f));
	cr_assert_not_null(f);
	uv_loop_init(&t->loop);
	toy_config(t, config);
	f->self.loop = &t->loop;
	f->self.counters = &t->counters;
	f->self.generations = calloc(1, sizeof(struct fl_generations));
	f->self.welcome.resolvers = f->self.config->resolvers;
	f->self.welcome.boot_id = TOY_BOOT;
	snprintf(f->self.token, sizeof(f->self.token), "toy-%d", (int)getpid());
	f->secret = (struct fl_sipkey){ { 1, 2 } };
	f->generation_fd = -1;
	f->turn.schedstat = -1;
	fl_list_init(&f->listeners);
	fl__upstream_init(f);
	cr_assert_eq(fl__pending_init(f), FL_OK);
	toy_sockets(t);
	t->resolver = -1;
}

static inline void toy_close(struct toy *t)
{
	struct front *f = t->f;
	fl__pending_fini(f);
	fl__upstream_fini(f);
	fl_udp_close(t->udp.udp);
	uv_run(&t->loop, UV_RUN_DEFAULT);
	cr_expect_eq(uv_loop_close(&t->loop), 0, "something was left on the loop");
	fl_cache_close(f->cache);
	fl_ready_free(f->ready);
	fl_access_free(f->access);
	fl_ratelimit_free(f->errors);
	fl_local_free(f->local);
	fl_config_free(f->self.config);
	free(f->self.generations);
	free(f);
	close(t->client);
	if (t->resolver >= 0) {
		close(t->resolver);
	}
}

static inline void toy_stop(uv_timer_t *timer)
{
	uv_stop(timer->loop);
}

static inline void toy_run(struct toy *t, unsigned ms)
{
	uv_timer_t timer;
	uv_timer_init(&t->loop, &timer);
	uv_timer_start(&timer, toy_stop, ms, 0);
	uv_run(&t->loop, UV_RUN_DEFAULT);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&t->loop, UV_RUN_NOWAIT);
}

/* --- clients --- */

/* A question with EDNS and DO; @p padding octets of the padding option, 0: none. */
static inline size_t toy_question(uint8_t *out, size_t cap, uint16_t id, const char *name,
				  unsigned padding)
{
	uint8_t wire[FL_NAME_MAX];
	size_t len;
	cr_assert_eq(fl_name_from_text(name, wire, &len), FL_OK);
	struct fl_writer w = fl_writer_init(out, cap);
	fl_writer_u16(&w, id);
	fl_writer_octets(&w, "\1\0\0\1\0\0\0\0\0\1", 10);
	fl_writer_octets(&w, wire, len);
	fl_writer_octets(&w, "\0\1\0\1\0\0\51\4\xD0\0\0\x80\0", 13);
	fl_writer_u16(&w, (uint16_t)(padding > 0 ? padding + 4 : 0));
	if (padding > 0) {
		fl_writer_u16(&w, FL_OPTION_PADDING);
		fl_writer_u16(&w, (uint16_t)padding);
	}
	for (unsigned i = 0; i < padding; i++) {
		fl_writer_u8(&w, 0);
	}
	cr_assert_eq(w.err, FL_OK);
	return w.len;
}

/* Hand one question over as a batch of its own; its reply, if at once, is in f->reply. */
static inline enum step toy_ask(struct toy *t, uint16_t id, const char *name, unsigned padding)
{
	static uint8_t message[FL_MESSAGE_MAX];
	struct front *f = t->f;
	struct query *q = &f->batch[0];
	const struct way_back way = { .listener = &t->udp, .udp = { .peer = t->client_at } };
	const size_t len = toy_question(message, sizeof(message), id, name, padding);
	fl__front_begin_batch(f);
	fl__front_open(q, f, message, len, &way, &t->client_at, f->reply, sizeof(f->reply));
	fl__front_close(q);
	fl__front_end_batch(f);
	memset(message, 0xEE, len); /* lent until here */
	return q->step;
}

/* The next reply that came to the client: its length, 0 for none. */
static inline size_t toy_reply(struct toy *t, uint8_t *out, size_t cap)
{
	fl_udp_flush(t->udp.udp);
	const ssize_t n = recv(t->client, out, cap, 0);
	return n > 0 ? (size_t)n : 0;
}

static inline unsigned rcode_of(const uint8_t *reply)
{
	return reply[3] & 15U;
}

static inline bool is_truncated(const uint8_t *reply)
{
	return (reply[2] & 2) != 0;
}

/* --- resolver 0 --- */

static inline void toy_listen(struct toy *t)
{
	cr_assert_eq(fl_channel_listen(t->f->self.token, "resolver.0", &t->resolver), FL_OK);
}

/* It is there, and the front is connected to it. */
static inline void toy_connect(struct toy *t)
{
	toy_listen(t);
	cr_assert_eq(fl__upstream_start(t->f), FL_OK);
}

/* Its end of the front's connection; -1 when there is none. */
static inline int toy_accept(struct toy *t)
{
	int fd = -1;
	return fl_channel_accept(t->resolver, &fd) == FL_OK ? fd : -1;
}

/* Frames that arrived at @p fd: how many of them are questions; the last one's header. */
static inline unsigned toy_questions(int fd, struct fl_frame_header *last)
{
	static uint8_t octets[FL_FRAME_MAX];
	unsigned n = 0;
	for (;;) {
		const ssize_t len = recv(fd, octets, sizeof(octets), MSG_DONTWAIT);
		struct fl_frame f;
		if (len <= 0) {
			return n;
		}
		for (size_t at = 0; at < (size_t)len; at += fl_frame_len(&f)) {
			cr_assert_eq(fl_frame_first(octets + at, (size_t)len - at, &f), FL_OK);
			if (f.h.kind == FL_FRAME_QUESTION) {
				n++;
				*last = f.h;
			}
		}
	}
}

/* Say that @p job_id failed. */
static inline void toy_fail(int fd, uint64_t job_id)
{
	struct fl_frame f = fl_frame_init(FL_FRAME_ANSWER);
	f.h.job_id = job_id;
	f.h.verdict = FL_VERDICT_FAILED;
	f.h.reason = FL_REASON_NO_REACHABLE;
	f.h.ede = fl_reason_ede(FL_REASON_NO_REACHABLE);
	cr_assert_eq(send(fd, &f.h, sizeof(f.h), 0), (ssize_t)sizeof(f.h));
}

static inline struct job *first_job(struct toy *t)
{
	struct fl_list *jobs = &t->f->up[0].jobs;
	cr_assert(!fl_list_empty(jobs));
	return FL_CONTAINER(jobs->next, struct job, in_upstream);
}

/* A name "n<number>.zone<z>." whose zone part belongs to resolver @p want. */
static inline const char *name_of(const struct toy *t, unsigned want, unsigned n,
				  char buf[static 64])
{
	uint8_t wire[FL_NAME_MAX];
	size_t len;
	for (unsigned zone = 0; zone < 1000; zone++) {
		snprintf(buf, 64, "n%u.zone%u.", n, zone);
		cr_assert_eq(fl_name_from_text(buf, wire, &len), FL_OK);
		if (fl_name_zone_hash(wire) % t->f->self.welcome.resolvers == want) {
			return buf;
		}
	}
	cr_assert_fail("no zone for resolver %u", want);
	return buf;
}

#endif
