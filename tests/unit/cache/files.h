/**
 * @file
 * Folders and stored records for tests of the store.
 */
#ifndef FAIRLEAD_TESTS_UNIT_CACHE_FILES_H
#define FAIRLEAD_TESTS_UNIT_CACHE_FILES_H

#include "fairlead/cache/cache.h"
#include "messages.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct folder {
	char path[64];
	int fd;
};

static inline struct folder make_folder(void)
{
	struct folder f = { .path = "/tmp/fairlead-cache-XXXXXX" };
	cr_assert_not_null(mkdtemp(f.path));
	f.fd = open(f.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(f.fd, 0);
	return f;
}

static inline void remove_folder(struct folder *f)
{
	unlinkat(f->fd, "data.mdb", 0);
	unlinkat(f->fd, "lock.mdb", 0);
	close(f->fd);
	cr_expect_eq(rmdir(f->path), 0, "something was left in %s", f->path);
}

enum { TINY_MAP = 2 << 20 };

static inline struct fl_cache *open_cache(const struct folder *f, uint64_t map, bool writer)
{
	struct fl_cache *c = NULL;
	const struct fl_cache_options o = { .folder_fd = f->fd,
					    .map_bytes = map,
					    .writer = writer };
	const enum fl_err err = fl_cache_open(&o, &c);
	cr_assert_eq(err, FL_OK, "open: %s", fl_err_text(err));
	return c;
}

/* Question number n: "n<number>.<kind>.test." */
static inline struct fl_cache_key numbered_key(const struct fl_cache *c, const char *kind,
					       unsigned n)
{
	char text[64];
	uint8_t name[FL_NAME_MAX];
	size_t len;
	struct fl_cache_key key;
	snprintf(text, sizeof(text), "n%u.%s.test.", n, kind);
	cr_assert_eq(fl_name_from_text(text, name, &len), FL_OK);
	fl_cache_key_init(&key, fl_cache_secret(c), name, len, FL_TYPE_TXT, FL_CLASS_IN);
	return key;
}

/* A TXT answer of about @p octets whose first four are n. */
static inline size_t numbered_record(const struct fl_cache_key *key, unsigned n, size_t octets,
				     struct fl_moment at, uint32_t ttl, uint8_t *out)
{
	static struct octets m;
	struct fl_writer w = fl_writer_init(m.at, sizeof(m.at));
	fl_writer_octets(&w, "\0\0\x81\x80\0\1\0\1\0\0\0\0", 12);
	fl_writer_octets(&w, key->name, key->name_len);
	fl_writer_octets(&w, "\0\x10\0\1\xC0\x0C\0\x10\0\1", 10);
	fl_writer_u32(&w, ttl);
	fl_writer_u16(&w, (uint16_t)octets);
	fl_writer_u32(&w, n);
	for (size_t i = 4; i < octets; i++) {
		fl_writer_u8(&w, (uint8_t)(n + i));
	}
	m.len = w.len;
	const struct fl_record_source src = source_of(&m, FL_VERDICT_INSECURE);
	size_t len = 0;
	cr_assert_eq(fl_record_encode(key, &src, &limits, at, out, FL_RECORD_STORE_MAX, &len),
		     FL_OK);
	return len;
}

/* The number in a record of numbered_record(), checked to the last octet. */
static inline bool holds_number(const struct fl_record *r, unsigned n)
{
	const uint8_t *rdata = r->body + 12;
	if (r->h.n_ttls != 1 || r->h.length[0] < 16 || fl_load_u32(rdata) != n) {
		return false;
	}
	for (size_t i = 4; i < r->h.length[0] - 12; i++) {
		if (rdata[i] != (uint8_t)(n + i)) {
			return false;
		}
	}
	return true;
}

static inline enum fl_err put_number(struct fl_cache *c, const char *kind, unsigned n,
				     size_t octets, struct fl_moment at)
{
	uint8_t record[FL_RECORD_STORE_MAX];
	const struct fl_cache_key key = numbered_key(c, kind, n);
	const size_t len = numbered_record(&key, n, octets, at, 3600, record);
	return fl_cache_put(c, &key, record, len);
}

/* Find inside begin and end; the record dies with the transaction, so only its fate is told. */
static inline enum fl_err look_up(struct fl_cache *c, const char *kind, unsigned n)
{
	const struct fl_cache_key key = numbered_key(c, kind, n);
	struct fl_record r;
	enum fl_err err = fl_cache_begin(c);
	if (err != FL_OK) {
		return err;
	}
	err = fl_cache_find(c, &key, &r);
	if (err == FL_OK && !holds_number(&r, n)) {
		err = FL_EINVALID; /* a wrong answer */
	}
	fl_cache_end(c);
	return err;
}

#endif
