/**
 * @file
 * Domain names in wire form: uncompressed, with the root label, 1..255 octets.
 *
 * Names keep the case they came with; comparing folds ASCII case (RFC 4343).
 * Nothing here allocates. A "name" argument is a pointer to a well-formed wire
 * name unless said otherwise: its length is found from its labels.
 */
#ifndef FAIRLEAD_WIRE_NAME_H
#define FAIRLEAD_WIRE_NAME_H

#include "fairlead/base/err.h"
#include "fairlead/wire/rr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FL_NAME_TEXT_MAX = 1025 }; /* every octet as \DDD, dots, NUL */

/** Octets of the wire name at @p name, root label included. */
size_t fl_name_len(const uint8_t *name);

/** Labels without the root: 0 for the root, at most 127. */
unsigned fl_name_labels(const uint8_t *name);

/**
 * Expand the name at @p pos of a message, compressed or not.
 *
 * @param out   255 octets of room; written only up to *out_len
 * @param next  octet after the name in the message, pointers not followed
 *
 * Pointers may only point backwards, each before the last, so a loop cannot be
 * followed. RFC 1035 4.1.4.
 *
 * @retval FL_ETRUNCATED  the message ends inside the name
 * @retval FL_EMALFORMED  reserved label type, over 255 octets, a pointer not backwards
 */
enum fl_err fl_name_expand(const uint8_t *msg, size_t len, size_t pos,
			   uint8_t out[static FL_NAME_MAX], size_t *out_len,
			   size_t *next) FL_MUST_USE;

/** Copy @p len octets, ASCII upper case folded to lower, eight octets at a time.
 *  Label lengths (0..63) are not letters, so a whole wire name can be folded at once. */
void fl_name_lower(uint8_t *to, const uint8_t *from, size_t len);

bool fl_name_equal(const uint8_t *a, const uint8_t *b); /* case folded */

/** True when @p name is @p zone or below it. Case folded. */
bool fl_name_is_under(const uint8_t *name, const uint8_t *zone);

/** The suffix of @p name with @p labels labels (at most as many as it has); points into it. */
const uint8_t *fl_name_suffix(const uint8_t *name, unsigned labels);

/**
 * The part of a name that picks its resolver: its last two labels; three below
 * a two-level public suffix (co.uk, com.br, ...) and in in-addr.arpa and
 * ip6.arpa. For DS the parent side answers, but twins still meet, as type is
 * not looked at. Points into @p name.
 */
const uint8_t *fl_name_zone_part(const uint8_t *name);

/** Hash of the zone part, case folded; the same in every process of a run. */
uint64_t fl_name_zone_hash(const uint8_t *name);

/**
 * Presentation form to wire, RFC 1035 5.1: escapes \X and \DDD; relative and
 * absolute spellings are taken alike.
 */
enum fl_err fl_name_from_text(const char *text, uint8_t out[static FL_NAME_MAX],
			      size_t *out_len) FL_MUST_USE;

/** Wire to presentation, absolute, with '.', '\\', and non-printables escaped as \DDD. Returns
 * @p buf. */
const char *fl_name_to_text(const uint8_t *name, char buf[static FL_NAME_TEXT_MAX]);

#endif
