#include "../../../src/transport/source.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>

struct source_case {
	const char *why;
	char peer[64], local[64];
	bool ok;
};

ParameterizedTestParameters(source, ok)
{
	static struct source_case cases[] = {
		{ "port 0 cannot be answered", "192.0.2.1@0", "192.0.2.2@53", false },
		{ "echo answers anything", "192.0.2.1@7", "192.0.2.2@53", false },
		{ "quote of the day answers anything", "192.0.2.1@17", "192.0.2.2@53", false },
		{ "chargen answers anything", "2001:db8::1@19", "2001:db8::2@53", false },
		{ "our own socket", "192.0.2.2@53", "192.0.2.2@53", false },
		{ "our own socket, IPv6", "2001:db8::2@53", "2001:db8::2@53", false },
		{ "limited broadcast", "255.255.255.255@4000", "192.0.2.2@53", false },
		{ "multicast", "224.0.0.251@5353", "192.0.2.2@53", false },
		{ "the last multicast address", "239.255.255.255@5353", "192.0.2.2@53", false },
		{ "multicast, IPv6", "ff02::1@5353", "2001:db8::2@53", false },
		{ "no address", "0.0.0.0@4000", "192.0.2.2@53", false },
		{ "no address, IPv6", "::@4000", "2001:db8::2@53", false },
		{ "an ordinary client", "192.0.2.1@4000", "192.0.2.2@53", true },
		{ "an ordinary client, IPv6", "2001:db8::1@4000", "2001:db8::2@53", true },
		{ "a forwarder that asks from port 53", "192.0.2.1@53", "192.0.2.2@53", true },
		{ "our address, another port", "192.0.2.2@4000", "192.0.2.2@53", true },
		{ "just below multicast", "223.255.255.255@4000", "192.0.2.2@53", true },
		{ "just above multicast", "240.0.0.1@4000", "192.0.2.2@53", true },
		{ "port 8", "192.0.2.1@8", "192.0.2.2@53", true },
		{ "port 18", "192.0.2.1@18", "192.0.2.2@53", true },
	};
	return cr_make_param_array(struct source_case, cases, FL_COUNT(cases));
}

static struct fl_addr read_addr(const char *text)
{
	struct fl_addr a;
	char bare[64];
	const char *at = strchr(text, '@');
	cr_assert(at != NULL && (size_t)(at - text) < sizeof(bare));
	memcpy(bare, text, (size_t)(at - text));
	bare[at - text] = '\0';
	cr_assert_eq(fl_addr_parse(bare, 1, &a), FL_OK, "%s", bare);
	a.port = (uint16_t)atoi(at + 1);
	return a;
}

ParameterizedTest(struct source_case *c, source, ok)
{
	const struct fl_addr peer = read_addr(c->peer), local = read_addr(c->local);
	cr_expect_eq(fl__source_ok(&peer, &local), c->ok, "%s", c->why);
}
