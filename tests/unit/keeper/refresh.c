/* The wheel of names to ask again: each is due once, at its second, however far away that is.
 */
#include "refresh.h"

#include <criterion/criterion.h>
#include <stdlib.h>

struct due {
	uint64_t hash[64];
	unsigned n;
};

static void on_due(void *arg, const struct fl_refresh_entry *entry)
{
	struct due *d = arg;
	if (d->n < 64) {
		d->hash[d->n] = entry->hash;
	}
	d->n++;
}

static struct fl_refresh *wheel(uint32_t now_s, size_t held_max)
{
	struct fl_refresh *r = malloc(sizeof(*r));
	fl__refresh_init(r, now_s, held_max);
	return r;
}

static void add(struct fl_refresh *r, uint64_t hash, uint32_t at_s)
{
	fl__refresh_add(r, (struct fl_refresh_entry){ .hash = hash, .at_s = at_s });
}

static void done(struct fl_refresh *r)
{
	fl__refresh_fini(r);
	cr_expect_eq(r->held, 0, "what is held is counted");
	free(r);
}

Test(refresh, due_at_its_second_and_not_before)
{
	static const uint32_t ahead[] = { 1,
					  5,
					  300,
					  FL_REFRESH_SECONDS - 1,
					  FL_REFRESH_SECONDS,
					  FL_REFRESH_SECONDS + 1,
					  3 * FL_REFRESH_SECONDS + 7,
					  86400 };
	static const uint32_t starts[] = { 0, 1, FL_REFRESH_SECONDS - 1, FL_REFRESH_SECONDS,
					   999983 };
	for (size_t s = 0; s < FL_COUNT(starts); s++) {
		for (size_t i = 0; i < FL_COUNT(ahead); i++) {
			struct fl_refresh *r = wheel(starts[s], 100);
			struct due d = { .n = 0 };
			const uint32_t at = starts[s] + ahead[i];
			add(r, 42, at);
			fl__refresh_turn(r, at - 1, on_due, &d);
			cr_expect_eq(d.n, 0, "from %u, %u ahead: a second early", starts[s],
				     ahead[i]);
			fl__refresh_turn(r, at + 1, on_due, &d);
			cr_expect_eq(d.n, 1, "from %u, %u ahead: %u times", starts[s], ahead[i],
				     d.n);
			done(r);
		}
	}
}

Test(refresh, several_times_in_one_second_is_due_once)
{
	struct fl_refresh *r = wheel(100, 100);
	struct due d = { .n = 0 };
	for (unsigned i = 0; i < 9; i++) {
		add(r, i % 3, 110);
	}
	fl__refresh_turn(r, 110, on_due, &d);
	cr_expect_eq(d.n, 3);
	done(r);
}

Test(refresh, its_memory_is_bounded)
{
	struct fl_refresh *r = wheel(0, 10);
	struct due d = { .n = 0 };
	for (uint64_t i = 0; i < 1000; i++) {
		add(r, i, 5);
	}
	cr_expect_eq(r->held, 10);
	fl__refresh_turn(r, 5, on_due, &d);
	cr_expect_eq(d.n, 10);
	done(r);
}

Test(refresh, what_is_past_or_beyond_its_reach_is_not_kept)
{
	struct fl_refresh *r = wheel(1000, 10);
	add(r, 1, 1000);
	add(r, 2, 7);
	add(r, 3, 1000 + FL_REFRESH_SECONDS * FL_REFRESH_LAPS);
	cr_expect_eq(r->held, 0);
	done(r);
}
