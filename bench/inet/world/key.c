#include "report.h"
#include "world/world.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
	RSA_BITS = 2048,
	RSA_POOL = 4, /* keys of each RSA algorithm; the root has its own two */
	FLAGS_ZSK = 256,
	FLAGS_KSK = 257,
	DNSKEY_TTL_S = 3600,
};

struct pool {
	ldns_key *key[RSA_POOL];
	unsigned next;
};

static bool is_rsa(int algorithm)
{
	return algorithm == LDNS_SIGN_RSASHA256 || algorithm == LDNS_SIGN_RSASHA512;
}

static ldns_key *make_key(int algorithm, uint16_t flags)
{
	ldns_key *key = ldns_key_new_frm_algorithm((ldns_signing_algorithm)algorithm, RSA_BITS);
	if (key == NULL) {
		report_error(
			"ldns cannot make a key of algorithm %d; is libldns built with it?",
			algorithm);
		return NULL;
	}
	ldns_key_set_flags(key, flags);
	return key;
}

/* A second handle of the same key pair: owner and tag belong to the handle. */
static ldns_key *share_key(const ldns_key *from)
{
	ldns_key *key = ldns_key_new();
	EVP_PKEY *pair = ldns_key_evp_key(from);
	if (key == NULL || pair == NULL || EVP_PKEY_up_ref(pair) != 1) {
		free(key);
		return NULL;
	}
	ldns_key_set_algorithm(key, ldns_key_algorithm(from));
	ldns_key_set_evp_key(key, pair);
	ldns_key_set_flags(key, ldns_key_flags(from));
	return key;
}

static ldns_key *pooled_key(struct pool *pool, int algorithm)
{
	ldns_key **slot = &pool->key[pool->next++ % RSA_POOL];
	if (*slot == NULL) {
		*slot = make_key(algorithm, FLAGS_KSK);
	}
	return *slot == NULL ? NULL : share_key(*slot);
}

static ldns_key *zone_key(struct pool pools[static 2], const struct zone *z)
{
	if (z->parent == NULL || !is_rsa(z->algorithm)) {
		return make_key(z->algorithm, FLAGS_KSK);
	}
	return pooled_key(&pools[z->algorithm == LDNS_SIGN_RSASHA512], z->algorithm);
}

/* ldns keeps the tag beside the key and does not compute it by itself. */
static bool adopt(const struct zone *z, ldns_key *key)
{
	ldns_rdf *owner = ldns_dname_new_frm_str(z->name);
	if (owner == NULL) {
		return false;
	}
	ldns_key_set_pubkey_owner(key, owner);
	ldns_rr *dnskey = zone_dnskey(z, key);
	if (dnskey == NULL) {
		return false;
	}
	ldns_key_set_keytag(key, ldns_calc_keytag(dnskey));
	ldns_rr_free(dnskey);
	return true;
}

static bool make_zone_keys(struct pool pools[static 2], struct zone *z)
{
	if (z->algorithm == 0) {
		return true;
	}
	z->key = zone_key(pools, z);
	if (z->key == NULL || !adopt(z, z->key)) {
		return false;
	}
	if (z->parent == NULL) {
		z->zsk = make_key(z->algorithm, FLAGS_ZSK);
		return z->zsk != NULL && adopt(z, z->zsk);
	}
	if (z->fault == FAULT_DS_WITHOUT_KEY) {
		z->other = make_key(z->algorithm, FLAGS_KSK);
		return z->other != NULL && adopt(z, z->other);
	}
	return true;
}

bool world_make_keys(struct world *w)
{
	struct pool pools[2] = { 0 };
	bool ok = true;
	struct progress p = progress_start("keys", w->count);
	for (size_t i = 0; ok && i < w->count; i++) {
		ok = make_zone_keys(pools, &w->zone[i]);
		progress_at(&p, i + 1);
	}
	progress_end(&p);
	for (unsigned i = 0; i < 2 * RSA_POOL; i++) {
		ldns_key *key = pools[i / RSA_POOL].key[i % RSA_POOL];
		if (key != NULL) {
			ldns_key_deep_free(key);
		}
	}
	return ok;
}

ldns_rr *zone_dnskey(const struct zone *z, ldns_key *key)
{
	ldns_rr *rr = ldns_key2rr(key);
	if (rr == NULL) {
		return NULL;
	}
	ldns_rr_set_ttl(rr, DNSKEY_TTL_S);
	if (z->fault == FAULT_UNKNOWN_ALGORITHM) {
		*ldns_rdf_data(ldns_rr_rdf(rr, 2)) = UNKNOWN_ALGORITHM;
	}
	return rr;
}

ldns_rr_list *zone_ds(const struct zone *z)
{
	if (!z->delegated_signed && z->parent != NULL) {
		return NULL;
	}
	ldns_rr *dnskey = zone_dnskey(z, z->other == NULL ? z->key : z->other);
	if (dnskey == NULL) {
		return NULL;
	}
	/* RFC 6605 7: P-384 goes with SHA-384 */
	ldns_rr *ds = ldns_key_rr2ds(
		dnskey, z->algorithm == LDNS_SIGN_ECDSAP384SHA384 ? LDNS_SHA384 : LDNS_SHA256);
	ldns_rr_free(dnskey);
	if (ds == NULL) {
		return NULL;
	}
	if (z->fault == FAULT_DS_DIGEST) {
		*ldns_rdf_data(ldns_rr_rdf(ds, 3)) ^= 1;
	}
	ldns_rr_list *list = ldns_rr_list_new();
	ldns_rr_list_push_rr(list, ds);
	return list;
}

static bool save_key(const char *dir, const ldns_key *key)
{
	char path[4096];
	char *base = ldns_key_get_file_base_name(key);
	snprintf(path, sizeof(path), "%s/%s.private", dir, base);
	free(base);
	FILE *out = fopen(path, "w");
	if (out == NULL) {
		report_error("cannot write %s: %s", path, strerror(errno));
		return false;
	}
	fchmod(fileno(out), 0600);
	ldns_key_print(out, key);
	return report_close(out, path);
}

bool world_save_keys(const struct world *w, const char *dir)
{
	for (size_t i = 0; i < w->count; i++) {
		const struct zone *z = &w->zone[i];
		if ((z->key != NULL && !save_key(dir, z->key)) ||
		    (z->zsk != NULL && !save_key(dir, z->zsk))) {
			return false;
		}
	}
	return true;
}
