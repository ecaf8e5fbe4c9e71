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

static bool is_empty(const struct fl_record *r)
{
	return r->h.n_ttls == 0;
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

/* What goes out: parts in order, every second one left out without DO. */
struct choice {
	unsigned step;   /* 1: all parts, 2: plain ones */
	unsigned parts;  /* 4: no additional section, 6: whole */
	size_t sections; /* octets of both sections that must go out */
	size_t extra;    /* octets of the additional section */
};

static struct choice choose(const struct fl_record_header *h, bool dnssec_ok)
{
	struct choice c = { .step = dnssec_ok ? 1 : 2, .parts = FL__RECORD_PARTS };
	for (unsigned part = 0; part < 4; part += c.step) {
		c.sections += h->length[part];
	}
	for (unsigned part = 4; part < FL__RECORD_PARTS; part += c.step) {
		c.extra += h->length[part];
	}
	return c;
}

/* There is room in @p w: the caller has counted. */
static void put_records(struct fl_writer *w, const struct fl_record *r, const struct choice *c,
			uint32_t age_s, uint32_t ttl_cap)
{
	const uint8_t *ttls = r->ttls;
	uint32_t start = 0;
	uint16_t count[3] = { 0, 0, 0 };
	for (unsigned part = 0; part < c->parts; part++) {
		const uint32_t length = r->h.length[part];
		if (part % c->step == 0) {
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
	const bool checking_off = (q->flags & FL_FLAG_CD) != 0;
	struct fl_reply_opts opts = *o;
	opts.max_size = cap < o->max_size ? cap : o->max_size;
	add_ede(&opts, r);
	if (h->verdict == FL_VERDICT_FAILED ||
	    (h->verdict == FL_VERDICT_BOGUS && (!checking_off || is_empty(r)))) {
		return fl_reply_error(q, FL_RCODE_SERVFAIL, &opts, out, opts.max_size);
	}
	/* RFC 6840 5.7, 5.8; with CD the client judges for itself, RFC 4035 3.2.2 */
	const bool authentic = h->verdict == FL_VERDICT_SECURE && !checking_off &&
			       (q->dnssec_ok || (q->flags & FL_FLAG_AD) != 0);

	struct choice c = choose(h, q->dnssec_ok);
	const size_t must = FL_HEADER_SIZE + (size_t)q->name_len + 4 + c.sections;
	size_t size = must + fl_reply_opt_size(q, &opts);
	if (size + c.extra > opts.max_size) {
		c.parts = 4; /* RFC 2181 9: leaving out additional data is no truncation */
	}
	if (size > opts.max_size) { /* fl_reply_write_opt() then leaves out what it can */
		size = must + least_opt_size(q, &opts);
	}
	struct fl_writer w = fl_writer_init(out, opts.max_size);
	if (size > opts.max_size) {
		fl_reply_begin(&w, q, FL_FLAG_TC, h->rcode);
		return finish(&w, q, &opts, h->rcode);
	}
	fl_reply_begin(&w, q, authentic ? FL_FLAG_AD : 0, h->rcode);
	put_records(&w, r, &c, age_s, ttl_cap);
	return finish(&w, q, &opts, h->rcode);
}
