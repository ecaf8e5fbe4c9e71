#include "fairlead/wire/name.h"

#include <string.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* One octet of a label, escaped or not; *text moves behind it. RFC 1035 5.1. */
static enum fl_err octet_from_text(const char **text, uint8_t *out)
{
	const char *t = *text;
	if (t[0] != '\\') {
		*out = (uint8_t)t[0];
		*text = t + 1;
		return FL_OK;
	}
	if (t[1] == '\0') {
		return FL_EMALFORMED;
	}
	if (!is_digit(t[1])) {
		*out = (uint8_t)t[1];
		*text = t + 2;
		return FL_OK;
	}
	if (!is_digit(t[2]) || !is_digit(t[3])) { /* a NUL is no digit: never read past it */
		return FL_EMALFORMED;
	}
	const int v = (t[1] - '0') * 100 + (t[2] - '0') * 10 + (t[3] - '0');
	if (v > UINT8_MAX) {
		return FL_EMALFORMED;
	}
	*out = (uint8_t)v;
	*text = t + 4;
	return FL_OK;
}

/* One label into out, its length octet in front; *text stops at a dot or the end. */
static enum fl_err label_from_text(const char **text, uint8_t out[static FL_LABEL_MAX + 1])
{
	unsigned n = 0;
	while (**text != '\0' && **text != '.') {
		uint8_t octet;
		enum fl_err err = octet_from_text(text, &octet);
		if (err != FL_OK) {
			return err;
		}
		if (n == FL_LABEL_MAX) {
			return FL_EMALFORMED;
		}
		out[++n] = octet;
	}
	out[0] = (uint8_t)n;
	return n > 0 ? FL_OK : FL_EMALFORMED;
}

enum fl_err fl_name_from_text(const char *text, uint8_t out[static FL_NAME_MAX],
			      size_t *out_len)
{
	uint8_t name[FL_NAME_MAX];
	size_t n = 0;
	if (strcmp(text, ".") == 0) {
		out[0] = 0;
		*out_len = 1;
		return FL_OK;
	}
	do {
		uint8_t label[FL_LABEL_MAX + 1];
		enum fl_err err = label_from_text(&text, label);
		if (err != FL_OK) {
			return err;
		}
		if (n + 1U + label[0] >= FL_NAME_MAX) { /* the root label has to follow */
			return FL_EMALFORMED;
		}
		memcpy(name + n, label, 1U + label[0]);
		n += 1U + label[0];
		if (*text == '.') {
			text++;
		}
	} while (*text != '\0');
	name[n++] = 0;
	memcpy(out, name, n);
	*out_len = n;
	return FL_OK;
}

static char *octet_to_text(char *to, uint8_t octet)
{
	if (octet == '.' || octet == '\\') {
		*to++ = '\\';
		*to++ = (char)octet;
	} else if (octet > ' ' && octet < 0x7F) {
		*to++ = (char)octet;
	} else {
		*to++ = '\\';
		*to++ = (char)('0' + octet / 100);
		*to++ = (char)('0' + octet / 10 % 10);
		*to++ = (char)('0' + octet % 10);
	}
	return to;
}

const char *fl_name_to_text(const uint8_t *name, char buf[static FL_NAME_TEXT_MAX])
{
	char *to = buf;
	if (*name == 0) {
		*to++ = '.';
	}
	while (*name != 0) {
		const uint8_t *end = name + 1 + *name;
		while (++name < end) {
			to = octet_to_text(to, *name);
		}
		*to++ = '.';
	}
	*to = '\0';
	return buf;
}
