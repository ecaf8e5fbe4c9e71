#include "load/histogram.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct histogram *fresh(void)
{
	struct histogram *h = calloc(1, sizeof(*h));
	cr_assert_not_null(h);
	return h;
}

Test(histogram, an_empty_one_gives_zero)
{
	struct histogram *h = fresh();
	cr_expect_eq(histogram_at(h, 0.5), 0);
	cr_expect_eq(histogram_at(h, 1), 0);
	free(h);
}

Test(histogram, short_times_are_exact)
{
	struct histogram *h = fresh();
	for (uint64_t ns = 1; ns <= 50; ns++) {
		histogram_add(h, ns);
	}
	cr_expect_eq(histogram_at(h, 0.5), 25);
	cr_expect_eq(histogram_at(h, 0.02), 1);
	cr_expect_eq(histogram_at(h, 1), 50);
	free(h);
}

Test(histogram, any_time_is_told_within_two_percent_and_never_too_low)
{
	for (uint64_t ns = 1; ns < 1ULL << 39; ns += ns / 7 + 1) {
		struct histogram *h = fresh();
		histogram_add(h, ns);
		histogram_add(h, 1ULL << 40); /* so that the longest does not cut it */
		const uint64_t told = histogram_at(h, 0.5);
		cr_expect(told >= ns, "%llu told as %llu", (unsigned long long)ns,
			  (unsigned long long)told);
		cr_expect((double)told <= (double)ns * 1.0157 + 1, "%llu told as %llu",
			  (unsigned long long)ns, (unsigned long long)told);
		free(h);
	}
}

Test(histogram, a_percentile_is_never_above_the_longest)
{
	struct histogram *h = fresh();
	histogram_add(h, 1000001);
	cr_expect_eq(histogram_at(h, 0.9999), 1000001);
	free(h);
}

Test(histogram, a_time_beyond_the_range_counts_and_does_not_write_beyond)
{
	struct histogram *h = fresh();
	histogram_add(h, UINT64_MAX);
	histogram_add(h, 1ULL << 40);
	histogram_add(h, (1ULL << 40) - 1);
	cr_expect_eq(h->total, 3);
	cr_expect_eq(h->max_ns, UINT64_MAX);
	free(h);
}

Test(histogram, the_tail_of_ten_thousand_is_seen)
{
	struct histogram *h = fresh();
	for (unsigned i = 0; i < 9998; i++) {
		histogram_add(h, 1000);
	}
	histogram_add(h, 5000000);
	histogram_add(h, 9000000);
	cr_expect_lt(histogram_at(h, 0.999), 1020);
	cr_expect_geq(histogram_at(h, 0.9999), 5000000);
	cr_expect_eq(histogram_at(h, 1), 9000000);
	free(h);
}

Test(histogram, two_merged_are_one)
{
	struct histogram *a = fresh();
	struct histogram *b = fresh();
	histogram_add(a, 10);
	histogram_add(b, 20);
	histogram_merge(a, b);
	cr_expect_eq(a->total, 2);
	cr_expect_eq(a->max_ns, 20);
	cr_expect_eq(histogram_at(a, 0.5), 10);
	free(a);
	free(b);
}
