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

/*
 * Everything at or below suffix that was stored at or before before_ns is a miss, and so is
 * everything there from an earlier boot.
 *
 * A rule is written while others read it: seq is odd meanwhile, and moves on with each writing.
 * Nobody outside of shm.c reads or writes one field by field.
 */
struct fl_flush_rule {
	uint32_t seq;
	uint32_t used;
	uint64_t before_ns;              /* boot clock */
	uint8_t suffix[FL_NAME_MAX + 1]; /* wire name, lower-case */
};

struct fl_generations {
	uint32_t slot[FL_GENERATION_SLOTS]; /* bumped after the commit that changed a key of
					       this slot */
	uint32_t epoch;      /* bumped by a zone flush: all ready answers are void */
	uint32_t rules_used; /* one more than the last rule in use; 0: lookups skip them */
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

/**
 * Write rule @p i, 0..FL_FLUSH_RULES-1: all at or below the wire name @p suffix (any case) that
 * was stored at or before @p before_ns of this boot, or in an earlier one, is flushed. With
 * NULL for @p suffix the rule is taken away. The keeper's only: there is one writer.
 */
void fl_flush_rule_write(struct fl_generations *g, unsigned i, const uint8_t *suffix,
			 uint64_t before_ns);

/**
 * Does a rule cover the wire name @p name, stored (or asked for) at @p boot_ns of boot
 * @p boot_id? @p now_boot_id is the boot that we are in.
 *
 * What cannot be read for certain, because it is being written or is no name at all, covers
 * everything: a miss is always right. Nothing a broken writer leaves there is read past its
 * end.
 */
bool fl_generations_flushed(const struct fl_generations *g, uint64_t now_boot_id,
			    uint64_t boot_id, uint64_t boot_ns,
			    const uint8_t *name) FL_MUST_USE;

/** Make a zeroed segment of @p size octets; @p fd_read is opened for reading only. */
enum fl_err fl_shm_make(const char *name, size_t size, int *fd_write, int *fd_read) FL_MUST_USE;
/** Map one, with all its pages in memory; its size is checked against @p size. */
enum fl_err fl_shm_map(int fd, size_t size, bool writable, void **at) FL_MUST_USE;

#endif
