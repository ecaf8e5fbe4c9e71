/**
 * @file
 * What Fairlead counts, as it writes it to its log on SIGUSR1.
 */
#ifndef FAIRLEAD_BENCH_COUNTERS_H
#define FAIRLEAD_BENCH_COUNTERS_H

#include "servers/server.h"

struct counted {
	uint64_t cached;     /* answers from the cache */
	uint64_t resolved;   /* answers that waited for a resolver */
	uint64_t failed;     /* SERVFAIL */
	uint64_t stalls;     /* loop turns of over 2 ms */
	uint64_t stalls_own; /* those that did not wait for a processor meanwhile */
	uint64_t entries;    /* in the cache */
	uint64_t octets;     /* that they take in its file */
	uint64_t evicted;
	uint64_t own_max_ns; /* the longest turn since the start, less what it waited */
};

/** Ask and wait for them. False where it does not say. */
bool counters_ask(const struct server *s, struct counted *out);
/** Add what a line of the log says to @p c. */
void counters_line(const char *line, struct counted *c);

#endif
