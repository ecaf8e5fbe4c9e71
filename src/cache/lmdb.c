/*
 * The only file that knows LMDB.
 *
 * Pages are never overwritten: a transaction writes new ones, and what it replaced
 * can be used again two transactions later, if no reader still stands before.
 * So a full map is kept away by three bounds: what lives stays near 80 % (eviction),
 * one transaction makes at most a twenty-fifth of the map dirty (it is committed
 * and another begun), and nothing is put while readers hold too many old pages.
 */
#include "evict.h"
#include "fairlead/base/clock.h"
#include "fairlead/base/crc32c.h"
#include "fairlead/base/log.h"
#include "fairlead/cache/cache.h"
#include "hold.h"
#include "meta.h"
#include "record.h"
#include "store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	READERS_MAX = 256,
	FREE_DB = 0,
	META_PAGES = 2,
	MARK_PERCENT = 80,    /* eviction starts */
	PRESSED_PERCENT = 85, /* a put evicts by itself */
	PRESSED_STEPS = 256,
	DIRTY_SHARE = 25,
	DIRTY_LEAST = 16,
	DIRTY_MOST = 16384, /* LMDB's own bound is 131,071 pages */
	PAGE_HEADER = 16,
	NODE_HEADER = 8,
	NODE_OCTETS = 24, /* key, node header, slot, padding */
	EACH_BATCH = 256  /* records read in one transaction of a walk */
};

struct fl_cache {
	MDB_env *env;
	struct fl__share share;
	MDB_dbi db;
	MDB_txn *read; /* renewed by begin, reset by end */
	MDB_txn *write;
	struct fl_sipkey secret;
	size_t page_size;
	uint64_t map_pages;
	bool writer, reading;
	/* the writer's */
	unsigned pending;          /* puts and deletes in the write transaction */
	uint64_t used, entries;    /* pages and records that live, this transaction's too */
	uint64_t available, dirty; /* pages it may take, and took at most */
	uint64_t tail;             /* of those, pages never used: the only sure neighbours */
	uint64_t dirty_max, full_maps;
	struct fl__evictor evictor;
};

/* Record 0. */
struct file_header {
	char magic[8];
	uint32_t format;
	uint32_t crc; /* of everything else */
	int64_t made_wall_s;
	uint8_t secret[16];
};
static const char file_magic[8] = { 'f', 'a', 'i', 'r', 'l', 'e', 'a', 'd' };

/* What is the file's own fault, and what will pass. The map is never resized and what is put
 * always fits a page, so that MAP_RESIZED, PAGE_FULL and the rest of their kind come from
 * pages that lie, as do writes to where no file can be (EFBIG, EINVAL). PANIC is left by a
 * meta page that could not be written: only a new environment helps. BAD_TXN: a look at a
 * damaged page was a miss, and the transaction is of no use since; what fails otherwise ends
 * its transaction at once. */
static enum fl_err from_lmdb(int rc)
{
	switch (rc) {
	case MDB_SUCCESS:
		return FL_OK;
	case MDB_NOTFOUND:
		return FL_ENOTFOUND;
	case MDB_VERSION_MISMATCH:
		return FL_EVERSION;
	case MDB_MAP_FULL:
	case MDB_TXN_FULL:
	case ENOSPC:
	case EDQUOT:
		return FL_ENOSPACE;
	case MDB_READERS_FULL:
	case EAGAIN:
	case EBUSY:
		return FL_EBUSY;
	case ENOMEM:
		return FL_ENOMEM;
	case EACCES:
	case EPERM:
	case EROFS:
		return FL_EDENIED;
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_INVALID:
	case MDB_PANIC:
	case MDB_CURSOR_FULL:
	case MDB_INCOMPATIBLE:
	case MDB_BAD_VALSIZE:
	case MDB_BAD_TXN:
	case MDB_KEYEXIST:
	case MDB_PAGE_FULL:
	case MDB_MAP_RESIZED:
	case EFBIG:
	case EINVAL:
		return FL_ECORRUPT;
	default: /* EIO, EMFILE and the like */
		return FL_ESYSTEM;
	}
}

static void on_assert(MDB_env *env, const char *message)
{
	(void)env;
	fl_log(FL_LOG_ERROR, "cache file is damaged: %s", message);
	abort(); /* the supervisor takes it for what it is and makes a new file */
}

void fl__store_version(int *major, int *minor)
{
	int patch;
	mdb_version(major, minor, &patch);
}

/* ------------------------------------------------------------------ opening */

static uint32_t header_crc(const struct file_header *h)
{
	struct file_header plain = *h;
	plain.crc = 0;
	return fl_crc32c(0, &plain, sizeof(plain));
}

static enum fl_err read_file_header(struct fl_cache *c, MDB_txn *txn)
{
	uint64_t zero = 0;
	MDB_val key = { sizeof(zero), &zero }, data;
	struct file_header h;
	const enum fl_err err = from_lmdb(mdb_get(txn, c->db, &key, &data));
	if (err != FL_OK) {
		return err;
	}
	if (data.mv_size != sizeof(h)) {
		return FL_EVERSION;
	}
	memcpy(&h, data.mv_data, sizeof(h));
	if (memcmp(h.magic, file_magic, sizeof(h.magic)) != 0 || h.format != FL_RECORD_FORMAT) {
		return FL_EVERSION;
	}
	if (header_crc(&h) != h.crc) {
		return FL_ECORRUPT;
	}
	c->secret = fl_sipkey_from_octets(h.secret);
	return FL_OK;
}

static enum fl_err write_file_header(struct fl_cache *c, MDB_txn *txn)
{
	struct file_header h = { .format = FL_RECORD_FORMAT, .made_wall_s = fl_clock_wall_s() };
	memcpy(h.magic, file_magic, sizeof(h.magic));
	if (getrandom(h.secret, sizeof(h.secret), 0) != (ssize_t)sizeof(h.secret)) {
		return FL_ESYSTEM;
	}
	h.crc = header_crc(&h);
	uint64_t zero = 0;
	MDB_val key = { sizeof(zero), &zero }, data = { sizeof(h), &h };
	c->secret = fl_sipkey_from_octets(h.secret);
	return from_lmdb(mdb_put(txn, c->db, &key, &data, 0));
}

/* Header found, or made by the writer of an empty file. */
static enum fl_err check_file_header(struct fl_cache *c, MDB_txn *txn)
{
	const enum fl_err err = read_file_header(c, txn);
	if (err != FL_ENOTFOUND || !c->writer) {
		return err;
	}
	MDB_stat stat;
	if (mdb_stat(txn, c->db, &stat) != MDB_SUCCESS || stat.ms_entries != 0) {
		return FL_ECORRUPT;
	}
	return write_file_header(c, txn);
}

static enum fl_err open_database(struct fl_cache *c)
{
	MDB_txn *txn;
	enum fl_err err =
		from_lmdb(mdb_txn_begin(c->env, NULL, c->writer ? 0 : MDB_RDONLY, &txn));
	if (err != FL_OK) {
		return err;
	}
	err = from_lmdb(mdb_dbi_open(txn, NULL, MDB_INTEGERKEY, &c->db));
	if (err == FL_OK) {
		err = check_file_header(c, txn);
	}
	if (err != FL_OK) {
		mdb_txn_abort(txn);
		return err;
	}
	return from_lmdb(mdb_txn_commit(txn));
}

/* Take the whole map's blocks now: a disk that fills up later must not become SIGBUS. */
static enum fl_err preallocate(struct fl_cache *c)
{
	int fd;
	struct stat st;
	const off_t size = (off_t)(c->map_pages * c->page_size);
	if (mdb_env_get_fd(c->env, &fd) != MDB_SUCCESS || fstat(fd, &st) != 0) {
		return FL_ESYSTEM;
	}
	if (st.st_size > size && ftruncate(fd, size) != 0) { /* made for a larger map */
		return FL_ESYSTEM;
	}
	const int e = posix_fallocate(fd, 0, size); /* also fills what is sparse */
	return e == 0 ? FL_OK : from_lmdb(e == EFBIG ? ENOSPC : e);
}

static enum fl_err open_env(struct fl_cache *c, int folder_fd)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", folder_fd);
	/* NOMETASYNC: a power cut costs the last commit at most; NOSYNC costs the file.
	 * NOTLS: transactions belong to the batch, not to the thread. */
	const unsigned flags =
		MDB_NOTLS | MDB_NORDAHEAD | (c->writer ? MDB_NOMETASYNC : MDB_RDONLY);
	int rc = mdb_env_set_assert(c->env, on_assert);
	rc = rc != 0 ? rc : mdb_env_set_mapsize(c->env, c->map_pages * c->page_size);
	rc = rc != 0 ? rc : mdb_env_set_maxreaders(c->env, READERS_MAX);
	rc = rc != 0 ? rc : mdb_env_open(c->env, path, flags, 0640);
	return from_lmdb(rc);
}

static void refresh_used(struct fl_cache *c, MDB_txn *txn)
{
	MDB_stat db, freed;
	if (mdb_stat(txn, c->db, &db) != MDB_SUCCESS ||
	    mdb_stat(txn, FREE_DB, &freed) != MDB_SUCCESS) {
		return;
	}
	c->used = META_PAGES + db.ms_branch_pages + db.ms_leaf_pages + db.ms_overflow_pages +
		  freed.ms_branch_pages + freed.ms_leaf_pages + freed.ms_overflow_pages;
	c->entries = db.ms_entries > 0 ? db.ms_entries - 1 : 0; /* less the header */
}

static enum fl_err open_reader(struct fl_cache *c)
{
	const enum fl_err err = from_lmdb(mdb_txn_begin(c->env, NULL, MDB_RDONLY, &c->read));
	if (err == FL_OK) {
		refresh_used(c, c->read);
		mdb_txn_reset(c->read);
	}
	return err;
}

static void set_bounds(struct fl_cache *c, uint64_t map_bytes)
{
	c->page_size = (size_t)sysconf(_SC_PAGESIZE);
	c->map_pages = map_bytes / c->page_size;
	c->dirty_max = c->map_pages / DIRTY_SHARE;
	c->dirty_max = c->dirty_max > DIRTY_LEAST ? c->dirty_max : DIRTY_LEAST;
	c->dirty_max = c->dirty_max < DIRTY_MOST ? c->dirty_max : DIRTY_MOST;
}

/* Without the blocks there is no cache: leave no half of a file behind. */
static void forget_new_file(const struct fl__share *s)
{
	unlinkat(s->folder_fd, "data.mdb", 0);
	if (s->lock_fd < 0) {
		unlinkat(s->folder_fd, "lock.mdb", 0);
	}
}

enum fl_err fl_cache_open(const struct fl_cache_options *o, struct fl_cache **out)
{
	struct fl__share share;
	enum fl_err err = fl__share_take(o->folder_fd, &share);
	if (err != FL_OK) {
		return err;
	}
	err = fl__meta_check(share.folder_fd, o->map_bytes);
	const bool is_new = err == FL_ENOTFOUND;
	if (err != FL_OK && !(is_new && o->writer)) {
		goto close_share;
	}
	struct fl_cache *c = calloc(1, sizeof(*c));
	if (c == NULL) {
		err = FL_ENOMEM;
		goto close_share;
	}
	c->share = share;
	c->writer = o->writer;
	set_bounds(c, o->map_bytes);
	if ((err = from_lmdb(mdb_env_create(&c->env))) != FL_OK) {
		goto free_cache;
	}
	if ((err = open_env(c, share.folder_fd)) != FL_OK) {
		goto close_env;
	}
	if (c->writer && (err = preallocate(c)) != FL_OK) {
		goto close_env;
	}
	if ((err = open_database(c)) != FL_OK || (err = open_reader(c)) != FL_OK) {
		goto close_env;
	}
	*out = c;
	return FL_OK;
close_env:
	mdb_env_close(c->env);
	if (is_new) {
		forget_new_file(&share);
	}
free_cache:
	free(c);
close_share:
	fl__share_close(&share);
	return err;
}

void fl_cache_close(struct fl_cache *c)
{
	if (c == NULL) {
		return;
	}
	if (c->write != NULL) {
		mdb_txn_abort(c->write);
	}
	mdb_txn_abort(c->read);
	mdb_env_close(c->env);
	fl__share_close(&c->share);
	free(c);
}

struct fl_sipkey fl_cache_secret(const struct fl_cache *c)
{
	return c->secret;
}

/* ------------------------------------------------------------------ reading */

enum fl_err fl_cache_begin(struct fl_cache *c)
{
	assert(!c->reading);
	int rc = c->read != NULL ? mdb_txn_renew(c->read) : MDB_BAD_RSLOT;
	if (rc ==
	    MDB_BAD_RSLOT) { /* its place in the readers' table is lost: it takes another */
		mdb_txn_abort(c->read);
		c->read = NULL;
		rc = mdb_txn_begin(c->env, NULL, MDB_RDONLY, &c->read);
	}
	c->reading = rc == MDB_SUCCESS;
	return from_lmdb(rc);
}

void fl_cache_end(struct fl_cache *c)
{
	if (c->reading) {
		mdb_txn_reset(c->read);
		c->reading = false;
	}
}

static enum fl_err find_in(const struct fl_cache *c, MDB_txn *txn,
			   const struct fl_cache_key *key, struct fl_record *out)
{
	uint64_t hash = key->hash;
	MDB_val k = { sizeof(hash), &hash }, data;
	const enum fl_err err = from_lmdb(mdb_get(txn, c->db, &k, &data));
	if (err != FL_OK) {
		return err == FL_ENOTFOUND ? err : FL_ECORRUPT;
	}
	if (data.mv_size > FL_RECORD_STORE_MAX) { /* never stored: don't even look there */
		return FL_ECORRUPT;
	}
	return fl_record_view(data.mv_data, data.mv_size, key, out);
}

enum fl_err fl_cache_find(struct fl_cache *c, const struct fl_cache_key *key,
			  struct fl_record *out)
{
	assert(c->reading);
	return find_in(c, c->read, key, out);
}

/* ------------------------------------------------------------------ writing */

/* "pid thread txnid" of a reader; txnid "-" while it rests. */
static int note_reader(const char *line, void *oldest)
{
	uint64_t *least = oldest;
	const char *at = strrchr(line, ' ');
	if (at != NULL && at[1] >= '0' && at[1] <= '9') {
		const uint64_t txn = strtoull(at + 1, NULL, 10);
		*least = txn < *least ? txn : *least;
	}
	return 0;
}

/* Pages on the list of free ones that no transaction before @p oldest can see. */
static uint64_t count_free(MDB_txn *txn, uint64_t oldest)
{
	MDB_cursor *cursor;
	MDB_val key, data;
	uint64_t pages = 0;
	if (mdb_cursor_open(txn, FREE_DB, &cursor) != MDB_SUCCESS) {
		return 0;
	}
	while (mdb_cursor_get(cursor, &key, &data, MDB_NEXT) == MDB_SUCCESS) {
		size_t id, n; /* key: transaction that freed them; data: number, then pages */
		memcpy(&id, key.mv_data, sizeof(id));
		if (id >= oldest || data.mv_size < sizeof(n)) {
			break;
		}
		memcpy(&n, data.mv_data, sizeof(n));
		pages += n;
	}
	mdb_cursor_close(cursor);
	return pages;
}

/* What the next write transaction may take. */
static enum fl_err measure(struct fl_cache *c)
{
	MDB_txn *txn;
	MDB_envinfo info;
	enum fl_err err = from_lmdb(mdb_txn_begin(c->env, NULL, MDB_RDONLY, &txn));
	if (err != FL_OK) {
		return err;
	}
	err = from_lmdb(mdb_env_info(c->env, &info));
	uint64_t oldest = info.me_last_txnid;
	mdb_reader_list(c->env, note_reader, &oldest);
	const uint64_t taken = info.me_last_pgno + 1;
	c->tail = c->map_pages > taken ? c->map_pages - taken : 0;
	c->available = c->tail + count_free(txn, oldest);
	refresh_used(c, txn);
	mdb_txn_abort(txn);
	return err;
}

static enum fl_err begin_write(struct fl_cache *c)
{
	assert(c->writer);
	if (c->write != NULL) {
		return FL_OK;
	}
	enum fl_err err = measure(c);
	if (err == FL_OK && c->available < 2 * c->dirty_max) {
		fl_cache_check_readers(c); /* a dead one may hold them */
		err = measure(c);
	}
	if (err != FL_OK) {
		return err;
	}
	c->dirty = 0;
	c->pending = 0;
	return from_lmdb(mdb_txn_begin(c->env, NULL, 0, &c->write));
}

static void drop_write(struct fl_cache *c)
{
	if (c->write != NULL) {
		mdb_txn_abort(c->write);
		c->write = NULL;
	}
	c->pending = 0;
	c->dirty = 0;
}

enum fl_err fl_cache_commit(struct fl_cache *c)
{
	if (c->write == NULL) {
		return FL_OK;
	}
	const enum fl_err err = from_lmdb(mdb_txn_commit(c->write));
	c->write = NULL; /* gone on failure as well */
	c->pending = 0;
	c->dirty = 0;
	return err;
}

/* A transaction with room for @p pages more. */
static enum fl_err begin_write_with_room(struct fl_cache *c, uint64_t pages)
{
	if (c->write != NULL && c->dirty + pages > c->dirty_max) {
		const enum fl_err err = fl_cache_commit(c);
		if (err != FL_OK) {
			return err;
		}
	}
	return begin_write(c);
}

unsigned fl_cache_pending(const struct fl_cache *c)
{
	return c->pending;
}

/* A larger record does not fit a leaf page and has pages of its own. */
static size_t leaf_max(const struct fl_cache *c)
{
	const size_t half = (c->page_size - PAGE_HEADER) / 2 & ~(size_t)1;
	return half - sizeof(uint16_t) - NODE_HEADER - sizeof(uint64_t);
}

/* A leaf, its half after a split, and what a large record has. */
static uint64_t pages_for(const struct fl_cache *c, size_t len)
{
	return 2 + (len > leaf_max(c) ? len / c->page_size + 1 : 0);
}

/* LMDB believes a large record's first page when it frees as many as stand there: damaged,
 * that would be up to 2^32, and no end of it. */
static bool may_be_freed(const struct fl_cache *c, const MDB_val *data)
{
	uint32_t pages;
	if (data->mv_size <= leaf_max(c)) {
		return true;
	}
	memcpy(&pages, (const uint8_t *)data->mv_data - sizeof(pages), sizeof(pages));
	return pages == (PAGE_HEADER + data->mv_size - 1) / c->page_size + 1;
}

static enum fl_err store(struct fl_cache *c, const struct fl_cache_key *key,
			 const uint8_t *record, size_t len)
{
	uint64_t hash = key->hash;
	MDB_val k = { sizeof(hash), &hash }, data;
	uint8_t hint = 0;
	size_t replaced = 0;
	struct fl_record old;
	if (mdb_get(c->write, c->db, &k, &data) == MDB_SUCCESS) {
		replaced = data.mv_size;
		if (!may_be_freed(c, &data)) {
			return FL_ECORRUPT;
		}
		if (find_in(c, c->write, key, &old) == FL_OK) {
			hint = old.h.hint;
		}
	}
	data.mv_size = len;
	const enum fl_err err = from_lmdb(mdb_put(c->write, c->db, &k, &data, MDB_RESERVE));
	if (err != FL_OK) {
		return err;
	}
	uint8_t *to = data.mv_data;
	memcpy(to, record, len);
	to[FL__RECORD_HINT_AT] = hint;
	c->dirty += pages_for(c, len);
	c->pending++;
	refresh_used(c, c->write);
	if (c->used * 100 > c->map_pages * MARK_PERCENT && len + NODE_OCTETS > replaced) {
		fl__evictor_owe(&c->evictor, len + NODE_OCTETS - replaced);
	}
	return FL_OK;
}

static bool is_pressed(const struct fl_cache *c)
{
	return c->used * 100 > c->map_pages * PRESSED_PERCENT;
}

static struct fl_moment moment_of(const struct fl_record_header *h)
{
	return (struct fl_moment){
		.boot_id = h->boot_id,
		.boot_ns = h->boot_ns,
		.wall_s = h->wall_s,
	};
}

/* Get what a put of @p len octets needs: a transaction, pages, eviction that is overdue. */
static enum fl_err prepare_put(struct fl_cache *c, const struct fl_record_header *h, size_t len)
{
	const uint64_t pages = pages_for(c, len);
	enum fl_err err = begin_write_with_room(c, pages);
	if (err == FL_OK && pages > 2 && c->tail < c->dirty + 2 * pages) {
		/* needs neighbouring pages and may not find them: risk only this record */
		err = fl_cache_commit(c);
		err = err == FL_OK ? begin_write(c) : err;
	}
	if (err == FL_OK && is_pressed(c)) {
		fl_cache_evict(c, moment_of(h), NULL, NULL, PRESSED_STEPS);
		err = begin_write(c);
	}
	if (err == FL_OK && c->available < c->dirty + c->dirty_max / 2 + pages) {
		return FL_EBUSY; /* readers hold the rest; they move on */
	}
	return err;
}

enum fl_err fl_cache_put(struct fl_cache *c, const struct fl_cache_key *key,
			 const uint8_t *record, size_t len)
{
	struct fl_record_header h;
	if (len < sizeof(h) || len > FL_RECORD_STORE_MAX) {
		return len < sizeof(h) ? FL_EINVALID : FL_ENOSPACE;
	}
	memcpy(&h, record, sizeof(h));
	enum fl_err err = prepare_put(c, &h, len);
	if (err != FL_OK) {
		return err;
	}
	fl__evictor_put(&c->evictor, &h, c->entries);
	err = store(c, key, record, len);
	if (err != FL_ENOSPACE) {
		if (err != FL_OK) {
			drop_write(c); /* LMDB forbids its further use */
		}
		return err;
	}
	/* The map is full after all: give up the batch, evict, and try once more. */
	c->full_maps++;
	drop_write(c);
	fl_cache_evict(c, moment_of(&h), NULL, NULL, PRESSED_STEPS);
	err = begin_write(c);
	err = err == FL_OK ? store(c, key, record, len) : err;
	if (err != FL_OK) {
		drop_write(c);
	}
	return err;
}

enum fl_err fl_cache_delete(struct fl_cache *c, const struct fl_cache_key *key)
{
	enum fl_err err = begin_write_with_room(c, 2);
	if (err != FL_OK) {
		return err;
	}
	struct fl_record r;
	uint64_t hash = key->hash;
	MDB_val k = { sizeof(hash), &hash }, data;
	err = find_in(c, c->write, key, &r);
	if (err == FL_ENOTFOUND) {
		return err; /* not there, or another key's */
	}
	err = from_lmdb(mdb_get(c->write, c->db, &k, &data));
	if (err == FL_OK && !may_be_freed(c, &data)) {
		err = FL_ECORRUPT;
	}
	if (err == FL_OK) {
		err = from_lmdb(mdb_del(c->write, c->db, &k, NULL));
	}
	if (err != FL_OK) {
		drop_write(c);
		return err;
	}
	c->dirty += 2;
	c->pending++;
	refresh_used(c, c->write);
	return FL_OK;
}

enum fl_err fl_cache_peek(struct fl_cache *c, const struct fl_cache_key *key,
			  struct fl_record *out)
{
	const enum fl_err err = begin_write(c);
	return err == FL_OK ? find_in(c, c->write, key, out) : err;
}

/* ----------------------------------------------------------------- eviction */

bool fl_cache_is_full(const struct fl_cache *c)
{
	return is_pressed(c) ||
	       (c->evictor.debt > 0 && c->used * 100 > c->map_pages * MARK_PERCENT);
}

struct sweep {
	struct fl_cache *c;
	MDB_cursor *cursor;
	MDB_val key, data;
	struct fl_moment now;
	fl_cache_popularity_fn popularity;
	void *arg;
	uintptr_t page; /* last one made dirty */
	unsigned evicted;
};

/* Set the hand's cursor on the next record; the header is none. */
static int reach(struct sweep *s, bool moved)
{
	struct fl__evictor *e = &s->c->evictor;
	e->hand = e->hand > 0 ? e->hand : 1;
	int rc;
	if (moved) {
		rc = mdb_cursor_get(s->cursor, &s->key, &s->data, MDB_NEXT);
	} else {
		s->key = (MDB_val){ sizeof(e->hand), &e->hand };
		rc = mdb_cursor_get(s->cursor, &s->key, &s->data, MDB_SET_RANGE);
	}
	if (rc == MDB_NOTFOUND) {
		e->hand = 0; /* round */
	}
	return rc;
}

static void count_dirty(struct sweep *s)
{
	const uintptr_t page = (uintptr_t)s->data.mv_data / s->c->page_size;
	if (page != s->page) {
		s->page = page;
		s->c->dirty++;
	}
}

static int evict_here(struct sweep *s)
{
	const size_t octets = s->data.mv_size + NODE_OCTETS;
	if (!may_be_freed(s->c, &s->data)) {
		return MDB_CORRUPTED;
	}
	count_dirty(s);
	const int rc = mdb_cursor_del(s->cursor, 0);
	if (rc == MDB_SUCCESS) {
		fl__evictor_freed(&s->c->evictor, octets);
		s->evicted++;
	}
	return rc;
}

static int rewrite_hint(struct sweep *s, uint64_t hash, uint8_t hint)
{
	uint8_t copy[FL_RECORD_STORE_MAX];
	memcpy(copy, s->data.mv_data, s->data.mv_size);
	copy[FL__RECORD_HINT_AT] = hint;
	count_dirty(s);
	MDB_val key = { sizeof(hash), &hash }, data = { s->data.mv_size, copy };
	return mdb_cursor_put(s->cursor, &key, &data, MDB_CURRENT);
}

/* Deal with the record at the hand; *moved: the cursor still stands on it. */
static int judge_here(struct sweep *s, bool *moved)
{
	struct fl__evictor *e = &s->c->evictor;
	uint64_t hash;
	struct fl_record r;
	memcpy(&hash, s->key.mv_data, sizeof(hash));
	e->hand = hash + 1; /* 0 behind the last: round */
	*moved = false;
	if (s->data.mv_size > FL_RECORD_STORE_MAX ||
	    fl__record_view_any(s->data.mv_data, s->data.mv_size, &r) != FL_OK) {
		return evict_here(s); /* damaged */
	}
	const unsigned popularity = s->popularity != NULL ? s->popularity(s->arg, hash) : 0;
	const struct fl__fate fate = fl__evictor_judge(e, &r, s->now, popularity);
	if (fate.evict) {
		return evict_here(s);
	}
	if (fate.hint != r.h.hint) {
		return rewrite_hint(s, hash, fate.hint);
	}
	*moved = e->hand != 0;
	return MDB_SUCCESS;
}

/* Sweep inside one transaction until it has no room; returns the steps that are left. */
static unsigned sweep_some(struct sweep *s, unsigned steps, int *rc)
{
	struct fl_cache *c = s->c;
	bool moved = false, wrapped = false;
	*rc = mdb_cursor_open(c->write, c->db, &s->cursor);
	if (*rc != MDB_SUCCESS) {
		return 0;
	}
	s->page = 0;
	while (steps > 0 && c->dirty < c->dirty_max && fl_cache_is_full(c)) {
		*rc = reach(s, moved);
		if (*rc == MDB_NOTFOUND && !wrapped) {
			wrapped = true;
			moved = false;
			*rc = MDB_SUCCESS;
			continue;
		}
		if (*rc == MDB_SUCCESS) {
			*rc = judge_here(s, &moved);
		}
		if (*rc != MDB_SUCCESS) {
			steps = 0;
			break;
		}
		refresh_used(c, c->write);
		steps--;
	}
	mdb_cursor_close(s->cursor);
	return steps;
}

unsigned fl_cache_evict(struct fl_cache *c, struct fl_moment now,
			fl_cache_popularity_fn popularity, void *arg, unsigned steps)
{
	struct sweep s = { .c = c, .now = now, .popularity = popularity, .arg = arg };
	while (steps > 0 && fl_cache_is_full(c)) {
		if (begin_write_with_room(c, 1) != FL_OK) {
			break;
		}
		int rc;
		steps = sweep_some(&s, steps, &rc);
		if (rc != MDB_SUCCESS && rc != MDB_NOTFOUND) {
			drop_write(c);
			break;
		}
	}
	c->pending += c->write != NULL ? s.evicted : 0;
	return s.evicted;
}

int fl_cache_check_readers(struct fl_cache *c)
{
	int dead = 0;
	return mdb_reader_check(c->env, &dead) == MDB_SUCCESS ? dead : 0;
}

/* --------------------------------------------------------------- whole file */

enum fl_err fl_cache_stats(struct fl_cache *c, struct fl_cache_stats *out)
{
	if (c->write == NULL) {
		MDB_txn *txn;
		const enum fl_err err =
			from_lmdb(mdb_txn_begin(c->env, NULL, MDB_RDONLY, &txn));
		if (err != FL_OK) {
			return err;
		}
		refresh_used(c, txn);
		mdb_txn_abort(txn);
	}
	*out = (struct fl_cache_stats){
		.entries = c->entries,
		.bytes_used = c->used * c->page_size,
		.bytes_max = c->map_pages * c->page_size,
		.full_maps = c->full_maps,
	};
	return FL_OK;
}

struct walk {
	uint64_t next; /* hash to go on with */
	fl_cache_each_fn each;
	void *arg;
	bool done;
};

static enum fl_err walk_batch(MDB_cursor *cursor, struct walk *w)
{
	MDB_val key = { sizeof(w->next), &w->next }, data;
	int rc = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);
	for (unsigned n = 0; rc == MDB_SUCCESS && n < EACH_BATCH; n++) {
		struct fl_record r;
		memcpy(&w->next, key.mv_data, sizeof(w->next));
		w->next++;
		if (data.mv_size <= FL_RECORD_STORE_MAX &&
		    fl__record_view_any(data.mv_data, data.mv_size, &r) == FL_OK &&
		    !w->each(w->arg, &r, data.mv_data, data.mv_size)) {
			w->done = true;
			return FL_OK;
		}
		rc = mdb_cursor_get(cursor, &key, &data, MDB_NEXT);
	}
	w->done = rc == MDB_NOTFOUND || w->next == 0;
	return rc == MDB_NOTFOUND ? FL_OK : from_lmdb(rc);
}

enum fl_err fl_cache_each(struct fl_cache *c, fl_cache_each_fn each, void *arg)
{
	struct walk w = { .next = 1, .each = each, .arg = arg };
	enum fl_err err = FL_OK;
	while (err == FL_OK && !w.done) { /* a long walk must not pin old pages */
		MDB_txn *txn;
		MDB_cursor *cursor;
		err = from_lmdb(mdb_txn_begin(c->env, NULL, MDB_RDONLY, &txn));
		if (err != FL_OK) {
			return err;
		}
		err = from_lmdb(mdb_cursor_open(txn, c->db, &cursor));
		if (err == FL_OK) {
			err = walk_batch(cursor, &w);
			mdb_cursor_close(cursor);
		}
		mdb_txn_abort(txn);
	}
	return err;
}

enum fl_err fl_cache_visit(struct fl_cache *c, uint64_t hash, fl_cache_each_fn each, void *arg)
{
	MDB_txn *txn;
	MDB_val key = { sizeof(hash), &hash }, data;
	struct fl_record r;
	enum fl_err err = from_lmdb(mdb_txn_begin(c->env, NULL, MDB_RDONLY, &txn));
	if (err != FL_OK) {
		return err;
	}
	err = from_lmdb(mdb_get(txn, c->db, &key, &data));
	if (err == FL_OK && data.mv_size > FL_RECORD_STORE_MAX) {
		err = FL_ECORRUPT;
	}
	if (err == FL_OK) {
		err = fl__record_view_any(data.mv_data, data.mv_size, &r);
	}
	if (err == FL_OK) {
		(void)each(arg, &r, data.mv_data, data.mv_size);
	}
	mdb_txn_abort(txn);
	return err;
}
