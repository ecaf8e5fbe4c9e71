/**
 * @file
 * Which special zone a name lies in, if any: the list, as code and tables.
 *
 * Names here are lower-case wire names.
 */
#ifndef FAIRLEAD_SRC_POLICY_SPECIAL_H
#define FAIRLEAD_SRC_POLICY_SPECIAL_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum fl__special_kind {
	FL__SPECIAL_NONE,
	FL__SPECIAL_EMPTY,     /* SOA and NS at the apex, nothing below: RFC 6303 3 */
	FL__SPECIAL_LOCALHOST, /* every name has the loopback addresses: RFC 6761 6.3 */
	FL__SPECIAL_ABSENT,    /* no name exists, the apex neither: RFC 6761 6.2, 6.4 */
	FL__SPECIAL_BARE       /* every name exists and has nothing: RFC 9462 6.4 */
};

struct fl__special {
	enum fl__special_kind kind;
	const uint8_t *apex; /* points into the name */
	bool home_arpa;      /* whose DS is not ours to deny, RFC 8375 4 */
};

/**
 * May the name of @p len octets be special? False for nearly every name, at the
 * price of a load: the last four octets before the root label are compared.
 */
static inline bool fl__special_may_be(const uint8_t *name, size_t len)
{
	if (len < sizeof("\3alt")) {
		return false;
	}
	uint32_t tail;
	memcpy(&tail, name + len - 1 - sizeof(tail), sizeof(tail));
	switch (be32toh(tail)) {
	case 0x61727061: /* "arpa" */
	case 0x686f7374: /* local"host" */
	case 0x616c6964: /* inv"alid" */
	case 0x74657374: /* "test" */
	case 0x6e696f6e: /* o"nion" */
	case 0x03616c74: /* "\3alt" */
		return true;
	default:
		return false;
	}
}

struct fl__special fl__special_find(const uint8_t *name);

#endif
