/*
 * fairlead-inet: a miniature Internet to resolve in, on one machine.
 */
#include "inet.h"
#include "report.h"

#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum {
	ZONES_DEFAULT = 100,
	NAMES_DEFAULT = 10,
	SEED_DEFAULT = 1,
};

struct arguments {
	const char *dir;
	struct world_options world;
	const char *verb;
	char **command; /* of exec, ended by NULL */
};

const char *argp_program_version = "fairlead-inet " FL_VERSION;

static const struct argp_option options[] = {
	{ "dir", 'd', "DIR", 0,
	  "Where it lives (default $XDG_STATE_HOME/fairlead/inet, or below ~/.local/state)",
	  0 },
	{ "zones", 'z', "N", 0, "make: generated second-level zones (default 100)", 0 },
	{ "names", 'n', "N", 0, "make: names in each of them (default 10)", 0 },
	{ "seed", 's', "N", 0,
	  "make: the same seed gives the same names and records (default 1)", 0 },
	{ 0 },
};

static uint64_t number(struct argp_state *state, const char *what, const char *text,
		       uint64_t max)
{
	char *end;
	errno = 0;
	const unsigned long long n = strtoull(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || n > max) {
		argp_error(state, "--%s %s: want a whole number from 0 to %llu", what, text,
			   (unsigned long long)max);
	}
	return n;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct arguments *a = state->input;
	switch (key) {
	case 'd':
		a->dir = text;
		return 0;
	case 'z':
		a->world.zones = (unsigned)number(state, "zones", text, WORLD_ZONES_MAX);
		return 0;
	case 'n':
		a->world.names = (unsigned)number(state, "names", text, WORLD_NAMES_MAX);
		return 0;
	case 's':
		a->world.seed = number(state, "seed", text, INT64_MAX);
		return 0;
	case ARGP_KEY_ARG:
		if (a->verb != NULL) {
			argp_error(state, "%s: %s takes no argument", text, a->verb);
		}
		a->verb = text;
		if (strcmp(text, "exec") == 0) { /* the rest is the command's own */
			a->command = &state->argv[state->next];
			state->next = state->argc;
		}
		return 0;
	case ARGP_KEY_END:
		if (a->verb == NULL) {
			argp_error(state,
				   "say what to do: make, start, stop, status or exec COMMAND");
		}
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "make|start|stop|status\nexec COMMAND...",
	.doc = "A miniature Internet: a signed root, top-level zones and below them good, "
	       "unsigned, "
	       "broken and unreachable zones, served by NSD in a network namespace of its "
	       "own.\v"
	       "make writes the zones, root.hints, root.anchors and manifest.json into DIR; "
	       "start "
	       "and stop run its servers; exec runs a command inside, where it can be "
	       "resolved.\n\n"
	       "Exit status: 0 well, 1 failed or (status) not running, 2 this system allows no "
	       "network namespace; exec: the command's own, 126 or 127 where it cannot be run.",
};

static int dispatch(const struct arguments *a, const struct state *st)
{
	if (strcmp(a->verb, "make") == 0) {
		return verb_make(st, &a->world);
	}
	if (strcmp(a->verb, "start") == 0) {
		return verb_start(st);
	}
	if (strcmp(a->verb, "stop") == 0) {
		return verb_stop(st);
	}
	if (strcmp(a->verb, "status") == 0) {
		return verb_status(st);
	}
	if (strcmp(a->verb, "exec") == 0) {
		return verb_exec(st, a->command);
	}
	report_error("no such verb: %s; there are make, start, stop, status and exec COMMAND",
		     a->verb);
	return EXIT_FAILED;
}

int main(int argc, char **argv)
{
	struct arguments a = {
		.world = { .zones = ZONES_DEFAULT,
			   .names = NAMES_DEFAULT,
			   .seed = SEED_DEFAULT },
	};
	struct state st;
	argp_err_exit_status = EXIT_FAILED;
	/* in order, so that the options of an exec'ed command stay its own */
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &a);
	if (!state_locate(&st, a.dir)) {
		return EXIT_FAILED;
	}
	return dispatch(&a, &st);
}
