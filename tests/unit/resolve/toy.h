/**
 * @file
 * A toy authoritative server on a loopback address, in a process of its own.
 *
 * It answers by the question's first label: "nx..." NXDOMAIN, "nodata..." no
 * data, "servfail...", "refused..." their RCODE, "garbage..." a cut message,
 * "tc..." a truncated one (TCP is refused), all else one A record 192.0.2.1.
 * While it holds, it collects; when it is let go, it answers all that it has.
 */
#ifndef FL_TESTS_TOY_H
#define FL_TESTS_TOY_H

#include "fairlead/base/addr.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

struct toy_shared {
	atomic_uint packets;
	atomic_uint held;
	atomic_bool hold;
};

struct toy {
	pid_t pid;
	struct toy_shared *shared;
	struct fl_addr addr;
};

void toy_start(struct toy *t);
void toy_stop(struct toy *t);

/** A bound UDP socket that nobody reads; returns its descriptor. */
int toy_silent(struct fl_addr *addr);

/** An address and port where nothing listens. */
void toy_refused(struct fl_addr *addr);

#endif
