/* A question's way through the stages that need no waiting. */
#include "fairlead/base/clock.h"
#include "front.h"

#include <string.h>

void fl__front_begin_batch(struct front *f)
{
	f->now = fl_moment_now(f->self.welcome.boot_id);
	f->epoch = __atomic_load_n(&f->self.generations->epoch, __ATOMIC_ACQUIRE) + f->opened;
	fl__turn_work(f, f->now.boot_ns);
	f->blind = false;
}

/* What the file is not to blame for, memory, say, costs this batch its hits and no more. If
 * that lasts, the file is opened anew. */
static void cannot_read(struct front *f, enum fl_err err)
{
	const uint64_t now = f->now.boot_ns;
	fl_log_gated(&f->cache_gate, 10, FL_LOG_ERROR,
		     "the cache cannot be read (%s); answers come from the resolvers",
		     fl_err_text(err));
	f->blind = true;
	f->unreadable_ns = f->unreadable_ns != 0 ? f->unreadable_ns : now;
	if (err == FL_ECORRUPT || err == FL_EVERSION) {
		fl__front_cache_bad(f, err, "a read transaction failed");
	} else if (now - f->unreadable_ns >= (uint64_t)FL_FRONT_REOPEN_MS * FL_MS_NS) {
		f->reopen_ns = now;
	}
}

/* COHERENCE: only now, after the generations of the batch's keys were read. */
static bool begin_reading(struct front *f)
{
	if (f->reading || f->blind || f->cache == NULL) {
		return f->reading;
	}
	const enum fl_err err = fl_cache_begin(f->cache);
	if (err != FL_OK) {
		cannot_read(f, err);
		return false;
	}
	f->unreadable_ns = 0;
	f->reading = true;
	/* the watchdog sees by it that we stand still with pages that the keeper needs */
	__atomic_store_n(&f->self.counters->reading_since, f->now.boot_ns, __ATOMIC_RELAXED);
	return true;
}

void fl__front_end_batch(struct front *f)
{
	if (f->reading) {
		fl_cache_end(f->cache);
		f->reading = false;
		__atomic_store_n(&f->self.counters->reading_since, 0, __ATOMIC_RELAXED);
	}
}

static bool is_tcp(const struct query *q)
{
	return q->way.listener->tcp != NULL;
}

void fl__front_reply_opts(struct query *q, bool has_cookie)
{
	q->opts = fl_reply_opts_init(fl_reply_limit(&q->q, is_tcp(q)));
	if (has_cookie) {
		q->opts.cookie = q->cookie;
		q->opts.cookie_len = FL_COOKIE_LEN;
	}
	if (q->q.wants_nsid) {
		q->opts.nsid = q->front->self.config->identity;
	}
}

static enum fl_rate take(const struct query *q, struct fl_ratelimit *limit)
{
	return fl_ratelimit_exempt(limit, &q->client)
		       ? FL_RATE_PASS
		       : fl_ratelimit_take(limit, &q->client, q->front->now.boot_ns);
}

static void say_why(struct query *q, enum fl_reason reason)
{
	const char *text = fl_reason_text(reason);
	q->opts.ede[0] =
		(struct fl_reply_ede){ fl_reason_ede(reason), text, (uint8_t)strlen(text) };
}

/* TC=1 and nothing else: over TCP the address can be proven. What has no whole question would
 * be no more welcome there. */
static enum step slip(struct query *q)
{
	struct fl_writer w = fl_writer_init(q->out, q->cap);
	if (q->q.name_len == 0) {
		return STEP_DROP;
	}
	fl_reply_begin(&w, &q->q, FL_FLAG_TC, FL_RCODE_NOERROR);
	fl_reply_write_opt(&w, &q->q, &q->opts, FL_RCODE_NOERROR);
	q->out_len = w.err == FL_OK ? w.len : 0;
	return q->out_len > 0 ? STEP_ANSWER : STEP_DROP;
}

/* STEP_NEXT where @p r lets the answer pass. */
static enum step limit(struct query *q, enum fl_rate r)
{
	if (r == FL_RATE_PASS) {
		return STEP_NEXT;
	}
	FL_COUNT_ADD(q->front->self.counters, rate_limited, 1);
	return r == FL_RATE_SLIP ? slip(q) : STEP_DROP;
}

/* Each error answer over UDP, at once or after waiting, counts against the error limit, so that
 * we never amplify. */
static enum step limit_error(struct query *q)
{
	return is_tcp(q) ? STEP_NEXT : limit(q, take(q, q->front->errors));
}

static enum step refuse(struct query *q, uint16_t rcode, enum fl_reason reason)
{
	const enum step s = limit_error(q);
	if (s != STEP_NEXT) {
		return s;
	}
	if (reason != FL_REASON_NONE) {
		say_why(q, reason);
	}
	q->out_len = fl_reply_error(&q->q, rcode, &q->opts, q->out, q->cap);
	FL_COUNT_ADD(q->front->self.counters, answers_failed, rcode == FL_RCODE_SERVFAIL);
	return q->out_len > 0 ? STEP_ANSWER : STEP_DROP;
}

enum step fl__front_reply_failure(struct query *q, enum fl_reason reason)
{
	return refuse(q, FL_RCODE_SERVFAIL, reason);
}

/* --- stages --- */

static enum step understand(struct query *q, enum fl_question_kind kind)
{
	struct fl_counters *c = q->front->self.counters;
	switch (kind) {
	case FL_QUESTION_OK:
		return STEP_NEXT;
	case FL_QUESTION_FORMERR:
		FL_COUNT_ADD(c, formerr, 1);
		return refuse(q, FL_RCODE_FORMERR, FL_REASON_NONE);
	case FL_QUESTION_NOTIMP:
		FL_COUNT_ADD(c, notimp, 1);
		return refuse(q, FL_RCODE_NOTIMP, FL_REASON_NONE);
	case FL_QUESTION_BADVERS:
		FL_COUNT_ADD(c, badvers, 1);
		return refuse(q, FL_RCODE_BADVERS, FL_REASON_NONE);
	case FL_QUESTION_NOTAUTH:
		return refuse(q, FL_RCODE_NOTAUTH, FL_REASON_NONE);
	case FL_QUESTION_DROP:
	default:
		FL_COUNT_ADD(c, dropped_malformed, 1);
		return STEP_DROP;
	}
}

/* RFC 7873 5.2: what the client's cookie says, and which one goes back. */
static enum fl_cookie_state take_cookie(struct query *q)
{
	struct front *f = q->front;
	if (q->q.cookie_len == 0 || f->self.config->cookies == FL_COOKIES_OFF) {
		return FL_COOKIE_NONE;
	}
	const uint32_t now = (uint32_t)f->now.wall_s; /* RFC 9018 4.3: serial arithmetic */
	const enum fl_cookie_state s = fl_cookie_check(&q->q, &q->client, &f->cookies, now);
	if (s == FL_COOKIE_INVALID) {
		FL_COUNT_ADD(f->self.counters, cookies_bad, 1);
	}
	fl_cookie_make(&q->q, &q->client, &f->cookies, now, q->cookie);
	q->opts.cookie = q->cookie;
	q->opts.cookie_len = FL_COOKIE_LEN;
	return s;
}

/* Who asks, how often, and with which cookie. */
static enum step screen(struct query *q)
{
	struct front *f = q->front;
	if (!fl_access_allows(f->access, &q->client)) {
		FL_COUNT_ADD(f->self.counters, refused_access, 1);
		return refuse(q, FL_RCODE_REFUSED, FL_REASON_PROHIBITED);
	}
	const enum fl_cookie_state cookie = take_cookie(q);
	if (is_tcp(q) || cookie == FL_COOKIE_VALID) {
		return STEP_NEXT; /* the address is proven */
	}
	if (f->self.config->cookies == FL_COOKIES_REQUIRED && q->q.cookie_len > 0) {
		return refuse(q, FL_RCODE_BADCOOKIE, FL_REASON_NONE);
	}
	const enum step s =
		f->per_client != NULL ? limit(q, take(q, f->per_client)) : STEP_NEXT;
	if (s == STEP_NEXT && f->self.config->cookies == FL_COOKIES_REQUIRED) {
		return slip(q); /* no cookie at all */
	}
	return s;
}

static enum step local(struct query *q)
{
	q->out_len =
		fl_local_reply(q->front->local, &q->q, q->key.name, &q->opts, q->out, q->cap);
	if (q->out_len == 0) {
		return STEP_NEXT;
	}
	FL_COUNT_ADD(q->front->self.counters, answers_local, 1);
	return STEP_ANSWER;
}

enum step fl__front_reply_record(struct query *q, const struct fl_record *r, uint32_t age_s,
				 bool waited)
{
	struct fl_counters *c = q->front->self.counters;
	q->out_len = fl_record_reply(r, age_s, UINT32_MAX, &q->q, &q->opts, q->out, q->cap);
	if (q->out_len < FL_HEADER_SIZE) {
		return STEP_DROP;
	}
	FL_COUNT_ADD(c, answers_truncated, (q->out[2] & (FL_FLAG_TC >> 8)) != 0);
	const bool failed = (q->out[3] & FL_FLAG_RCODE) == FL_RCODE_SERVFAIL;
	const enum step s = failed ? limit_error(q) : STEP_NEXT;
	if (s != STEP_NEXT) {
		return s;
	}
	FL_COUNT_ADD(c, answers_failed, failed);
	FL_COUNT_ADD(c, answers_resolved, waited && !failed);
	FL_COUNT_ADD(c, answers_cached, !waited && !failed);
	return STEP_ANSWER;
}

/* A zone that was flushed after this record was stored? The keeper's sweep may not have come by
 * yet. */
static bool is_flushed(const struct front *f, const struct fl_record *r)
{
	return fl_generations_flushed(f->self.generations, f->now.boot_id, r->h.boot_id,
				      r->h.boot_ns, r->name);
}

static enum step ready(struct query *q)
{
	struct front *f = q->front;
	if (f->has_sketch) {
		fl_sketch_touch(&f->sketch, q->key.hash);
	}
	q->out_len = fl_ready_reply(f->ready, &q->key, q->shape, q->generation, f->epoch,
				    f->now.boot_ns, &q->q, &q->opts, q->out, q->cap);
	if (q->out_len == 0) {
		return STEP_NEXT;
	}
	FL_COUNT_ADD(f->self.counters, ready_hits, 1);
	FL_COUNT_ADD(f->self.counters, cache_hits, 1);
	FL_COUNT_ADD(f->self.counters, answers_cached, 1);
	return STEP_ANSWER;
}

/* Who is asked a second time may be asked a third: kept ready. A flood of names asked once is
 * not. */
static void make_ready(struct query *q, const struct fl_record *r, uint32_t age_s)
{
	struct front *f = q->front;
	if (f->has_sketch && fl_sketch_count(&f->sketch, q->key.hash) >= 2) {
		fl_ready_put(f->ready, &q->key, q->shape, q->generation, f->epoch,
			     f->now.boot_ns, r, age_s);
	}
}

static enum step cached(struct query *q)
{
	struct front *f = q->front;
	struct fl_counters *c = f->self.counters;
	struct fl_record r;
	if (!begin_reading(f)) {
		FL_COUNT_ADD(c, cache_misses, 1);
		return STEP_NEXT;
	}
	const enum fl_err err = fl_cache_find(f->cache, &q->key, &r);
	if (err != FL_OK) {
		FL_COUNT_ADD(c, cache_misses, 1);
		FL_COUNT_ADD(c, cache_damaged, err == FL_ECORRUPT || err == FL_EVERSION);
		return STEP_NEXT;
	}
	const uint32_t age_s = fl_record_age_s(&r, f->now);
	if (age_s >= r.h.ttl_s || is_flushed(f, &r)) {
		FL_COUNT_ADD(c, cache_expired, 1);
		return STEP_NEXT;
	}
	make_ready(q, &r, age_s);
	FL_COUNT_ADD(c, cache_hits, 1);
	return fl__front_reply_record(q, &r, age_s, false);
}

/* The only stage that waits: taken up again in pending.c when the resolver has answered. */
static enum step resolve(struct query *q)
{
	enum fl_reason why = FL_REASON_FAILED;
	if ((q->q.flags & FL_FLAG_RD) == 0) {
		FL_COUNT_ADD(q->front->self.counters, refused_recursion, 1);
		return refuse(q, FL_RCODE_REFUSED, FL_REASON_NOT_AUTHORITATIVE);
	}
	if (fl__pending_wait(q, &why)) {
		return STEP_WAIT;
	}
	return refuse(q, FL_RCODE_SERVFAIL, why);
}

static enum step (*const opening[])(struct query *) = {
	screen, /* access, rate limit, cookie   may DROP or ANSWER */
	local,  /* names that are ours          may ANSWER */
};

static enum step (*const closing[])(struct query *) = {
	ready,   /* this front's own table       may ANSWER */
	cached,  /* LMDB                         may ANSWER */
	resolve, /* the only one that WAITs */
};

void fl__front_open(struct query *q, struct front *f, const uint8_t *message, size_t len,
		    const struct way_back *way, const struct fl_addr *client, uint8_t *out,
		    size_t cap)
{
	q->front = f;
	q->client = *client;
	q->way = *way;
	q->out = out;
	q->cap = cap;
	q->out_len = 0;
	const enum fl_question_kind kind = fl_question_parse(message, len, &q->q);
	fl__front_reply_opts(q, false);
	q->step = understand(q, kind);
	if (q->step == STEP_NEXT) {
		fl_cache_key_init(&q->key, f->secret, fl_question_name(&q->q), q->q.name_len,
				  q->q.qtype, q->q.qclass);
		fl_ready_prefetch(f->ready, q->key.hash);
		if (f->has_sketch) {
			fl_sketch_prefetch(&f->sketch, q->key.hash);
		}
		q->shape = fl_ready_shape(&q->q);
		q->generation = fl_generation_of(f->self.generations, q->key.hash);
	}
	for (size_t i = 0; q->step == STEP_NEXT && i < FL_COUNT(opening); i++) {
		q->step = opening[i](q);
	}
}

void fl__front_close(struct query *q)
{
	for (size_t i = 0; q->step == STEP_NEXT && i < FL_COUNT(closing); i++) {
		q->step = closing[i](q);
	}
	if (q->step != STEP_ANSWER) {
		q->out_len = 0;
	}
}

void fl__front_send(const struct way_back *way, const uint8_t *reply, size_t len)
{
	if (way->listener == NULL) {
		return; /* it was asked on a socket that is gone */
	}
	if (way->listener->tcp != NULL) {
		fl_tcp_send(way->listener->tcp, way->conn, reply, len);
	} else if (len > 0 && fl_udp_send(way->listener->udp, &way->udp, reply, len) != FL_OK) {
		FL_COUNT_ADD(way->listener->front->self.counters, dropped_overload, 1);
	}
}
