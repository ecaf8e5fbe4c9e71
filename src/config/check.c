/* What no single value can tell. */
#include "fairlead/base/clock.h"
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	FRONTS_MAX = 64,
	RESOLVERS_MAX = 32,
	OPEN_PER_CLIENT = 1000, /* questions a second */
	NTA_MAX_S = 7 * 86400,  /* RFC 7646 2 */
};

static bool is_usable(struct fl__config_load *l, const char *path)
{
	return !fl__config_slot(l, path)->bad;
}

static bool is_given(struct fl__config_load *l, const char *path)
{
	return fl__config_slot(l, path)->key != NULL;
}

/* The place of element @p i of the list that @p path was given as. */
static struct fl__config_mark element_mark(struct fl__config_load *l, const char *path,
					   size_t i)
{
	const struct fl__config_node *list = fl__config_slot(l, path)->value;
	const struct fl__config_node *e =
		list != NULL && list->kind == FL__SEQUENCE ? list->first : NULL;

	while (e != NULL && i-- > 0) {
		e = e->next;
	}
	return e != NULL ? e->mark : fl__config_slot_mark(l, path);
}

static void *folder_of_state(void)
{
	const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	char *folder = NULL;
	int n = -1;

	if (geteuid() == 0) {
		return strdup("/var/lib/fairlead");
	}
	if (xdg != NULL && xdg[0] == '/') { /* relative ones are to be ignored, says its spec */
		n = asprintf(&folder, "%s/fairlead", xdg);
	} else if (home != NULL && home[0] == '/') {
		n = asprintf(&folder, "%s/.local/state/fairlead", home);
	}
	return n < 0 ? NULL : folder;
}

static void complete_folders(struct fl__config_load *l)
{
	struct fl_config *c = l->config;
	const struct fl__config_mark at = { l->name, 1, 1 };

	if (c->state == NULL) {
		char *folder = folder_of_state();
		if (folder == NULL ||
		    fl__config_path.read(fl__config_key("state"), folder, &c->state) != FL_OK) {
			fl__config_problem(&l->problems, &at,
					   "state has no default without a plain $HOME, "
					   "a folder expected");
		}
		free(folder);
	}
	if (c->cache.folder == NULL && c->state != NULL &&
	    asprintf(&c->cache.folder, "%s/cache", c->state) < 0) {
		c->cache.folder = NULL;
		l->problems.err = FL_ENOMEM;
	}
}

static uint32_t online_cpus(void)
{
	cpu_set_t set;
	int n = 0;

	if (sched_getaffinity(0, sizeof(set), &set) == 0) {
		n = CPU_COUNT(&set);
	} else { /* more than a cpu_set_t holds */
		n = (int)sysconf(_SC_NPROCESSORS_ONLN);
	}
	return n > 0 ? (uint32_t)n : 1;
}

static uint32_t bounded(uint32_t n, uint32_t max)
{
	return n < 1 ? 1 : n > max ? max : n;
}

void fl__config_share_cores(uint32_t cores, uint32_t *resolvers, uint32_t *fronts)
{
	if (*resolvers == 0) {
		*resolvers = bounded((cores * 3 + 4) / 8, RESOLVERS_MAX); /* rounded */
	}
	if (*fronts == 0) {
		*fronts = bounded(cores > *resolvers ? cores - *resolvers : 1, FRONTS_MAX);
	}
}

static void complete_counts(struct fl_config *c)
{
	if (c->fronts == 0 && c->front_cpus.n > 0) {
		c->fronts = (uint32_t)c->front_cpus.n;
	}
	if (c->fronts == 0 ||
	    c->resolvers == 0) { /* a role's text has both, and needs no call */
		fl__config_share_cores(online_cpus(), &c->resolvers, &c->fronts);
	}
}

void fl__config_complete(struct fl__config_load *l)
{
	struct fl_config *c = l->config;

	complete_folders(l);
	complete_counts(c);
	if (c->open_resolver && !is_given(l, "rate-limit.per-client")) {
		c->rate_limit.per_client = OPEN_PER_CLIENT;
	}
}

static void check_open(struct fl__config_load *l)
{
	const struct fl_config *c = l->config;

	for (size_t i = 0; !c->open_resolver && i < c->access_allow.n; i++) {
		char buf[FL_ADDR_TEXT_MAX];
		const struct fl__config_mark at = element_mark(l, "access.allow", i);
		if (c->access_allow.at[i].bits == 0 && is_usable(l, "open-resolver")) {
			fl__config_problem(
				&l->problems, &at,
				"access.allow holds %s, 'open-resolver: yes' with it "
				"expected",
				fl_prefix_format(&c->access_allow.at[i], buf));
		}
	}
	if (c->open_resolver && c->cookies == FL_COOKIES_OFF) {
		const struct fl__config_mark at = fl__config_slot_mark(l, "cookies");
		fl__config_problem(
			&l->problems, &at,
			"cookies is off with open-resolver, offered or required expected");
	}
	if (c->open_resolver && c->rate_limit.per_client == 0 &&
	    is_usable(l, "rate-limit.per-client")) {
		const struct fl__config_mark at =
			fl__config_slot_mark(l, "rate-limit.per-client");
		fl__config_problem(
			&l->problems, &at,
			"rate-limit.per-client is 0 with open-resolver, a limit expected");
	}
}

static bool is_unspecified(const struct fl_addr *a)
{
	static const uint8_t zero[16];
	return memcmp(a->octets, zero, sizeof(zero)) == 0;
}

static bool is_multicast(const struct fl_addr *a)
{
	return a->family == AF_INET ? a->octets[0] >= 224 : a->octets[0] == 0xff;
}

static bool is_loopback(const struct fl_addr *a)
{
	static const uint8_t one[16] = { [15] = 1 };
	return a->family == AF_INET ? a->octets[0] == 127
				    : memcmp(a->octets, one, sizeof(one)) == 0;
}

static bool lacks_scope(const struct fl_addr *a)
{
	return a->family == AF_INET6 && a->octets[0] == 0xfe && (a->octets[1] & 0xc0) == 0x80 &&
	       a->scope == 0;
}

/* Why @p a can't be an address of our own sockets; NULL when it can. */
static const char *why_not_ours(const struct fl_addr *a)
{
	return is_multicast(a)  ? "a multicast or reserved address, one of this machine"
	       : lacks_scope(a) ? "a link-local address without its interface, one such as "
				  "fe80::1%eth0"
				: NULL;
}

static void check_listen(struct fl__config_load *l, const char *path,
			 const struct fl_addr_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		char buf[FL_ADDR_TEXT_MAX];
		const struct fl__config_mark at = element_mark(l, path, i);
		const char *why = why_not_ours(&list->at[i]);
		if (why != NULL) {
			fl__config_problem(&l->problems, &at, "%s holds %s, %s expected", path,
					   fl_addr_format(&list->at[i], buf), why);
		}
		for (size_t j = 0; j < i; j++) {
			if (fl_addr_equal(&list->at[i], &list->at[j])) {
				fl__config_problem(&l->problems, &at,
						   "%s holds %s twice, once expected", path,
						   fl_addr_format(&list->at[i], buf));
				break;
			}
		}
	}
}

static void check_sources(struct fl__config_load *l)
{
	const struct fl_addr_list *list = &l->config->resolver.source_addresses;

	check_listen(l, "resolver.source-addresses", list);
	for (size_t i = 0; i < list->n; i++) {
		const struct fl__config_mark at =
			element_mark(l, "resolver.source-addresses", i);
		if (is_unspecified(&list->at[i])) {
			fl__config_problem(
				&l->problems, &at,
				"resolver.source-addresses holds the unspecified address, "
				"one of this machine expected");
		}
	}
}

/* Why the engine will never ask at @p a; NULL when it may. */
static const char *why_not_server(const struct fl_config *c, const struct fl_addr *a)
{
	for (size_t i = 0; i < c->listen.n; i++) {
		if (fl_addr_equal(a, &c->listen.at[i])) {
			return "where Fairlead itself listens, another server";
		}
	}
	if (is_unspecified(a) || is_multicast(a) ||
	    (a->family == AF_INET && a->octets[0] == 0)) {
		return "no address of a server, one that is";
	}
	if (is_loopback(a) && !c->resolver.query_loopback) {
		return "a loopback address, 'query-loopback: yes' with it";
	}
	return NULL;
}

static void check_servers(struct fl__config_load *l, const char *path,
			  const struct fl_config_zone *zone, const struct fl__config_mark *at)
{
	for (size_t i = 0; i < zone->servers.n; i++) {
		char buf[FL_ADDR_TEXT_MAX];
		const char *why = why_not_server(l->config, &zone->servers.at[i]);
		if (why != NULL) {
			fl__config_problem(
				&l->problems, at, "%s: %s has the server %s, %s expected", path,
				zone->name, fl_addr_format(&zone->servers.at[i], buf), why);
		}
	}
}

static void report_twice(struct fl__config_load *l, const char *path, size_t i,
			 const char *name)
{
	const struct fl__config_mark at = element_mark(l, path, i);
	fl__config_problem(&l->problems, &at, "%s: %s is given twice, once expected", path,
			   name);
}

static void check_zones(struct fl__config_load *l, const char *path,
			const struct fl_config_zone *zones, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct fl__config_mark at = element_mark(l, path, i);
		check_servers(l, path, &zones[i], &at);
		for (size_t j = 0; j < i; j++) {
			if (strcasecmp(zones[i].name, zones[j].name) == 0) {
				report_twice(l, path, i, zones[i].name);
				break;
			}
		}
	}
}

static void check_stub_and_forward(struct fl__config_load *l)
{
	const struct fl_config *c = l->config;

	check_zones(l, "resolver.stub-zones", c->resolver.stub, c->resolver.n_stub);
	check_zones(l, "resolver.forward-zones", c->resolver.forward, c->resolver.n_forward);
	for (size_t i = 0; i < c->resolver.n_forward; i++) {
		for (size_t j = 0; j < c->resolver.n_stub; j++) {
			const char *name = c->resolver.forward[i].name;
			if (strcasecmp(name, c->resolver.stub[j].name) == 0) {
				const struct fl__config_mark at =
					element_mark(l, "resolver.forward-zones", i);
				fl__config_problem(
					&l->problems, &at,
					"resolver.forward-zones: %s is a stub zone too, "
					"one of both expected",
					name);
			}
		}
	}
}

static void check_ntas(struct fl__config_load *l)
{
	const struct fl_config *c = l->config;

	for (size_t i = 0; i < c->resolver.n_nta; i++) {
		for (size_t j = 0; j < i; j++) {
			if (strcasecmp(c->resolver.nta[i].name, c->resolver.nta[j].name) == 0) {
				report_twice(l, "resolver.negative-trust-anchors", i,
					     c->resolver.nta[i].name);
				break;
			}
		}
	}
}

static void check_order(struct fl__config_load *l)
{
	const struct fl_config *c = l->config;

	if (c->limits.zone > c->limits.resolver && is_usable(l, "limits.zone") &&
	    is_usable(l, "limits.resolver")) {
		const struct fl__config_mark at = fl__config_slot_mark(
			l, is_given(l, "limits.zone") ? "limits.zone" : "limits.resolver");
		fl__config_problem(&l->problems, &at,
				   "limits.zone is %" PRIu32 " and limits.resolver %" PRIu32
				   ", the first not above the second expected",
				   c->limits.zone, c->limits.resolver);
	}
	if (c->cache.min_ttl_s > c->cache.max_ttl_s && is_usable(l, "cache.min-ttl") &&
	    is_usable(l, "cache.max-ttl")) {
		const struct fl__config_mark at = fl__config_slot_mark(
			l, is_given(l, "cache.min-ttl") ? "cache.min-ttl" : "cache.max-ttl");
		fl__config_problem(&l->problems, &at,
				   "cache.min-ttl is %" PRIu32 "s and cache.max-ttl %" PRIu32
				   "s, the first not above the second expected",
				   c->cache.min_ttl_s, c->cache.max_ttl_s);
	}
}

static void check_fronts(struct fl__config_load *l)
{
	const struct fl_config *c = l->config;
	const struct fl__config_mark at = fl__config_slot_mark(l, "fronts");

	if (c->front_cpus.n > 0 && c->front_cpus.n != c->fronts) {
		fl__config_problem(&l->problems, &at,
				   "fronts.cpus has %zu values, one for each of %" PRIu32
				   " fronts expected",
				   c->front_cpus.n, c->fronts);
	}
}

void fl__config_check(struct fl__config_load *l)
{
	check_listen(l, "listen", &l->config->listen);
	check_open(l);
	check_order(l);
	check_fronts(l);
	check_ntas(l);
	check_sources(l);
	check_stub_and_forward(l);
	check_listen(l, "http.listen", &l->config->http.listen);
}

static void check_file(struct fl__config_load *l, const char *path, const char *file,
		       const struct fl__config_mark *at)
{
	struct stat st;
	const int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int why = errno;

	if (fd >= 0) {
		why = fstat(fd, &st) != 0 ? errno : S_ISDIR(st.st_mode) ? EISDIR : 0;
		close(fd);
	}
	if (fd < 0 || why != 0) {
		fl__config_problem(&l->problems, at, "%s: %s: %s, a readable file expected",
				   path, file, strerror(why));
	}
}

static void check_files(struct fl__config_load *l)
{
	const struct fl_config *c = l->config;

	if (c->resolver.root_hints != NULL) {
		const struct fl__config_mark at =
			fl__config_slot_mark(l, "resolver.root-hints");
		check_file(l, "resolver.root-hints", c->resolver.root_hints, &at);
	}
	for (size_t i = 0; i < c->resolver.trust_anchors.n; i++) {
		const struct fl__config_mark at = element_mark(l, "resolver.trust-anchors", i);
		check_file(l, "resolver.trust-anchors", c->resolver.trust_anchors.at[i], &at);
	}
}

/* Only when a file is read: the same text must stay right for a role that reads it later, on a
 * clock that was set back in between. */
static void check_nta_ends(struct fl__config_load *l)
{
	const struct fl_config *c = l->config;
	const int64_t last = fl_clock_wall_s() + NTA_MAX_S;

	for (size_t i = 0; i < c->resolver.n_nta; i++) {
		const struct fl__config_mark at =
			element_mark(l, "resolver.negative-trust-anchors", i);
		if (c->resolver.nta[i].until_s > last) {
			fl__config_problem(
				&l->problems, &at,
				"resolver.negative-trust-anchors: %s ends in more than "
				"seven days, at most seven expected (RFC 7646)",
				c->resolver.nta[i].name);
		}
	}
}

static void check_cpus(struct fl__config_load *l)
{
	const struct fl_config *c = l->config;
	const struct fl__config_mark at = fl__config_slot_mark(l, "fronts");
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) != 0) {
		return;
	}
	for (size_t i = 0; i < c->front_cpus.n; i++) {
		if (!CPU_ISSET(c->front_cpus.at[i], &set)) {
			fl__config_problem(&l->problems, &at,
					   "fronts.cpus holds %" PRIu32
					   ", a core that this process may use expected",
					   c->front_cpus.at[i]);
		}
	}
}

void fl__config_check_outside(struct fl__config_load *l)
{
	check_files(l);
	check_nta_ends(l);
	check_cpus(l);
}
