/* What is wrong in a text, and the exact lines that say so. */
#include "given.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#ifdef FL_TINY
#define CACHE_MIN "1MiB"
#else
#define CACHE_MIN "16MiB"
#endif
#define ENDPOINT  "an address@port such as 192.0.2.1@53 or 2001:db8::1"
#define ALLOW_ALL "access: {allow: [0.0.0.0/0]}\n"

static const struct {
	const char *why, *text, *want;
} cases[] = {
	/* the text */
	{ "not UTF-8", "state: /a\xff\n", "t:1:10: not UTF-8, UTF-8 expected\n" },
	{ "overlong UTF-8", "# \xc0\xaf\n", "t:1:3: not UTF-8, UTF-8 expected\n" },
	{ "a surrogate", "# \xed\xa0\x80\n", "t:1:3: not UTF-8, UTF-8 expected\n" },
	{ "columns are characters", "# \xc3\xa9\xc3\xa9\x07\n",
	  "t:1:5: the character U+0007, printable text expected\n" },
	{ "a tab, in each line that has one", "log:\n\tlevel: info\n\tformat: text\n",
	  "t:2:1: a tab, spaces expected\nt:3:1: a tab, spaces expected\n" },
	{ "a second kind of line end", "# a\xe2\x80\xa8listen: []\n",
	  "t:1:4: the character U+2028, printable text expected\n" },
	{ "an open bracket", "listen: [127.0.0.1\n",
	  "t:2:1: not YAML, did not find expected ',' or ']' while parsing a flow sequence\n" },
	{ "an address that needs quotes", "listen: [::1]\n",
	  "t:1:10: not YAML, did not find expected node content while parsing a flow node "
	  "(what "
	  "begins with a colon needs quotes: \"::1\")\n" },
	{ "an anchor", "state: &a /a\n", "t:1:8: an anchor, plain values expected\n" },
	{ "an alias", "listen: [*a]\n", "t:1:10: an alias, plain values expected\n" },
	{ "a tag", "state: !!str /a\n", "t:1:8: a tag, plain values expected\n" },
	{ "two documents", "--- {}\n--- {}\n", "t:2:1: a second document, one expected\n" },
	{ "nine levels", "a: [[[[[[[[[]]]]]]]]]\n",
	  "t:1:11: nested too deep, at most 8 levels expected\n" },
	{ "a list as a key", "[a]: b\n",
	  "t:1:1: a list or mapping as a key, a name expected\n" },
	{ "a NUL by an escape", "state: \"/a\\0b\"\n",
	  "t:1:8: a value with the character U+0000, one line of printable text expected\n" },
	{ "a line end by an escape", "identity: \"a\\nb\"\n",
	  "t:1:11: a value with the character U+000A, one line of printable text expected\n" },
	{ "no mapping at all", "- listen\n",
	  "t:1:1: no mapping, keys and values such as 'listen: [127.0.0.1@53]' expected\n" },
	{ "an include in a text that is no file", "include: a.yaml\n",
	  "t:1:10: include in a text that is no file, a text without it expected\n" },

	/* keys */
	{ "an unknown key", "lisen: [127.0.0.1]\n",
	  "t:1:1: unknown key 'lisen', a key of the top level expected, nearest is "
	  "'listen'\n" },
	{ "an unknown key below another", "cache:\n  max-tll: 1h\n",
	  "t:2:3: unknown key 'max-tll', a key of cache expected, nearest is "
	  "'cache.max-ttl'\n" },
	{ "a key at a wrong level", "min-ttl: 1s\n",
	  "t:1:1: unknown key 'min-ttl', a key of the top level expected, nearest is "
	  "'cache.min-ttl'\n" },
	{ "an unknown key in an entry",
	  "resolver: {stub-zones: [{name: a, server: [192.0.2.1]}]}\n",
	  "t:1:35: unknown key 'server', a key of resolver.stub-zones expected, nearest is "
	  "'resolver.stub-zones.servers'\n"
	  "t:1:25: an entry of resolver.stub-zones without servers, one with expected\n" },
	{ "a key twice", "state: /a\nlog: {level: info}\nstate: /b\n",
	  "t:3:1: the key 'state' is given twice, once expected, first at t:1:1\n" },
	{ "a mapping twice", "cache: {size: 1GiB}\ncache: {stale: 0s}\n",
	  "t:2:1: the key 'cache' is given twice, once expected, first at t:1:1\n" },
	{ "a key twice below another", "cache: {size: 1GiB, size: 2GiB}\n",
	  "t:1:21: the key 'size' is given twice, once expected, first at t:1:9\n" },
	{ "all problems, not only the first",
	  "open-resolver: on\ncookies: never\nlimits: {zone: x}\nlog: {level: 3}\n",
	  "t:1:16: open-resolver is 'on', yes or no expected\n"
	  "t:2:10: cookies is 'never', off, offered or required expected\n"
	  "t:3:16: limits.zone is 'x', a number, 1 to 65536 expected\n"
	  "t:4:14: log.level is '3', error, warning, notice, info or debug expected\n" },
	{ "problems of the text and of values together", "state: &a b\n",
	  "t:1:8: an anchor, plain values expected\n"
	  "t:1:8: state is 'b', an absolute path of at most 4095 octets, without quote or "
	  "backslash expected\n" },

	/* kinds */
	{ "a value where a list belongs", "listen: 127.0.0.1\n",
	  "t:1:9: listen is a single value, a list of 1 to 64 values, each " ENDPOINT
	  " expected\n" },
	{ "a list where a value belongs", "cookies: [off]\n",
	  "t:1:10: cookies is a list, off, offered or required expected\n" },
	{ "a mapping where a value belongs", "resolvers: {count: 1}\n",
	  "t:1:12: resolvers is a mapping, auto or a number, 1 to 32 expected\n" },
	{ "nothing where a mapping belongs", "cache:\n",
	  "t:1:7: cache is empty, a mapping expected\n" },
	{ "null where a text belongs", "identity: null\n",
	  "t:1:11: identity is empty, none or a text of 1 to 255 octets expected\n" },
	{ "a list in a list", "listen: [[127.0.0.1]]\n",
	  "t:1:10: listen holds a list, " ENDPOINT " expected\n" },
	{ "nowhere to listen", "listen: []\n",
	  "t:1:9: listen has 0 values, a list of 1 to 64 values, each " ENDPOINT
	  " expected\n" },

	/* values */
	{ "a size in lower case", "cache: {size: 64mib}\n",
	  "t:1:15: cache.size is '64mib', a size in B, KiB, MiB, GiB or TiB, " CACHE_MIN
	  " to 1TiB expected\n" },
	{ "a size without a unit", "cache: {front-size: 64}\n",
	  "t:1:21: cache.front-size is '64', a size in B, KiB, MiB, GiB or TiB, 0B to 64GiB "
	  "expected\n" },
	{ "a size too small", "cache: {size: 1023KiB}\n",
	  "t:1:15: cache.size is '1023KiB', a size in B, KiB, MiB, GiB or TiB, " CACHE_MIN
	  " to 1TiB expected\n" },
	{ "a size too large", "cache: {size: 1025GiB}\n",
	  "t:1:15: cache.size is '1025GiB', a size in B, KiB, MiB, GiB or TiB, " CACHE_MIN
	  " to 1TiB expected\n" },
	{ "a size that overflows in its unit", "cache: {size: 16777217TiB}\n",
	  "t:1:15: cache.size is '16777217TiB', a size in B, KiB, MiB, GiB or TiB, " CACHE_MIN
	  " to 1TiB expected\n" },
	{ "a time in milliseconds", "cache: {stale: 500ms}\n",
	  "t:1:16: cache.stale is '500ms', a time in whole s, m, h or d, 0s to 7d expected\n" },
	{ "a time without a unit", "cache: {stale: 30}\n",
	  "t:1:16: cache.stale is '30', a time in whole s, m, h or d, 0s to 7d expected\n" },
	{ "a time over a day", "cache: {max-ttl: 86401s}\n",
	  "t:1:18: cache.max-ttl is '86401s', a time in whole s, m, h or d, 1s to 1d "
	  "expected\n" },
	{ "a time with a fraction", "cache: {max-ttl: 1.5h}\n",
	  "t:1:18: cache.max-ttl is '1.5h', a time in whole s, m, h or d, 1s to 1d "
	  "expected\n" },
	{ "a number with a sign", "limits: {client: -1}\n",
	  "t:1:18: limits.client is '-1', a number, 1 to 65535 expected\n" },
	{ "a number that looks octal", "limits: {client: 010}\n",
	  "t:1:18: limits.client is '010', a number, 1 to 65535 expected\n" },
	{ "a number that overflows", "limits: {client: 18446744073709551617}\n",
	  "t:1:18: limits.client is '18446744073709551617', a number, 1 to 65535 expected\n" },
	{ "too many fronts", "fronts: 65\n",
	  "t:1:9: fronts is '65', auto or a number, 1 to 64 expected\n" },
	{ "no resolver", "resolvers: 0\n",
	  "t:1:12: resolvers is '0', auto or a number, 1 to 32 expected\n" },
	{ "yes in another spelling", "open-resolver: Yes\n",
	  "t:1:16: open-resolver is 'Yes', yes or no expected\n" },
	{ "a colon before the port", "listen: [127.0.0.1:53]\n",
	  "t:1:10: listen holds '127.0.0.1:53', " ENDPOINT " expected\n" },
	{ "a port of 0", "listen: [127.0.0.1@0]\n",
	  "t:1:10: listen holds '127.0.0.1@0', " ENDPOINT " expected\n" },
	{ "host bits in a prefix", "access: {deny: [10.0.0.1/8]}\n",
	  "t:1:17: access.deny holds '10.0.0.1/8', an address or a prefix such as 10.0.0.0/8, "
	  "the "
	  "bits below it zero expected\n" },
	{ "a relative path", "state: var\n",
	  "t:1:8: state is 'var', an absolute path of at most 4095 octets, without quote or "
	  "backslash expected\n" },
	{ "a quote in a path", "resolver: {root-hints: '/a\"b'}\n",
	  "t:1:24: resolver.root-hints is '/a\"b', built-in or an absolute path of at most "
	  "4095 "
	  "octets, without quote or backslash expected\n" },
	{ "a socket path that no socket can have",
	  "control: {socket: "
	  "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}\n",
	  "t:1:19: control.socket is "
	  "'/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	  "aaaaaaaaaaaaa...', an absolute path of at most 107 octets, without quote or "
	  "backslash "
	  "expected\n" },
	{ "an identity too long to be one string", "identity: \"\"\n",
	  "t:1:11: identity is '', none or a text of 1 to 255 octets expected\n" },
	{ "a source with a port", "resolver: {source-addresses: [192.0.2.1@53]}\n",
	  "t:1:31: resolver.source-addresses holds '192.0.2.1@53', an address such as "
	  "192.0.2.1 or "
	  "2001:db8::1, without a port expected\n" },
	{ "a date that does not exist",
	  "resolver: {negative-trust-anchors: [{name: a, until: 2026-02-30T00:00:00Z}]}\n",
	  "t:1:54: resolver.negative-trust-anchors.until is '2026-02-30T00:00:00Z', a date and "
	  "time in UTC such as 2026-12-01T00:00:00Z expected\n" },
	{ "a date in another zone",
	  "resolver: {negative-trust-anchors: [{name: a, until: 2026-02-20T00:00:00+01:00}]}\n",
	  "t:1:54: resolver.negative-trust-anchors.until is '2026-02-20T00:00:00+01:00', a "
	  "date and "
	  "time in UTC such as 2026-12-01T00:00:00Z expected\n" },

	/* features of later versions */
	{ "DNS over TLS", "listen-tls: [127.0.0.1@853]\n",
	  "t:1:13: listen-tls is not in this version yet, [] expected\n" },
	{ "DNS over HTTPS", "listen-https: [127.0.0.1@443]\n",
	  "t:1:15: listen-https is not in this version yet, [] expected\n" },
	{ "a certificate", "tls: {certificate: /a, key: /b}\n",
	  "t:1:6: tls is not in this version yet, {} expected\n" },
	{ "views", "views: [{}]\n", "t:1:8: views is not in this version yet, [] expected\n" },

	/* one value against another */
	{ "everybody, without open-resolver", ALLOW_ALL,
	  "t:1:18: access.allow holds 0.0.0.0/0, 'open-resolver: yes' with it expected\n" },
	{ "everybody over IPv6, without open-resolver",
	  "access: {allow: [10.0.0.0/8, \"::/0\"]}\n",
	  "t:1:30: access.allow holds ::/0, 'open-resolver: yes' with it expected\n" },
	{ "an open resolver without cookies", ALLOW_ALL "open-resolver: yes\ncookies: off\n",
	  "t:3:10: cookies is off with open-resolver, offered or required expected\n" },
	{ "an open resolver without a rate limit",
	  ALLOW_ALL "open-resolver: yes\nrate-limit: {per-client: 0}\n",
	  "t:3:26: rate-limit.per-client is 0 with open-resolver, a limit expected\n" },
	{ "one address twice", "listen: [127.0.0.1, \"::1\", 127.0.0.1@53]\n",
	  "t:1:28: listen holds 127.0.0.1@53 twice, once expected\n" },
	{ "a multicast address", "listen: [224.0.0.1]\n",
	  "t:1:10: listen holds 224.0.0.1@53, a multicast or reserved address, one of this "
	  "machine "
	  "expected\n" },
	{ "a link-local address without scope", "listen: [\"fe80::1\"]\n",
	  "t:1:10: listen holds fe80::1@53, a link-local address without its interface, one "
	  "such "
	  "as fe80::1%eth0 expected\n" },
	{ "a zone with more than a resolver", "limits: {zone: 300, resolver: 200}\n",
	  "t:1:16: limits.zone is 300 and limits.resolver 200, the first not above the second "
	  "expected\n" },
	{ "a resolver with less than a zone's default", "limits: {resolver: 100}\n",
	  "t:1:20: limits.zone is 200 and limits.resolver 100, the first not above the second "
	  "expected\n" },
	{ "a bad limit is not compared", "limits: {zone: 3000, resolver: x}\n",
	  "t:1:32: limits.resolver is 'x', a number, 1 to 65536 expected\n" },
	{ "TTLs out of order", "cache: {min-ttl: 2h, max-ttl: 1h}\n",
	  "t:1:18: cache.min-ttl is 7200s and cache.max-ttl 3600s, the first not above the "
	  "second "
	  "expected\n" },
	{ "cores that are not one a front", "fronts: {count: 3, cpus: [0, 1]}\n",
	  "t:1:9: fronts.cpus has 2 values, one for each of 3 fronts expected\n" },
	{ "a stub zone without servers", "resolver: {stub-zones: [{name: a, servers: []}]}\n",
	  "t:1:44: resolver.stub-zones.servers has 0 values, a list of 1 to 64 values, "
	  "each " ENDPOINT " expected\n" },
	{ "a stub zone by name only", "resolver: {stub-zones: [a]}\n",
	  "t:1:25: resolver.stub-zones holds a single value, a mapping expected\n" },
	{ "a server on a loopback address",
	  "resolver: {stub-zones: [{name: a, servers: [127.0.0.1@5300]}]}\n",
	  "t:1:25: resolver.stub-zones: a. has the server 127.0.0.1@5300, a loopback address, "
	  "'query-loopback: yes' with it expected\n" },
	{ "a server that is Fairlead itself",
	  "listen: [192.0.2.1]\nresolver: {forward-zones: [{name: ., servers: [192.0.2.1]}]}\n",
	  "t:2:28: resolver.forward-zones: . has the server 192.0.2.1@53, where Fairlead "
	  "itself "
	  "listens, another server expected\n" },
	{ "a zone twice, in two spellings",
	  "resolver: {stub-zones: [{name: a, servers: [192.0.2.1]}, {name: A., servers: "
	  "[192.0.2.1]}]}\n",
	  "t:1:58: resolver.stub-zones: A. is given twice, once expected\n" },
	{ "a zone as a stub and a forward zone",
	  "resolver: {stub-zones: [{name: a, servers: [192.0.2.1]}], forward-zones: [{name: "
	  "a., "
	  "servers: [192.0.2.1]}]}\n",
	  "t:1:75: resolver.forward-zones: a. is a stub zone too, one of both expected\n" },
	{ "a negative trust anchor twice", "resolver: {negative-trust-anchors: [a, a.]}\n",
	  "t:1:40: resolver.negative-trust-anchors: a. is given twice, once expected\n" },

	/* raw options */
	{ "a raw option with a quote", "resolver: {libunbound: {a: 'b\"'}}\n",
	  "t:1:28: resolver.libunbound: the value of 'a', a text of 1 to 1024 octets without "
	  "quotes "
	  "and backslashes expected\n" },
	{ "a raw option with a backslash", "resolver: {libunbound: {a: 'b\\'}}\n",
	  "t:1:28: resolver.libunbound: the value of 'a', a text of 1 to 1024 octets without "
	  "quotes "
	  "and backslashes expected\n" },
	{ "a raw option with a line end", "resolver: {libunbound: {a: \"b\\nserver:\"}}\n",
	  "t:1:28: a value with the character U+000A, one line of printable text expected\n" },
	{ "a raw option that is no name", "resolver: {libunbound: {\"a: b\": c}}\n",
	  "t:1:25: resolver.libunbound: 'a: b', an option name in a-z, 0-9 and - expected\n" },
	{ "a raw option without a value", "resolver: {libunbound: {a: }}\n",
	  "t:1:28: resolver.libunbound: the value of 'a', a text of 1 to 1024 octets without "
	  "quotes "
	  "and backslashes expected\n" },
	{ "a harmful value in a list", "resolver: {libunbound: {harden-glue: [\"yes\", no]}}\n",
	  "t:1:46: resolver.libunbound: 'harden-glue' is refused with no, servers could speak "
	  "for "
	  "zones that are not theirs\n" },
};

Test(config, problems)
{
	for (size_t i = 0; i < FL_COUNT(cases); i++) {
		struct given g = given_text(cases[i].text);
		cr_expect_eq(g.err, FL_EINVALID, "%s", cases[i].why);
		cr_expect_null(g.config, "%s: a snapshot all the same", cases[i].why);
		cr_expect_str_eq(g.problems, cases[i].want, "%s", cases[i].why);
		given_free(&g);
	}
}

Test(config, octets_that_are_no_text)
{
	struct given g = given_octets("state: /a\0b\n", 12);
	cr_expect_eq(g.err, FL_EINVALID);
	cr_expect_str_eq(g.problems, "t:1:10: the character U+0000, printable text expected\n");
	given_free(&g);
}

Test(config, more_than_a_mebibyte)
{
	const size_t len = 1024 * 1024 + 1;
	char *text = malloc(len);
	cr_assert_not_null(text);
	memset(text, '#', len);
	struct given g = given_octets(text, len);
	cr_expect_str_eq(g.problems, "t:1:1: too large, at most 1MiB expected\n");
	given_free(&g);
	g = given_octets(text, len - 1);
	cr_expect_eq(g.err, FL_OK, "a MiB of comment: %s", g.problems);
	given_free(&g);
	free(text);
}

Test(config, more_values_than_a_file_may_have)
{
	const size_t len = 200000;
	char *text = malloc(len + 1);
	cr_assert_not_null(text);
	for (size_t i = 0; i < len; i += 2) {
		memcpy(text + i, i == 0 ? "[a" : ",a", 2);
	}
	struct given g = given_octets(text, len);
	cr_expect_str_eq(g.problems, "t:1:131072: too many values, at most 65536 expected\n");
	given_free(&g);
	free(text);
}

/* LIBUNBOUND "must stay unset", and what our own keys manage. */
Test(config, options_that_are_refused)
{
	static const char *const names[] = {
		"unwanted-reply-threshold",
		"auto-trust-anchor-file",
		"tls-upstream",
		"ssl-upstream",
		"tls-cert-bundle",
		"ssl-cert-bundle",
		"forward-tls-upstream",
		"forward-ssl-upstream",
		"stub-tls-upstream",
		"serve-expired",
		"serve-expired-ttl",
		"rpz",
		"response-ip",
		"for-downstream",
		"val-permissive-mode",
		"module-config",
		"directory",
		"chroot",
		"username",
		"pidfile",
		"logfile",
		"use-syslog",
		"include",
		"interface",
		"port",
		"remote-control",
		"control-enable",
		"root-hints",
		"trust-anchor",
		"trust-anchor-file",
		"trusted-keys-file",
		"local-zone",
		"local-data",
		"local-data-ptr",
		"stub-zone",
		"forward-zone",
		"stub-addr",
		"forward-addr",
		"auth-zone",
		"view",
		"server",
		"domain-insecure",
		"val-override-date",
		"do-ip6",
		"do-not-query-localhost",
		"outgoing-interface",
		"qname-minimisation",
		"cache-max-ttl",
		"send-client-subnet",
		"dns64-prefix",
		"log-queries",
		"num-threads",
	};
	for (size_t i = 0; i < FL_COUNT(names); i++) {
		char text[128], want[128];
		snprintf(text, sizeof(text), "resolver: {libunbound: {%s: x}}\n", names[i]);
		snprintf(want, sizeof(want), "t:1:25: resolver.libunbound: '%s' is refused, ",
			 names[i]);
		struct given g = given_text(text);
		cr_expect_eq(g.err, FL_EINVALID, "%s", names[i]);
		cr_expect_eq(strncmp(g.problems, want, strlen(want)), 0, "%s: %s", names[i],
			     g.problems);
		given_free(&g);
	}
}

Test(config, options_that_are_taken)
{
	static const char *const options[] = {
		"log-servfail: yes",
		"val-log-squelch: no",
		"val-log-level: 2",
		"verbosity: 1",
		"harden-glue: \"yes\"",
		"infra-keep-probing: no",
		"edns-buffer-size: 1400",
		"ratelimit: 0",
		"private-address: [10.0.0.0/8, 192.168.0.0/16]",
		"trust-anchor-signaling: no",
		"val-nsec3-keysize-iterations: \"1024 50 2048 50\"",
	};
	for (size_t i = 0; i < FL_COUNT(options); i++) {
		char text[128];
		snprintf(text, sizeof(text), "resolver: {libunbound: {%s}}\n", options[i]);
		struct given g = given_text(text);
		cr_expect_eq(g.err, FL_OK, "%s: %s", options[i], g.problems);
		given_free(&g);
	}
}
