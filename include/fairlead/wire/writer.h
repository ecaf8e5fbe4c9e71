/**
 * @file
 * Bounded writing of wire data into a caller's buffer, with a sticky error:
 * after the first write that does not fit nothing more is written.
 */
#ifndef FAIRLEAD_WIRE_WRITER_H
#define FAIRLEAD_WIRE_WRITER_H

#include "fairlead/base/err.h"

#include <stddef.h>
#include <stdint.h>

struct fl_writer {
	uint8_t *buf;
	size_t cap;
	size_t len;      /* octets written, 0..cap */
	enum fl_err err; /* FL_ENOSPACE once something did not fit */
};

struct fl_writer fl_writer_init(uint8_t *buf, size_t cap);
void fl_writer_u8(struct fl_writer *w, uint8_t v);
void fl_writer_u16(struct fl_writer *w, uint16_t v);
void fl_writer_u32(struct fl_writer *w, uint32_t v);
void fl_writer_octets(struct fl_writer *w, const void *from, size_t n);
void fl_writer_patch_u16(struct fl_writer *w, size_t at, uint16_t v); /* at + 2 <= len */

/** Big-endian loads and stores at any alignment. */
static inline uint16_t fl_load_u16(const uint8_t *at)
{
	return (uint16_t)((unsigned)at[0] << 8 | at[1]);
}

static inline uint32_t fl_load_u32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline void fl_store_u16(uint8_t *at, uint16_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static inline void fl_store_u32(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 24);
	at[1] = (uint8_t)(v >> 16);
	at[2] = (uint8_t)(v >> 8);
	at[3] = (uint8_t)v;
}

#endif
