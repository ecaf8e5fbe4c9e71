#include "fairlead/cache/sketch.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct fl_sketch make(size_t bytes)
{
	void *memory = aligned_alloc(64, bytes);
	cr_assert_not_null(memory);
	memset(memory, 0, bytes);
	return fl_sketch_over(memory, bytes);
}

static uint64_t hash_of(uint64_t n)
{
	n *= UINT64_C(0x9E3779B97F4A7C15);
	n ^= n >> 29;
	return n * UINT64_C(0xBF58476D1CE4E5B9);
}

struct size_case {
	uint64_t map;
	size_t want;
};

Test(sketch, sizes)
{
	static const struct size_case cases[] = {
		{ 0, 65536 },
		{ 2U << 20, 65536 },
		{ 16U << 20, 262144 },
		{ (16U << 20) + 64, 524288 },
		{ 256U << 20, 4U << 20 },
		{ UINT64_C(1) << 40, 64U << 20 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cr_expect_eq(fl_sketch_bytes(cases[i].map), cases[i].want, "row %zu", i);
	}
}

Test(sketch, counts_and_stops_at_255)
{
	struct fl_sketch s = make(65536);
	cr_expect_eq(fl_sketch_count(&s, hash_of(1)), 0);
	for (unsigned i = 1; i <= 5; i++) {
		fl_sketch_touch(&s, hash_of(1));
		cr_expect_eq(fl_sketch_count(&s, hash_of(1)), i);
	}
	cr_expect_eq(fl_sketch_count(&s, hash_of(2)), 0, "another key was not touched");
	for (unsigned i = 0; i < 400; i++) {
		fl_sketch_touch(&s, hash_of(1));
	}
	cr_expect_eq(fl_sketch_count(&s, hash_of(1)), 255, "it must not wrap");
	free(s.blocks);
}

Test(sketch, old_popularity_fades)
{
	struct fl_sketch s = make(65536);
	for (unsigned i = 0; i < 64; i++) {
		fl_sketch_touch(&s, hash_of(1));
	}
	const unsigned turn = 8 * 65536 / 64;
	unsigned before = fl_sketch_count(&s, hash_of(1));
	for (unsigned i = 0; i < 3 * turn; i++) {
		fl_sketch_touch(&s, hash_of(1000 + i));
	}
	const unsigned after = fl_sketch_count(&s, hash_of(1));
	cr_expect(before >= 60 && after >= 7 && after <= 16, "%u, then %u", before, after);
	free(s.blocks);
}

Test(sketch, a_flood_of_unique_keys_reads_as_unasked)
{
	struct fl_sketch s = make(65536);
	unsigned asked = 0;
	for (unsigned i = 0; i < 100000; i++) {
		fl_sketch_touch(&s, hash_of(i));
	}
	for (unsigned i = 0; i < 10000; i++) {
		asked += fl_sketch_count(&s, hash_of(1000000 + i)) > 1;
	}
	cr_expect_lt(asked, 200, "%u of 10000 keys never asked read as asked twice", asked);
	free(s.blocks);
}
