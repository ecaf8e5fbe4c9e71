/**
 * @file
 * What a person at the terminal reads: errors, and how far long work has come.
 */
#ifndef FAIRLEAD_INET_REPORT_H
#define FAIRLEAD_INET_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/** One line on standard error, with the tool's name before it. */
__attribute__((format(printf, 1, 2))) void report_error(const char *format, ...);

/** Close a written file; a full disk shows here at the latest. */
bool report_close(FILE *out, const char *path);

/* Work of a known amount. On a terminal one line is rewritten; elsewhere a line
 * is printed every few seconds, so that a log stays short. */
struct progress {
	const char *what;
	size_t total;
	uint64_t began_ms;
	uint64_t shown_ms;
	bool terminal;
	bool visible;
};

struct progress progress_start(const char *what, size_t total);
void progress_at(struct progress *p, size_t done);
void progress_end(struct progress *p);

/** Milliseconds of a clock that never goes back. */
uint64_t monotonic_ms(void);

#endif
