#include "fairlead/base/counters.h"

#include <criterion/criterion.h>
#include <string.h>

static unsigned where(uint64_t ns)
{
	struct fl_histogram h = { 0 };
	fl_histogram_add(&h, ns);
	for (unsigned i = 0; i < FL_HISTOGRAM_BUCKETS; i++) {
		if (h.bucket[i] == 1) {
			return i;
		}
	}
	return FL_HISTOGRAM_BUCKETS;
}

Test(histogram, a_time_lies_below_its_bound_and_not_below_the_one_before)
{
	for (unsigned i = 0; i + 1 < FL_HISTOGRAM_BUCKETS; i++) {
		const uint64_t bound = fl_histogram_bound_ns(i);
		cr_expect_eq(where(bound - 1), i, "just under bound %u", i);
		cr_expect_eq(where(bound), i + 1, "at bound %u", i);
	}
}

Test(histogram, has_four_buckets_an_octave_from_one_microsecond)
{
	cr_expect_eq(fl_histogram_bound_ns(0), 1000);
	cr_expect_eq(fl_histogram_bound_ns(1), 1250);
	cr_expect_eq(fl_histogram_bound_ns(4), 2000);
	cr_expect_eq(fl_histogram_bound_ns(5), 2500);
	cr_expect_eq(fl_histogram_bound_ns(40), 1024000);
}

Test(histogram, takes_every_time)
{
	cr_expect_eq(where(0), 0);
	cr_expect_eq(where(UINT64_MAX), FL_HISTOGRAM_BUCKETS - 1);
	cr_expect_eq(fl_histogram_bound_ns(FL_HISTOGRAM_BUCKETS - 1), UINT64_MAX);
	cr_expect_gt(fl_histogram_bound_ns(FL_HISTOGRAM_BUCKETS - 2), 10000000000, "10 s");
}

Test(histogram, sums_and_counts)
{
	struct fl_histogram h = { 0 };
	fl_histogram_add(&h, 5);
	fl_histogram_add(&h, 7);
	cr_expect_eq(h.sum_ns, 12);
	cr_expect_eq(h.count, 2);
	cr_expect_eq(h.bucket[0], 2);
}

Test(histogram, says_octaves_from_16_microseconds_in_one_line)
{
	struct fl_histogram h = { 0 };
	char text[FL_HISTOGRAM_TEXT_MAX];
	cr_expect_str_eq(fl_histogram_text(&h, text), "");
	fl_histogram_add(&h, 0);
	fl_histogram_add(&h, 15999);
	fl_histogram_add(&h, 16000);
	fl_histogram_add(&h, 2047999);
	fl_histogram_add(&h, 2048000);
	fl_histogram_add(&h, UINT64_C(8388607999));
	fl_histogram_add(&h, UINT64_C(8388608000));
	fl_histogram_add(&h, UINT64_MAX);
	cr_expect_str_eq(fl_histogram_text(&h, text),
			 "16us=2 32us=1 2048us=1 4096us=1 8388608us=1 above=2");
	for (unsigned i = 0; i < FL_HISTOGRAM_BUCKETS; i++) {
		h.bucket[i] = UINT64_MAX;
	}
	const size_t len = strlen(fl_histogram_text(&h, text));
	cr_expect_lt(len, FL_HISTOGRAM_TEXT_MAX - 1, "the longest line fits");
	cr_expect_str_eq(text + len - 26, "above=18446744073709551613");
}

Test(counters, add_by_name)
{
	struct fl_counters c = { 0 };
	FL_COUNT_ADD(&c, formerr, 1);
	FL_COUNT_ADD(&c, formerr, 2);
	cr_expect_eq(c.formerr, 3);
	cr_expect_eq(c.notimp, 0);
}
