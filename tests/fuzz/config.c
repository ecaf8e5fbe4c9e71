/**
 * @file
 * Fuzz target: fl_config_parse_text() on any octets.
 *
 * Covers the YAML glue, the binding of every key and the checks over the whole.
 * What is taken must also come back from its own effective text.
 */
#include "fairlead/config/config.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The effective text of @p c must be taken without a word. */
static void read_back(const struct fl_config *c)
{
	char *text = NULL, *said = NULL;
	size_t len = 0, said_len = 0;
	struct fl_config *again = NULL;

	FILE *out = open_memstream(&text, &len);
	FILE *problems = open_memstream(&said, &said_len);
	if (out == NULL || problems == NULL || fl_config_dump(c, out) != FL_OK) {
		abort();
	}
	fclose(out);
	if (fl_config_parse_text(text, len, "dump", problems, &again) != FL_OK) {
		abort();
	}
	fclose(problems);
	fl_config_free(again);
	free(said);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *said = NULL;
	size_t said_len = 0;
	struct fl_config *c = NULL;

	FILE *problems = open_memstream(&said, &said_len);
	if (problems == NULL) {
		return 0;
	}
	const enum fl_err err =
		fl_config_parse_text((const char *)data, size, "fuzz", problems, &c);
	fclose(problems);
	if ((err == FL_OK) != (said_len == 0)) {
		abort(); /* refused without a reason, or taken with one */
	}
	if (err == FL_OK) {
		read_back(c);
		fl_config_free(c);
	}
	free(said);
	return 0;
}
