#include "conf.h"

#include "builtin.h"
#include "fairlead/wire/name.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static enum fl_err refuse(char *problem, size_t size, const char *fmt, ...) FL_PRINTF(3, 4);

static enum fl_err refuse(char *problem, size_t size, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	vsnprintf(problem, size, fmt, args);
	va_end(args);
	return FL_EINVALID;
}

bool fl__conf_version_at_least(const char *version, unsigned major, unsigned minor,
			       unsigned patch)
{
	const unsigned want[3] = { major, minor, patch };
	const char *at = version;
	for (int i = 0; i < 3; i++) {
		char *end;
		unsigned long have = strtoul(at, &end, 10);
		if (have != want[i]) {
			return have > want[i];
		}
		at = *end == '.' ? end + 1 : end;
	}
	return true;
}

unsigned fl__conf_outgoing_range(uint64_t files)
{
	if (files >= FL__CONF_RANGE_MAX + FL__CONF_FILES_RESERVE) {
		return FL__CONF_RANGE_MAX;
	}
	if (files <= FL__CONF_RANGE_MIN + FL__CONF_FILES_RESERVE) {
		return FL__CONF_RANGE_MIN;
	}
	return (unsigned)files - FL__CONF_FILES_RESERVE;
}

/* ---- raw options ---- */

/* Options that stop the process, need a file after confinement, take validation
 * or privacy away, or do in the engine what the front does. */
static const struct {
	const char *name, *why;
} harmful[] = {
	{ "unwanted-reply-threshold", "libunbound ends the process when it is reached" },
	{ "auto-trust-anchor-file", "libunbound ends the process when it cannot write it" },
	{ "tls-upstream", "not every libunbound encrypts it" },
	{ "ssl-upstream", "not every libunbound encrypts it" },
	{ "forward-tls-upstream", "not every libunbound encrypts it" },
	{ "forward-ssl-upstream", "not every libunbound encrypts it" },
	{ "stub-tls-upstream", "not every libunbound encrypts it" },
	{ "stub-ssl-upstream", "not every libunbound encrypts it" },
	{ "tls-cert-bundle", "it needs a file, and not every libunbound has TLS" },
	{ "ssl-cert-bundle", "it needs a file, and not every libunbound has TLS" },
	{ "tls-system-cert", "it needs files, and not every libunbound has TLS" },
	{ "root-hints", "resolver.root-hints says it" },
	{ "trust-anchor", "resolver.trust-anchors says it" },
	{ "trust-anchor-file", "resolver.trust-anchors says it" },
	{ "trusted-keys-file", "resolver.trust-anchors says it" },
	{ "dlv-anchor", "DLV has ended" },
	{ "dlv-anchor-file", "DLV has ended" },
	{ "val-permissive-mode", "bogus answers would be served" },
	{ "val-override-date", "signatures would be checked against a wrong clock" },
	{ "module-config", "answers would not be validated" },
	{ "for-downstream", "answers would not be validated" },
	{ "val-log-level", "reasons of failures are taken from it" },
	{ "val-log-squelch", "reasons of failures are taken from it" },
	{ "log-servfail", "reasons of failures are taken from it" },
	{ "infra-keep-probing", "with short time-outs a dead zone costs 20 s a name" },
	{ "rpz", "policy is the front's" },
	{ "response-ip", "policy is the front's" },
	{ "response-ip-data", "policy is the front's" },
	{ "send-client-subnet", "client addresses are not sent on" },
	{ "include", "the configuration is one text" },
	{ "include-toplevel", "the configuration is one text" },
	{ "chroot", "the process is confined already" },
	{ "directory", "the process is confined already" },
	{ "username", "the process is confined already" },
	{ "pidfile", "the process is not a daemon of its own" },
	{ "logfile", "the log is fairlead's" },
	{ "use-syslog", "the log is fairlead's" },
	{ "use-systemd", "the process is not a daemon of its own" },
	{ "python-script", "scripts are not run" },
	{ "dynlib-file", "foreign code is not loaded" },
};

const char *fl__conf_raw_refusal(const char *name, const char *value)
{
	size_t len = strlen(name);
	if (len == 0 || len > 63 ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != len) {
		return "not the name of an option";
	}
	for (size_t i = 0; i < FL_COUNT(harmful); i++) {
		if (strcmp(name, harmful[i].name) == 0) {
			return harmful[i].why;
		}
	}
	if (strncmp(name, "serve-expired", strlen("serve-expired")) == 0) {
		return "stale answers are the front's";
	}
	for (const char *c = value; *c != '\0'; c++) {
		if (*c == '"' || *c == '\\' || !isprint((unsigned char)*c)) {
			return "quotes, backslashes and control characters cannot stand in a "
			       "value";
		}
	}
	return NULL;
}

/* The options whose value is two words to the parser; all others take one. */
static bool takes_two_words(const char *name)
{
	static const char *const two[] = { "local-zone", "ratelimit-for-domain",
					   "ratelimit-below-domain" };
	for (size_t i = 0; i < FL_COUNT(two); i++) {
		if (strcmp(name, two[i]) == 0) {
			return true;
		}
	}
	return false;
}

void fl__conf_write_raw(const struct fl_engine_option *raw, FILE *out)
{
	const char *space = takes_two_words(raw->name) ? strchr(raw->value, ' ') : NULL;
	if (space == NULL) {
		fprintf(out, "\t%s: \"%s\"\n", raw->name, raw->value);
		return;
	}
	fprintf(out, "\t%s: \"%.*s\" %s\n", raw->name, (int)(space - raw->value), raw->value,
		space + 1);
}

static enum fl_err write_raw_options(const struct fl_engine_options *o, FILE *out,
				     char *problem, size_t size)
{
	for (size_t i = 0; i < o->n_raw; i++) {
		const char *why = fl__conf_raw_refusal(o->raw[i].name, o->raw[i].value);
		if (why != NULL) {
			return refuse(problem, size, "libunbound option %s: refused: %s",
				      o->raw[i].name, why);
		}
		fl__conf_write_raw(&o->raw[i], out);
	}
	return FL_OK;
}

/* ---- names, addresses, anchors ---- */

/* Only the canonical spelling reaches libunbound: an operator's text cannot leave its quotes.
 */
static enum fl_err canonical(const char *what, const char *text,
			     char name[static FL_NAME_TEXT_MAX], char *problem, size_t size)
{
	uint8_t wire[FL_NAME_MAX];
	size_t len;
	if (fl_name_from_text(text, wire, &len) != FL_OK) {
		return refuse(problem, size, "%s: \"%.80s\" is not a domain name", what, text);
	}
	fl_name_lower(wire, wire, len);
	fl_name_to_text(wire, name);
	if (strpbrk(name, "\"'") != NULL) {
		return refuse(problem, size, "%s: \"%.80s\": quotes cannot stand in it", what,
			      text);
	}
	return FL_OK;
}

static bool is_insecure(const struct fl_engine_options *o, const char *name)
{
	char other[FL_NAME_TEXT_MAX], ignored[64];
	for (size_t i = 0; i < o->n_insecure; i++) {
		if (canonical("", o->insecure[i], other, ignored, sizeof(ignored)) == FL_OK &&
		    strcmp(name, other) == 0) {
			return true;
		}
	}
	return false;
}

static enum fl_err write_insecure(const struct fl_engine_options *o, FILE *out, char *problem,
				  size_t size)
{
	char name[FL_NAME_TEXT_MAX];
	for (size_t i = 0; i < o->n_insecure; i++) {
		enum fl_err err =
			canonical("negative trust anchor", o->insecure[i], name, problem, size);
		if (err != FL_OK) {
			return err;
		}
		fprintf(out, "\tdomain-insecure: \"%s\"\n", name);
	}
	return FL_OK;
}

/* Octets that a digest of @p type must have (RFC 4034 5.1.4, RFC 4509, RFC 6605); 0: unknown.
 */
static size_t digest_octets(unsigned type)
{
	switch (type) {
	case 1:
		return 20;
	case 2:
		return 32;
	case 4:
		return 48;
	default:
		return 0;
	}
}

/* libunbound takes a DS with half a digest, and then trusts nothing by it. */
static bool digest_is_whole(const char *rdata)
{
	unsigned tag, algorithm, type;
	int digest_at = -1;
	if (sscanf(rdata, "%u %u %u %n", &tag, &algorithm, &type, &digest_at) != 3 ||
	    digest_at < 0) {
		return false;
	}
	size_t digits = 0;
	for (const char *c = rdata + digest_at; *c != '\0'; c++) {
		digits += isxdigit((unsigned char)*c) != 0;
	}
	return digest_octets(type) == 0 || digits == 2 * digest_octets(type);
}

/* What is wrong with a record, or NULL. */
static const char *anchor_fault(const char *record)
{
	if (strpbrk(record, "\"'\\") != NULL) {
		return "quotes cannot stand in it";
	}
	bool key = strcasestr(record, " DNSKEY ") != NULL; /* its base64 may hold a "DS " */
	const char *ds = key ? NULL : strcasestr(record, " DS ");
	if (ds == NULL && !key) {
		return "neither DS nor DNSKEY";
	}
	if (ds != NULL && !digest_is_whole(ds + strlen(" DS "))) {
		return "the digest has a wrong length";
	}
	return NULL;
}

/* One record without comments. Its owner may be under a negative trust anchor of
 * the same name, and libunbound would then trust it all the same. */
static enum fl_err write_anchor(const struct fl_engine_options *o, char *record, unsigned line,
				FILE *out, unsigned *written, char *problem, size_t size)
{
	record += strspn(record, " ");
	if (*record == '\0') {
		return FL_OK;
	}
	const char *fault = anchor_fault(record);
	if (fault != NULL) {
		return refuse(problem, size, "trust anchor, line %u: %s", line, fault);
	}
	char owner[FL_NAME_TEXT_MAX], name[FL_NAME_TEXT_MAX];
	size_t len = strcspn(record, " ");
	snprintf(owner, sizeof(owner), "%.*s", (int)len, record);
	enum fl_err err = canonical("trust anchor", owner, name, problem, size);
	if (err != FL_OK) {
		return err;
	}
	++*written;
	if (!is_insecure(o, name)) {
		fprintf(out, "\ttrust-anchor: \"%s\"\n", record);
	}
	return FL_OK;
}

/* Comments go, and what stands in parentheses is one line (RFC 1035 5.1). */
static enum fl_err write_anchors(const struct fl_engine_options *o, FILE *out, char *problem,
				 size_t size)
{
	const char *text = o->trust_anchors_text;
	if (text == NULL) {
		text = fl__builtin_trust_anchors();
	}
	char *record = malloc(strlen(text) + 1);
	if (record == NULL) {
		return FL_ENOMEM;
	}
	enum fl_err err = FL_OK;
	unsigned line = 1, written = 0;
	size_t len = 0;
	bool inside = false;
	for (const char *c = text;; c++) {
		if (*c == ';') {
			c += strcspn(c, "\n");
		}
		if (*c == '\0' || (*c == '\n' && !inside)) {
			record[len] = '\0';
			len = 0;
			err = write_anchor(o, record, line, out, &written, problem, size);
			if (err != FL_OK || *c == '\0') {
				break;
			}
		} else if (*c == '(' || *c == ')') {
			inside = *c == '(';
		} else {
			record[len++] = isspace((unsigned char)*c) ? ' ' : *c;
		}
		line += *c == '\n';
	}
	free(record);
	if (err == FL_OK && written == 0) {
		return refuse(problem, size, "trust anchors: no DS or DNSKEY record");
	}
	return err;
}

static const char *address_only(const struct fl_addr *a, char buf[static FL_ADDR_TEXT_MAX])
{
	struct fl_addr bare = *a;
	bare.port = 0;
	return fl_addr_format(&bare, buf);
}

/* libunbound's netblocks know no scope, and compare none. */
static const char *netblock(const struct fl_addr *a, char buf[static FL_ADDR_TEXT_MAX])
{
	struct fl_addr bare = *a;
	bare.scope = 0;
	return address_only(&bare, buf);
}

static bool same_host(const struct fl_addr *a, const struct fl_addr *b)
{
	return a->family == b->family && memcmp(a->octets, b->octets, sizeof(a->octets)) == 0;
}

/* An upstream that an operator named may live on an address we listen on, at another port. */
static bool is_named_upstream(const struct fl_engine_options *o, const struct fl_addr *own)
{
	const struct fl_engine_zone *const lists[] = { o->stub, o->forward };
	const size_t n[] = { o->n_stub, o->n_forward };
	for (size_t l = 0; l < FL_COUNT(lists); l++) {
		for (size_t i = 0; i < n[l]; i++) {
			const struct fl_engine_zone *z = &lists[l][i];
			for (size_t k = 0; k < z->n_servers; k++) {
				if (same_host(&z->servers[k], own) &&
				    z->servers[k].port != own->port) {
					return true;
				}
			}
		}
	}
	return false;
}

/* Addresses that no delegation may send us to: this host by its odd names,
 * multicast, broadcast, IPv4 in IPv6 clothes, and ourselves. */
static void write_never_asked(const struct fl_engine_options *o, FILE *out)
{
	static const char *const never[] = { "0.0.0.0/8", "224.0.0.0/4", "255.255.255.255/32",
					     "::/128",    "ff00::/8",    "::ffff:0:0/96" };
	fprintf(out, "\tdo-not-query-localhost: %s\n", o->query_loopback ? "no" : "yes");
	for (size_t i = 0; i < FL_COUNT(never); i++) {
		fprintf(out, "\tdo-not-query-address: %s\n", never[i]);
	}
	char text[FL_ADDR_TEXT_MAX];
	for (size_t i = 0; i < o->n_own; i++) {
		if (!is_named_upstream(o, &o->own[i])) {
			fprintf(out, "\tdo-not-query-address: %s\n",
				netblock(&o->own[i], text));
		}
	}
}

/* ---- the clauses ---- */

/* libunbound answers these names itself unless told not to; here the front does
 * (RFC 6303, 6761, 7686, 7793, 8375, 9665). Unknown ones do no harm. */
static void write_no_local_zones(FILE *out)
{
	static const char *const zones[] = { "localhost.",
					     "127.in-addr.arpa.",
					     "home.arpa.",
					     "onion.",
					     "test.",
					     "invalid.",
					     "local.",
					     "service.arpa.",
					     "resolver.arpa.",
					     "10.in-addr.arpa.",
					     "168.192.in-addr.arpa.",
					     "0.in-addr.arpa.",
					     "254.169.in-addr.arpa.",
					     "2.0.192.in-addr.arpa.",
					     "100.51.198.in-addr.arpa.",
					     "113.0.203.in-addr.arpa.",
					     "255.255.255.255.in-addr.arpa.",
					     "d.f.ip6.arpa.",
					     "8.e.f.ip6.arpa.",
					     "9.e.f.ip6.arpa.",
					     "a.e.f.ip6.arpa.",
					     "b.e.f.ip6.arpa.",
					     "8.b.d.0.1.0.0.2.ip6.arpa." };
	for (size_t i = 0; i < FL_COUNT(zones); i++) {
		fprintf(out, "\tlocal-zone: \"%s\" nodefault\n", zones[i]);
	}
	for (unsigned i = 16; i < 32; i++) {
		fprintf(out, "\tlocal-zone: \"%u.172.in-addr.arpa.\" nodefault\n", i);
	}
	for (unsigned i = 64; i < 128; i++) {
		fprintf(out, "\tlocal-zone: \"%u.100.in-addr.arpa.\" nodefault\n", i);
	}
	for (unsigned last = 0; last < 2; last++) { /* :: and ::1 */
		fprintf(out, "\tlocal-zone: \"%u", last);
		for (unsigned i = 1; i < 32; i++) {
			fputs(".0", out);
		}
		fputs(".ip6.arpa.\" nodefault\n", out);
	}
}

static void write_fixed(FILE *out)
{
	fputs("\tmodule-config: \"validator iterator\"\n"
	      "\tuse-syslog: no\n"
	      "\tlog-servfail: yes\n" /* the only place where a failure's reason is said */
	      "\toutgoing-num-tcp: 100\n"
	      "\tedns-buffer-size: 1232\n"
	      "\tudp-connect: yes\n"
	      "\tval-nsec3-keysize-iterations: \"1024 50 2048 50 4096 50\"\n"
	      /* in this file, not by ub_ctx_set_option(): since 1.23 that moves half of it only
	       */
	      "\tinfra-cache-max-rtt: 2000\n"
	      "\tinfra-host-ttl: 30\n"
	      "\tinfra-keep-probing: no\n"
	      "\tinfra-cache-numhosts: 50000\n"
	      "\trrset-cache-size: 64m\n"
	      "\tmsg-cache-size: 8m\n"
	      "\tkey-cache-size: 8m\n"
	      "\tneg-cache-size: 4m\n"
	      "\tharden-glue: yes\n"
	      "\tharden-dnssec-stripped: yes\n"
	      "\tharden-below-nxdomain: yes\n"
	      "\tharden-algo-downgrade: no\n"
	      "\tharden-referral-path: no\n"
	      "\tuse-caps-for-id: no\n"
	      "\tminimal-responses: yes\n"
	      "\tprefetch: no\n"
	      "\tprefetch-key: yes\n"
	      "\tserve-expired: no\n"
	      "\tval-bogus-ttl: 60\n",
	      out);
}

/* Limits against amplification and poisoning that newer versions brought (1.18 to 1.25). */
static void write_where_known(const struct fl__conf_library *lib, FILE *out)
{
	static const struct fl_engine_option newer[] = {
		{ "max-global-quota", "200" },       { "iter-scrub-ns", "20" },
		{ "iter-scrub-cname", "11" },        { "iter-scrub-rrsig", "8" },
		{ "harden-unverified-glue", "yes" }, { "harden-unknown-additional", "yes" },
	};
	for (size_t i = 0; i < FL_COUNT(newer); i++) {
		if (lib->knows(lib->arg, newer[i].name, newer[i].value)) {
			fl__conf_write_raw(&newer[i], out);
		}
	}
	/* CVE-2026-44690 and -42923 lie on this path below 1.25.2 */
	bool mended = fl__conf_version_at_least(lib->version, 1, 25, 2);
	fprintf(out, "\taggressive-nsec: %s\n", mended ? "yes" : "no");
}

static void write_chosen(const struct fl_engine_options *o, unsigned outgoing_range, FILE *out)
{
	fprintf(out, "\toutgoing-range: %u\n", outgoing_range);
	fprintf(out, "\tdo-ip4: %s\n\tdo-ip6: %s\n", o->ipv4 ? "yes" : "no",
		o->ipv6 ? "yes" : "no");
	fprintf(out, "\tqname-minimisation: %s\n", o->qname_minimisation ? "yes" : "no");
	bool strict = o->qname_minimisation && o->qname_minimisation_strict;
	fprintf(out, "\tqname-minimisation-strict: %s\n", strict ? "yes" : "no");
	fprintf(out, "\tcache-max-ttl: %u\n", o->max_ttl_s);
	fprintf(out, "\tcache-max-negative-ttl: %u\n", o->negative_ttl_s);
	char text[FL_ADDR_TEXT_MAX];
	for (size_t i = 0; i < o->n_sources; i++) {
		fprintf(out, "\toutgoing-interface: %s\n", address_only(&o->sources[i], text));
	}
}

static enum fl_err write_zones(const char *kind, const struct fl_engine_zone *zones, size_t n,
			       FILE *out, char *problem, size_t size)
{
	char name[FL_NAME_TEXT_MAX], address[FL_ADDR_TEXT_MAX];
	for (size_t i = 0; i < n; i++) {
		enum fl_err err = canonical(kind, zones[i].name, name, problem, size);
		if (err != FL_OK) {
			return err;
		}
		if (zones[i].n_servers == 0) {
			return refuse(problem, size, "%s zone %.200s has no server", kind,
				      name);
		}
		fprintf(out, "%s-zone:\n\tname: \"%s\"\n", kind, name);
		for (size_t k = 0; k < zones[i].n_servers; k++) {
			fl_addr_format(&zones[i].servers[k], address);
			fprintf(out, "\t%s-addr: %s\n", kind, address);
		}
	}
	return FL_OK;
}

enum fl_err fl__conf_write(const struct fl_engine_options *o,
			   const struct fl__conf_library *lib, unsigned outgoing_range,
			   const char *hints_path, FILE *out, char *problem,
			   size_t problem_size)
{
	enum fl_err err;
	fputs("server:\n", out);
	write_fixed(out);
	write_where_known(lib, out);
	write_chosen(o, outgoing_range, out);
	write_never_asked(o, out);
	write_no_local_zones(out);
	fprintf(out, "\troot-hints: \"%s\"\n", hints_path);
	/* a name that is answered here and nowhere else: contexts are tried on it (context.c)
	 */
	fputs("\tlocal-zone: \"" FL__CONF_PROBE "\" static\n", out);
	if ((err = write_anchors(o, out, problem, problem_size)) != FL_OK ||
	    (err = write_insecure(o, out, problem, problem_size)) != FL_OK ||
	    (err = write_raw_options(o, out, problem, problem_size)) != FL_OK ||
	    (err = write_zones("stub", o->stub, o->n_stub, out, problem, problem_size)) !=
		    FL_OK ||
	    (err = write_zones("forward", o->forward, o->n_forward, out, problem,
			       problem_size)) != FL_OK) {
		return err;
	}
	return ferror(out) ? FL_ENOMEM : FL_OK;
}
