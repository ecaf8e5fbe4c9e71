/** @file The question in a captured packet: bounded reading of foreign octets. */
#ifndef FAIRLEAD_BENCH_CAPTURE_H
#define FAIRLEAD_BENCH_CAPTURE_H

#include "check/catalogue.h"

struct captured {
	uint8_t name[NAME_WIRE_MAX]; /* lower case */
	uint8_t name_len;
	uint16_t type;
	bool dnssec;     /* DO */
	bool cookie;     /* RFC 7873 */
	uint32_t client; /* the same for the same address and port */
};

/** Read a packet of libpcap's link type @p link. True: a question over UDP to port 53, of
 * class IN, whole and not compressed. */
bool capture_read(const uint8_t *octets, size_t len, int link, struct captured *out);

#endif
