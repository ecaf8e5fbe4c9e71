#include "report.h"
#include "world/world.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	DAY_S = 86400,
	RRSIG_ALGORITHM = 1, /* rdata fields, RFC 4034 3.1 */
	RRSIG_TAG = 6,
	RRSIG_SIGNATURE = 8,
};

/* Wide, so that a world made once still serves, also under a shifted clock. */
static void set_lifetime(const struct zone *z, ldns_key *key)
{
	long from = -30;
	long to = 5 * 365;
	if (z->fault == FAULT_EXPIRED) {
		from = -60;
		to = -30;
	} else if (z->fault == FAULT_NOT_YET) {
		from = 5 * 365;
		to = 6 * 365;
	}
	const time_t now = time(NULL);
	ldns_key_set_inception(key, (uint32_t)(now + from * DAY_S));
	ldns_key_set_expiration(key, (uint32_t)(now + to * DAY_S));
}

/* ldns's tree holds its data as const; the names in it are ours to change. */
static ldns_dnssec_name *node_name(const ldns_rbnode_t *node)
{
	ldns_dnssec_name *name;
	memcpy(&name, &node->data, sizeof(name));
	return name;
}

/* One bit away from right. */
static void spoil(ldns_dnssec_rrs *signatures)
{
	for (; signatures != NULL; signatures = signatures->next) {
		ldns_rdf *sig = ldns_rr_rdf(signatures->rr, RRSIG_SIGNATURE);
		ldns_rdf_data(sig)[ldns_rdf_size(sig) / 2] ^= 1;
	}
}

/* As if a key of an algorithm that nobody knows had signed. */
static void disguise(ldns_dnssec_rrs *signatures, const struct zone *z)
{
	ldns_rr *dnskey = zone_dnskey(z, z->key);
	const uint16_t tag = ldns_calc_keytag(dnskey);
	ldns_rr_free(dnskey);
	for (; signatures != NULL; signatures = signatures->next) {
		*ldns_rdf_data(ldns_rr_rdf(signatures->rr, RRSIG_ALGORITHM)) =
			UNKNOWN_ALGORITHM;
		ldns_write_uint16(ldns_rdf_data(ldns_rr_rdf(signatures->rr, RRSIG_TAG)), tag);
	}
}

/* The DNSKEY set stays good, so that the fault is the one that is seen. Of missing
 * signatures the same holds for what denies: a validator that finds an answer unsigned
 * first asks for a DS, to know whether it must be signed. */
static void spoil_name(ldns_dnssec_name *name, const struct zone *z)
{
	for (ldns_dnssec_rrsets *set = name->rrsets; set != NULL; set = set->next) {
		if (z->fault == FAULT_UNKNOWN_ALGORITHM) {
			disguise(set->signatures, z);
		} else if (set->type == LDNS_RR_TYPE_DNSKEY) {
			continue;
		} else if (z->fault == FAULT_BAD_SIGNATURE) {
			spoil(set->signatures);
		} else if (z->fault == FAULT_NO_SIGNATURE && set->type != LDNS_RR_TYPE_SOA) {
			ldns_dnssec_rrs_deep_free(set->signatures);
			set->signatures = NULL;
		}
	}
}

static void spoil_denial(ldns_dnssec_name *name, const struct zone *z)
{
	if (z->fault == FAULT_UNKNOWN_ALGORITHM) {
		disguise(name->nsec_signatures, z);
	} else if (z->fault == FAULT_BAD_SIGNATURE) {
		spoil(name->nsec_signatures);
	} else if (z->fault == FAULT_NO_DENIAL) {
		ldns_dnssec_rrs_deep_free(name->nsec_signatures);
		name->nsec_signatures = NULL;
		ldns_rr_free(name->nsec);
		name->nsec = NULL;
	}
}

static void apply_fault(ldns_dnssec_zone *signed_zone, const struct zone *z)
{
	if (z->fault == FAULT_NONE) {
		return;
	}
	ldns_rbnode_t *node = ldns_rbtree_first(signed_zone->names);
	for (; node != LDNS_RBTREE_NULL; node = ldns_rbtree_next(node)) {
		spoil_name(node_name(node), z);
		spoil_denial(node_name(node), z);
	}
}

static ldns_dnssec_zone *read_zone(const struct zone *z, char *text, size_t len)
{
	FILE *in = fmemopen(text, len, "r");
	ldns_rdf *origin = ldns_dname_new_frm_str(z->name);
	ldns_dnssec_zone *read = NULL;
	int line = 0;
	ldns_status s = LDNS_STATUS_MEM_ERR;
	if (in != NULL && origin != NULL) {
		s = ldns_dnssec_zone_new_frm_fp_l(&read, in, origin, 0, LDNS_RR_CLASS_IN,
						  &line);
	}
	if (s != LDNS_STATUS_OK) {
		report_error("zone %s, line %d: %s", z->name, line, ldns_get_errorstr_by_id(s));
		read = NULL;
	}
	ldns_rdf_deep_free(origin);
	if (in != NULL) {
		fclose(in);
	}
	return read;
}

static int sign_anew(ldns_rr *rr, void *arg)
{
	(void)rr;
	(void)arg;
	return LDNS_SIGNATURE_REMOVE_ADD_NEW;
}

static ldns_status sign(ldns_dnssec_zone *zone, const struct zone *z, ldns_key_list *keys)
{
	/* the zone takes the new records; this list only borrows them */
	ldns_rr_list *made = ldns_rr_list_new();
	ldns_status s;
	if (z->denial == DENIAL_NSEC) {
		s = ldns_dnssec_zone_sign(zone, made, keys, sign_anew, NULL);
	} else {
		uint8_t salt[sizeof(z->salt)];
		memcpy(salt, z->salt, sizeof(salt));
		const uint8_t flags = z->denial == DENIAL_OPTOUT ? 1 : 0; /* RFC 5155 3.1.2.1 */
		s = ldns_dnssec_zone_sign_nsec3(zone, made, keys, sign_anew, NULL, LDNS_SHA1,
						flags, z->iterations, z->salt_len, salt);
	}
	ldns_rr_list_free(made);
	return s;
}

static ldns_status add_keys(ldns_dnssec_zone *zone, const struct zone *z, ldns_key_list *keys)
{
	ldns_key *const all[] = { z->key, z->zsk };
	for (unsigned i = 0; i < 2; i++) {
		if (all[i] == NULL) {
			continue;
		}
		set_lifetime(z, all[i]);
		ldns_key_list_push_key(keys, all[i]);
		ldns_rr *dnskey = zone_dnskey(z, all[i]);
		ldns_status s = dnskey == NULL ? LDNS_STATUS_MEM_ERR
					       : ldns_dnssec_zone_add_rr(zone, dnskey);
		if (s != LDNS_STATUS_OK) {
			return s;
		}
	}
	return LDNS_STATUS_OK;
}

bool zone_sign(const struct zone *z, char *text, size_t len, FILE *out)
{
	if (z->algorithm == 0) {
		return fwrite(text, 1, len, out) == len;
	}
	ldns_dnssec_zone *zone = read_zone(z, text, len);
	if (zone == NULL) {
		return false;
	}
	ldns_key_list *keys = ldns_key_list_new();
	ldns_status s = add_keys(zone, z, keys);
	if (s == LDNS_STATUS_OK) {
		s = sign(zone, z, keys);
	}
	if (s == LDNS_STATUS_OK) {
		apply_fault(zone, z);
		ldns_dnssec_zone_print(out, zone);
	} else {
		report_error("ldns cannot sign %s: %s", z->name, ldns_get_errorstr_by_id(s));
	}
	/* the keys stay the zone's; ldns_key_list_pop_key() would leave a freed array behind */
	ldns_key_list_set_key_count(keys, 0);
	ldns_key_list_free(keys);
	ldns_dnssec_zone_deep_free(zone);
	return s == LDNS_STATUS_OK;
}
