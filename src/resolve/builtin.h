/**
 * @file
 * What a resolver knows of the root without a file: IANA's hints and both root KSKs.
 */
#ifndef FL_RESOLVE_BUILTIN_H
#define FL_RESOLVE_BUILTIN_H

/** Addresses of the thirteen root servers, IPv4 and IPv6, as zone-file text. */
const char *fl__builtin_root_hints(void);

/** DS records of the root's key-signing keys 20326 (2017) and 38696 (2024), one a line. */
const char *fl__builtin_trust_anchors(void);

#endif
