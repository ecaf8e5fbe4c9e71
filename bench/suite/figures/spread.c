#include "figures/spread.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a;
	const double y = *(const double *)b;
	return (x > y) - (x < y);
}

struct spread spread_of(const double *values, size_t n)
{
	double sorted[RUNS_MAX];
	if (n == 0) {
		return (struct spread){ 0 };
	}
	n = n < RUNS_MAX ? n : RUNS_MAX;
	memcpy(sorted, values, n * sizeof(*values));
	qsort(sorted, n, sizeof(*sorted), compare);
	/* of an even number the mean of the two in the middle */
	return (struct spread){ .median = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2,
				.least = sorted[0],
				.most = sorted[n - 1] };
}
