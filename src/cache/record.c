#include "record.h"

#include "fairlead/base/clock.h"
#include "fairlead/base/crc32c.h"

#include <string.h>

struct fl_moment fl_moment_now(uint64_t boot_id)
{
	return (struct fl_moment){
		.boot_id = boot_id,
		.boot_ns = fl_clock_boot_ns(),
		.wall_s = fl_clock_wall_s(),
	};
}

uint32_t fl__record_crc(const struct fl_record_header *h, const uint8_t *rest)
{
	struct fl_record_header plain = *h;
	plain.hint = 0; /* rewritten by the keeper without a new checksum */
	const size_t skip = sizeof(plain.crc);
	const uint32_t crc = fl_crc32c(0, (const uint8_t *)&plain + skip, sizeof(plain) - skip);
	return fl_crc32c(crc, rest, h->size - sizeof(*h));
}

/* True when the parts add up to the record's size. */
static bool sizes_agree(const struct fl_record_header *h)
{
	uint64_t size = sizeof(*h) + (uint64_t)h->name_len + h->reason_len +
			(uint64_t)h->n_ttls * FL__RECORD_TTL_SIZE;
	uint32_t records = 0;
	for (unsigned part = 0; part < FL__RECORD_PARTS; part++) {
		size += h->length[part];
		records += h->count[part];
	}
	return size == h->size && records == h->n_ttls;
}

static bool values_known(const struct fl_record_header *h)
{
	return h->verdict < FL_VERDICT_COUNT && h->reason < FL_REASON_COUNT &&
	       h->rcode <= FL_FLAG_RCODE && h->name_len > 0;
}

/* Each record has one TTL, and it lies in its record's part, behind the one before. */
static bool ttls_in_place(const struct fl_record *r)
{
	const uint8_t *at = r->ttls;
	uint32_t start = 0;
	for (unsigned part = 0; part < FL__RECORD_PARTS; part++) {
		const uint32_t end = start + r->h.length[part];
		for (unsigned i = 0; i < r->h.count[part]; i++, at += FL__RECORD_TTL_SIZE) {
			uint16_t offset;
			memcpy(&offset, at, sizeof(offset));
			if (offset < start || offset + 4U > end) {
				return false;
			}
			start = offset + 4U;
		}
		start = end;
	}
	return true;
}

/* Everything but whose record it is. */
static enum fl_err check(const uint8_t *octets, size_t len, struct fl_record *r)
{
	struct fl_record_header *h = &r->h;
	if (len < sizeof(*h)) {
		return FL_ECORRUPT;
	}
	memcpy(h, octets, sizeof(*h));
	if (h->format != FL_RECORD_FORMAT) {
		return FL_EVERSION;
	}
	if (h->size != len || fl__record_crc(h, octets + sizeof(*h)) != h->crc) {
		return FL_ECORRUPT;
	}
	if (!sizes_agree(h) || !values_known(h)) {
		return FL_ECORRUPT;
	}
	r->name = octets + sizeof(*h);
	r->reason_text = (const char *)r->name + h->name_len;
	r->ttls = r->name + h->name_len + h->reason_len;
	r->body = r->ttls + (size_t)h->n_ttls * FL__RECORD_TTL_SIZE;
	return ttls_in_place(r) ? FL_OK : FL_ECORRUPT;
}

enum fl_err fl_record_view(const uint8_t *octets, size_t len, const struct fl_cache_key *key,
			   struct fl_record *out)
{
	struct fl_record r;
	const enum fl_err err = check(octets, len, &r);
	if (err != FL_OK) {
		return err;
	}
	if (r.h.qtype != key->qtype || r.h.qclass != key->qclass ||
	    r.h.name_len != key->name_len || memcmp(r.name, key->name, key->name_len) != 0) {
		return FL_ENOTFOUND;
	}
	*out = r;
	return FL_OK;
}

static bool is_name(const uint8_t *name, size_t len)
{
	size_t at = 0;
	while (at < len && name[at] != 0) {
		if (name[at] > FL_LABEL_MAX) {
			return false;
		}
		at += 1U + name[at];
	}
	return at + 1 == len;
}

enum fl_err fl__record_view_any(const uint8_t *octets, size_t len, struct fl_record *out)
{
	struct fl_record r;
	const enum fl_err err = check(octets, len, &r);
	if (err != FL_OK) {
		return err;
	}
	if (!is_name(r.name, r.h.name_len)) {
		return FL_ECORRUPT;
	}
	*out = r;
	return FL_OK;
}

uint32_t fl_record_age_s(const struct fl_record *r, struct fl_moment now)
{
	const struct fl_record_header *h = &r->h;
	uint64_t age;
	if (h->boot_id == now.boot_id && now.boot_id != 0) {
		age = now.boot_ns > h->boot_ns ? (now.boot_ns - h->boot_ns) / FL_S_NS : 0;
	} else {
		/* unsigned: two far wall clocks must not overflow */
		age = now.wall_s > h->wall_s ? (uint64_t)now.wall_s - (uint64_t)h->wall_s : 0;
	}
	return age < UINT32_MAX ? (uint32_t)age : UINT32_MAX;
}
