/**
 * @file
 * The configuration text that every context of an engine is built from.
 *
 * libunbound's defaults are those of a stub resolver (16 sockets, 1 MB caches),
 * so nothing that matters is left to them. The text is written once, when the
 * engine opens; contexts read it from a memory file.
 */
#ifndef FL_RESOLVE_CONF_H
#define FL_RESOLVE_CONF_H

#include "fairlead/resolve/engine.h"

#include <stdio.h>

/** Answered by every context itself (RFC 6761 6.4); the front never asks for it. */
#define FL__CONF_PROBE "context.fairlead.invalid."

struct fl__conf_library { /* what the libunbound that runs can do */
	const char *version;
	bool (*knows)(void *arg, const char *option, const char *value);
	void *arg;
};

enum {
	FL__CONF_RANGE_MAX = 4096, /* upstream sockets of a context */
	FL__CONF_RANGE_MIN = 16,
	FL__CONF_RANGE_LOW = 1024,   /* below: dead servers may delay others; worth a warning */
	FL__CONF_FILES_RESERVE = 256 /* descriptors left for all else in the process */
};

/** Upstream sockets for a process that may open @p files descriptors. */
unsigned fl__conf_outgoing_range(uint64_t files);

/**
 * Write the whole configuration.
 *
 * @param hints_path  where libunbound finds the root hints
 * @param problem     one line, on FL_EINVALID
 * @retval FL_EINVALID  a name, address, anchor or raw option that cannot be said to libunbound
 */
enum fl_err fl__conf_write(const struct fl_engine_options *o,
			   const struct fl__conf_library *lib, unsigned outgoing_range,
			   const char *hints_path, FILE *out, char *problem,
			   size_t problem_size) FL_MUST_USE;

/** Why the raw option is refused whatever libunbound thinks of it, or NULL. */
const char *fl__conf_raw_refusal(const char *name, const char *value);

/** Write one raw option as a line of the server clause. */
void fl__conf_write_raw(const struct fl_engine_option *raw, FILE *out);

/** True when @p version ("1.25.2") is that or newer. */
bool fl__conf_version_at_least(const char *version, unsigned major, unsigned minor,
			       unsigned patch);

#endif
