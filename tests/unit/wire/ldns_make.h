/**
 * @file
 * Messages for comparing two parsers: made by ldns, whole or mangled, the same
 * ones in every run from a seed.
 */
#ifndef FAIRLEAD_TESTS_UNIT_WIRE_LDNS_MAKE_H
#define FAIRLEAD_TESTS_UNIT_WIRE_LDNS_MAKE_H

#include <stddef.h>
#include <stdint.h>

enum { MAKE_MAX = 16384 };

struct made {
	uint8_t octets[MAKE_MAX];
	size_t len;
};

/** A response of many types, compressed; now and then with names compressed that must not be.
 */
void make_response(uint64_t *seed, struct made *out);

/** A client's question, in most forms that EDNS has. */
void make_query(uint64_t *seed, struct made *out);

/** Flip, cut, splice with @p other, change counts, lengths, or put pointers in. */
void make_mangled(uint64_t *seed, struct made *m, const struct made *other);

#endif
