/**
 * @file
 * DNS server cookies, interoperable form: RFC 7873, RFC 9018.
 *
 * Version 1, SipHash-2-4 over client cookie, version, reserved, timestamp and
 * client address. The secret is shared by all fronts; the last one is accepted
 * while it is being replaced.
 */
#ifndef FAIRLEAD_POLICY_COOKIE_H
#define FAIRLEAD_POLICY_COOKIE_H

#include "fairlead/base/addr.h"
#include "fairlead/base/siphash.h"
#include "fairlead/wire/question.h"

#include <stdint.h>

enum fl_cookie_state {
	FL_COOKIE_NONE,    /* the question carries none */
	FL_COOKIE_CLIENT,  /* a client cookie alone */
	FL_COOKIE_INVALID, /* a server cookie that is not ours, or too old or new */
	FL_COOKIE_VALID
};

enum { FL_COOKIE_LEN = 24 }; /* client 8, server 16: RFC 9018 4 */

struct fl_cookie_secrets {
	struct fl_sipkey now, before; /* all zero: there is none, and it vouches for nobody */
};

enum fl_cookie_state fl_cookie_check(const struct fl_question *q, const struct fl_addr *client,
				     const struct fl_cookie_secrets *s, uint32_t now_s);

/** Client's cookie and a fresh server cookie, for the reply. @p q has a client cookie. */
void fl_cookie_make(const struct fl_question *q, const struct fl_addr *client,
		    const struct fl_cookie_secrets *s, uint32_t now_s,
		    uint8_t out[static FL_COOKIE_LEN]);

#endif
