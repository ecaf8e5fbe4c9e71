#include "messages.h"

#define SIG(owner, type) owner " 900 IN RRSIG " type " 13 2 900" SIGNED

static const struct text_message signed_answer = {
	"www.test.",
	"A",
	0,
	{ "www.test. 900 IN CNAME host.test.", SIG("www.test.", "CNAME"),
	  "host.test. 300 IN A 192.0.2.1", "host.test. 300 IN A 192.0.2.2",
	  SIG("host.test.", "A") },
	{ "test. 900 IN NS ns.test.", SIG("test.", "NS") },
	{ "ns.test. 900 IN A 192.0.2.53", SIG("ns.test.", "A") }
};

static const struct text_message no_answer = { "www.test.", "A", 0, { 0 }, { 0 }, { 0 } };

static struct fl_record record_of(const struct text_message *text, enum fl_verdict verdict)
{
	static struct octets m;
	static uint8_t out[FL_RECORD_MAX];
	const struct fl_cache_key key =
		make_key(text->qname, (uint16_t)ldns_get_rr_type_by_name(text->qtype));
	make_message(text, &m);
	struct fl_record_source src = source_of(&m, verdict);
	if (verdict >= FL_VERDICT_BOGUS) {
		src.reason = verdict == FL_VERDICT_BOGUS ? FL_REASON_SIGNATURE_EXPIRED
							 : FL_REASON_NO_REACHABLE;
		src.ede = fl_reason_ede(src.reason);
	}
	size_t len;
	struct fl_record r;
	cr_assert_eq(fl_record_encode(&key, &src, &limits, then, out, sizeof(out), &len),
		     FL_OK);
	cr_assert_eq(fl_record_view(out, len, &key, &r), FL_OK);
	return r;
}

static unsigned count_dnssec(ldns_pkt *pkt)
{
	ldns_rr_list *all = ldns_pkt_all(pkt);
	unsigned n = 0;
	for (size_t i = 0; i < ldns_rr_list_rr_count(all); i++) {
		n += fl_rrtype_is_dnssec((uint16_t)ldns_rr_get_type(ldns_rr_list_rr(all, i)));
	}
	ldns_rr_list_deep_free(all);
	return n;
}

/* The code of the first EDE option, or -1. */
static int ede_of(const ldns_pkt *pkt)
{
	const ldns_rdf *data = ldns_pkt_edns_data(pkt);
	const size_t len = data != NULL ? ldns_rdf_size(data) : 0;
	const uint8_t *at = len > 0 ? ldns_rdf_data(data) : NULL;
	for (size_t i = 0; i + 6 <= len; i += 4U + fl_load_u16(at + i + 2)) {
		if (fl_load_u16(at + i) == FL_OPTION_EDE) {
			return fl_load_u16(at + i + 4);
		}
	}
	return -1;
}

struct flag_case {
	const char *why;
	const struct text_message *m;
	enum fl_verdict verdict;
	unsigned how;
	int rcode;
	bool ad;
	unsigned answers, dnssec;
	int ede;
};

/* RFC 4035 3.2, RFC 6840 5.7-5.9 */
static const struct flag_case matrix[] = {
	{ "secure, plain", &signed_answer, FL_VERDICT_SECURE, 0, 0, false, 3, 0, -1 },
	{ "secure, AD", &signed_answer, FL_VERDICT_SECURE, ASK_AD, 0, true, 3, 0, -1 },
	{ "secure, EDNS", &signed_answer, FL_VERDICT_SECURE, ASK_EDNS, 0, false, 3, 0, -1 },
	{ "secure, DO", &signed_answer, FL_VERDICT_SECURE, ASK_DO, 0, true, 5, 4, -1 },
	{ "secure, DO AD", &signed_answer, FL_VERDICT_SECURE, ASK_DO | ASK_AD, 0, true, 5, 4,
	  -1 },
	{ "secure, CD", &signed_answer, FL_VERDICT_SECURE, ASK_CD, 0, false, 3, 0, -1 },
	{ "secure, CD DO", &signed_answer, FL_VERDICT_SECURE, ASK_CD | ASK_DO, 0, false, 5, 4,
	  -1 },
	{ "secure, CD AD", &signed_answer, FL_VERDICT_SECURE, ASK_CD | ASK_AD, 0, false, 3, 0,
	  -1 },
	{ "insecure, AD", &signed_answer, FL_VERDICT_INSECURE, ASK_AD, 0, false, 3, 0, -1 },
	{ "insecure, DO", &signed_answer, FL_VERDICT_INSECURE, ASK_DO, 0, false, 5, 4, -1 },
	{ "bogus, plain", &signed_answer, FL_VERDICT_BOGUS, 0, 2, false, 0, 0, -1 },
	{ "bogus, EDNS", &signed_answer, FL_VERDICT_BOGUS, ASK_EDNS, 2, false, 0, 0, 7 },
	{ "bogus, DO AD", &signed_answer, FL_VERDICT_BOGUS, ASK_DO | ASK_AD, 2, false, 0, 0,
	  7 },
	{ "bogus, CD", &signed_answer, FL_VERDICT_BOGUS, ASK_CD, 0, false, 3, 0, -1 },
	{ "bogus, CD DO", &signed_answer, FL_VERDICT_BOGUS, ASK_CD | ASK_DO, 0, false, 5, 4,
	  7 },
	{ "bogus and empty, CD", &no_answer, FL_VERDICT_BOGUS, ASK_CD | ASK_DO, 2, false, 0, 0,
	  7 },
	{ "failed, plain", &no_answer, FL_VERDICT_FAILED, 0, 2, false, 0, 0, -1 },
	{ "failed, CD DO", &no_answer, FL_VERDICT_FAILED, ASK_CD | ASK_DO, 2, false, 0, 0, 22 },
};

Test(reply, flag_matrix)
{
	for (size_t i = 0; i < FL_COUNT(matrix); i++) {
		const struct flag_case *c = &matrix[i];
		const struct fl_record r = record_of(c->m, c->verdict);
		struct client ask_case;
		uint8_t out[FL_MESSAGE_MAX];
		ask(&ask_case, "wWw.tEst.", FL_TYPE_A, c->how, 1232);
		const struct fl_reply_opts o = fl_reply_opts_init(1232);
		const size_t len =
			fl_record_reply(&r, 0, UINT32_MAX, &ask_case.q, &o, out, sizeof(out));
		ldns_pkt *pkt = parse(out, len);
		cr_expect_eq((int)ldns_pkt_get_rcode(pkt), c->rcode, "%s: rcode", c->why);
		cr_expect_eq(ldns_pkt_ad(pkt), c->ad, "%s: AD", c->why);
		cr_expect_eq(ldns_pkt_cd(pkt), (c->how & ASK_CD) != 0, "%s: CD", c->why);
		cr_expect(ldns_pkt_qr(pkt) && ldns_pkt_ra(pkt) && ldns_pkt_rd(pkt), "%s",
			  c->why);
		cr_expect(!ldns_pkt_aa(pkt) && !ldns_pkt_tc(pkt), "%s", c->why);
		cr_expect_eq(ldns_pkt_id(pkt), 0xBEEF, "%s", c->why);
		cr_expect_eq(ldns_pkt_ancount(pkt), c->answers, "%s: %u answers", c->why,
			     ldns_pkt_ancount(pkt));
		cr_expect_eq(count_dnssec(pkt), c->dnssec, "%s: DNSSEC", c->why);
		cr_expect_eq(ede_of(pkt), c->ede, "%s: EDE %d", c->why, ede_of(pkt));
		cr_expect_arr_eq(out + 12, "\3wWw\4tEst", 10, "%s: case", c->why);
		ldns_pkt_free(pkt);
	}
}

struct ttl_case {
	uint32_t age, cap, want_cname, want_a;
};

Test(reply, ttls_count_down_and_are_bounded)
{
	static const struct ttl_case rows[] = {
		{ 0, UINT32_MAX, 900, 300 }, { 1, UINT32_MAX, 899, 299 },
		{ 299, UINT32_MAX, 601, 1 }, { 300, UINT32_MAX, 600, 0 },
		{ 901, UINT32_MAX, 0, 0 },   { UINT32_MAX, UINT32_MAX, 0, 0 },
		{ 0, 30, 30, 30 },           { 290, 30, 30, 10 },
		{ 5000, 30, 0, 0 },
	};
	const struct fl_record r = record_of(&signed_answer, FL_VERDICT_SECURE);
	for (unsigned how = 0; how <= ASK_DO; how += ASK_DO) {
		for (size_t i = 0; i < FL_COUNT(rows); i++) {
			struct client c;
			uint8_t out[FL_MESSAGE_MAX];
			ask(&c, "www.test.", FL_TYPE_A, how, 1232);
			const struct fl_reply_opts o = fl_reply_opts_init(1232);
			ldns_pkt *pkt = parse(out, fl_record_reply(&r, rows[i].age, rows[i].cap,
								   &c.q, &o, out, sizeof(out)));
			ldns_rr_list *a = ldns_pkt_answer(pkt);
			for (size_t n = 0; n < ldns_rr_list_rr_count(a); n++) {
				ldns_rr *rr = ldns_rr_list_rr(a, n);
				char *owner = ldns_rdf2str(ldns_rr_owner(rr));
				const uint32_t want = strcmp(owner, "www.test.") == 0
							      ? rows[i].want_cname
							      : rows[i].want_a;
				cr_expect_eq(ldns_rr_ttl(rr), want, "row %zu, %s: %u", i, owner,
					     ldns_rr_ttl(rr));
				free(owner);
			}
			ldns_pkt_free(pkt);
		}
	}
}

Test(reply, stale_failure_is_the_callers_business_and_zero_ttl_cap_works)
{
	const struct fl_record r = record_of(&signed_answer, FL_VERDICT_SECURE);
	struct client c;
	uint8_t out[FL_MESSAGE_MAX];
	ask(&c, "www.test.", FL_TYPE_A, ASK_DO, 1232);
	const struct fl_reply_opts o = fl_reply_opts_init(1232);
	ldns_pkt *pkt = parse(out, fl_record_reply(&r, 0, 0, &c.q, &o, out, sizeof(out)));
	cr_expect_eq(ldns_rr_ttl(ldns_rr_list_rr(ldns_pkt_answer(pkt), 0)), 0);
	ldns_pkt_free(pkt);
}

/* For every limit: whole, or without additional data, or empty with TC; never cut. */
Test(reply, every_size_limit)
{
	const struct fl_record r = record_of(&signed_answer, FL_VERDICT_SECURE);
	for (unsigned how = 0; how <= ASK_DO; how += ASK_DO) {
		struct client c;
		ask(&c, "www.test.", FL_TYPE_A, how, 1232);
		unsigned kinds[3] = { 0, 0, 0 };
		for (size_t limit = 40; limit < 700; limit++) {
			uint8_t *out = malloc(limit); /* a sanitizer watches its end */
			const struct fl_reply_opts o = fl_reply_opts_init(limit);
			const size_t len =
				fl_record_reply(&r, 7, UINT32_MAX, &c.q, &o, out, limit);
			cr_assert(len > 12 && len <= limit, "limit %zu: %zu", limit, len);
			ldns_pkt *pkt = parse(out, len);
			const unsigned an = ldns_pkt_ancount(pkt), ns = ldns_pkt_nscount(pkt);
			const unsigned ar = ldns_pkt_arcount(pkt);
			if (ldns_pkt_tc(pkt)) {
				cr_expect(an == 0 && ns == 0 && ar == 0, "limit %zu", limit);
				kinds[0]++;
			} else {
				cr_expect_eq(an, how ? 5 : 3, "limit %zu: %u", limit, an);
				cr_expect_eq(ns, how ? 2 : 1, "limit %zu", limit);
				cr_expect(ar == 0 || ar == (how ? 2 : 1), "limit %zu", limit);
				kinds[ar > 0 ? 2 : 1]++;
			}
			ldns_pkt_free(pkt);
			free(out);
		}
		cr_expect(kinds[0] > 0 && kinds[1] > 0 && kinds[2] > 0, "%u %u %u", kinds[0],
			  kinds[1], kinds[2]);
	}
}

Test(reply, explanations_give_way_to_data)
{
	const struct fl_record r = record_of(&signed_answer, FL_VERDICT_BOGUS);
	struct client c;
	uint8_t out[FL_MESSAGE_MAX];
	ask(&c, "www.test.", FL_TYPE_A, ASK_DO | ASK_CD, 1232);
	struct fl_reply_opts o = fl_reply_opts_init(1232);
	const size_t whole = fl_record_reply(&r, 0, UINT32_MAX, &c.q, &o, out, sizeof(out));
	const size_t text = strlen(fl_reason_text(FL_REASON_SIGNATURE_EXPIRED));
	const size_t extra = r.h.length[4] + r.h.length[5];
	o.max_size = whole - extra - text - 6; /* not even the EDE's code fits */
	ldns_pkt *pkt =
		parse(out, fl_record_reply(&r, 0, UINT32_MAX, &c.q, &o, out, sizeof(out)));
	cr_expect(!ldns_pkt_tc(pkt) && ldns_pkt_ancount(pkt) == 5);
	cr_expect_eq(ede_of(pkt), -1);
	ldns_pkt_free(pkt);
	o.max_size += 6;
	pkt = parse(out, fl_record_reply(&r, 0, UINT32_MAX, &c.q, &o, out, sizeof(out)));
	cr_expect_eq(ede_of(pkt), 7, "now the code fits");
	ldns_pkt_free(pkt);
}

Test(reply, keeps_the_callers_ede_first)
{
	const struct fl_record r = record_of(&no_answer, FL_VERDICT_FAILED);
	struct client c;
	uint8_t out[FL_MESSAGE_MAX];
	ask(&c, "www.test.", FL_TYPE_A, ASK_EDNS, 1232);
	struct fl_reply_opts o = fl_reply_opts_init(1232);
	o.ede[0] = (struct fl_reply_ede){ .code = 13 };
	ldns_pkt *pkt =
		parse(out, fl_record_reply(&r, 0, UINT32_MAX, &c.q, &o, out, sizeof(out)));
	const ldns_rdf *data = ldns_pkt_edns_data(pkt);
	cr_assert_not_null(data);
	const uint8_t *at = ldns_rdf_data(data);
	cr_expect(fl_load_u16(at + 4) == 13 && fl_load_u16(at + 10) == 22);
	cr_expect_eq(o.ede[1].code, FL_EDE_NONE, "the caller's options were changed");
	ldns_pkt_free(pkt);
}

/* RFC 2308 5: the SOA goes out with the TTL that the denial has. */
Test(reply, a_denials_soa_has_the_denials_ttl)
{
	static const struct text_message denial = {
		"www.test.",
		"A",
		LDNS_RCODE_NXDOMAIN,
		{ 0 },
		{ "test. 900 IN SOA ns.test. root.test. 1 2 3 4 60", SIG("test.", "SOA") },
		{ 0 }
	};
	const struct fl_record r = record_of(&denial, FL_VERDICT_SECURE);
	struct client c;
	uint8_t out[FL_MESSAGE_MAX];
	ask(&c, "www.test.", FL_TYPE_A, ASK_DO, 1232);
	const struct fl_reply_opts o = fl_reply_opts_init(1232);
	ldns_pkt *pkt =
		parse(out, fl_record_reply(&r, 10, UINT32_MAX, &c.q, &o, out, sizeof(out)));
	cr_assert_eq(ldns_pkt_nscount(pkt), 2);
	cr_expect_eq(ldns_rr_ttl(ldns_rr_list_rr(ldns_pkt_authority(pkt), 0)), 50);
	cr_expect_eq(ldns_rr_ttl(ldns_rr_list_rr(ldns_pkt_authority(pkt), 1)), 50);
	ldns_pkt_free(pkt);
}
