/**
 * @file
 * The configuration: read strictly, checked whole, then never changed.
 *
 * One schema table (src/config/schema.c) names every key with its type, range,
 * default, help and whether a reload suffices; the parser, the man page, the
 * JSON schema and the effective dump are all made from it. A snapshot is
 * immutable; every pointer in it is the snapshot's and lives until
 * fl_config_free(). An engine is given its own options struct, filled by its
 * role from here, never this one.
 *
 * Roles do not read files: the supervisor reads and checks, writes the
 * effective text with fl_config_dump() and hands that to each role, which
 * parses it anew with fl_config_parse_text().
 */
#ifndef FAIRLEAD_CONFIG_CONFIG_H
#define FAIRLEAD_CONFIG_CONFIG_H

#include "fairlead/base/addr.h"
#include "fairlead/base/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum fl_cookie_mode { FL_COOKIES_OFF, FL_COOKIES_OFFERED, FL_COOKIES_REQUIRED };
enum fl_qmin_mode { FL_QMIN_OFF, FL_QMIN_RELAXED, FL_QMIN_STRICT };
enum fl_tristate { FL_NO, FL_YES, FL_AUTO };

struct fl_string_list {
	char **at;
	size_t n;
};

struct fl_config_nta {   /* negative trust anchor, RFC 7646 */
	char *name;      /* presentation form, absolute ("example.") */
	char *reason;    /* "" when none was given */
	int64_t until_s; /* wall clock; 0: seven days from the start */
};

struct fl_config_zone {              /* a stub or a forward zone */
	char *name;                  /* presentation form, absolute; "." for all */
	struct fl_addr_list servers; /* default port 53 */
};

struct fl_config_raw { /* one raw libunbound option */
	char *name, *value;
};

struct fl_config {
	char *state;    /* folder */
	char *identity; /* NULL: none, the names that ask for it are refused */
	struct fl_addr_list listen;
	struct fl_prefix_list access_allow, access_deny;
	bool open_resolver;
	enum fl_cookie_mode cookies;
	struct {
		uint32_t resolver, zone, client; /* questions in flight, at least 1 */
	} limits;
	struct {
		uint32_t per_client, errors; /* a second and prefix; 0 is off */
		struct fl_prefix_list exempt;
	} rate_limit;
	struct {
		char *folder;
		uint64_t size, front_size; /* octets */
		uint32_t min_ttl_s, max_ttl_s, negative_ttl_s, stale_s;
		bool prefetch;
	} cache;
	uint32_t fronts; /* resolved: never 0 in a checked snapshot */
	struct {
		uint32_t *at;
		size_t n;
	} front_cpus;       /* empty: not pinned */
	uint32_t resolvers; /* resolved: never 0 */
	struct {
		char *root_hints;                    /* NULL: built in */
		struct fl_string_list trust_anchors; /* empty: built in */
		struct fl_config_nta *nta;
		size_t n_nta;
		bool local_root;
		enum fl_tristate ipv6;
		enum fl_qmin_mode qname_minimisation;
		bool query_loopback;
		int64_t context_age_s; /* 0 never; -1: the default for this libunbound */
		struct fl_addr_list source_addresses;
		struct fl_config_zone *stub, *forward;
		size_t n_stub, n_forward;
		struct fl_config_raw *libunbound; /* in file order, repeats kept */
		size_t n_libunbound;
	} resolver;
	struct {
		struct fl_addr_list listen; /* empty: off */
	} http;
	char *control_socket; /* path */
	struct {
		enum fl_log_level level;
		enum fl_log_format format;
	} log;
};

/**
 * Read @p path (and what its `include` names), check, and return a snapshot.
 *
 * Problems are written to @p problems, one a line, all of them and not only
 * the first: "file:line:column: what, what was expected[, nearest known key]".
 *
 * @retval FL_EINVALID  the text is wrong; @p problems says where
 * @retval FL_ESYSTEM   a file can't be read; @p problems says which
 */
enum fl_err fl_config_read(const char *path, FILE *problems,
			   struct fl_config **out) FL_MUST_USE;

/**
 * The same for text in memory; @p name stands in messages. An empty text is all defaults.
 *
 * What may change between a check and a role's own reading is not looked at
 * here: files that the text names, the clock (how far ahead a negative trust
 * anchor ends), the cores that fronts are pinned to. `include` is refused.
 */
enum fl_err fl_config_parse_text(const char *text, size_t len, const char *name, FILE *problems,
				 struct fl_config **out) FL_MUST_USE;

/** All keys with their effective values as YAML that parses to an equal snapshot. */
enum fl_err fl_config_dump(const struct fl_config *c, FILE *out) FL_MUST_USE;

void fl_config_free(struct fl_config *c); /* NULL is fine */

/** Faces made from the schema table. */
void fl_config_print_man(FILE *out);         /* fairlead.conf(5), roff */
void fl_config_print_json_schema(FILE *out); /* JSON Schema, draft 2020-12 */

#endif
