/**
 * @file
 * What the tool says to the person in front of it, on standard error.
 */
#ifndef FAIRLEAD_BENCH_SAY_H
#define FAIRLEAD_BENCH_SAY_H

#include <stdint.h>

/** One line, "fairlead-bench: ...". */
void say_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** How far a run has come: what is left is told from what is planned. */
struct progress {
	double planned_s; /* of all steps */
	double done_s;    /* of the steps that ended, as planned */
	uint64_t begun_ns;
};

/** One line with the time left, "[ 40 %, 1 min 20 s left] ...". */
void say_progress(const struct progress *p, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/** Nanoseconds of the monotonic clock. */
uint64_t now_ns(void);

#endif
