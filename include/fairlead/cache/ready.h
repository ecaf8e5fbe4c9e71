/**
 * @file
 * L1: a front's own table of ready answers before LMDB.
 *
 * An entry is a record already shaped for one kind of client: sections chosen,
 * flags decided, TTL places known. A hit costs two cache lines and a copy. The
 * table is one process's, bounded in octets, never locked, and forgets the oldest
 * first; what was asked only once is not let in (scan resistance), so a flood of
 * unique names leaves it alone.
 *
 * COHERENCE: an entry carries the generation of its key's slot and the epoch that
 * stood before the transaction it was read in was renewed. When either differs
 * now, the entry is a miss. So after the keeper has committed a change and bumped
 * the slot, no front serves the old answer.
 *
 * A batch is looked up in two steps so that memory is waited for once and not per
 * question: fl_ready_prefetch() for each key, then fl_ready_find().
 */
#ifndef FAIRLEAD_CACHE_READY_H
#define FAIRLEAD_CACHE_READY_H

#include "fairlead/cache/record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fl_ready;

struct fl_ready_stats {
	uint64_t entries, bytes_used, bytes_max;
};

/** What of a question decides the shape of its answer, beside the key. */
enum fl_ready_shape {
	FL_SHAPE_DNSSEC = 1 << 0, /* DO */
	FL_SHAPE_AD = 1 << 1,     /* AD was set in the question (RFC 6840 5.7) */
	FL_SHAPE_CD = 1 << 2
};
unsigned fl_ready_shape(const struct fl_question *q);

/** @p bytes is the hard bound of all its memory, at least 64 KiB; 0 makes a table that never
 * holds anything. */
enum fl_err fl_ready_new(size_t bytes, struct fl_ready **out) FL_MUST_USE;
void fl_ready_free(struct fl_ready *t); /* NULL is fine */

/** Ask the memory for what a look-up of @p hash will read. */
void fl_ready_prefetch(const struct fl_ready *t, uint64_t hash);
/** Second step: the bucket has come; ask for the entry it names. */
void fl_ready_prefetch_entry(const struct fl_ready *t, uint64_t hash, unsigned shape);

/**
 * Write the reply to @p q if a ready answer stands.
 *
 * The same octets as fl_record_reply() would have written from the record, for
 * the same question and options. Returns octets, 0: a miss (none, expired,
 * another generation or epoch, or it would need truncation: then the record decides).
 */
size_t fl_ready_reply(struct fl_ready *t, const struct fl_cache_key *key, unsigned shape,
		      uint32_t generation, uint32_t epoch, uint64_t now_boot_ns,
		      const struct fl_question *q, const struct fl_reply_opts *o, uint8_t *out,
		      size_t cap);

/**
 * Keep @p r, found in LMDB at age @p age_s, for the next who asks in this shape.
 *
 * Only data and denials that are fresh, carry no EDE and fit 2 KiB are taken; the
 * caller asks only for keys that its sketch has seen at least twice. @p generation
 * and @p epoch were read before the transaction was renewed. The work is bounded: where
 * all who would have to make way were used lately, nothing is kept this time.
 *
 * Age counts from the record's boot_ns when @p age_s is what that gives; of a record of
 * another boot, from @p now_boot_ns less @p age_s whole seconds.
 */
void fl_ready_put(struct fl_ready *t, const struct fl_cache_key *key, unsigned shape,
		  uint32_t generation, uint32_t epoch, uint64_t now_boot_ns,
		  const struct fl_record *r, uint32_t age_s);

void fl_ready_stats(const struct fl_ready *t, struct fl_ready_stats *out);

#endif
