#include "evict.h"

enum {
	UNASKED = 1,     /* a sketch count that only says it was asked for once */
	POPULAR = 4,     /* a sketch count that the hint remembers */
	YOUNG_WORTH = 2, /* the newest records are worth so much before anybody asks again */
	YOUNG_SHARE = 32,
	WINDOW = 128, /* records after which the threshold is looked at */
	LONG_EXPIRED = 86400,
	WORTH_MAX = 255
};

/* The newest records: two marks, each set anew after a share of all entries was put. */
void fl__evictor_put(struct fl__evictor *e, const struct fl_record_header *h, uint64_t entries)
{
	if (e->boot_id != h->boot_id) {
		e->boot_id = h->boot_id;
		e->mark_ns = e->young_ns = h->boot_ns;
		e->puts = 0;
	}
	if (++e->puts > entries / YOUNG_SHARE) {
		e->young_ns = e->mark_ns;
		e->mark_ns = h->boot_ns;
		e->puts = 0;
	}
}

void fl__evictor_owe(struct fl__evictor *e, uint64_t octets)
{
	e->debt += octets + octets / 8;
}

void fl__evictor_freed(struct fl__evictor *e, uint64_t octets)
{
	e->debt -= octets < e->debt ? octets : e->debt;
}

static bool is_young(const struct fl__evictor *e, const struct fl_record_header *h)
{
	return h->boot_id == e->boot_id && h->boot_ns > e->young_ns;
}

/* 0: nobody will miss it. */
static unsigned worth(const struct fl__evictor *e, const struct fl_record *r,
		      struct fl_moment now, unsigned popularity)
{
	const uint32_t age = fl_record_age_s(r, now);
	const uint32_t over = age > r->h.ttl_s ? age - r->h.ttl_s : 0;
	unsigned w = popularity > UNASKED ? popularity : 0;
	w = w > r->h.hint ? w : r->h.hint;
	if (over > LONG_EXPIRED) {
		w /= 8;
	} else if (over > 0) {
		w /= 2; /* good only as a stale answer */
	} else if (is_young(e, &r->h)) {
		w += YOUNG_WORTH;
	}
	return w < WORTH_MAX ? w : WORTH_MAX;
}

/* An eighth of a window must go, more than half is too much. */
static void adapt(struct fl__evictor *e)
{
	if (e->seen < WINDOW) {
		return;
	}
	if (e->freed < WINDOW / 8 && e->threshold < WORTH_MAX) {
		e->threshold += e->threshold / 2 + 1;
		e->threshold = e->threshold < WORTH_MAX ? e->threshold : WORTH_MAX;
	} else if (e->freed > WINDOW / 2 && e->threshold > 0) {
		e->threshold -= e->threshold / 4 + 1;
	}
	e->seen = e->freed = 0;
}

static uint8_t next_hint(unsigned hint, unsigned popularity)
{
	if (popularity >= POPULAR && popularity > hint) {
		return (uint8_t)(popularity < WORTH_MAX ? popularity : WORTH_MAX);
	}
	return (uint8_t)(popularity <= UNASKED ? hint / 2 : hint);
}

struct fl__fate fl__evictor_judge(struct fl__evictor *e, const struct fl_record *r,
				  struct fl_moment now, unsigned popularity)
{
	adapt(e);
	e->seen++;
	if (worth(e, r, now, popularity) <= e->threshold) {
		e->freed++;
		return (struct fl__fate){ .evict = true };
	}
	return (struct fl__fate){ .hint = next_hint(r->h.hint, popularity) };
}
