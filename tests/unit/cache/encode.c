#include "fairlead/wire/writer.h"
#include "messages.h"

enum { ANY_VALUE = -1 };

struct encode_case {
	const char *why;
	struct text_message m;
	enum fl_verdict verdict;
	uint32_t ttl_s;
	uint16_t count[6];
};

#define SOA(ttl, minimum)               "test. " ttl " IN SOA ns.test. root.test. 1 2 3 4 " minimum
#define SIG(owner, ttl, type, original) owner " " ttl " IN RRSIG " type " 13 2 " original SIGNED
#define OLD_SIG(owner, ttl, type)                                                           \
	owner " " ttl " IN RRSIG " type " 13 2 3600 20260531230000 20260501000000 1 test. " \
	      "AAAA"
#define LATE_SIG(owner, ttl, type)                                                           \
	owner " " ttl " IN RRSIG " type " 13 2 86400 20260601000140 20260501000000 1 test. " \
	      "AAAA"

static const struct encode_case cases[] = {
	{ "one address",
	  { "a.test.", "A", 0, { "a.test. 300 IN A 192.0.2.1" }, { 0 }, { 0 } },
	  FL_VERDICT_INSECURE,
	  300,
	  { 1, 0, 0, 0, 0, 0 } },
	{ "an RRset's TTL is its smallest",
	  { "a.test.",
	    "A",
	    0,
	    { "a.test. 300 IN A 192.0.2.1", "a.test. 200 IN A 192.0.2.2" },
	    { 0 },
	    { 0 } },
	  FL_VERDICT_INSECURE,
	  200,
	  { 2, 0, 0, 0, 0, 0 } },
	{ "a TTL over the cap",
	  { "a.test.", "A", 0, { "a.test. 9999999 IN A 192.0.2.1" }, { 0 }, { 0 } },
	  FL_VERDICT_INSECURE,
	  86400,
	  { 1, 0, 0, 0, 0, 0 } },
	{ "a TTL of 0 is not kept",
	  { "a.test.", "A", 0, { "a.test. 0 IN A 192.0.2.1" }, { 0 }, { 0 } },
	  FL_VERDICT_INSECURE,
	  0,
	  { 1, 0, 0, 0, 0, 0 } },
	{ "RRSIG bounds by its original TTL",
	  { "a.test.",
	    "A",
	    0,
	    { "a.test. 86400 IN A 192.0.2.1", SIG("a.test.", "86400", "A", "300") },
	    { 0 },
	    { 0 } },
	  FL_VERDICT_SECURE,
	  300,
	  { 1, 1, 0, 0, 0, 0 } },
	{ "RRSIG bounds by what is left of it: 100 s",
	  { "a.test.",
	    "A",
	    0,
	    { "a.test. 3600 IN A 192.0.2.1", LATE_SIG("a.test.", "3600", "A") },
	    { 0 },
	    { 0 } },
	  FL_VERDICT_SECURE,
	  100,
	  { 1, 1, 0, 0, 0, 0 } },
	{ "secure by an expired signature (skew): not kept",
	  { "a.test.",
	    "A",
	    0,
	    { "a.test. 3600 IN A 192.0.2.1", OLD_SIG("a.test.", "3600", "A") },
	    { 0 },
	    { 0 } },
	  FL_VERDICT_SECURE,
	  0,
	  { 1, 1, 0, 0, 0, 0 } },
	{ "insecure data may have expired signatures",
	  { "a.test.",
	    "A",
	    0,
	    { "a.test. 3600 IN A 192.0.2.1", OLD_SIG("a.test.", "3600", "A") },
	    { 0 },
	    { 0 } },
	  FL_VERDICT_INSECURE,
	  3600,
	  { 1, 1, 0, 0, 0, 0 } },
	{ "an RRSIG of another type does not bound",
	  { "a.test.",
	    "A",
	    0,
	    { "a.test. 3600 IN A 192.0.2.1", SIG("a.test.", "3600", "AAAA", "30") },
	    { 0 },
	    { 0 } },
	  FL_VERDICT_INSECURE,
	  30, /* but is in the record itself */
	  { 1, 1, 0, 0, 0, 0 } },
	{ "NXDOMAIN: SOA MINIMUM",
	  { "x.test.", "A", 3, { 0 }, { SOA("900", "60") }, { 0 } },
	  FL_VERDICT_INSECURE,
	  60,
	  { 0, 0, 1, 0, 0, 0 } },
	{ "NXDOMAIN: SOA TTL",
	  { "x.test.", "A", 3, { 0 }, { SOA("50", "60") }, { 0 } },
	  FL_VERDICT_INSECURE,
	  50,
	  { 0, 0, 1, 0, 0, 0 } },
	{ "NXDOMAIN: our cap",
	  { "x.test.", "A", 3, { 0 }, { SOA("90000", "90000") }, { 0 } },
	  FL_VERDICT_INSECURE,
	  3600,
	  { 0, 0, 1, 0, 0, 0 } },
	{ "NXDOMAIN without SOA is not kept",
	  { "x.test.", "A", 3, { 0 }, { 0 }, { 0 } },
	  FL_VERDICT_INSECURE,
	  0,
	  { 0, 0, 0, 0, 0, 0 } },
	{ "no data",
	  { "a.test.", "AAAA", 0, { 0 }, { SOA("900", "70") }, { 0 } },
	  FL_VERDICT_INSECURE,
	  70,
	  { 0, 0, 1, 0, 0, 0 } },
	{ "no data without SOA (a bare referral) is not kept",
	  { "a.test.", "AAAA", 0, { 0 }, { "test. 900 IN NS ns.test." }, { 0 } },
	  FL_VERDICT_INSECURE,
	  0,
	  { 0, 0, 1, 0, 0, 0 } },
	{ "no data at the end of a chain",
	  { "a.test.",
	    "AAAA",
	    0,
	    { "a.test. 900 IN CNAME b.test.", "B.test. 900 IN CNAME c.test." },
	    { SOA("900", "70") },
	    { 0 } },
	  FL_VERDICT_INSECURE,
	  70,
	  { 2, 0, 1, 0, 0, 0 } },
	{ "data at the end of a chain: an SOA beside it says nothing",
	  { "a.test.",
	    "A",
	    0,
	    { "a.test. 900 IN CNAME b.test.", "B.test. 800 IN A 192.0.2.1" },
	    { SOA("900", "70") },
	    { 0 } },
	  FL_VERDICT_INSECURE,
	  800,
	  { 2, 0, 1, 0, 0, 0 } },
	{ "data of the type elsewhere is no answer",
	  { "a.test.", "A", 0, { "z.test. 900 IN A 192.0.2.1" }, { 0 }, { 0 } },
	  FL_VERDICT_INSECURE,
	  0,
	  { 1, 0, 0, 0, 0, 0 } },
	{ "a CNAME loop ends, as a denial",
	  { "a.test.",
	    "A",
	    0,
	    { "a.test. 900 IN CNAME b.test.", "b.test. 900 IN CNAME a.test." },
	    { 0 },
	    { 0 } },
	  FL_VERDICT_INSECURE,
	  0,
	  { 2, 0, 0, 0, 0, 0 } },
	{ "asked for CNAME, a CNAME is the answer",
	  { "a.test.", "CNAME", 0, { "a.test. 900 IN CNAME b.test." }, { 0 }, { 0 } },
	  FL_VERDICT_INSECURE,
	  900,
	  { 1, 0, 0, 0, 0, 0 } },
	{ "NSEC and RRSIG of a denial are DNSSEC's",
	  { "x.test.",
	    "A",
	    3,
	    { 0 },
	    { SOA("900", "60"), SIG("test.", "900", "SOA", "900"),
	      "a.test. 900 IN NSEC b.test. A RRSIG NSEC",
	      SIG("a.test.", "900", "NSEC", "900") },
	    { 0 } },
	  FL_VERDICT_SECURE,
	  60,
	  { 0, 0, 1, 3, 0, 0 } },
	{ "asked for by type, NSEC is plain and its RRSIG is not",
	  { "a.test.",
	    "NSEC",
	    0,
	    { "a.test. 900 IN NSEC b.test. A RRSIG NSEC",
	      SIG("a.test.", "900", "NSEC", "900") },
	    { "a.test. 900 IN NSEC b.test. A RRSIG NSEC" },
	    { 0 } },
	  FL_VERDICT_SECURE,
	  900,
	  { 1, 1, 0, 1, 0, 0 } },
	{ "asked for by type, RRSIG is plain",
	  { "a.test.", "RRSIG", 0, { SIG("a.test.", "900", "A", "900") }, { 0 }, { 0 } },
	  FL_VERDICT_SECURE,
	  900,
	  { 1, 0, 0, 0, 0, 0 } },
	{ "additional data counts",
	  { "test.",
	    "NS",
	    0,
	    { "test. 900 IN NS ns.test." },
	    { 0 },
	    { "ns.test. 20 IN A 192.0.2.1", SIG("ns.test.", "900", "A", "900") } },
	  FL_VERDICT_INSECURE,
	  20,
	  { 1, 0, 0, 0, 1, 1 } },
	{ "bogus data: at most 60 s",
	  { "a.test.", "A", 0, { "a.test. 300 IN A 192.0.2.1" }, { 0 }, { 0 } },
	  FL_VERDICT_BOGUS,
	  60,
	  { 1, 0, 0, 0, 0, 0 } },
	{ "bogus data with a TTL of 0 is remembered all the same",
	  { "a.test.", "A", 0, { "a.test. 0 IN A 192.0.2.1" }, { 0 }, { 0 } },
	  FL_VERDICT_BOGUS,
	  5,
	  { 1, 0, 0, 0, 0, 0 } },
	{ "bogus and empty",
	  { "a.test.", "A", 0, { 0 }, { 0 }, { 0 } },
	  FL_VERDICT_BOGUS,
	  60,
	  { 0, 0, 0, 0, 0, 0 } },
};

static struct fl_record encode(const struct fl_cache_key *key,
			       const struct fl_record_source *src,
			       const struct fl_record_limits *l, uint8_t out[FL_RECORD_MAX])
{
	size_t len = 0;
	struct fl_record r;
	const enum fl_err err = fl_record_encode(key, src, l, then, out, FL_RECORD_MAX, &len);
	cr_assert_eq(err, FL_OK, "%s", fl_err_text(err));
	const enum fl_err view = fl_record_view(out, len, key, &r);
	cr_assert_eq(view, FL_OK, "view: %s", fl_err_text(view));
	return r;
}

Test(encode, ttl_and_parts)
{
	static struct octets m;
	static uint8_t out[FL_RECORD_MAX];
	for (size_t i = 0; i < FL_COUNT(cases); i++) {
		const struct encode_case *c = &cases[i];
		make_message(&c->m, &m);
		const struct fl_cache_key key =
			make_key(c->m.qname, (uint16_t)ldns_get_rr_type_by_name(c->m.qtype));
		const struct fl_record_source src = source_of(&m, c->verdict);
		const struct fl_record r = encode(&key, &src, &limits, out);
		cr_expect_eq(r.h.ttl_s, c->ttl_s, "%s: %u s", c->why, r.h.ttl_s);
		cr_expect_eq(r.h.rcode, c->m.rcode, "%s", c->why);
		cr_expect_eq(r.h.verdict, c->verdict, "%s", c->why);
		for (unsigned part = 0; part < 6; part++) {
			cr_expect_eq(r.h.count[part], c->count[part], "%s: part %u has %u",
				     c->why, part, r.h.count[part]);
		}
	}
}

Test(encode, a_floor_lifts_data_but_neither_signed_nor_denied_above_their_bounds)
{
	static struct octets m;
	static uint8_t out[FL_RECORD_MAX];
	struct fl_record_limits floor = limits;
	floor.min_ttl_s = 500;
	static const struct encode_case lifted[] = {
		{ "data",
		  { "a.test.", "A", 0, { "a.test. 30 IN A 192.0.2.1" }, { 0 }, { 0 } },
		  FL_VERDICT_INSECURE,
		  500,
		  { 0 } },
		{ "signed with 300",
		  { "a.test.",
		    "A",
		    0,
		    { "a.test. 30 IN A 192.0.2.1", SIG("a.test.", "30", "A", "300") },
		    { 0 },
		    { 0 } },
		  FL_VERDICT_SECURE,
		  300,
		  { 0 } },
		{ "denial",
		  { "x.test.", "A", 3, { 0 }, { SOA("900", "60") }, { 0 } },
		  FL_VERDICT_INSECURE,
		  60,
		  { 0 } },
	};
	for (size_t i = 0; i < FL_COUNT(lifted); i++) {
		make_message(&lifted[i].m, &m);
		const struct fl_cache_key key = make_key(lifted[i].m.qname, FL_TYPE_A);
		const struct fl_record_source src = source_of(&m, lifted[i].verdict);
		const struct fl_record r = encode(&key, &src, &floor, out);
		cr_expect_eq(r.h.ttl_s, lifted[i].ttl_s, "%s: %u", lifted[i].why, r.h.ttl_s);
	}
}

struct failure_case {
	uint8_t failures;
	uint32_t ttl_s;
};

Test(encode, failures_double_to_300_s)
{
	static uint8_t out[FL_RECORD_MAX];
	static const struct failure_case rows[] = { { 0, 5 },   { 1, 5 },    { 2, 10 },
						    { 3, 20 },  { 6, 160 },  { 7, 300 },
						    { 8, 300 }, { 255, 300 } };
	const struct fl_cache_key key = make_key("a.test.", FL_TYPE_A);
	for (size_t i = 0; i < FL_COUNT(rows); i++) {
		const struct fl_record_source src = { .verdict = FL_VERDICT_FAILED,
						      .reason = FL_REASON_NO_REACHABLE,
						      .ede = 22,
						      .text = "why",
						      .text_len = 3,
						      .failures = rows[i].failures };
		const struct fl_record r = encode(&key, &src, &limits, out);
		cr_expect_eq(r.h.ttl_s, rows[i].ttl_s, "%u failures", rows[i].failures);
		cr_expect(r.h.rcode == FL_RCODE_SERVFAIL && r.h.n_ttls == 0);
		cr_expect(r.h.reason_len == 3 && memcmp(r.reason_text, "why", 3) == 0);
	}
}

Test(encode, an_error_packet_is_a_failure_and_a_bogus_one_stays_bogus)
{
	static struct octets m;
	static uint8_t out[FL_RECORD_MAX];
	struct text_message text = { "a.test.", "A", LDNS_RCODE_SERVFAIL, { 0 }, { 0 }, { 0 } };
	const struct fl_cache_key key = make_key("a.test.", FL_TYPE_A);
	make_message(&text, &m);
	struct fl_record_source src = source_of(&m, FL_VERDICT_INSECURE);
	struct fl_record r = encode(&key, &src, &limits, out);
	cr_expect(r.h.verdict == FL_VERDICT_FAILED && r.h.reason == FL_REASON_FAILED);
	cr_expect(r.h.ttl_s == 5 && r.h.failures == 1);
	src.verdict = FL_VERDICT_BOGUS;
	r = encode(&key, &src, &limits, out);
	cr_expect(r.h.verdict == FL_VERDICT_BOGUS && r.h.ttl_s == 60 && r.h.n_ttls == 0);
	text.rcode = LDNS_RCODE_REFUSED;
	make_message(&text, &m);
	src = source_of(&m, FL_VERDICT_SECURE);
	r = encode(&key, &src, &limits, out);
	cr_expect(r.h.verdict == FL_VERDICT_FAILED && r.h.rcode == FL_RCODE_SERVFAIL);
}

/* One octet of a sound message is changed. */
struct mangled_case {
	const char *why;
	size_t at;
	uint8_t xor ;
	size_t cut; /* octets taken off the end */
};

Test(encode, refuses_what_is_no_answer_to_the_key)
{
	static const struct mangled_case mangled[] = {
		{ "a question, no response", 2, 0x80, 0 },
		{ "opcode NOTIFY", 2, 0x20, 0 },
		{ "truncated by its own word", 2, 0x02, 0 },
		{ "no question", 5, 0x01, 0 },
		{ "two questions", 5, 0x03, 0 },
		{ "an answer more than there is", 7, 0x01, 0 },
		{ "an answer fewer than there are", 7, 0x03, 0 },
		{ "another name", 13, 0x01, 0 },
		{ "another type", 21, 0x02, 0 },
		{ "another class", 23, 0x02, 0 },
		{ "an octet missing", 0, 0, 1 },
		{ "half of it missing", 0, 0, 20 },
		{ "only the header", 0, 0, 62 - 12 },
		{ "less than a header", 0, 0, 62 - 11 },
		{ "OPT in the answer section", 27, 41 ^ 15, 0 },
		{ "MX rdata one octet short", 35, 0x01, 0 },
		{ "MX name by a pointer to itself", 39, 0x1C ^ 0x26, 0 },
	};
	static struct octets good, m;
	static uint8_t out[FL_RECORD_MAX];
	const struct text_message text = {
		"a.test.", "MX", 0, { "a.test. 300 IN MX 1 a.test.", "a.test. 300 IN MX 2 x." },
		{ 0 },     { 0 }
	};
	make_message(&text, &good);
	const struct fl_cache_key key = make_key("a.test.", FL_TYPE_MX);
	size_t len = 999;
	struct fl_record_source src = source_of(&good, FL_VERDICT_INSECURE);
	cr_assert_eq(good.len, 57, "%zu", good.len);
	cr_assert_eq(fl_record_encode(&key, &src, &limits, then, out, sizeof(out), &len),
		     FL_OK);
	for (size_t i = 0; i < FL_COUNT(mangled); i++) {
		const struct mangled_case *c = &mangled[i];
		m = good;
		m.at[c->at] ^= c->xor ;
		m.len -= c->cut < m.len ? c->cut : m.len;
		src = source_of(&m, FL_VERDICT_INSECURE);
		len = 999;
		cr_expect_eq(
			fl_record_encode(&key, &src, &limits, then, out, sizeof(out), &len),
			FL_EMALFORMED, "%s", c->why);
		cr_expect_eq(len, 999, "%s: written on failure", c->why);
	}
}

Test(encode, every_capacity_below_the_need_is_refused)
{
	static struct octets m;
	static uint8_t out[FL_RECORD_MAX];
	const struct text_message text = { "a.test.", "A",  0, { "a.test. 300 IN A 192.0.2.1" },
					   { 0 },     { 0 } };
	make_message(&text, &m);
	const struct fl_cache_key key = make_key("a.test.", FL_TYPE_A);
	struct fl_record_source src = source_of(&m, FL_VERDICT_INSECURE);
	size_t need, len;
	cr_assert_eq(fl_record_encode(&key, &src, &limits, then, out, sizeof(out), &need),
		     FL_OK);
	for (size_t cap = 0; cap < need; cap++) {
		cr_expect_eq(fl_record_encode(&key, &src, &limits, then, out, cap, &len),
			     FL_ENOSPACE, "%zu octets", cap);
	}
	cr_expect_eq(fl_record_encode(&key, &src, &limits, then, out, need, &len), FL_OK);
}

Test(encode, without_room_additional_data_is_left_out)
{
	static struct octets m;
	static uint8_t whole[FL_RECORD_MAX], small[FL_RECORD_MAX];
	const struct text_message text = { "test.", "NS",
					   0,       { "test. 900 IN NS ns.test." },
					   { 0 },   { "ns.test. 900 IN A 192.0.2.1" } };
	make_message(&text, &m);
	const struct fl_cache_key key = make_key("test.", FL_TYPE_NS);
	struct fl_record_source src = source_of(&m, FL_VERDICT_INSECURE);
	size_t len;
	cr_assert_eq(fl_record_encode(&key, &src, &limits, then, whole, sizeof(whole), &len),
		     FL_OK);
	cr_assert_eq(fl_record_encode(&key, &src, &limits, then, small, len - 1, &len), FL_OK);
	struct fl_record r;
	cr_assert_eq(fl_record_view(small, len, &key, &r), FL_OK);
	cr_expect(r.h.count[0] == 1 && r.h.count[4] == 0 && r.h.n_ttls == 1);
}

/* 5,900 records of the least size, each a set of its own, cost milliseconds, not seconds. */
Test(encode, many_tiny_records)
{
	static struct octets m;
	static uint8_t out[FL_RECORD_MAX];
	const struct fl_cache_key key = make_key("a.", FL_TYPE_A);
	struct fl_writer w = fl_writer_init(m.at, sizeof(m.at));
	const unsigned n = (FL_MESSAGE_MAX - 19 - 11) / 11; /* and an OPT */
	fl_writer_octets(&w, "\0\0\x81\x80\0\1", 6);
	fl_writer_u16(&w, (uint16_t)n);
	fl_writer_u32(&w, 0);
	fl_writer_octets(&w, "\1a\0\0\1\0\1", 7);
	for (unsigned i = 0; i < n; i++) {
		fl_writer_u8(&w, 0);
		fl_writer_u16(&w, (uint16_t)(300 + i));
		fl_writer_u16(&w, 1);
		fl_writer_u32(&w, 60);
		fl_writer_u16(&w, 0);
	}
	m.len = w.len;
	cr_assert_eq(w.err, FL_OK);
	struct fl_record_source src = source_of(&m, FL_VERDICT_INSECURE);
	struct timespec a, b;
	size_t len;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	const enum fl_err err =
		fl_record_encode(&key, &src, &limits, then, out, sizeof(out), &len);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	const double ms =
		(double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6;
	cr_expect_eq(err, FL_OK, "%s", fl_err_text(err));
	cr_expect_lt(ms, 100.0, "%.1f ms", ms); /* 1 ms without sanitizers */
}
