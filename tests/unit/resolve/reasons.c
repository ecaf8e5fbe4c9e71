#include "reasons.h"

#include "fairlead/base/err.h"
#include "recall.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

struct reason_case {
	char text[220];
	enum fl_reason want;
};

/* Texts as 1.17.1 and 1.26.2 say them. */
ParameterizedTestParameters(reasons, bogus)
{
	static struct reason_case cases[] = {
		{ "", FL_REASON_BOGUS },
		{ "a text of a version that is not written yet", FL_REASON_BOGUS },
		{ "validation failure <www.exp. A IN>: signature expired from 127.0.0.11",
		  FL_REASON_SIGNATURE_EXPIRED },
		{ "validation failure <www.exp. A IN>: key for validation exp. is marked as "
		  "invalid "
		  "because of a previous validation failure <a.exp. A IN>: signature expired",
		  FL_REASON_SIGNATURE_EXPIRED },
		{ "validation failure <b.exp. A IN>: key for validation exp. is marked as "
		  "invalid "
		  "because of a previous signature expired",
		  FL_REASON_SIGNATURE_EXPIRED },
		{ "validation failure <www.early. A IN>: signature before inception date from "
		  "192.0.2.1",
		  FL_REASON_SIGNATURE_EARLY },
		{ "validation failure <www.bad. A IN>: ECDSA signature verification failed",
		  FL_REASON_BOGUS },
		{ "validation failure <www.bad. A IN>: signature crypto failed from 192.0.2.1",
		  FL_REASON_BOGUS },
		{ "validation failure <www.nosig. A IN>: no signatures from 192.0.2.1",
		  FL_REASON_RRSIGS_MISSING },
		{ "validation failure <x. A IN>: no signatures over NSEC3s",
		  FL_REASON_RRSIGS_MISSING },
		{ "validation failure <x. A IN>: signature missing from 192.0.2.1",
		  FL_REASON_RRSIGS_MISSING },
		{ "validation failure <www.otherds. A IN>: no keys have a DS with algorithm "
		  "ECDSAP256SHA256 from 192.0.2.1 for key otherds. while building chain of "
		  "trust",
		  FL_REASON_DNSKEY_MISSING },
		{ "validation failure <www.nokey. A IN>: No DNSKEY record from 192.0.2.1 for "
		  "key nokey. "
		  "while building chain of trust",
		  FL_REASON_DNSKEY_MISSING },
		{ "validation failure <www.nokey. A IN>: No DNSKEY record [misc failure] from "
		  "192.0.2.1",
		  FL_REASON_DNSKEY_MISSING },
		{ "validation failure <x. A IN>: signatures from unknown keys",
		  FL_REASON_DNSKEY_MISSING },
		{ "validation failure <www.nods. A IN>: no NSEC3 records from 192.0.2.1 for DS "
		  "nods. "
		  "while building chain of trust",
		  FL_REASON_NSEC_MISSING },
		{ "validation failure <x. A IN>: no DNSSEC records from 192.0.2.1 for DS x.",
		  FL_REASON_NSEC_MISSING },
		{ "validation failure <x. A IN>: nameerror proof failed from 192.0.2.1",
		  FL_REASON_NSEC_MISSING },
		{ "validation failure <x. A IN>: DNSKEY without ZSK flag",
		  FL_REASON_NO_ZONE_KEY },
		{ "validation failure <x. A IN>: unsupported algorithm", FL_REASON_ALGORITHM },
		{ "validation failure <signature.expired. A IN>: no signatures",
		  FL_REASON_RRSIGS_MISSING },
	};
	return cr_make_param_array(struct reason_case, cases, FL_COUNT(cases));
}

ParameterizedTest(struct reason_case *c, reasons, bogus)
{
	cr_expect_eq(fl__reason_of_bogus(c->text), c->want, "%s", c->text);
}

Test(reasons, bogus_without_a_text_is_bogus)
{
	cr_expect_eq(fl__reason_of_bogus(NULL), FL_REASON_BOGUS);
}

ParameterizedTestParameters(reasons, failures)
{
	static struct reason_case cases[] = {
		{ "", FL_REASON_FAILED },
		{ "SERVFAIL <a. A IN>: something new", FL_REASON_FAILED },
		{ "SERVFAIL <a.dead. A IN>: all servers for this domain failed, at zone dead. "
		  "upstream "
		  "server timeout",
		  FL_REASON_NO_REACHABLE },
		{ "SERVFAIL <a.dead. A IN>: all servers for this domain failed, at zone dead. "
		  "no server "
		  "to query nameserver addresses not usable",
		  FL_REASON_NO_REACHABLE },
		{ "SERVFAIL <a.f. A IN>: all the configured stub or forward servers failed, at "
		  "zone f. "
		  "from 192.0.2.1 got SERVFAIL",
		  FL_REASON_NO_REACHABLE },
		{ "SERVFAIL <a.f. A IN>: all the configured stub or forward servers failed, at "
		  "zone f. "
		  "from 192.0.2.1 could not parse upstream response",
		  FL_REASON_INVALID_DATA },
		{ "SERVFAIL <a.loop. A IN>: request has exceeded the maximum dependency depth",
		  FL_REASON_WORK_LIMIT },
		{ "SERVFAIL <a. A IN>: exceeded the maximum of referrals",
		  FL_REASON_WORK_LIMIT },
		{ "SERVFAIL <a. A IN>: exceeded the maximum nameserver nxdomains",
		  FL_REASON_WORK_LIMIT },
		{ "SERVFAIL <a. A IN>: SERVFAIL in cache", FL_REASON_CACHED_ERROR },
		{ "SERVFAIL <a. A IN>: exceeded ratelimit for zone a.",
		  FL_REASON_RATE_UPSTREAM },
		{ "SERVFAIL <a. A IN>: failed to get a delegation (eg. prime failure)",
		  FL_REASON_NO_REACHABLE },
	};
	return cr_make_param_array(struct reason_case, cases, FL_COUNT(cases));
}

ParameterizedTest(struct reason_case *c, reasons, failures)
{
	cr_expect_eq(fl__reason_of_failure(c->text), c->want, "%s", c->text);
}

struct clean_case {
	char raw[220], want[160];
};

ParameterizedTestParameters(reasons, clean)
{
	static struct clean_case cases[] = {
		{ "", "" },
		{ "\n", "" },
		{ "plain", "plain" },
		{ "[1732465920] libunbound[4711:0] error: SERVFAIL <a.dead. A IN>: upstream "
		  "server "
		  "timeout\n",
		  "upstream server timeout" },
		{ "[1732465920] libunbound[4711:1f] info: validation failure <a. A IN>: no "
		  "signatures",
		  "no signatures" },
		{ "validation failure <a. A IN>: key x. because of a previous validation "
		  "failure <b. A "
		  "IN>: expired",
		  "key x. because of a previous validation failure <b. A IN>: expired" },
		{ "two\nlines\x01\xff\n\n", "two?lines??" },
		{ "[not a prefix", "[not a prefix" },
		{ "[1] x[1:1] strange: level", "[1] x[1:1] strange: level" },
	};
	return cr_make_param_array(struct clean_case, cases, FL_COUNT(cases));
}

ParameterizedTest(struct clean_case *c, reasons, clean)
{
	struct fl__reason_text text;
	fl__reason_clean(c->raw, &text);
	cr_expect_eq(text.len, strlen(c->want), "\"%s\" gave \"%.*s\"", c->raw, text.len,
		     text.text);
	cr_expect_eq(memcmp(text.text, c->want, text.len), 0, "\"%.*s\"", text.len, text.text);
}

Test(reasons, a_text_has_at_most_255_octets)
{
	char raw[600];
	struct fl__reason_text text;
	memset(raw, 'x', sizeof(raw));
	raw[sizeof(raw) - 1] = '\0';
	fl__reason_clean(raw, &text);
	cr_expect_eq(text.len, FL_REASON_TEXT_MAX);
}

/* ---- the memory of failures ---- */

static struct fl__recall memory;

Test(reasons, a_failure_is_remembered_for_a_minute_and_no_longer)
{
	const struct fl__reason_text text = { .text = "why", .len = 3 };
	cr_expect_null(fl__recall_peek(&memory, 42, 1));
	fl__recall_put(&memory, 42, 1, FL_REASON_NO_REACHABLE, &text);
	cr_assert_not_null(fl__recall_peek(&memory, 42, 60000000000));
	cr_expect_eq(fl__recall_peek(&memory, 42, 60000000000)->reason, FL_REASON_NO_REACHABLE);
	cr_expect_null(fl__recall_peek(&memory, 42, 60000000001));
	cr_expect_null(fl__recall_peek(&memory, 42 + FL__RECALL_SLOTS, 2),
		       "another of its slot");
	fl__recall_drop(&memory, 42 + FL__RECALL_SLOTS);
	cr_expect_not_null(fl__recall_peek(&memory, 42, 2), "another was answered");
	fl__recall_drop(&memory, 42);
	cr_expect_null(fl__recall_peek(&memory, 42, 2));
}
