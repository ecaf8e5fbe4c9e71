/**
 * @file
 * IP addresses, address@port endpoints and prefixes as plain values.
 *
 * An address is 16 octets in network order; IPv4 uses the first four and has
 * the rest zero, so equality is memcmp. Text forms are the configuration's:
 * "127.0.0.1@53", "::1", "fe80::1%eth0@53" (the scope becomes an index).
 */
#ifndef FAIRLEAD_BASE_ADDR_H
#define FAIRLEAD_BASE_ADDR_H

#include "fairlead/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum { FL_ADDR_TEXT_MAX = 80 }; /* longest text form with scope and port, with NUL */

struct fl_addr {
	uint8_t octets[16];
	uint32_t scope;  /* interface index of a link-local address, else 0 */
	uint16_t port;   /* host order; 0 where the text named none */
	uint16_t family; /* AF_INET or AF_INET6 */
};

struct fl_prefix {
	uint8_t octets[16]; /* host bits are zero */
	uint16_t family;
	uint8_t bits; /* 0..32 or 0..128 */
};

struct fl_addr_list {
	struct fl_addr *at;
	size_t n;
};

struct fl_prefix_list {
	struct fl_prefix *at;
	size_t n;
};

/**
 * Read "address" or "address@port".
 *
 * @retval FL_EMALFORMED  not an address, or a port outside 1..65535
 */
enum fl_err fl_addr_parse(const char *text, uint16_t default_port,
			  struct fl_addr *out) FL_MUST_USE;

/** Write "address@port" (only "address" when the port is 0) and return @p buf. */
const char *fl_addr_format(const struct fl_addr *a, char buf[static FL_ADDR_TEXT_MAX]);

bool fl_addr_equal(const struct fl_addr *a, const struct fl_addr *b); /* with the port */

/** To a socket address; returns its length. From one: false for other families. */
socklen_t fl_addr_to_sockaddr(const struct fl_addr *a, struct sockaddr_storage *out);
bool fl_addr_from_sockaddr(const struct sockaddr *sa, struct fl_addr *out);

/** Read "10.0.0.0/8", or a bare address as its longest prefix. Host bits set: FL_EMALFORMED. */
enum fl_err fl_prefix_parse(const char *text, struct fl_prefix *out) FL_MUST_USE;
const char *fl_prefix_format(const struct fl_prefix *p, char buf[static FL_ADDR_TEXT_MAX]);

/** True when @p a lies in @p p. IPv4-mapped IPv6 addresses match IPv4 prefixes. */
bool fl_prefix_has(const struct fl_prefix *p, const struct fl_addr *a);

#endif
