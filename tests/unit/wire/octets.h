/** Octets of a message written as a string literal, and their number. */
#ifndef FAIRLEAD_TESTS_UNIT_WIRE_OCTETS_H
#define FAIRLEAD_TESTS_UNIT_WIRE_OCTETS_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define OCTETS(literal) literal, sizeof(literal) - 1

/* A copy of exactly len octets on the heap, so that a sanitizer sees a read behind it. */
static inline uint8_t *exact_copy(const char *octets, size_t len)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);
	if (copy == NULL) {
		abort();
	}
	memcpy(copy, octets, len);
	return copy;
}

/* xorshift64*: the same numbers on every machine. */
static inline uint32_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (uint32_t)((*state * UINT64_C(0x2545F4914F6CDD1D)) >> 32);
}

#endif
