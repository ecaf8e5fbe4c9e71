/* Questions in flight: the truth about what was asked of the resolvers. */
#include "fairlead/base/clock.h"
#include "fairlead/wire/name.h"
#include "front.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void on_sweep(uv_timer_t *t);

enum fl_err fl__pending_init(struct front *f)
{
	struct pending *p = &f->pending;
	const struct fl_config *c = f->self.config;
	p->max_jobs = c->limits.resolver * c->resolvers;
	p->slot = calloc(p->max_jobs, sizeof(struct job *));
	p->stamp = calloc(p->max_jobs, sizeof(*p->stamp));
	p->free_slots = calloc(p->max_jobs, sizeof(*p->free_slots));
	if (p->slot == NULL || p->stamp == NULL || p->free_slots == NULL) {
		return FL_ENOMEM;
	}
	for (uint32_t i = 0; i < p->max_jobs; i++) {
		p->free_slots[p->n_free++] = p->max_jobs - 1 - i;
	}
	for (size_t i = 0; i < FL_FRONT_BUCKETS; i++) {
		fl_list_init(&p->bucket[i]);
	}
	fl_list_init(&p->line);
	uv_timer_init(f->self.loop, &p->sweep);
	p->sweep.data = f;
	uv_timer_start(&p->sweep, on_sweep, FL_FRONT_SWEEP_MS, FL_FRONT_SWEEP_MS);
	return FL_OK;
}

/* --- jobs --- */

static bool same_question(const struct fl_cache_key *a, const struct fl_cache_key *b)
{
	return a->hash == b->hash && a->qtype == b->qtype && a->qclass == b->qclass &&
	       a->name_len == b->name_len && memcmp(a->name, b->name, a->name_len) == 0;
}

static struct job *find_same(struct pending *p, const struct fl_cache_key *key)
{
	struct fl_list *head = &p->bucket[key->hash % FL_FRONT_BUCKETS];
	for (struct fl_list *at = head->next; at != head; at = at->next) {
		struct job *j = FL_CONTAINER(at, struct job, in_bucket);
		if (same_question(&j->key, key)) {
			return j;
		}
	}
	return NULL;
}

static struct job *new_job(struct front *f, const struct fl_cache_key *key)
{
	struct pending *p = &f->pending;
	if (p->n_free == 0) {
		return NULL;
	}
	struct job *j = calloc(1, sizeof(*j));
	if (j == NULL) {
		return NULL;
	}
	const uint32_t slot = p->free_slots[--p->n_free];
	p->slot[slot] = j;
	j->id = (uint64_t)++p->stamp[slot] << 32 | slot;
	j->key = *key;
	j->resolver = (unsigned)(fl_name_zone_hash(key->name) % f->self.welcome.resolvers);
	fl_list_init(&j->waiters);
	fl_list_append(&p->bucket[key->hash % FL_FRONT_BUCKETS], &j->in_bucket);
	fl_list_append(&f->up[j->resolver].jobs, &j->in_upstream);
	return j;
}

static void free_job(struct front *f, struct job *j)
{
	struct pending *p = &f->pending;
	const uint32_t slot = (uint32_t)j->id;
	assert(fl_list_empty(&j->waiters));
	fl_list_remove(&j->in_bucket);
	fl_list_remove(&j->in_upstream);
	p->slot[slot] = NULL;
	p->free_slots[p->n_free++] = slot;
	free(j);
}

struct job *fl__pending_find(struct front *f, uint64_t id)
{
	const struct pending *p = &f->pending;
	const uint32_t slot = (uint32_t)id;
	struct job *j = slot < p->max_jobs ? p->slot[slot] : NULL;
	return j != NULL && j->id == id ? j : NULL;
}

/* --- waiters --- */

static void free_waiter(struct front *f, struct waiter *w)
{
	fl_list_remove(&w->in_job);
	fl_list_remove(&w->in_line);
	if (w->counted) {
		f->pending.client[w->client_slot]--;
	}
	FL_COUNT_ADD(f->self.counters, in_flight, -1);
	free(w);
}

/* A front has one count for all clients whose keyed hash is equal: 65,536 of them. */
static uint16_t client_slot(const struct front *f, const struct fl_addr *a)
{
	return (uint16_t)fl_siphash13(f->secret, a->octets, sizeof(a->octets));
}

static struct waiter *new_waiter(const struct query *q, uint16_t slot, bool counted)
{
	struct front *f = q->front;
	struct waiter *w = malloc(sizeof(*w) + q->q.len);
	if (w == NULL) {
		return NULL;
	}
	w->way = q->way;
	w->deadline_ns = f->now.boot_ns + (uint64_t)FL_FRONT_DEADLINE_MS * FL_MS_NS;
	w->client_slot = slot;
	w->counted = counted;
	w->has_cookie = q->opts.cookie != NULL;
	if (w->has_cookie) {
		memcpy(w->cookie, q->opts.cookie, sizeof(w->cookie));
	}
	w->len = q->q.len;
	memcpy(w->message, q->q.msg, q->q.len);
	return w;
}

bool fl__pending_wait(struct query *q, enum fl_reason *why)
{
	struct front *f = q->front;
	struct pending *p = &f->pending;
	const uint16_t slot = client_slot(f, &q->client);
	const bool counted = !fl_ratelimit_exempt(f->errors, &q->client);
	/* before the message is copied: what is refused shall cost little */
	if (counted && p->client[slot] >= f->self.config->limits.client) {
		FL_COUNT_ADD(f->self.counters, limit_client, 1);
		*why = FL_REASON_LIMIT_CLIENT;
		return false;
	}
	struct waiter *w = new_waiter(q, slot, counted);
	if (w == NULL) {
		*why = FL_REASON_FAILED;
		return false;
	}
	struct job *j = find_same(p, &q->key);
	const bool first = j == NULL;
	if (first && (j = new_job(f, &q->key)) == NULL) {
		FL_COUNT_ADD(f->self.counters, limit_resolver, 1);
		*why = FL_REASON_LIMIT_RESOLVER;
		free(w);
		return false;
	}
	w->job = j;
	fl_list_append(&j->waiters, &w->in_job);
	fl_list_append(&p->line, &w->in_line);
	p->client[slot] = (uint16_t)(p->client[slot] + (counted ? 1 : 0));
	FL_COUNT_ADD(f->self.counters, in_flight, 1);
	if (first) {
		fl__upstream_ask(f, j);
	} else {
		FL_COUNT_ADD(f->self.counters, merged, 1);
	}
	return true;
}

/* View the copied message again: it was well-formed when it was put aside. */
static void take_up(struct front *f, const struct waiter *w, struct query *q)
{
	q->front = f;
	q->way = w->way;
	q->out = f->reply;
	q->cap = sizeof(f->reply);
	q->out_len = 0;
	(void)fl_question_parse(w->message, w->len, &q->q);
	if (w->has_cookie) {
		memcpy(q->cookie, w->cookie, sizeof(q->cookie));
	}
	if (w->way.listener != NULL) {
		fl__front_reply_opts(q, w->has_cookie);
	}
}

static void answer(struct front *f, struct waiter *w, const struct fl_record *r)
{
	struct query q;
	if (w->way.listener != NULL) {
		take_up(f, w, &q);
		q.out_len = fl__front_reply_record(&q, r, 0);
		fl__front_send(&w->way, q.out, q.out_len);
		FL_COUNT_ADD(f->self.counters, answers_resolved, 1);
	}
	free_waiter(f, w);
}

static void fail(struct front *f, struct waiter *w, enum fl_reason reason)
{
	struct query q;
	if (w->way.listener != NULL) {
		take_up(f, w, &q);
		fl__front_say_why(&q, reason);
		q.out_len = fl_reply_error(&q.q, FL_RCODE_SERVFAIL, &q.opts, q.out, q.cap);
		fl__front_send(&w->way, q.out, q.out_len);
		FL_COUNT_ADD(f->self.counters, answers_failed, 1);
	}
	free_waiter(f, w);
}

void fl__pending_answered(struct front *f, struct job *j, const struct fl_record *r)
{
	while (!fl_list_empty(&j->waiters)) {
		answer(f, FL_CONTAINER(j->waiters.next, struct waiter, in_job), r);
	}
	free_job(f, j);
}

void fl__pending_failed(struct front *f, struct job *j, enum fl_reason reason)
{
	while (!fl_list_empty(&j->waiters)) {
		fail(f, FL_CONTAINER(j->waiters.next, struct waiter, in_job), reason);
	}
	free_job(f, j);
}

void fl__pending_forget(struct front *f, const struct listener *l)
{
	struct fl_list *head = &f->pending.line;
	for (struct fl_list *at = head->next; at != head; at = at->next) {
		struct waiter *w = FL_CONTAINER(at, struct waiter, in_line);
		if (w->way.listener == l) {
			w->way.listener = NULL;
		}
	}
}

void fl__pending_drain(struct front *f)
{
	const uint64_t last = fl_clock_boot_ns() + (uint64_t)FL_FRONT_DRAIN_MS * FL_MS_NS;
	struct fl_list *head = &f->pending.line;
	for (struct fl_list *at = head->next; at != head; at = at->next) {
		struct waiter *w = FL_CONTAINER(at, struct waiter, in_line);
		if (w->deadline_ns > last) {
			w->deadline_ns =
				last; /* keeps the line in order: it only cuts off its tail */
		}
	}
}

bool fl__pending_idle(const struct front *f)
{
	return fl_list_empty(&f->pending.line);
}

void fl__pending_fini(struct front *f)
{
	struct pending *p = &f->pending;
	for (uint32_t i = 0; p->slot != NULL && i < p->max_jobs; i++) {
		struct job *j = p->slot[i];
		while (j != NULL && !fl_list_empty(&j->waiters)) {
			free_waiter(f, FL_CONTAINER(j->waiters.next, struct waiter, in_job));
		}
		if (j != NULL) {
			free_job(f, j);
		}
	}
	free(p->slot);
	free(p->stamp);
	free(p->free_slots);
	if (p->sweep.data != NULL) {
		uv_close((uv_handle_t *)&p->sweep, NULL);
	}
}

/* A client's patience ends; the job goes on, and what it finds is still stored. */
static void on_sweep(uv_timer_t *t)
{
	struct front *f = t->data;
	struct fl_list *line = &f->pending.line;
	const uint64_t now = fl_clock_boot_ns();
	while (!fl_list_empty(line)) {
		struct waiter *w = FL_CONTAINER(line->next, struct waiter, in_line);
		if (w->deadline_ns > now) {
			break;
		}
		FL_COUNT_ADD(f->self.counters, deadline, 1);
		fail(f, w, FL_REASON_DEADLINE);
	}
	fl__upstream_retry(f);
	if (f->draining && fl__pending_idle(f)) {
		unsigned busy = 0;
		for (struct fl_list *at = f->listeners.next; at != &f->listeners;
		     at = at->next) {
			const struct listener *l = FL_CONTAINER(at, struct listener, node);
			busy += l->tcp != NULL ? fl_tcp_busy(l->tcp) : 0;
		}
		if (busy == 0) {
			fl_role_end(&f->self, FL_EXIT_OK);
		}
	}
}
