#include "check/catalogue.h"

#include "say.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	HEADER_LEN = 12,
	OPT_LEN = 11,
	RR_FIXED_LEN = 12, /* a pointer to the question, type, class, TTL, length */
	LINE_MAX_LEN = 4096,
	LOOK_BACK = 4,      /* a signature stands right after the set that it covers */
	RECORDS_MOST = 100, /* of a set: what fits the counters and a message */
};

/* What a line of a zone file says before its rdata. */
struct line {
	char owner[NAME_WIRE_MAX * 4 + 1];
	uint32_t ttl_s;
	uint16_t type; /* that of the set, also for its signature */
	bool signature;
};

/* A vector's room doubles, so that growing costs little. */
static bool room(void **items, size_t used, size_t more, size_t size)
{
	/* the capacity is always the power of two at or above what is used */
	size_t capacity = 1024;
	while (capacity < used) {
		capacity *= 2;
	}
	if (*items != NULL && used + more <= capacity) {
		return true;
	}
	while (capacity < used + more) {
		capacity *= 2;
	}
	void *grown = realloc(*items, capacity * size);
	if (grown == NULL) {
		say_error("out of memory");
		return false;
	}
	*items = grown;
	return true;
}

uint64_t record_hash(const ldns_rr *rr)
{
	ldns_buffer *out = ldns_buffer_new(LDNS_MAX_PACKETLEN);
	uint64_t hash = 0;
	if (out != NULL &&
	    ldns_rr2buffer_wire_canonical(out, rr, LDNS_SECTION_ANSWER) == LDNS_STATUS_OK) {
		const size_t ttl_at = ldns_rdf_size(ldns_rr_owner(rr)) + 4;
		hash = 0xcbf29ce484222325U; /* FNV-1a: nobody attacks the checker */
		for (size_t i = 0; i < ldns_buffer_position(out); i++) {
			const uint8_t octet =
				i >= ttl_at && i < ttl_at + 4 ? 0 : *ldns_buffer_at(out, i);
			hash = (hash ^ octet) * 0x100000001b3U;
		}
	}
	ldns_buffer_free(out);
	return hash;
}

static uint16_t wanted_type(const char *text, bool aaaa)
{
	if (strcmp(text, "A") == 0) {
		return LDNS_RR_TYPE_A;
	}
	return aaaa && strcmp(text, "AAAA") == 0 ? LDNS_RR_TYPE_AAAA : 0;
}

/* Read the head of a line without ldns, which is slow: most lines are not wanted. */
static bool read_line(const char *text, const struct selection *s, struct line *out)
{
	char type[16];
	char covered[16];
	const int n =
		sscanf(text, "%1020s %u IN %15s %15s", out->owner, &out->ttl_s, type, covered);
	if (n < 4 || out->owner[0] == ';') {
		return false;
	}
	out->signature = strcmp(type, "RRSIG") == 0;
	out->type = wanted_type(out->signature ? covered : type, s->aaaa);
	/* hosts only: name servers' addresses may come as glue with another's verdict */
	return out->type != 0 && out->ttl_s >= s->ttl_min_s && out->owner[0] == 'h' &&
	       out->owner[1] >= '0' && out->owner[1] <= '9';
}

static struct entry *find_entry(const struct catalogue *c, const ldns_rdf *owner, uint16_t type,
				size_t first)
{
	const size_t oldest = c->count > first + LOOK_BACK ? c->count - LOOK_BACK : first;
	for (size_t i = c->count; i > oldest; i--) {
		struct entry *e = &c->entries[i - 1];
		if (e->type == type && e->name_len == ldns_rdf_size(owner) &&
		    memcmp(c->names + e->name, ldns_rdf_data(owner), e->name_len) == 0) {
			return e;
		}
	}
	return NULL;
}

static struct entry *new_entry(struct catalogue *c, const ldns_rdf *owner,
			       const struct line *line, uint16_t origin)
{
	const size_t len = ldns_rdf_size(owner);
	if (!room((void **)&c->entries, c->count, 1, sizeof(*c->entries)) ||
	    !room((void **)&c->names, c->names_len, len, 1)) {
		return NULL;
	}
	struct entry *e = &c->entries[c->count++];
	*e = (struct entry){
		.name = (uint32_t)c->names_len,
		.name_len = (uint8_t)len,
		.records = (uint32_t)c->record_count,
		.ttl_s = line->ttl_s,
		.type = line->type,
		.origin = origin,
		.plain_octets = (uint16_t)(HEADER_LEN + len + 4),
		.dnssec_octets = (uint16_t)(HEADER_LEN + len + 4 + OPT_LEN),
	};
	memcpy(c->names + c->names_len, ldns_rdf_data(owner), len);
	c->names_len += len;
	return e;
}

static uint16_t record_octets(const ldns_rr *rr)
{
	size_t len = RR_FIXED_LEN;
	for (size_t i = 0; i < ldns_rr_rd_count(rr); i++) {
		len += ldns_rdf_size(ldns_rr_rdf(rr, i));
	}
	return (uint16_t)len;
}

static bool add_record(struct catalogue *c, const ldns_rr *rr, const struct line *line,
		       uint16_t origin, size_t first)
{
	struct entry *e = find_entry(c, ldns_rr_owner(rr), line->type, first);
	if (e == NULL && !line->signature) {
		e = new_entry(c, ldns_rr_owner(rr), line, origin);
	}
	if (e == NULL || e->sets + e->sigs >= RECORDS_MOST ||
	    e->records + e->sets + e->sigs != c->record_count ||
	    !room((void **)&c->records, c->record_count, 1, sizeof(*c->records))) {
		return false;
	}
	c->records[c->record_count++] = record_hash(rr);
	e->dnssec_octets = (uint16_t)(e->dnssec_octets + record_octets(rr));
	if (line->signature) {
		e->sigs++;
	} else {
		e->sets++;
		e->plain_octets = (uint16_t)(e->plain_octets + record_octets(rr));
	}
	return true;
}

static bool add_line(struct catalogue *c, const char *text, const struct line *line,
		     uint16_t origin, size_t first)
{
	ldns_rr *rr = NULL;
	if (ldns_rr_new_frm_str(&rr, text, 0, NULL, NULL) != LDNS_STATUS_OK) {
		return false;
	}
	ldns_rr2canonical(rr);
	const bool ok = add_record(c, rr, line, origin, first);
	ldns_rr_free(rr);
	return ok;
}

static bool read_zone(struct catalogue *c, const char *path, const struct selection *s,
		      uint16_t origin)
{
	FILE *in = fopen(path, "re");
	char text[LINE_MAX_LEN];
	struct line line;
	const size_t first = c->count;
	bool ok = in != NULL;
	while (ok && fgets(text, sizeof(text), in) != NULL) {
		if (read_line(text, s, &line) && !add_line(c, text, &line, origin, first)) {
			ok = false;
		}
	}
	if (!ok) {
		say_error("cannot read the zone file %s: %s", path,
			  in == NULL ? strerror(errno) : "a line is not as make writes it");
	}
	if (in != NULL) {
		fclose(in);
	}
	return ok;
}

static const char wild_label[] = "*.wild.";

/* What the wildcard gives for a name below it (RFC 4592 3.3.1), so many names. */
static bool add_wild_names(struct catalogue *c, const char *text, size_t n, uint16_t origin)
{
	char made[LINE_MAX_LEN];
	struct line line = { .type = LDNS_RR_TYPE_A };
	const char *rest = text + 1; /* of "*.wild.ZONE TTL IN A ADDRESS" */
	if (sscanf(rest, "%*s %u IN A", &line.ttl_s) != 1) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		snprintf(made, sizeof(made), "w%07zu%.512s", i, rest);
		if (!add_line(c, made, &line, origin, c->count)) {
			return false;
		}
	}
	return true;
}

static bool read_wildcard(struct catalogue *c, const char *path, size_t n, uint16_t origin)
{
	FILE *in = fopen(path, "re");
	char text[LINE_MAX_LEN];
	bool ok = in != NULL;
	while (ok && fgets(text, sizeof(text), in) != NULL) {
		if (strncmp(text, wild_label, sizeof(wild_label) - 1) == 0) {
			ok = add_wild_names(c, text, n, origin);
		}
	}
	if (in != NULL) {
		fclose(in);
	}
	return ok;
}

static bool wanted_algorithm(const struct selection *s, int algorithm)
{
	if (s->algorithm == ALGORITHM_ANY) {
		return true;
	}
	if (s->algorithm == ALGORITHM_RSA) {
		return algorithm == 5 || algorithm == 7 || algorithm == 8 || algorithm == 10;
	}
	return s->algorithm == algorithm;
}

static const char *text_of(const json_t *zone, const char *key)
{
	const char *text = json_string_value(json_object_get(zone, key));
	return text != NULL ? text : "";
}

/* Generated zones are called z and digits, and are whole. */
static bool wanted_zone(const json_t *zone, const struct selection *s)
{
	const char *name = text_of(zone, "zone");
	const int algorithm = (int)json_integer_value(json_object_get(zone, "algorithm"));
	return name[0] == 'z' && name[1] >= '0' && name[1] <= '9' &&
	       strcmp(text_of(zone, "fault"), "none") == 0 && wanted_algorithm(s, algorithm);
}

static bool add_origin(struct catalogue *c, const json_t *zone)
{
	ldns_rdf *name = ldns_dname_new_frm_str(text_of(zone, "zone"));
	if (name == NULL || c->origin_count >= ORIGIN_NONE ||
	    !room((void **)&c->origins, c->origin_count, 1, sizeof(*c->origins))) {
		ldns_rdf_deep_free(name);
		return false;
	}
	struct origin *o = &c->origins[c->origin_count++];
	*o = (struct origin){
		.len = (uint8_t)ldns_rdf_size(name),
		.secure = strcmp(text_of(zone, "verdict"), "secure") == 0,
		.opt_out = strcmp(text_of(zone, "denial"), "nsec3-optout") == 0,
	};
	memcpy(o->name, ldns_rdf_data(name), o->len);
	ldns_rdf_deep_free(name);
	return true;
}

/* The manifest's names end in a dot, the files' in ".zone". */
static bool zone_path(const char *dir, const json_t *zone, char out[static PATH_MAX])
{
	const int n = snprintf(out, PATH_MAX, "%s/zones/%szone", dir, text_of(zone, "zone"));
	return n > 0 && n < PATH_MAX;
}

static size_t wanted_zones(const json_t *zones, const struct selection *s)
{
	size_t i;
	size_t n = 0;
	const json_t *zone;
	json_array_foreach(zones, i, zone)
	{
		n += wanted_zone(zone, s) ? 1 : 0;
	}
	return n;
}

static bool read_zones(struct catalogue *c, const char *dir, const json_t *zones,
		       const struct selection *s)
{
	size_t i;
	const json_t *zone;
	char path[PATH_MAX];
	const size_t wanted = wanted_zones(zones, s);
	const size_t each = wanted > 0 ? (s->wild + wanted - 1) / wanted : 0;
	json_array_foreach(zones, i, zone)
	{
		if (!wanted_zone(zone, s)) {
			continue;
		}
		if (!zone_path(dir, zone, path) || !add_origin(c, zone)) {
			return false;
		}
		const uint16_t origin = (uint16_t)(c->origin_count - 1);
		if (s->wild != 0 ? !read_wildcard(c, path, each, origin)
				 : !read_zone(c, path, s, origin)) {
			return false;
		}
	}
	return true;
}

/* A small generator of its own, so that a seed means the same everywhere. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15U); /* splitmix64 */
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
	return z ^ (z >> 31);
}

/* Shuffled, so that the first are a fair sample of all zones. */
static void shuffle_and_cut(struct catalogue *c, const struct selection *s)
{
	uint64_t state = s->seed;
	for (size_t i = c->count; i > 1; i--) {
		const size_t j = next_random(&state) % i;
		const struct entry kept = c->entries[i - 1];
		c->entries[i - 1] = c->entries[j];
		c->entries[j] = kept;
	}
	const size_t most = s->wild != 0 ? s->wild : s->most;
	if (most != 0 && c->count > most) {
		c->count = most;
	}
}

static json_t *read_manifest(const char *dir)
{
	char path[PATH_MAX];
	json_error_t error;
	snprintf(path, sizeof(path), "%s/manifest.json", dir);
	json_t *manifest = json_load_file(path, 0, &error);
	if (manifest == NULL) {
		say_error("cannot read %s: %s", path, error.text);
	}
	return manifest;
}

static bool plant_one(const char *path, const char *zone, size_t i)
{
	FILE *file = fopen(path, "r+e");
	char text[LINE_MAX_LEN];
	while (file != NULL && fgets(text, sizeof(text), file) != NULL) {
		if (strncmp(text, wild_label, sizeof(wild_label) - 1) == 0) {
			return fclose(file) == 0;
		}
	}
	if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
		say_error("cannot write the zone file %s: %s", path, strerror(errno));
		return false;
	}
	fprintf(file, "%s%s 86400 IN A 198.19.255.%zu\n", wild_label, zone, i % 255);
	return fclose(file) == 0;
}

bool catalogue_plant(const char *dir)
{
	static const struct selection unsigned_zones = { .wild = 1 };
	size_t i;
	const json_t *zone;
	char path[PATH_MAX];
	json_t *manifest = read_manifest(dir);
	bool ok = manifest != NULL;
	json_array_foreach(json_object_get(manifest, "zones"), i, zone)
	{
		if (ok && wanted_zone(zone, &unsigned_zones)) {
			ok = zone_path(dir, zone, path) &&
			     plant_one(path, text_of(zone, "zone"), i);
		}
	}
	json_decref(manifest);
	return ok;
}

bool catalogue_load(const char *dir, const struct selection *s, struct catalogue *out)
{
	struct catalogue c = { 0 };
	json_t *manifest = read_manifest(dir);
	if (manifest == NULL) {
		return false;
	}
	const bool ok = read_zones(&c, dir, json_object_get(manifest, "zones"), s);
	json_decref(manifest);
	if (!ok || c.count == 0) {
		if (ok) {
			say_error("%s holds no question of the kind this profile asks", dir);
		}
		catalogue_free(&c);
		return false;
	}
	shuffle_and_cut(&c, s);
	*out = c;
	return true;
}

bool catalogue_add_unknown(struct catalogue *c, const uint8_t *name, size_t len, uint16_t type)
{
	if (!room((void **)&c->entries, c->count, 1, sizeof(*c->entries)) ||
	    !room((void **)&c->names, c->names_len, len, 1)) {
		return false;
	}
	c->entries[c->count++] = (struct entry){ .name = (uint32_t)c->names_len,
						 .name_len = (uint8_t)len,
						 .type = type,
						 .origin = ORIGIN_NONE };
	memcpy(c->names + c->names_len, name, len);
	c->names_len += len;
	return true;
}

void catalogue_free(struct catalogue *c)
{
	free(c->entries);
	free(c->origins);
	free(c->names);
	free(c->records);
	*c = (struct catalogue){ 0 };
}

void catalogue_text(const struct catalogue *c, const struct entry *e, char *out, size_t size)
{
	size_t used = 0;
	const uint8_t *at = c->names + e->name;
	out[0] = '\0';
	while (*at != 0 &&
	       used + *at + 2U < size) { /* generated names are letters and digits */
		memcpy(out + used, at + 1, *at);
		used += *at;
		out[used++] = '.';
		at += *at + 1;
	}
	if (e->type == LDNS_RR_TYPE_A || e->type == LDNS_RR_TYPE_AAAA) {
		snprintf(out + used, size - used, " %s",
			 e->type == LDNS_RR_TYPE_A ? "A" : "AAAA");
	} else {
		snprintf(out + used, size - used, " TYPE%u", e->type); /* RFC 3597 5 */
	}
}
