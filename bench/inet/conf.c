#include "inet.h"
#include "report.h"

#include <errno.h>
#include <string.h>

void conf_zone_file(const struct zone *z, char *out, size_t size)
{
	const int len = (int)strlen(z->name) - 1;
	snprintf(out, size, "zones/%.*s.zone", len == 0 ? 4 : len, len == 0 ? "root" : z->name);
}

static void write_addresses(FILE *out, enum group group, bool ipv6)
{
	char address[ADDRESS_MAX];
	for (unsigned i = 1; i <= group_size(group); i++) {
		const struct place at = { group, i };
		place_text(at, AF_INET, address);
		fprintf(out, "\tip-address: %s\n", address);
		if (ipv6) {
			place_text(at, AF_INET6, address);
			fprintf(out, "\tip-address: %s\n", address);
		}
	}
}

/* Only explicit addresses are bound, all of them of the namespace: started
 * anywhere else by mistake, NSD cannot bind and ends. */
static void write_server(const struct state *st, FILE *out, enum group group, bool ipv6)
{
	const char *name = group_name(group);
	fprintf(out,
		"# the %s servers of the miniature Internet; written by fairlead-inet\n"
		"server:\n",
		name);
	write_addresses(out, group, ipv6);
	fprintf(out,
		"\tusername: \"\"\n\tchroot: \"\"\n\tserver-count: 1\n"
		"\tdatabase: \"\"\n\tzonefiles-write: 0\n\tzonesdir: \"%s\"\n"
		"\tpidfile: \"%s/nsd-%s.pid\"\n\tlogfile: \"%s/nsd-%s.log\"\n"
		"\txfrdfile: \"%s/nsd-%s.xfrd\"\n\tzonelistfile: \"%s/nsd-%s.zones\"\n"
		"\txfrdir: \"%s\"\n"
		"\thide-version: yes\n\tminimal-responses: yes\n\ttcp-count: 2000\n"
		"\ttcp-timeout: 30\n\trrl-ratelimit: 0\n\trrl-whitelist-ratelimit: 0\n"
		"remote-control:\n\tcontrol-enable: no\n",
		st->dir, st->dir, name, st->dir, name, st->dir, name, st->dir, name, st->dir);
}

static bool write_group(const struct state *st, const struct world *w, enum group group,
			bool ipv6)
{
	char name[32];
	char path[PATH_MAX];
	snprintf(name, sizeof(name), "nsd-%s.conf", group_name(group));
	state_path(st, name, path);
	FILE *out = fopen(path, "we");
	if (out == NULL) {
		report_error("cannot write %s: %s", path, strerror(errno));
		return false;
	}
	write_server(st, out, group, ipv6);
	for (size_t i = 0; i < w->count; i++) {
		char file[ZONE_NAME_MAX + 16];
		if (w->zone[i].host == group) {
			conf_zone_file(&w->zone[i], file, sizeof(file));
			fprintf(out, "zone:\n\tname: \"%s\"\n\tzonefile: \"%s\"\n",
				w->zone[i].name, file);
		}
	}
	return report_close(out, path);
}

bool conf_write(const struct state *st, const struct world *w, bool ipv6)
{
	for (enum group g = GROUP_ROOT; g < GROUP_SERVED; g++) {
		if (!write_group(st, w, g, ipv6)) {
			return false;
		}
	}
	return true;
}
