/* JSON Schema of the configuration, draft 2020-12, from the table. */
#include "schema.h"
#include "tree.h"

#include <string.h>

static void indent(unsigned deep, FILE *out)
{
	fprintf(out, "\n%*s", (int)deep * 2, "");
}

/* A default of the table as JSON: numbers and yes/no as such, all else as strings. */
static void print_value(const struct fl__config_node *node, FILE *out)
{
	const char *joint = "";

	if (node->kind == FL__SEQUENCE) {
		putc('[', out);
		for (const struct fl__config_node *e = node->first; e != NULL; e = e->next) {
			fputs(joint, out);
			print_value(e, out);
			joint = ", ";
		}
		putc(']', out);
	} else if (node->kind == FL__MAPPING) {
		fputs("{}", out); /* no default is a mapping with something in it */
	} else if (node->text[0] != '\0' &&
		   strspn(node->text, "0123456789") == strlen(node->text)) {
		fputs(node->text, out);
	} else if (strcmp(node->text, "yes") == 0 || strcmp(node->text, "no") == 0) {
		fputs(node->text[0] == 'y' ? "true" : "false", out);
	} else {
		fl__config_write_text(node->text, out);
	}
}

static void print_default(const struct fl__config_key *k, unsigned deep, FILE *out)
{
	struct fl__config_problems problems = { .out = out };
	struct fl__config_node *root = NULL;

	if (k->fallback == NULL || fl__config_yaml(k->fallback, strlen(k->fallback), k->path,
						   &problems, &root) != FL_OK) {
		return;
	}
	putc(',', out);
	indent(deep, out);
	fputs("\"default\": ", out);
	print_value(root, out);
	fl__config_node_free(root);
}

static void print_key(const struct fl__config_key *k, unsigned deep, FILE *out);

static void print_required(const struct fl__config_key *parent, unsigned deep, FILE *out)
{
	const struct fl__config_key *k = NULL;
	const char *joint = "";
	bool any = false;

	while ((k = fl__config_next(parent, k)) != NULL) {
		if (!k->required) {
			continue;
		}
		if (!any) {
			putc(',', out);
			indent(deep, out);
			fputs("\"required\": [", out);
			any = true;
		}
		fprintf(out, "%s\"%s\"", joint, fl__config_key_name(k));
		joint = ", ";
	}
	fputs(any ? "]" : "", out);
}

/* The members of an object schema: the rows below @p parent. */
static void print_object(const struct fl__config_key *parent, unsigned deep, FILE *out)
{
	const struct fl__config_key *k = NULL;
	const char *joint = "";

	fputs("\"type\": \"object\",", out);
	indent(deep, out);
	fputs("\"additionalProperties\": false", out);
	print_required(parent, deep, out);
	putc(',', out);
	indent(deep, out);
	fputs("\"properties\": {", out);
	while ((k = fl__config_next(parent, k)) != NULL) {
		fputs(joint, out);
		indent(deep + 1, out);
		fprintf(out, "\"%s\": {", fl__config_key_name(k));
		print_key(k, deep + 2, out);
		indent(deep + 1, out);
		putc('}', out);
		joint = ",";
	}
	indent(deep, out);
	putc('}', out);
}

static void begin_choice(const char *joint, unsigned deep, FILE *out)
{
	fputs(joint, out);
	indent(deep, out);
	putc('{', out);
	indent(deep + 1, out);
}

static void end_choice(unsigned deep, FILE *out)
{
	indent(deep, out);
	putc('}', out);
}

/* A mapping of the row's children, or @p scalar's form. */
static void print_choice(const struct fl__config_key *k, const struct fl__config_key *scalar,
			 unsigned deep, FILE *out)
{
	fputs("\"anyOf\": [", out);
	begin_choice("", deep + 1, out);
	scalar->scalar->json(scalar, out);
	end_choice(deep + 1, out);
	begin_choice(",", deep + 1, out);
	print_object(k, deep + 2, out);
	end_choice(deep + 1, out);
	indent(deep, out);
	putc(']', out);
}

static void print_list(const struct fl__config_key *k, unsigned deep, FILE *out)
{
	fprintf(out, "\"type\": \"array\", \"minItems\": %llu, \"maxItems\": %llu,",
		(unsigned long long)k->min, (unsigned long long)k->max);
	indent(deep, out);
	fputs("\"items\": {", out);
	indent(deep + 1, out);
	if (k->shape == FL__LIST) {
		k->scalar->json(k, out);
	} else if (k->bare != NULL) {
		print_choice(k, fl__config_child(k, k->bare), deep + 1, out);
	} else {
		print_object(k, deep + 1, out);
	}
	indent(deep, out);
	putc('}', out);
}

static void print_raw(unsigned deep, FILE *out)
{
	static const char value[] = "\"type\": [\"string\", \"boolean\", \"number\"]";

	fputs("\"type\": \"object\",", out);
	indent(deep, out);
	fputs("\"propertyNames\": {\"pattern\": \"^[a-z0-9-]{1,64}$\"},", out);
	indent(deep, out);
	fprintf(out,
		"\"additionalProperties\": {\"anyOf\": [{%s}, {\"type\": \"array\", \"items\": "
		"{%s}}]}",
		value, value);
}

static void print_shape(const struct fl__config_key *k, unsigned deep, FILE *out)
{
	switch (k->shape) {
	case FL__ONE:
		if (fl__config_next(k, NULL) != NULL) {
			print_choice(k, k, deep, out);
		} else {
			k->scalar->json(k, out);
		}
		return;
	case FL__LIST:
	case FL__RECORDS:
		print_list(k, deep, out);
		return;
	case FL__GROUP:
		print_object(k, deep, out);
		return;
	case FL__RAW:
		print_raw(deep, out);
		return;
	case FL__INCLUDE:
		fputs("\"type\": [\"string\", \"array\"], \"items\": {\"type\": \"string\"}",
		      out);
		return;
	case FL__LATER:
		fputs(k->fallback[0] == '[' ? "\"type\": \"array\", \"maxItems\": 0"
					    : "\"type\": \"object\", \"maxProperties\": 0",
		      out);
		return;
	}
}

static void print_key(const struct fl__config_key *k, unsigned deep, FILE *out)
{
	indent(deep, out);
	fputs("\"description\": ", out);
	fl__config_write_text(k->help, out);
	putc(',', out);
	indent(deep, out);
	print_shape(k, deep, out);
	print_default(k, deep, out);
}

void fl_config_print_json_schema(FILE *out)
{
	fputs("{\n  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n"
	      "  \"title\": \"fairlead.yaml\",\n"
	      "  \"description\": \"Configuration of Fairlead " FL_VERSION "\",\n  ",
	      out);
	print_object(NULL, 1, out);
	fputs("\n}\n", out);
}
