/** @file A figure over several runs: its median, least and most. */
#ifndef FAIRLEAD_BENCH_SPREAD_H
#define FAIRLEAD_BENCH_SPREAD_H

#include <stddef.h>

enum { RUNS_MAX = 32 };

struct spread {
	double median;
	double least;
	double most;
};

/** Of @p n values, at most RUNS_MAX; all 0 where there is none. */
struct spread spread_of(const double *values, size_t n);

#endif
