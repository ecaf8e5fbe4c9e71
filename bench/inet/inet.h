/**
 * @file
 * The tool's verbs and the pieces they share.
 */
#ifndef FAIRLEAD_INET_INET_H
#define FAIRLEAD_INET_INET_H

#include "state.h"
#include "world/world.h"

#include <stdbool.h>

/* Exit codes, beside that of an exec'ed command. */
enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_NOT_ALLOWED = 2, /* no namespace to be had here */
};

/* make.c */
int verb_make(const struct state *st, const struct world_options *options);

/* holder.c */
int verb_start(const struct state *st);
int verb_stop(const struct state *st);
int verb_status(const struct state *st);
int verb_exec(const struct state *st, char **command);

/* conf.c: one NSD configuration a served group, DIR/nsd-GROUP.conf. */
bool conf_write(const struct state *st, const struct world *w, bool ipv6);
/** A zone's file name below DIR, as the configuration and make spell it. */
void conf_zone_file(const struct zone *z, char *out, size_t size);

#endif
