#include "refresh.h"

#include <stdlib.h>
#include <string.h>

void fl__refresh_init(struct fl_refresh *r, uint32_t now_s, size_t held_max)
{
	memset(r, 0, sizeof(*r));
	r->now_s = now_s;
	r->held_max = held_max;
}

static void clear(struct fl_refresh *r, struct fl_refresh_list *l)
{
	r->held -= l->n;
	free(l->at);
	memset(l, 0, sizeof(*l));
}

void fl__refresh_fini(struct fl_refresh *r)
{
	for (size_t i = 0; i < FL_REFRESH_SECONDS; i++) {
		clear(r, &r->second[i]);
	}
	for (size_t i = 0; i < FL_REFRESH_LAPS; i++) {
		clear(r, &r->lap[i]);
	}
}

static bool grow(struct fl_refresh_list *l)
{
	const uint32_t cap = l->cap == 0 ? 8 : l->cap * 2;
	struct fl_refresh_entry *at = realloc(l->at, cap * sizeof(*at));
	if (at == NULL) {
		return false;
	}
	l->at = at;
	l->cap = cap;
	return true;
}

void fl__refresh_add(struct fl_refresh *r, struct fl_refresh_entry entry)
{
	const uint32_t ahead = entry.at_s - r->now_s;
	struct fl_refresh_list *l = NULL;
	if (entry.at_s <= r->now_s || r->held >= r->held_max) {
		return;
	}
	if (ahead < FL_REFRESH_SECONDS) {
		l = &r->second[entry.at_s % FL_REFRESH_SECONDS];
	} else if (ahead / FL_REFRESH_SECONDS < FL_REFRESH_LAPS) {
		l = &r->lap[entry.at_s / FL_REFRESH_SECONDS % FL_REFRESH_LAPS];
	}
	if (l == NULL || (l->n == l->cap && !grow(l))) {
		return;
	}
	l->at[l->n++] = entry;
	r->held++;
}

/* A new lap begins: what waited for it goes to its seconds. */
static void unroll(struct fl_refresh *r)
{
	struct fl_refresh_list *l = &r->lap[r->now_s / FL_REFRESH_SECONDS % FL_REFRESH_LAPS];
	const struct fl_refresh_list due = *l;
	memset(l, 0, sizeof(*l));
	r->held -= due.n;
	for (uint32_t i = 0; i < due.n; i++) {
		struct fl_refresh_entry entry = due.at[i];
		if (entry.at_s <=
		    r->now_s) { /* this very second is being turned: the next one */
			entry.at_s = r->now_s + 1;
		}
		fl__refresh_add(r, entry);
	}
	free(due.at);
}

static int by_hash_then_seen(const void *a, const void *b)
{
	const struct fl_refresh_entry *x = a, *y = b;
	if (x->hash != y->hash) {
		return x->hash > y->hash ? 1 : -1;
	}
	return (x->seen > y->seen) - (x->seen < y->seen);
}

/* An answer that came several times within one commit stands here as often, and is due once. */
static void hand_over(const struct fl_refresh_list *l, fl__refresh_due_fn due, void *arg)
{
	if (l->n > 1) {
		qsort(l->at, l->n, sizeof(*l->at), by_hash_then_seen);
	}
	for (uint32_t i = 0; i < l->n; i++) {
		if (i == 0 || l->at[i].hash != l->at[i - 1].hash) {
			due(arg, &l->at[i]);
		}
	}
}

void fl__refresh_turn(struct fl_refresh *r, uint32_t now_s, fl__refresh_due_fn due, void *arg)
{
	while (r->now_s < now_s) {
		r->now_s++;
		if (r->now_s % FL_REFRESH_SECONDS == 0) {
			unroll(r);
		}
		struct fl_refresh_list *l = &r->second[r->now_s % FL_REFRESH_SECONDS];
		hand_over(l, due, arg);
		clear(r, l);
	}
}
