/**
 * @file
 * Times, counted in buckets of a width in proportion to their size.
 *
 * Log-linear, as HDR histograms are: every power of two is cut into 64 buckets,
 * so that a percentile is off by at most 1.6 % however long its tail, and the
 * whole takes 18 KiB. Adding is one increment.
 */
#ifndef FAIRLEAD_BENCH_HISTOGRAM_H
#define FAIRLEAD_BENCH_HISTOGRAM_H

#include <stdint.h>

enum {
	HISTOGRAM_SUB_BITS = 6,
	/* times up to 2^40 ns, about 18 minutes; longer ones count as that */
	HISTOGRAM_TOP_BIT = 40,
	HISTOGRAM_BUCKETS = (HISTOGRAM_TOP_BIT - HISTOGRAM_SUB_BITS + 2) << HISTOGRAM_SUB_BITS,
};

struct histogram {
	uint64_t count[HISTOGRAM_BUCKETS];
	uint64_t total;
	uint64_t max_ns;
};

void histogram_add(struct histogram *h, uint64_t ns);
void histogram_merge(struct histogram *into, const struct histogram *from);
/** The time that @p share (0 to 1) of all stay at or under: the upper edge of its
 * bucket, but never more than the longest. 0 when nothing was counted. */
uint64_t histogram_at(const struct histogram *h, double share);
/** The longest time that falls into a bucket. */
uint64_t histogram_edge(unsigned bucket);

#endif
