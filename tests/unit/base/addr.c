#include "fairlead/base/addr.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>

/* Text in, the text it is printed as; NULL where it is not an address. */
static const struct {
	const char *why, *text, *want;
	uint16_t port;
} addresses[] = {
	{ "nothing", "", NULL, 53 },
	{ "only a port", "@53", NULL, 53 },
	{ "a name", "localhost", NULL, 53 },
	{ "a colon before the port", "127.0.0.1:53", NULL, 53 },
	{ "a short IPv4 address", "127.1", NULL, 53 },
	{ "an octet of 256", "127.0.0.256", NULL, 53 },
	{ "brackets", "[::1]@53", NULL, 53 },
	{ "a prefix", "10.0.0.0/8", NULL, 53 },
	{ "no port behind the @", "127.0.0.1@", NULL, 53 },
	{ "port 0", "127.0.0.1@0", NULL, 53 },
	{ "port 65536", "127.0.0.1@65536", NULL, 53 },
	{ "a port that overflows 64 bits", "127.0.0.1@18446744073709551669", NULL, 53 },
	{ "a signed port", "127.0.0.1@+53", NULL, 53 },
	{ "a port with a zero before it", "127.0.0.1@053", NULL, 53 },
	{ "two ports", "127.0.0.1@53@54", NULL, 53 },
	{ "a blank", "127.0.0.1 @53", NULL, 53 },
	{ "a scope on an IPv4 address", "127.0.0.1%1", NULL, 53 },
	{ "a scope on a global address", "2001:db8::1%1", NULL, 53 },
	{ "scope 0", "fe80::1%0", NULL, 53 },
	{ "an empty scope", "fe80::1%@53", NULL, 53 },
	{ "an unknown interface", "fe80::1%nosuchif0", NULL, 53 },
	{ "far too long",
	  "1111:2222:3333:4444:5555:6666:7777:8888:9999:1111:2222:3333:4444:5555:6666:7777:"
	  "8888",
	  NULL, 53 },
	{ "the default port", "127.0.0.1", "127.0.0.1@53", 53 },
	{ "no default port", "127.0.0.1", "127.0.0.1", 0 },
	{ "a port of its own", "127.0.0.1@65535", "127.0.0.1@65535", 53 },
	{ "IPv6", "::1@5300", "::1@5300", 53 },
	{ "IPv6 is written in its short form", "2001:DB8:0:0::1", "2001:db8::1@53", 53 },
	{ "mapped IPv4 stays IPv6", "::ffff:192.0.2.1", "::ffff:192.0.2.1@53", 53 },
	{ "a scope by number", "fe80::1%7@53", "fe80::1%7@53", 53 },
	{ "a scope by name becomes a number", "fe80::1%lo", "fe80::1%1@53", 53 },
};

Test(addr, text)
{
	for (size_t i = 0; i < FL_COUNT(addresses); i++) {
		struct fl_addr a = { .port = 9 };
		char buf[FL_ADDR_TEXT_MAX];
		const enum fl_err err = fl_addr_parse(addresses[i].text, addresses[i].port, &a);
		if (addresses[i].want == NULL) {
			cr_expect_eq(err, FL_EMALFORMED, "%s", addresses[i].why);
			cr_expect_eq(a.port, 9, "%s: wrote on failure", addresses[i].why);
			continue;
		}
		cr_assert_eq(err, FL_OK, "%s", addresses[i].why);
		cr_expect_str_eq(fl_addr_format(&a, buf), addresses[i].want, "%s",
				 addresses[i].why);
	}
}

static const struct {
	const char *why, *text, *want;
} prefixes[] = {
	{ "nothing", "", NULL },
	{ "host bits set", "10.0.0.1/8", NULL },
	{ "a host bit just below the prefix", "10.128.0.0/8", NULL },
	{ "33 bits of IPv4", "10.0.0.0/33", NULL },
	{ "129 bits of IPv6", "::/129", NULL },
	{ "no length behind the slash", "10.0.0.0/", NULL },
	{ "a zero before the length", "10.0.0.0/08", NULL },
	{ "a mask", "10.0.0.0/255.0.0.0", NULL },
	{ "a port", "10.0.0.0@53/8", NULL },
	{ "a scope", "fe80::%1/10", NULL },
	{ "a bare IPv4 address", "192.0.2.1", "192.0.2.1/32" },
	{ "a bare IPv6 address", "::1", "::1/128" },
	{ "everything", "0.0.0.0/0", "0.0.0.0/0" },
	{ "a length inside an octet", "100.64.0.0/10", "100.64.0.0/10" },
	{ "IPv6", "fc00::/7", "fc00::/7" },
};

Test(addr, prefix_text)
{
	for (size_t i = 0; i < FL_COUNT(prefixes); i++) {
		struct fl_prefix p;
		char buf[FL_ADDR_TEXT_MAX];
		const enum fl_err err = fl_prefix_parse(prefixes[i].text, &p);
		if (prefixes[i].want == NULL) {
			cr_expect_eq(err, FL_EMALFORMED, "%s", prefixes[i].why);
			continue;
		}
		cr_assert_eq(err, FL_OK, "%s", prefixes[i].why);
		cr_expect_str_eq(fl_prefix_format(&p, buf), prefixes[i].want, "%s",
				 prefixes[i].why);
	}
}

static const struct {
	const char *prefix, *address;
	bool want;
} members[] = {
	{ "10.0.0.0/8", "11.0.0.0", false },
	{ "10.0.0.0/8", "10.255.255.255@53", true },
	{ "100.64.0.0/10", "100.63.255.255", false },
	{ "100.64.0.0/10", "100.127.255.255", true },
	{ "100.64.0.0/10", "100.128.0.0", false },
	{ "192.0.2.1/32", "192.0.2.2", false },
	{ "192.0.2.1/32", "192.0.2.1", true },
	{ "0.0.0.0/0", "::1", false },
	{ "0.0.0.0/0", "255.255.255.255", true },
	{ "0.0.0.0/0", "::ffff:192.0.2.1", true },
	{ "10.0.0.0/8", "::ffff:10.1.2.3", true },
	{ "10.0.0.0/8", "::ffff:11.1.2.3", false },
	{ "10.0.0.0/8", "::fffe:10.1.2.3", false },
	{ "::/0", "10.0.0.1", false },
	{ "::/0", "::ffff:10.0.0.1", true },
	{ "fc00::/7", "fdff::1", true },
	{ "fc00::/7", "fe00::1", false },
	{ "fe80::/10", "fe80::1%1", true },
	{ "2001:db8::/127", "2001:db8::2", false },
	{ "2001:db8::/127", "2001:db8::1", true },
};

Test(addr, prefix_has)
{
	for (size_t i = 0; i < FL_COUNT(members); i++) {
		struct fl_prefix p;
		struct fl_addr a;
		cr_assert_eq(fl_prefix_parse(members[i].prefix, &p), FL_OK);
		cr_assert_eq(fl_addr_parse(members[i].address, 0, &a), FL_OK);
		cr_expect_eq(fl_prefix_has(&p, &a), members[i].want, "%s in %s",
			     members[i].address, members[i].prefix);
	}
}

Test(addr, sockaddr_and_back)
{
	static const char *const texts[] = { "192.0.2.1@53", "2001:db8::1@5300",
					     "fe80::1%3@853" };
	for (size_t i = 0; i < FL_COUNT(texts); i++) {
		struct fl_addr a, b;
		struct sockaddr_storage ss;
		cr_assert_eq(fl_addr_parse(texts[i], 0, &a), FL_OK);
		const socklen_t len = fl_addr_to_sockaddr(&a, &ss);
		cr_expect_eq(len, strchr(texts[i], ':') ? sizeof(struct sockaddr_in6)
							: sizeof(struct sockaddr_in));
		cr_assert(fl_addr_from_sockaddr((struct sockaddr *)&ss, &b));
		cr_expect(fl_addr_equal(&a, &b), "%s", texts[i]);
		b.port++;
		cr_expect_not(fl_addr_equal(&a, &b), "%s: another port", texts[i]);
	}
}

Test(addr, sockaddr_of_another_family)
{
	struct fl_addr a;
	const struct sockaddr sa = { .sa_family = AF_UNIX };
	cr_expect_not(fl_addr_from_sockaddr(&sa, &a));
}

Test(addr, scope_of_a_global_address_is_dropped)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_scope_id = 4 };
	struct fl_addr a;
	inet_pton(AF_INET6, "2001:db8::1", &in6.sin6_addr);
	cr_assert(fl_addr_from_sockaddr((struct sockaddr *)&in6, &a));
	cr_expect_eq(a.scope, 0);
}

Test(err, every_error_has_a_text)
{
#define X(name, text) cr_expect_str_eq(fl_err_text(name), text);
	FL_ERRORS(X)
#undef X
	cr_expect_str_eq(fl_err_text((enum fl_err)9999), "an unknown error");
}
