/**
 * @file
 * How often a key was asked lately: a counting sketch in shared memory.
 *
 * One writer (a front) and any readers (the keeper, which adds them up). A key's
 * hash picks one 64-octet block and four counters in it, so a touch costs one
 * cache line; all blocks are halved in turn as touches go on, so old popularity fades
 * after about as many questions as the cache holds records. Counts are never
 * too low by more than the halving; collisions make them too high.
 */
#ifndef FAIRLEAD_CACHE_SKETCH_H
#define FAIRLEAD_CACHE_SKETCH_H

#include <stddef.h>
#include <stdint.h>

struct fl_sketch {
	uint8_t *blocks; /* 64-octet aligned, not owned */
	uint32_t mask;   /* blocks - 1 */
	uint32_t clock;  /* writer's: touches so far */
};

/** Octets of a sketch for a cache of @p map_bytes: a power of two, at least 64 KiB, at most 64
 * MiB. */
size_t fl_sketch_bytes(uint64_t map_bytes);
struct fl_sketch fl_sketch_over(void *memory, size_t bytes);
/** Ask the memory for the line that a touch of @p hash will write. */
void fl_sketch_prefetch(const struct fl_sketch *s, uint64_t hash);
void fl_sketch_touch(struct fl_sketch *s, uint64_t hash);
unsigned fl_sketch_count(const struct fl_sketch *s, uint64_t hash);

#endif
