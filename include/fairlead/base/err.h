/**
 * @file
 * What can go wrong, in one list.
 *
 * A function that can fail returns enum fl_err and writes its out-parameters
 * only on FL_OK. A bug is an assert, a protocol outcome is a verdict
 * (wire/verdict.h); these are failures of the environment or of input.
 */
#ifndef FAIRLEAD_BASE_ERR_H
#define FAIRLEAD_BASE_ERR_H

#define FL_MUST_USE          __attribute__((warn_unused_result))
#define FL_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define FL_COUNT(array)      (sizeof(array) / sizeof((array)[0]))

/* clang-format off */
#define FL_ERRORS(X) \
	X(FL_OK,         "no error") \
	X(FL_ETRUNCATED, "the data ends too early") \
	X(FL_EMALFORMED, "the data is not what its format says") \
	X(FL_ENOSPACE,   "it does not fit") \
	X(FL_ENOMEM,     "out of memory") \
	X(FL_ENOTFOUND,  "not found") \
	X(FL_EEXPIRED,   "found, but past its time") \
	X(FL_ECORRUPT,   "stored data is damaged") \
	X(FL_EVERSION,   "made by another version") \
	X(FL_EDENIED,    "not allowed") \
	X(FL_EBUSY,      "a limit is reached") \
	X(FL_ECLOSED,    "the other side is gone") \
	X(FL_ESYSTEM,    "a system call failed") \
	X(FL_EINVALID,   "an argument or a setting is wrong")
/* clang-format on */

enum fl_err {
#define X(name, text) name,
	FL_ERRORS(X)
#undef X
};

/** English text of @p err, without a full stop; never NULL. Static storage. */
const char *fl_err_text(enum fl_err err);

#endif
