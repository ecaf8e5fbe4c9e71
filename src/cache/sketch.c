#include "fairlead/cache/sketch.h"

#include <assert.h>
#include <string.h>

enum {
	BLOCK = 64, /* octets: one cache line */
	COUNTERS = 4,
	MAP_SHARE = 64,  /* map octets for one counter: about eight counters a record */
	FADE_TOUCHES = 8 /* touches that pay for the halving of one block */
};

size_t fl_sketch_bytes(uint64_t map_bytes)
{
	size_t bytes = (size_t)64 << 10;
	while (bytes < ((size_t)64 << 20) && bytes < map_bytes / MAP_SHARE) {
		bytes <<= 1;
	}
	return bytes;
}

struct fl_sketch fl_sketch_over(void *memory, size_t bytes)
{
	assert(bytes >= BLOCK && (bytes & (bytes - 1)) == 0);
	assert(((uintptr_t)memory & (BLOCK - 1)) == 0);
	return (struct fl_sketch){ .blocks = memory, .mask = (uint32_t)(bytes / BLOCK - 1) };
}

static uint8_t *block_of(const struct fl_sketch *s, uint64_t hash)
{
	return s->blocks + (size_t)((uint32_t)hash & s->mask) * BLOCK;
}

/* Counter i of a hash: six of the bits that picked no block. */
static unsigned slot(uint64_t hash, unsigned i)
{
	return (unsigned)(hash >> (32 + 6 * i)) & (BLOCK - 1);
}

static unsigned count_in(const uint8_t *block, uint64_t hash)
{
	unsigned least = UINT8_MAX;
	for (unsigned i = 0; i < COUNTERS; i++) {
		const unsigned n = __atomic_load_n(block + slot(hash, i), __ATOMIC_RELAXED);
		least = n < least ? n : least;
	}
	return least;
}

static void halve(uint8_t *block)
{
	for (size_t at = 0; at < BLOCK; at += sizeof(uint64_t)) {
		uint64_t v;
		memcpy(&v, block + at, sizeof(v));
		v = (v >> 1) & UINT64_C(0x7F7F7F7F7F7F7F7F);
		memcpy(block + at, &v, sizeof(v));
	}
}

void fl_sketch_prefetch(const struct fl_sketch *s, uint64_t hash)
{
	__builtin_prefetch(block_of(s, hash), 1);
}

void fl_sketch_touch(struct fl_sketch *s, uint64_t hash)
{
	uint8_t *block = block_of(s, hash);
	const unsigned least = count_in(block, hash);
	/* only the smallest counters grow: what collisions add stays small */
	for (unsigned i = 0; i < COUNTERS && least < UINT8_MAX; i++) {
		uint8_t *at = block + slot(hash, i);
		if (*at == least) {
			__atomic_store_n(at, (uint8_t)(least + 1), __ATOMIC_RELAXED);
		}
	}
	if (++s->clock % FADE_TOUCHES == 0) {
		halve(s->blocks + (size_t)((s->clock / FADE_TOUCHES) & s->mask) * BLOCK);
	}
}

unsigned fl_sketch_count(const struct fl_sketch *s, uint64_t hash)
{
	return count_in(block_of(s, hash), hash);
}
