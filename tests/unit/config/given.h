/**
 * @file
 * A text, and what the configuration makes of it.
 */
#ifndef FAIRLEAD_TESTS_CONFIG_GIVEN_H
#define FAIRLEAD_TESTS_CONFIG_GIVEN_H

#include "fairlead/config/config.h"

struct given {
	enum fl_err err;
	struct fl_config *config; /* NULL unless err is FL_OK */
	char *problems;           /* "" when there are none */
};

struct given given_text(const char *text);               /* named "t" in messages */
struct given given_octets(const char *text, size_t len); /* the same */
struct given given_file(const char *path);
void given_free(struct given *g);

char *given_dump(const struct fl_config *c); /* the caller frees it */

/** True when @p line is a whole line of @p text. */
bool given_has_line(const char *text, const char *line);

#endif
