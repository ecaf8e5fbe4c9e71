#include "report.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	TERMINAL_EVERY_MS = 200,
	LOG_EVERY_MS = 3000,
};

void report_error(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fputs("fairlead-inet: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
}

bool report_close(FILE *out, const char *path)
{
	const bool bad = ferror(out) != 0;
	if (fclose(out) != 0 || bad) {
		report_error("cannot write %s: %s", path, strerror(errno));
		return false;
	}
	return true;
}

uint64_t monotonic_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

struct progress progress_start(const char *what, size_t total)
{
	const uint64_t now = monotonic_ms();
	return (struct progress){
		.what = what,
		.total = total,
		.began_ms = now,
		.shown_ms = now,
		.terminal = isatty(STDERR_FILENO) == 1,
	};
}

void progress_at(struct progress *p, size_t done)
{
	const uint64_t now = monotonic_ms();
	const uint64_t every = p->terminal ? TERMINAL_EVERY_MS : LOG_EVERY_MS;
	if (now - p->shown_ms < every || done == 0 || done > p->total) {
		return;
	}
	p->shown_ms = now;
	p->visible = true;
	const uint64_t left_ms = (now - p->began_ms) * (p->total - done) / done;
	fprintf(stderr, "%s%s: %zu of %zu, about %llu s left%s", p->terminal ? "\r" : "",
		p->what, done, p->total, (unsigned long long)(left_ms + 999) / 1000,
		p->terminal ? "   " : "\n");
}

void progress_end(struct progress *p)
{
	if (p->terminal && p->visible) {
		fprintf(stderr, "\r%-60s\r", "");
	}
}
