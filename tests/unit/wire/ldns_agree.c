/* Our verdict and every field against ldns, over messages whole and mangled. Where the
 * two differ the difference is one of enum difference, proven, or the test fails. */
#include "fairlead/wire/name.h"
#include "fairlead/wire/question.h"
#include "fairlead/wire/reader.h"
#include "fairlead/wire/writer.h"
#include "ldns_make.h"
#include "octets.h"

#include <criterion/criterion.h>
#include <ldns/ldns.h>
#include <stdio.h>

enum { RECORDS_MAX = 2000, RDATA_MAX = 70000 };

enum difference {
	SAME_REFUSED,
	SAME_ACCEPTED,
	POINTER_ORDER, /* we refuse a pointer that is not backwards, ldns follows it */
	RDATA_FORM,    /* ldns refuses, or leaves a part of, rdata that we do not look into */
	RDATA_TAIL,  /* octets are left when rdata is read: ldns takes them for the next record
		      */
	RDATA_SHORT, /* we refuse rdata that ends before its last field, none among it; ldns
			takes it */
	RDATA_OVERRUN, /* we refuse a name that runs over its rdata, ldns goes on behind the
			  name */
	DIFFERENCES
};

struct record {
	struct fl_rr rr;
	uint8_t owner[FL_NAME_MAX];
	size_t owner_len;
};

struct walked {
	uint16_t count[4]; /* question, answer, authority, additional */
	size_t questions_end, end;
	size_t n;
	struct record records[RECORDS_MAX];
};

/* Our reading of rdata: names expanded where the shape has them. */
static enum fl_err rdata_of(const struct made *m, const struct fl_rr *rr, struct fl_writer *w)
{
	struct fl_reader r = fl_reader_init(m->octets, rr->rdata_pos + rr->rdata_len);
	r.pos = rr->rdata_pos;
	for (const char *s = fl_rrtype_rdata_shape(rr->type); *s != '\0' && r.err == FL_OK;
	     s++) {
		uint8_t name[FL_NAME_MAX];
		size_t n = 0;
		if (*s == 'n' || *s == 'N') {
			if (fl_reader_name(&r, name, &n) == FL_OK) {
				fl_writer_octets(w, name, n);
			}
			continue;
		}
		if (*s == 's') {
			n = 1U + (r.pos < r.len ? r.msg[r.pos] : 0U);
		} else {
			n = *s == '*' ? r.len - r.pos : (size_t)(*s - '0');
		}
		const uint8_t *from = fl_reader_take(&r, n);
		if (from != NULL) {
			fl_writer_octets(w, from, n);
		}
	}
	if (r.err == FL_OK && r.pos != r.len) {
		return FL_EINVALID; /* a tail: told apart from names that are wrong */
	}
	return r.err;
}

static enum fl_err walk(const struct made *m, struct walked *out)
{
	static uint8_t scratch[RDATA_MAX];
	struct fl_reader r = fl_reader_init(m->octets, m->len);
	uint8_t name[FL_NAME_MAX];
	size_t len;
	fl_reader_u32(&r);
	for (int i = 0; i < 4; i++) {
		out->count[i] = fl_reader_u16(&r);
	}
	for (unsigned i = 0; i < out->count[0] && r.err == FL_OK; i++) {
		if (fl_reader_name(&r, name, &len) == FL_OK) {
			fl_reader_take(&r, 4);
		}
	}
	out->questions_end = r.pos;
	const size_t n = (size_t)out->count[1] + out->count[2] + out->count[3];
	for (out->n = 0; out->n < n && r.err == FL_OK; out->n++) {
		cr_assert_lt(out->n, RECORDS_MAX);
		struct record *rec = &out->records[out->n];
		enum fl_err err = fl_reader_rr(&r, &rec->rr);
		size_t next;
		if (err == FL_OK) {
			err = fl_name_expand(m->octets, m->len, rec->rr.owner_pos, rec->owner,
					     &rec->owner_len, &next);
		}
		struct fl_writer w = fl_writer_init(scratch, sizeof(scratch));
		if (err == FL_OK) {
			err = rdata_of(m, &rec->rr, &w);
		}
		if (err != FL_OK) {
			return err;
		}
	}
	out->end = r.pos;
	return r.err;
}

/* Does ldns take the one record there, to its last octet? What it leaves over it would
 * read as the next record. */
static bool ldns_takes(const struct made *m, size_t pos, size_t end)
{
	ldns_rr *parsed = NULL;
	const bool taken = ldns_wire2rr(&parsed, m->octets, m->len, &pos,
					LDNS_SECTION_ANSWER) == LDNS_STATUS_OK;
	ldns_rr_free(taken ? parsed : NULL);
	return taken && pos == end;
}

/* Follow pointers anywhere; tells of one that is not backwards. */
static bool follow(const struct made *m, size_t pos, size_t *end, bool *backwards)
{
	size_t limit = pos;
	*end = 0;
	for (int steps = 0; steps < 100000 && pos < m->len; steps++) {
		const uint8_t c = m->octets[pos];
		if (c >= 0xC0) {
			if (m->len - pos < 2) {
				return false;
			}
			*end = *end != 0 ? *end : pos + 2;
			pos = fl_load_u16(m->octets + pos) & 0x3FFFU;
			*backwards = *backwards && pos < limit;
			limit = pos < limit ? pos : limit;
		} else if (c > 63) {
			return false;
		} else {
			pos += 1U + c;
			if (c == 0) {
				*end = *end != 0 ? *end : pos;
				return true;
			}
		}
	}
	return false;
}

struct defects {
	bool forwards, tail, cut, overrun;
};

static void note_name(const struct made *m, size_t pos, size_t *end, struct defects *d)
{
	bool backwards = true;
	if (!follow(m, pos, end, &backwards)) {
		*end = m->len;
	}
	d->forwards = d->forwards || !backwards;
}

/* What of our stricter rules this message breaks, found without our reader. */
static struct defects defects_of(const struct made *m)
{
	struct defects d = { 0 };
	size_t pos = 12;
	for (unsigned i = fl_load_u16(m->octets + 4); i > 0 && pos < m->len; i--) {
		note_name(m, pos, &pos, &d);
		pos += 4;
	}
	while (pos < m->len) {
		const size_t owner = pos;
		note_name(m, pos, &pos, &d);
		if (m->len - pos < 10 || pos > m->len) {
			break;
		}
		const uint16_t type = fl_load_u16(m->octets + pos);
		const size_t end = pos + 10 + fl_load_u16(m->octets + pos + 8);
		size_t at = pos + 10;
		const char *s = fl_rrtype_rdata_shape(type);
		for (; *s != '\0' && *s != '*' && at < end && end <= m->len; s++) {
			if (*s == 'n' || *s == 'N') {
				note_name(m, at, &at, &d);
			} else {
				at += *s == 's' ? 1U + m->octets[at] : (size_t)(*s - '0');
			}
		}
		d.cut = d.cut || (at == end && *s != '\0' && *s != '*');
		d.overrun = d.overrun || at > end;
		d.tail = d.tail || (*s == '\0' && at < end);
		if (*s == '*' && end <= m->len) {
			d.tail = d.tail || !ldns_takes(m, owner, end);
		}
		pos = end;
	}
	return d;
}

/* The only reason for which ldns may refuse what we accept, or read it otherwise. */
static bool has_odd_rdata(const struct made *m, const struct walked *w)
{
	for (size_t i = 0; i < w->n; i++) {
		const struct fl_rr *rr = &w->records[i].rr;
		if (strchr(fl_rrtype_rdata_shape(rr->type), '*') != NULL &&
		    !ldns_takes(m, rr->owner_pos, rr->rdata_pos + rr->rdata_len)) {
			return true;
		}
	}
	return false;
}

static void hex(const struct made *m, char *out, size_t cap)
{
	size_t n = 0;
	for (size_t i = 0; i < m->len && n + 3 < cap; i++) {
		n += (size_t)snprintf(out + n, cap - n, "%02x", m->octets[i]);
	}
}

static void fail_with(const struct made *m, const char *why)
{
	static char text[2 * MAKE_MAX + 1];
	hex(m, text, sizeof(text));
	cr_assert_fail("%s\n%s", why, text);
}

static bool is_rdf(const ldns_rdf *rdf, const uint8_t *octets, size_t len)
{
	return ldns_rdf_size(rdf) == len && memcmp(ldns_rdf_data(rdf), octets, len) == 0;
}

/* RRSIG's signer, NSEC's next and others of a later time: ldns expands a pointer there
 * though RFC 3597 4 forbids it, we keep octets for octets. */
static bool has_name_we_leave(const ldns_rr *rr)
{
	if (fl_rrtype_rdata_shape((uint16_t)ldns_rr_get_type(rr))[0] != '*') {
		return false;
	}
	for (size_t i = 0; i < ldns_rr_rd_count(rr); i++) {
		if (ldns_rdf_get_type(ldns_rr_rdf(rr, i)) == LDNS_RDF_TYPE_DNAME) {
			return true;
		}
	}
	return false;
}

static void compare_rr(const struct made *m, const struct record *ours, const ldns_rr *theirs)
{
	static uint8_t a[RDATA_MAX], b[RDATA_MAX];
	struct fl_writer wa = fl_writer_init(a, sizeof(a)), wb = fl_writer_init(b, sizeof(b));
	const struct fl_rr *rr = &ours->rr;
	const uint32_t ttl = ldns_rr_ttl(theirs);
	if (!is_rdf(ldns_rr_owner(theirs), ours->owner, ours->owner_len)) {
		fail_with(m, "owner names differ");
	}
	if (rr->type != (uint16_t)ldns_rr_get_type(theirs) ||
	    rr->class != (uint16_t)ldns_rr_get_class(theirs)) {
		fail_with(m, "types or classes differ");
	}
	if (rr->ttl !=
	    (ttl > INT32_MAX && rr->type != FL_TYPE_OPT ? 0 : ttl)) { /* RFC 2181 8 */
		fail_with(m, "TTLs differ");
	}
	cr_assert_eq(rdata_of(m, rr, &wa), FL_OK);
	for (size_t i = 0; i < ldns_rr_rd_count(theirs); i++) {
		const ldns_rdf *rdf = ldns_rr_rdf(theirs, i);
		fl_writer_octets(&wb, ldns_rdf_data(rdf), ldns_rdf_size(rdf));
	}
	const bool expanded = wa.len != wb.len && has_name_we_leave(theirs);
	if (!expanded && (wa.len != wb.len || memcmp(a, b, wa.len) != 0)) {
		fail_with(m, ldns_rr_descript((uint16_t)rr->type)->_name);
	}
}

static void compare_header(const struct made *m, const ldns_pkt *pkt)
{
	const uint16_t flags = fl_load_u16(m->octets + 2);
	cr_assert_eq(fl_load_u16(m->octets), ldns_pkt_id(pkt));
	cr_assert_eq((flags & FL_FLAG_QR) != 0, ldns_pkt_qr(pkt));
	cr_assert_eq((flags & FL_FLAG_OPCODE) >> 11, (int)ldns_pkt_get_opcode(pkt));
	cr_assert_eq((flags & FL_FLAG_AA) != 0, ldns_pkt_aa(pkt));
	cr_assert_eq((flags & FL_FLAG_TC) != 0, ldns_pkt_tc(pkt));
	cr_assert_eq((flags & FL_FLAG_RD) != 0, ldns_pkt_rd(pkt));
	cr_assert_eq((flags & FL_FLAG_RA) != 0, ldns_pkt_ra(pkt));
	cr_assert_eq((flags & FL_FLAG_AD) != 0, ldns_pkt_ad(pkt));
	cr_assert_eq((flags & FL_FLAG_CD) != 0, ldns_pkt_cd(pkt));
	cr_assert_eq(flags & FL_FLAG_RCODE, (int)ldns_pkt_get_rcode(pkt));
}

static void compare_questions(const struct made *m, const struct walked *w, const ldns_pkt *pkt)
{
	struct fl_reader r = fl_reader_init(m->octets, m->len);
	r.pos = FL_HEADER_SIZE;
	cr_assert_eq(ldns_rr_list_rr_count(ldns_pkt_question(pkt)), w->count[0]);
	for (size_t i = 0; i < w->count[0]; i++) {
		const ldns_rr *q = ldns_rr_list_rr(ldns_pkt_question(pkt), i);
		uint8_t name[FL_NAME_MAX];
		size_t len = 0;
		cr_assert_eq(fl_reader_name(&r, name, &len), FL_OK);
		if (!is_rdf(ldns_rr_owner(q), name, len) ||
		    fl_reader_u16(&r) != (uint16_t)ldns_rr_get_type(q) ||
		    fl_reader_u16(&r) != (uint16_t)ldns_rr_get_class(q)) {
			fail_with(m, "questions differ");
		}
	}
}

/* ldns takes OPT and TSIG out of the additional section; the last of each kind stays. */
static void compare_records(const struct made *m, const struct walked *w, const ldns_pkt *pkt)
{
	const ldns_rr_list *const lists[] = { ldns_pkt_answer(pkt), ldns_pkt_authority(pkt),
					      ldns_pkt_additional(pkt) };
	const struct record *at = w->records, *opt = NULL;
	for (int s = 0; s < 3; s++) {
		size_t theirs = 0;
		for (unsigned i = 0; i < w->count[s + 1]; i++, at++) {
			if (s == 2 && at->rr.type == FL_TYPE_OPT) {
				opt = at;
			} else if (s != 2 || at->rr.type != FL_TYPE_TSIG) {
				cr_assert_lt(theirs, ldns_rr_list_rr_count(lists[s]));
				compare_rr(m, at, ldns_rr_list_rr(lists[s], theirs++));
			}
		}
		cr_assert_eq(theirs, ldns_rr_list_rr_count(lists[s]));
	}
	if (opt != NULL) {
		cr_assert_eq(ldns_pkt_edns_udp_size(pkt), opt->rr.class);
		cr_assert_eq(ldns_pkt_edns_version(pkt), opt->rr.ttl >> 16 & 0xFF);
		cr_assert_eq(ldns_pkt_edns_extended_rcode(pkt), opt->rr.ttl >> 24);
		cr_assert_eq(ldns_pkt_edns_z(pkt), opt->rr.ttl & 0xFFFF);
	}
}

static enum difference compare_verdicts(const struct made *m, const struct walked *w,
					enum fl_err ours, ldns_status theirs)
{
	const struct defects d = m->len >= 12 ? defects_of(m) : (struct defects){ 0 };
	if (ours != FL_OK && theirs != LDNS_STATUS_OK) {
		return SAME_REFUSED;
	}
	if (ours == FL_OK) {
		if (has_odd_rdata(m, w)) {
			return RDATA_FORM;
		}
		if (theirs != LDNS_STATUS_OK) {
			fail_with(m, ldns_get_errorstr_by_id(theirs));
		}
		return SAME_ACCEPTED;
	}
	if (d.forwards) {
		return POINTER_ORDER;
	}
	if (d.tail) {
		return RDATA_TAIL;
	}
	if (d.overrun) {
		return RDATA_OVERRUN;
	}
	if (!d.cut) {
		fail_with(m, "we refuse what ldns takes, and no rule of ours is broken");
	}
	return RDATA_SHORT;
}

static enum difference compare(const struct made *m)
{
	static struct walked w;
	ldns_pkt *pkt = NULL;
	const enum fl_err ours = walk(m, &w);
	const ldns_status theirs = ldns_wire2pkt(&pkt, m->octets, m->len);
	const enum difference d = compare_verdicts(m, &w, ours, theirs);
	if (d == SAME_ACCEPTED) {
		compare_header(m, pkt);
		compare_questions(m, &w, pkt);
		compare_records(m, &w, pkt);
	}
	ldns_pkt_free(theirs == LDNS_STATUS_OK ? pkt : NULL);
	return d;
}

Test(ldns, whole_responses_agree)
{
	uint64_t seed = 20261124;
	for (int i = 0; i < 3000; i++) {
		static struct made m;
		make_response(&seed, &m);
		if (compare(&m) != SAME_ACCEPTED) {
			fail_with(&m, "not accepted by both");
		}
	}
}

Test(ldns, mangled_responses_agree)
{
	uint64_t seed = 1035;
	unsigned seen[DIFFERENCES] = { 0 };
	for (int i = 0; i < 12000; i++) {
		static struct made m, other;
		make_response(&seed, &m);
		make_response(&seed, &other);
		make_mangled(&seed, &m, &other);
		seen[compare(&m)]++;
	}
	cr_expect_gt(seen[SAME_ACCEPTED], 2000, "mangling leaves too little: %u",
		     seen[SAME_ACCEPTED]);
	for (int d = SAME_ACCEPTED + 1; d < DIFFERENCES; d++) {
		cr_expect(seen[d] > 0 && seen[d] < 200, "difference %d was seen %u times", d,
			  seen[d]);
	}
}

/* Cookie, NSID and padding by ldns's copy of the options. False: malformed. */
static bool options_of(const ldns_rdf *data, struct fl_question *want)
{
	const size_t len = data != NULL ? ldns_rdf_size(data) : 0;
	const uint8_t *octets = data != NULL ? ldns_rdf_data(data) : NULL;
	size_t at = 0;
	while (at < len) {
		if (len - at < 4 || len - at - 4 < fl_load_u16(octets + at + 2)) {
			return false;
		}
		const uint16_t code = fl_load_u16(octets + at),
			       n = fl_load_u16(octets + at + 2);
		if (code == FL_OPTION_COOKIE && want->cookie == NULL) {
			if (n != 8 && (n < 16 || n > 40)) {
				return false;
			}
			want->cookie = octets + at + 4;
			want->cookie_len = (uint8_t)n;
		}
		want->wants_nsid = want->wants_nsid || code == FL_OPTION_NSID;
		want->padded = want->padded || code == FL_OPTION_PADDING;
		at += 4U + n;
	}
	return true;
}

/* The explicit list of what a message must not be to be a question to us, though ldns
 * takes it as a message. */
static bool form_is_ours(const struct made *m, const struct walked *w, const ldns_pkt *pkt)
{
	unsigned opts = 0;
	if (w->count[0] != 1 || w->count[1] != 0 || w->end != m->len) {
		return false;
	}
	const ldns_rr *q = ldns_rr_list_rr(ldns_pkt_question(pkt), 0);
	if (w->questions_end != 12 + ldns_rdf_size(ldns_rr_owner(q)) + 4) {
		return false; /* compressed: shorter in the message than expanded */
	}
	const bool ixfr = w->count[2] == 1 && ldns_rr_get_type(q) == LDNS_RR_TYPE_IXFR &&
			  w->records[0].rr.type == FL_TYPE_SOA;
	if (w->count[2] != 0 && !ixfr) {
		return false;
	}
	for (size_t i = w->count[2]; i < w->n; i++) {
		const struct fl_rr *rr = &w->records[i].rr;
		if (rr->type == FL_TYPE_OPT && (opts++ > 0 || m->octets[rr->owner_pos] != 0)) {
			return false;
		}
		if (rr->type == FL_TYPE_TSIG && i + 1 != w->n) {
			return false;
		}
	}
	return true;
}

static enum fl_question_kind kind_of(const struct made *m, const struct walked *w,
				     const ldns_pkt *pkt, struct fl_question *want)
{
	if (ldns_pkt_qr(pkt)) {
		return FL_QUESTION_DROP;
	}
	if (ldns_pkt_get_opcode(pkt) != LDNS_PACKET_QUERY) {
		return FL_QUESTION_NOTIMP;
	}
	if (!form_is_ours(m, w, pkt)) {
		return FL_QUESTION_FORMERR;
	}
	for (size_t i = w->count[2]; i < w->n; i++) {
		want->edns = want->edns || w->records[i].rr.type == FL_TYPE_OPT;
	}
	if (ldns_pkt_edns_version(pkt) > 0) {
		return FL_QUESTION_BADVERS;
	}
	if (!options_of(ldns_pkt_edns_data(pkt), want)) {
		return FL_QUESTION_FORMERR;
	}
	return ldns_pkt_tsig(pkt) != NULL ? FL_QUESTION_NOTAUTH : FL_QUESTION_OK;
}

static void compare_view(const struct made *m, const struct fl_question *q,
			 const struct fl_question *want, const ldns_pkt *pkt)
{
	const ldns_rr *rr = ldns_rr_list_rr(ldns_pkt_question(pkt), 0);
	const uint16_t size = ldns_pkt_edns_udp_size(pkt);
	if (!is_rdf(ldns_rr_owner(rr), fl_question_name(q), q->name_len) ||
	    q->qtype != (uint16_t)ldns_rr_get_type(rr) ||
	    q->qclass != (uint16_t)ldns_rr_get_class(rr) || q->id != ldns_pkt_id(pkt) ||
	    q->flags != fl_load_u16(m->octets + 2)) {
		fail_with(m, "the question differs");
	}
	if (q->edns != want->edns || q->dnssec_ok != ldns_pkt_edns_do(pkt) ||
	    q->udp_size != (size > 512 ? size : 512)) {
		fail_with(m, "EDNS differs");
	}
	if (q->wants_nsid != want->wants_nsid || q->padded != want->padded ||
	    q->cookie_len != want->cookie_len ||
	    (q->cookie_len > 0 && memcmp(q->cookie, want->cookie, q->cookie_len) != 0)) {
		fail_with(m, "options differ");
	}
}

/* Returns our kind. What ldns refuses we must refuse as well, but for rdata of
 * additional records, which we step over. */
static enum fl_question_kind compare_query(const struct made *m)
{
	static struct walked w;
	struct fl_question q, want = { 0 };
	ldns_pkt *pkt = NULL;
	const enum fl_question_kind kind = fl_question_parse(m->octets, m->len, &q);
	const enum fl_err ours = walk(m, &w);
	const ldns_status theirs = ldns_wire2pkt(&pkt, m->octets, m->len);
	const enum difference d = compare_verdicts(m, &w, ours, theirs);
	if (d == SAME_ACCEPTED) {
		const enum fl_question_kind expected = kind_of(m, &w, pkt, &want);
		if (kind != expected) {
			fail_with(m, "another kind than ldns's fields make it");
		}
		if (kind == FL_QUESTION_OK) {
			compare_view(m, &q, &want, pkt);
		}
	}
	if (kind == FL_QUESTION_OK && theirs != LDNS_STATUS_OK &&
	    w.count[2] + w.count[3] == 0) {
		fail_with(m, "a question that ldns refuses");
	}
	ldns_pkt_free(theirs == LDNS_STATUS_OK ? pkt : NULL);
	return kind;
}

Test(ldns, questions_agree)
{
	uint64_t seed = 9619;
	unsigned whole[FL_QUESTION_NOTAUTH + 1] = { 0 },
					     mangled[FL_QUESTION_NOTAUTH + 1] = { 0 };
	for (int i = 0; i < 12000; i++) {
		static struct made m, other;
		make_query(&seed, &m);
		whole[compare_query(&m)]++;
		make_query(&seed, &other);
		make_mangled(&seed, &m, &other);
		mangled[compare_query(&m)]++;
	}
	cr_expect_eq(whole[FL_QUESTION_DROP], 0, "no whole question is dropped");
	cr_expect_gt(whole[FL_QUESTION_OK], 6000, "%u", whole[FL_QUESTION_OK]);
	cr_expect_gt(whole[FL_QUESTION_BADVERS], 200, "%u", whole[FL_QUESTION_BADVERS]);
	for (int k = FL_QUESTION_OK; k < FL_QUESTION_NOTAUTH; k++) {
		cr_expect_gt(mangled[k], 50, "kind %d came %u times", k, mangled[k]);
	}
}
