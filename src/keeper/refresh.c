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
	free(l->hash);
	free(l->at_s);
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
	uint64_t *hash = realloc(l->hash, cap * sizeof(*hash));
	if (hash == NULL) {
		return false;
	}
	l->hash = hash;
	uint32_t *at_s = realloc(l->at_s, cap * sizeof(*at_s));
	if (at_s == NULL) {
		return false;
	}
	l->at_s = at_s;
	l->cap = cap;
	return true;
}

void fl__refresh_add(struct fl_refresh *r, uint64_t hash, uint32_t at_s)
{
	const uint32_t ahead = at_s - r->now_s;
	struct fl_refresh_list *l = NULL;
	if (at_s <= r->now_s || r->held >= r->held_max) {
		return;
	}
	if (ahead < FL_REFRESH_SECONDS) {
		l = &r->second[at_s % FL_REFRESH_SECONDS];
	} else if (ahead / FL_REFRESH_SECONDS < FL_REFRESH_LAPS) {
		l = &r->lap[at_s / FL_REFRESH_SECONDS % FL_REFRESH_LAPS];
	}
	if (l == NULL || (l->n == l->cap && !grow(l))) {
		return;
	}
	l->hash[l->n] = hash;
	l->at_s[l->n++] = at_s;
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
		/* at this very second it would look past: the next one does as well */
		const uint32_t at_s = due.at_s[i] > r->now_s ? due.at_s[i] : r->now_s + 1;
		fl__refresh_add(r, due.hash[i], at_s);
	}
	free(due.hash);
	free(due.at_s);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x, y;
	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

/* An answer that came several times within one commit stands here as often, and is due once. */
static void hand_over(const struct fl_refresh_list *l, fl__refresh_due_fn due, void *arg)
{
	if (l->n > 1) {
		qsort(l->hash, l->n, sizeof(*l->hash), by_value);
	}
	for (uint32_t i = 0; i < l->n; i++) {
		if (i == 0 || l->hash[i] != l->hash[i - 1]) {
			due(arg, l->hash[i]);
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
