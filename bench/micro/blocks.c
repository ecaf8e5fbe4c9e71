/*
 * Each part of an answer by itself, in batches of 64 as the front works: what is read is as
 * warm as there, and the clock is read once a batch.
 */
#include "fairlead/base/clock.h"
#include "fairlead/cache/ready.h"
#include "fairlead/wire/question.h"
#include "micro.h"

#include <stdlib.h>

enum { PASS_MIN = 100000, REPLY_MAX = 4096 };
#define TABLE_BYTES ((size_t)256 << 20)

struct bench {
	const struct world *w;
	struct fl_cache *cache;
	struct fl_ready *ready;
	struct fl_sipkey secret;
	struct fl_moment now;
	unsigned first; /* name of the batch */
	struct fl_question q[MICRO_BATCH];
	struct fl_cache_key key[MICRO_BATCH];
	struct fl_record record[MICRO_BATCH];
	uint8_t reply[REPLY_MAX];
	uint64_t failed;
};

/* --- what a batch needs before a part can be measured; not timed --- */

static void parse_batch(struct bench *b)
{
	for (unsigned i = 0; i < MICRO_BATCH; i++) {
		const struct asked *a = &b->w->asked[(b->first + i) % b->w->n];
		b->failed += fl_question_parse(a->octets, a->len, &b->q[i]) != FL_QUESTION_OK;
	}
}

static void key_batch(struct bench *b)
{
	for (unsigned i = 0; i < MICRO_BATCH; i++) {
		const struct fl_question *q = &b->q[i];
		fl_cache_key_init(&b->key[i], b->secret, fl_question_name(q), q->name_len,
				  q->qtype, q->qclass);
	}
}

static void find_batch(struct bench *b)
{
	if (fl_cache_begin(b->cache) != FL_OK) {
		b->failed++;
		return;
	}
	for (unsigned i = 0; i < MICRO_BATCH; i++) {
		b->failed += fl_cache_find(b->cache, &b->key[i], &b->record[i]) != FL_OK;
	}
	fl_cache_end(b->cache);
}

static struct fl_reply_opts opts(const struct fl_question *q)
{
	return fl_reply_opts_init(fl_reply_limit(q, false));
}

static void ready_batch(struct bench *b)
{
	for (unsigned i = 0; i < MICRO_BATCH; i++) {
		const struct fl_question *q = &b->q[i];
		const struct fl_reply_opts o = opts(q);
		b->failed += fl_ready_reply(b->ready, &b->key[i], fl_ready_shape(q), 0, 0,
					    b->now.boot_ns, q, &o, b->reply, REPLY_MAX) == 0;
	}
}

static void ready_prefetch(struct bench *b)
{
	for (unsigned i = 0; i < MICRO_BATCH; i++) {
		fl_ready_prefetch(b->ready, b->key[i].hash);
	}
	for (unsigned i = 0; i < MICRO_BATCH; i++) {
		fl_ready_prefetch_entry(b->ready, b->key[i].hash, fl_ready_shape(&b->q[i]));
	}
}

/* --- the parts: each returns its nanoseconds for a batch --- */

static uint64_t since(uint64_t begun)
{
	return fl_clock_boot_ns() - begun;
}

static uint64_t time_parse(struct bench *b)
{
	const uint64_t begun = fl_clock_boot_ns();
	parse_batch(b);
	return since(begun);
}

static uint64_t time_key(struct bench *b)
{
	parse_batch(b);
	const uint64_t begun = fl_clock_boot_ns();
	key_batch(b);
	return since(begun);
}

static uint64_t time_ready_single(struct bench *b)
{
	parse_batch(b);
	key_batch(b);
	const uint64_t begun = fl_clock_boot_ns();
	ready_batch(b);
	return since(begun);
}

static uint64_t time_ready_prefetched(struct bench *b)
{
	parse_batch(b);
	key_batch(b);
	const uint64_t begun = fl_clock_boot_ns();
	ready_prefetch(b);
	ready_batch(b);
	return since(begun);
}

static uint64_t time_cache(struct bench *b)
{
	parse_batch(b);
	key_batch(b);
	const uint64_t begun = fl_clock_boot_ns();
	find_batch(b);
	return since(begun);
}

/* From records that have just been found and checked, as the front has them. Within this
 * program nobody writes, so that they stand although the transaction has ended. */
static uint64_t time_respond(struct bench *b)
{
	parse_batch(b);
	key_batch(b);
	find_batch(b);
	const uint64_t begun = fl_clock_boot_ns();
	for (unsigned i = 0; i < MICRO_BATCH && b->failed == 0; i++) {
		const struct fl_reply_opts o = opts(&b->q[i]);
		b->failed += fl_record_reply(&b->record[i], 1, UINT32_MAX, &b->q[i], &o,
					     b->reply, REPLY_MAX) == 0;
	}
	return since(begun);
}

static const struct part {
	const char *name;
	uint64_t (*time)(struct bench *b);
} parts[] = {
	{ "parse", time_parse },
	{ "key", time_key },
	{ "ready, one by one", time_ready_single },
	{ "ready, 64 with prefetch", time_ready_prefetched },
	{ "LMDB", time_cache },
	{ "respond", time_respond },
};

/* All names once, or as often as gives a figure. */
static double pass(struct bench *b, const struct part *p)
{
	uint64_t ns = 0, done = 0;
	b->first = 0;
	while (done < b->w->n || done < PASS_MIN) {
		ns += p->time(b);
		done += MICRO_BATCH;
		b->first = (b->first + MICRO_BATCH) % b->w->n;
	}
	return (double)ns / (double)done;
}

static void fill_ready(struct bench *b)
{
	for (unsigned done = 0; done < b->w->n; done += MICRO_BATCH) {
		b->first = done;
		parse_batch(b);
		key_batch(b);
		find_batch(b);
		for (unsigned i = 0; i < MICRO_BATCH && b->failed == 0; i++) {
			fl_ready_put(b->ready, &b->key[i], fl_ready_shape(&b->q[i]), 0, 0,
				     b->now.boot_ns, &b->record[i], 0);
		}
	}
}

static bool measure(struct bench *b, unsigned repeats, FILE *out)
{
	double ns[MICRO_REPEATS_MAX];
	b->secret = fl_cache_secret(b->cache);
	b->now = fl_moment_now(MICRO_BOOT);
	fill_ready(b);
	for (size_t p = 0; p < sizeof(parts) / sizeof(parts[0]); p++) {
		(void)pass(b, &parts[p]); /* warms up */
		for (unsigned i = 0; i < repeats; i++) {
			ns[i] = pass(b, &parts[p]);
		}
		if (b->failed > 0) {
			fprintf(stderr, "fairlead-micro: %s: %llu failed\n", parts[p].name,
				(unsigned long long)b->failed);
			return false;
		}
		spread_print(out, parts[p].name, b->w->n, ns, repeats);
	}
	return true;
}

bool blocks_measure(const struct world *w, unsigned repeats, FILE *out)
{
	bool ok = false;
	struct bench *b = calloc(1, sizeof(*b));
	if (b == NULL) {
		return false;
	}
	b->w = w;
	b->cache = world_open(w);
	if (b->cache != NULL && fl_ready_new(TABLE_BYTES, &b->ready) == FL_OK) {
		ok = measure(b, repeats, out);
	}
	fl_ready_free(b->ready);
	fl_cache_close(b->cache);
	free(b);
	return ok;
}
