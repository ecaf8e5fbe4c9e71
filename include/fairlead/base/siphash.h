/**
 * @file
 * SipHash-1-3 (table keys, where an attacker must not choose the bucket) and
 * SipHash-2-4 (DNS server cookies, RFC 9018 4.4).
 */
#ifndef FAIRLEAD_BASE_SIPHASH_H
#define FAIRLEAD_BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct fl_sipkey {
	uint64_t k[2]; /* little-endian halves of the 128-bit key */
};

struct fl_sipkey fl_sipkey_from_octets(const uint8_t octets[static 16]);
uint64_t fl_siphash13(struct fl_sipkey key, const void *data, size_t len);
uint64_t fl_siphash24(struct fl_sipkey key, const void *data, size_t len);

#endif
