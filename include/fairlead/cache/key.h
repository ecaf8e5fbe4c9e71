/**
 * @file
 * Cache keys: SipHash-1-3 of canonical name, type and class under the file's secret.
 *
 * Nothing about the client is in a key. Eight octets find a record; the full
 * name, type and class stand in it and are compared, so two keys with one hash
 * overwrite each other and are never mixed up.
 */
#ifndef FAIRLEAD_CACHE_KEY_H
#define FAIRLEAD_CACHE_KEY_H

#include "fairlead/base/siphash.h"
#include "fairlead/wire/rr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fl_cache_key {
	uint64_t hash; /* never 0: that key is the file's header */
	uint16_t qtype, qclass;
	uint8_t name_len;              /* octets of name, 1..255 */
	uint8_t name[FL_NAME_MAX + 7]; /* lower-case wire name; type and class stand behind it
					  while hashing */
};

/** Fill @p key from a wire name in any case. */
void fl_cache_key_init(struct fl_cache_key *key, struct fl_sipkey secret, const uint8_t *name,
		       size_t name_len, uint16_t qtype, uint16_t qclass);

#endif
