/**
 * @file
 * One reading of a configuration, from its files to a checked snapshot.
 *
 * Trees of all files are kept until the end, since a problem may name a place in
 * an earlier file. A key has a slot; the first file that gives it fills the slot
 * and the value is bound at once, so problems come in the order of the text. What
 * no file gave is bound from the table's fallback, and then the whole is checked.
 */
#ifndef FAIRLEAD_SRC_CONFIG_LOAD_H
#define FAIRLEAD_SRC_CONFIG_LOAD_H

#include "schema.h"
#include "tree.h"

#include <sys/types.h>

struct fl__config_file {
	struct fl__config_file *next;
	char *path;
	struct fl__config_node *root;
	dev_t device; /* with the number: the same file by another name */
	ino_t number;
};

struct fl__config_slot {
	const struct fl__config_node *key, *value; /* NULL: no file gave it */
	bool bad;                                  /* its value was refused */
};

struct fl__config_load {
	struct fl__config_problems problems;
	struct fl__config_file *files; /* newest first */
	struct fl__config_slot *slots; /* by row of the table */
	struct fl_config *config;
	const char *name; /* of the first file, for what stands nowhere */
	bool from_files;  /* the outside counts: other files, the clock, cores */
};

/** The slot of the row @p path. */
struct fl__config_slot *fl__config_slot(struct fl__config_load *l, const char *path);

/** Where a problem of the whole key is said: its value, or the start of the first file. */
struct fl__config_mark fl__config_slot_mark(struct fl__config_load *l, const char *path);

/** Read @p node as the value of @p k into the struct at @p base; problems are reported. */
void fl__config_bind(struct fl__config_load *l, const struct fl__config_key *k,
		     const struct fl__config_node *node, void *base);

/** The same with the value that the table gives; nothing where it gives none. */
void fl__config_bind_fallback(struct fl__config_load *l, const struct fl__config_key *k,
			      void *base);

/** Say that @p name is no key below @p parent (NULL: top level), and which is nearest. */
void fl__config_unknown(struct fl__config_load *l, const struct fl__config_key *parent,
			const struct fl__config_node *name);

/** The options of resolver.libunbound, with the refusals. */
void fl__config_bind_raw(struct fl__config_load *l, const struct fl__config_key *k,
			 const struct fl__config_node *node, void *base);

/** What no single value can tell: completes the snapshot, and reports. */
void fl__config_complete(struct fl__config_load *l);
void fl__config_check(struct fl__config_load *l);

/** Numbers that are still 0: resolvers 3 of 8 cores, fronts the others, each at least 1. */
void fl__config_share_cores(uint32_t cores, uint32_t *resolvers, uint32_t *fronts);

/** What depends on the machine: files, the clock, cores. */
void fl__config_check_outside(struct fl__config_load *l);

#endif
