/* Inside the resolver: the role in resolver.c, the engine's options from the configuration in
 * options.c. */
#ifndef FL_RESOLVER_PRIVATE_H
#define FL_RESOLVER_PRIVATE_H

#include "fairlead/config/config.h"
#include "fairlead/resolve/engine.h"

/* Everything the engine's options point at; lives as long as the engine. */
struct engine_setup {
	struct fl_engine_options options;
	char *hints, *anchors;
	const char **insecure;
	struct fl_engine_zone *zones;
	struct fl_engine_option *raw;
};

/* Reads the files that the configuration names. On failure @p problem says what and where. */
enum fl_err fl__resolver_setup(const struct fl_config *c, struct engine_setup *out,
			       char *problem, size_t problem_size) FL_MUST_USE;
void fl__resolver_setup_fini(struct engine_setup *s);

#endif
