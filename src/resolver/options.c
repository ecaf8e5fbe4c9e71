/* From the configuration to the engine's own options. */
#include "fairlead/base/clock.h"
#include "resolver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FILE_MAX = 1 << 20, CONTEXT_AGE_DEFAULT_S = 3600 };

/* Append a whole text file to *text. */
static enum fl_err append_file(const char *path, char **text, char *problem, size_t size)
{
	const size_t have = *text == NULL ? 0 : strlen(*text);
	FILE *in = fopen(path, "re");
	if (in == NULL) {
		snprintf(problem, size, "cannot read %s: %s", path, strerror(errno));
		return FL_EINVALID; /* named by the configuration: its author can mend it */
	}
	char *grown = realloc(*text, have + FILE_MAX + 2);
	if (grown == NULL) {
		fclose(in);
		return FL_ENOMEM;
	}
	*text = grown;
	const size_t n = fread(grown + have, 1, FILE_MAX + 1, in);
	fclose(in);
	grown[have + n] = '\0';
	if (n > FILE_MAX || memchr(grown + have, '\0', n) != NULL) {
		snprintf(problem, size, "%s is not a text file of at most 1 MiB", path);
		return FL_EINVALID;
	}
	return FL_OK;
}

/* Is there a way to the outside over IPv6? Connecting a UDP socket sends nothing, but asks the
 * routes. */
static bool have_ipv6(void)
{
	struct sockaddr_in6 k_root = { .sin6_family = AF_INET6, .sin6_port = htons(53) };
	const int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return false;
	}
	inet_pton(AF_INET6, "2001:7fd::1", &k_root.sin6_addr);
	const bool ok = connect(fd, (struct sockaddr *)&k_root, sizeof(k_root)) == 0;
	close(fd);
	return ok;
}

/* The operator's own word to libunbound is the last one. */
static bool says_ipv6(const struct fl_config *c)
{
	for (size_t i = 0; i < c->resolver.n_libunbound; i++) {
		if (strcmp(c->resolver.libunbound[i].name, "do-ip6") == 0) {
			return true;
		}
	}
	return false;
}

/* Below 1.25.2 a removed domain can be kept alive for ever in the engine's own caches:
 * a fresh context every hour ends that, and the answers are in LMDB anyway. */
static uint64_t context_age_s(const struct fl_config *c)
{
	unsigned major = 0, minor = 0, patch = 0;
	if (c->resolver.context_age_s >= 0) {
		return (uint64_t)c->resolver.context_age_s;
	}
	sscanf(fl_engine_library_version(), "%u.%u.%u", &major, &minor, &patch);
	const bool fixed = major > 1 || minor > 25 || (minor == 25 && patch >= 2);
	return fixed ? 0 : CONTEXT_AGE_DEFAULT_S;
}

static enum fl_err read_files(const struct fl_config *c, struct engine_setup *s, char *problem,
			      size_t size)
{
	enum fl_err err = FL_OK;
	if (c->resolver.root_hints != NULL) {
		err = append_file(c->resolver.root_hints, &s->hints, problem, size);
	}
	for (size_t i = 0; err == FL_OK && i < c->resolver.trust_anchors.n; i++) {
		err = append_file(c->resolver.trust_anchors.at[i], &s->anchors, problem, size);
	}
	s->options.root_hints_text = s->hints;
	s->options.trust_anchors_text = s->anchors;
	return err;
}

static void copy_zones(const struct fl_config_zone *from, size_t n, struct fl_engine_zone *to)
{
	for (size_t i = 0; i < n; i++) {
		to[i] = (struct fl_engine_zone){ .name = from[i].name,
						 .servers = from[i].servers.at,
						 .n_servers = from[i].servers.n };
	}
}

static enum fl_err copy_lists(const struct fl_config *c, struct engine_setup *s)
{
	struct fl_engine_options *o = &s->options;
	const size_t n_stub = c->resolver.n_stub, n_forward = c->resolver.n_forward;
	s->insecure = calloc(c->resolver.n_nta + 1, sizeof(*s->insecure));
	s->zones = calloc(n_stub + n_forward + 1, sizeof(*s->zones));
	s->raw = calloc(c->resolver.n_libunbound + 1, sizeof(*s->raw));
	if (s->insecure == NULL || s->zones == NULL || s->raw == NULL) {
		return FL_ENOMEM;
	}
	const int64_t now = fl_clock_wall_s();
	for (size_t i = 0; i < c->resolver.n_nta; i++) {
		const struct fl_config_nta *nta = &c->resolver.nta[i];
		if (nta->until_s == 0 ||
		    nta->until_s > now) { /* RFC 7646 2: they end by themselves */
			s->insecure[o->n_insecure++] = nta->name;
		}
	}
	o->insecure = s->insecure;
	copy_zones(c->resolver.stub, n_stub, s->zones);
	copy_zones(c->resolver.forward, n_forward, s->zones + n_stub);
	o->stub = s->zones;
	o->n_stub = n_stub;
	o->forward = s->zones + n_stub;
	o->n_forward = n_forward;
	for (size_t i = 0; i < c->resolver.n_libunbound; i++) {
		s->raw[i] =
			(struct fl_engine_option){ .name = c->resolver.libunbound[i].name,
						   .value = c->resolver.libunbound[i].value };
	}
	o->raw = s->raw;
	o->n_raw = c->resolver.n_libunbound;
	return FL_OK;
}

enum fl_err fl__resolver_setup(const struct fl_config *c, struct engine_setup *out,
			       char *problem, size_t problem_size)
{
	struct engine_setup s = { 0 };
	struct fl_engine_options *o = &s.options;
	enum fl_err err = read_files(c, &s, problem, problem_size);
	if (err == FL_OK && (err = copy_lists(c, &s)) != FL_OK) {
		snprintf(problem, problem_size, "%s", fl_err_text(err));
	}
	if (err != FL_OK) {
		fl__resolver_setup_fini(&s);
		return err;
	}
	o->sources = c->resolver.source_addresses.at;
	o->n_sources = c->resolver.source_addresses.n;
	o->own = c->listen.at;
	o->n_own = c->listen.n;
	o->ipv4 = true;
	o->have_ipv6 = c->resolver.ipv6 == FL_AUTO && !says_ipv6(c) ? have_ipv6 : NULL;
	o->ipv6 = c->resolver.ipv6 == FL_YES || (c->resolver.ipv6 == FL_AUTO && have_ipv6());
	o->qname_minimisation = c->resolver.qname_minimisation != FL_QMIN_OFF;
	o->qname_minimisation_strict = c->resolver.qname_minimisation == FL_QMIN_STRICT;
	o->query_loopback = c->resolver.query_loopback;
	o->context_age_s = context_age_s(c);
	o->max_jobs = c->limits.resolver;
	o->max_zone_jobs = c->limits.zone;
	o->max_ttl_s = c->cache.max_ttl_s;
	o->negative_ttl_s = c->cache.negative_ttl_s;
	*out = s;
	return FL_OK;
}

void fl__resolver_setup_fini(struct engine_setup *s)
{
	free(s->hints);
	free(s->anchors);
	free(s->insecure);
	free(s->zones);
	free(s->raw);
}
