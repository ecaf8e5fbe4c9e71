/**
 * @file
 * The one table of keys, and what a value of each kind is.
 *
 * A row says where a key stands in the file (its path), where its value stands
 * in struct fl_config (an offset), what text is read there, and how a person is
 * told. Whatever handles keys walks the table: binding, defaults, release,
 * dump, man page, JSON schema. A new key is a new row.
 *
 * Below a row of shape FL__GROUP the children are keys of their own and their
 * offsets count from struct fl_config. Below FL__RECORDS they are the members of
 * one list element and count from it. Below FL__ONE they are another way to
 * write the same value (`fronts: {count: 2, cpus: [0, 1]}`).
 */
#ifndef FAIRLEAD_SRC_CONFIG_SCHEMA_H
#define FAIRLEAD_SRC_CONFIG_SCHEMA_H

#include "fairlead/config/config.h"

#include <stdio.h>

enum fl__config_shape {
	FL__ONE,     /* a scalar, or a mapping of the row's children */
	FL__LIST,    /* a list of scalars */
	FL__GROUP,   /* a mapping of keys */
	FL__RECORDS, /* a list of mappings, each a struct */
	FL__RAW,     /* a mapping of any names: resolver.libunbound */
	FL__INCLUDE, /* more files */
	FL__LATER,   /* known, but only empty in this version */
};

enum { FL__EXPECTED_MAX = 192 }; /* longest description of a value, with NUL */

struct fl__config_key;

/** What can stand in a scalar. */
struct fl__config_scalar {
	/** FL_EINVALID: not such a text; what was wanted is what describe() says. */
	enum fl_err (*read)(const struct fl__config_key *k, const char *text, void *to);
	void (*write)(const struct fl__config_key *k, const void *from, FILE *out);
	void (*drop)(void *at); /* NULL: nothing to release */
	void (*describe)(const struct fl__config_key *k, char buf[static FL__EXPECTED_MAX]);
	void (*json)(const struct fl__config_key *k, FILE *out); /* members of an object */
};

extern const struct fl__config_scalar fl__config_bool, fl__config_word, fl__config_count,
	fl__config_auto_count, fl__config_cpu, fl__config_size, fl__config_seconds,
	fl__config_age, fl__config_instant;
extern const struct fl__config_scalar fl__config_text, fl__config_path, fl__config_name;
extern const struct fl__config_scalar fl__config_endpoint, fl__config_address,
	fl__config_prefix;

struct fl__config_key {
	const char *path; /* "cache.min-ttl" */
	enum fl__config_shape shape;
	const struct fl__config_scalar *scalar; /* FL__ONE, FL__LIST */
	size_t at, n;                           /* offsets of the value, of a list's length */
	size_t size;                            /* octets of a list's element */
	uint64_t min, max;        /* of the value; of a list's length; of a text's length */
	uint16_t port;            /* of an endpoint that names none */
	const char *none;         /* the word for a text that is absent (NULL) */
	const char *const *words; /* by number, then NULL */
	const char *fallback;     /* default as it would stand in the file; NULL: none */
	const char *shown;        /* default for people, where fallback can't tell it */
	const char *bare;         /* member that a record written as a scalar sets */
	bool required;            /* in its record */
	bool restart;             /* a reload does not suffice */
	const char *help;
};

extern const struct fl__config_key fl__config_keys[];
extern const size_t fl__config_n_keys;

/** The row of @p path; a bug when there is none. */
const struct fl__config_key *fl__config_key(const char *path);

/** The row named @p name directly below @p parent (NULL: top level), or NULL. */
const struct fl__config_key *fl__config_child(const struct fl__config_key *parent,
					      const char *name);

/** Walk the rows directly below @p parent: pass NULL as @p previous to begin. */
const struct fl__config_key *fl__config_next(const struct fl__config_key *parent,
					     const struct fl__config_key *previous);

/** The path of the row most like @p name, best among those below @p parent. */
const char *fl__config_nearest(const struct fl__config_key *parent, const char *name);

const char *fl__config_key_name(const struct fl__config_key *k); /* last part of the path */

/** What may stand at @p k: "a size such as 64MiB, 16MiB to 1TiB". */
void fl__config_describe(const struct fl__config_key *k, char buf[static FL__EXPECTED_MAX]);

/** The list of @p k in the struct at @p base: its elements, and their number to @p n. */
void *fl__config_list(const struct fl__config_key *k, const void *base, size_t *n);

/** One more element, zeroed, at the end of that list; NULL: no memory, and the list as it was.
 */
void *fl__config_list_add(const struct fl__config_key *k, void *base);

/** Release what @p k owns in the struct at @p base, and leave it empty. */
void fl__config_drop(const struct fl__config_key *k, void *base);

/** Write the value of @p k in the struct at @p base as YAML that fits on a line. */
void fl__config_write(const struct fl__config_key *k, const void *base, FILE *out);

void fl__config_write_text(const char *text, FILE *out); /* double-quoted, for YAML and JSON */

#endif
