/*
 * When the cache's file is given up: whom to believe, how often, and who is told.
 *
 * A report counts for the generation that its role had open. The keeper is believed: it owns
 * the file. A front only reads, so that one alone cannot cost the others what is stored: its
 * report makes the keeper look again, and only as many as two make an end of the file. What
 * may not be done yet is not forgotten: it is done when the pause is over.
 */
#include "fairlead/base/clock.h"
#include "supervisor.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

enum {
	PAUSE_FIRST_MS = 1000, /* the first damage is mended at once, the second after this */
	PAUSE_MAX_MS = 10000,
	QUIET_S = 60, /* without damage: then the next one is a first one again */
	SUSPECT_S = 10,
	BELIEVED_FRONTS = 2,
	SAID_AGAIN_S = 60
};

/* --- how often --- */

static bool is_quiet(const struct backoff *b, uint64_t now)
{
	return b->n == 0 || now - b->last_ns > QUIET_S * FL_S_NS;
}

/* When it may be done again; after a quiet time at once. */
static uint64_t due_ns(const struct backoff *b, uint64_t now)
{
	if (is_quiet(b, now)) {
		return now;
	}
	const uint64_t ms = (uint64_t)PAUSE_FIRST_MS << (b->n - 1 < 4 ? b->n - 1 : 4);
	return b->last_ns + (ms < PAUSE_MAX_MS ? ms : PAUSE_MAX_MS) * FL_MS_NS;
}

static void count(struct backoff *b, uint64_t now)
{
	b->n = is_quiet(b, now) ? 1 : b->n + 1;
	b->last_ns = now;
}

/* --- what is done --- */

static void tell_cache(struct supervisor *s, enum fl_role role)
{
	for (unsigned i = 0; i < s->n_children; i++) {
		struct child *c = &s->child[i];
		if (c->role == role && c->alive) {
			fl__child_tell_cache(c);
		}
	}
}

static void want(struct supervisor *s, enum cache_want what, const char *why);

static void begin_anew(struct supervisor *s)
{
	char problem[512] = "";
	s->want = WANT_NOTHING;
	s->cache_ready = false;
	if (fl__storage_next_generation(s, problem, sizeof(problem)) != FL_OK) {
		s->cache_missing = true;
		fl_log_gated(&s->cache_gate, SAID_AGAIN_S, FL_LOG_ERROR,
			     "the cache is damaged (%s) and cannot be rebuilt: %s; this is "
			     "tried again",
			     s->want_why, problem);
		want(s, WANT_ANEW, s->want_why);
		return;
	}
	fl_log(FL_LOG_WARNING,
	       "the cache was damaged (%s): a new one is begun, the old one is deleted",
	       s->want_why);
	s->believed_fronts = 0;
	s->crashed_ns = 0;
	for (unsigned i = 0; i < s->n_children; i++) {
		s->child[i].hung_ns = 0;
	}
	tell_cache(s, FL_ROLE_KEEPER);
}

static void open_again(struct supervisor *s)
{
	s->want = WANT_NOTHING;
	tell_cache(s, FL_ROLE_KEEPER);
}

static void on_pause_over(uv_timer_t *t)
{
	want(t->data, WANT_NOTHING, NULL);
}

/* Do what is wanted most, now or when its pause is over. */
static void want(struct supervisor *s, enum cache_want what, const char *why)
{
	const uint64_t now = fl_clock_boot_ns();
	if (what > s->want) {
		s->want = what;
		if (why != s->want_why) {
			snprintf(s->want_why, sizeof(s->want_why), "%s", why);
		}
	}
	if (s->want == WANT_NOTHING || s->state == SUP_STOPPING) {
		return;
	}
	struct backoff *b = s->want == WANT_ANEW ? &s->anew : &s->again;
	const uint64_t due = due_ns(b, now);
	if (now < due) {
		uv_timer_start(&s->renew, on_pause_over, (due - now) / FL_MS_NS + 1, 0);
		return;
	}
	count(b, now);
	if (s->want == WANT_ANEW) {
		begin_anew(s);
	} else {
		open_again(s);
	}
}

enum fl_err fl__renew_init(struct supervisor *s)
{
	s->renew.data = s;
	return uv_timer_init(&s->loop, &s->renew) == 0 ? FL_OK : FL_ESYSTEM;
}

/* --- what roles say --- */

/* Which generation is meant? A role that does not say has the one it was told last. */
static uint32_t meant(const struct child *c, const struct fl_frame *f)
{
	return f->h.generation != 0 ? f->h.generation : c->generation;
}

static bool is_corruption(uint16_t code)
{
	return code == FL_ECORRUPT || code == FL_EVERSION || code == FL_EMALFORMED;
}

static void front_reports(struct child *c, const char *why)
{
	struct supervisor *s = c->sup;
	const unsigned needed =
		s->config->fronts < BELIEVED_FRONTS ? s->config->fronts : BELIEVED_FRONTS;
	s->believed_fronts |= UINT64_C(1) << c->index;
	if ((unsigned)__builtin_popcountll(s->believed_fronts) >= needed) {
		want(s, WANT_ANEW, why);
	} else {
		want(s, WANT_AGAIN, why);
	}
}

/* No room, or no memory: the file is sound, or not there yet. An old one that is deleted takes
 * its room as long as the fronts have it open: they are told of the new one. */
static void keeper_must_wait(struct child *c, const char *why)
{
	struct supervisor *s = c->sup;
	s->cache_missing = true;
	s->cache_ready = false;
	fl_log_gated(&s->cache_gate, SAID_AGAIN_S, FL_LOG_ERROR,
		     "%s cannot use the cache in %s: %s; answers come from the resolvers, and "
		     "it is tried again",
		     c->name, s->folder, why);
	tell_cache(s, FL_ROLE_FRONT);
	fl__storage_release_old(s);
	want(s, WANT_AGAIN, why);
}

static void keeper_reports(struct child *c, uint16_t code, const char *why)
{
	struct supervisor *s = c->sup;
	const bool may_be_the_file = code != FL_ENOSPACE && code != FL_ENOMEM;
	if (is_corruption(code) ||
	    (may_be_the_file && is_quiet(&s->anew, fl_clock_boot_ns()))) {
		want(s, WANT_ANEW, why);
	} else {
		keeper_must_wait(c, why);
	}
}

enum fl_err fl__renew_heard_bad(struct child *c, const struct fl_frame *f)
{
	struct supervisor *s = c->sup;
	char why[FL_REASON_TEXT_MAX + 1];
	const uint32_t generation = meant(c, f);
	snprintf(why, sizeof(why), "%.*s", (int)f->h.text_len, f->text);
	if ((c->role != FL_ROLE_FRONT && c->role != FL_ROLE_KEEPER) ||
	    generation > s->generation) {
		return FL_EDENIED;
	}
	if (generation < s->generation) {
		return FL_OK; /* of the file that was given up already */
	}
	if (c->role == FL_ROLE_KEEPER) {
		keeper_reports(c, f->h.index, why);
	} else if (is_corruption(f->h.index)) {
		front_reports(c, why);
	}
	return FL_OK;
}

enum fl_err fl__renew_heard_ready(struct child *c, const struct fl_frame *f)
{
	struct supervisor *s = c->sup;
	const uint32_t generation = meant(c, f);
	if (c->role != FL_ROLE_KEEPER || generation > s->generation) {
		return FL_EDENIED;
	}
	if (generation == s->generation && s->want != WANT_ANEW) {
		s->cache_ready = true;
		s->cache_missing = false;
		tell_cache(s, FL_ROLE_FRONT);
	}
	return FL_OK;
}

/* A damaged file shows in who reads it: two crashes within 10 s, or one role that hangs
 * twice (LMDB can walk damaged pages for ever), and it is given up. */
void fl__renew_suspect(struct child *c, int signal)
{
	struct supervisor *s = c->sup;
	const uint64_t now = fl_clock_boot_ns(), window = SUSPECT_S * FL_S_NS;
	if (c->generation == 0 || c->generation != s->generation) {
		return; /* it had no cache, or one that was given up already */
	}
	if (c->hung) {
		if (c->hung_ns != 0 && now - c->hung_ns < window) {
			want(s, WANT_ANEW, "a process that uses it hung twice within 10 s");
		}
		c->hung_ns = now;
	}
	if (signal == SIGBUS || signal == SIGSEGV || signal == SIGABRT) {
		if (s->crashed_ns != 0 && now - s->crashed_ns < window) {
			want(s, WANT_ANEW, "two processes that use it crashed within 10 s");
		}
		s->crashed_ns = now;
	}
}
