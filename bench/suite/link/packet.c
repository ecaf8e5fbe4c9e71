#include "link/packet.h"

#include <string.h>

enum {
	IP_HEAD = 20, /* without options */
	IP_PROTOCOL = 9,
	IP_SOURCE = 12,
	IP_DESTINATION = 16,
	UDP = 17,
	UDP_HEAD = 8,
	DNS_HEAD = 12,
	DNS_PORT = 53,
};

unsigned packet_pair(const uint8_t *octets, size_t len)
{
	static const uint8_t leaf[] = { 198, 18, 2 };
	if (len < IP_HEAD || octets[0] >> 4 != 4 ||
	    memcmp(octets + IP_DESTINATION, leaf, sizeof(leaf)) != 0) {
		return 0;
	}
	const unsigned host = octets[IP_DESTINATION + 3];
	return host % 2 == 0 && host <= 16 ? host / 2 : 0;
}

static void swap(uint8_t *a, uint8_t *b, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		const uint8_t kept = a[i];
		a[i] = b[i];
		b[i] = kept;
	}
}

bool packet_refuse(uint8_t *octets, size_t len)
{
	uint8_t *udp = octets + IP_HEAD;
	uint8_t *dns = udp + UDP_HEAD;
	/* 0x45: version 4 and no options; no fragment has a question in it to refuse */
	if (len < IP_HEAD + UDP_HEAD + DNS_HEAD || octets[0] != 0x45 ||
	    octets[IP_PROTOCOL] != UDP || (octets[6] & 0x3f) != 0 || octets[7] != 0 ||
	    udp[2] != 0 || udp[3] != DNS_PORT || (dns[2] & 0x80) != 0) {
		return false;
	}
	/* swapped addresses leave the sum of the head as it was */
	swap(octets + IP_SOURCE, octets + IP_DESTINATION, 4);
	swap(udp, udp + 2, 2);
	udp[6] = udp[7] = 0; /* no checksum, as IPv4 allows (RFC 768) */
	dns[2] |= 0x80;
	dns[3] = 5;
	return true;
}
