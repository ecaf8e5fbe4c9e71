/* The man page and the JSON schema say every key that the table has. */
#include "given.h"
#include "schema.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static char *printed(void (*print)(FILE *))
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	cr_assert_not_null(out);
	print(out);
	fclose(out);
	return text;
}

/* "a-b" as roff has it. */
static void roff(const char *text, char *buf, size_t size)
{
	size_t n = 0;
	for (const char *c = text; *c != '\0' && n + 3 < size; c++) {
		if (*c == '-') {
			buf[n++] = '\\';
		}
		buf[n++] = *c;
	}
	buf[n] = '\0';
}

/* The lines of one key, from its name to the next. */
static char *entry_of(const char *man, const char *path)
{
	char name[128], heading[160];
	roff(path, name, sizeof(name));
	snprintf(heading, sizeof(heading), ".TP\n.B %s\n", name);
	const char *at = strstr(man, heading);
	cr_assert_not_null(at, "the man page has no %s", path);
	const char *end = strstr(at + 1, "\n.TP\n");
	return strndup(at, end != NULL ? (size_t)(end - at) : strlen(at));
}

Test(config_faces, man_has_every_key)
{
	char *man = printed(fl_config_print_man);
	for (size_t i = 0; i < fl__config_n_keys; i++) {
		const struct fl__config_key *k = &fl__config_keys[i];
		char *entry = entry_of(man, k->path);
		if (k->shape != FL__GROUP) {
			cr_expect_not_null(strstr(entry, "\n.br\nValue: "), "%s", k->path);
			cr_expect_not_null(strstr(entry, "\n.br\nDefault: "), "%s", k->path);
			cr_expect_not_null(strstr(entry, k->restart ? "with a restart."
								    : "with a reload."),
					   "%s", k->path);
		}
		free(entry);
	}
	free(man);
}

/* No line of text may be taken for a request: only those that the page means. */
Test(config_faces, man_holds_no_stray_requests)
{
	static const char *const requests[] = { ".TH ", ".SH ", ".TP", ".B ", ".BR ", ".I ",
						".PP",  ".br",  ".nf", ".fi", ".RS ", ".RE" };
	char *man = printed(fl_config_print_man), *rest = man, *line;
	while ((line = strsep(&rest, "\n")) != NULL) {
		bool known = line[0] != '.' && line[0] != '\'';
		for (size_t i = 0; i < FL_COUNT(requests); i++) {
			known |= strncmp(line, requests[i], strlen(requests[i])) == 0;
		}
		cr_expect(known, "%s", line);
	}
	free(man);
}

static json_t *property(json_t *schema, const char *path)
{
	char copy[128], *rest = copy, *name;
	snprintf(copy, sizeof(copy), "%s", path);
	while (schema != NULL && (name = strsep(&rest, ".")) != NULL) {
		json_t *items = json_object_get(schema, "items"), *any;
		schema = items != NULL ? items : schema;
		any = json_object_get(schema, "anyOf");
		schema = any != NULL ? json_array_get(any, 1) : schema;
		cr_expect(json_is_false(json_object_get(schema, "additionalProperties")),
			  "%s: others are allowed beside it", path);
		schema = json_object_get(json_object_get(schema, "properties"), name);
	}
	return schema;
}

Test(config_faces, json_schema_has_every_key)
{
	json_error_t error;
	char *text = printed(fl_config_print_json_schema);
	json_t *schema = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	cr_assert_not_null(schema, "%d:%d: %s", error.line, error.column, error.text);
	cr_expect_str_eq(json_string_value(json_object_get(schema, "$schema")),
			 "https://json-schema.org/draft/2020-12/schema");
	for (size_t i = 0; i < fl__config_n_keys; i++) {
		json_t *p = property(schema, fl__config_keys[i].path);
		cr_assert_not_null(p, "no %s", fl__config_keys[i].path);
		cr_expect_str_eq(json_string_value(json_object_get(p, "description")),
				 fl__config_keys[i].help);
	}
	json_decref(schema);
	free(text);
}

/* A default is what an empty file gives: the table's text must stand for a right value. */
Test(config_faces, every_default_is_a_right_value)
{
	for (size_t i = 0; i < fl__config_n_keys; i++) {
		const struct fl__config_key *k = &fl__config_keys[i];
		char text[512], parent[64] = "";
		const char *dot = strchr(k->path, '.');
		if (k->fallback == NULL || k->shape == FL__INCLUDE ||
		    (dot != NULL && strchr(dot + 1, '.') != NULL)) {
			continue;
		}
		if (dot != NULL) {
			snprintf(parent, sizeof(parent), "%.*s:\n  ", (int)(dot - k->path),
				 k->path);
		}
		snprintf(text, sizeof(text), "%s%s: %s\n", parent, fl__config_key_name(k),
			 k->fallback);
		struct given g = given_text(text);
		cr_expect_eq(g.err, FL_OK, "%s", g.problems);
		given_free(&g);
	}
}
