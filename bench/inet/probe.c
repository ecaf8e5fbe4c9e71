#include "probe.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	DNS_PORT = 53,
	RESPONSE_MAX = 1232,
	HEADER_LEN = 12,
	ID_HIGH = 0xf1,
	ID_LOW = 0x53,
	FLAG_QR = 0x80, /* octet 2 of the header, RFC 1035 4.1.1 */
	FLAG_AA = 0x04,
	RCODE_MASK = 0x0f, /* octet 3 */
};

static int connect_place(struct place at, int family)
{
	const struct sockaddr_in four = { .sin_family = AF_INET,
					  .sin_port = htons(DNS_PORT),
					  .sin_addr = place_ipv4(at) };
	const struct sockaddr_in6 six = { .sin6_family = AF_INET6,
					  .sin6_port = htons(DNS_PORT),
					  .sin6_addr = place_ipv6(at) };
	const int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return -1;
	}
	const int done =
		family == AF_INET
			? connect(fd, (const struct sockaddr *)(const void *)&four,
				  sizeof(four))
			: connect(fd, (const struct sockaddr *)(const void *)&six, sizeof(six));
	if (done != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* An SOA question in wire form; its length. The names are ours: no escapes. */
static size_t question(const char *zone, uint8_t out[static 128])
{
	static const uint8_t header[HEADER_LEN] = { ID_HIGH, ID_LOW, 0, 0, 0, 1 };
	static const uint8_t tail[] = { 0, 0, 6, 0, 1 }; /* root label, SOA, IN */
	memcpy(out, header, sizeof(header));
	size_t at = sizeof(header);
	while (*zone != '\0' && *zone != '.') {
		const size_t len = strcspn(zone, ".");
		out[at++] = (uint8_t)len;
		memcpy(out + at, zone, len);
		at += len;
		zone += len + 1;
	}
	memcpy(out + at, tail, sizeof(tail));
	return at + sizeof(tail);
}

static enum probe judge(const uint8_t *packet, ssize_t len)
{
	if (len < HEADER_LEN || packet[0] != ID_HIGH || packet[1] != ID_LOW ||
	    (packet[2] & FLAG_QR) == 0) {
		return PROBE_NOTHING;
	}
	const bool well = (packet[2] & FLAG_AA) != 0 && (packet[3] & RCODE_MASK) == 0;
	return well ? PROBE_WELL : PROBE_WITHOUT_ZONE;
}

enum probe probe_place(struct place at, int family, const char *zone)
{
	uint8_t packet[RESPONSE_MAX];
	const int fd = connect_place(at, family);
	if (fd < 0) {
		return PROBE_NOTHING;
	}
	const size_t len = question(zone, packet);
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	enum probe found = PROBE_NOTHING;
	if (send(fd, packet, len, 0) == (ssize_t)len && poll(&wait, 1, PROBE_WAIT_MS) == 1) {
		found = judge(packet, recv(fd, packet, sizeof(packet), 0));
	}
	close(fd);
	return found;
}

static unsigned probe_well(struct place at, int family, const char *zone)
{
	return probe_place(at, family, zone) == PROBE_WELL ? 1 : 0;
}

unsigned probe_group(enum group group, const char *zone, bool ipv6)
{
	unsigned up = 0;
	for (unsigned i = 1; i <= group_size(group); i++) {
		const struct place at = { group, i };
		up += probe_well(at, AF_INET, zone);
		up += ipv6 ? probe_well(at, AF_INET6, zone) : 0;
	}
	return up;
}
