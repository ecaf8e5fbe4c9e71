/* A message is made as a resolver would, then spoilt in one way. */
#include "check/answer.h"

#include "world.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>

static const struct selection everything = { .algorithm = ALGORITHM_ANY,
					     .aaaa = true,
					     .ttl_min_s = 3600 };

#define SIG       "RRSIG A 13 3 3600 20311123164325 20261025164325 42890 z000.alpha. "
#define GOOD_SIG  "h000.z000.alpha. 3600 IN " SIG "aGVsbG8gd29ybGQ="
#define OTHER_SIG "h000.z000.alpha. 3600 IN " SIG "aGVsbG8gd29ybGU="

struct answer_case {
	char why[64];
	char question[32];
	bool dnssec;
	bool made_up;
	unsigned rcode;
	bool ad;
	bool tc;
	char records[3][200];
	enum judgement want;
};

static ldns_pkt *make_packet(const struct answer_case *c)
{
	ldns_pkt *p = ldns_pkt_new();
	ldns_rr *question = NULL;
	cr_assert_eq(ldns_rr_new_question_frm_str(&question, c->question, NULL, NULL),
		     LDNS_STATUS_OK);
	ldns_pkt_push_rr(p, LDNS_SECTION_QUESTION, question);
	ldns_pkt_set_qr(p, true);
	ldns_pkt_set_rd(p, true);
	ldns_pkt_set_ra(p, true);
	ldns_pkt_set_ad(p, c->ad);
	ldns_pkt_set_tc(p, c->tc);
	ldns_pkt_set_rcode(p, (uint8_t)c->rcode);
	for (size_t i = 0; i < 3 && c->records[i][0] != '\0'; i++) {
		ldns_rr *rr = NULL;
		cr_assert_eq(ldns_rr_new_frm_str(&rr, c->records[i], 0, NULL, NULL),
			     LDNS_STATUS_OK, "%s", c->records[i]);
		ldns_pkt_push_rr(p, LDNS_SECTION_ANSWER, rr);
	}
	return p;
}

static enum judgement judge(const struct answer_case *c, char why[static WHY_MAX])
{
	struct catalogue catalogue;
	uint8_t *wire = NULL;
	size_t len = 0;
	world_load(&everything, &catalogue);
	const char *entry = c->made_up ? "h000.z000.alpha. A" : c->question;
	const struct asked asked = { .entry = world_find(&catalogue, entry),
				     .made_up = c->made_up,
				     .dnssec = c->dnssec };
	cr_assert_not_null(asked.entry, "%s", entry);
	ldns_pkt *p = make_packet(c);
	cr_assert_eq(ldns_pkt2wire(&wire, p, &len), LDNS_STATUS_OK);
	const enum judgement j = answer_judge(&catalogue, &asked, wire, len, why);
	free(wire);
	ldns_pkt_free(p);
	catalogue_free(&catalogue);
	return j;
}

#define SECURE  "h000.z000.alpha. A"
#define RIGHT_A "h000.z000.alpha. 3600 IN A 198.19.0.1"

ParameterizedTestParameters(answer, judged)
{
	static struct answer_case cases[] = {
		{ "another address is a lie",
		  SECURE,
		  false,
		  false,
		  0,
		  false,
		  false,
		  { "h000.z000.alpha. 3600 IN A 198.19.0.2" },
		  ANSWER_WRONG },
		{ "another owner is a lie",
		  SECURE,
		  false,
		  false,
		  0,
		  false,
		  false,
		  { "h001.z000.alpha. 3600 IN A 198.19.0.1" },
		  ANSWER_WRONG },
		{ "a record more is a lie",
		  SECURE,
		  false,
		  false,
		  0,
		  false,
		  false,
		  { RIGHT_A, "h000.z000.alpha. 3600 IN A 198.19.0.9" },
		  ANSWER_WRONG },
		{ "the same record twice is a lie",
		  SECURE,
		  false,
		  false,
		  0,
		  false,
		  false,
		  { RIGHT_A, RIGHT_A },
		  ANSWER_WRONG },
		{ "half a set is a lie",
		  "h002.z000.alpha. A",
		  false,
		  false,
		  0,
		  false,
		  false,
		  { "h002.z000.alpha. 86400 IN A 198.19.0.3" },
		  ANSWER_WRONG },
		{ "an empty answer is a lie",
		  SECURE,
		  false,
		  false,
		  0,
		  false,
		  false,
		  { "" },
		  ANSWER_WRONG },
		{ "a TTL above the zone's is a lie",
		  SECURE,
		  false,
		  false,
		  0,
		  false,
		  false,
		  { "h000.z000.alpha. 3601 IN A 198.19.0.1" },
		  ANSWER_WRONG },
		{ "NXDOMAIN for a name that exists is a lie",
		  SECURE,
		  false,
		  false,
		  3,
		  false,
		  false,
		  { "" },
		  ANSWER_WRONG },
		{ "TC on what fits is a lie",
		  SECURE,
		  false,
		  false,
		  0,
		  false,
		  true,
		  { RIGHT_A },
		  ANSWER_WRONG },
		{ "DO without the signature is a lie",
		  SECURE,
		  true,
		  false,
		  0,
		  true,
		  false,
		  { RIGHT_A },
		  ANSWER_WRONG },
		{ "a signature one bit off is a lie",
		  SECURE,
		  true,
		  false,
		  0,
		  true,
		  false,
		  { RIGHT_A, OTHER_SIG },
		  ANSWER_WRONG },
		{ "a signature without DO is a lie",
		  SECURE,
		  false,
		  false,
		  0,
		  false,
		  false,
		  { RIGHT_A, GOOD_SIG },
		  ANSWER_WRONG },
		{ "DO without AD on secure data is a lie",
		  SECURE,
		  true,
		  false,
		  0,
		  false,
		  false,
		  { RIGHT_A, GOOD_SIG },
		  ANSWER_WRONG },
		{ "AD on insecure data is a lie",
		  "h000.z001.beta. A",
		  true,
		  false,
		  0,
		  true,
		  false,
		  { "h000.z001.beta. 3600 IN A 198.19.1.1" },
		  ANSWER_WRONG },
		{ "a name made up that exists is a lie",
		  "xabc.z000.alpha. A",
		  false,
		  true,
		  0,
		  false,
		  false,
		  { "xabc.z000.alpha. 60 IN A 198.19.0.1" },
		  ANSWER_WRONG },
		{ "a question of another zone is a lie",
		  "xabc.z001.beta. A",
		  false,
		  true,
		  3,
		  false,
		  false,
		  { "" },
		  ANSWER_WRONG },
		{ "SERVFAIL is honest and of no use",
		  SECURE,
		  false,
		  false,
		  2,
		  false,
		  false,
		  { "" },
		  ANSWER_FAILED },
		{ "REFUSED too", SECURE, false, false, 5, false, false, { "" }, ANSWER_FAILED },
		{ "the zone's record is right",
		  SECURE,
		  false,
		  false,
		  0,
		  false,
		  false,
		  { RIGHT_A },
		  ANSWER_RIGHT },
		{ "a lower TTL is right",
		  SECURE,
		  false,
		  false,
		  0,
		  false,
		  false,
		  { "h000.z000.alpha. 1 IN A 198.19.0.1" },
		  ANSWER_RIGHT },
		{ "DO with signature and AD is right",
		  SECURE,
		  true,
		  false,
		  0,
		  true,
		  false,
		  { RIGHT_A, GOOD_SIG },
		  ANSWER_RIGHT },
		{ "a set in another order is right",
		  "h002.z000.alpha. A",
		  false,
		  false,
		  0,
		  false,
		  false,
		  { "h002.z000.alpha. 86400 IN A 198.19.0.4",
		    "h002.z000.alpha. 86400 IN A 198.19.0.3" },
		  ANSWER_RIGHT },
		{ "insecure data without AD is right",
		  "h000.z001.beta. A",
		  true,
		  false,
		  0,
		  false,
		  false,
		  { "h000.z001.beta. 3600 IN A 198.19.1.1" },
		  ANSWER_RIGHT },
		{ "NXDOMAIN for a name made up is right",
		  "xabc.z000.alpha. A",
		  false,
		  true,
		  3,
		  false,
		  false,
		  { "" },
		  ANSWER_RIGHT },
	};
	return cr_make_param_array(struct answer_case, cases, sizeof(cases) / sizeof(cases[0]));
}

ParameterizedTest(struct answer_case *c, answer, judged)
{
	char why[WHY_MAX];
	cr_expect_eq(judge(c, why), c->want, "%s (%s)", c->why, why);
}

Test(answer, octets_that_are_no_message_are_wrong)
{
	static const uint8_t octets[] = { 0, 1, 0x80, 0x80, 0, 1, 0, 1, 0, 0, 0, 0, 63, 'a' };
	struct catalogue c;
	char why[WHY_MAX];
	world_load(&everything, &c);
	const struct asked asked = { .entry = &c.entries[0] };
	for (size_t len = 0; len <= sizeof(octets); len++) {
		cr_expect_eq(answer_judge(&c, &asked, octets, len, why), ANSWER_WRONG);
		cr_expect_neq(why[0], '\0', "and it says why");
	}
	catalogue_free(&c);
}

Test(catalogue, broken_zones_and_short_lives_are_left_out)
{
	struct catalogue c;
	world_load(&everything, &c);
	cr_expect_eq(c.count, 4);
	cr_expect_null(world_find(&c, "h001.z000.alpha. A"), "it lives for a minute");
	cr_expect_not_null(world_find(&c, "h000.z000.alpha. AAAA"));
	const struct entry *e = world_find(&c, "h002.z000.alpha. A");
	cr_expect_eq(e->sets, 2);
	cr_expect_eq(e->sigs, 1);
	cr_expect_eq(e->plain_octets, 12 + 17 + 4 + 2 * 16, "header, question, two records");
	catalogue_free(&c);
}

Test(catalogue, an_algorithm_is_chosen)
{
	struct catalogue c;
	const struct selection unsigned_only = { .algorithm = 0, .aaaa = true };
	world_load(&unsigned_only, &c);
	cr_expect_eq(c.count, 1);
	cr_expect_not(c.origins[0].secure);
	catalogue_free(&c);
}
