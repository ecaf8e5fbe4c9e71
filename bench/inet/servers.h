/**
 * @file
 * The holder's children and sockets: one NSD a served group, and sockets that are
 * never read for the silent zones.
 */
#ifndef FAIRLEAD_INET_SERVERS_H
#define FAIRLEAD_INET_SERVERS_H

#include "state.h"
#include "world/world.h"

#include <stdbool.h>
#include <sys/types.h>

struct servers {
	pid_t nsd[GROUP_SERVED]; /* 0: not running */
};

/** Bind the silent addresses. They stay bound while this process lives. */
bool servers_open_silent(bool ipv6);

/** Start every NSD, each in a process group of its own. They die with us. */
bool servers_start(const struct state *st, struct servers *out);

/** Collect ended children; the first group found ended, or GROUP_COUNT. */
enum group servers_reap(struct servers *s);

/** End them all: politely, then after a few seconds by force. */
void servers_stop(struct servers *s);

#endif
