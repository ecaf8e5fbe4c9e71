/* The table of ready answers when it is full: who stays, who goes, and nothing mixed up. */
#include "ready_table.h"

#include <unistd.h>

/* ---------------------------------------------------------------- collisions */

/* Keys that differ in one thing and have one hash. */
Test(ready_ring, keys_with_one_hash_never_mix)
{
	struct fl_cache_key keys[8];
	for (unsigned i = 0; i < FL_COUNT(keys); i++) {
		keys[i] = numbered(100 + i / 2);
		keys[i].qtype = i % 2 == 0 ? FL_TYPE_TXT : FL_TYPE_A;
		keys[i].hash = UINT64_C(0x1234567812345678);
	}
	keys[6] = keys[0];
	keys[6].qclass = FL_CLASS_CH;
	keys[7] = make_key("n1000.test.", FL_TYPE_TXT); /* longer, and begins the same */
	keys[7].hash = keys[0].hash;
	struct fl_ready *t = new_table(TINY_TABLE);
	static struct kept k;
	static uint8_t out[FL_MESSAGE_MAX];
	for (unsigned i = 0; i < FL_COUNT(keys); i++) {
		struct fl_cache_key plain = keys[i];
		plain.qtype = FL_TYPE_TXT;
		plain.qclass = FL_CLASS_IN;
		make_record(&k, &plain, 30, (uint8_t)(i + 1), 300);
		cr_expect(!holds(t, &keys[i], 0), "key %u before it was put", i);
		put(t, &keys[i], 0, &k.r);
		for (unsigned n = 0; n <= i; n++) {
			const size_t len = ask_at(t, &keys[n], 0, then.boot_ns, out);
			cr_expect(len > 0 && out[len - 1] == n + 1, "key %u after %u", n, i);
		}
	}
	fl_ready_free(t);
}

Test(ready_ring, shapes_never_mix)
{
	struct fl_ready *t = new_table(TINY_TABLE);
	const struct fl_cache_key key = numbered(1);
	static struct kept k;
	static uint8_t out[FL_MESSAGE_MAX];
	for (unsigned shape = 0; shape < ALL_SHAPES; shape++) {
		make_record(&k, &key, 30, (uint8_t)(shape + 1), 300);
		cr_expect(!holds(t, &key, shape), "shape %u", shape);
		put(t, &key, shape, &k.r);
	}
	for (unsigned shape = 0; shape < ALL_SHAPES; shape++) {
		const size_t opt = shape & FL_SHAPE_DNSSEC ? 11 : 0;
		const size_t len = ask_at(t, &key, shape, then.boot_ns, out);
		cr_expect(len > 0 && out[len - 1 - opt] == shape + 1, "shape %u", shape);
	}
	fl_ready_free(t);
}

/* More keys of one bucket than it has slots. */
Test(ready_ring, a_full_bucket_forgets_the_oldest_that_was_not_used)
{
	struct fl_ready *t = new_table(TINY_TABLE);
	static struct kept k;
	struct fl_cache_key keys[12];
	struct fl_ready_stats s;
	for (unsigned i = 0; i < FL_COUNT(keys); i++) {
		keys[i] = numbered(i);
		keys[i].hash = UINT64_C(0xABCDEF0000000000) + i;
		make_record(&k, &keys[i], 30, 1, 300);
		put(t, &keys[i], 0, &k.r);
		cr_assert(i > 2 || holds(t, &keys[i], 0)); /* the first three are used */
	}
	fl_ready_stats(t, &s);
	cr_expect_eq(s.entries, 8);
	for (unsigned i = 0; i < FL_COUNT(keys); i++) {
		cr_expect_eq(holds(t, &keys[i], 0), i < 3 || i > 6, "key %u", i);
	}
	fl_ready_free(t);
}

/* ----------------------------------------------------------- who stays, who goes */

Test(ready_ring, the_oldest_are_forgotten_first)
{
	enum { PUT = 5000 };
	struct fl_ready *t = new_table(TINY_TABLE);
	static struct kept k;
	for (unsigned n = 0; n < PUT; n++) {
		const struct fl_cache_key key = numbered(n);
		make_record(&k, &key, 30, 1, 300);
		put(t, &key, 0, &k.r);
	}
	struct fl_ready_stats s;
	fl_ready_stats(t, &s);
	cr_expect_gt(s.entries, 350, "%lu only", (unsigned long)s.entries);
	unsigned young = 0, old = 0;
	for (unsigned n = 0; n < PUT; n++) {
		const struct fl_cache_key key = numbered(n);
		*(n >= PUT - 300 ? &young : &old) += holds(t, &key, 0);
	}
	cr_expect_geq(young, 290, "%u of the last 300", young); /* a bucket may be full */
	cr_expect_eq(young + old, s.entries);
	fl_ready_free(t);
}

Test(ready_ring, who_is_used_outlives_a_scan)
{
	enum { HOT = 60, SCAN = 20000, BETWEEN = 20 };
	struct fl_ready *t = new_table(TINY_TABLE);
	static struct kept k;
	for (unsigned n = 0; n < HOT + SCAN; n++) {
		const struct fl_cache_key key = numbered(n);
		make_record(&k, &key, 30 + n % 50, (uint8_t)n, 300);
		put(t, &key, 0, &k.r);
		for (unsigned hot = 0; n >= HOT && n % BETWEEN == 0 && hot < HOT; hot++) {
			const struct fl_cache_key used = numbered(hot);
			cr_assert(holds(t, &used, 0), "%u is gone after %u", hot, n);
		}
	}
	fl_ready_free(t);
}

Test(ready_ring, who_was_used_once_goes_in_the_end)
{
	struct fl_ready *t = new_table(TINY_TABLE);
	static struct kept k;
	const struct fl_cache_key once = numbered(0);
	make_record(&k, &once, 30, 1, 300);
	put(t, &once, 0, &k.r);
	cr_expect(holds(t, &once, 0));
	for (unsigned n = 1; n < 3000; n++) {
		const struct fl_cache_key key = numbered(n);
		make_record(&k, &key, 30, 1, 300);
		put(t, &key, 0, &k.r);
	}
	cr_expect(!holds(t, &once, 0));
	fl_ready_free(t);
}

/* All were used: none makes way for who comes once, and who keeps coming gets in. */
Test(ready_ring, a_table_of_used_answers_lets_the_patient_in)
{
	enum { PATIENCE = 400 };
	struct fl_ready *t = new_table(TINY_TABLE);
	static struct kept k;
	for (unsigned n = 0; n < 1000; n++) {
		const struct fl_cache_key key = numbered(n);
		make_record(&k, &key, 30, 1, 300);
		put(t, &key, 0, &k.r);
	}
	for (unsigned n = 0; n < 1000; n++) {
		const struct fl_cache_key key = numbered(n);
		(void)holds(t, &key, 0);
	}
	struct fl_ready_stats before, after;
	fl_ready_stats(t, &before);
	for (unsigned n = 0; n < 30; n++) {
		const struct fl_cache_key stranger = numbered(6000 + n);
		make_record(&k, &stranger, 900, 1, 300);
		put(t, &stranger, 0, &k.r);
	}
	fl_ready_stats(t, &after);
	cr_expect_geq(after.entries, before.entries, "strangers drove others out");
	const struct fl_cache_key key = numbered(5000);
	make_record(&k, &key, 30, 1, 300);
	unsigned tries = 0;
	while (!holds(t, &key, 0) && tries < PATIENCE) {
		put(t, &key, 0, &k.r);
		tries++;
	}
	cr_expect_lt(tries, PATIENCE);
	fl_ready_free(t);
}

/* Expired answers hold no room, however often they were used. */
Test(ready_ring, expired_answers_get_no_second_chance)
{
	struct fl_ready *t = new_table(TINY_TABLE);
	static struct kept k;
	for (unsigned n = 0; n < 1000; n++) {
		const struct fl_cache_key key = numbered(n);
		make_record(&k, &key, 30, 1, 10);
		put(t, &key, 0, &k.r);
		(void)holds(t, &key, 0);
	}
	const uint64_t later = then.boot_ns + 10 * FL_S_NS;
	static uint8_t out[FL_MESSAGE_MAX];
	for (unsigned n = 2000; n < 2300; n++) {
		const struct fl_cache_key key = numbered(n);
		make_record(&k, &key, 30, 1, 300);
		fl_ready_put(t, &key, 0, GENERATION, EPOCH, later, &k.r, 10);
		cr_assert_gt(ask_at(t, &key, 0, later, out), 0, "%u was not let in", n);
	}
	fl_ready_free(t);
}

/* -------------------------------------------------------------------- memory */

static size_t mapped_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	unsigned long pages = 0;
	cr_assert_not_null(f);
	cr_assert_eq(fscanf(f, "%lu", &pages), 1);
	cr_assert_eq(fclose(f), 0);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

Test(ready_ring, memory_is_bounded_to_the_octet)
{
	static const size_t sizes[] = { TINY_TABLE, TINY_TABLE + 100,     (1 << 20) - 1,
					2 << 20,    (4 << 20) + 3 * 4096, 64 << 20 };
	static struct kept k;
	(void)mapped_bytes(); /* stdio's own buffer is there now */
	for (size_t i = 0; i < FL_COUNT(sizes); i++) {
		const size_t before = mapped_bytes();
		struct fl_ready *t = new_table(sizes[i]);
		const size_t after = mapped_bytes();
		cr_expect(after > before && after - before <= sizes[i], "%zu for %zu",
			  after - before, sizes[i]);
		struct fl_ready_stats s = { 0, 0, 0 };
		for (unsigned n = 0; n < 2000; n++) {
			const struct fl_cache_key key = numbered(n);
			make_record(&k, &key, 900, 1, 300);
			put(t, &key, 0, &k.r);
			fl_ready_stats(t, &s);
			cr_assert(s.bytes_max == sizes[i] && s.bytes_used <= sizes[i]);
		}
		cr_expect_gt(s.bytes_used, TINY_TABLE * 9 / 10);
		cr_expect_eq(mapped_bytes(), after, "it grew");
		fl_ready_free(t);
		cr_expect_eq(mapped_bytes(), before, "something of %zu was left", sizes[i]);
	}
}

/* --------------------------------------------------------------------- model */

enum { KEYS = 700, VARIANTS = 3, OPERATIONS = 1000000, MODEL_SHAPES = 4 };

/* What was put last; the table may have forgotten it, and may hold nothing else. */
struct model {
	bool put;
	uint8_t variant;
	uint32_t generation;
};

static struct fl_cache_key model_key(unsigned n)
{
	struct fl_cache_key key = numbered(n);
	if (n % 10 == 0) { /* some share a hash, and with it a tag */
		key.hash = UINT64_C(0x5555555555555555) * (1 + n % 30);
	} else if (n % 10 == 1) { /* some a bucket */
		key.hash = UINT64_C(0x7777777700000000) + n;
	}
	return key;
}

static void check_hit(const uint8_t *got, size_t m, const struct fl_record *r,
		      const struct client *c, const struct fl_reply_opts *o, unsigned op)
{
	static uint8_t want[FL_MESSAGE_MAX];
	const size_t n = fl_record_reply(r, 0, UINT32_MAX, &c->q, o, want, sizeof(want));
	cr_assert(m == n && memcmp(got, want, n) == 0, "operation %u: another's octets", op);
}

Test(ready_ring, a_million_operations_agree_with_a_model, .timeout = 110)
{
	static struct fl_cache_key keys[KEYS];
	static struct client clients[KEYS][MODEL_SHAPES];
	static struct model model[KEYS][MODEL_SHAPES];
	static uint8_t got[FL_MESSAGE_MAX];
	struct kept *records = calloc((size_t)KEYS * VARIANTS, sizeof(*records));
	uint64_t seed = 64;
	cr_assert_not_null(records);
	for (unsigned n = 0; n < KEYS; n++) {
		keys[n] = model_key(n);
		for (unsigned v = 0; v < VARIANTS; v++) {
			const size_t size = next_random(&seed) % 8 == 0 ? 1900 : 200;
			make_record(&records[n * VARIANTS + v], &keys[n],
				    1 + next_random(&seed) % size, (uint8_t)(n + v * 80), 300);
		}
		for (unsigned shape = 0; shape < MODEL_SHAPES; shape++) {
			ask_key(&clients[n][shape], &keys[n], shape);
		}
	}
	struct fl_ready *t = new_table(TINY_TABLE);
	const struct fl_reply_opts o = fl_reply_opts_init(FL_MESSAGE_MAX);
	unsigned hits = 0;
	for (unsigned op = 0; op < OPERATIONS; op++) {
		const uint32_t random = next_random(&seed);
		/* half of all of a tenth of the keys */
		const unsigned n = random % 2 ? next_random(&seed) % KEYS
					      : next_random(&seed) % (KEYS / 10);
		const unsigned shape = (random >> 1) % MODEL_SHAPES;
		struct model *m = &model[n][shape];
		switch ((random >> 3) % 8) {
		case 0: /* its slot was bumped: what is held is void */
			m->generation++;
			m->put = false;
			break;
		case 1:
		case 2:
			m->put = true;
			m->variant = (uint8_t)((random >> 8) % VARIANTS);
			fl_ready_put(t, &keys[n], shape, m->generation, EPOCH, then.boot_ns,
				     &records[n * VARIANTS + m->variant].r, 0);
			break;
		default: {
			const struct client *c = &clients[n][shape];
			const size_t len =
				fl_ready_reply(t, &keys[n], shape, m->generation, EPOCH,
					       then.boot_ns, &c->q, &o, got, sizeof(got));
			if (len > 0) {
				cr_assert(m->put, "operation %u: never put", op);
				check_hit(got, len, &records[n * VARIANTS + m->variant].r, c,
					  &o, op);
				hits++;
			}
		}
		}
	}
	cr_log_info("%u hits", hits);
	cr_expect_gt(hits, OPERATIONS / 10);
	fl_ready_free(t);
	free(records);
}
