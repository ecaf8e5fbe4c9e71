/**
 * @file
 * The resolver: an engine (resolve/engine.h) between the fronts and the keeper.
 *
 * It sees no client and no cache: questions come as frames from fronts, the
 * answer goes back to the front and, one way, to the keeper.
 */
#ifndef FAIRLEAD_RESOLVER_RESOLVER_H
#define FAIRLEAD_RESOLVER_RESOLVER_H

#include "fairlead/config/config.h"

/** Run this process as a resolver; returns its exit code. Started by the supervisor only. */
int fl_resolver_main(void);

/**
 * Build an engine from @p c and throw it away, for `fairleadd --check`: what libunbound
 * itself refuses is known then. Call it in a process that ends afterwards.
 */
enum fl_err fl_resolver_check(const struct fl_config *c, char *problem,
			      size_t problem_size) FL_MUST_USE;

#endif
