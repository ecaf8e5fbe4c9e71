/**
 * @file
 * The shared segments: made by the supervisor, one writer each, no locks.
 *
 *   mode         supervisor: island, draining, clock, generations of policy and anchors, boot
 * id generations  keeper: 65,536 counters by key hash, an epoch, flush rules process      each
 * role its own: counters and histograms (base/counters.h), and for a front the sketch of asked
 * keys (cache/sketch.h)
 *
 * A segment is a memfd. Its writer gets a writable descriptor, everybody else
 * one that was opened for reading only.
 */
#ifndef FAIRLEAD_IPC_SHM_H
#define FAIRLEAD_IPC_SHM_H

#include "fairlead/base/counters.h"
#include "fairlead/base/err.h"
#include "fairlead/wire/rr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FL_GENERATION_SLOTS = 65536, FL_FLUSH_RULES = 64 };

struct fl_flush_rule {      /* everything at or below suffix stored before asked_ns is a miss */
	uint64_t before_ns; /* boot clock */
	uint8_t suffix[FL_NAME_MAX]; /* wire name, lower-case */
	uint8_t used;
};

struct fl_generations {
	uint32_t slot[FL_GENERATION_SLOTS]; /* bumped after the commit that changed a key of
					       this slot */
	uint32_t epoch;      /* bumped by a zone flush: all ready answers are void */
	uint32_t rules_used; /* 0: lookups skip the rules */
	struct fl_flush_rule rule[FL_FLUSH_RULES];
};

struct fl_mode {
	uint64_t boot_id;
	uint32_t island, draining, clock_suspect;
	uint32_t policy_generation, anchor_generation;
};

/** Read by another process while it is written: relaxed loads, release stores. */
static inline uint32_t fl_generation_of(const struct fl_generations *g, uint64_t hash)
{
	return __atomic_load_n(&g->slot[hash & (FL_GENERATION_SLOTS - 1)], __ATOMIC_ACQUIRE);
}

static inline void fl_generation_bump(struct fl_generations *g, uint64_t hash)
{
	__atomic_add_fetch(&g->slot[hash & (FL_GENERATION_SLOTS - 1)], 1, __ATOMIC_RELEASE);
}

/** Make a zeroed segment of @p size octets; @p fd_read is opened for reading only. */
enum fl_err fl_shm_make(const char *name, size_t size, int *fd_write, int *fd_read) FL_MUST_USE;
/** Map one; its size is checked against @p size. */
enum fl_err fl_shm_map(int fd, size_t size, bool writable, void **at) FL_MUST_USE;

#endif
