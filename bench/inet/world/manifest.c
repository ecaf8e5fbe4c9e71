#include "report.h"
#include "world/world.h"

#include <errno.h>
#include <string.h>
#include <time.h>

enum { MANIFEST_VERSION = 1 };

static json_t *server_json(const struct zone *z, unsigned i)
{
	char name[ZONE_NAME_MAX + 8];
	char four[ADDRESS_MAX];
	char six[ADDRESS_MAX];
	server_name(z, i, name, sizeof(name));
	place_text(z->server[i], AF_INET, four);
	place_text(z->server[i], AF_INET6, six);
	return json_pack("{s:s, s:[s, s]}", "name", name, "addresses", four, six);
}

static json_t *zone_json(const struct world *w, const struct zone *z)
{
	json_t *ede = json_array();
	for (const int *code = fault_ede(z->fault); *code >= 0; code++) {
		json_array_append_new(ede, json_integer(*code));
	}
	const int algorithm =
		z->fault == FAULT_UNKNOWN_ALGORITHM ? UNKNOWN_ALGORITHM : z->algorithm;
	json_t *j = json_pack(
		"{s:s, s:s?, s:s, s:[o, o], s:i, s:s, s:i, s:b, s:s, s:s, s:o, s:o}", "zone",
		z->name, "parent", z->parent == NULL ? NULL : z->parent->name, "served_by",
		z->host < GROUP_SERVED ? group_name(z->host) : "none", "servers",
		server_json(z, 0), server_json(z, 1), "algorithm", algorithm, "denial",
		denial_name(z->denial), "iterations", (int)z->iterations, "ds",
		(int)z->delegated_signed, "fault", fault_name(z->fault), "verdict",
		verdict_name(z->verdict), "ede", ede, "samples", zone_samples(w, z));
	if (z->algorithm == LDNS_SIGN_ED448) {
		/* a validator built on nettle does not know it (RFC 4035 5.2) */
		json_object_set_new(j, "verdict_if_unsupported", json_string("insecure"));
	}
	return j;
}

static json_t *world_json(const struct world *w)
{
	json_t *zones = json_array();
	for (size_t i = 0; i < w->count; i++) {
		json_array_append_new(zones, zone_json(w, &w->zone[i]));
	}
	return json_pack("{s:i, s:I, s:i, s:i, s:I, s:{s:s, s:s}, s:s, s:o}", "version",
			 MANIFEST_VERSION, "seed", (json_int_t)w->options.seed, "zone_count",
			 (int)w->options.zones, "name_count", (int)w->options.names, "made",
			 (json_int_t)time(NULL), "prefixes", "ipv4", "198.18.0.0/15", "ipv6",
			 "2001:2::/48", "name_pattern",
			 "h%03u.ZONE for ZONE = z%03u.{alpha,beta,gamma}.", "zones", zones);
}

bool manifest_write(const struct world *w, const char *path)
{
	json_t *j = world_json(w);
	if (j == NULL) {
		report_error("out of memory while writing %s", path);
		return false;
	}
	const bool ok = json_dump_file(j, path, JSON_INDENT(1)) == 0;
	if (!ok) {
		report_error("cannot write %s: %s", path, strerror(errno));
	}
	json_decref(j);
	return ok;
}

bool manifest_options(const char *path, struct world_options *out)
{
	json_t *j = json_load_file(path, 0, NULL);
	json_int_t seed = 0;
	int version = 0;
	int zones = 0;
	int names = 0;
	const bool ok = json_unpack(j, "{s:i, s:I, s:i, s:i}", "version", &version, "seed",
				    &seed, "zone_count", &zones, "name_count", &names) == 0 &&
			version == MANIFEST_VERSION && zones >= 0 && names >= 0;
	json_decref(j);
	if (ok) {
		*out = (struct world_options){ (unsigned)zones, (unsigned)names,
					       (uint64_t)seed };
	}
	return ok;
}
