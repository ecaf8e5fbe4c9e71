/**
 * @file
 * Covers names: fl_name_expand() from a position that the input's first octet
 * picks, and on what it gives folding, comparing, suffixes, zone part and hash,
 * and the way to text and back; and fl_name_from_text() on the input as text.
 */
#include "fairlead/wire/name.h"

#include "fairlead/wire/reader.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds) {
		abort();
	}
}

static void check_text(const uint8_t *name, size_t len)
{
	char text[FL_NAME_TEXT_MAX];
	uint8_t back[FL_NAME_MAX];
	size_t back_len;
	must(strlen(fl_name_to_text(name, text)) < sizeof(text));
	must(fl_name_from_text(text, back, &back_len) == FL_OK);
	must(back_len == len && memcmp(back, name, len) == 0);
}

static void check_folding(const uint8_t *name, size_t len)
{
	uint8_t lower[FL_NAME_MAX];
	fl_name_lower(lower, name, len);
	for (size_t i = 0; i < len; i++) {
		const bool upper = name[i] >= 'A' && name[i] <= 'Z';
		must(lower[i] == (upper ? name[i] + 32 : name[i]));
	}
	must(fl_name_equal(lower, name));
	must(fl_name_zone_hash(lower) == fl_name_zone_hash(name));
}

static void check_name(const uint8_t *name, size_t len)
{
	must(len >= 1 && len <= FL_NAME_MAX && fl_name_len(name) == len);
	const unsigned labels = fl_name_labels(name);
	must(labels <= 127);
	must(fl_name_suffix(name, 0) == name + len - 1);
	must(fl_name_suffix(name, labels) == name);
	const uint8_t *part = fl_name_zone_part(name);
	must(part >= name && part < name + len && fl_name_labels(part) <= 3);
	must(fl_name_is_under(name, part) && fl_name_is_under(part, name) == (part == name));
	check_folding(name, len);
	check_text(name, len);
}

static void check_expand(const uint8_t *msg, size_t len, size_t pos)
{
	uint8_t name[FL_NAME_MAX];
	size_t name_len, next;
	struct fl_reader r = fl_reader_init(msg, len);
	r.pos = pos;
	const enum fl_err skipped = fl_reader_skip_name(&r);
	if (fl_name_expand(msg, len, pos, name, &name_len, &next) == FL_OK) {
		must(skipped == FL_OK && r.pos == next);
		check_name(name, name_len);
	}
}

static void check_from_text(const uint8_t *data, size_t size)
{
	uint8_t name[FL_NAME_MAX];
	size_t len;
	char *text = malloc(size + 1);
	must(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	if (fl_name_from_text(text, name, &len) == FL_OK) {
		check_name(name, len);
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0) {
		return 0;
	}
	check_expand(data + 1, size - 1, data[0] % size);
	check_from_text(data + 1, size - 1);
	return 0;
}
