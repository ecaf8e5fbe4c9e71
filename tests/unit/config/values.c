/* What a text means: the line that the effective text has for it. */
#include "given.h"
#include "load.h"

#include <criterion/criterion.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static const struct {
	const char *why, *text, *want;
} cases[] = {
	{ "an empty text", "", "listen: [\"127.0.0.1@53\", \"::1@53\"]" },
	{ "nothing but a comment", "# x\n", "open-resolver: no" },
	{ "nothing but a document", "---\n", "cookies: offered" },
	{ "a byte order mark",
	  "\xef\xbb\xbf"
	  "cookies: off\n",
	  "cookies: off" },
	{ "line ends of another system", "cookies: off\r\nidentity: a\r\n", "identity: \"a\"" },
	{ "who may ask", "",
	  "  allow: [\"127.0.0.0/8\", \"10.0.0.0/8\", \"172.16.0.0/12\", \"192.168.0.0/16\", "
	  "\"100.64.0.0/10\", \"169.254.0.0/16\", \"::1/128\", \"fc00::/7\", \"fe80::/10\"]" },
	{ "the cache's size", "", "  size: 256MiB" },
	{ "a size in the largest unit", "cache: {size: 2048MiB}", "  size: 2GiB" },
	{ "a size of decimal units, which no binary unit divides", "cache: {size: 100MB}",
	  "  size: 100000000B" },
	{ "a size in octets", "cache: {size: 67108865B}", "  size: 67108865B" },
	{ "no memory for ready answers", "cache: {front-size: 0}", "  front-size: 0B" },
	{ "a time in the largest unit", "cache: {stale: 7200s}", "  stale: 2h" },
	{ "a time that only seconds say", "cache: {stale: 3601s}", "  stale: 3601s" },
	{ "a bare 0", "cache: {min-ttl: 0}", "  min-ttl: 0s" },
	{ "true for yes", "open-resolver: true", "open-resolver: yes" },
	{ "an open resolver is limited", "open-resolver: yes", "  per-client: 1000" },
	{ "an open resolver with its own limit",
	  "open-resolver: yes\nrate-limit: {per-client: 7}", "  per-client: 7" },
	{ "a closed one is not", "", "  per-client: 0" },
	{ "everybody, when it is meant", "access: {allow: [0.0.0.0/0]}\nopen-resolver: yes",
	  "  allow: [\"0.0.0.0/0\"]" },
	{ "the cache lies in the state's folder", "state: /s", "  folder: \"/s/cache\"" },
	{ "but not when it has its own", "state: /s\ncache: {folder: /c}", "  folder: \"/c\"" },
	{ "an identity", "identity: ns1.example", "identity: \"ns1.example\"" },
	{ "an identity that needs escapes", "identity: 'a\"b\\c'",
	  "identity: \"a\\\"b\\\\c\"" },
	{ "no identity", "identity: none", "identity: none" },
	{ "text in another script", "identity: \xe5\x90\x8d", "identity: \"\xe5\x90\x8d\"" },
	{ "the default port", "listen: [192.0.2.1, \"2001:db8::1\"]",
	  "listen: [\"192.0.2.1@53\", \"2001:db8::1@53\"]" },
	{ "the default port of HTTP", "http: {listen: [\"::1\"]}", "  listen: [\"::1@9153\"]" },
	{ "no HTTP", "http: {listen: []}", "  listen: []" },
	{ "IPv6", "resolver: {ipv6: true}", "  ipv6: yes" },
	{ "contexts renewed by the engine's version", "", "  context-age: auto" },
	{ "contexts never renewed", "resolver: {context-age: 0}", "  context-age: 0s" },
	{ "contexts renewed each hour", "resolver: {context-age: 60m}", "  context-age: 1h" },
	{ "fronts on cores", "fronts: {count: 2, cpus: [1, 0]}",
	  "fronts: {count: 2, cpus: [1, 0]}" },
	{ "as many fronts as cores", "fronts: {cpus: [0, 1, 2]}",
	  "fronts: {count: 3, cpus: [0, 1, 2]}" },
	{ "a number of fronts in a mapping", "fronts: {count: 2}", "fronts: 2" },
	{ "a bare negative trust anchor", "resolver: {negative-trust-anchors: [example]}",
	  "  negative-trust-anchors: [{name: \"example.\", reason: \"\"}]" },
	{ "a whole one, already past",
	  "resolver: {negative-trust-anchors: [{name: e., until: 2001-02-03T04:05:06Z, reason: "
	  "bad key}]}",
	  "  negative-trust-anchors: [{name: \"e.\", until: 2001-02-03T04:05:06Z, reason: "
	  "\"bad "
	  "key\"}]" },
	{ "a stub zone",
	  "resolver: {stub-zones: [{name: corp.example, servers: [192.0.2.1@5300]}]}",
	  "  stub-zones: [{name: \"corp.example.\", servers: [\"192.0.2.1@5300\"]}]" },
	{ "all questions forwarded",
	  "resolver: {forward-zones: [{name: ., servers: [192.0.2.1]}]}",
	  "  forward-zones: [{name: \".\", servers: [\"192.0.2.1@53\"]}]" },
	{ "a zone of RFC 2317",
	  "resolver: {forward-zones: [{name: 0/25.2.0.192.in-addr.arpa, servers: "
	  "[192.0.2.1]}]}",
	  "  forward-zones: [{name: \"0/25.2.0.192.in-addr.arpa.\", servers: "
	  "[\"192.0.2.1@53\"]}]" },
	{ "a server on loopback, when it is meant",
	  "resolver: {query-loopback: yes, stub-zones: [{name: a, servers: [127.0.0.2]}]}",
	  "  stub-zones: [{name: \"a.\", servers: [\"127.0.0.2@53\"]}]" },
	{ "raw options, one more than once",
	  "resolver: {libunbound: {private-address: [10.0.0.0/8, 192.168.0.0/16], verbosity: "
	  "1}}",
	  "  libunbound: {\"private-address\": [\"10.0.0.0/8\", \"192.168.0.0/16\"], "
	  "\"verbosity\": [\"1\"]}" },
	{ "the design's own example of raw options",
	  "resolver:\n  libunbound: {harden-glue: \"yes\"}",
	  "  libunbound: {\"harden-glue\": [\"yes\"]}" },
	{ "an empty feature of a later version", "tls: {}\nlisten-tls: []\nviews: []",
	  "views: []" },
};

Test(config, values)
{
	for (size_t i = 0; i < FL_COUNT(cases); i++) {
		struct given g = given_text(cases[i].text);
		cr_expect_eq(g.err, FL_OK, "%s: %s", cases[i].why, g.problems);
		if (g.err == FL_OK) {
			char *dump = given_dump(g.config);
			cr_expect(given_has_line(dump, cases[i].want), "%s: in %s",
				  cases[i].why, dump);
			free(dump);
		}
		given_free(&g);
	}
}

Test(config, snapshot)
{
	struct given g = given_text("cookies: required\n"
				    "resolver:\n"
				    "  qname-minimisation: strict\n"
				    "  ipv6: no\n"
				    "  negative-trust-anchors: [a]\n"
				    "  source-addresses: [192.0.2.9]\n"
				    "log: {level: debug, format: json}\n");
	cr_assert_eq(g.err, FL_OK, "%s", g.problems);
	const struct fl_config *c = g.config;
	cr_expect_null(c->identity);
	cr_expect_null(c->resolver.root_hints);
	cr_expect_eq(c->cookies, FL_COOKIES_REQUIRED);
	cr_expect_eq(c->resolver.qname_minimisation, FL_QMIN_STRICT);
	cr_expect_eq(c->resolver.ipv6, FL_NO);
	cr_expect_eq(c->resolver.context_age_s, -1);
	cr_expect_eq(c->log.level, FL_LOG_DEBUG);
	cr_expect_eq(c->log.format, FL_LOG_JSON);
	cr_expect_eq(c->cache.size, UINT64_C(256) << 20);
	cr_expect_eq(c->cache.negative_ttl_s, 3600u);
	cr_expect(c->cache.prefetch && c->resolver.local_root);
	cr_expect_eq(c->resolver.n_nta, 1u);
	cr_expect_eq(c->resolver.nta[0].until_s, 0);
	cr_expect_str_eq(c->resolver.nta[0].reason, "");
	cr_expect_eq(c->resolver.source_addresses.at[0].port, 0u);
	cr_expect_eq(c->listen.n, 2u);
	given_free(&g);
}

/* 3 of 8 cores resolve, at least one and at most 32; the others answer. */
static const struct {
	unsigned cores, resolvers, fronts; /* 0: auto */
	unsigned want_resolvers, want_fronts;
} shares[] = {
	{ 1, 0, 0, 1, 1 }, { 2, 0, 0, 1, 1 },  { 3, 0, 0, 1, 2 },    { 4, 0, 0, 2, 2 },
	{ 8, 0, 0, 3, 5 }, { 12, 0, 0, 5, 7 }, { 64, 0, 0, 24, 40 }, { 256, 0, 0, 32, 64 },
	{ 8, 6, 0, 6, 2 }, { 8, 9, 0, 9, 1 },  { 8, 0, 1, 3, 1 },
};

Test(config, cores_are_shared_out)
{
	for (size_t i = 0; i < FL_COUNT(shares); i++) {
		uint32_t resolvers = shares[i].resolvers, fronts = shares[i].fronts;
		fl__config_share_cores(shares[i].cores, &resolvers, &fronts);
		cr_expect_eq(resolvers, shares[i].want_resolvers, "%u cores", shares[i].cores);
		cr_expect_eq(fronts, shares[i].want_fronts, "%u cores", shares[i].cores);
	}
}

/* Only the cores that this process may use count. */
Test(config, processes_by_cores)
{
	cpu_set_t set;
	unsigned first = 0;
	cr_assert_eq(sched_getaffinity(0, sizeof(set), &set), 0);
	while (!CPU_ISSET(first, &set)) {
		first++;
	}
	CPU_ZERO(&set);
	CPU_SET(first, &set);
	cr_assert_eq(sched_setaffinity(0, sizeof(set), &set), 0);
	struct given g = given_text("");
	cr_assert_eq(g.err, FL_OK, "%s", g.problems);
	cr_expect_eq(g.config->resolvers, 1u);
	cr_expect_eq(g.config->fronts, 1u);
	given_free(&g);
}

Test(config, state_of_an_ordinary_user)
{
	const bool root = geteuid() == 0;
	if (root) {
		cr_assert_eq(seteuid(65534), 0);
	}
	setenv("HOME", "/h", 1);
	setenv("XDG_STATE_HOME", "/x", 1);
	struct given g = given_text("");
	cr_expect_str_eq(g.config->state, "/x/fairlead");
	given_free(&g);

	setenv("XDG_STATE_HOME", "relative", 1);
	g = given_text("");
	cr_expect_str_eq(g.config->state, "/h/.local/state/fairlead");
	given_free(&g);

	unsetenv("XDG_STATE_HOME");
	unsetenv("HOME");
	g = given_text("");
	cr_expect_eq(g.err, FL_EINVALID);
	cr_expect_str_eq(
		g.problems,
		"t:1:1: state has no default without a plain $HOME, a folder expected\n");
	given_free(&g);
	if (root) { /* or else the leak check at exit can't look at this process */
		cr_assert_eq(seteuid(0), 0);
		cr_assert_eq(prctl(PR_SET_DUMPABLE, 1), 0);
	}
}

static const struct {
	const char *why, *name, *want; /* NULL: no name */
} names[] = {
	{ "nothing", "\"\"", NULL },
	{ "an empty label", "a..b", NULL },
	{ "a full stop first", ".a", NULL },
	{ "a blank", "\"a b\"", NULL },
	{ "another script", "\xc3\xa9.example", NULL },
	{ "an escape that is no number", "'a\\.b'", NULL },
	{ "an escape over 255", "'a\\256'", NULL },
	{ "an escape cut short", "'a\\25'", NULL },
	{ "64 octets in a label",
	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL },
	{ "63 octets in a label",
	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa." },
	{ "the root", ".", "." },
	{ "already absolute", "a.b.", "a.b." },
	{ "underscores and hyphens", "_a-b.xn--c", "_a-b.xn--c." },
	{ "an escape", "'a\\255b'", "a\\255b." },
};

Test(config, domain_names)
{
	for (size_t i = 0; i < FL_COUNT(names); i++) {
		char text[256];
		snprintf(text, sizeof(text),
			 "resolver: {negative-trust-anchors: [{name: %s}]}\n", names[i].name);
		struct given g = given_text(text);
		cr_expect_eq(g.err, names[i].want != NULL ? FL_OK : FL_EINVALID, "%s: %s",
			     names[i].why, g.problems);
		if (g.config != NULL && names[i].want != NULL) {
			cr_expect_str_eq(g.config->resolver.nta[0].name, names[i].want);
		}
		given_free(&g);
	}
}

/* 255 octets on the wire, RFC 1035 2.3.4: 3 * (1 + 63) + (1 + 61) + 1 */
Test(config, domain_names_at_their_longest)
{
	for (int last = 61; last <= 62; last++) {
		char text[512], name[300] = "";
		for (int i = 0; i < 3; i++) {
			memset(name + i * 64, 'a', 63);
			name[i * 64 + 63] = '.';
		}
		memset(name + 192, 'a', (size_t)last);
		name[192 + last] = '\0';
		snprintf(text, sizeof(text), "resolver: {negative-trust-anchors: [%s]}\n",
			 name);
		struct given g = given_text(text);
		cr_expect_eq(g.err, last == 61 ? FL_OK : FL_EINVALID, "last label of %d", last);
		given_free(&g);
	}
}
