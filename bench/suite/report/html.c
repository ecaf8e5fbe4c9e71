#include "report/report.h"

#include <stdlib.h>
#include <string.h>

/* page.html, as the build puts it in: zero-terminated. */
extern const char report_page[];

/* JSON in a script element: only "</" and "<!" could end or open anything there. */
static void put_escaped(const char *json, FILE *out)
{
	for (; *json != '\0'; json++) {
		if (*json == '<') {
			fputs("\\u003c", out);
		} else {
			fputc(*json, out);
		}
	}
}

bool report_html(const json_t *root, FILE *out)
{
	static const char mark[] = "@DATA@";
	const char *at = strstr(report_page, mark);
	char *json = json_dumps(root, JSON_COMPACT);
	if (at == NULL || json == NULL) {
		free(json);
		return false;
	}
	fwrite(report_page, 1, (size_t)(at - report_page), out);
	put_escaped(json, out);
	fputs(at + sizeof(mark) - 1, out);
	free(json);
	return ferror(out) == 0;
}
