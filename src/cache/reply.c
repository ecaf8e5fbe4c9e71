#include "fairlead/wire/writer.h"
#include "record.h"

#include <assert.h>
#include <string.h>

/* Add the record's EDE in the first free place. */
static void add_ede(struct fl_reply_opts *o, const struct fl_record *r)
{
	if (r->h.ede == FL_EDE_NONE) {
		return;
	}
	struct fl_reply_ede ede = {
		.code = r->h.ede,
		.text = r->reason_text,
		.text_len = r->h.reason_len,
	};
	if (ede.text_len == 0) {
		ede.text = fl_reason_text((enum fl_reason)r->h.reason);
		ede.text_len = (uint8_t)strlen(ede.text);
	}
	for (unsigned i = 0; i < FL_COUNT(o->ede); i++) {
		if (o->ede[i].code == FL_EDE_NONE) {
			o->ede[i] = ede;
			return;
		}
	}
}

/* Copy one part and set its TTLs; returns the next part's TTLs. RFC 1035 3.2.1. */
static const uint8_t *put_part(uint8_t *to, const uint8_t *body, const uint8_t *ttls,
			       uint32_t start, uint32_t length, unsigned count, uint32_t age_s,
			       uint32_t ttl_cap)
{
	memcpy(to, body + start, length);
	for (; count > 0; count--, ttls += FL__RECORD_TTL_SIZE) {
		uint16_t offset;
		uint32_t ttl;
		memcpy(&offset, ttls, sizeof(offset));
		memcpy(&ttl, ttls + sizeof(offset), sizeof(ttl));
		ttl = ttl > age_s ? ttl - age_s : 0;
		fl_store_u32(to + (offset - start), ttl < ttl_cap ? ttl : ttl_cap);
	}
	return ttls;
}

/* RFC 4035 3.2.2: data that failed goes to who judges for himself, and is not vouched for. */
static bool has_data(const struct fl_record_header *h, bool checking_off)
{
	switch ((enum fl_verdict)h->verdict) {
	case FL_VERDICT_INSECURE:
	case FL_VERDICT_SECURE:
		return true;
	case FL_VERDICT_BOGUS:
		return checking_off && h->n_ttls > 0;
	case FL_VERDICT_FAILED:
	case FL_VERDICT_COUNT:
	default:
		return false;
	}
}

struct fl__record_cut fl__record_cut(const struct fl_record_header *h, unsigned shape)
{
	const bool checking_off = (shape & FL_SHAPE_CD) != 0;
	/* RFC 6840 5.7, 5.8 */
	const bool authentic = h->verdict == FL_VERDICT_SECURE && !checking_off &&
			       (shape & (FL_SHAPE_DNSSEC | FL_SHAPE_AD)) != 0;
	struct fl__record_cut c = {
		.data = has_data(h, checking_off),
		.flags = authentic ? FL_FLAG_AD : 0,
		.step = (shape & FL_SHAPE_DNSSEC) != 0 ? 1 : 2,
	};
	for (unsigned part = 0; part < FL__RECORD_PARTS; part += c.step) {
		*(part < 4 ? &c.sections : &c.extra) += h->length[part];
	}
	return c;
}

/* There is room in @p w: the caller has counted. */
static void put_records(struct fl_writer *w, const struct fl_record *r, unsigned parts,
			unsigned step, uint32_t age_s, uint32_t ttl_cap)
{
	const uint8_t *ttls = r->ttls;
	uint32_t start = 0;
	uint16_t count[3] = { 0, 0, 0 };
	for (unsigned part = 0; part < parts; part++) {
		const uint32_t length = r->h.length[part];
		if (part % step == 0) {
			ttls = put_part(w->buf + w->len, r->body, ttls, start, length,
					r->h.count[part], age_s, ttl_cap);
			w->len += length;
			count[part / 2] = (uint16_t)(count[part / 2] + r->h.count[part]);
		} else {
			ttls += (size_t)r->h.count[part] * FL__RECORD_TTL_SIZE;
		}
		start += length;
	}
	for (unsigned section = 0; section < FL_COUNT(count); section++) {
		fl_writer_patch_u16(w, 6 + 2 * section, count[section]);
	}
}

/* Of an OPT that says no more than it must. */
static size_t least_opt_size(const struct fl_question *q, const struct fl_reply_opts *o)
{
	struct fl_reply_opts least = fl_reply_opts_init(o->max_size);
	least.cookie = o->cookie;
	least.cookie_len = o->cookie_len;
	return fl_reply_opt_size(q, &least);
}

static size_t finish(struct fl_writer *w, const struct fl_question *q,
		     const struct fl_reply_opts *o, uint16_t rcode)
{
	fl_reply_write_opt(w, q, o, rcode);
	if (w->err != FL_OK) {
		return fl_reply_error(q, FL_RCODE_SERVFAIL, o, w->buf, w->cap);
	}
	return w->len;
}

size_t fl_record_reply(const struct fl_record *r, uint32_t age_s, uint32_t ttl_cap,
		       const struct fl_question *q, const struct fl_reply_opts *o, uint8_t *out,
		       size_t cap)
{
	const struct fl_record_header *h = &r->h;
	assert(q->name_len == h->name_len); /* pointers count on the question's length */
	struct fl_reply_opts opts = *o;
	opts.max_size = cap < o->max_size ? cap : o->max_size;
	add_ede(&opts, r);
	const struct fl__record_cut c = fl__record_cut(h, fl_ready_shape(q));
	if (!c.data) {
		return fl_reply_error(q, FL_RCODE_SERVFAIL, &opts, out, opts.max_size);
	}
	const size_t must = FL_HEADER_SIZE + (size_t)q->name_len + 4 + c.sections;
	size_t size = must + fl_reply_opt_size(q, &opts);
	/* RFC 2181 9: leaving out additional data is no truncation */
	const unsigned parts = size + c.extra > opts.max_size ? 4 : FL__RECORD_PARTS;
	if (size > opts.max_size) { /* fl_reply_write_opt() then leaves out what it can */
		size = must + least_opt_size(q, &opts);
	}
	struct fl_writer w = fl_writer_init(out, opts.max_size);
	if (size > opts.max_size) {
		fl_reply_begin(&w, q, FL_FLAG_TC, h->rcode);
		return finish(&w, q, &opts, h->rcode);
	}
	fl_reply_begin(&w, q, c.flags, h->rcode);
	put_records(&w, r, parts, c.step, age_s, ttl_cap);
	return finish(&w, q, &opts, h->rcode);
}
