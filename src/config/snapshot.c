/* A snapshot's memory and its text. */
#include "schema.h"

#include <stdlib.h>
#include <string.h>

static void *place(const void *base, size_t offset)
{
	return (char *)(uintptr_t)base + offset;
}

/* All object pointers have one representation here, so that one reader serves every list. */
void *fl__config_list(const struct fl__config_key *k, const void *base, size_t *n)
{
	void *at;

	memcpy(n, place(base, k->n), sizeof(*n));
	memcpy(&at, place(base, k->at), sizeof(at));
	return at;
}

void *fl__config_list_add(const struct fl__config_key *k, void *base)
{
	size_t n;
	char *at = fl__config_list(k, base, &n);

	char *grown = reallocarray(at, n + 1, k->size);
	if (grown == NULL) {
		return NULL;
	}
	void *added = grown + n * k->size;
	memset(added, 0, k->size);
	n++;
	memcpy(place(base, k->at), &grown, sizeof(grown));
	memcpy(place(base, k->n), &n, sizeof(n));
	return added;
}

static void drop_element(const struct fl__config_key *k, void *element)
{
	if (k->shape == FL__LIST) {
		if (k->scalar->drop != NULL) {
			k->scalar->drop(element);
		}
		return;
	}
	if (k->shape == FL__RAW) {
		struct fl_config_raw *raw = element;
		free(raw->name);
		free(raw->value);
		return;
	}
	const struct fl__config_key *member = NULL;
	while ((member = fl__config_next(k, member)) != NULL) {
		fl__config_drop(member, element);
	}
}

static void drop_list(const struct fl__config_key *k, void *base)
{
	size_t n;
	char *at = fl__config_list(k, base, &n);

	for (size_t i = 0; i < n; i++) {
		drop_element(k, at + i * k->size);
	}
	free(at);
	memset(place(base, k->at), 0, sizeof(void *));
	memset(place(base, k->n), 0, sizeof(size_t));
}

void fl__config_drop(const struct fl__config_key *k, void *base)
{
	const struct fl__config_key *child = NULL;

	switch (k->shape) {
	case FL__ONE:
		if (k->scalar->drop != NULL) {
			k->scalar->drop(place(base, k->at));
		}
		while ((child = fl__config_next(k, child)) != NULL) {
			fl__config_drop(child, base);
		}
		return;
	case FL__LIST:
	case FL__RECORDS:
	case FL__RAW:
		drop_list(k, base);
		return;
	case FL__GROUP:
	case FL__INCLUDE:
	case FL__LATER:
		return;
	}
}

static void drop_below(const struct fl__config_key *parent, struct fl_config *c)
{
	const struct fl__config_key *k = NULL;

	while ((k = fl__config_next(parent, k)) != NULL) {
		if (k->shape == FL__GROUP) {
			drop_below(k, c);
		} else {
			fl__config_drop(k, c);
		}
	}
}

void fl_config_free(struct fl_config *c)
{
	if (c != NULL) {
		drop_below(NULL, c);
		free(c);
	}
}

static bool is_absent(const struct fl__config_key *member, const void *record)
{
	return member->scalar == &fl__config_instant &&
	       *(const int64_t *)place(record, member->at) == 0;
}

static void write_members(const struct fl__config_key *k, const void *record, FILE *out)
{
	const struct fl__config_key *member = NULL;
	const char *joint = "";

	putc('{', out);
	while ((member = fl__config_next(k, member)) != NULL) {
		if (is_absent(member, record)) {
			continue;
		}
		fprintf(out, "%s%s: ", joint, fl__config_key_name(member));
		fl__config_write(member, record, out);
		joint = ", ";
	}
	putc('}', out);
}

static void write_list(const struct fl__config_key *k, const void *base, FILE *out)
{
	size_t n;
	const char *at = fl__config_list(k, base, &n);

	putc('[', out);
	for (size_t i = 0; i < n; i++) {
		fputs(i > 0 ? ", " : "", out);
		if (k->shape == FL__RECORDS) {
			write_members(k, at + i * k->size, out);
		} else {
			k->scalar->write(k, at + i * k->size, out);
		}
	}
	putc(']', out);
}

/* Repeats stand side by side: they came from one list. */
static void write_raw(const struct fl__config_key *k, const void *base, FILE *out)
{
	size_t n;
	const struct fl_config_raw *at = fl__config_list(k, base, &n);

	putc('{', out);
	for (size_t i = 0; i < n; i++) {
		if (i == 0 || strcmp(at[i - 1].name, at[i].name) != 0) {
			fputs(i > 0 ? "], " : "", out);
			fl__config_write_text(at[i].name, out);
			fputs(": [", out);
		} else {
			fputs(", ", out);
		}
		fl__config_write_text(at[i].value, out);
	}
	fputs(n > 0 ? "]}" : "}", out);
}

/* The mapping form of a value says more than the scalar form: one of its lists is set. */
static bool needs_members(const struct fl__config_key *k, const void *base)
{
	const struct fl__config_key *member = NULL;
	size_t n = 0;

	while (n == 0 && (member = fl__config_next(k, member)) != NULL) {
		if (member->shape == FL__LIST) {
			fl__config_list(member, base, &n);
		}
	}
	return n > 0;
}

void fl__config_write(const struct fl__config_key *k, const void *base, FILE *out)
{
	switch (k->shape) {
	case FL__ONE:
		if (needs_members(k, base)) {
			write_members(k, base, out);
		} else {
			k->scalar->write(k, place(base, k->at), out);
		}
		return;
	case FL__LIST:
	case FL__RECORDS:
		write_list(k, base, out);
		return;
	case FL__RAW:
		write_raw(k, base, out);
		return;
	case FL__LATER:
		fputs(k->fallback, out);
		return;
	case FL__GROUP:
	case FL__INCLUDE:
		return;
	}
}

static void dump_key(const struct fl__config_key *k, const struct fl_config *c,
		     const char *indent, FILE *out)
{
	fprintf(out, "%s%s: ", indent, fl__config_key_name(k));
	fl__config_write(k, c, out);
	putc('\n', out);
}

enum fl_err fl_config_dump(const struct fl_config *c, FILE *out)
{
	const struct fl__config_key *k = NULL;

	while ((k = fl__config_next(NULL, k)) != NULL) {
		if (k->shape == FL__INCLUDE) {
			continue; /* what it brought stands below */
		}
		if (k->shape != FL__GROUP) {
			dump_key(k, c, "", out);
			continue;
		}
		const struct fl__config_key *child = NULL;
		fprintf(out, "%s:\n", k->path);
		while ((child = fl__config_next(k, child)) != NULL) {
			dump_key(child, c, "  ", out);
		}
	}
	return fflush(out) == 0 && !ferror(out) ? FL_OK : FL_ESYSTEM;
}
