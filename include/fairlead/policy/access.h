/**
 * @file
 * Who may ask: allow and deny prefixes, deny first. RFC 5358.
 */
#ifndef FAIRLEAD_POLICY_ACCESS_H
#define FAIRLEAD_POLICY_ACCESS_H

#include "fairlead/base/addr.h"

#include <stdbool.h>

struct fl_access; /* immutable; longest prefix decides, deny wins a tie */

enum fl_err fl_access_new(const struct fl_prefix_list *allow, const struct fl_prefix_list *deny,
			  struct fl_access **out) FL_MUST_USE;
void fl_access_free(struct fl_access *a);
/** @p a is a client's address; IPv4-mapped IPv6 counts as IPv4. Nothing listed: not allowed. */
bool fl_access_allows(const struct fl_access *access, const struct fl_addr *a);

#endif
