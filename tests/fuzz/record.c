/**
 * @file
 * Covers the cache's records. The first octet chooses: stored octets viewed as a
 * record of "www.example.", as they are or with a checksum that is right, so that
 * what lies behind it is reached, and a reply made of them; or a packet encoded as
 * the answer to its own question, the record viewed, and replies made of it at
 * several sizes, which must be whole messages.
 */
#include "fairlead/cache/record.h"

#include "fairlead/base/crc32c.h"
#include "fairlead/wire/name.h"
#include "fairlead/wire/reader.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct fl_sipkey secret = { { 1, 2 } };
static const struct fl_moment now = { .boot_id = 1, .boot_ns = 1, .wall_s = 1780272000 };

static void must(bool holds)
{
	if (!holds) {
		abort();
	}
}

/* A client's question for the key; returns its length. */
static size_t write_question(const struct fl_cache_key *key, unsigned how, uint8_t *out)
{
	struct fl_writer w = fl_writer_init(out, 600);
	fl_writer_u16(&w, 0xBEEF);
	fl_writer_u16(&w, how & 2 ? FL_FLAG_RD | FL_FLAG_CD : FL_FLAG_RD);
	fl_writer_u16(&w, 1);
	fl_writer_u32(&w, 0);
	fl_writer_u16(&w, 1);
	fl_writer_octets(&w, key->name, key->name_len);
	fl_writer_u16(&w, key->qtype);
	fl_writer_u16(&w, key->qclass);
	fl_writer_octets(
		&w, how & 1 ? "\0\0\x29\4\xD0\0\0\x80\0\0\0" : "\0\0\x29\4\xD0\0\0\0\0\0\0",
		11);
	must(w.err == FL_OK);
	return w.len;
}

/* Every record can be read and the message ends with the last. */
static void check_message(const uint8_t *msg, size_t len)
{
	struct fl_reader r = fl_reader_init(msg, len);
	struct fl_rr rr;
	(void)fl_reader_take(&r, 4);
	unsigned questions = fl_reader_u16(&r), records = fl_reader_u16(&r);
	records += fl_reader_u16(&r);
	records += fl_reader_u16(&r);
	for (; questions > 0; questions--) {
		(void)fl_reader_skip_name(&r);
		(void)fl_reader_take(&r, 4);
	}
	for (; records > 0; records--) {
		must(fl_reader_rr(&r, &rr) == FL_OK);
	}
	must(r.err == FL_OK && r.pos == len);
}

/* @p ours: the body was made by the encoder, so the replies must be messages. */
static void reply(const struct fl_record *r, const struct fl_cache_key *key, bool ours)
{
	static const size_t sizes[] = { 40, 512, 1232, FL_MESSAGE_MAX };
	uint8_t ask[600];
	for (unsigned how = 0; how < 4; how++) {
		struct fl_question q;
		const size_t len = write_question(key, how, ask);
		if (fl_question_parse(ask, len, &q) != FL_QUESTION_OK) {
			return;
		}
		for (size_t i = 0; i < FL_COUNT(sizes); i++) {
			const struct fl_reply_opts o = fl_reply_opts_init(sizes[i]);
			uint8_t *out = malloc(sizes[i]);
			must(out != NULL);
			const size_t n = fl_record_reply(r, 100, 300, &q, &o, out, sizes[i]);
			must(n <= sizes[i] && n >= FL_HEADER_SIZE);
			if (ours) {
				check_message(out, n);
			}
			free(out);
		}
	}
}

static void view(const uint8_t *data, size_t size, bool fix)
{
	struct fl_cache_key key;
	struct fl_record r;
	fl_cache_key_init(&key, secret, (const uint8_t *)"\3www\7example", 13, FL_TYPE_A,
			  FL_CLASS_IN);
	uint8_t *octets = malloc(size > 0 ? size : 1);
	must(octets != NULL);
	memcpy(octets, data, size);
	if (fix && size >= sizeof(struct fl_record_header)) {
		octets[offsetof(struct fl_record_header, hint)] = 0;
		const uint32_t crc = fl_crc32c(0, octets + 4, size - 4);
		memcpy(octets, &crc, sizeof(crc));
	}
	if (fl_record_view(octets, size, &key, &r) == FL_OK) {
		reply(&r, &key, false);
	}
	free(octets);
}

/* The packet's own question is the key, so that most packets get past it. */
static void encode(const uint8_t *data, size_t size, enum fl_verdict verdict)
{
	static uint8_t out[FL_RECORD_MAX];
	static const struct fl_record_limits limits = { 0, 86400, 3600, 60 };
	uint8_t name[FL_NAME_MAX];
	size_t name_len, len;
	struct fl_reader r =
		fl_reader_init(data, size < FL_MESSAGE_MAX ? size : FL_MESSAGE_MAX);
	(void)fl_reader_take(&r, FL_HEADER_SIZE);
	if (fl_reader_name(&r, name, &name_len) != FL_OK) {
		return;
	}
	const uint16_t qtype = fl_reader_u16(&r), qclass = fl_reader_u16(&r);
	struct fl_cache_key key;
	fl_cache_key_init(&key, secret, name, name_len, qtype, qclass);
	const struct fl_record_source src = {
		.packet = data, .packet_len = r.len, .verdict = verdict, .ede = 0
	};
	if (fl_record_encode(&key, &src, &limits, now, out, sizeof(out), &len) != FL_OK) {
		return;
	}
	struct fl_record record;
	must(fl_record_view(out, len, &key, &record) == FL_OK);
	must(record.h.ttl_s <= 86400);
	reply(&record, &key, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0) {
		return 0;
	}
	const uint8_t choice = data[0] % 5;
	data++;
	size--;
	if (choice < 2) {
		view(data, size, choice == 1);
	} else {
		encode(data, size, (enum fl_verdict)(choice - 2));
	}
	return 0;
}
