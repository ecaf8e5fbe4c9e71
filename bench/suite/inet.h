/**
 * @file
 * The miniature Internet that a run is made in: found, or made and started by the
 * program fairlead-inet beside this one, and ended again by whoever started it.
 */
#ifndef FAIRLEAD_BENCH_INET_H
#define FAIRLEAD_BENCH_INET_H

#include <limits.h>
#include <stdbool.h>

struct inet {
	char tool[PATH_MAX]; /* fairlead-inet */
	char dir[PATH_MAX];
	bool started; /* by us: ours to stop */
	int lock;
};

/** The folder of this program's file. */
bool inet_beside(const char *name, char out[static PATH_MAX]);
/** Have one that runs: @p given, or one of this size that is kept in the user's
 * cache folder. False after a report. */
bool inet_open(struct inet *i, const char *given, unsigned zones, unsigned names);
/** Run this program anew inside, with the same arguments; gives its exit code. */
int inet_run_inside(const struct inet *i, char **argv);
void inet_close(struct inet *i);
/** Inside: keep the name servers to one processor. */
void inet_pin(const char *dir, unsigned cpu);

#endif
