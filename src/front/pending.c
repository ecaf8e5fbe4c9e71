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
	p->max_jobs = c->limits.resolver * f->self.welcome.resolvers;
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
	return FL_OK;
}

void fl__pending_start(struct front *f)
{
	uv_timer_start(&f->pending.sweep, on_sweep, FL_FRONT_SWEEP_MS, FL_FRONT_SWEEP_MS);
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

/* Who is asked, and the count that its zone part has: another zone may have the same one, but
 * which cannot be known outside. */
struct shard {
	struct upstream *upstream;
	uint16_t zone_slot;
};

static struct shard shard_of(struct front *f, const struct fl_cache_key *key)
{
	const uint64_t zone = fl_name_zone_hash(key->name);
	return (struct shard){
		.upstream = &f->up[zone % f->self.welcome.resolvers],
		.zone_slot = (uint16_t)fl_siphash13(f->secret, &zone, sizeof(zone)),
	};
}

static struct job *new_job(struct front *f, const struct fl_cache_key *key, struct shard in)
{
	struct pending *p = &f->pending;
	struct upstream *u = in.upstream;
	struct job *j = calloc(1, sizeof(*j));
	if (j == NULL) {
		return NULL;
	}
	assert(p->n_free > 0); /* each resolver is held to its own share */
	const uint32_t slot = p->free_slots[--p->n_free];
	p->slot[slot] = j;
	j->id = (uint64_t)++p->stamp[slot] << 32 | slot;
	j->key = *key;
	j->resolver = u->index;
	j->zone_slot = in.zone_slot;
	p->zone[in.zone_slot]++;
	fl_list_init(&j->waiters);
	fl_list_append(&p->bucket[key->hash % FL_FRONT_BUCKETS], &j->in_bucket);
	fl_list_append(&u->jobs, &j->in_upstream);
	u->n_jobs++;
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
	p->zone[j->zone_slot]--;
	f->up[j->resolver].n_jobs--;
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
	if (w->joined) {
		f->up[w->job->resolver].n_joined--;
	}
	FL_COUNT_ADD(f->self.counters, in_flight, -1);
	free(w);
}

/* A front has one count for all clients whose keyed hash is equal: 65,536 of them. */
static uint16_t client_slot(const struct front *f, const struct fl_addr *a)
{
	return (uint16_t)fl_siphash13(f->secret, a->octets, sizeof(a->octets));
}

/* Keep the question as it was spelled; of its message no more than that. */
static void keep_question(struct waiter *w, const struct fl_question *q)
{
	w->q = *q;
	w->q.msg = w->kept;
	w->q.len = (size_t)FL_HEADER_SIZE + q->name_len + 4;
	w->q.cookie = NULL; /* the reply's is made already */
	w->q.cookie_len = 0;
	memcpy(w->kept, q->msg, w->q.len);
}

static struct waiter *new_waiter(const struct query *q, uint16_t slot, bool counted)
{
	struct front *f = q->front;
	struct waiter *w = malloc(sizeof(*w));
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
	keep_question(w, &q->q);
	return w;
}

/* Before anything is allocated: what is refused shall cost little. */
static bool is_over_limit(struct front *f, struct shard in, const struct job *same,
			  enum fl_reason *why)
{
	const uint32_t limit = f->self.config->limits.resolver;
	const struct upstream *u = in.upstream;
	if (same == NULL && u->n_jobs >= limit) {
		FL_COUNT_ADD(f->self.counters, limit_resolver, 1);
		*why = FL_REASON_LIMIT_RESOLVER;
		return true;
	}
	if (same == NULL && f->pending.zone[in.zone_slot] >= f->self.config->limits.zone) {
		FL_COUNT_ADD(f->self.counters, limit_zone, 1);
		*why = FL_REASON_LIMIT_ZONE;
		return true;
	}
	if (same != NULL && u->n_joined / FL_FRONT_JOIN_TIMES >= limit) {
		FL_COUNT_ADD(f->self.counters, limit_client, 1);
		*why = FL_REASON_LIMIT_CLIENT;
		return true;
	}
	return false;
}

static void add_waiter(struct front *f, struct job *j, struct waiter *w, bool joined)
{
	w->job = j;
	w->joined = joined;
	fl_list_append(&j->waiters, &w->in_job);
	fl_list_append(&f->pending.line, &w->in_line);
	f->pending.client[w->client_slot] += w->counted ? 1 : 0;
	f->up[j->resolver].n_joined += joined ? 1 : 0;
	FL_COUNT_ADD(f->self.counters, merged, joined);
	FL_COUNT_ADD(f->self.counters, in_flight, 1);
}

bool fl__pending_wait(struct query *q, enum fl_reason *why)
{
	struct front *f = q->front;
	struct pending *p = &f->pending;
	const uint16_t slot = client_slot(f, &q->client);
	const bool counted = !fl_ratelimit_exempt(f->errors, &q->client);
	if (counted && p->client[slot] >= f->self.config->limits.client) {
		FL_COUNT_ADD(f->self.counters, limit_client, 1);
		*why = FL_REASON_LIMIT_CLIENT;
		return false;
	}
	struct job *j = find_same(p, &q->key);
	const bool joined = j != NULL;
	const struct shard in = shard_of(f, &q->key);
	if (is_over_limit(f, in, j, why)) {
		return false;
	}
	*why = FL_REASON_FAILED;
	struct waiter *w = new_waiter(q, slot, counted);
	if (w == NULL) {
		return false;
	}
	if (!joined && (j = new_job(f, &q->key, in)) == NULL) {
		free(w);
		return false;
	}
	add_waiter(f, j, w, joined);
	if (!joined) {
		fl__upstream_ask(f, j);
	}
	return true;
}

static void take_up(struct front *f, const struct waiter *w, struct query *q)
{
	q->front = f;
	q->way = w->way;
	q->client = w->way.udp.peer; /* over TCP it is proven, and nobody asks for it */
	q->out = f->reply;
	q->cap = sizeof(f->reply);
	q->out_len = 0;
	q->q = w->q;
	if (w->has_cookie) {
		memcpy(q->cookie, w->cookie, sizeof(q->cookie));
	}
	fl__front_reply_opts(q, w->has_cookie);
}

/* Time has passed since the last batch, and the error limit counts in it. */
static void look_at_clock(struct front *f)
{
	f->now = fl_moment_now(f->self.welcome.boot_id);
}

/* Answer from @p r, or with a failure for @p reason where that is NULL. */
static void answer(struct front *f, struct waiter *w, const struct fl_record *r,
		   enum fl_reason reason)
{
	struct query q;
	if (w->way.listener != NULL) {
		take_up(f, w, &q);
		const enum step s = r != NULL ? fl__front_reply_record(&q, r, 0, true)
					      : fl__front_reply_failure(&q, reason);
		fl__front_send(&w->way, q.out, s == STEP_ANSWER ? q.out_len : 0);
	}
	free_waiter(f, w);
}

static void end_job(struct front *f, struct job *j, const struct fl_record *r,
		    enum fl_reason reason)
{
	look_at_clock(f);
	while (!fl_list_empty(&j->waiters)) {
		answer(f, FL_CONTAINER(j->waiters.next, struct waiter, in_job), r, reason);
	}
	free_job(f, j);
}

void fl__pending_answered(struct front *f, struct job *j, const struct fl_record *r)
{
	end_job(f, j, r, FL_REASON_NONE);
}

void fl__pending_failed(struct front *f, struct job *j, enum fl_reason reason)
{
	end_job(f, j, NULL, reason);
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
static void end_patience(struct front *f)
{
	struct fl_list *line = &f->pending.line;
	look_at_clock(f);
	while (!fl_list_empty(line)) {
		struct waiter *w = FL_CONTAINER(line->next, struct waiter, in_line);
		if (w->deadline_ns > f->now.boot_ns) {
			break;
		}
		FL_COUNT_ADD(f->self.counters, deadline, 1);
		answer(f, w, NULL, FL_REASON_DEADLINE);
	}
}

static bool is_drained(const struct front *f)
{
	unsigned busy = 0;
	for (struct fl_list *at = f->listeners.next; at != &f->listeners; at = at->next) {
		const struct listener *l = FL_CONTAINER(at, struct listener, node);
		busy += l->tcp != NULL ? fl_tcp_busy(l->tcp) : 0;
	}
	return busy == 0 && fl__pending_idle(f);
}

static void on_sweep(uv_timer_t *t)
{
	struct front *f = t->data;
	end_patience(f);
	fl__turn_work(f, f->now.boot_ns);
	fl__upstream_retry(f);
	fl__front_reopen(f);
	if (f->draining && is_drained(f)) {
		fl_role_end(&f->self, FL_EXIT_OK);
	}
}
