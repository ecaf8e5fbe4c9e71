/**
 * @file
 * Token buckets per client prefix, in a table of fixed size with a keyed hash.
 *
 * IPv4 /32, IPv6 /64, with wider prefixes allowed multiples (v4 /24 x32; v6 /56
 * x3, /48 x4). When a bucket is empty every second answer slips as TC=1 so that a
 * real client can come back over TCP. Memory is fixed when made.
 */
#ifndef FAIRLEAD_POLICY_RATELIMIT_H
#define FAIRLEAD_POLICY_RATELIMIT_H

#include "fairlead/base/addr.h"
#include "fairlead/base/siphash.h"

#include <stdbool.h>
#include <stdint.h>

struct fl_ratelimit;

struct fl_ratelimit_options {
	uint32_t per_second; /* tokens a second for the narrowest prefix; 0: never limits, no
				table */
	uint32_t buckets;    /* power of two, at least 4; memory is 16 octets each */
	struct fl_prefix_list exempt;
	struct fl_sipkey secret;
};

enum fl_rate { FL_RATE_PASS, FL_RATE_SLIP, FL_RATE_DROP };

enum fl_err fl_ratelimit_new(const struct fl_ratelimit_options *o,
			     struct fl_ratelimit **out) FL_MUST_USE;
void fl_ratelimit_free(struct fl_ratelimit *r);
/** Take one token for @p client. */
enum fl_rate fl_ratelimit_take(struct fl_ratelimit *r, const struct fl_addr *client,
			       uint64_t now_ns);
bool fl_ratelimit_exempt(const struct fl_ratelimit *r, const struct fl_addr *client);

#endif
