#include "schema.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define AT(member) .at = offsetof(struct fl_config, member)
#define LIST_AT(member)                              \
	.at = offsetof(struct fl_config, member.at), \
	.n = offsetof(struct fl_config, member.n),   \
	.size = sizeof(*((struct fl_config *)NULL)->member.at)
#define IN(type, member) .at = offsetof(struct type, member)
#define KIB              UINT64_C(1024)
#define MIB              (KIB * 1024)
#define GIB              (MIB * 1024)
#define TIB              (GIB * 1024)
#define HOUR_S           3600
#define DAY_S            86400
#define PATH_OCTETS      .min = 1, .max = 4095 /* PATH_MAX without the NUL */

#ifdef FL_TINY
#define CACHE_SIZE_MIN MIB
#else
#define CACHE_SIZE_MIN (16 * MIB)
#endif

/* by enum fl_cookie_mode, fl_tristate, fl_qmin_mode, fl_log_level, fl_log_format */
static const char *const cookie_words[] = { "off", "offered", "required", NULL };
static const char *const tristate_words[] = { "no", "yes", "auto", NULL };
static const char *const qmin_words[] = { "off", "relaxed", "strict", NULL };
static const char *const level_words[] = {
	"error", "warning", "notice", "info", "debug", NULL
};
static const char *const format_words[] = { "text", "json", NULL };

/* clang-format off */
const struct fl__config_key fl__config_keys[] = {
	{ .path = "include", .shape = FL__INCLUDE, .max = 256,
	  .fallback = "[]",
	  .help = "More files, by a pattern relative to the folder of this file, or a list of patterns. Their keys join "
		  "this file's; a key may be given only once over all files. A pattern with a wildcard may match nothing." },
	{ .path = "state", .shape = FL__ONE, .scalar = &fl__config_path, AT(state), PATH_OCTETS, .restart = true,
	  .shown = "/var/lib/fairlead for root, else fairlead in $XDG_STATE_HOME or ~/.local/state",
	  .help = "Folder of trust anchors, keys and history." },
	{ .path = "identity", .shape = FL__ONE, .scalar = &fl__config_text, AT(identity), .min = 1, .max = 255, .none = "none",
	  .fallback = "none",
	  .help = "What NSID, id.server and version.bind answer. With none, these questions are refused." },
	{ .path = "listen", .shape = FL__LIST, .scalar = &fl__config_endpoint, LIST_AT(listen), .min = 1, .max = 64, .port = 53,
	  .fallback = "[127.0.0.1@53, \"::1@53\"]", .restart = true,
	  .help = "Addresses for questions over UDP and TCP. They are bound whether or not their interface is up." },
	{ .path = "listen-tls", .shape = FL__LATER, .fallback = "[]", .restart = true,
	  .help = "Addresses for DNS over TLS." },
	{ .path = "listen-https", .shape = FL__LATER, .fallback = "[]", .restart = true,
	  .help = "Addresses for DNS over HTTPS." },
	{ .path = "tls", .shape = FL__LATER, .fallback = "{}",
	  .help = "Certificate and key of the encrypted listeners." },
	{ .path = "access", .shape = FL__GROUP,
	  .help = "Who may ask." },
	{ .path = "access.allow", .shape = FL__LIST, .scalar = &fl__config_prefix, LIST_AT(access_allow), .max = 4096,
	  .fallback = "[127.0.0.0/8, 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10, 169.254.0.0/16, \"::1\", "
		      "\"fc00::/7\", \"fe80::/10\"]",
	  .help = "Clients that are answered; all others get REFUSED. 0.0.0.0/0 and ::/0 need open-resolver." },
	{ .path = "access.deny", .shape = FL__LIST, .scalar = &fl__config_prefix, LIST_AT(access_deny), .max = 4096,
	  .fallback = "[]",
	  .help = "Clients that are refused although access.allow holds them." },
	{ .path = "open-resolver", .shape = FL__ONE, .scalar = &fl__config_bool, AT(open_resolver),
	  .fallback = "no",
	  .help = "Says that answering the whole Internet is meant. It needs cookies, and a limit in rate-limit.per-client, "
		  "which is 1000 then unless another is set." },
	{ .path = "cookies", .shape = FL__ONE, .scalar = &fl__config_word, AT(cookies), .words = cookie_words,
	  .fallback = "offered",
	  .help = "DNS cookies (RFC 7873): answered when a client sends one, demanded of every client over UDP, or neither." },
	{ .path = "limits", .shape = FL__GROUP,
	  .help = "Questions in flight; what is beyond a limit is answered from expired records or with SERVFAIL." },
	{ .path = "limits.resolver", .shape = FL__ONE, .scalar = &fl__config_count, AT(limits.resolver), .min = 1, .max = 65536,
	  .fallback = "2048", .help = "At most so many a resolver process." },
	{ .path = "limits.zone", .shape = FL__ONE, .scalar = &fl__config_count, AT(limits.zone), .min = 1, .max = 65536,
	  .fallback = "200", .help = "At most so many for names of one zone; not more than limits.resolver." },
	{ .path = "limits.client", .shape = FL__ONE, .scalar = &fl__config_count, AT(limits.client), .min = 1, .max = UINT16_MAX,
	  .fallback = "100", .help = "At most so many waiting for one client address in a front. Exempt clients are not counted." },
	{ .path = "rate-limit", .shape = FL__GROUP,
	  .help = "Answers a second and client prefix. 0 is off." },
	{ .path = "rate-limit.per-client", .shape = FL__ONE, .scalar = &fl__config_count, AT(rate_limit.per_client), .max = 100000000,
	  .fallback = "0", .shown = "0, and 1000 with open-resolver", .help = "Questions a second." },
	{ .path = "rate-limit.errors", .shape = FL__ONE, .scalar = &fl__config_count, AT(rate_limit.errors), .max = 100000000,
	  .fallback = "20", .help = "Refusals and error answers a second." },
	{ .path = "rate-limit.exempt", .shape = FL__LIST, .scalar = &fl__config_prefix, LIST_AT(rate_limit.exempt), .max = 4096,
	  .fallback = "[127.0.0.0/8]", .help = "Clients without a rate limit." },
	{ .path = "cache", .shape = FL__GROUP,
	  .help = "Answers that are kept, also over a restart." },
	{ .path = "cache.folder", .shape = FL__ONE, .scalar = &fl__config_path, AT(cache.folder), PATH_OCTETS, .restart = true,
	  .shown = "cache in the folder of state", .help = "Folder of the cache file." },
	{ .path = "cache.size", .shape = FL__ONE, .scalar = &fl__config_size, AT(cache.size), .min = CACHE_SIZE_MIN, .max = TIB,
	  .fallback = "256MiB", .restart = true, .help = "Size of the cache file, taken from the disk at once." },
	{ .path = "cache.front-size", .shape = FL__ONE, .scalar = &fl__config_size, AT(cache.front_size), .max = 64 * GIB,
	  .fallback = "64MiB", .restart = true, .help = "Memory for ready answers in each front." },
	{ .path = "cache.min-ttl", .shape = FL__ONE, .scalar = &fl__config_seconds, AT(cache.min_ttl_s), .max = DAY_S,
	  .fallback = "0s", .help = "Records are kept at least so long, against their owner's word; not more than cache.max-ttl." },
	{ .path = "cache.max-ttl", .shape = FL__ONE, .scalar = &fl__config_seconds, AT(cache.max_ttl_s), .min = 1, .max = DAY_S,
	  .fallback = "1d", .help = "Records are kept at most so long." },
	{ .path = "cache.negative-ttl", .shape = FL__ONE, .scalar = &fl__config_seconds, AT(cache.negative_ttl_s), .max = DAY_S,
	  .fallback = "1h", .help = "That a name or type does not exist is kept at most so long (RFC 2308)." },
	{ .path = "cache.stale", .shape = FL__ONE, .scalar = &fl__config_seconds, AT(cache.stale_s), .max = 7 * DAY_S,
	  .fallback = "1d", .help = "Expired records may answer so long when no fresh one can be had (RFC 8767). 0 is never." },
	{ .path = "cache.prefetch", .shape = FL__ONE, .scalar = &fl__config_bool, AT(cache.prefetch),
	  .fallback = "yes", .help = "Popular names are asked again when they expire." },
	{ .path = "fronts", .shape = FL__ONE, .scalar = &fl__config_auto_count, AT(fronts), .min = 1, .max = 64,
	  .fallback = "auto", .restart = true,
	  .help = "Processes that answer clients: a number, or a mapping of the two keys below. With auto, one for each core "
		  "that is not a resolver's." },
	{ .path = "fronts.count", .shape = FL__ONE, .scalar = &fl__config_count, AT(fronts), .min = 1, .max = 64,
	  .shown = "as many as fronts.cpus", .restart = true, .help = "The number." },
	{ .path = "fronts.cpus", .shape = FL__LIST, .scalar = &fl__config_cpu, LIST_AT(front_cpus), .max = 64,
	  .shown = "[]", .restart = true, .help = "The core of each front, by the kernel's numbers. Without it they are not pinned." },
	{ .path = "resolvers", .shape = FL__ONE, .scalar = &fl__config_auto_count, AT(resolvers), .min = 1, .max = 32,
	  .fallback = "auto", .restart = true,
	  .help = "Processes that ask authoritative servers. With auto, three for each eight cores, at least one." },
	{ .path = "resolver", .shape = FL__GROUP,
	  .help = "How names are resolved and validated." },
	{ .path = "resolver.root-hints", .shape = FL__ONE, .scalar = &fl__config_path, AT(resolver.root_hints), PATH_OCTETS, .none = "built-in",
	  .fallback = "built-in", .help = "File with names and addresses of root servers." },
	{ .path = "resolver.trust-anchors", .shape = FL__LIST, .scalar = &fl__config_path, LIST_AT(resolver.trust_anchors), .max = 16,
	  .fallback = "[]", .shown = "built in", .help = "Files of DS or DNSKEY lines that are trusted instead of the root's built-in keys." },
	{ .path = "resolver.negative-trust-anchors", .shape = FL__RECORDS, AT(resolver.nta), .n = offsetof(struct fl_config, resolver.n_nta),
	  .size = sizeof(struct fl_config_nta), .max = 1000, .bare = "name", .fallback = "[]",
	  .help = "Zones that are not validated for a time (RFC 7646). A bare name stands for seven days from the start." },
	{ .path = "resolver.negative-trust-anchors.name", .shape = FL__ONE, .scalar = &fl__config_name, IN(fl_config_nta, name), .required = true,
	  .help = "The zone." },
	{ .path = "resolver.negative-trust-anchors.until", .shape = FL__ONE, .scalar = &fl__config_instant, IN(fl_config_nta, until_s),
	  .shown = "seven days from the start", .help = "When it ends, at most seven days ahead." },
	{ .path = "resolver.negative-trust-anchors.reason", .shape = FL__ONE, .scalar = &fl__config_text, IN(fl_config_nta, reason), .max = 255,
	  .fallback = "\"\"", .help = "Why, for the log and for the next operator." },
	{ .path = "resolver.local-root", .shape = FL__ONE, .scalar = &fl__config_bool, AT(resolver.local_root),
	  .fallback = "yes", .help = "Keep a copy of the root zone (RFC 8806), used only while its digest and signatures are right." },
	{ .path = "resolver.ipv6", .shape = FL__ONE, .scalar = &fl__config_word, AT(resolver.ipv6), .words = tristate_words,
	  .fallback = "auto", .help = "Ask servers over IPv6. With auto, where the machine has an IPv6 route." },
	{ .path = "resolver.qname-minimisation", .shape = FL__ONE, .scalar = &fl__config_word, AT(resolver.qname_minimisation), .words = qmin_words,
	  .fallback = "relaxed", .help = "Show each server no more of a name than it needs (RFC 9156). relaxed asks the full name where a server errs." },
	{ .path = "resolver.query-loopback", .shape = FL__ONE, .scalar = &fl__config_bool, AT(resolver.query_loopback),
	  .fallback = "no", .help = "Servers may be asked at 127.0.0.0/8 and ::1." },
	{ .path = "resolver.context-age", .shape = FL__ONE, .scalar = &fl__config_age, AT(resolver.context_age_s), .min = 1, .max = 7 * DAY_S,
	  .fallback = "auto", .shown = "auto: 1h, or 0s where libunbound is 1.25.2 or newer",
	  .help = "Resolvers begin afresh so often, against names that outlive their delegation; the cache is not touched. 0s is never." },
	{ .path = "resolver.source-addresses", .shape = FL__LIST, .scalar = &fl__config_address, LIST_AT(resolver.source_addresses), .max = 256,
	  .fallback = "[]", .help = "Addresses to ask from. A box that is reached by anycast must not ask from its anycast address." },
	{ .path = "resolver.stub-zones", .shape = FL__RECORDS, AT(resolver.stub), .n = offsetof(struct fl_config, resolver.n_stub),
	  .size = sizeof(struct fl_config_zone), .max = 1000, .fallback = "[]",
	  .help = "Zones whose authoritative servers are given here instead of being looked up." },
	{ .path = "resolver.stub-zones.name", .shape = FL__ONE, .scalar = &fl__config_name, IN(fl_config_zone, name), .required = true,
	  .help = "The zone." },
	{ .path = "resolver.stub-zones.servers", .shape = FL__LIST, .scalar = &fl__config_endpoint, IN(fl_config_zone, servers.at),
	  .n = offsetof(struct fl_config_zone, servers.n), .size = sizeof(struct fl_addr), .min = 1, .max = 64, .port = 53, .required = true,
	  .help = "Its servers." },
	{ .path = "resolver.forward-zones", .shape = FL__RECORDS, AT(resolver.forward), .n = offsetof(struct fl_config, resolver.n_forward),
	  .size = sizeof(struct fl_config_zone), .max = 1000, .fallback = "[]",
	  .help = "Zones whose questions go to other resolvers; the name . stands for all. Answers are validated all the same." },
	{ .path = "resolver.forward-zones.name", .shape = FL__ONE, .scalar = &fl__config_name, IN(fl_config_zone, name), .required = true,
	  .help = "The zone." },
	{ .path = "resolver.forward-zones.servers", .shape = FL__LIST, .scalar = &fl__config_endpoint, IN(fl_config_zone, servers.at),
	  .n = offsetof(struct fl_config_zone, servers.n), .size = sizeof(struct fl_addr), .min = 1, .max = 64, .port = 53, .required = true,
	  .help = "The resolvers." },
	{ .path = "resolver.libunbound", .shape = FL__RAW, AT(resolver.libunbound), .n = offsetof(struct fl_config, resolver.n_libunbound),
	  .size = sizeof(struct fl_config_raw), .max = 1000, .fallback = "{}",
	  .help = "Options of unbound.conf(5) for the engine, the last word on what it does; a list where an option is given more than "
		  "once. Options that would harm, or that another key sets, are refused with the reason." },
	{ .path = "views", .shape = FL__LATER, .fallback = "[]",
	  .help = "Policy by client network." },
	{ .path = "http", .shape = FL__GROUP,
	  .help = "Metrics, health and the dashboard." },
	{ .path = "http.listen", .shape = FL__LIST, .scalar = &fl__config_endpoint, LIST_AT(http.listen), .max = 16, .port = 9153,
	  .fallback = "[127.0.0.1@9153]", .restart = true, .help = "Addresses; [] is off." },
	{ .path = "control", .shape = FL__GROUP,
	  .help = "What fairleadctl(1) talks to." },
	{ .path = "control.socket", .shape = FL__ONE, .scalar = &fl__config_path, AT(control_socket), .min = 1, .max = 107, /* sun_path */
	  .fallback = "/run/fairlead/control", .restart = true, .help = "Path of the socket." },
	{ .path = "log", .shape = FL__GROUP,
	  .help = "What is said on standard error. No client address and no name that a client asked for is in it." },
	{ .path = "log.level", .shape = FL__ONE, .scalar = &fl__config_word, AT(log.level), .words = level_words,
	  .fallback = "info", .help = "The least important events that are said." },
	{ .path = "log.format", .shape = FL__ONE, .scalar = &fl__config_word, AT(log.format), .words = format_words,
	  .fallback = "text", .help = "A line of text or a JSON object for each event." },
};
/* clang-format on */

const size_t fl__config_n_keys = FL_COUNT(fl__config_keys);

const struct fl__config_key *fl__config_key(const char *path)
{
	for (size_t i = 0; i < fl__config_n_keys; i++) {
		if (strcmp(fl__config_keys[i].path, path) == 0) {
			return &fl__config_keys[i];
		}
	}
	abort(); /* every caller names a row by its own text */
}

const char *fl__config_key_name(const struct fl__config_key *k)
{
	const char *dot = strrchr(k->path, '.');
	return dot != NULL ? dot + 1 : k->path;
}

static bool is_below(const struct fl__config_key *k, const struct fl__config_key *parent)
{
	const size_t len = parent != NULL ? strlen(parent->path) + 1 : 0;

	if (parent != NULL &&
	    (strncmp(k->path, parent->path, len - 1) != 0 || k->path[len - 1] != '.')) {
		return false;
	}
	return strchr(k->path + len, '.') == NULL;
}

const struct fl__config_key *fl__config_next(const struct fl__config_key *parent,
					     const struct fl__config_key *previous)
{
	size_t i = previous != NULL ? (size_t)(previous - fl__config_keys) + 1 : 0;

	for (; i < fl__config_n_keys; i++) {
		if (is_below(&fl__config_keys[i], parent)) {
			return &fl__config_keys[i];
		}
	}
	return NULL;
}

const struct fl__config_key *fl__config_child(const struct fl__config_key *parent,
					      const char *name)
{
	const struct fl__config_key *k = NULL;

	while ((k = fl__config_next(parent, k)) != NULL) {
		if (strcmp(fl__config_key_name(k), name) == 0) {
			break;
		}
	}
	return k;
}

enum { COMPARED_MAX = 48 }; /* longer keys are not typing errors */

/* Levenshtein distance of the first COMPARED_MAX octets. */
static size_t distance(const char *a, const char *b)
{
	size_t row[COMPARED_MAX + 1];
	const size_t n_a = strnlen(a, COMPARED_MAX), n_b = strnlen(b, COMPARED_MAX);

	for (size_t j = 0; j <= n_b; j++) {
		row[j] = j;
	}
	for (size_t i = 1; i <= n_a; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= n_b; j++) {
			size_t least = diagonal + (a[i - 1] != b[j - 1]);
			diagonal = row[j];
			least = least < row[j] + 1 ? least : row[j] + 1;
			row[j] = least < row[j - 1] + 1 ? least : row[j - 1] + 1;
		}
	}
	return row[n_b];
}

const char *fl__config_nearest(const struct fl__config_key *parent, const char *name)
{
	const struct fl__config_key *k = NULL, *best = NULL;
	size_t least = SIZE_MAX;

	while ((k = fl__config_next(parent, k)) != NULL) {
		const size_t d = distance(name, fl__config_key_name(k));
		if (d < least) {
			least = d;
			best = k;
		}
	}
	assert(best != NULL);
	if (least <= 2) {
		return best->path;
	}
	/* a right name at a wrong place is likelier than a name with three errors */
	for (size_t i = 0; i < fl__config_n_keys; i++) {
		if (strcmp(fl__config_key_name(&fl__config_keys[i]), name) == 0) {
			return fl__config_keys[i].path;
		}
	}
	return best->path;
}

static void describe_list(const struct fl__config_key *k, char buf[static FL__EXPECTED_MAX])
{
	char one[FL__EXPECTED_MAX];

	if (k->shape == FL__LIST) {
		k->scalar->describe(k, one);
	} else {
		snprintf(one, sizeof(one), "%s",
			 k->bare != NULL ? "a mapping or a name" : "a mapping");
	}
	snprintf(buf, FL__EXPECTED_MAX, "a list of %s%llu values, each %.140s",
		 k->min > 0 ? "1 to " : "at most ", (unsigned long long)k->max, one);
}

void fl__config_describe(const struct fl__config_key *k, char buf[static FL__EXPECTED_MAX])
{
	switch (k->shape) {
	case FL__ONE:
		k->scalar->describe(k, buf);
		return;
	case FL__LIST:
	case FL__RECORDS:
		describe_list(k, buf);
		return;
	case FL__GROUP:
		strcpy(buf, "a mapping");
		return;
	case FL__RAW:
		strcpy(buf, "a mapping of option names to values or lists of values");
		return;
	case FL__INCLUDE:
		strcpy(buf, "a pattern of file names, or a list of them");
		return;
	case FL__LATER:
		snprintf(buf, FL__EXPECTED_MAX, "nothing but %s in this version", k->fallback);
		return;
	}
}
