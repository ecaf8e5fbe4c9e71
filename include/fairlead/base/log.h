/**
 * @file
 * The one way to say something: a line an event, on standard error.
 *
 * Text or JSON; the role and its number stand in each line; no client address
 * is ever an argument here. A line is one write(2), so lines of several
 * processes do not mix. When standard error is the journal's, the level is
 * said in its "<N>" prefix.
 */
#ifndef FAIRLEAD_BASE_LOG_H
#define FAIRLEAD_BASE_LOG_H

#include "fairlead/base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum fl_log_level { FL_LOG_ERROR, FL_LOG_WARNING, FL_LOG_NOTICE, FL_LOG_INFO, FL_LOG_DEBUG };
enum fl_log_format { FL_LOG_TEXT, FL_LOG_JSON };

/** Once per process, before the first line; @p who ("front 0") is copied. */
void fl_log_init(const char *who, enum fl_log_level level, enum fl_log_format format);
bool fl_log_enabled(enum fl_log_level level);
void fl_log(enum fl_log_level level, const char *fmt, ...) FL_PRINTF(2, 3);

/**
 * A message that may come often: at most one line a @p every_s seconds for this
 * place in the code; what was held back is said with the next line.
 */
struct fl_log_gate {
	uint64_t next_ns;
	uint64_t held;
};
void fl_log_gated(struct fl_log_gate *gate, unsigned every_s, enum fl_log_level level,
		  const char *fmt, ...) FL_PRINTF(4, 5);

#endif
