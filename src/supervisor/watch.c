/* The watchdog: a role whose loop has not turned is ended, unless it was not let run. So is a
 * front that stands still with a read transaction open, and much sooner: until it ends, the
 * keeper can use no page again that was freed since. */
#include "fairlead/base/clock.h"
#include "supervisor.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

enum {
	RUN_SHARE = 4, /* less than this part of the time since the last look: it was kept from
			  running */
	STARVED_MAX_S = 30,
	/* With the time from one look to the next, a stopped front holds pages for less than a
	 * second; a batch takes less than a millisecond. */
	READING_MAX_MS = 500
};

/* The state letter and the nanoseconds on a processor, as the kernel has them. */
static bool look(const struct child *c, char *state, uint64_t *run_ns)
{
	char path[64], line[512];
	unsigned long long ns = 0;
	snprintf(path, sizeof(path), "/proc/%d/stat", uv_process_get_pid(&c->process));
	FILE *in = fopen(path, "re");
	const bool read = in != NULL && fgets(line, sizeof(line), in) != NULL;
	if (in != NULL) {
		fclose(in);
	}
	const char *end = read ? strrchr(line, ')') : NULL; /* the name may hold anything */
	snprintf(path, sizeof(path), "/proc/%d/schedstat", uv_process_get_pid(&c->process));
	in = fopen(path, "re");
	const bool counted = in != NULL && fscanf(in, "%llu", &ns) == 1;
	if (in != NULL) {
		fclose(in);
	}
	if (end == NULL || end[1] != ' ' || !counted) {
		return false;
	}
	*state = end[2];
	*run_ns = ns;
	return true;
}

/* A neighbour on the machine, or the host of a virtual one, may take the processor away for
 * seconds. To end a role for that costs its clients what it holds, and mends nothing. */
static bool is_starved(struct child *c, uint64_t now, char state, uint64_t run_ns)
{
	const uint64_t ran = run_ns - c->looked_run_ns, passed = now - c->looked_ns;
	const bool fresh = c->looked_ns != 0 && passed < FL_S_NS;
	c->looked_run_ns = run_ns;
	c->looked_ns = now;
	/* the first look has nothing to compare with: the next one, a quarter second on,
	 * decides */
	return state == 'R' && (!fresh || ran < passed / RUN_SHARE);
}

static uint64_t limit_ns(const struct child *c)
{
	/* a disk may be slow to commit to; fronts do not wait for it */
	const bool commits = __atomic_load_n(&c->counters->committing, __ATOMIC_RELAXED) != 0;
	return (commits ? 30U : 2U) * FL_SLOWNESS * FL_S_NS;
}

static uint64_t reading_since(const struct child *c)
{
	return __atomic_load_n(&c->counters->reading_since, __ATOMIC_RELAXED);
}

/* Its loop has not turned for too long (@p late), or only its transaction is old. What waits
 * for a disk in that does not get its page sooner by being ended. */
static bool is_excused(struct child *c, uint64_t now, bool late)
{
	char state;
	uint64_t run_ns;
	if (!look(c, &state, &run_ns)) {
		return false;
	}
	return is_starved(c, now, state, run_ns) || (state == 'D' && !late);
}

/* Why it is to be ended; NULL where it is not. */
static const char *hangs(struct child *c, uint64_t now)
{
	const uint64_t beat = __atomic_load_n(&c->counters->heartbeat_ns, __ATOMIC_RELAXED);
	if (!c->ready || beat < c->started_ns) {
		const bool long_ago =
			now - c->started_ns > (uint64_t)FL_START_MAX_S * FL_SLOWNESS * FL_S_NS;
		return !long_ago  ? NULL
		       : c->ready ? "its loop has not turned"
				  : "it did not get ready in 30 s";
	}
	const uint64_t since = reading_since(c);
	const bool late = now > beat && now - beat > limit_ns(c);
	const bool pins = now > since && since >= c->started_ns &&
			  now - since > (uint64_t)READING_MAX_MS * FL_SLOWNESS * FL_MS_NS;
	const bool too_late =
		late && now - beat > (uint64_t)STARVED_MAX_S * FL_SLOWNESS * FL_S_NS;
	if ((!late && !pins) || (!too_late && is_excused(c, now, late))) {
		return NULL;
	}
	if (late) {
		return "its loop has not turned";
	}
	/* it may have gone on before we looked at it */
	return reading_since(c) == since ? "it stands still while it reads the cache" : NULL;
}

void fl__child_watch(struct supervisor *s)
{
	const uint64_t now = fl_clock_boot_ns();
	const bool we_slept =
		now - s->last_watch_ns > FL_S_NS; /* then the others may have too */
	s->last_watch_ns = now;
	for (unsigned i = 0; i < s->n_children && !we_slept; i++) {
		struct child *c = &s->child[i];
		const char *why = c->alive && !c->hung ? hangs(c, now) : NULL;
		if (why != NULL) {
			fl_log(FL_LOG_ERROR, "%s hangs: %s; killed, to be started again",
			       c->name, why);
			c->hung = true;
			fl__child_kill(c, SIGKILL);
		}
	}
}
