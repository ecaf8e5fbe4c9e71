/* Files, includes and slots: from a path to a snapshot. */
#include "load.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { INCLUDES_DEEP_MAX = 8 };

static struct fl__config_slot *slot_of(struct fl__config_load *l,
				       const struct fl__config_key *k)
{
	return &l->slots[k - fl__config_keys];
}

struct fl__config_slot *fl__config_slot(struct fl__config_load *l, const char *path)
{
	return slot_of(l, fl__config_key(path));
}

struct fl__config_mark fl__config_slot_mark(struct fl__config_load *l, const char *path)
{
	const struct fl__config_slot *slot = fl__config_slot(l, path);

	return slot->value != NULL ? slot->value->mark
				   : (struct fl__config_mark){ l->name, 1, 1 };
}

void fl__config_bind_fallback(struct fl__config_load *l, const struct fl__config_key *k,
			      void *base)
{
	struct fl__config_node *root = NULL;

	if (k->fallback == NULL) {
		return;
	}
	const enum fl_err err =
		fl__config_yaml(k->fallback, strlen(k->fallback), k->path, &l->problems, &root);
	if (err != FL_OK) {
		l->problems.err = err;
		return;
	}
	fl__config_bind(l, k, root, base);
	fl__config_node_free(root);
}

/* A file's place in the list; its path is its name in messages. NULL: no memory. */
static struct fl__config_file *add_file(struct fl__config_load *l, const char *path)
{
	struct fl__config_file *f = calloc(1, sizeof(*f));

	if (f == NULL || (f->path = strdup(path)) == NULL) {
		free(f);
		l->problems.err = FL_ENOMEM;
		return NULL;
	}
	f->next = l->files;
	l->files = f;
	return f;
}

/* Fill @p k's slot from the pair @p name, unless an earlier file has. */
static void fill_slot(struct fl__config_load *l, const struct fl__config_key *k,
		      const struct fl__config_node *name)
{
	struct fl__config_slot *slot = slot_of(l, k);
	const size_t before = l->problems.n;

	if (slot->key != NULL) {
		const struct fl__config_mark *first = &slot->key->mark;
		fl__config_problem(
			&l->problems, &name->mark,
			"the key '%s' is given twice, once expected, first at %s:%zu:%zu",
			k->path, first->file, first->line, first->column);
		return;
	}
	slot->key = name;
	slot->value = name->value;
	fl__config_bind(l, k, name->value, l->config);
	slot->bad = l->problems.n != before || name->value->skip;
	if (slot->bad) { /* the default in its place, so that the rest can be checked */
		fl__config_drop(k, l->config);
	}
}

static void fill_group(struct fl__config_load *l, const struct fl__config_key *group,
		       const struct fl__config_node *mapping)
{
	for (const struct fl__config_node *name = mapping->first; name != NULL;
	     name = name->next) {
		if (name->skip) {
			continue;
		}
		const struct fl__config_key *k = fl__config_child(group, name->text);
		if (k == NULL) {
			fl__config_unknown(l, group, name);
		} else {
			fill_slot(l, k, name);
		}
	}
}

static void load_file(struct fl__config_load *l, const char *path,
		      const struct fl__config_mark *from, unsigned deep);

/* @p pattern from the folder of @p file, that folder's own name taken literally. */
static char *pattern_beside(const char *file, const char *pattern)
{
	const char *slash = strrchr(file, '/');
	const size_t dir = slash != NULL && pattern[0] != '/' ? (size_t)(slash - file) + 1 : 0;
	char *joined = malloc(dir * 2 + strlen(pattern) + 1), *to = joined;

	if (joined == NULL) {
		return NULL;
	}
	for (size_t i = 0; i < dir; i++) {
		if (strchr("*?[\\", file[i]) != NULL) {
			*to++ = '\\';
		}
		*to++ = file[i];
	}
	strcpy(to, pattern);
	return joined;
}

/* A folder that is not there holds nothing; one that can't be read may hold what matters. */
static int is_fatal(const char *path, int err)
{
	(void)path;
	return err != ENOENT && err != ENOTDIR;
}

static void include_pattern(struct fl__config_load *l, const struct fl__config_node *node,
			    unsigned deep)
{
	char quoted[FL__QUOTED_MAX];
	glob_t found = { 0 };

	char *pattern = pattern_beside(node->mark.file, node->text);
	if (pattern == NULL) {
		l->problems.err = FL_ENOMEM;
		return;
	}
	const int rc = glob(pattern, 0, is_fatal, &found);
	if (rc == GLOB_NOSPACE) {
		l->problems.err = FL_ENOMEM;
	} else if (rc == GLOB_ABORTED) {
		fl__config_problem(&l->problems, &node->mark,
				   "include %s leads to a folder that can't be read, a "
				   "readable one expected",
				   fl__config_quote(node->text, quoted));
		l->problems.err = FL_ESYSTEM;
	} else if (rc == GLOB_NOMATCH && strpbrk(node->text, "*?[") == NULL) {
		fl__config_problem(&l->problems, &node->mark,
				   "include %s matches nothing, a file expected",
				   fl__config_quote(node->text, quoted));
	}
	for (size_t i = 0; rc == 0 && i < found.gl_pathc; i++) {
		load_file(l, found.gl_pathv[i], &node->mark, deep + 1);
	}
	globfree(&found);
	free(pattern);
}

static void include_one(struct fl__config_load *l, const struct fl__config_key *k,
			const struct fl__config_node *node, unsigned deep)
{
	if (node->skip) {
		return;
	}
	if (node->kind != FL__SCALAR || node->null || node->text[0] == '\0') {
		fl__config_problem(&l->problems, &node->mark,
				   "%s holds no text, a pattern of file names expected",
				   k->path);
	} else if (!l->from_files) {
		fl__config_problem(&l->problems, &node->mark,
				   "%s in a text that is no file, a text without it expected",
				   k->path);
	} else {
		include_pattern(l, node, deep);
	}
}

static void include(struct fl__config_load *l, const struct fl__config_key *k,
		    const struct fl__config_node *node, unsigned deep)
{
	if (node->kind == FL__SEQUENCE) {
		for (const struct fl__config_node *e = node->first; e != NULL; e = e->next) {
			include_one(l, k, e, deep);
		}
		return;
	}
	include_one(l, k, node, deep);
}

static void fill_pair(struct fl__config_load *l, const struct fl__config_node *name,
		      unsigned deep)
{
	const struct fl__config_key *k = fl__config_child(NULL, name->text);

	if (k == NULL) {
		fl__config_unknown(l, NULL, name);
	} else if (k->shape == FL__INCLUDE) {
		include(l, k, name->value, deep);
	} else if (k->shape != FL__GROUP) {
		fill_slot(l, k, name);
	} else if (name->value->kind == FL__MAPPING) {
		fill_group(l, k, name->value);
	} else {
		fl__config_problem(&l->problems, &name->value->mark,
				   "%s is %s, a mapping expected", k->path,
				   name->value->null                   ? "empty"
				   : name->value->kind == FL__SEQUENCE ? "a list"
								       : "a single value");
	}
}

static void fill_root(struct fl__config_load *l, const struct fl__config_node *root,
		      unsigned deep)
{
	if (root == NULL || root->null) { /* an empty text, or one of comments */
		return;
	}
	if (root->kind != FL__MAPPING) {
		fl__config_problem(
			&l->problems, &root->mark,
			"no mapping, keys and values such as 'listen: [127.0.0.1@53]' "
			"expected");
		return;
	}
	for (const struct fl__config_node *name = root->first; name != NULL;
	     name = name->next) {
		if (!name->skip) {
			fill_pair(l, name, deep);
		}
	}
}

static void fill_from(struct fl__config_load *l, struct fl__config_file *f, const char *text,
		      size_t len, unsigned deep)
{
	const enum fl_err err = fl__config_yaml(text, len, f->path, &l->problems, &f->root);

	if (err == FL_OK) {
		fill_root(l, f->root, deep);
	} else if (err != FL_EINVALID) {
		l->problems.err = err;
	}
}

/* Read up to one octet more than is allowed; its length, or -1 with errno. */
static ssize_t read_all(int fd, char *text, size_t room)
{
	size_t len = 0;

	while (len < room) {
		const ssize_t n = read(fd, text + len, room - len);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return -1;
		}
		if (n == 0) {
			break;
		}
		len += (size_t)n;
	}
	return (ssize_t)len;
}

static void report_unreadable(struct fl__config_load *l, const char *path,
			      const struct fl__config_mark *from)
{
	const struct fl__config_mark start = { path, 1, 1 };
	const int why = errno;

	fl__config_problem(&l->problems, from != NULL ? from : &start,
			   "%s: %s, a readable file expected", path, strerror(why));
	l->problems.err = FL_ESYSTEM;
}

/* A file by two ways is most likely a loop, and never needed: its keys would be given twice. */
static bool is_repeated(struct fl__config_load *l, const struct stat *st, const char *path,
			const struct fl__config_mark *from)
{
	for (const struct fl__config_file *f = l->files; f != NULL; f = f->next) {
		if (from != NULL && f->device == st->st_dev && f->number == st->st_ino) {
			fl__config_problem(&l->problems, from,
					   "%s is read a second time, each file once expected",
					   path);
			return true;
		}
	}
	return false;
}

static void load_opened(struct fl__config_load *l, int fd, const char *path,
			const struct fl__config_mark *from, unsigned deep)
{
	struct stat st;

	if (fstat(fd, &st) != 0) {
		report_unreadable(l, path, from);
		return;
	}
	if (is_repeated(l, &st, path, from)) {
		return;
	}
	char *text = malloc(FL__CONFIG_TEXT_MAX + 1);
	struct fl__config_file *f = text != NULL ? add_file(l, path) : NULL;
	if (f == NULL) {
		l->problems.err = FL_ENOMEM;
		free(text);
		return;
	}
	f->device = st.st_dev;
	f->number = st.st_ino;
	const ssize_t len = read_all(fd, text, FL__CONFIG_TEXT_MAX + 1);
	if (len < 0) {
		report_unreadable(l, path, from);
	} else {
		fill_from(l, f, text, (size_t)len, deep);
	}
	free(text);
}

static void load_file(struct fl__config_load *l, const char *path,
		      const struct fl__config_mark *from, unsigned deep)
{
	if (deep > INCLUDES_DEEP_MAX) {
		fl__config_problem(&l->problems, from,
				   "%s is the 9th file in a row, at most 8 "
				   "includes within each other expected",
				   path);
		return;
	}
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		report_unreadable(l, path, from);
		return;
	}
	load_opened(l, fd, path, from, deep);
	close(fd);
}

static enum fl_err load_begin(struct fl__config_load *l, FILE *problems)
{
	*l = (struct fl__config_load){ .problems = { .out = problems } };
	l->slots = calloc(fl__config_n_keys, sizeof(*l->slots));
	l->config = calloc(1, sizeof(*l->config));
	if (l->slots == NULL || l->config == NULL) {
		free(l->slots);
		free(l->config);
		return FL_ENOMEM;
	}
	return FL_OK;
}

static void fill_rest(struct fl__config_load *l, const struct fl__config_key *parent)
{
	const struct fl__config_key *k = NULL;

	while ((k = fl__config_next(parent, k)) != NULL) {
		const struct fl__config_slot *slot = slot_of(l, k);
		if (k->shape == FL__GROUP) {
			fill_rest(l, k);
		} else if (slot->key == NULL || slot->bad) {
			fl__config_bind_fallback(l, k, l->config);
		}
	}
}

static void free_files(struct fl__config_load *l)
{
	while (l->files != NULL) {
		struct fl__config_file *f = l->files;
		l->files = f->next;
		fl__config_node_free(f->root);
		free(f->path);
		free(f);
	}
}

/* Defaults and checks, then either a snapshot or an error, and nothing else left. */
static enum fl_err load_end(struct fl__config_load *l, struct fl_config **out)
{
	if (l->problems.err != FL_ENOMEM) {
		fill_rest(l, NULL);
		fl__config_complete(l);
		fl__config_check(l);
		if (l->from_files) {
			fl__config_check_outside(l);
		}
	}
	enum fl_err err = l->problems.err;
	if (err == FL_OK && l->problems.n > 0) {
		err = FL_EINVALID;
	}
	free_files(l);
	free(l->slots);
	if (err != FL_OK) {
		fl_config_free(l->config);
		return err;
	}
	*out = l->config;
	return FL_OK;
}

enum fl_err fl_config_read(const char *path, FILE *problems, struct fl_config **out)
{
	struct fl__config_load l;
	const enum fl_err err = load_begin(&l, problems);

	if (err != FL_OK) {
		return err;
	}
	l.name = path;
	l.from_files = true;
	load_file(&l, path, NULL, 0);
	return load_end(&l, out);
}

enum fl_err fl_config_parse_text(const char *text, size_t len, const char *name, FILE *problems,
				 struct fl_config **out)
{
	struct fl__config_load l;
	const enum fl_err err = load_begin(&l, problems);

	if (err != FL_OK) {
		return err;
	}
	l.name = name;
	struct fl__config_file *f = add_file(&l, name);
	if (f != NULL) {
		fill_from(&l, f, text, len, 0);
	}
	return load_end(&l, out);
}
