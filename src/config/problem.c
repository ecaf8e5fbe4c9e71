#include "problem.h"

#include <stdarg.h>
#include <string.h>

void fl__config_problem(struct fl__config_problems *p, const struct fl__config_mark *at,
			const char *fmt, ...)
{
	va_list args;

	fprintf(p->out, "%s:%zu:%zu: ", at->file, at->line, at->column);
	va_start(args, fmt);
	vfprintf(p->out, fmt, args);
	va_end(args);
	putc('\n', p->out);
	p->n++;
}

const char *fl__config_quote(const char *text, char buf[static FL__QUOTED_MAX])
{
	const size_t room = FL__QUOTED_MAX - sizeof("''...");
	size_t len = strlen(text);
	const char *more = "";

	if (len > room) {
		len = room;
		while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80) {
			len--; /* an octet that continues a character, RFC 3629 3 */
		}
		more = "...";
	}
	snprintf(buf, FL__QUOTED_MAX, "'%.*s%s'", (int)len, text, more);
	return buf;
}
