#include "fairlead/base/siphash.h"

#include <endian.h>
#include <string.h>

struct state {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotl(uint64_t v, unsigned by)
{
	return (v << by) | (v >> (64 - by));
}

static inline uint64_t load_le64(const uint8_t *at)
{
	uint64_t v;
	memcpy(&v, at, sizeof(v));
	return le64toh(v);
}

static inline void rounds(struct state *s, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		s->v0 += s->v1;
		s->v2 += s->v3;
		s->v1 = rotl(s->v1, 13) ^ s->v0;
		s->v3 = rotl(s->v3, 16) ^ s->v2;
		s->v0 = rotl(s->v0, 32);
		s->v2 += s->v1;
		s->v0 += s->v3;
		s->v1 = rotl(s->v1, 17) ^ s->v2;
		s->v3 = rotl(s->v3, 21) ^ s->v0;
		s->v2 = rotl(s->v2, 32);
	}
}

/* The last block: 0..7 octets that are left, and the length modulo 256 on top. */
static inline uint64_t last_block(const uint8_t *at, size_t left, size_t len)
{
	uint64_t m = (uint64_t)len << 56;
	for (size_t i = 0; i < left; i++) {
		m |= (uint64_t)at[i] << (8 * i);
	}
	return m;
}

/* Inlined into both callers, so that the numbers of rounds are constants there. */
static inline __attribute__((always_inline)) uint64_t
siphash(struct fl_sipkey key, const uint8_t *at, size_t len, unsigned c, unsigned d)
{
	struct state s = {
		.v0 = key.k[0] ^
		      UINT64_C(0x736f6d6570736575), /* "somepseudorandomlygeneratedbytes" */
		.v1 = key.k[1] ^ UINT64_C(0x646f72616e646f6d),
		.v2 = key.k[0] ^ UINT64_C(0x6c7967656e657261),
		.v3 = key.k[1] ^ UINT64_C(0x7465646279746573),
	};
	const size_t left = len % 8;
	for (const uint8_t *end = at + (len - left); at != end; at += 8) {
		const uint64_t m = load_le64(at);
		s.v3 ^= m;
		rounds(&s, c);
		s.v0 ^= m;
	}
	const uint64_t m = last_block(at, left, len);
	s.v3 ^= m;
	rounds(&s, c);
	s.v0 ^= m;
	s.v2 ^= 0xff;
	rounds(&s, d);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

struct fl_sipkey fl_sipkey_from_octets(const uint8_t octets[static 16])
{
	return (struct fl_sipkey){ .k = { load_le64(octets), load_le64(octets + 8) } };
}

uint64_t fl_siphash13(struct fl_sipkey key, const void *data, size_t len)
{
	return siphash(key, data, len, 1, 3);
}

uint64_t fl_siphash24(struct fl_sipkey key, const void *data, size_t len)
{
	return siphash(key, data, len, 2, 4);
}
