/**
 * @file
 * What a server without keys has to know of TSIG, RFC 8945.
 */
#ifndef FAIRLEAD_SRC_WIRE_TSIG_H
#define FAIRLEAD_SRC_WIRE_TSIG_H

#include "fairlead/wire/question.h"
#include "fairlead/wire/reader.h"
#include "fairlead/wire/writer.h"

#include <stdbool.h>

/** Has the rdata TSIG's form, RFC 8945 4.2? What is not so is FORMERR, 5.2. */
bool fl__tsig_is_whole(const uint8_t *msg, const struct fl_rr *rr);

/**
 * Append the unsigned TSIG that says BADKEY (RFC 8945 5.2.1, 5.3.2) for the one
 * at q->tsig_pos and count it. One that does not fit is left out, with no error.
 */
void fl__tsig_write_badkey(struct fl_writer *w, const struct fl_question *q);

#endif
