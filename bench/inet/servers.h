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
	pid_t nsd[GROUP_SERVED]; /* each leads a process group of its own; 0: not started */
	bool ended[GROUP_SERVED];
};

/** Bind the silent addresses. They stay bound while this process lives. */
bool servers_open_silent(bool ipv6);

/** Start every NSD. They die with us, and their own children become ours to collect:
 * in a container nobody else might. */
bool servers_start(const struct state *st, struct servers *out);

/** Collect what has ended; the first group found newly ended, or GROUP_COUNT. */
enum group servers_reap(struct servers *s);

/** End them all: politely, then after a few seconds by force. */
void servers_stop(struct servers *s);

#endif
