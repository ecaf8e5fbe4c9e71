/**
 * @file
 * Which records go when space is needed; knows nothing of where they lie.
 *
 * A hand walks the hashes, so what it meets is a fair sample. Each record gets a
 * worth from the fronts' sketches and its own hint; those not above a threshold
 * go. The threshold follows what the hand finds: it rises while too little is
 * freed and falls when much is. What must be freed is a debt: a little more than
 * what was put since the cache became full, because holes in pages are used again
 * but do not show as free pages.
 */
#ifndef FL_CACHE_EVICT_H
#define FL_CACHE_EVICT_H

#include "fairlead/cache/record.h"

#include <stdbool.h>
#include <stdint.h>

struct fl__evictor {
	uint64_t hand; /* hash to look at next */
	uint64_t debt; /* octets to free */
	unsigned threshold;
	unsigned seen, freed; /* records of the present window */
	/* what was stored after young_ns is the newest sixteenth, about */
	uint64_t boot_id, mark_ns, young_ns, puts;
};

struct fl__fate {
	bool evict;
	uint8_t hint; /* of a survivor */
};

/** @p octets came (net of what they replaced) while the cache was above its mark, or not. */
void fl__evictor_put(struct fl__evictor *e, const struct fl_record_header *h, uint64_t entries);
void fl__evictor_owe(struct fl__evictor *e, uint64_t octets);
void fl__evictor_freed(struct fl__evictor *e, uint64_t octets);

/** Judge the record that the hand has reached. */
struct fl__fate fl__evictor_judge(struct fl__evictor *e, const struct fl_record *r,
				  struct fl_moment now, unsigned popularity);

#endif
