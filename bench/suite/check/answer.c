#include "check/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum judgement wrong(char *why, const char *what)
{
	snprintf(why, WHY_MAX, "%s", what);
	return ANSWER_WRONG;
}

static void say_record(char *why, const char *what, const ldns_rr *rr)
{
	char *text = ldns_rr2str(rr);
	snprintf(why, WHY_MAX, "%s: %.200s", what, text != NULL ? text : "(unprintable)");
	why[strcspn(why, "\n")] = '\0';
	free(text);
}

/* Is it the zone's, and not one that has been seen in this answer? */
static bool take_record(const struct catalogue *c, uint32_t first, unsigned count,
			const ldns_rr *rr, uint64_t seen[static 2])
{
	const uint64_t hash = record_hash(rr);
	for (unsigned i = 0; i < count; i++) {
		const uint64_t bit = 1ULL << (i & 63);
		if (c->records[first + i] == hash && (seen[i >> 6 & 1] & bit) == 0) {
			seen[i >> 6 & 1] |= bit;
			return true;
		}
	}
	return false;
}

static enum judgement judge_record(const struct catalogue *c, const struct asked *q,
				   const ldns_rr *rr, uint64_t set_seen[static 2],
				   uint64_t sig_seen[static 2], char *why)
{
	const struct entry *e = q->entry;
	const bool signature = ldns_rr_get_type(rr) == LDNS_RR_TYPE_RRSIG;
	if (signature && !q->dnssec) {
		return wrong(why, "a signature came that was not asked for");
	}
	const bool known = signature
				   ? take_record(c, e->records + e->sets, e->sigs, rr, sig_seen)
				   : take_record(c, e->records, e->sets, rr, set_seen);
	if (!known) {
		say_record(why, "the zone has no such record", rr);
		return ANSWER_WRONG;
	}
	if (ldns_rr_ttl(rr) > e->ttl_s) {
		say_record(why, "the TTL is above the zone's", rr);
		return ANSWER_WRONG;
	}
	return ANSWER_RIGHT;
}

static enum judgement judge_records(const struct catalogue *c, const struct asked *q,
				    const ldns_pkt *p, char *why)
{
	const ldns_rr_list *list = ldns_pkt_answer(p);
	const size_t n = ldns_rr_list_rr_count(list);
	const size_t want =
		q->made_up ? 0 : (size_t)(q->entry->sets + (q->dnssec ? q->entry->sigs : 0));
	uint64_t set_seen[2] = { 0 };
	uint64_t sig_seen[2] = { 0 };
	for (size_t i = 0; i < n && !q->made_up; i++) {
		const enum judgement j =
			judge_record(c, q, ldns_rr_list_rr(list, i), set_seen, sig_seen, why);
		if (j != ANSWER_RIGHT) {
			return j;
		}
	}
	if (n != want) {
		snprintf(why, WHY_MAX, "%zu records in the answer where the zone has %zu", n,
			 want);
		return ANSWER_WRONG;
	}
	return ANSWER_RIGHT;
}

static enum judgement judge_ad(const struct catalogue *c, const struct asked *q,
			       const ldns_pkt *p, char *why)
{
	const struct origin *o = &c->origins[q->entry->origin];
	if (ldns_pkt_ad(p) && !o->secure) {
		return wrong(why, "AD is set on data without a chain of trust");
	}
	if (q->dnssec && o->secure && !ldns_pkt_ad(p) && !(q->made_up && o->opt_out)) {
		return wrong(why, "AD is not set on secure data");
	}
	return ANSWER_RIGHT;
}

static bool same_question(const struct catalogue *c, const struct asked *q, const ldns_pkt *p)
{
	const ldns_rr *rr = ldns_rr_list_rr(ldns_pkt_question(p), 0);
	if (rr == NULL || ldns_rr_list_rr_count(ldns_pkt_question(p)) != 1 ||
	    ldns_rr_get_type(rr) != q->entry->type) {
		return false;
	}
	const ldns_rdf *name = ldns_rr_owner(rr);
	const size_t len = ldns_rdf_size(name);
	const uint8_t *data = ldns_rdf_data(name);
	if (!q->made_up) {
		return len == q->entry->name_len &&
		       memcmp(data, c->names + q->entry->name, len) == 0;
	}
	/* made up of one label and the zone */
	const struct origin *o = &c->origins[q->entry->origin];
	return len == data[0] + 1U + o->len && memcmp(data + data[0] + 1, o->name, o->len) == 0;
}

static enum judgement judge_packet(const struct catalogue *c, const struct asked *q,
				   const ldns_pkt *p, char *why)
{
	const ldns_pkt_rcode rcode = ldns_pkt_get_rcode(p);
	const ldns_pkt_rcode want = q->made_up ? LDNS_RCODE_NXDOMAIN : LDNS_RCODE_NOERROR;
	if (!ldns_pkt_qr(p) || !same_question(c, q, p)) {
		return wrong(why, "it answers another question");
	}
	if (q->entry->origin == ORIGIN_NONE) {
		/* nothing is known of it but what was asked */
		return rcode == LDNS_RCODE_SERVFAIL || rcode == LDNS_RCODE_REFUSED
			       ? ANSWER_FAILED
			       : ANSWER_RIGHT;
	}
	if (rcode != want) {
		snprintf(why, WHY_MAX, "RCODE %u where the zone says %u", (unsigned)rcode,
			 (unsigned)want);
		return rcode == LDNS_RCODE_SERVFAIL || rcode == LDNS_RCODE_REFUSED
			       ? ANSWER_FAILED
			       : ANSWER_WRONG;
	}
	if (ldns_pkt_tc(p) || !ldns_pkt_ra(p)) {
		return wrong(why, ldns_pkt_tc(p) ? "TC on an answer that fits" : "no RA");
	}
	const enum judgement j = judge_records(c, q, p, why);
	return j == ANSWER_RIGHT ? judge_ad(c, q, p, why) : j;
}

enum judgement answer_judge(const struct catalogue *c, const struct asked *q,
			    const uint8_t *message, size_t len, char why[static WHY_MAX])
{
	ldns_pkt *p = NULL;
	why[0] = '\0';
	const ldns_status status = ldns_wire2pkt(&p, message, len);
	if (status != LDNS_STATUS_OK) {
		snprintf(why, WHY_MAX, "it cannot be read: %s",
			 ldns_get_errorstr_by_id(status));
		return ANSWER_WRONG;
	}
	const enum judgement j = judge_packet(c, q, p, why);
	ldns_pkt_free(p);
	return j;
}
