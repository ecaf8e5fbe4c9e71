#include "load/histogram.h"

/* Times under 2^SUB_BITS have a bucket each; above, the bits below the leading
 * one choose among the 2^SUB_BITS buckets of its power. */
static unsigned bucket_of(uint64_t ns)
{
	if (ns >> HISTOGRAM_TOP_BIT != 0) {
		return HISTOGRAM_BUCKETS - 1;
	}
	if (ns >> HISTOGRAM_SUB_BITS == 0) {
		return (unsigned)ns;
	}
	const unsigned top = 63U - (unsigned)__builtin_clzll(ns);
	const unsigned shift = top - HISTOGRAM_SUB_BITS;
	const unsigned sub = (unsigned)(ns >> shift) & ((1U << HISTOGRAM_SUB_BITS) - 1);
	return ((shift + 1) << HISTOGRAM_SUB_BITS) + sub;
}

uint64_t histogram_edge(unsigned bucket)
{
	const unsigned power = bucket >> HISTOGRAM_SUB_BITS;
	const uint64_t sub = bucket & ((1U << HISTOGRAM_SUB_BITS) - 1);
	if (power == 0) {
		return sub;
	}
	return (((1ULL << HISTOGRAM_SUB_BITS) + sub + 1) << (power - 1)) - 1;
}

void histogram_add(struct histogram *h, uint64_t ns)
{
	h->count[bucket_of(ns)]++;
	h->total++;
	if (ns > h->max_ns) {
		h->max_ns = ns;
	}
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		into->count[i] += from->count[i];
	}
	into->total += from->total;
	if (from->max_ns > into->max_ns) {
		into->max_ns = from->max_ns;
	}
}

uint64_t histogram_at(const struct histogram *h, double share)
{
	const double want = share * (double)h->total;
	uint64_t seen = 0;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS && h->total > 0; i++) {
		seen += h->count[i];
		if ((double)seen >= want && seen > 0) {
			const uint64_t edge = histogram_edge(i);
			return edge < h->max_ns ? edge : h->max_ns;
		}
	}
	return h->max_ns;
}
