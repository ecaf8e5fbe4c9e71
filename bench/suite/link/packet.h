/** @file What the relay looks at in a packet: IPv4 and UDP heads (RFC 791, RFC 768). */
#ifndef FAIRLEAD_BENCH_PACKET_H
#define FAIRLEAD_BENCH_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PACKET_MAX = 2048 };

/** Which pair of leaf servers it goes to the second address of: 1 to 8 for 198.18.2.2,
 * .4 to .16; 0 for every other destination. */
unsigned packet_pair(const uint8_t *octets, size_t len);
/** Turn a question over UDP into its refusal (RFC 1035 4.1.1, RCODE 5), on its way
 * back. False for all else, which is left as it is. */
bool packet_refuse(uint8_t *octets, size_t len);

#endif
