/* From a node of the text to a value of the snapshot. */
#include "load.h"

#include <string.h>

static void out_of_memory(struct fl__config_load *l)
{
	l->problems.err = FL_ENOMEM;
}

static void report_kind(struct fl__config_load *l, const struct fl__config_key *k,
			const struct fl__config_node *node)
{
	char expected[FL__EXPECTED_MAX];
	const char *kind = node->kind == FL__SEQUENCE  ? "is a list"
			   : node->kind == FL__MAPPING ? "is a mapping"
			   : node->null                ? "is empty"
						       : "is a single value";

	fl__config_describe(k, expected);
	fl__config_problem(&l->problems, &node->mark, "%s %s, %s expected", k->path, kind,
			   expected);
}

static void bind_scalar(struct fl__config_load *l, const struct fl__config_key *k,
			const struct fl__config_node *node, void *to)
{
	char quoted[FL__QUOTED_MAX], expected[FL__EXPECTED_MAX];

	if (node->skip) {
		return;
	}
	k->scalar->describe(k, expected);
	if (node->kind != FL__SCALAR || node->null) {
		fl__config_problem(&l->problems, &node->mark, "%s %s %s, %s expected", k->path,
				   k->shape == FL__LIST ? "holds" : "is",
				   node->kind == FL__SEQUENCE  ? "a list"
				   : node->kind == FL__MAPPING ? "a mapping"
				   : k->shape == FL__LIST      ? "an empty value"
							       : "empty",
				   expected);
		return;
	}
	const enum fl_err err = k->scalar->read(k, node->text, to);
	if (err == FL_ENOMEM) {
		out_of_memory(l);
	} else if (err != FL_OK) {
		fl__config_problem(&l->problems, &node->mark, "%s %s %s, %s expected", k->path,
				   k->shape == FL__LIST ? "holds" : "is",
				   fl__config_quote(node->text, quoted), expected);
	}
}

void fl__config_unknown(struct fl__config_load *l, const struct fl__config_key *parent,
			const struct fl__config_node *name)
{
	char quoted[FL__QUOTED_MAX];

	fl__config_problem(&l->problems, &name->mark,
			   "unknown key %s, a key of %s expected, nearest is '%s'",
			   fl__config_quote(name->text, quoted),
			   parent != NULL ? parent->path : "the top level",
			   fl__config_nearest(parent, name->text));
}

static const struct fl__config_node *member_value(const struct fl__config_node *mapping,
						  const char *name)
{
	for (const struct fl__config_node *k = mapping->first; k != NULL; k = k->next) {
		if (k->text != NULL && strcmp(k->text, name) == 0) {
			return k->value;
		}
	}
	return NULL;
}

/* A member that the text leaves out. */
static void bind_absent(struct fl__config_load *l, const struct fl__config_key *member,
			const struct fl__config_key *k, const struct fl__config_node *node,
			void *base)
{
	if (member->required) {
		fl__config_problem(&l->problems, &node->mark,
				   "an entry of %s without %s, one with expected", k->path,
				   fl__config_key_name(member));
	} else {
		fl__config_bind_fallback(l, member, base);
	}
}

/* The members of the mapping @p node, and those that it leaves out. */
static void bind_members(struct fl__config_load *l, const struct fl__config_key *k,
			 const struct fl__config_node *node, void *base)
{
	const struct fl__config_key *member = NULL;

	for (const struct fl__config_node *name = node->first; name != NULL;
	     name = name->next) {
		if (name->skip) {
			continue;
		}
		member = fl__config_child(k, name->text);
		if (member == NULL) {
			fl__config_unknown(l, k, name);
		} else {
			fl__config_bind(l, member, name->value, base);
		}
	}
	member = NULL;
	while ((member = fl__config_next(k, member)) != NULL) {
		if (member_value(node, fl__config_key_name(member)) == NULL) {
			bind_absent(l, member, k, node, base);
		}
	}
}

/* An entry that is only a name: the member k->bare, and the others absent. */
static void bind_bare(struct fl__config_load *l, const struct fl__config_key *k,
		      const struct fl__config_node *node, void *base)
{
	const struct fl__config_key *member = NULL;

	while ((member = fl__config_next(k, member)) != NULL) {
		if (strcmp(fl__config_key_name(member), k->bare) == 0) {
			fl__config_bind(l, member, node, base);
		} else {
			bind_absent(l, member, k, node, base);
		}
	}
}

static void bind_record(struct fl__config_load *l, const struct fl__config_key *k,
			const struct fl__config_node *node, void *base)
{
	if (node->kind == FL__MAPPING) {
		bind_members(l, k, node, base);
	} else if (node->kind == FL__SCALAR && !node->null && k->bare != NULL) {
		bind_bare(l, k, node, base);
	} else {
		fl__config_problem(&l->problems, &node->mark, "%s holds %s, %s expected",
				   k->path,
				   node->kind == FL__SEQUENCE ? "a list" : "a single value",
				   k->bare != NULL ? "a mapping or a name" : "a mapping");
	}
}

static size_t length(const struct fl__config_node *list)
{
	size_t n = 0;

	for (const struct fl__config_node *e = list->first; e != NULL; e = e->next) {
		n++;
	}
	return n;
}

static void bind_list(struct fl__config_load *l, const struct fl__config_key *k,
		      const struct fl__config_node *node, void *base)
{
	char expected[FL__EXPECTED_MAX];

	if (node->kind != FL__SEQUENCE) {
		report_kind(l, k, node);
		return;
	}
	const size_t n = length(node);
	if (n < k->min || n > k->max) {
		fl__config_describe(k, expected);
		fl__config_problem(&l->problems, &node->mark, "%s has %zu values, %s expected",
				   k->path, n, expected);
		return;
	}
	for (const struct fl__config_node *e = node->first; e != NULL; e = e->next) {
		void *element = fl__config_list_add(k, base);
		if (element == NULL) {
			out_of_memory(l);
			return;
		}
		if (k->shape == FL__RECORDS) {
			bind_record(l, k, e, element);
		} else {
			bind_scalar(l, k, e, element);
		}
	}
}

static void bind_one(struct fl__config_load *l, const struct fl__config_key *k,
		     const struct fl__config_node *node, void *base)
{
	if (node->kind == FL__MAPPING && fl__config_next(k, NULL) != NULL) {
		bind_members(l, k, node, base);
		return;
	}
	bind_scalar(l, k, node, (char *)base + k->at);
}

static void bind_later(struct fl__config_load *l, const struct fl__config_key *k,
		       const struct fl__config_node *node)
{
	const bool list = k->fallback[0] == '[';

	if (node->kind == (list ? FL__SEQUENCE : FL__MAPPING) && node->first == NULL) {
		return;
	}
	fl__config_problem(&l->problems, &node->mark,
			   "%s is not in this version yet, %s expected", k->path, k->fallback);
}

void fl__config_bind(struct fl__config_load *l, const struct fl__config_key *k,
		     const struct fl__config_node *node, void *base)
{
	switch (k->shape) {
	case FL__ONE:
		bind_one(l, k, node, base);
		return;
	case FL__LIST:
	case FL__RECORDS:
		bind_list(l, k, node, base);
		return;
	case FL__RAW:
		fl__config_bind_raw(l, k, node, base);
		return;
	case FL__LATER:
		bind_later(l, k, node);
		return;
	case FL__GROUP:
	case FL__INCLUDE:
		return; /* the walk over files does these */
	}
}
