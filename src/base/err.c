#include "fairlead/base/err.h"

#include <stddef.h>

static const char *const texts[] = {
#define X(name, text) [name] = text,
	FL_ERRORS(X)
#undef X
};

const char *fl_err_text(enum fl_err err)
{
	/* a number from another build's message may be outside the list */
	return (size_t)err < FL_COUNT(texts) ? texts[err] : "an unknown error";
}
