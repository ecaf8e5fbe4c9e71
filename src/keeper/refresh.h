/*
 * Popular names are asked again when they expire.
 *
 * A wheel of two rings: seconds for what expires within the hour, hours for the
 * rest. It holds key hashes alone; what they are for stands in the record. Its
 * memory is bounded by the cache's size; after a restart it fills again as
 * answers are stored.
 */
#ifndef FL_KEEPER_REFRESH_H
#define FL_KEEPER_REFRESH_H

#include "fairlead/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FL_REFRESH_SECONDS = 4096, FL_REFRESH_LAPS = 32 };

struct fl_refresh_entry {
	uint64_t hash;
	uint32_t at_s; /* boot clock, seconds */
	uint32_t seen; /* how often it had been asked when it was stored, by the sketches */
};

struct fl_refresh_list {
	struct fl_refresh_entry *at;
	uint32_t n, cap;
};

struct fl_refresh {
	struct fl_refresh_list second[FL_REFRESH_SECONDS];
	struct fl_refresh_list lap[FL_REFRESH_LAPS];
	uint32_t now_s;
	size_t held, held_max;
};

void fl__refresh_init(struct fl_refresh *r, uint32_t now_s, size_t held_max);
void fl__refresh_fini(struct fl_refresh *r);

/** Remember @p entry until its time; dropped when the wheel is full or it lies beyond its
 * reach.
 */
void fl__refresh_add(struct fl_refresh *r, struct fl_refresh_entry entry);

/** Turn to @p now_s and hand over what is due. */
typedef void (*fl__refresh_due_fn)(void *arg, const struct fl_refresh_entry *entry);
void fl__refresh_turn(struct fl_refresh *r, uint32_t now_s, fl__refresh_due_fn due, void *arg);

#endif
