#include "fairlead/cache/key.h"

#include "fairlead/wire/name.h"
#include "fairlead/wire/writer.h"

#include <assert.h>

void fl_cache_key_init(struct fl_cache_key *key, struct fl_sipkey secret, const uint8_t *name,
		       size_t name_len, uint16_t qtype, uint16_t qclass)
{
	assert(name_len >= 1 && name_len <= FL_NAME_MAX);
	fl_name_lower(key->name, name, name_len);
	fl_store_u16(key->name + name_len, qtype);
	fl_store_u16(key->name + name_len + 2, qclass);
	const uint64_t hash = fl_siphash13(secret, key->name, name_len + 4);
	key->hash = hash != 0 ? hash : 1; /* 0 is the file's header */
	key->qtype = qtype;
	key->qclass = qclass;
	key->name_len = (uint8_t)name_len;
}
