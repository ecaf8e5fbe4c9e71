/* Ready answers: which are kept, and that they are the record's to the octet. */
#include "random_messages.h"
#include "ready_table.h"

enum { ROUNDS = 3000, EDNS_VARIANTS = 8 };

struct size_case {
	size_t bytes;
	enum fl_err want;
};

Test(ready, refuses_sizes_that_hold_nothing_useful)
{
	static const struct size_case rows[] = {
		{ 1, FL_EINVALID },    { TINY_TABLE - 1, FL_EINVALID },
		{ TINY_TABLE, FL_OK }, { TINY_TABLE + 1, FL_OK },
		{ 0, FL_OK },
	};
	for (size_t i = 0; i < FL_COUNT(rows); i++) {
		struct fl_ready *t = NULL;
		cr_expect_eq(fl_ready_new(rows[i].bytes, &t), rows[i].want, "%zu octets",
			     rows[i].bytes);
		cr_expect_eq(t != NULL, rows[i].want == FL_OK, "%zu octets", rows[i].bytes);
		fl_ready_free(t);
	}
	struct fl_ready *t = NULL;
	cr_expect_eq(fl_ready_new(SIZE_MAX / 2, &t), FL_ENOMEM, "more than there is");
}

Test(ready, a_table_of_nothing_works)
{
	struct fl_ready *t = new_table(0);
	const struct fl_cache_key key = numbered(1);
	static struct kept k;
	make_record(&k, &key, 20, 1, 300);
	put(t, &key, 0, &k.r);
	cr_expect(!holds(t, &key, 0));
	struct fl_ready_stats s = { 9, 9, 9 };
	fl_ready_stats(t, &s);
	cr_expect(s.entries == 0 && s.bytes_used == 0 && s.bytes_max == 0);
	fl_ready_free(t);
}

struct shape_case {
	const char *why;
	unsigned how, want;
};

Test(ready, shape_is_what_the_question_says)
{
	static const struct shape_case rows[] = {
		{ "plain", 0, 0 },
		{ "EDNS alone is no shape", ASK_EDNS, 0 },
		{ "DO", ASK_DO, FL_SHAPE_DNSSEC },
		{ "AD", ASK_AD, FL_SHAPE_AD },
		{ "CD", ASK_CD, FL_SHAPE_CD },
		{ "all", ASK_DO | ASK_AD | ASK_CD, ALL_SHAPES - 1 },
	};
	for (size_t i = 0; i < FL_COUNT(rows); i++) {
		struct client c;
		ask(&c, "www.test.", FL_TYPE_A, rows[i].how, 1232);
		cr_expect_eq(fl_ready_shape(&c.q), rows[i].want, "%s", rows[i].why);
	}
}

/* ------------------------------------------------------------- what is kept */

struct refused_case {
	const char *why;
	enum fl_verdict verdict;
	uint8_t rcode;
	uint16_t ede;
	uint32_t age_s;
	size_t octets;
	bool want;
};

Test(ready, takes_only_fresh_small_data_and_denials)
{
	static const struct refused_case rows[] = {
		{ "bogus", FL_VERDICT_BOGUS, 0, FL_EDE_NONE, 0, 20, false },
		{ "failed", FL_VERDICT_FAILED, 0, FL_EDE_NONE, 0, 20, false },
		{ "an RCODE that is no answer", FL_VERDICT_SECURE, FL_RCODE_REFUSED,
		  FL_EDE_NONE, 0, 20, false },
		{ "has EDE", FL_VERDICT_SECURE, 0, 1, 0, 20, false },
		{ "EDE 0 is one too", FL_VERDICT_INSECURE, 0, 0, 0, 20, false },
		{ "stale", FL_VERDICT_SECURE, 0, FL_EDE_NONE, 300, 20, false },
		{ "long stale", FL_VERDICT_SECURE, 0, FL_EDE_NONE, 100000, 20, false },
		{ "over 2 KiB", FL_VERDICT_SECURE, 0, FL_EDE_NONE, 0, 2000, false },
		{ "just under 2 KiB", FL_VERDICT_SECURE, 0, FL_EDE_NONE, 0, 1950, true },
		{ "data", FL_VERDICT_SECURE, 0, FL_EDE_NONE, 0, 20, true },
		{ "denial", FL_VERDICT_INSECURE, FL_RCODE_NXDOMAIN, FL_EDE_NONE, 0, 20, true },
		{ "its last second", FL_VERDICT_SECURE, 0, FL_EDE_NONE, 299, 20, true },
	};
	static struct kept k;
	for (size_t i = 0; i < FL_COUNT(rows); i++) {
		struct fl_ready *t = new_table(TINY_TABLE);
		const struct fl_cache_key key = numbered(1);
		make_record(&k, &key, rows[i].octets, 1, 300);
		k.r.h.verdict = (uint8_t)rows[i].verdict;
		k.r.h.rcode = rows[i].rcode;
		k.r.h.ede = rows[i].ede;
		for (unsigned shape = 0; shape < ALL_SHAPES; shape++) {
			fl_ready_put(t, &key, shape, GENERATION, EPOCH, then.boot_ns, &k.r,
				     rows[i].age_s);
			cr_expect_eq(holds(t, &key, shape), rows[i].want, "%s, shape %u",
				     rows[i].why, shape);
		}
		struct fl_ready_stats s;
		fl_ready_stats(t, &s);
		cr_expect_eq(s.entries > 0, rows[i].want, "%s: room for nothing", rows[i].why);
		fl_ready_free(t);
	}
}

Test(ready, a_record_without_a_life_is_not_kept)
{
	struct fl_ready *t = new_table(TINY_TABLE);
	const struct fl_cache_key key = numbered(1);
	static struct kept k;
	make_record(&k, &key, 20, 1, 0);
	put(t, &key, 0, &k.r);
	cr_expect(!holds(t, &key, 0));
	fl_ready_free(t);
}

struct miss_case {
	const char *why;
	uint32_t generation, epoch;
	bool want;
};

Test(ready, another_generation_or_epoch_is_a_miss)
{
	static const struct miss_case rows[] = {
		{ "the same", GENERATION, EPOCH, true },
		{ "next generation", GENERATION + 1, EPOCH, false },
		{ "generation before", GENERATION - 1, EPOCH, false },
		{ "next epoch", GENERATION, EPOCH + 1, false },
		{ "epoch before", GENERATION, EPOCH - 1, false },
		{ "swapped", EPOCH, GENERATION, false },
		{ "the same still", GENERATION, EPOCH, true },
	};
	struct fl_ready *t = new_table(TINY_TABLE);
	const struct fl_cache_key key = numbered(1);
	static struct kept k;
	static uint8_t out[FL_MESSAGE_MAX];
	make_record(&k, &key, 20, 1, 300);
	put(t, &key, 0, &k.r);
	for (size_t i = 0; i < FL_COUNT(rows); i++) {
		struct client c;
		ask_key(&c, &key, 0);
		const struct fl_reply_opts o = fl_reply_opts_init(FL_MESSAGE_MAX);
		const size_t len = fl_ready_reply(t, &key, 0, rows[i].generation, rows[i].epoch,
						  then.boot_ns, &c.q, &o, out, sizeof(out));
		cr_expect_eq(len > 0, rows[i].want, "%s", rows[i].why);
	}
	fl_ready_free(t);
}

Test(ready, a_new_answer_takes_the_place_of_the_old)
{
	struct fl_ready *t = new_table(TINY_TABLE);
	const struct fl_cache_key key = numbered(1);
	static struct kept k;
	static uint8_t out[FL_MESSAGE_MAX];
	struct fl_ready_stats s;
	for (uint8_t fill = 1; fill < 200; fill++) {
		make_record(&k, &key, 20U + fill, fill, 300);
		put(t, &key, 0, &k.r);
		const size_t len = ask_at(t, &key, 0, then.boot_ns, out);
		cr_assert(len > 0 && out[len - 1] == fill, "%u", fill);
		fl_ready_stats(t, &s);
		cr_assert_eq(s.entries, 1);
	}
	fl_ready_free(t);
}

/* --------------------------------------------------------------------- time */

struct time_case {
	const char *why;
	uint64_t boot_ns; /* of the record */
	uint32_t age_s;   /* when it is put, at 1,000 s */
	uint64_t base_ns; /* from which its age must count */
};

static uint32_t ttl_of(const uint8_t *reply, size_t len, size_t octets)
{
	return fl_load_u32(reply + len - octets - 6);
}

#define AT_PUT (1000 * FL_S_NS)

/* At each second and an instant before it: TTL, and at last the end. */
static void check_life(struct fl_ready *t, const struct fl_cache_key *key,
		       const struct time_case *c, uint32_t ttl)
{
	static uint8_t out[FL_MESSAGE_MAX];
	for (uint32_t age = c->age_s; age < ttl; age++) {
		const uint64_t end = c->base_ns + (age + 1) * FL_S_NS;
		const size_t len = ask_at(t, key, 0, end - 1, out);
		cr_assert_gt(len, 0, "%s: gone at %u s", c->why, age);
		cr_expect_eq(ttl_of(out, len, 20), ttl - age, "%s: %u at %u s", c->why,
			     ttl_of(out, len, 20), age);
		const size_t next = ask_at(t, key, 0, end, out);
		cr_expect_eq(next > 0, age + 1 < ttl, "%s: at %u s", c->why, age + 1);
	}
	cr_expect_eq(ask_at(t, key, 0, c->base_ns + 86400 * FL_S_NS, out), 0, "%s", c->why);
}

Test(ready, age_counts_from_the_records_own_instant)
{
	static const struct time_case rows[] = {
		{ "stored now", AT_PUT, 0, AT_PUT },
		{ "stored 0.3 s ago", AT_PUT - 300000000, 0, AT_PUT - 300000000 },
		{ "stored 2.999999999 s ago", AT_PUT - 2999999999, 2, AT_PUT - 2999999999 },
		{ "stored by another process after the batch's clock was read",
		  AT_PUT + 20000000, 0, AT_PUT + 20000000 },
		{ "another boot, whose clock was behind", 5 * FL_S_NS, 7,
		  AT_PUT - 7 * FL_S_NS },
		{ "another boot, whose clock was ahead", 999999 * FL_S_NS, 7,
		  AT_PUT - 7 * FL_S_NS },
		{ "another boot, clock ahead, put back since", 999999 * FL_S_NS, 0, AT_PUT },
		{ "older than this boot", 999999 * FL_S_NS, 1200, AT_PUT - 1200 * FL_S_NS },
	};
	static struct kept k;
	const struct fl_cache_key key = numbered(1);
	for (size_t i = 0; i < FL_COUNT(rows); i++) {
		struct fl_ready *t = new_table(TINY_TABLE);
		const uint32_t ttl = rows[i].age_s + 5;
		make_record(&k, &key, 20, 1, ttl);
		k.r.h.boot_ns = rows[i].boot_ns;
		fl_ready_put(t, &key, 0, GENERATION, EPOCH, AT_PUT, &k.r, rows[i].age_s);
		check_life(t, &key, &rows[i], ttl);
		fl_ready_free(t);
	}
}

Test(ready, a_clock_read_before_the_record_was_stored_is_age_0)
{
	struct fl_ready *t = new_table(TINY_TABLE);
	const struct fl_cache_key key = numbered(1);
	static struct kept k;
	static uint8_t out[FL_MESSAGE_MAX];
	make_record(&k, &key, 20, 1, 300);
	put(t, &key, 0, &k.r);
	const size_t len = ask_at(t, &key, 0, then.boot_ns - FL_S_NS, out);
	cr_assert_gt(len, 0);
	cr_expect_eq(ttl_of(out, len, 20), 300);
	fl_ready_free(t);
}

/* -------------------------------------------------- the same as the record's */

/* One of the ways a client may ask and be answered. */
static void vary(struct client *c, struct fl_reply_opts *o, size_t *cap, const char *qname,
		 uint16_t qtype, unsigned shape, unsigned variant, uint64_t *seed)
{
	static const uint8_t cookie[24] = "client..server cookie...";
	const unsigned how = (shape & FL_SHAPE_DNSSEC ? ASK_DO : 0U) |
			     (shape & FL_SHAPE_AD ? ASK_AD : 0U) |
			     (shape & FL_SHAPE_CD ? ASK_CD : 0U) | (variant ? ASK_EDNS : 0U);
	ask(c, qname, qtype, how, 1232);
	*o = fl_reply_opts_init(variant < 4 ? FL_MESSAGE_MAX : 60 + next_random(seed) % 700);
	*cap = FL_MESSAGE_MAX;
	if (variant == 2 || variant == 5) {
		o->cookie = cookie;
		o->cookie_len = sizeof(cookie);
	}
	if (variant == 3 || variant == 6) {
		c->q.wants_nsid = true;
		o->nsid = "nsid";
		o->keepalive = 300;
		o->ede[0] = (struct fl_reply_ede){ .code = 4, .text = "text", .text_len = 4 };
		o->pad_block = 468;
	}
	if (variant == 7) {
		*cap = o->max_size;
		o->max_size = FL_MESSAGE_MAX;
	}
}

struct tally {
	unsigned hits, misses, cut; /* cut: the record gave less than all */
};

/* Octets of the whole reply: what L1 must be able to give where they fit. */
static size_t whole_size(const struct fl_record *r, uint32_t age_s, const struct client *c,
			 const struct fl_reply_opts *o)
{
	static uint8_t out[FL_MESSAGE_MAX];
	struct fl_reply_opts wide = *o;
	wide.max_size = FL_MESSAGE_MAX;
	wide.pad_block = 0;
	return fl_record_reply(r, age_s, UINT32_MAX, &c->q, &wide, out, sizeof(out));
}

static void compare(struct fl_ready *t, const struct fl_cache_key *key, const char *qname,
		    const struct fl_record *r, unsigned shape, uint64_t *seed,
		    struct tally *tally)
{
	static uint8_t want[FL_MESSAGE_MAX], got[FL_MESSAGE_MAX];
	for (unsigned variant = 0; variant < EDNS_VARIANTS; variant++) {
		struct client c;
		struct fl_reply_opts o;
		size_t cap;
		vary(&c, &o, &cap, qname, key->qtype, shape, variant, seed);
		const struct fl_moment now = { .boot_id = then.boot_id,
					       .boot_ns = then.boot_ns + next_random(seed) };
		const uint32_t age_s = fl_record_age_s(r, now);
		const size_t n = fl_record_reply(r, age_s, UINT32_MAX, &c.q, &o, want, cap);
		const size_t m = fl_ready_reply(t, key, fl_ready_shape(&c.q), GENERATION, EPOCH,
						now.boot_ns, &c.q, &o, got, cap);
		const size_t limit = cap < o.max_size ? cap : o.max_size;
		const size_t whole = whole_size(r, age_s, &c, &o);
		const bool keepable =
			r->h.verdict <= FL_VERDICT_SECURE && r->h.ede == FL_EDE_NONE;
		const bool due =
			keepable && age_s < r->h.ttl_s && whole <= limit && whole < 1700;
		cr_assert(m > 0 || !due, "%s shape %u variant %u: a miss", qname, shape,
			  variant);
		cr_assert(m == 0 || (m == n && memcmp(got, want, n) == 0),
			  "%s shape %u variant %u: %zu octets, not %zu, or others", qname,
			  shape, variant, m, n);
		cr_assert(m == 0 || age_s < r->h.ttl_s, "%s: past its time", qname);
		tally->hits += m > 0;
		tally->misses += m == 0;
		tally->cut += keepable && whole > limit && m == 0;
	}
}

static void random_record(struct kept *k, struct fl_cache_key *key, const char *qname,
			  uint64_t *seed)
{
	static const uint8_t rcodes[] = { 0, 0, 0, 3, 3, 5 };
	static struct octets m;
	const uint16_t qtype = (uint16_t)ldns_get_rr_type_by_name(
		qtypes[next_random(seed) % FL_COUNT(qtypes)]);
	ldns_pkt *pkt = empty_packet(qname, qtype);
	ldns_pkt_set_rcode(pkt, rcodes[next_random(seed) % FL_COUNT(rcodes)]);
	push_random(pkt, seed);
	to_wire(pkt, &m);
	*key = make_key(qname, qtype);
	static const enum fl_verdict verdicts[] = { FL_VERDICT_SECURE, FL_VERDICT_SECURE,
						    FL_VERDICT_INSECURE, FL_VERDICT_BOGUS,
						    FL_VERDICT_FAILED };
	struct fl_record_source src =
		source_of(&m, verdicts[next_random(seed) % FL_COUNT(verdicts)]);
	if (src.verdict >= FL_VERDICT_BOGUS || next_random(seed) % 8 == 0) {
		src.reason = FL_REASON_ALGORITHM;
		src.ede = fl_reason_ede(src.reason);
	}
	size_t len;
	cr_assert_eq(
		fl_record_encode(key, &src, &limits, then, k->octets, sizeof(k->octets), &len),
		FL_OK);
	cr_assert_eq(fl_record_view(k->octets, len, key, &k->r), FL_OK);
}

Test(ready, gives_the_records_octets_or_nothing)
{
	static struct kept k;
	uint64_t seed = 20261124;
	struct tally tally = { 0, 0, 0 };
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct fl_ready *t = new_table(TINY_TABLE);
		const char *qname = owners[next_random(&seed) % FL_COUNT(owners)];
		struct fl_cache_key key;
		random_record(&k, &key, qname, &seed);
		const struct fl_record_header *h = &k.r.h;
		for (unsigned shape = 0; shape < ALL_SHAPES; shape++) {
			const struct fl_moment at = { .boot_id = then.boot_id,
						      .boot_ns = then.boot_ns +
								 next_random(&seed) };
			const uint32_t age_s = fl_record_age_s(&k.r, at);
			fl_ready_put(t, &key, shape, GENERATION, EPOCH, at.boot_ns, &k.r,
				     age_s);
			if (age_s < h->ttl_s && h->rcode != FL_RCODE_REFUSED) {
				compare(t, &key, qname, &k.r, shape, &seed, &tally);
			}
		}
		fl_ready_free(t);
	}
	cr_log_info("%u hits, %u misses, %u of them for size", tally.hits, tally.misses,
		    tally.cut);
	cr_expect(tally.hits > 10000 && tally.misses > 10000 && tally.cut > 1000);
}
