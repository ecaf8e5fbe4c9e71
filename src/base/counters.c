#include "fairlead/base/counters.h"

#include <stdbool.h>
#include <stdio.h>

enum {
	FIRST_NS = 1000,        /* upper bound of bucket 0 */
	STEP_NS = FIRST_NS / 4, /* width of a bucket of the first octave */
	LAST = FL_HISTOGRAM_BUCKETS - 1,
	TEXT_FIRST_US = 16,
	TEXT_LAST_US = 1 << 23
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

static uint64_t count_of(const struct fl_histogram *h, unsigned i)
{
	return __atomic_load_n(&h->bucket[i], __ATOMIC_RELAXED);
}

const char *fl_histogram_text(const struct fl_histogram *h,
			      char out[static FL_HISTOGRAM_TEXT_MAX])
{
	size_t len = 0;
	unsigned i = 0;
	out[0] = '\0';
	for (uint64_t us = TEXT_FIRST_US; us <= 2 * TEXT_LAST_US; us *= 2) {
		const bool last = us > TEXT_LAST_US;
		uint64_t n = 0;
		while (i <= LAST && (last || fl_histogram_bound_ns(i) <= us * FIRST_NS)) {
			n += count_of(h, i++);
		}
		char label[24] = "above";
		if (!last) {
			snprintf(label, sizeof(label), "%lluus", (unsigned long long)us);
		}
		if (n > 0 && len < FL_HISTOGRAM_TEXT_MAX) {
			const int r =
				snprintf(out + len, FL_HISTOGRAM_TEXT_MAX - len, "%s%s=%llu",
					 len > 0 ? " " : "", label, (unsigned long long)n);
			len += r > 0 ? (size_t)r : 0;
		}
	}
	return out;
}
