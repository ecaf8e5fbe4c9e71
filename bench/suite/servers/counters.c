#include "servers/counters.h"

#include "say.h"

#include <inttypes.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
	WAIT_MS = 1000,
	POLL_MS = 2,
};

void counters_line(const char *line, struct counted *c)
{
	static const struct {
		const char *name;
		size_t at;
	} known[] = {
		{ "answers_cached", offsetof(struct counted, cached) },
		{ "answers_resolved", offsetof(struct counted, resolved) },
		{ "answers_failed", offsetof(struct counted, failed) },
		{ "loop_stalls", offsetof(struct counted, stalls) },
		{ "loop_stalls_own", offsetof(struct counted, stalls_own) },
		{ "cache_entries", offsetof(struct counted, entries) },
		{ "cache_bytes", offsetof(struct counted, octets) },
		{ "evicted", offsetof(struct counted, evicted) },
		{ "loop_own_max_ns", offsetof(struct counted, own_max_ns) }, /* of one front */
	};
	char name[32];
	uint64_t value;
	const char *at = strstr(line, "counter ");
	if (at == NULL ||
	    sscanf(at, "counter %*s %*u: %31[a-z_]=%" SCNu64, name, &value) != 2) {
		return;
	}
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(name, known[i].name) == 0) {
			uint64_t *sum = (uint64_t *)(void *)((uint8_t *)c + known[i].at);
			*sum += value;
		}
	}
}

/* Read on from where the log ended; true when all counters have been said. */
static bool read_block(FILE *log, struct counted *out)
{
	char line[1024];
	while (fgets(line, sizeof(line), log) != NULL) {
		if (strstr(line, "counters end") != NULL) {
			return true;
		}
		counters_line(line, out);
	}
	clearerr(log);
	return false;
}

bool counters_ask(const struct server *s, struct counted *out)
{
	char path[PATH_MAX + 64];
	const struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };
	*out = (struct counted){ 0 };
	snprintf(path, sizeof(path), "%s/output", s->folder);
	FILE *log = fopen(path, "re");
	bool ok = log != NULL && fseek(log, 0, SEEK_END) == 0 && s->pid > 0 &&
		  kill(s->pid, SIGUSR1) == 0;
	const uint64_t end = now_ns() + WAIT_MS * 1000000ULL;
	bool whole = false;
	while (ok && !whole) {
		whole = read_block(log, out);
		if (!whole) {
			nanosleep(&pause, NULL);
		}
		ok = whole || now_ns() < end;
	}
	if (log != NULL) {
		fclose(log);
	}
	return ok;
}
