#include "fairlead/policy/local.h"

#include "fairlead/wire/name.h"
#include "special.h"

#include <stdlib.h>
#include <string.h>

enum {
	TTL_S = 10800, /* RFC 6303 3 */
	HINFO_TTL_S =
		3789, /* RFC 8482 4.2 wants it long; the number tells whose answer it is */
	ANCOUNT_AT = 6,
	NSCOUNT_AT = 8,
	IDENTITY_MAX = 255 /* octets of one character-string, RFC 1035 3.3 */
};

struct open_name {
	size_t len;
	uint8_t wire[FL_NAME_MAX];
};

struct fl_local {
	char *identity; /* NULL: not told */
	size_t identity_len;
	struct open_name *open; /* those that lie in a special zone */
	size_t n_open;
};

/* A reply on its way: what is written where, for which question. */
struct reply {
	struct fl_writer w;
	const struct fl_question *q;
	const uint8_t *name;
	uint16_t answers, authorities;
	uint16_t rcode;
};

/* 127.0.0.1 and ::1 have a name, the only ones in the empty zones: RFC 6761 6.3. */
/* clang-format off */
static const uint8_t loopback_v4[] = "\0011\0010\0010\003127\007in-addr\004arpa";
static const uint8_t loopback_v6[] =
	"\0011\0010\0010\0010\0010\0010\0010\0010\0010\0010\0010\0010\0010\0010\0010\0010"
	"\0010\0010\0010\0010\0010\0010\0010\0010\0010\0010\0010\0010\0010\0010\0010\0010\003ip6\004arpa";
/* clang-format on */

/* Is @p name @p zone, or below it? Both lower-case, their lengths known. */
static bool ends_with(const uint8_t *name, size_t len, const uint8_t *zone, size_t zone_len)
{
	if (len < zone_len || memcmp(name + (len - zone_len), zone, zone_len) != 0) {
		return false;
	}
	const uint8_t *const at = name + (len - zone_len);
	while (name < at) { /* the same octets may stand inside a label */
		name += 1U + *name;
	}
	return name == at;
}

static bool is_loopback(const uint8_t *name, size_t len)
{
	return (len == sizeof(loopback_v4) && memcmp(name, loopback_v4, len) == 0) ||
	       (len == sizeof(loopback_v6) && memcmp(name, loopback_v6, len) == 0);
}

static void add_open(struct fl_local *l, const uint8_t *name)
{
	/* A forward zone above, "." most of all, does not open what is special. */
	if (fl__special_find(name).kind == FL__SPECIAL_NONE) {
		return;
	}
	struct open_name *open = &l->open[l->n_open++];
	open->len = fl_name_len(name);
	memcpy(open->wire, name, open->len);
}

enum fl_err fl_local_new(const struct fl_local_options *o, struct fl_local **out)
{
	const size_t identity_len = o->identity != NULL ? strlen(o->identity) : 0;
	if (identity_len > IDENTITY_MAX) {
		return FL_EINVALID;
	}
	struct fl_local *l = calloc(1, sizeof(*l));
	if (l == NULL) {
		return FL_ENOMEM;
	}
	l->open = calloc(o->n_open + 1, sizeof(*l->open));
	l->identity_len = identity_len;
	l->identity = o->identity != NULL ? strdup(o->identity) : NULL;
	if (l->open == NULL || (o->identity != NULL && l->identity == NULL)) {
		fl_local_free(l);
		return FL_ENOMEM;
	}
	for (size_t i = 0; i < o->n_open; i++) {
		add_open(l, o->open[i]);
	}
	*out = l;
	return FL_OK;
}

void fl_local_free(struct fl_local *l)
{
	if (l == NULL) {
		return;
	}
	free(l->identity);
	free(l->open);
	free(l);
}

static struct reply reply_init(const struct fl_question *q, const uint8_t *name,
			       const struct fl_reply_opts *o, uint8_t *out, size_t cap,
			       uint16_t rcode)
{
	struct reply r = { .q = q, .name = name, .rcode = rcode };
	r.w = fl_writer_init(out, cap < o->max_size ? cap : o->max_size);
	fl_reply_begin(&r.w, q, 0, rcode);
	return r;
}

/* A record's fixed part; its owner, a suffix of the question's name, as a pointer there. */
static void put_head(struct reply *r, const uint8_t *owner, uint16_t type, uint32_t ttl_s,
		     size_t rdata_len)
{
	fl_writer_u16(&r->w,
		      (uint16_t)(0xC000U | (FL_HEADER_SIZE + (unsigned)(owner - r->name))));
	fl_writer_u16(&r->w, type);
	fl_writer_u16(&r->w, r->q->qclass);
	fl_writer_u32(&r->w, ttl_s);
	fl_writer_u16(&r->w, (uint16_t)rdata_len);
}

static void put_record(struct reply *r, uint16_t type, uint32_t ttl_s, const void *rdata,
		       size_t rdata_len)
{
	put_head(r, r->name, type, ttl_s, rdata_len);
	fl_writer_octets(&r->w, rdata, rdata_len);
	r->answers++;
}

/* RFC 6303 3: "@ SOA @ nobody.invalid. 1 3600 1200 604800 10800". */
static void put_soa(struct reply *r, const uint8_t *apex)
{
	static const uint8_t rest[] =
		"\6nobody\7invalid\0"
		"\0\0\0\1"       /* serial */
		"\0\0\x0e\x10"   /* refresh 3,600 */
		"\0\0\x04\xb0"   /* retry 1,200 */
		"\0\x09\x3a\x80" /* expire 604,800 */
		"\0\0\x2a\x30";  /* minimum 10,800: denials are kept so long */
	put_head(r, apex, FL_TYPE_SOA, TTL_S, 2 + sizeof(rest) - 1);
	fl_writer_u16(&r->w,
		      (uint16_t)(0xC000U | (FL_HEADER_SIZE + (unsigned)(apex - r->name))));
	fl_writer_octets(&r->w, rest, sizeof(rest) - 1);
}

/* RFC 6303 3: "@ NS @". */
static void put_ns(struct reply *r, const uint8_t *apex)
{
	put_head(r, apex, FL_TYPE_NS, TTL_S, 2);
	fl_writer_u16(&r->w,
		      (uint16_t)(0xC000U | (FL_HEADER_SIZE + (unsigned)(apex - r->name))));
	r->answers++;
}

static size_t finish(struct reply *r, const struct fl_reply_opts *o)
{
	fl_writer_patch_u16(&r->w, ANCOUNT_AT, r->answers);
	fl_writer_patch_u16(&r->w, NSCOUNT_AT, r->authorities);
	fl_reply_write_opt(&r->w, r->q, o, r->rcode);
	if (r->w.err == FL_OK) {
		return r->w.len;
	}
	r->w = fl_writer_init(r->w.buf, r->w.cap); /* too large: no records, but TC=1 */
	fl_reply_begin(&r->w, r->q, FL_FLAG_TC, r->rcode);
	fl_reply_write_opt(&r->w, r->q, o, r->rcode);
	if (r->w.err == FL_OK) {
		return r->w.len;
	}
	return fl_reply_error(r->q, r->rcode, o, r->w.buf, r->w.cap); /* not even an OPT fits */
}

/* An error with EDE 21, in the first place that is free. */
static size_t refuse(const struct fl_question *q, uint16_t rcode, const struct fl_reply_opts *o,
		     uint8_t *out, size_t cap)
{
	struct fl_reply_opts with = *o;
	struct fl_reply_ede *ede = &with.ede[with.ede[0].code == FL_EDE_NONE ? 0 : 1];
	ede->code = fl_reason_ede(FL_REASON_NOT_SUPPORTED);
	ede->text = fl_reason_text(FL_REASON_NOT_SUPPORTED);
	ede->text_len = (uint8_t)strlen(ede->text);
	return fl_reply_error(q, rcode, &with, out, cap);
}

static bool is_identity_name(const uint8_t *name, size_t len)
{
	static const struct {
		size_t len;
		const char *wire;
	} names[] = {
		{ 14, "\7version\4bind" },
		{ 15, "\10hostname\4bind" },
		{ 11, "\2id\6server" }, /* RFC 4892 */
		{ 16, "\7version\6server" },
	};
	for (size_t i = 0; i < FL_COUNT(names); i++) {
		if (len == names[i].len && memcmp(name, names[i].wire, len) == 0) {
			return true;
		}
	}
	return false;
}

static size_t reply_chaos(const struct fl_local *l, const struct fl_question *q,
			  const uint8_t *name, const struct fl_reply_opts *o, uint8_t *out,
			  size_t cap)
{
	if (l->identity == NULL || (q->qtype != FL_TYPE_TXT && q->qtype != FL_TYPE_ANY) ||
	    !is_identity_name(name, q->name_len)) {
		return refuse(q, FL_RCODE_REFUSED, o, out, cap);
	}
	struct reply r = reply_init(q, name, o, out, cap, FL_RCODE_NOERROR);
	put_head(&r, name, FL_TYPE_TXT, 0, 1 + l->identity_len);
	fl_writer_u8(&r.w, (uint8_t)l->identity_len);
	fl_writer_octets(&r.w, l->identity, l->identity_len);
	r.answers++;
	return finish(&r, o);
}

/* QTYPEs that ask for something else than records of that type. */
static size_t reply_meta(const struct fl_question *q, const struct fl_reply_opts *o,
			 uint8_t *out, size_t cap)
{
	switch (q->qtype) {
	case FL_TYPE_OPT:  /* RFC 6891 6.1.1: never asked for */
	case FL_TYPE_TSIG: /* RFC 8945 4.2 */
		return fl_reply_error(q, FL_RCODE_FORMERR, o, out, cap);
	case FL_TYPE_AXFR:
	case FL_TYPE_IXFR: /* we hold no zones: RFC 5936 2.2.1, REFUSED is for all of them */
		return refuse(q, FL_RCODE_REFUSED, o, out, cap);
	default:
		return refuse(q, FL_RCODE_NOTIMP, o, out, cap);
	}
}

/* RFC 8482 4.2: small, and the same for every name. */
static size_t reply_any(const struct fl_question *q, const uint8_t *name,
			const struct fl_reply_opts *o, uint8_t *out, size_t cap)
{
	static const uint8_t hinfo[] = "\7RFC8482"; /* the NUL is OS, an empty string */
	struct reply r = reply_init(q, name, o, out, cap, FL_RCODE_NOERROR);
	put_record(&r, FL_TYPE_HINFO, HINFO_TTL_S, hinfo, sizeof(hinfo));
	return finish(&r, o);
}

static bool asks(const struct fl_question *q, uint16_t type)
{
	return q->qtype == type || q->qtype == FL_TYPE_ANY;
}

/* Write the record that a name has, if it has the one that is asked for. For ANY one
 * RRset is enough, RFC 8482 4.1. */
static void put_data(struct reply *r, const struct fl__special *s)
{
	static const uint8_t v4[4] = { 127, 0, 0, 1 };
	static const uint8_t v6[16] = { [15] = 1 };
	static const uint8_t localhost[] = "\11localhost";
	if (s->kind == FL__SPECIAL_LOCALHOST) {
		if (asks(r->q, FL_TYPE_A)) {
			put_record(r, FL_TYPE_A, TTL_S, v4, sizeof(v4));
		} else if (r->q->qtype == FL_TYPE_AAAA) {
			put_record(r, FL_TYPE_AAAA, TTL_S, v6, sizeof(v6));
		}
	} else if (is_loopback(r->name, r->q->name_len) && asks(r->q, FL_TYPE_PTR)) {
		put_record(r, FL_TYPE_PTR, TTL_S, localhost, sizeof(localhost));
	}
}

/* The records of an apex, RFC 6303 3. */
static void put_apex(struct reply *r, const struct fl__special *s)
{
	if (r->name != s->apex || s->kind == FL__SPECIAL_ABSENT || r->answers > 0) {
		return;
	}
	if (asks(r->q, FL_TYPE_SOA)) {
		put_soa(r, s->apex);
		r->answers++;
	} else if (r->q->qtype == FL_TYPE_NS) {
		put_ns(r, s->apex);
	}
}

static bool is_open(const struct fl_local *l, const uint8_t *name, size_t len)
{
	for (size_t i = 0; i < l->n_open; i++) {
		if (ends_with(name, len, l->open[i].wire, l->open[i].len)) {
			return true;
		}
	}
	return false;
}

/* Names exist that have nothing: the apex, and those between it and a name that is there. */
static bool exists(const struct fl_local *l, const struct fl__special *s, const uint8_t *name,
		   size_t len)
{
	if (s->kind == FL__SPECIAL_LOCALHOST || s->kind == FL__SPECIAL_BARE ||
	    (s->kind == FL__SPECIAL_EMPTY && name == s->apex) ||
	    ends_with(loopback_v4, sizeof(loopback_v4), name, len) ||
	    ends_with(loopback_v6, sizeof(loopback_v6), name, len)) {
		return true;
	}
	for (size_t i = 0; i < l->n_open; i++) { /* an NXDOMAIN would deny it too, RFC 8020 */
		if (ends_with(l->open[i].wire, l->open[i].len, name, len)) {
			return true;
		}
	}
	return false;
}

static size_t reply_special(const struct fl_local *l, const struct fl_question *q,
			    const uint8_t *name, const struct fl_reply_opts *o, uint8_t *out,
			    size_t cap)
{
	const struct fl__special s = fl__special_find(name);
	if (s.kind == FL__SPECIAL_NONE || is_open(l, name, q->name_len)) {
		return 0;
	}
	if (s.home_arpa && name == s.apex && q->qtype == FL_TYPE_DS) {
		return 0; /* RFC 8375 4: its absence must be proven, which only arpa can */
	}
	const uint16_t rcode =
		exists(l, &s, name, q->name_len) ? FL_RCODE_NOERROR : FL_RCODE_NXDOMAIN;
	struct reply r = reply_init(q, name, o, out, cap, rcode);
	put_data(&r, &s);
	put_apex(&r, &s);
	if (r.answers == 0) {
		put_soa(&r, s.apex);
		r.authorities++;
	}
	return finish(&r, o);
}

size_t fl_local_reply(const struct fl_local *l, const struct fl_question *q,
		      const uint8_t *name, const struct fl_reply_opts *o, uint8_t *out,
		      size_t cap)
{
	if (q->name_len == 0) {
		return 0;
	}
	if (q->qclass == FL_CLASS_CH) {
		return reply_chaos(l, q, name, o, out, cap);
	}
	if (q->qclass != FL_CLASS_IN) {
		return refuse(q, FL_RCODE_REFUSED, o, out, cap);
	}
	if (fl_rrtype_is_meta(q->qtype)) {
		return reply_meta(q, o, out, cap);
	}
	if (fl__special_may_be(name, q->name_len)) {
		const size_t n = reply_special(l, q, name, o, out, cap);
		if (n > 0) {
			return n;
		}
	}
	return q->qtype == FL_TYPE_ANY ? reply_any(q, name, o, out, cap) : 0;
}
