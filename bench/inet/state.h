/**
 * @file
 * The folder of one miniature Internet: where its files lie, and whose process
 * holds it up. Several may run at once, each in a folder of its own.
 */
#ifndef FAIRLEAD_INET_STATE_H
#define FAIRLEAD_INET_STATE_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

struct state {
	char dir[PATH_MAX]; /* absolute */
};

/** Find the folder: @p given, or below the user's state folder. */
bool state_locate(struct state *st, const char *given);
/** Make the folder and those above it. */
bool state_create(const struct state *st);
/** "DIR/NAME" in @p out. */
void state_path(const struct state *st, const char *name, char out[static PATH_MAX]);
/** Hold the folder against another make, start or stop; -1 after a report. */
int state_lock(const struct state *st);

/** The living holder's process, or 0. A pid file left by a crash or an earlier
 * boot names another process, or none, and is not believed. */
pid_t state_holder(const struct state *st);
bool state_set_holder(const struct state *st);
void state_clear_holder(const struct state *st);

#endif
