/**
 * @file
 * Making libunbound contexts, all alike, from one plan.
 *
 * The plan is written when the engine opens and lives in two memory files, so
 * that a later context needs no file system: it opens /proc/self/fd/N twice.
 * Before the first context is made in this process, a child process makes one
 * and is thrown away: a configuration that libunbound refuses, or that ends or
 * crashes the process, does so there.
 */
#ifndef FL_RESOLVE_CONTEXT_H
#define FL_RESOLVE_CONTEXT_H

#include "events.h"
#include "fairlead/resolve/engine.h"

#include <stdio.h>
#include <unbound.h>

struct fl__plan {
	int conf_fd, hints_fd;
	unsigned outgoing_range;
	bool (*have_ipv6)(void); /* NULL: what the configuration file says stands */
	bool ipv6;               /* what it said last */
};

/** @p problem gets a line on any failure. Forks and waits for the child, at most 20 s. */
enum fl_err fl__plan_open(const struct fl_engine_options *o, struct fl__plan *plan,
			  char *problem, size_t problem_size) FL_MUST_USE;
void fl__plan_close(struct fl__plan *plan);

/**
 * Build a context and answer one question of its own with it, so that all that
 * libunbound puts off (ports, keys, OpenSSL's files) is done on return.
 *
 * @param log   where libunbound writes; process-global in libunbound, so the same every time
 * @retval FL_ESYSTEM  it cannot be built now
 */
enum fl_err fl__context_make(const struct fl__plan *plan, struct ub_event_base *base, FILE *log,
			     struct ub_ctx **out) FL_MUST_USE;

#endif
