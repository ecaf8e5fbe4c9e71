/**
 * @file
 * Bounded, forward-only reading of a DNS message in place.
 *
 * A reader borrows the message: it never allocates, never writes, and must not
 * outlive the octets. Its error is sticky: after the first bad read every later
 * one returns zero and moves nothing, so a caller reads a whole record and
 * asks once. The bad read itself moves nothing either: pos is where it began.
 */
#ifndef FAIRLEAD_WIRE_READER_H
#define FAIRLEAD_WIRE_READER_H

#include "fairlead/base/err.h"
#include "fairlead/wire/rr.h"

#include <stddef.h>
#include <stdint.h>

struct fl_reader {
	const uint8_t *msg; /* whole message; compression pointers count from here */
	size_t len;         /* octets in msg, 0..65535 */
	size_t pos;         /* next octet to read, 0..len */
	enum fl_err err;    /* first failure, or FL_OK */
};

struct fl_reader fl_reader_init(const uint8_t *msg, size_t len);
uint8_t fl_reader_u8(struct fl_reader *r);
uint16_t fl_reader_u16(struct fl_reader *r);
uint32_t fl_reader_u32(struct fl_reader *r);

/** Borrow @p n octets; NULL after an error. */
const uint8_t *fl_reader_take(struct fl_reader *r, size_t n);

/** Step over a name without expanding it. RFC 1035 4.1.4. */
enum fl_err fl_reader_skip_name(struct fl_reader *r);

/** Expand the name here and step over it. */
enum fl_err fl_reader_name(struct fl_reader *r, uint8_t out[static FL_NAME_MAX],
			   size_t *out_len);

/** One resource record's fixed part; its rdata is borrowed. RFC 1035 3.2.1. */
struct fl_rr {
	size_t owner_pos; /* offset of the owner name in the message */
	size_t rdata_pos; /* offset of the rdata */
	uint32_t ttl; /* as sent; above 2^31-1 reads as 0, RFC 2181 8; an OPT's flags as they
			 are */
	uint16_t type, class;
	uint16_t rdata_len;
	uint16_t ttl_pos; /* offset of the TTL field */
};

/** Read a whole record; @p out is written only on success. */
enum fl_err fl_reader_rr(struct fl_reader *r, struct fl_rr *out) FL_MUST_USE;

#endif
