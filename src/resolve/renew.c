/* Contexts: making them, asking them, draining and deleting them. */
#include "engine.h"
#include "fairlead/base/clock.h"
#include "fairlead/wire/name.h"

#include <stdlib.h>

enum {
	DRAIN_S = 12,     /* what dead servers take until libunbound gives up, and a little */
	DRAINING_MAX = 4, /* contexts; each holds up to its caches' sizes */
	ATTEMPTS_MAX = 3, /* of a job whose context is taken away */
	RETRY_S = 30,     /* after a renewal that failed */
	CLOCK_STEP_S = 60
};

static int64_t clock_offset_s(uint64_t boot_ns)
{
	return fl_clock_wall_s() - (int64_t)(boot_ns / FL_S_NS);
}

static struct fl__context *make(struct fl_engine *e)
{
	struct fl__context *c = calloc(1, sizeof(*c));
	if (c == NULL) {
		return NULL;
	}
	if (fl__context_make(&e->plan, &e->events.base, e->log, &c->ub) != FL_OK) {
		free(c);
		return NULL;
	}
	fl_list_init(&c->at);
	fl_list_init(&c->jobs);
	c->made_ns = fl_clock_boot_ns();
	c->clock_offset_s = clock_offset_s(c->made_ns);
	FL_COUNT_ADD(e->counters, contexts_made, 1);
	return c;
}

void fl__engine_ask_context(struct fl__job *job)
{
	struct fl_engine *e = job->engine;
	struct fl__context *c = e->current;
	job->context = c;
	job->attempts++;
	c->asked = true;
	fl_list_append(&c->jobs, &job->at);
	char name[FL_NAME_TEXT_MAX];
	int err = ub_resolve_event(c->ub, fl_name_to_text(job->name, name), job->type,
				   FL_CLASS_IN, job, fl__engine_on_result, NULL);
	if (err != 0 && !job->finished) {
		fl__engine_finish_failed(job, FL_REASON_FAILED, ub_strerror(err));
	}
}

/* libunbound sets its log sink to nothing when any context is deleted. */
static void keep_log(struct fl_engine *e)
{
	if (e->current != NULL) {
		ub_ctx_debugout(e->current->ub, e->log);
	}
}

static void ask_again(struct fl_engine *e)
{
	while (!fl_list_empty(&e->lost)) {
		struct fl__job *job = FL_CONTAINER(e->lost.next, struct fl__job, at);
		fl_list_remove(&job->at);
		if (e->closing || e->current == NULL || job->attempts >= ATTEMPTS_MAX) {
			fl__engine_finish_failed(job, FL_REASON_RESOLVER_LOST, "");
		} else {
			fl__engine_ask_context(job);
		}
	}
}

/* Not inside of libunbound. Its callbacks run in here, for all that is left. */
static void delete (struct fl_engine *e, struct fl__context *c)
{
	c->deleting = true;
	fl_list_remove(&c->at);
	ub_ctx_delete(c->ub);
	keep_log(e);
	while (!fl_list_empty(&c->jobs)) { /* none, unless libunbound forgot a callback */
		struct fl_list *at = c->jobs.next;
		fl_list_remove(at);
		fl_list_append(&e->lost, at);
	}
	free(c);
	ask_again(e);
}

void fl__engine_drain(struct fl_engine *e, uint64_t now_ns)
{
	struct fl_list *at = e->draining.next;
	unsigned n = fl_engine_contexts(e) - 1;
	while (at != &e->draining) {
		struct fl__context *c = FL_CONTAINER(at, struct fl__context, at);
		at = at->next;
		if (fl_list_empty(&c->jobs) || c->drain_until_ns <= now_ns ||
		    n > DRAINING_MAX) {
			delete (e, c);
			n--;
		}
	}
}

/* A box may boot before its network: a way to the outside can come later, or go. */
static bool ipv6_changed(struct fl__plan *p)
{
	const bool before = p->ipv6;
	p->ipv6 = p->have_ipv6 != NULL ? p->have_ipv6() : before;
	return p->ipv6 != before;
}

enum fl_err fl__engine_renew(struct fl_engine *e, const char *cause)
{
	uint64_t now = fl_clock_boot_ns();
	const bool other_way = e->current != NULL && ipv6_changed(&e->plan);
	if (e->current != NULL && !e->current->asked &&
	    !other_way) { /* as good as new, but for its clock */
		e->current->made_ns = now;
		e->current->clock_offset_s = clock_offset_s(now);
		return FL_OK;
	}
	struct fl__context *c = make(e);
	if (c == NULL) {
		e->renew_after_ns = now + RETRY_S * FL_S_NS;
		fl_log_gated(&e->renew_gate, 60, FL_LOG_WARNING,
			     "no new libunbound context (%s); the old one goes on", cause);
		return FL_ESYSTEM;
	}
	if (e->current != NULL) {
		e->current->drain_until_ns = now + DRAIN_S * FL_S_NS;
		fl_list_append(&e->draining, &e->current->at);
		fl_log(FL_LOG_INFO, "new libunbound context (%s)", cause);
	}
	e->current = c;
	return FL_OK;
}

static int64_t distance(int64_t a, int64_t b)
{
	return a > b ? a - b : b - a;
}

void fl__engine_on_tick(uv_timer_t *tick)
{
	struct fl_engine *e = tick->data;
	uint64_t now = fl_clock_boot_ns();
	const struct fl__context *c = e->current;
	bool old = e->context_age_ns != 0 && now - c->made_ns >= e->context_age_ns;
	/* libunbound's caches and signature checks run on the wall clock */
	bool stepped = distance(clock_offset_s(now), c->clock_offset_s) > CLOCK_STEP_S;
	if ((old || stepped) && now >= e->renew_after_ns) {
		enum fl_err err = fl__engine_renew(e, stepped ? "the clock was set" : "age");
		(void)err; /* said, and tried again later */
	}
	fl__engine_drain(e, now);
	fl__engine_deliver(e);
}

void fl__engine_delete_all(struct fl_engine *e)
{
	struct fl__context *c = e->current;
	e->current = NULL; /* so that nothing is asked again */
	if (c != NULL) {
		delete (e, c);
	}
	while (!fl_list_empty(&e->draining)) {
		delete (e, FL_CONTAINER(e->draining.next, struct fl__context, at));
	}
}
