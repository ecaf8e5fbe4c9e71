/**
 * @file
 * The LMDB cache seen from both sides: fronts look up, the keeper writes.
 *
 * One environment a process, opened once. The folder is given as a descriptor
 * and reached through /proc/self/fd/N/. The unnamed database has 8-octet
 * integer keys (cache/key.h); key 0 holds the file's header with the secret. A
 * reader's transaction lasts from fl_cache_begin() to fl_cache_end(), one a
 * batch, never over a poll; what a lookup returns is the map's and dies with it.
 * Any LMDB error on reading is a miss; FL_ECORRUPT tells the caller to report
 * the file to the supervisor.
 */
#ifndef FAIRLEAD_CACHE_CACHE_H
#define FAIRLEAD_CACHE_CACHE_H

#include "fairlead/cache/record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct fl_cache;

struct fl_cache_options {
	int folder_fd;      /* borrowed; a generation's folder, or a parcel of it (below) */
	uint64_t map_bytes; /* hard bound of the file */
	bool writer;
};

/**
 * Open, and for the writer create, preallocate and check what is there.
 *
 * @retval FL_ECORRUPT, FL_EVERSION  the file is damaged or foreign: the supervisor makes a new
 * generation
 * @retval FL_ENOTFOUND              a reader finds no file yet
 * @retval FL_ENOSPACE               the disk cannot hold map_bytes
 */
enum fl_err fl_cache_open(const struct fl_cache_options *o, struct fl_cache **out) FL_MUST_USE;
void fl_cache_close(struct fl_cache *c);
struct fl_sipkey fl_cache_secret(const struct fl_cache *c);

/* reading: fronts */
enum fl_err
fl_cache_begin(struct fl_cache *c) FL_MUST_USE; /* renew the process's read transaction */
void fl_cache_end(struct fl_cache *c);
/**
 * Look up @p key. Expired records are found as well: the caller compares age and TTL.
 * @retval FL_ENOTFOUND, FL_ECORRUPT, FL_EVERSION  a miss, to be counted as such
 */
enum fl_err fl_cache_find(struct fl_cache *c, const struct fl_cache_key *key,
			  struct fl_record *out) FL_MUST_USE;

/* writing: the keeper */

/** How often a key hash was asked lately, 0..255; the keeper's sum over the fronts' sketches.
 */
typedef unsigned (*fl_cache_popularity_fn)(void *arg, uint64_t hash);

/** Put octets made by fl_record_encode(); opens the write transaction when none is open. */
enum fl_err fl_cache_put(struct fl_cache *c, const struct fl_cache_key *key,
			 const uint8_t *record, size_t len) FL_MUST_USE;
enum fl_err fl_cache_delete(struct fl_cache *c, const struct fl_cache_key *key) FL_MUST_USE;
/** The stored record of @p key inside the write transaction, for merging (failures in a row).
 */
enum fl_err fl_cache_peek(struct fl_cache *c, const struct fl_cache_key *key,
			  struct fl_record *out) FL_MUST_USE;
/**
 * Hand the committed record of a key hash to @p each, in a read transaction of its own.
 * For the keeper's own lists, which hold hashes alone.
 */
typedef bool (*fl_cache_each_fn)(void *arg, const struct fl_record *r, const uint8_t *octets,
				 size_t len);
enum fl_err fl_cache_visit(struct fl_cache *c, uint64_t hash, fl_cache_each_fn each,
			   void *arg) FL_MUST_USE;

/** Commit what was put; FL_OK when nothing was. On failure the batch is lost, the file is not.
 */
enum fl_err fl_cache_commit(struct fl_cache *c) FL_MUST_USE;

/** Put and not yet committed records. */
unsigned fl_cache_pending(const struct fl_cache *c);

/**
 * Free space while more than 80 % of the map is used: at most @p steps records
 * are looked at, in hash order from where the last call stopped (a fair sample).
 * Long expired and unasked records go first; records that the sketch or their
 * own hint know as popular stay while others can go. Runs inside the write
 * transaction; returns the number evicted.
 */
unsigned fl_cache_evict(struct fl_cache *c, struct fl_moment now,
			fl_cache_popularity_fn popularity, void *arg, unsigned steps);
bool fl_cache_is_full(const struct fl_cache *c); /* above the 80 % mark */

/** Free reader slots of dead processes; returns how many. */
int fl_cache_check_readers(struct fl_cache *c);

struct fl_cache_stats {
	uint64_t entries, bytes_used, bytes_max;
	uint64_t full_maps; /* batches lost to a full map since opening: 0, or eviction is late
			     */
};
enum fl_err fl_cache_stats(struct fl_cache *c, struct fl_cache_stats *out) FL_MUST_USE;

/** Call @p each for every record in hash order (a read transaction of its own). */
enum fl_err fl_cache_each(struct fl_cache *c, fl_cache_each_fn each, void *arg) FL_MUST_USE;

/**
 * Folder of one generation under the configured cache folder:
 * "<record format>-<lmdb major.minor>-<generation>". The newest is opened (made
 * when there is none); with @p renew the next one is made and the others deleted.
 * Called by the supervisor. On failure @p problem says what and where.
 */
enum fl_err fl_cache_folder_open(const char *folder, bool renew, int *fd, unsigned *generation,
				 char *problem, size_t problem_size) FL_MUST_USE;

/**
 * A generation's folder as the supervisor holds it for its roles, with LMDB's lock in memory.
 *
 * The lock (lock.mdb) is a table that every reader writes in each transaction, through a
 * shared mapping. On a disk, its pages are taken from their writers when they are written back,
 * and the next write waits for the file system: cached answers would wait for the disk. It need
 * not outlive a run, so that it is a memfd here: lock.mdb is a link to /proc/self/fd/LOCK_AT,
 * and fl_cache_open() puts the memfd there. In memory nobody else sees it; so the folder
 * itself is locked against another instance, for as long as anybody has it open.
 */
struct fl_cache_hold {
	int folder_fd;
	int lock_fd;      /* -1: this file system knows no locks or links; it lies there */
	unsigned lock_at; /* the descriptor's number in every role: high, so that it is free */
};

/**
 * Hold the generation in @p folder_fd, which is taken over on success.
 * @retval FL_EBUSY  another instance has it, or a process of an earlier one that lives still
 */
enum fl_err fl_cache_hold(int folder_fd, unsigned lock_at,
			  struct fl_cache_hold *out) FL_MUST_USE;
/** One descriptor for a role, to be sent and closed: fl_cache_open() takes it for a folder. */
enum fl_err fl_cache_hold_parcel(const struct fl_cache_hold *h, int *fd) FL_MUST_USE;
void fl_cache_hold_close(struct fl_cache_hold *h); /* roles may go on using it */
void fl_cache_hold_end(struct fl_cache_hold *h);   /* none does: the link goes, too */

#endif
