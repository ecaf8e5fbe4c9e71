#include "say.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

void say_error(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fputs("fairlead-bench: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
}

/* The plan, corrected by how the steps so far compare with their own plan. */
static double left_s(const struct progress *p)
{
	const double planned = p->planned_s - p->done_s;
	const double took = (double)(now_ns() - p->begun_ns) / 1e9;
	if (planned <= 0) {
		return 0;
	}
	return p->done_s > 0 ? planned * took / p->done_s : planned;
}

void say_progress(const struct progress *p, const char *format, ...)
{
	const unsigned left = (unsigned)(left_s(p) + 0.5);
	const unsigned percent =
		p->planned_s > 0 ? (unsigned)(100 * p->done_s / p->planned_s) : 0;
	va_list args;
	va_start(args, format);
	if (left >= 60) {
		fprintf(stderr, "[%3u %%, %u min %02u s left] ", percent, left / 60, left % 60);
	} else {
		fprintf(stderr, "[%3u %%, %u s left] ", percent, left);
	}
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
}
