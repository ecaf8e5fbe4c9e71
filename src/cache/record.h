/**
 * @file
 * What the files of the cache share about records.
 */
#ifndef FL_CACHE_RECORD_H
#define FL_CACHE_RECORD_H

#include "fairlead/cache/ready.h"
#include "fairlead/cache/record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	FL__RECORD_PARTS = 6,
	FL__RECORD_TTL_SIZE = 6, /* uint16 offset, uint32 TTL */
	FL__RECORD_HINT_AT = offsetof(struct fl_record_header, hint)
};

/* The header is stored as it lies in memory. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "records are little-endian");
_Static_assert(sizeof(struct fl_record_header) == 88, "RECORD_LAYOUT: no padding");

/** Checksum of a record whose header is @p h and whose other octets start at @p rest. */
uint32_t fl__record_crc(const struct fl_record_header *h, const uint8_t *rest);

/** fl_record_view() for who walks the file and has no key: the name is checked to be one. */
enum fl_err fl__record_view_any(const uint8_t *octets, size_t len,
				struct fl_record *out) FL_MUST_USE;

/** What of a record goes out in one shape, were there room for all of it. */
struct fl__record_cut {
	bool data;       /* false: SERVFAIL and nothing else */
	uint16_t flags;  /* FL_FLAG_AD or 0 */
	unsigned step;   /* 1: all parts, 2: plain ones */
	size_t sections; /* octets of answer and authority */
	size_t extra;    /* octets of the additional section */
};

/** @p shape: of enum fl_ready_shape. The one place that knows what DO, AD and CD do. */
struct fl__record_cut fl__record_cut(const struct fl_record_header *h, unsigned shape);

#endif
