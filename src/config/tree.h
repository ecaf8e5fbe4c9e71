/**
 * @file
 * YAML text to a tree of nodes, with the place of each.
 *
 * A strict part of YAML 1.1: one document of scalars, lists and mappings, no
 * anchors, aliases, tags or tabs, no control characters even where escaped, eight
 * levels deep at most. What a scalar means is not decided here.
 */
#ifndef FAIRLEAD_SRC_CONFIG_TREE_H
#define FAIRLEAD_SRC_CONFIG_TREE_H

#include "problem.h"

#include <stdbool.h>

enum fl__config_node_kind { FL__SCALAR, FL__SEQUENCE, FL__MAPPING };

struct fl__config_node {
	enum fl__config_node_kind kind;
	bool null;  /* a plain scalar that stands for nothing */
	bool skip;  /* already reported: not to be looked at */
	char *text; /* of a scalar: UTF-8 without control characters */
	struct fl__config_mark mark;
	struct fl__config_node *first, *next; /* elements of a list; keys of a mapping */
	struct fl__config_node *value;        /* of a key */
};

enum { FL__CONFIG_TEXT_MAX = 1024 * 1024 }; /* octets of one file */

/**
 * Read @p text. @p root becomes NULL when it holds no document. Problems that
 * leave a whole tree are only reported; nodes they touch are marked `skip`.
 *
 * @retval FL_EINVALID  problems were reported, and there is no tree
 */
enum fl_err fl__config_yaml(const char *text, size_t len, const char *file,
			    struct fl__config_problems *problems,
			    struct fl__config_node **root) FL_MUST_USE;

void fl__config_node_free(struct fl__config_node *node); /* NULL is fine */

#endif
