/**
 * @file
 * Messages with any records anywhere, for tests of properties.
 */
#ifndef FAIRLEAD_TESTS_UNIT_CACHE_RANDOM_MESSAGES_H
#define FAIRLEAD_TESTS_UNIT_CACHE_RANDOM_MESSAGES_H

#include "messages.h"

enum { RECORDS_MAX = 14 };

/* The last two: inside the first one's label lies what looks like the second. */
static const char *const owners[] = {
	"www.example.test.",
	"WWW.Example.TEST.",
	"example.test.",
	"test.",
	".",
	"ns1.example.test.",
	"a.b.www.example.test.",
	"other.",
	"ww.example.test.",
	"xample.test.",
	"xwww.example.test.",
	"a.www.example.tesu.",
	"a\\001b.test.",
	"b.test.",
};

static const char *const data[] = {
	"A 192.0.2.1",
	"A 192.0.2.2",
	"AAAA 2001:db8::1",
	"NS ns1.example.test.",
	"NS .",
	"NS a.very.other.name.",
	"CNAME www.eXample.test.",
	"SOA ns.example.test. host.test. 1 2 3 4 300",
	"MX 10 mx.www.example.test.",
	"TXT \"one\" \"two\"",
	"SRV 1 2 3 www.example.test.",
	"NAPTR 1 2 \"s\" \"x\" \"\" www.example.test.",
	"PTR test.",
	"DNAME example.test.",
	"RRSIG A 13 3 300 20260701000000 20260501000000 1 example.test. AAAA",
	"RRSIG NS 8 3 300 20260701000000 20260501000000 1 example.test. AAAA",
	"RRSIG NSEC 8 3 300 20260701000000 20260501000000 1 . AAAA",
	"NSEC www.example.test. A NS RRSIG",
	"NSEC3 1 0 0 - 2t7b4g4vsa5smi47k61mv5bv1a22bojr A RRSIG",
	"DS 1 13 2 aabbccdd",
	"TYPE65280 \\# 4 01020304",
	"TYPE65281 \\# 0",
};

static const char *const qtypes[] = { "A", "NS", "NSEC", "RRSIG", "MX", "TYPE65280" };

static inline void push_random(ldns_pkt *pkt, uint64_t *seed)
{
	const unsigned n = next_random(seed) % RECORDS_MAX;
	for (unsigned i = 0; i < n; i++) {
		char line[300];
		ldns_rr *rr;
		snprintf(line, sizeof(line), "%s %u IN %s",
			 owners[next_random(seed) % FL_COUNT(owners)],
			 1 + next_random(seed) % 5000,
			 data[next_random(seed) % FL_COUNT(data)]);
		const ldns_status s = ldns_rr_new_frm_str(&rr, line, 0, NULL, NULL);
		cr_assert_eq(s, LDNS_STATUS_OK, "%s: %s", line, ldns_get_errorstr_by_id(s));
		const ldns_pkt_section section =
			(ldns_pkt_section)(LDNS_SECTION_ANSWER + next_random(seed) % 3);
		ldns_pkt_push_rr(pkt, section, rr);
	}
}

#endif
