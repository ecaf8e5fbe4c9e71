/**
 * @file
 * Do the name servers answer? Asked from inside the namespace.
 */
#ifndef FAIRLEAD_INET_PROBE_H
#define FAIRLEAD_INET_PROBE_H

#include "world/world.h"

#include <stdbool.h>

enum { PROBE_WAIT_MS = 500 };

enum probe {
	PROBE_NOTHING,      /* no answer: not yet up, or gone */
	PROBE_WITHOUT_ZONE, /* an answer, but not of one who has the zone */
	PROBE_WELL,
};

/** One SOA question over UDP for @p zone to one address. */
enum probe probe_place(struct place at, int family, const char *zone);

/** How many of a group's addresses answer, of both families if @p ipv6. */
unsigned probe_group(enum group group, const char *zone, bool ipv6);

#endif
