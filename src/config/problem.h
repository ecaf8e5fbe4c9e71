/**
 * @file
 * Problems of a configuration, said to a person with their place.
 */
#ifndef FAIRLEAD_SRC_CONFIG_PROBLEM_H
#define FAIRLEAD_SRC_CONFIG_PROBLEM_H

#include "fairlead/base/err.h"

#include <stddef.h>
#include <stdio.h>

/** A place in a file, both numbers from 1, columns in characters. */
struct fl__config_mark {
	const char *file; /* borrowed: it lives as long as the load */
	size_t line, column;
};

struct fl__config_problems {
	FILE *out;
	size_t n;
	enum fl_err err; /* FL_OK, or what is worse than a wrong text */
};

/** Say "file:line:column: ..." and count it. */
void fl__config_problem(struct fl__config_problems *p, const struct fl__config_mark *at,
			const char *fmt, ...) FL_PRINTF(3, 4);

enum { FL__QUOTED_MAX = 80 };

/** @p text between single quotes, shortened at the end of a character. */
const char *fl__config_quote(const char *text, char buf[static FL__QUOTED_MAX]);

#endif
