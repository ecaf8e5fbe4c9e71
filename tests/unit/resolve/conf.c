#include "conf.h"

#include "builtin.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static bool knows_all(void *arg, const char *option, const char *value)
{
	(void)arg;
	(void)option;
	(void)value;
	return true;
}

static bool knows_none(void *arg, const char *option, const char *value)
{
	(void)arg;
	(void)option;
	(void)value;
	return false;
}

static const struct fl__conf_library old_library = { "1.17.1", knows_none, NULL };
static const struct fl__conf_library new_library = { "1.26.2", knows_all, NULL };

static struct fl_engine_options defaults(void)
{
	return (struct fl_engine_options){ .ipv4 = true,
					   .ipv6 = true,
					   .qname_minimisation = true,
					   .max_ttl_s = 86400,
					   .negative_ttl_s = 3600 };
}

static char problem[512];

/* The text, or NULL and the problem; the caller frees. */
static char *write_with(const struct fl_engine_options *o, const struct fl__conf_library *lib)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	problem[0] = '\0';
	enum fl_err err =
		fl__conf_write(o, lib, 4096, "/proc/self/fd/9", out, problem, sizeof(problem));
	fclose(out);
	if (err == FL_OK) {
		return text;
	}
	free(text);
	cr_expect_neq(problem[0], '\0');
	return NULL;
}

static void expect_lines(const char *text, const char *const *lines, size_t n, bool there)
{
	cr_assert_not_null(text, "%s", problem);
	for (size_t i = 0; i < n; i++) {
		cr_expect_eq(strstr(text, lines[i]) != NULL, there, "%s", lines[i]);
	}
}

/* ---- what must not get through ---- */

struct raw_case {
	char name[80], value[64];
};

ParameterizedTestParameters(conf, raw_refused)
{
	static struct raw_case cases[] = {
		{ "", "yes" },
		{ "harden glue", "yes" },
		{ "harden-glue:", "yes" },
		{ "Harden-Glue", "yes" },
		{ "a\n", "yes" },
		{ "harden-glue", "yes\"" },
		{ "harden-glue", "yes\n\tval-permissive-mode: yes" },
		{ "harden-glue", "\\" },
		{ "harden-glue", "\x7f" },
		{ "unwanted-reply-threshold", "10000" },
		{ "auto-trust-anchor-file", "x" },
		{ "tls-upstream", "yes" },
		{ "tls-cert-bundle", "x" },
		{ "forward-tls-upstream", "yes" },
		{ "serve-expired", "yes" },
		{ "serve-expired-ttl", "1" },
		{ "rpz", "x" },
		{ "response-ip", "x" },
		{ "for-downstream", "yes" },
		{ "val-permissive-mode", "yes" },
		{ "module-config", "iterator" },
		{ "infra-keep-probing", "yes" },
		{ "include", "/etc/passwd" },
	};
	return cr_make_param_array(struct raw_case, cases, FL_COUNT(cases));
}

ParameterizedTest(struct raw_case *c, conf, raw_refused)
{
	struct fl_engine_options o = defaults();
	const struct fl_engine_option raw = { c->name, c->value };
	o.raw = &raw;
	o.n_raw = 1;
	cr_expect_not_null(fl__conf_raw_refusal(c->name, c->value), "%s: %s", c->name,
			   c->value);
	cr_expect_null(write_with(&o, &old_library), "%s: %s", c->name, c->value);
}

Test(conf, names_and_zones_that_are_none_are_refused)
{
	static const char *const bad[] = { "a..b", "a\"b.", ".a", "a\\256.", "'.x" };
	const struct fl_addr server = { .octets = { 192, 0, 2, 1 },
					.port = 53,
					.family = AF_INET };
	for (size_t i = 0; i < FL_COUNT(bad); i++) {
		struct fl_engine_options o = defaults();
		o.insecure = &bad[i];
		o.n_insecure = 1;
		cr_expect_null(write_with(&o, &old_library), "insecure %s", bad[i]);
		o = defaults();
		const struct fl_engine_zone zone = { bad[i], &server, 1 };
		o.stub = &zone;
		o.n_stub = 1;
		cr_expect_null(write_with(&o, &old_library), "stub %s", bad[i]);
	}
	struct fl_engine_options o = defaults();
	const struct fl_engine_zone empty = { "example.", NULL, 0 };
	o.forward = &empty;
	o.n_forward = 1;
	cr_expect_null(write_with(&o, &old_library), "a zone without servers");
}

struct anchor_case {
	const char *why, *text, *want; /* NULL: refused */
};

#define DIGEST_2024 "683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16"
#define DIGEST      "E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D"

static const struct anchor_case anchor_cases[] = {
	{ "nothing", "", NULL },
	{ "only a comment", "; . IN DS 20326 8 2 " DIGEST "\n", NULL },
	{ "another type", ". IN A 192.0.2.1\n", NULL },
	{ "half a digest", ". IN DS 20326 8 2 E06D44B8\n", NULL },
	{ "no digest", ". IN DS 20326 8 2\n", NULL },
	{ "one digit too many", ". IN DS 20326 8 2 " DIGEST "0\n", NULL },
	{ "a type that only begins like one", ". IN DNS 257 3 8 AwEAAa==", NULL },
	{ "lower case", ". in ds 20326 8 2 " DIGEST,
	  "trust-anchor: \". in ds 20326 8 2 " DIGEST },
	{ "a quote", ". IN DS 20326 8 2 \"" DIGEST "\"\n", NULL },
	{ "an owner that is no name", "a..b. IN DS 20326 8 2 " DIGEST "\n", NULL },
	{ "the second line is bad", ". IN DS 20326 8 2 " DIGEST "\nx\n", NULL },
	{ "a line", ". IN DS 20326 8 2 " DIGEST,
	  "trust-anchor: \". IN DS 20326 8 2 " DIGEST "\"" },
	{ "tabs, TTL and comment", ".\t172800\tIN\tDS\t20326 8 2\t" DIGEST " ; root\n",
	  "trust-anchor: \". 172800 IN DS 20326 8 2 " DIGEST },
	{ "parentheses over lines",
	  ". IN DS 20326 8 2 (\n E06D44B80B8F1D39A95C0B0D7C65D084\n"
	  " 58E880409BBC683457104237C7F8EC8D )\n",
	  "trust-anchor: \". IN DS 20326 8 2 " },
	{ "a key", ". IN DNSKEY 257 3 8 AwEAAa==\n",
	  "trust-anchor: \". IN DNSKEY 257 3 8 AwEAAa==" },
};

Test(conf, anchors)
{
	for (size_t i = 0; i < FL_COUNT(anchor_cases); i++) {
		const struct anchor_case *c = &anchor_cases[i];
		struct fl_engine_options o = defaults();
		o.trust_anchors_text = c->text;
		char *text = write_with(&o, &old_library);
		cr_expect_eq(text == NULL, c->want == NULL, "%s: %s", c->why, problem);
		if (text != NULL && c->want != NULL) {
			cr_expect_not_null(strstr(text, c->want), "%s", c->why);
		}
		free(text);
	}
}

Test(conf, an_anchor_under_a_negative_one_of_its_name_is_left_out)
{
	static const char *const root[] = { "." };
	struct fl_engine_options o = defaults();
	o.insecure = root;
	o.n_insecure = 1;
	char *text = write_with(&o, &old_library);
	cr_assert_not_null(text, "%s", problem);
	cr_expect_null(strstr(text, "trust-anchor:"));
	cr_expect_not_null(strstr(text, "domain-insecure: \".\""));
	free(text);
}

/* ---- what must be there ---- */

Test(conf, what_every_context_has)
{
	static const char *const lines[] = {
		"module-config: \"validator iterator\"\n",
		"outgoing-range: 4096\n",
		"infra-cache-max-rtt: 2000\n",
		"infra-host-ttl: 30\n",
		"infra-keep-probing: no\n",
		"log-servfail: yes\n",
		"edns-buffer-size: 1232\n",
		"val-nsec3-keysize-iterations: \"1024 50 2048 50 4096 50\"\n",
		"do-not-query-localhost: yes\n",
		"do-not-query-address: 0.0.0.0/8\n",
		"do-not-query-address: 224.0.0.0/4\n",
		"root-hints: \"/proc/self/fd/9\"\n",
		"local-zone: \"localhost.\" nodefault\n",
		"local-zone: \"31.172.in-addr.arpa.\" nodefault\n",
		"local-zone: \"127.100.in-addr.arpa.\" nodefault\n",
		"local-zone: "
		"\"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa.\" "
		"nodefault\n",
		"trust-anchor: \". IN DS 20326 8 2 " DIGEST "\"\n",
		"trust-anchor: \". IN DS 38696 8 2 " DIGEST_2024 "\"\n",
		"cache-max-ttl: 86400\n",
		"cache-max-negative-ttl: 3600\n",
		"qname-minimisation: yes\n",
	};
	static const char *const never[] = {
		"auto-trust-anchor", "unwanted-reply",   "tls-",
		"for-downstream",    "max-global-quota", "aggressive-nsec: yes"
	};
	struct fl_engine_options o = defaults();
	char *text = write_with(&o, &old_library);
	expect_lines(text, lines, FL_COUNT(lines), true);
	expect_lines(text, never, FL_COUNT(never), false);
	free(text);
}

Test(conf, what_a_newer_library_has_besides)
{
	static const char *const lines[] = { "max-global-quota: \"200\"",
					     "iter-scrub-ns: ",
					     "iter-scrub-cname: ",
					     "iter-scrub-rrsig: ",
					     "harden-unverified-glue: \"yes\"",
					     "harden-unknown-additional: \"yes\"",
					     "aggressive-nsec: yes" };
	struct fl_engine_options o = defaults();
	char *text = write_with(&o, &new_library);
	expect_lines(text, lines, FL_COUNT(lines), true);
	free(text);
}

Test(conf, zones_sources_and_own_addresses)
{
	const struct fl_addr server = { .octets = { 192, 0, 2, 1 },
					.port = 5353,
					.family = AF_INET };
	const struct fl_addr own[] = {
		{ .octets = { 198, 51, 100, 1 }, .port = 53, .family = AF_INET },
		{ .octets = { 192, 0, 2, 1 }, .port = 53, .family = AF_INET },
		{ .octets = { 0xfe, 0x80, [15] = 9 },
		  .scope = 1,
		  .port = 53,
		  .family = AF_INET6 }
	};
	const struct fl_addr source = { .octets = { 0x20, 1, 0x0d, 0xb8, [15] = 1 },
					.family = AF_INET6 };
	const struct fl_engine_zone stub = { "Example", &server, 1 },
				    forward = { ".", &server, 1 };
	const struct fl_engine_option raw[] = { { "harden-glue", "no" },
						{ "local-zone", "example.net. static" },
						{ "ratelimit-for-domain", "example.net 5" } };
	struct fl_engine_options o = defaults();
	o.stub = &stub;
	o.n_stub = 1;
	o.forward = &forward;
	o.n_forward = 1;
	o.own = own;
	o.n_own = FL_COUNT(own);
	o.sources = &source;
	o.n_sources = 1;
	o.raw = raw;
	o.n_raw = 3;
	o.query_loopback = true;
	static const char *const lines[] = {
		"stub-zone:\n\tname: \"example.\"\n\tstub-addr: 192.0.2.1@5353\n",
		"forward-zone:\n\tname: \".\"\n\tforward-addr: 192.0.2.1@5353\n",
		"do-not-query-address: 198.51.100.1\n",
		"do-not-query-address: fe80::9\n",
		"outgoing-interface: 2001:db8::1\n",
		"do-not-query-localhost: no\n",
		"harden-glue: \"no\"\n",
		"local-zone: \"example.net.\" static\n",
		"ratelimit-for-domain: \"example.net\" 5\n",
	};
	static const char *const never[] = { "do-not-query-address: 192.0.2.1\n" };
	char *text = write_with(&o, &old_library);
	expect_lines(text, lines, FL_COUNT(lines), true);
	expect_lines(text, never, FL_COUNT(never),
		     false); /* an upstream at another port of it */
	const char *ours = strstr(text, "harden-glue: yes"),
		   *theirs = strstr(text, "harden-glue: \"no");
	cr_expect(ours != NULL && theirs > ours, "a raw option has the last word");
	free(text);
}

Test(conf, thirteen_root_servers_with_both_addresses)
{
	const char *hints = fl__builtin_root_hints();
	unsigned ns = 0, a = 0, aaaa = 0;
	for (const char *c = hints; (c = strstr(c, " NS ")) != NULL; c++) {
		ns++;
	}
	for (const char *c = hints; (c = strstr(c, " A ")) != NULL; c++) {
		a++;
	}
	for (const char *c = hints; (c = strstr(c, " AAAA ")) != NULL; c++) {
		aaaa++;
	}
	cr_expect_eq(ns, 13);
	cr_expect_eq(a, 13);
	cr_expect_eq(aaaa, 13);
}

Test(conf, sockets_follow_the_limit_of_files)
{
	static const struct {
		uint64_t files;
		unsigned want;
	} cases[] = { { 0, 16 },      { 256, 16 },    { 272, 16 },
		      { 273, 17 },    { 1024, 768 },  { 4351, 4095 },
		      { 4352, 4096 }, { 4353, 4096 }, { UINT64_MAX, 4096 } };
	for (size_t i = 0; i < FL_COUNT(cases); i++) {
		cr_expect_eq(fl__conf_outgoing_range(cases[i].files), cases[i].want,
			     "%lu files", (unsigned long)cases[i].files);
	}
}

Test(conf, versions_compare_by_number)
{
	static const struct {
		const char *version;
		bool mended;
	} cases[] = { { "1.17.1", false }, { "1.25.1", false },  { "1.25.2", true },
		      { "1.25.10", true }, { "1.26.0", true },   { "1.9.99", false },
		      { "2.0.0", true },   { "1.26", true },     { "1.25", false },
		      { "", false },       { "1.25.2rc1", true } };
	for (size_t i = 0; i < FL_COUNT(cases); i++) {
		cr_expect_eq(fl__conf_version_at_least(cases[i].version, 1, 25, 2),
			     cases[i].mended, "%s", cases[i].version);
	}
}
