/**
 * @file
 * Names answered here and never asked upstream.
 *
 * RFC 6761 (localhost, invalid, test), RFC 6303 (empty reverse zones), RFC 7793
 * (100.64/10 reverse), RFC 8375 (home.arpa), RFC 7686 (onion), RFC 9476 (alt),
 * RFC 9462 (resolver.arpa), CH TXT version.bind, id.server and the like. A stub
 * or forward zone that the operator set at or below one of them is let through.
 */
#ifndef FAIRLEAD_POLICY_LOCAL_H
#define FAIRLEAD_POLICY_LOCAL_H

#include "fairlead/base/err.h"
#include "fairlead/wire/question.h"
#include "fairlead/wire/reply.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fl_local; /* immutable */

struct fl_local_options {
	const char *identity; /* NULL: version.bind, hostname.bind, id.server, version.server
				 are REFUSED */
	const uint8_t *const
		*open; /* wire names (lower-case) that are let through, with all below them */
	size_t n_open;
};

enum fl_err fl_local_new(const struct fl_local_options *o, struct fl_local **out) FL_MUST_USE;
void fl_local_free(struct fl_local *l);

/**
 * Write the whole reply if @p q is for a name of ours; @p name is its name in lower case.
 *
 * Positive data has TTL 10,800, denials carry an SOA (RFC 6303 3). Never AD. ANY for any
 * name is answered with HINFO "RFC8482" (RFC 8482 4.2); meta QTYPEs and classes other
 * than IN are answered NOTIMP or REFUSED here as well, so that what is left may be
 * looked up and resolved. DS of home.arpa is not ours (RFC 8375 4). Where only TC=1 fits,
 * that is sent. Returns octets, 0: not ours.
 */
size_t fl_local_reply(const struct fl_local *l, const struct fl_question *q,
		      const uint8_t *name, const struct fl_reply_opts *o, uint8_t *out,
		      size_t cap);

#endif
