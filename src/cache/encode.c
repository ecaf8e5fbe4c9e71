/*
 * A message of the engine becomes a record.
 *
 * Read once, strictly: each record becomes an item, items of one owner, type and
 * class a set, its RRSIGs with it (so that their TTLs bound each other). Then the
 * six parts are written in turn, a whole set at the place of its first item.
 * Sets are found through a hash table under a secret: the work grows with the
 * number of records, whatever they are.
 */
#include "fairlead/wire/name.h"
#include "fairlead/wire/reader.h"
#include "fairlead/wire/writer.h"
#include "record.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
	NONE = 0xFFFF, /* no item; a message holds under 6,000 */
	SECTIONS = 3,
	ANSWER = 0,
	AUTHORITY = 1,
	ADDITIONAL = 2,
	CHAIN_MAX = 64,      /* CNAMEs followed to see whether an answer is a denial */
	RRSIG_FIXED = 18,    /* RFC 4034 3.1: octets before the signer's name */
	SOA_FIXED = 20,      /* RFC 1035 3.3.13: octets behind the names */
	FAILURE_TTL_S = 5,   /* RFC 9520 3.2, at least 1 s, growing to */
	FAILURE_MAX_S = 300, /* five minutes at most */
	POINTER = 0xC000,
	/* offsets of TTLs have 16 bits, and a larger body fits no reply */
	BODY_MAX = FL_MESSAGE_MAX - FL_HEADER_SIZE - 4 - 11
};

struct item {
	struct fl_rr rr;
	uint16_t set, next; /* next of the same set and kind, or NONE */
	uint8_t section;
	bool rrsig;
};

struct set {
	uint64_t owner; /* keyed hash of the lower-case name; stands for the name */
	uint16_t type, class;
	uint8_t section;
	bool expired;      /* an RRSIG is past its time */
	uint16_t first[2]; /* records; RRSIGs */
	uint16_t last[2];
	uint32_t ttl, signed_ttl; /* smallest sent; smallest that RRSIGs allow */
};

struct encoder {
	const struct fl_cache_key *key;
	const struct fl_record_source *src;
	const struct fl_record_limits *limits;
	struct fl_moment now;
	uint16_t flags, counts[SECTIONS];
	struct item *items;
	struct set *sets;
	uint16_t *table; /* numbers of sets, NONE where free */
	uint32_t table_mask;
	unsigned n_items, n_sets;
	uint64_t question_owner;
	bool boundary[FL_NAME_MAX]; /* a label of the question's name starts here */
	uint8_t *ttls;              /* written so far up to n_ttls */
	unsigned n_ttls;
	struct fl_writer body;
};

static uint64_t owner_hash(const struct encoder *e, const uint8_t *name, size_t len)
{
	uint8_t lower[FL_NAME_MAX];
	fl_name_lower(lower, name, len);
	/* the key's own hash is a secret that no client knows */
	const struct fl_sipkey secret = { { e->key->hash, 0 } };
	return fl_siphash13(secret, lower, len);
}

/* ------------------------------------------------------------------ reading */

/* Header and question: a whole response to our key, or FL_EMALFORMED. */
static enum fl_err read_question(struct encoder *e, struct fl_reader *r)
{
	uint8_t name[FL_NAME_MAX];
	size_t len = 0;
	(void)fl_reader_u16(r);
	e->flags = fl_reader_u16(r);
	const uint16_t questions = fl_reader_u16(r);
	for (unsigned s = 0; s < SECTIONS; s++) {
		e->counts[s] = fl_reader_u16(r);
	}
	const uint16_t unwanted = FL_FLAG_OPCODE | FL_FLAG_TC;
	if (r->err != FL_OK || questions != 1 ||
	    (e->flags & (FL_FLAG_QR | unwanted)) != FL_FLAG_QR) {
		return FL_EMALFORMED;
	}
	if (fl_reader_name(r, name, &len) != FL_OK) {
		return FL_EMALFORMED;
	}
	const uint16_t qtype = fl_reader_u16(r), qclass = fl_reader_u16(r);
	const bool ours = r->err == FL_OK && qtype == e->key->qtype &&
			  qclass == e->key->qclass && len == e->key->name_len &&
			  fl_name_equal(name, e->key->name);
	return ours ? FL_OK : FL_EMALFORMED;
}

/* Hop records (RFC 6891 6.1.1, RFC 8945 5.1, RFC 2931 3) are not data. */
static bool is_hop_record(const struct encoder *e, const struct fl_rr *rr)
{
	switch (rr->type) {
	case FL_TYPE_OPT:
	case FL_TYPE_TSIG:
	case FL_TYPE_TKEY:
		return true;
	case FL_TYPE_SIG: /* covers type 0 */
		return rr->rdata_len >= 2 && fl_load_u16(e->src->packet + rr->rdata_pos) == 0;
	default:
		return false;
	}
}

static uint32_t table_slot(const struct encoder *e, const struct set *s)
{
	const uint64_t mixed = (s->owner ^ ((uint64_t)s->type << 24) ^
				((uint64_t)s->class << 8) ^ s->section) *
			       UINT64_C(0x9E3779B97F4A7C15);
	return (uint32_t)(mixed >> 40) & e->table_mask;
}

/* The table's place of the set like @p s: holds its number, or NONE. */
static uint16_t *find_set(const struct encoder *e, const struct set *s)
{
	uint32_t at = table_slot(e, s);
	for (;; at = (at + 1) & e->table_mask) { /* at most half full */
		if (e->table[at] == NONE) {
			return &e->table[at];
		}
		const struct set *have = &e->sets[e->table[at]];
		if (have->owner == s->owner && have->type == s->type &&
		    have->class == s->class && have->section == s->section) {
			return &e->table[at];
		}
	}
}

/* RFC 4035 5.3.3: a TTL goes neither over the original one nor past the expiration. */
static void bound_by_rrsig(const struct encoder *e, struct set *s, const struct fl_rr *rr)
{
	const uint8_t *rdata = e->src->packet + rr->rdata_pos;
	const uint32_t original = fl_load_u32(rdata + 4);
	const uint32_t expiration = fl_load_u32(rdata + 8);
	/* RFC 1982 serial numbers, RFC 4034 3.1.5 */
	const uint32_t left = expiration - (uint32_t)e->now.wall_s;
	uint32_t bound = original;
	if (left == 0 || left > INT32_MAX) {
		s->expired = true;
	} else {
		bound = left < original ? left : original;
	}
	s->signed_ttl = bound < s->signed_ttl ? bound : s->signed_ttl;
}

/* The set of @p item, made when it is the first. */
static struct set *join_set(struct encoder *e, struct item *item, uint64_t owner)
{
	struct set like = {
		.owner = owner,
		.type = item->rr.type,
		.class = item->rr.class,
		.section = item->section,
		.first = { NONE, NONE },
		.last = { NONE, NONE },
		.ttl = UINT32_MAX,
		.signed_ttl = UINT32_MAX,
	};
	if (item->rrsig) {
		like.type = fl_load_u16(e->src->packet + item->rr.rdata_pos);
	}
	uint16_t *slot = find_set(e, &like);
	if (*slot == NONE) {
		*slot = (uint16_t)e->n_sets;
		e->sets[e->n_sets++] = like;
	}
	item->set = *slot;
	return &e->sets[*slot];
}

static void add_item(struct encoder *e, const struct fl_rr *rr, uint8_t section, uint64_t owner)
{
	const uint16_t n = (uint16_t)e->n_items++;
	struct item *item = &e->items[n];
	*item = (struct item){
		.rr = *rr,
		.next = NONE,
		.section = section,
		.rrsig = rr->type == FL_TYPE_RRSIG,
	};
	struct set *s = join_set(e, item, owner);
	const unsigned kind = item->rrsig ? 1 : 0;
	if (s->first[kind] == NONE) {
		s->first[kind] = n;
	} else {
		e->items[s->last[kind]].next = n;
	}
	s->last[kind] = n;
	s->ttl = rr->ttl < s->ttl ? rr->ttl : s->ttl;
	if (item->rrsig) {
		bound_by_rrsig(e, s, rr);
	}
}

static enum fl_err read_record(struct encoder *e, struct fl_reader *r, uint8_t section)
{
	struct fl_rr rr;
	if (fl_reader_rr(r, &rr) != FL_OK) {
		return FL_EMALFORMED;
	}
	if (is_hop_record(e, &rr)) {
		return section == ADDITIONAL ? FL_OK : FL_EMALFORMED;
	}
	if (rr.type == FL_TYPE_RRSIG && rr.rdata_len <= RRSIG_FIXED) {
		return FL_EMALFORMED;
	}
	uint64_t owner = e->question_owner;
	if (fl_load_u16(e->src->packet + rr.owner_pos) != (POINTER | FL_HEADER_SIZE)) {
		uint8_t name[FL_NAME_MAX];
		size_t len, next;
		if (fl_name_expand(r->msg, r->len, rr.owner_pos, name, &len, &next) != FL_OK) {
			return FL_EMALFORMED;
		}
		owner = owner_hash(e, name, len);
	}
	add_item(e, &rr, section, owner);
	return FL_OK;
}

static enum fl_err read_records(struct encoder *e, struct fl_reader *r)
{
	for (uint8_t section = 0; section < SECTIONS; section++) {
		for (unsigned i = 0; i < e->counts[section]; i++) {
			const enum fl_err err = read_record(e, r, section);
			if (err != FL_OK) {
				return err;
			}
		}
	}
	return r->pos == r->len ? FL_OK : FL_EMALFORMED;
}

/* --------------------------------------------------------------------- TTLs */

static const struct set *answer_set(const struct encoder *e, uint64_t owner, uint16_t type)
{
	const struct set like = {
		.owner = owner, .type = type, .class = e->key->qclass, .section = ANSWER
	};
	const uint16_t n = *find_set(e, &like);
	return n != NONE && e->sets[n].first[0] != NONE ? &e->sets[n] : NULL;
}

/* RFC 2308 1, 2.2: no record of the type at the end of the CNAME chain. */
static bool is_denial(const struct encoder *e)
{
	const uint16_t qtype = e->key->qtype;
	if ((e->flags & FL_FLAG_RCODE) == FL_RCODE_NXDOMAIN || e->n_items == 0) {
		return true;
	}
	if (qtype == FL_TYPE_ANY || qtype == FL_TYPE_RRSIG || qtype == FL_TYPE_CNAME) {
		return e->items[0].section != ANSWER;
	}
	uint64_t owner = e->question_owner;
	for (unsigned hop = 0; hop < CHAIN_MAX; hop++) {
		if (answer_set(e, owner, qtype) != NULL) {
			return false;
		}
		const struct set *alias = answer_set(e, owner, FL_TYPE_CNAME);
		if (alias == NULL) {
			return true;
		}
		uint8_t name[FL_NAME_MAX];
		size_t len, next;
		if (fl_name_expand(e->src->packet, e->src->packet_len,
				   e->items[alias->first[0]].rr.rdata_pos, name, &len,
				   &next) != FL_OK) {
			return true;
		}
		owner = owner_hash(e, name, len);
	}
	return true;
}

/* RFC 2308 5: the smaller of the SOA's TTL and MINIMUM; without SOA nothing may be kept. */
static uint32_t denial_ttl(const struct encoder *e)
{
	for (unsigned i = 0; i < e->n_items; i++) {
		const struct fl_rr *rr = &e->items[i].rr;
		if (e->items[i].section != AUTHORITY || rr->type != FL_TYPE_SOA ||
		    rr->rdata_len < SOA_FIXED + 2) {
			continue;
		}
		const uint8_t *end = e->src->packet + rr->rdata_pos + rr->rdata_len;
		uint32_t ttl = fl_load_u32(end - 4);
		ttl = rr->ttl < ttl ? rr->ttl : ttl;
		const uint32_t cap = e->limits->negative_ttl_s;
		return ttl < cap ? ttl : cap;
	}
	return 0;
}

static uint32_t set_ttl(const struct encoder *e, const struct set *s)
{
	uint32_t ttl = s->ttl;
	ttl = ttl > e->limits->min_ttl_s ? ttl : e->limits->min_ttl_s;
	ttl = ttl < e->limits->max_ttl_s ? ttl : e->limits->max_ttl_s;
	ttl = ttl < s->signed_ttl ? ttl : s->signed_ttl;
	if (e->src->verdict == FL_VERDICT_BOGUS) {
		return ttl < e->limits->bogus_ttl_s ? ttl : e->limits->bogus_ttl_s;
	}
	/* what was not validated may well have been signed long ago */
	return s->expired && e->src->verdict == FL_VERDICT_SECURE ? 0 : ttl;
}

/* Set the TTL of each set and return the record's: the smallest of all. */
static uint32_t bound_ttls(struct encoder *e)
{
	const bool denial = is_denial(e);
	const uint32_t denied = denial ? denial_ttl(e) : UINT32_MAX;
	uint32_t least = UINT32_MAX;
	for (unsigned i = 0; i < e->n_sets; i++) {
		struct set *s = &e->sets[i];
		s->ttl = set_ttl(e, s);
		if (denial && s->section == AUTHORITY) {
			s->ttl = s->ttl < denied ? s->ttl : denied;
		}
		least = s->ttl < least ? s->ttl : least;
	}
	if (e->src->verdict == FL_VERDICT_BOGUS) {
		/* RFC 4035 4.7, RFC 9520 3.2: remembered although its own TTLs are not to be
		 * trusted, or each question would be validated again */
		least = least > FAILURE_TTL_S ? least : FAILURE_TTL_S;
		return least < e->limits->bogus_ttl_s ? least : e->limits->bogus_ttl_s;
	}
	return least < denied ? least : denied;
}

/* ------------------------------------------------------------------ writing */

static void mark_boundaries(struct encoder *e)
{
	const uint8_t *name = e->key->name;
	for (size_t at = 0; name[at] != 0; at += 1U + name[at]) {
		e->boundary[at] = true;
	}
}

/* Octets that both names share at their ends, of what is equal without case. */
static size_t common_tail(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	size_t n = 0;
	while (n < a_len && n < b_len && a[a_len - 1 - n] == b[b_len - 1 - n]) {
		n++;
	}
	return n;
}

/* RFC 1035 4.1.4, but only into the question's name: see RECORD_LAYOUT. */
static void write_name(struct encoder *e, const uint8_t *name, size_t len, bool compress)
{
	if (!compress) {
		fl_writer_octets(&e->body, name, len);
		return;
	}
	uint8_t lower[FL_NAME_MAX];
	fl_name_lower(lower, name, len);
	const size_t own = e->key->name_len;
	const size_t tail = common_tail(lower, len, e->key->name, own);
	size_t at = 0;
	while (name[at] != 0 && (len - at > tail || !e->boundary[own - (len - at)])) {
		at += 1U + name[at];
	}
	fl_writer_octets(&e->body, name, at);
	if (name[at] == 0) {
		fl_writer_u8(&e->body, 0);
		return;
	}
	const size_t target = FL_HEADER_SIZE + own - (len - at);
	fl_writer_u16(&e->body, (uint16_t)(POINTER | target));
}

static enum fl_err write_name_at(struct encoder *e, size_t pos, bool compress, size_t *next)
{
	uint8_t name[FL_NAME_MAX];
	size_t len;
	const enum fl_err err =
		fl_name_expand(e->src->packet, e->src->packet_len, pos, name, &len, next);
	if (err != FL_OK) {
		return FL_EMALFORMED;
	}
	write_name(e, name, len, compress);
	return FL_OK;
}

static enum fl_err write_owner(struct encoder *e, const struct fl_rr *rr)
{
	const uint16_t question = POINTER | FL_HEADER_SIZE;
	if (e->key->name_len > 1 && fl_load_u16(e->src->packet + rr->owner_pos) == question) {
		fl_writer_u16(&e->body, question);
		return FL_OK;
	}
	size_t next;
	return write_name_at(e, rr->owner_pos, true, &next);
}

/* Octets of the field of rdata that starts at @p pos and is no name. */
static size_t field_size(const uint8_t *msg, char shape, size_t pos, size_t end)
{
	switch (shape) {
	case '*':
		return end - pos;
	case 's':
		return pos < end ? 1U + msg[pos] : 1;
	default:
		assert(shape >= '0' && shape <= '9');
		return (size_t)(shape - '0');
	}
}

static enum fl_err write_rdata(struct encoder *e, const struct fl_rr *rr)
{
	size_t pos = rr->rdata_pos;
	const size_t end = pos + rr->rdata_len;
	for (const char *shape = fl_rrtype_rdata_shape(rr->type); *shape != '\0'; shape++) {
		if (*shape == 'n' || *shape == 'N') {
			size_t next = 0;
			if (pos >= end ||
			    write_name_at(e, pos, *shape == 'n', &next) != FL_OK ||
			    next > end) {
				return FL_EMALFORMED;
			}
			pos = next;
			continue;
		}
		const size_t n = field_size(e->src->packet, *shape, pos, end);
		if (n > end - pos) {
			return FL_EMALFORMED;
		}
		fl_writer_octets(&e->body, e->src->packet + pos, n);
		pos += n;
	}
	return pos == end ? FL_OK : FL_EMALFORMED;
}

static void note_ttl(struct encoder *e, uint32_t ttl)
{
	const uint16_t offset = (uint16_t)e->body.len;
	uint8_t *to = e->ttls + (size_t)e->n_ttls++ * FL__RECORD_TTL_SIZE;
	memcpy(to, &offset, sizeof(offset));
	memcpy(to + sizeof(offset), &ttl, sizeof(ttl));
}

static enum fl_err write_item(struct encoder *e, const struct item *item)
{
	const struct fl_rr *rr = &item->rr;
	if (write_owner(e, rr) != FL_OK) {
		return FL_EMALFORMED;
	}
	fl_writer_u16(&e->body, rr->type);
	fl_writer_u16(&e->body, rr->class);
	note_ttl(e, e->sets[item->set].ttl);
	fl_writer_u32(&e->body, e->sets[item->set].ttl);
	const size_t length_at = e->body.len;
	fl_writer_u16(&e->body, 0);
	if (write_rdata(e, rr) != FL_OK) {
		return FL_EMALFORMED;
	}
	if (e->body.err == FL_OK) {
		fl_writer_patch_u16(&e->body, length_at,
				    (uint16_t)(e->body.len - length_at - 2));
	}
	return e->body.err;
}

/* RFC 4035 3.2.1: asked for by type, such records are plain data. */
static bool is_dnssec_part(const struct encoder *e, const struct item *item)
{
	const bool asked = item->section == ANSWER && item->rr.type == e->key->qtype;
	return fl_rrtype_is_dnssec(item->rr.type) && !asked;
}

static enum fl_err write_part(struct encoder *e, unsigned part)
{
	for (unsigned i = 0; i < e->n_items; i++) {
		const struct item *item = &e->items[i];
		const struct set *s = &e->sets[item->set];
		if (item->section != part / 2 || s->first[item->rrsig ? 1 : 0] != i ||
		    is_dnssec_part(e, item) != (part % 2 == 1)) {
			continue;
		}
		for (uint16_t n = (uint16_t)i; n != NONE; n = e->items[n].next) {
			const enum fl_err err = write_item(e, &e->items[n]);
			if (err != FL_OK) {
				return err;
			}
		}
	}
	return FL_OK;
}

/* ------------------------------------------------------------------ records */

static void fill_header(struct fl_record_header *h, const struct encoder *e)
{
	*h = (struct fl_record_header){
		.format = FL_RECORD_FORMAT,
		.verdict = (uint8_t)e->src->verdict,
		.reason = (uint8_t)e->src->reason,
		.boot_id = e->now.boot_id,
		.boot_ns = e->now.boot_ns,
		.wall_s = e->now.wall_s,
		.qtype = e->key->qtype,
		.qclass = e->key->qclass,
		.ede = e->src->ede,
		.name_len = e->key->name_len,
		.reason_len = e->src->text_len,
	};
}

/* Put the header in its place, with size and checksum; the rest stands behind it. */
static void seal(struct fl_record_header *h, uint8_t *out)
{
	h->size = (uint32_t)sizeof(*h) + h->name_len + h->reason_len +
		  (uint32_t)h->n_ttls * FL__RECORD_TTL_SIZE;
	for (unsigned part = 0; part < FL__RECORD_PARTS; part++) {
		h->size += h->length[part];
	}
	h->crc = fl__record_crc(h, out + sizeof(*h));
	memcpy(out, h, sizeof(*h));
}

/* Name and reason; returns where the TTLs go, or NULL. */
static uint8_t *put_strings(const struct encoder *e, uint8_t *out, size_t cap)
{
	const size_t strings = (size_t)e->key->name_len + e->src->text_len;
	if (cap < sizeof(struct fl_record_header) + strings) {
		return NULL;
	}
	uint8_t *at = out + sizeof(struct fl_record_header);
	memcpy(at, e->key->name, e->key->name_len);
	at += e->key->name_len;
	if (e->src->text_len > 0) {
		memcpy(at, e->src->text, e->src->text_len);
	}
	return at + e->src->text_len;
}

/* RFC 9520 3.2: 5 s, doubling with each failure in a row. */
static uint32_t failure_ttl(unsigned failures)
{
	uint32_t ttl = FAILURE_TTL_S;
	while (failures-- > 1 && ttl < FAILURE_MAX_S) {
		ttl *= 2;
	}
	return ttl < FAILURE_MAX_S ? ttl : FAILURE_MAX_S;
}

/* A record without data. */
static enum fl_err encode_empty(const struct encoder *e, uint8_t *out, size_t cap,
				size_t *out_len)
{
	if (put_strings(e, out, cap) == NULL) {
		return FL_ENOSPACE;
	}
	struct fl_record_header h;
	fill_header(&h, e);
	h.rcode = FL_RCODE_SERVFAIL;
	if (e->src->verdict == FL_VERDICT_BOGUS) {
		h.ttl_s = e->limits->bogus_ttl_s;
	} else {
		h.verdict = FL_VERDICT_FAILED;
		h.failures = e->src->failures > 0 ? e->src->failures : 1;
		h.ttl_s = failure_ttl(h.failures);
		if (h.reason == FL_REASON_NONE) {
			h.reason = FL_REASON_FAILED;
		}
	}
	seal(&h, out);
	*out_len = h.size;
	return FL_OK;
}

/* Write a part and its numbers; without room an additional one is left out. */
static enum fl_err encode_part(struct encoder *e, struct fl_record_header *h, unsigned part)
{
	const size_t start = e->body.len;
	const unsigned before = e->n_ttls;
	const enum fl_err err = write_part(e, part);
	if (err != FL_OK) {
		return err;
	}
	h->count[part] = (uint16_t)(e->n_ttls - before);
	h->length[part] = (uint32_t)(e->body.len - start);
	return FL_OK;
}

static enum fl_err encode_parts(struct encoder *e, struct fl_record_header *h)
{
	for (unsigned part = 0; part < 4; part++) {
		const enum fl_err err = encode_part(e, h, part);
		if (err != FL_OK) {
			return err;
		}
	}
	const struct fl_writer body = e->body;
	const unsigned n_ttls = e->n_ttls;
	enum fl_err err = encode_part(e, h, 4);
	if (err == FL_OK) {
		err = encode_part(e, h, 5);
	}
	if (err != FL_ENOSPACE) {
		return err;
	}
	/* additional data may be left out, RFC 2181 9; the answer may not */
	e->body = body;
	e->n_ttls = n_ttls;
	memset(&h->count[4], 0, 2 * sizeof(h->count[4]));
	memset(&h->length[4], 0, 2 * sizeof(h->length[4]));
	return FL_OK;
}

static enum fl_err encode_body(struct encoder *e, uint8_t *out, size_t cap, size_t *out_len)
{
	uint8_t *ttls = put_strings(e, out, cap);
	const size_t index = (size_t)e->n_items * FL__RECORD_TTL_SIZE;
	if (ttls == NULL || cap - (size_t)(ttls - out) < index) {
		return FL_ENOSPACE;
	}
	struct fl_record_header h;
	fill_header(&h, e);
	h.rcode = e->flags & FL_FLAG_RCODE;
	h.ttl_s = bound_ttls(e);
	const size_t room = cap - (size_t)(ttls - out) - index;
	const size_t most = BODY_MAX - (size_t)e->key->name_len;
	e->ttls = ttls;
	e->body = fl_writer_init(ttls + index, room < most ? room : most);
	const enum fl_err err = encode_parts(e, &h);
	if (err != FL_OK) {
		return err;
	}
	h.n_ttls = (uint16_t)e->n_ttls;
	if (e->n_ttls < e->n_items) {
		memmove(ttls + (size_t)e->n_ttls * FL__RECORD_TTL_SIZE, e->body.buf,
			e->body.len);
	}
	seal(&h, out);
	*out_len = h.size;
	return FL_OK;
}

/* ------------------------------------------------------------------ scratch */

/* Room for all records that the counts promise, or FL_EMALFORMED when they lie. */
static enum fl_err get_scratch(struct encoder *e)
{
	size_t n = 0;
	for (unsigned s = 0; s < SECTIONS; s++) {
		n += e->counts[s];
	}
	if (n > FL_MESSAGE_MAX / 11) { /* a record has 11 octets at least */
		return FL_EMALFORMED;
	}
	size_t slots = 16;
	while (slots < 2 * n) {
		slots *= 2;
	}
	const size_t items = n * sizeof(*e->items), sets = n * sizeof(*e->sets);
	uint8_t *scratch = malloc(items + sets + slots * sizeof(*e->table));
	if (scratch == NULL) {
		return FL_ENOMEM;
	}
	e->items = (void *)scratch;
	e->sets = (void *)(scratch + items);
	e->table = (void *)(scratch + items + sets);
	e->table_mask = (uint32_t)(slots - 1);
	memset(e->table, 0xFF, slots * sizeof(*e->table));
	return FL_OK;
}

static enum fl_err encode_records(struct encoder *e, struct fl_reader *r, uint8_t *out,
				  size_t cap, size_t *out_len)
{
	enum fl_err err = get_scratch(e);
	if (err != FL_OK) {
		return err;
	}
	e->question_owner = owner_hash(e, e->key->name, e->key->name_len);
	mark_boundaries(e);
	err = read_records(e, r);
	if (err == FL_OK) {
		err = encode_body(e, out, cap, out_len);
	}
	free(e->items); /* the whole scratch */
	return err;
}

enum fl_err fl_record_encode(const struct fl_cache_key *key, const struct fl_record_source *src,
			     const struct fl_record_limits *limits, struct fl_moment now,
			     uint8_t *out, size_t cap, size_t *out_len)
{
	struct encoder e = { .key = key, .src = src, .limits = limits, .now = now };
	if (src->verdict == FL_VERDICT_FAILED || src->packet == NULL) {
		return encode_empty(&e, out, cap, out_len);
	}
	if (src->packet_len > FL_MESSAGE_MAX) {
		return FL_EMALFORMED;
	}
	struct fl_reader r = fl_reader_init(src->packet, src->packet_len);
	const enum fl_err err = read_question(&e, &r);
	if (err != FL_OK) {
		return err;
	}
	const uint16_t rcode = e.flags & FL_FLAG_RCODE;
	if (rcode != FL_RCODE_NOERROR && rcode != FL_RCODE_NXDOMAIN) {
		return encode_empty(&e, out, cap, out_len);
	}
	return encode_records(&e, &r, out, cap, out_len);
}
