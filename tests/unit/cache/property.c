/* For any message: what goes into a record comes out of it. ldns is the judge. */
#include "random_messages.h"

enum { ROUNDS = 3000 };

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* One section as sorted lines in canonical form without TTLs. */
static size_t lines_of(const ldns_rr_list *list, bool dnssec, uint16_t asked, char **out)
{
	size_t n = 0;
	for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
		ldns_rr *rr = ldns_rr_clone(ldns_rr_list_rr(list, i));
		const uint16_t type = (uint16_t)ldns_rr_get_type(rr);
		ldns_rr_set_ttl(rr, 0);
		ldns_rr2canonical(rr);
		if (dnssec || !fl_rrtype_is_dnssec(type) || type == asked) {
			out[n++] = ldns_rr2str(rr);
		}
		ldns_rr_free(rr);
	}
	qsort(out, n, sizeof(*out), by_text);
	return n;
}

static void compare(const ldns_rr_list *sent, const ldns_rr_list *got, bool dnssec,
		    uint16_t asked, unsigned round)
{
	char *a[RECORDS_MAX], *b[RECORDS_MAX];
	cr_assert_leq(ldns_rr_list_rr_count(got), RECORDS_MAX);
	const size_t n = lines_of(sent, dnssec, asked, a);
	const size_t m = lines_of(got, true, asked, b);
	cr_assert_eq(n, m, "round %u: %zu records, not %zu", round, m, n);
	for (size_t i = 0; i < n; i++) {
		cr_assert_str_eq(a[i], b[i], "round %u", round);
		free(a[i]);
		free(b[i]);
	}
}

/* Records of one set lie together and have one TTL, at most each that was sent. */
static void check_sets(const ldns_rr_list *list, unsigned round)
{
	for (size_t i = 1; i < ldns_rr_list_rr_count(list); i++) {
		const ldns_rr *a = ldns_rr_list_rr(list, i - 1), *b = ldns_rr_list_rr(list, i);
		for (size_t k = 0; k + 1 < i; k++) {
			const ldns_rr *c = ldns_rr_list_rr(list, k);
			const bool same =
				ldns_rr_get_type(c) == ldns_rr_get_type(b) &&
				ldns_rr_get_type(b) != LDNS_RR_TYPE_RRSIG &&
				ldns_dname_compare(ldns_rr_owner(c), ldns_rr_owner(b)) == 0;
			const bool neighbour =
				ldns_rr_get_type(a) == ldns_rr_get_type(b) &&
				ldns_dname_compare(ldns_rr_owner(a), ldns_rr_owner(b)) == 0;
			cr_assert(!same || neighbour, "round %u: a set is torn", round);
			cr_assert(!same || ldns_rr_ttl(c) == ldns_rr_ttl(b), "round %u", round);
		}
	}
}

static void check_reply(const struct fl_record *r, const ldns_pkt *sent, bool dnssec,
			const char *qname, unsigned round)
{
	struct client c;
	static uint8_t out[FL_MESSAGE_MAX];
	ask(&c, qname, r->h.qtype, dnssec ? ASK_DO : 0, 1232);
	const struct fl_reply_opts o = fl_reply_opts_init(FL_MESSAGE_MAX);
	const size_t len = fl_record_reply(r, 0, UINT32_MAX, &c.q, &o, out, sizeof(out));
	ldns_pkt *got = parse(out, len);
	cr_assert(!ldns_pkt_tc(got));
	compare(ldns_pkt_answer(sent), ldns_pkt_answer(got), dnssec, r->h.qtype, round);
	compare(ldns_pkt_authority(sent), ldns_pkt_authority(got), dnssec, 0, round);
	compare(ldns_pkt_additional(sent), ldns_pkt_additional(got), dnssec, 0, round);
	check_sets(ldns_pkt_answer(got), round);
	check_sets(ldns_pkt_authority(got), round);
	ldns_pkt_free(got);
}

Test(property, what_goes_in_comes_out)
{
	static struct octets m;
	static uint8_t out[FL_RECORD_MAX];
	uint64_t seed = 20261101;
	for (unsigned round = 0; round < ROUNDS; round++) {
		const char *qname = owners[next_random(&seed) % FL_COUNT(owners)];
		const uint16_t qtype = (uint16_t)ldns_get_rr_type_by_name(
			qtypes[next_random(&seed) % FL_COUNT(qtypes)]);
		ldns_pkt *pkt = empty_packet(qname, qtype);
		push_random(pkt, &seed);
		ldns_pkt *copy = ldns_pkt_clone(pkt);
		to_wire(pkt, &m);
		const struct fl_cache_key key = make_key(qname, qtype);
		const struct fl_record_source src = source_of(&m, FL_VERDICT_INSECURE);
		size_t len;
		const enum fl_err err =
			fl_record_encode(&key, &src, &limits, then, out, sizeof(out), &len);
		cr_assert_eq(err, FL_OK, "round %u: %s", round, fl_err_text(err));
		struct fl_record r;
		cr_assert_eq(fl_record_view(out, len, &key, &r), FL_OK, "round %u", round);
		check_reply(&r, copy, true, qname, round);
		check_reply(&r, copy, false, qname, round);
		ldns_pkt_free(copy);
	}
}
