/* The names that are asked: their questions, and their records in a cache of our own. */
#include "fairlead/wire/name.h"
#include "fairlead/wire/writer.h"
#include "micro.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TTL_S = 86400, SIGNATURE_LEN = 64, PUTS_A_COMMIT = 1000 };

static size_t name_of(unsigned i, uint8_t out[static FL_NAME_MAX])
{
	char text[64];
	size_t len = 0;
	snprintf(text, sizeof(text), "host.d%06u.bench.example.", i);
	return fl_name_from_text(text, out, &len) == FL_OK ? len : 0;
}

static bool make_question(struct asked *a, unsigned i, bool dnssec_ok)
{
	uint8_t name[FL_NAME_MAX];
	const size_t len = name_of(i, name);
	struct fl_writer w = fl_writer_init(a->octets, sizeof(a->octets));
	fl_writer_u16(&w, (uint16_t)i);
	fl_writer_octets(&w, dnssec_ok ? "\1\0\0\1\0\0\0\0\0\1" : "\1\0\0\1\0\0\0\0\0\0", 10);
	fl_writer_octets(&w, name, len);
	fl_writer_octets(&w, "\0\1\0\1", 4);
	if (dnssec_ok) { /* RFC 6891 6.1.2, 1,232 octets; RFC 3225 3 */
		fl_writer_octets(&w, "\0\0\51\4\xD0\0\0\x80\0\0\0", 11);
	}
	a->len = (uint8_t)w.len;
	return len > 0 && w.err == FL_OK;
}

/* RFC 4034 3.1: type covered, algorithm, labels, TTL, times, key tag, signer, signature. */
static void write_rrsig(struct fl_writer *w, const uint8_t *zone, size_t zone_len)
{
	const uint32_t now = (uint32_t)time(NULL);
	fl_writer_octets(w, "\xC0\x0C\0\56\0\1", 6);
	fl_writer_u32(w, TTL_S);
	fl_writer_u16(w, (uint16_t)(18 + zone_len + SIGNATURE_LEN));
	fl_writer_octets(w, "\0\1\15\4", 4);
	fl_writer_u32(w, TTL_S);
	fl_writer_u32(w, now + 30 * TTL_S);
	fl_writer_u32(w, now - TTL_S);
	fl_writer_u16(w, 12345);
	fl_writer_octets(w, zone, zone_len);
	for (unsigned i = 0; i < SIGNATURE_LEN; i++) {
		fl_writer_u8(w, (uint8_t)(i * 37));
	}
}

/* The answer as the engine would give it. */
static size_t make_packet(unsigned i, uint8_t *out, size_t cap)
{
	uint8_t name[FL_NAME_MAX];
	const size_t len = name_of(i, name);
	const size_t zone_at = 1 + 4 + 1 + 7; /* behind "host.d<number>." */
	struct fl_writer w = fl_writer_init(out, cap);
	fl_writer_octets(&w, "\0\0\x81\x80\0\1\0\2\0\0\0\0", 12);
	fl_writer_octets(&w, name, len);
	fl_writer_octets(&w, "\0\1\0\1\xC0\x0C\0\1\0\1", 10);
	fl_writer_u32(&w, TTL_S);
	fl_writer_octets(&w, "\0\4\xC0\0\2\1", 6);
	write_rrsig(&w, name + zone_at, len - zone_at);
	return w.err == FL_OK ? w.len : 0;
}

static enum fl_err store(struct fl_cache *c, unsigned i)
{
	uint8_t name[FL_NAME_MAX], packet[512], record[FL_RECORD_STORE_MAX];
	struct fl_cache_key key;
	size_t len;
	const struct fl_record_limits limits = { .max_ttl_s = TTL_S,
						 .negative_ttl_s = TTL_S,
						 .bogus_ttl_s = FL_RECORD_BOGUS_TTL_S };
	const struct fl_record_source src = { .packet = packet,
					      .packet_len =
						      make_packet(i, packet, sizeof(packet)),
					      .verdict = FL_VERDICT_SECURE,
					      .ede = FL_EDE_NONE };
	fl_cache_key_init(&key, fl_cache_secret(c), name, name_of(i, name), FL_TYPE_A,
			  FL_CLASS_IN);
	const enum fl_err err = fl_record_encode(&key, &src, &limits, fl_moment_now(MICRO_BOOT),
						 record, sizeof(record), &len);
	return err == FL_OK ? fl_cache_put(c, &key, record, len) : err;
}

static enum fl_err fill(const struct world *w)
{
	const struct fl_cache_options o = { .folder_fd = w->folder_fd,
					    .map_bytes = w->map_bytes,
					    .writer = true };
	struct fl_cache *c;
	enum fl_err err = fl_cache_open(&o, &c);
	if (err != FL_OK) {
		return err;
	}
	for (unsigned i = 0; err == FL_OK && i < w->n; i++) {
		err = store(c, i);
		if (err == FL_OK && (i % PUTS_A_COMMIT == PUTS_A_COMMIT - 1 || i + 1 == w->n)) {
			err = fl_cache_commit(c);
		}
	}
	fl_cache_close(c);
	return err;
}

static bool make_folder(struct world *w)
{
	const char *tmp = getenv("TMPDIR");
	const int n = snprintf(w->folder, sizeof(w->folder), "%s/fairlead-micro-XXXXXX",
			       tmp != NULL ? tmp : "/tmp");
	if (n < 0 || (size_t)n >= sizeof(w->folder) || mkdtemp(w->folder) == NULL) {
		w->folder[0] = '\0';
		return false;
	}
	w->folder_fd = open(w->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return w->folder_fd >= 0;
}

bool world_make(struct world *w, unsigned n, bool dnssec_ok)
{
	*w = (struct world){ .n = n,
			     .dnssec_ok = dnssec_ok,
			     .asked = calloc(n, sizeof(struct asked)),
			     .folder_fd = -1,
			     .map_bytes = (uint64_t)(16 + n / 1024 + 1) << 20 };
	bool ok = w->asked != NULL && make_folder(w);
	for (unsigned i = 0; ok && i < n; i++) {
		ok = make_question(&w->asked[i], i, dnssec_ok);
	}
	const enum fl_err err = ok ? fill(w) : FL_ESYSTEM;
	if (err != FL_OK) {
		fprintf(stderr, "fairlead-micro: cannot make a cache of %u names: %s\n", n,
			fl_err_text(err));
		world_end(w);
	}
	return err == FL_OK;
}

void world_end(struct world *w)
{
	if (w->folder_fd >= 0) {
		(void)unlinkat(w->folder_fd, "data.mdb", 0);
		(void)unlinkat(w->folder_fd, "lock.mdb", 0);
		close(w->folder_fd);
		w->folder_fd = -1;
	}
	if (w->folder[0] != '\0') {
		(void)rmdir(w->folder);
	}
	free(w->asked);
	w->asked = NULL;
}

struct fl_cache *world_open(const struct world *w)
{
	const struct fl_cache_options o = { .folder_fd = w->folder_fd,
					    .map_bytes = w->map_bytes };
	struct fl_cache *c = NULL;
	return fl_cache_open(&o, &c) == FL_OK ? c : NULL;
}
