#include "fairlead/base/counters.h"

enum {
	FIRST_NS = 1000,        /* upper bound of bucket 0 */
	STEP_NS = FIRST_NS / 4, /* width of a bucket of the first octave */
	LAST = FL_HISTOGRAM_BUCKETS - 1
};

static unsigned bucket_of(uint64_t ns)
{
	if (ns < FIRST_NS) {
		return 0;
	}
	const uint64_t steps =
		ns / STEP_NS; /* 4 at the start of octave 0, 8 of octave 1, ... */
	const unsigned octave = 61 - (unsigned)__builtin_clzll(steps);
	const unsigned quarter = (unsigned)(steps >> octave) & 3;
	const unsigned i = 1 + 4 * octave + quarter;
	return i < LAST ? i : LAST;
}

void fl_histogram_add(struct fl_histogram *h, uint64_t ns)
{
	FL_COUNT_ADD(h, bucket[bucket_of(ns)], 1);
	FL_COUNT_ADD(h, sum_ns, ns);
	FL_COUNT_ADD(h, count, 1);
}

uint64_t fl_histogram_bound_ns(unsigned i)
{
	if (i == 0) {
		return FIRST_NS;
	}
	if (i >= LAST) {
		return UINT64_MAX;
	}
	const unsigned octave = (i - 1) / 4, quarter = (i - 1) % 4;
	return ((uint64_t)STEP_NS << octave) * (quarter + 5);
}
