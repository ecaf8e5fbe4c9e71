/**
 * @file
 * libunbound's words for a failure, as our reasons.
 *
 * libunbound hands over no code, only English: the why_bogus text of a callback,
 * and for failures one line of its log. The tables here know the texts of
 * 1.17.1 to 1.26.x; what they do not know is still a failure, only less precise.
 */
#ifndef FL_RESOLVE_REASONS_H
#define FL_RESOLVE_REASONS_H

#include "fairlead/wire/verdict.h"

#include <stdbool.h>
#include <stddef.h>

struct fl__reason_text {
	char text[FL_REASON_TEXT_MAX];
	uint8_t len;
};

/** @p why as in the callback; NULL gives BOGUS. */
enum fl_reason fl__reason_of_bogus(const char *why);

/** @p line is what libunbound logged, "" when nothing. */
enum fl_reason fl__reason_of_failure(const char *line);

/**
 * Make @p raw fit for a client's eyes: without the log prefix and its thread
 * number, without the question it repeats, printable ASCII, one line.
 */
void fl__reason_clean(const char *raw, struct fl__reason_text *out);

/** True when a log line is the reason of a failed or bogus question. */
bool fl__reason_is_line(const char *line);

#endif
