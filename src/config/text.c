/* Scalars that stay text: identity and reason, paths, domain names. */
#include "schema.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void fl__config_write_text(const char *text, FILE *out)
{
	/* a read text holds no control character, so these two need escaping and no others */
	putc('"', out);
	for (const char *c = text; *c != '\0'; c++) {
		if (*c == '"' || *c == '\\') {
			putc('\\', out);
		}
		putc(*c, out);
	}
	putc('"', out);
}

/* The target is zero, or holds an earlier value that is the caller's to release. */
static enum fl_err keep(const char *text, void *to)
{
	char *copy = strdup(text);

	if (copy == NULL) {
		return FL_ENOMEM;
	}
	*(char **)to = copy;
	return FL_OK;
}

static bool is_none(const struct fl__config_key *k, const char *text)
{
	return k->none != NULL && strcmp(text, k->none) == 0;
}

static void drop_text(void *at)
{
	free(*(char **)at);
	*(char **)at = NULL;
}

static void write_kept(const struct fl__config_key *k, const void *from, FILE *out)
{
	const char *text = *(char *const *)from;

	if (text == NULL) {
		fputs(k->none != NULL ? k->none : "\"\"", out);
		return;
	}
	fl__config_write_text(text, out);
}

static enum fl_err text_read(const struct fl__config_key *k, const char *text, void *to)
{
	const size_t len = strlen(text);

	if (is_none(k, text)) {
		*(char **)to = NULL;
		return FL_OK;
	}
	return len >= k->min && len <= k->max ? keep(text, to) : FL_EINVALID;
}

static void text_describe(const struct fl__config_key *k, char buf[static FL__EXPECTED_MAX])
{
	snprintf(buf, FL__EXPECTED_MAX, "%s%sa text of %" PRIu64 " to %" PRIu64 " octets",
		 k->none != NULL ? k->none : "", k->none != NULL ? " or " : "", k->min, k->max);
}

static void text_json(const struct fl__config_key *k, FILE *out)
{
	fprintf(out,
		"\"type\": \"string\", \"minLength\": %" PRIu64 ", \"maxLength\": %" PRIu64,
		k->min, k->max);
}

const struct fl__config_scalar fl__config_text = { text_read, write_kept, drop_text,
						   text_describe, text_json };

enum { PATH_OCTETS_MAX = 4095 }; /* PATH_MAX without its NUL */

static uint64_t path_max(const struct fl__config_key *k)
{
	return k->shape == FL__ONE ? k->max : PATH_OCTETS_MAX;
}

/*
 * Absolute, since roles run in other folders than the one who wrote the file.
 * No quotes and backslashes: paths stand in the engine's generated file too.
 */
static enum fl_err path_read(const struct fl__config_key *k, const char *text, void *to)
{
	if (is_none(k, text)) {
		*(char **)to = NULL;
		return FL_OK;
	}
	if (text[0] != '/' || strpbrk(text, "\"\\") != NULL || strlen(text) > path_max(k)) {
		return FL_EINVALID;
	}
	return keep(text, to);
}

static void path_describe(const struct fl__config_key *k, char buf[static FL__EXPECTED_MAX])
{
	snprintf(buf, FL__EXPECTED_MAX,
		 "%s%san absolute path of at most %" PRIu64
		 " octets, without quote or backslash",
		 k->none != NULL ? k->none : "", k->none != NULL ? " or " : "", path_max(k));
}

static void path_json(const struct fl__config_key *k, FILE *out)
{
	fprintf(out, "\"type\": \"string\", \"maxLength\": %" PRIu64 ", \"pattern\": \"^",
		path_max(k));
	if (k->none != NULL) {
		fprintf(out, "%s$|^", k->none);
	}
	fputs("/[^\\\"\\\\\\\\]*$\"", out);
}

const struct fl__config_scalar fl__config_path = { path_read, write_kept, drop_text,
						   path_describe, path_json };

enum { LABEL_MAX = 63, NAME_MAX_OCTETS = 255 }; /* RFC 1035 2.3.4 */

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_' || c == '/'; /* the last: RFC 2317 4 */
}

/*
 * Presentation form of RFC 1035 5.1, with \DDD as the only escape: with others a
 * quote or a blank would go where names are written between quotes.
 */
static bool is_name(const char *text)
{
	size_t label = 0, wire = 1; /* the root's length octet */

	for (const char *c = text; *c != '\0'; c++) {
		if (*c == '.') {
			if (label == 0) {
				return false;
			}
			label = 0;
			continue;
		}
		if (*c == '\\') {
			char *end;
			if (strspn(c + 1, "0123456789") < 3) {
				return false;
			}
			const char ddd[4] = { c[1], c[2], c[3], '\0' };
			if (strtoul(ddd, &end, 10) > UINT8_MAX) {
				return false;
			}
			c += 3;
		} else if (!is_name_char(*c)) {
			return false;
		}
		wire += label == 0 ? 2 : 1; /* a new label has a length octet */
		label++;
		if (label > LABEL_MAX || wire > NAME_MAX_OCTETS) {
			return false;
		}
	}
	return text[0] != '\0';
}

static enum fl_err name_read(const struct fl__config_key *k, const char *text, void *to)
{
	char absolute[NAME_MAX_OCTETS * 4 + 2];
	const size_t len = strlen(text);

	(void)k;
	if (strcmp(text, ".") == 0) {
		return keep(text, to);
	}
	if (!is_name(text)) {
		return FL_EINVALID;
	}
	snprintf(absolute, sizeof(absolute), "%s%s", text, text[len - 1] == '.' ? "" : ".");
	return keep(absolute, to);
}

static void name_describe(const struct fl__config_key *k, char buf[static FL__EXPECTED_MAX])
{
	(void)k;
	strcpy(buf, "a domain name in letters, digits, - _ / and \\DDD (xn-- for others), at "
		    "most 63 "
		    "octets a label and 255 in all");
}

static void name_json(const struct fl__config_key *k, FILE *out)
{
	(void)k;
	fputs("\"type\": \"string\", \"pattern\": \"^[A-Za-z0-9_/.\\\\\\\\-]+$\"", out);
}

const struct fl__config_scalar fl__config_name = { name_read, write_kept, drop_text,
						   name_describe, name_json };
