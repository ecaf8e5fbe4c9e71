#include "given.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

struct given given_octets(const char *text, size_t len)
{
	struct given g = { 0 };
	size_t size;
	FILE *out = open_memstream(&g.problems, &size);

	cr_assert_not_null(out);
	g.err = fl_config_parse_text(text, len, "t", out, &g.config);
	fclose(out);
	return g;
}

struct given given_text(const char *text)
{
	return given_octets(text, strlen(text));
}

struct given given_file(const char *path)
{
	struct given g = { 0 };
	size_t size;
	FILE *out = open_memstream(&g.problems, &size);

	cr_assert_not_null(out);
	g.err = fl_config_read(path, out, &g.config);
	fclose(out);
	return g;
}

void given_free(struct given *g)
{
	fl_config_free(g->config);
	free(g->problems);
}

char *given_dump(const struct fl_config *c)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	cr_assert_not_null(out);
	cr_assert_eq(fl_config_dump(c, out), FL_OK);
	fclose(out);
	return text;
}

bool given_has_line(const char *text, const char *line)
{
	const size_t len = strlen(line);

	for (const char *at = text; (at = strstr(at, line)) != NULL; at++) {
		if ((at == text || at[-1] == '\n') && (at[len] == '\n' || at[len] == '\0')) {
			return true;
		}
	}
	return false;
}
