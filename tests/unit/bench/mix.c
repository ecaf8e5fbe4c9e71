#include "load/mix.h"

#include "world.h"

#include <criterion/criterion.h>
#include <string.h>

static const struct selection everything = { .algorithm = ALGORITHM_ANY,
					     .aaaa = true,
					     .ttl_min_s = 3600 };

/* What ldns reads in the question that a pick is written as. */
static ldns_pkt *written(const struct mix *m, const struct pick *p)
{
	uint8_t out[QUERY_MAX];
	ldns_pkt *packet = NULL;
	const size_t len = mix_write(m, p, 0x1234, out);
	cr_assert_eq(ldns_wire2pkt(&packet, out, len), LDNS_STATUS_OK);
	return packet;
}

Test(mix, once_gives_each_one_time_and_then_ends)
{
	struct catalogue c;
	struct mix m;
	struct pick p;
	unsigned seen[4] = { 0 };
	world_load(&everything, &c);
	cr_assert(mix_init(&m, &c, &(struct mix_options){ .order = ORDER_ONCE }, NULL));
	while (mix_next(&m, &p)) {
		seen[p.entry]++;
	}
	for (size_t i = 0; i < c.count; i++) {
		cr_expect_eq(seen[i], 1);
	}
	mix_fini(&m);
	catalogue_free(&c);
}

Test(mix, what_is_to_be_skipped_does_not_come)
{
	struct catalogue c;
	struct mix m;
	struct pick p;
	const uint8_t skip[4] = { 1, 1, 0, 1 };
	world_load(&everything, &c);
	cr_assert(mix_init(&m, &c, &(struct mix_options){ .order = ORDER_ONCE }, skip));
	cr_expect(mix_next(&m, &p));
	cr_expect_eq(p.entry, 2);
	cr_expect_not(mix_next(&m, &p));
	mix_fini(&m);
	catalogue_free(&c);
}

Test(mix, zipf_halves_from_the_first_to_the_second)
{
	struct catalogue c;
	struct mix m;
	struct pick p;
	unsigned seen[4] = { 0 };
	world_load(&everything, &c);
	cr_assert(mix_init(&m, &c, &(struct mix_options){ .order = ORDER_ZIPF }, NULL));
	for (unsigned i = 0; i < 100000; i++) {
		cr_assert(mix_next(&m, &p));
		seen[p.entry]++;
	}
	/* 1/1, 1/2, 1/3, 1/4 of their sum, 25/12 */
	cr_expect_float_eq(seen[0] / 100000.0, 0.48, 0.01);
	cr_expect_float_eq(seen[1] / 100000.0, 0.24, 0.01);
	cr_expect_float_eq(seen[3] / 100000.0, 0.12, 0.01);
	mix_fini(&m);
	catalogue_free(&c);
}

Test(mix, a_sweep_asks_each_miss_once_in_all_its_parts)
{
	struct catalogue c;
	struct pick p;
	unsigned seen[4] = { 0 };
	world_load(&everything, &c);
	for (unsigned part = 0; part < 2; part++) {
		struct mix m;
		unsigned asked = 0;
		cr_assert(mix_init(&m, &c,
				   &(struct mix_options){ .order = ORDER_SWEEP,
							  .hot = 2,
							  .miss_share = 100,
							  .part = part,
							  .parts = 2 },
				   NULL));
		while (mix_next(&m, &p)) {
			seen[p.entry]++;
			asked++;
		}
		cr_expect(asked > 1, "hits stand between misses");
		mix_fini(&m);
	}
	cr_expect(seen[0] > 0);
	cr_expect_eq(seen[2], 1);
	cr_expect_eq(seen[3], 1);
	catalogue_free(&c);
}

Test(mix, shares_are_kept)
{
	struct catalogue c;
	struct mix m;
	struct pick p;
	unsigned dnssec = 0;
	unsigned nothing = 0;
	world_load(&everything, &c);
	cr_assert(mix_init(&m, &c,
			   &(struct mix_options){ .order = ORDER_UNIFORM,
						  .dnssec_share = 250,
						  .nothing_share = 100,
						  .flood_share = 100 },
			   NULL));
	for (unsigned i = 0; i < 100000; i++) {
		cr_assert(mix_next(&m, &p));
		dnssec += p.dnssec ? 1 : 0;
		nothing += p.unique != 0 ? 1 : 0;
	}
	cr_expect_float_eq(dnssec / 100000.0, 0.25, 0.01);
	cr_expect_float_eq(nothing / 100000.0, 0.2, 0.01);
	mix_fini(&m);
	catalogue_free(&c);
}

Test(mix, a_question_is_what_ldns_reads)
{
	struct catalogue c;
	struct mix m;
	char text[300];
	world_load(&everything, &c);
	cr_assert(mix_init(&m, &c, &(struct mix_options){ .order = ORDER_ONCE }, NULL));
	const struct pick plain = { .entry = 0 };
	const struct pick with_do = { .entry = 0, .dnssec = true, .cookie = true };
	const struct pick made_up = { .entry = 0, .unique = 7 };
	ldns_pkt *p = written(&m, &plain);
	char *name = ldns_rdf2str(ldns_rr_owner(ldns_rr_list_rr(ldns_pkt_question(p), 0)));
	catalogue_text(&c, &c.entries[0], text, sizeof(text));
	cr_expect_eq(strncmp(text, name, strlen(name)), 0);
	cr_expect_eq(ldns_pkt_id(p), 0x1234);
	cr_expect(ldns_pkt_rd(p));
	cr_expect_not(ldns_pkt_edns(p));
	free(name);
	ldns_pkt_free(p);
	p = written(&m, &with_do);
	cr_expect(ldns_pkt_edns_do(p));
	cr_expect_eq(ldns_pkt_edns_udp_size(p), 1232);
	cr_expect_eq(ldns_rdf_size(ldns_pkt_edns_data(p)), 12, "a client cookie and its head");
	ldns_pkt_free(p);
	p = written(&m, &made_up);
	const ldns_rdf *owner = ldns_rr_owner(ldns_rr_list_rr(ldns_pkt_question(p), 0));
	cr_expect_eq(ldns_dname_label_count(owner), 3, "one label below the zone");
	ldns_pkt_free(p);
	mix_fini(&m);
	catalogue_free(&c);
}
