#include "fairlead/wire/reader.h"

#include "fairlead/wire/name.h"
#include "fairlead/wire/writer.h"

#include <assert.h>

enum {
	POINTER_BITS = 0xC0, /* RFC 1035 4.1.4 */
	RR_FIXED = 10        /* type, class, TTL, RDLENGTH: RFC 1035 3.2.1 */
};

struct fl_reader fl_reader_init(const uint8_t *msg, size_t len)
{
	return (struct fl_reader){ .msg = msg, .len = len };
}

/* Reserve n octets, or poison the reader so that later reads stay harmless. */
static inline const uint8_t *take(struct fl_reader *r, size_t n)
{
	assert(r->pos <= r->len);
	if (r->err != FL_OK) {
		return NULL;
	}
	if (n > r->len - r->pos) { /* subtraction cannot wrap: see the assert */
		r->err = FL_ETRUNCATED;
		return NULL;
	}
	const uint8_t *at = r->msg + r->pos;
	r->pos += n;
	return at;
}

uint8_t fl_reader_u8(struct fl_reader *r)
{
	const uint8_t *at = take(r, 1);
	return at != NULL ? *at : 0;
}

uint16_t fl_reader_u16(struct fl_reader *r)
{
	const uint8_t *at = take(r, 2);
	return at != NULL ? fl_load_u16(at) : 0;
}

uint32_t fl_reader_u32(struct fl_reader *r)
{
	const uint8_t *at = take(r, 4);
	return at != NULL ? fl_load_u32(at) : 0;
}

const uint8_t *fl_reader_take(struct fl_reader *r, size_t n)
{
	return take(r, n);
}

/* Where the name at pos ends, not following pointers. */
static inline enum fl_err name_end(const uint8_t *msg, size_t len, size_t pos, size_t *end)
{
	const size_t start = pos;
	while (pos < len) {
		const uint8_t c = msg[pos];
		if (c == 0) {
			*end = pos + 1;
			return FL_OK;
		}
		if ((c & POINTER_BITS) == POINTER_BITS) {
			if (len - pos < 2) {
				return FL_ETRUNCATED;
			}
			*end = pos + 2;
			return FL_OK;
		}
		if ((c & POINTER_BITS) != 0) {
			return FL_EMALFORMED; /* 0x40 and 0x80: reserved, RFC 6891 5 */
		}
		pos += 1U + c;
		if (pos - start >= FL_NAME_MAX) { /* no room is left for the root label */
			return FL_EMALFORMED;
		}
	}
	return FL_ETRUNCATED;
}

enum fl_err fl_reader_skip_name(struct fl_reader *r)
{
	assert(r->pos <= r->len);
	if (r->err == FL_OK) {
		r->err = name_end(r->msg, r->len, r->pos, &r->pos);
	}
	return r->err;
}

enum fl_err fl_reader_name(struct fl_reader *r, uint8_t out[static FL_NAME_MAX],
			   size_t *out_len)
{
	assert(r->pos <= r->len);
	if (r->err == FL_OK) {
		r->err = fl_name_expand(r->msg, r->len, r->pos, out, out_len, &r->pos);
	}
	return r->err;
}

/* RFC 2181 8: a TTL with the top bit set is 0. An OPT's holds flags instead, RFC 6891 6.1.3. */
static uint32_t ttl_of(uint16_t type, uint32_t sent)
{
	return type != FL_TYPE_OPT && sent > INT32_MAX ? 0 : sent;
}

enum fl_err fl_reader_rr(struct fl_reader *r, struct fl_rr *out)
{
	const size_t owner_pos = r->pos;
	size_t at;
	if (r->err != FL_OK) {
		return r->err;
	}
	if ((r->err = name_end(r->msg, r->len, owner_pos, &at)) != FL_OK) {
		return r->err;
	}
	if (r->len - at < RR_FIXED) {
		return r->err = FL_ETRUNCATED;
	}
	const uint8_t *fixed = r->msg + at;
	const uint16_t rdata_len = fl_load_u16(fixed + 8);
	if (r->len - at - RR_FIXED < rdata_len) {
		return r->err = FL_ETRUNCATED;
	}
	const uint16_t type = fl_load_u16(fixed);
	*out = (struct fl_rr){ .owner_pos = owner_pos,
			       .rdata_pos = at + RR_FIXED,
			       .ttl = ttl_of(type, fl_load_u32(fixed + 4)),
			       .type = type,
			       .class = fl_load_u16(fixed + 2),
			       .rdata_len = rdata_len,
			       .ttl_pos = (uint16_t)(at + 4) };
	r->pos = at + RR_FIXED + rdata_len;
	return FL_OK;
}
