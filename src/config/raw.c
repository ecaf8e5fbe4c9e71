/* resolver.libunbound: options of the engine, and those that are refused. */
#include "load.h"

#include <stdlib.h>
#include <string.h>

struct refusal {
	const char *name;  /* a * at the end stands for the rest */
	const char *value; /* only this value is refused; NULL: every */
	const char *why;
};

static const char no_clause[] = "a clause of its own; stub-zones and forward-zones have keys";
static const char no_tls[] = "encrypted questions to servers are not in this version yet, and "
			     "some builds of the engine "
			     "send them in clear text";
static const char policy[] = "its answers would look validated";
static const char anchors[] = "trust anchors are the key resolver.trust-anchors";
static const char stale[] = "stale answers are the key cache.stale";
static const char host[] = "the process, its files and its log are not the engine's";
static const char client[] = "the engine serves no clients, it would have no effect";
static const char modules[] = "other modules would change what an answer means";
static const char subnet[] = "client addresses are never sent to servers";
static const char insecure[] = "validation would be weakened without a trace";
static const char testing[] = "it is for tests, and turns off validation";

/* clang-format off */
static const struct refusal refusals[] = {
	{ "unwanted-reply-threshold", NULL, "the engine ends its process when it is reached (CVE-2026-44621)" },
	{ "auto-trust-anchor-file", NULL, "the engine ends its process when the file can't be written" },
	{ "trust-anchor", NULL, anchors }, { "trust-anchor-file", NULL, anchors }, { "trusted-keys-file", NULL, anchors },
	{ "dlv-*", NULL, anchors }, { "add-holddown", NULL, anchors }, { "del-holddown", NULL, anchors },
	{ "keep-missing", NULL, anchors }, { "permit-small-holddown", NULL, anchors },
	{ "root-hints", NULL, "use the key resolver.root-hints" },
	{ "domain-insecure", NULL, "use the key resolver.negative-trust-anchors, which ends" },

	{ "val-permissive-mode", NULL, insecure }, { "val-override-date", NULL, insecure },
	{ "ignore-cd-flag", NULL, insecure }, { "disable-dnssec-lame-check", NULL, insecure },
	{ "harden-dnssec-stripped", "no", insecure }, { "zonemd-permissive-mode", NULL, insecure },
	{ "harden-glue", "no", "servers could speak for zones that are not theirs" },
	{ "iter-scrub-promiscuous", "no", "servers could speak for zones that are not theirs (CVE-2025-11411)" },
	{ "fake-*", NULL, testing }, { "disable-edns-do", NULL, insecure },

	{ "tls-*", NULL, no_tls }, { "ssl-*", NULL, no_tls }, { "*-tls-upstream", NULL, no_tls }, { "*-ssl-upstream", NULL, no_tls },
	{ "serve-expired", NULL, stale }, { "serve-expired-*", NULL, stale }, { "ede-serve-expired", NULL, stale },
	{ "serve-original-ttl", NULL, "TTLs would not count down" },
	{ "rpz", NULL, policy }, { "rpz-*", NULL, policy }, { "response-ip", NULL, policy }, { "response-ip-*", NULL, policy },
	{ "local-zone", NULL, policy }, { "local-zone-*", NULL, policy }, { "local-data", NULL, policy }, { "local-data-*", NULL, policy },
	{ "unblock-lan-zones", NULL, policy }, { "insecure-lan-zones", NULL, policy },
	{ "for-downstream", NULL, policy }, { "ipset", NULL, policy }, { "ipset-*", NULL, policy }, { "name-v4", NULL, policy }, { "name-v6", NULL, policy },

	{ "module-config", NULL, modules }, { "dns64-*", NULL, modules }, { "ipsecmod-*", NULL, modules },
	{ "python", NULL, modules }, { "python-script", NULL, modules }, { "dynlib", NULL, modules }, { "dynlib-file", NULL, modules },
	{ "cachedb", NULL, modules }, { "cachedb-*", NULL, modules }, { "redis-*", NULL, modules }, { "backend", NULL, modules }, { "secret-seed", NULL, modules },
	{ "send-client-subnet", NULL, subnet }, { "client-subnet-*", NULL, subnet }, { "max-client-subnet-*", NULL, subnet },
	{ "min-client-subnet-*", NULL, subnet }, { "max-ecs-*", NULL, subnet }, { "edns-client-*", NULL, subnet },

	{ "server", NULL, no_clause }, { "stub-zone", NULL, no_clause }, { "stub-*", NULL, no_clause }, { "forward-*", NULL, no_clause },
	{ "auth-zone", NULL, no_clause }, { "view", NULL, no_clause }, { "view-first", NULL, no_clause }, { "remote-control", NULL, no_clause },
	{ "control-*", NULL, no_clause }, { "server-key-file", NULL, no_clause }, { "server-cert-file", NULL, no_clause },
	{ "name", NULL, no_clause }, { "master", NULL, no_clause }, { "primary", NULL, no_clause }, { "url", NULL, no_clause },
	{ "allow-notify", NULL, no_clause }, { "zonefile", NULL, no_clause }, { "for-upstream", NULL, no_clause },
	{ "fallback-enabled", NULL, no_clause }, { "zonemd-*", NULL, no_clause }, { "dnstap", NULL, no_clause }, { "dnstap-*", NULL, no_clause },
	{ "dnscrypt", NULL, no_clause }, { "dnscrypt-*", NULL, no_clause },

	{ "include", NULL, host }, { "include-*", NULL, host }, { "directory", NULL, host }, { "chroot", NULL, host },
	{ "username", NULL, host }, { "pidfile", NULL, host }, { "logfile", NULL, host }, { "use-syslog", NULL, host },
	{ "use-systemd", NULL, host }, { "do-daemonize", NULL, host }, { "log-identity", NULL, host }, { "log-time-*", NULL, host },
	{ "log-queries", NULL, host }, { "log-replies", NULL, host }, { "log-destaddr", NULL, host }, { "log-local-actions", NULL, host },
	{ "log-tag-queryreply", NULL, host }, { "log-thread-id", NULL, host },

	{ "interface", NULL, client }, { "interface-*", NULL, client }, { "ip-address", NULL, client }, { "port", NULL, client },
	{ "access-control", NULL, client }, { "access-control-*", NULL, client }, { "ip-ratelimit", NULL, client }, { "ip-ratelimit-*", NULL, client },
	{ "num-threads", NULL, client }, { "num-queries-per-thread", NULL, client }, { "incoming-num-tcp", NULL, client },
	{ "http-*", NULL, client }, { "https-port", NULL, client }, { "quic-*", NULL, client }, { "proxy-protocol-port", NULL, client },
	{ "so-reuseport", NULL, client }, { "wait-limit", NULL, client }, { "wait-limit-*", NULL, client }, { "discard-timeout", NULL, client },
	{ "jostle-timeout", NULL, client }, { "statistics-*", NULL, client }, { "extended-statistics", NULL, client }, { "shm-*", NULL, client },
	{ "prefetch", NULL, "use the key cache.prefetch" }, { "nsid", NULL, "use the key identity" }, { "identity", NULL, "use the key identity" },
	{ "version", NULL, "use the key identity" },

	{ "do-not-query-localhost", NULL, "use the key resolver.query-loopback" },
	{ "do-ip6", NULL, "use the key resolver.ipv6" },
	{ "qname-minimisation", NULL, "use the key resolver.qname-minimisation" },
	{ "qname-minimisation-strict", NULL, "use the key resolver.qname-minimisation" },
	{ "outgoing-interface", NULL, "use the key resolver.source-addresses" },
	{ "cache-min-ttl", NULL, "use the key cache.min-ttl" },
	{ "cache-max-ttl", NULL, "use the key cache.max-ttl" },
	{ "cache-max-negative-ttl", NULL, "use the key cache.negative-ttl" },
	{ "infra-keep-probing", "yes", "each name below dead servers would cost 20 seconds and more" },
};
/* clang-format on */

/* One * may stand at either end. */
static bool matches(const char *pattern, const char *name)
{
	const size_t len = strlen(pattern), name_len = strlen(name);

	if (pattern[0] == '*') {
		return name_len >= len && strcmp(name + name_len - (len - 1), pattern + 1) == 0;
	}
	if (pattern[len - 1] == '*') {
		return strncmp(name, pattern, len - 1) == 0;
	}
	return strcmp(name, pattern) == 0;
}

/* The refusal of @p name whatever its value (NULL), or just with this one. */
static const struct refusal *refusal_of(const char *name, const char *value)
{
	for (size_t i = 0; i < FL_COUNT(refusals); i++) {
		const struct refusal *r = &refusals[i];
		if (!matches(r->name, name)) {
			continue;
		}
		if (value == NULL ? r->value == NULL
				  : r->value != NULL && strcmp(r->value, value) == 0) {
			return r;
		}
	}
	return NULL;
}

enum { NAME_MAX_OCTETS = 64, VALUE_MAX_OCTETS = 1024 };

static bool is_option_name(const char *name)
{
	const size_t len = strlen(name);
	return len > 0 && len <= NAME_MAX_OCTETS &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

/* The value will stand between double quotes in the engine's file, where a quote ends it and a
 * backslash takes the quote's meaning away. Line ends and NUL are no part of any scalar. */
static bool is_option_value(const struct fl__config_node *node)
{
	return node->kind == FL__SCALAR && !node->null && node->text[0] != '\0' &&
	       strlen(node->text) <= VALUE_MAX_OCTETS && strpbrk(node->text, "\"'\\") == NULL;
}

static void keep_option(struct fl__config_load *l, const struct fl__config_key *k,
			const char *name, const char *value, void *base)
{
	struct fl_config_raw *raw = fl__config_list_add(k, base);

	if (raw == NULL || (raw->name = strdup(name)) == NULL ||
	    (raw->value = strdup(value)) == NULL) {
		l->problems.err = FL_ENOMEM;
	}
}

static void add_option(struct fl__config_load *l, const struct fl__config_key *k,
		       const struct fl__config_node *name, const struct fl__config_node *value,
		       void *base)
{
	char quoted[FL__QUOTED_MAX];

	if (value->skip) {
		return;
	}
	if (!is_option_value(value)) {
		fl__config_problem(
			&l->problems, &value->mark,
			"%s: the value of %s, a text of 1 to %d octets without quotes "
			"and backslashes expected",
			k->path, fl__config_quote(name->text, quoted), VALUE_MAX_OCTETS);
		return;
	}
	const struct refusal *r = refusal_of(name->text, value->text);
	if (r != NULL) {
		fl__config_problem(&l->problems, &value->mark, "%s: %s is refused with %s, %s",
				   k->path, fl__config_quote(name->text, quoted), r->value,
				   r->why);
		return;
	}
	keep_option(l, k, name->text, value->text, base);
}

/* One option, given once or in a list. */
static void add_options(struct fl__config_load *l, const struct fl__config_key *k,
			const struct fl__config_node *name, void *base)
{
	char quoted[FL__QUOTED_MAX];

	if (!is_option_name(name->text)) {
		fl__config_problem(&l->problems, &name->mark,
				   "%s: %s, an option name in a-z, 0-9 and - expected", k->path,
				   fl__config_quote(name->text, quoted));
		return;
	}
	const struct refusal *r = refusal_of(name->text, NULL);
	if (r != NULL) {
		fl__config_problem(&l->problems, &name->mark, "%s: %s is refused, %s", k->path,
				   fl__config_quote(name->text, quoted), r->why);
		return;
	}
	if (name->value->kind != FL__SEQUENCE) {
		add_option(l, k, name, name->value, base);
		return;
	}
	for (const struct fl__config_node *v = name->value->first; v != NULL; v = v->next) {
		add_option(l, k, name, v, base);
	}
}

void fl__config_bind_raw(struct fl__config_load *l, const struct fl__config_key *k,
			 const struct fl__config_node *node, void *base)
{
	char expected[FL__EXPECTED_MAX];

	fl__config_describe(k, expected);
	if (node->kind != FL__MAPPING) {
		fl__config_problem(&l->problems, &node->mark, "%s is no mapping, %s expected",
				   k->path, expected);
		return;
	}
	for (const struct fl__config_node *name = node->first; name != NULL;
	     name = name->next) {
		if (!name->skip) {
			add_options(l, k, name, base);
		}
	}
	size_t n;
	fl__config_list(k, base, &n);
	if (n > k->max) {
		fl__config_problem(&l->problems, &node->mark,
				   "%s has %zu options, at most %llu expected", k->path, n,
				   (unsigned long long)k->max);
	}
}
