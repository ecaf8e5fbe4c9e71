/* Names below a wildcard: as many as one likes, each with an answer of its own. */
#include "check/answer.h"
#include "world.h"

#include <criterion/criterion.h>
#include <stdlib.h>

enum { NAMES = 1000 };

static const struct selection wild = { .wild = NAMES };

static enum judgement judge(const struct catalogue *c, const struct entry *e, const char *text)
{
	char why[WHY_MAX];
	char question[300];
	uint8_t *wire = NULL;
	size_t len;
	ldns_rr *rr = NULL;
	ldns_pkt *p = ldns_pkt_new();
	const struct asked asked = { .entry = e };
	catalogue_text(c, e, question, sizeof(question));
	cr_assert_eq(ldns_rr_new_question_frm_str(&rr, question, NULL, NULL), LDNS_STATUS_OK);
	ldns_pkt_push_rr(p, LDNS_SECTION_QUESTION, rr);
	cr_assert_eq(ldns_rr_new_frm_str(&rr, text, 0, NULL, NULL), LDNS_STATUS_OK);
	ldns_pkt_push_rr(p, LDNS_SECTION_ANSWER, rr);
	ldns_pkt_set_qr(p, true);
	ldns_pkt_set_ra(p, true);
	cr_assert_eq(ldns_pkt2wire(&wire, p, &len), LDNS_STATUS_OK);
	const enum judgement j = answer_judge(c, &asked, wire, len, why);
	free(wire);
	ldns_pkt_free(p);
	return j;
}

Test(wildcard, gives_as_many_names_as_wanted)
{
	struct catalogue c;
	world_load(&wild, &c);
	cr_expect_eq(c.count, NAMES);
	cr_expect_not_null(world_find(&c, "w0000000.wild.z001.beta. A"));
	cr_expect_not_null(world_find(&c, "w0000999.wild.z001.beta. A"));
	cr_expect_null(world_find(&c, "h000.z001.beta. A"), "the zone's own are left out");
	catalogue_free(&c);
}

Test(wildcard, an_answer_is_judged_by_it)
{
	struct catalogue c;
	world_load(&wild, &c);
	const struct entry *e = world_find(&c, "w0000007.wild.z001.beta. A");
	cr_assert_not_null(e);
	cr_expect_eq(judge(&c, e, "w0000007.wild.z001.beta. 9 IN A 198.19.255.1"),
		     ANSWER_RIGHT);
	cr_expect_eq(judge(&c, e, "w0000007.wild.z001.beta. 9 IN A 198.19.255.2"),
		     ANSWER_WRONG);
	cr_expect_eq(judge(&c, e, "w0000008.wild.z001.beta. 9 IN A 198.19.255.1"), ANSWER_WRONG,
		     "another name's");
	catalogue_free(&c);
}
