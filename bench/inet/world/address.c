#include "world/world.h"

#include <arpa/inet.h>
#include <string.h>

/*
 * 198.18.0.0/15 and 2001:2::/48 are the two benchmarking prefixes (RFC 2544 C.2.2,
 * RFC 5180 8). Documentation and private prefixes would not do: resolvers refuse
 * to ask servers there. Address NUMBER of group G is 198.18.G.NUMBER and
 * 2001:2::G:NUMBER.
 */
static const unsigned sizes[GROUP_COUNT] = {
	[GROUP_ROOT] = 2, [GROUP_TLD] = 4,   [GROUP_LEAF] = 16,
	[GROUP_DEEP] = 2, [GROUP_DEAD] = 20, [GROUP_SILENT] = 22,
};

unsigned group_size(enum group group)
{
	return sizes[group];
}

struct in_addr place_ipv4(struct place at)
{
	const uint32_t base = 198U << 24 | 18U << 16;
	return (struct in_addr){ .s_addr = htonl(base | (uint32_t)at.group << 8 | at.number) };
}

struct in6_addr place_ipv6(struct place at)
{
	struct in6_addr a = { .s6_addr = { 0x20, 0x01, 0x00, 0x02 } };
	a.s6_addr[13] = (uint8_t)at.group;
	a.s6_addr[15] = (uint8_t)at.number;
	return a;
}

void place_text(struct place at, int family, char out[static ADDRESS_MAX])
{
	const struct in_addr four = place_ipv4(at);
	const struct in6_addr six = place_ipv6(at);
	const void *address = family == AF_INET ? (const void *)&four : (const void *)&six;
	inet_ntop(family, address, out, ADDRESS_MAX);
}

void server_name(const struct zone *z, unsigned index, char *out, size_t size)
{
	if (z->parent == NULL) {
		snprintf(out, size, "%c.root-servers.", (char)('a' + index));
	} else {
		snprintf(out, size, "ns%u.%s", index + 1, z->name);
	}
}
