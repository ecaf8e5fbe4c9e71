/**
 * @file
 * Which datagrams are worth an answer, by their addresses alone.
 */
#ifndef FL_TRANSPORT_SOURCE_H
#define FL_TRANSPORT_SOURCE_H

#include "fairlead/base/addr.h"

#include <string.h>

/* 224.0.0.0/4 or 255.255.255.255; ff00::/8. Nobody is there to be answered, or too many are. */
static inline bool fl__addr_is_group(const struct fl_addr *a)
{
	static const uint8_t all[4] = { 255, 255, 255, 255 };
	if (a->family == AF_INET) {
		return (a->octets[0] & 0xf0) == 0xe0 ||
		       memcmp(a->octets, all, sizeof(all)) == 0;
	}
	return a->octets[0] == 0xff;
}

static inline bool fl__addr_is_any(const struct fl_addr *a)
{
	static const uint8_t zero[16];
	return memcmp(a->octets, zero, sizeof(zero)) == 0;
}

/**
 * False for what would loop or be reflected: the socket's own address and port,
 * groups and the unspecified address, port 0, and the services that answer to
 * anything (echo 7, qotd 17, chargen 19). Port 53 stays: forwarders that ask
 * from it exist, and what a server sends from it is a response, which is never
 * answered.
 */
static inline bool fl__source_ok(const struct fl_addr *peer, const struct fl_addr *local)
{
	switch (peer->port) {
	case 0:
	case 7:
	case 17:
	case 19:
		return false;
	default:
		break;
	}
	if (peer->port == local->port && peer->family == local->family &&
	    memcmp(peer->octets, local->octets, sizeof(peer->octets)) == 0) {
		return false;
	}
	return !fl__addr_is_group(peer) && !fl__addr_is_any(peer);
}

#endif
