#include "fairlead/wire/name.h"

#include "fairlead/wire/writer.h"

#include <assert.h>
#include <string.h>

enum { POINTER_BITS = 0xC0 }; /* RFC 1035 4.1.4 */

size_t fl_name_len(const uint8_t *name)
{
	size_t at = 0;
	while (name[at] != 0) {
		at += 1U + name[at];
	}
	return at + 1;
}

unsigned fl_name_labels(const uint8_t *name)
{
	unsigned n = 0;
	while (*name != 0) {
		name += 1U + *name;
		n++;
	}
	return n;
}

enum fl_err fl_name_expand(const uint8_t *msg, size_t len, size_t pos,
			   uint8_t out[static FL_NAME_MAX], size_t *out_len, size_t *next)
{
	size_t limit = pos; /* a pointer must lead before the labels it is reached from */
	size_t after = 0;   /* octet behind the first pointer; a name is never at 0 with one */
	size_t n = 0;
	while (pos < len) {
		const uint8_t c = msg[pos];
		if (c == 0) {
			out[n++] = 0;
			*out_len = n;
			*next = after != 0 ? after : pos + 1;
			return FL_OK;
		}
		if ((c & POINTER_BITS) == POINTER_BITS) {
			if (len - pos < 2) {
				return FL_ETRUNCATED;
			}
			const size_t target = fl_load_u16(msg + pos) & 0x3FFFU;
			if (target >= limit) {
				return FL_EMALFORMED;
			}
			after = after != 0 ? after : pos + 2;
			limit = pos = target;
			continue;
		}
		if ((c & POINTER_BITS) != 0) {
			return FL_EMALFORMED; /* 0x40 and 0x80: reserved, RFC 6891 5 */
		}
		if (n + 1U + c >= FL_NAME_MAX) { /* no room is left for the root label */
			return FL_EMALFORMED;
		}
		if (len - pos <= c) {
			return FL_ETRUNCATED;
		}
		memcpy(out + n, msg + pos, 1U + c);
		n += 1U + c;
		pos += 1U + c;
	}
	return FL_ETRUNCATED;
}

/* Fold the eight octets of x: where an octet is 'A'..'Z' its 0x20 bit is set. */
static inline uint64_t fold8(uint64_t x)
{
	const uint64_t each = UINT64_C(0x0101010101010101);
	const uint64_t low7 = x & (each * 0x7F); /* so that no sum carries into its neighbour */
	const uint64_t from_a = low7 + each * (0x80 - 'A');
	const uint64_t past_z = low7 + each * (0x80 - 'Z' - 1);
	const uint64_t upper = (from_a ^ past_z) & ~x & (each * 0x80);
	return x | upper >> 2;
}

static inline uint64_t load8(const uint8_t *at)
{
	uint64_t x;
	memcpy(&x, at, sizeof(x));
	return x;
}

static inline void store_folded8(uint8_t *to, const uint8_t *from)
{
	const uint64_t x = fold8(load8(from));
	memcpy(to, &x, sizeof(x));
}

static inline uint64_t load_under8(const uint8_t *from, size_t len)
{
	uint64_t x = 0;
	for (size_t i = 0; i < len; i++) {
		x = x << 8 | from[i];
	}
	return x;
}

void fl_name_lower(uint8_t *to, const uint8_t *from, size_t len)
{
	size_t at = 0;
	for (; len - at >= 8; at += 8) {
		store_folded8(to + at, from + at);
	}
	if (at == len) {
		return;
	}
	if (len >= 8) { /* the last eight once more: folding twice changes nothing */
		store_folded8(to + len - 8, from + len - 8);
		return;
	}
	uint64_t x = fold8(load_under8(from, len));
	while (len-- > 0) {
		to[len] = (uint8_t)x;
		x >>= 8;
	}
}

static bool equal_folded(const uint8_t *a, const uint8_t *b, size_t len)
{
	size_t at = 0;
	for (; len - at >= 8; at += 8) {
		if (fold8(load8(a + at)) != fold8(load8(b + at))) {
			return false;
		}
	}
	return fold8(load_under8(a + at, len - at)) == fold8(load_under8(b + at, len - at));
}

bool fl_name_equal(const uint8_t *a, const uint8_t *b)
{
	const size_t len = fl_name_len(a);
	return len == fl_name_len(b) && equal_folded(a, b, len);
}

bool fl_name_is_under(const uint8_t *name, const uint8_t *zone)
{
	const unsigned labels = fl_name_labels(zone);
	return fl_name_labels(name) >= labels &&
	       fl_name_equal(fl_name_suffix(name, labels), zone);
}

const uint8_t *fl_name_suffix(const uint8_t *name, unsigned labels)
{
	unsigned have = fl_name_labels(name);
	assert(labels <= have);
	for (; have > labels; have--) {
		name += 1U + *name;
	}
	return name;
}
