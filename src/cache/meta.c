#include "meta.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* LMDB 0.9's file on a 64-bit machine: pages 0 and 1 are meta pages, the one with the higher
 * transaction id counts. */
enum {
	DATA_VERSION = 1,
	FLAG_BRANCH = 0x01,
	FLAG_LEAF = 0x02,
	FLAG_META = 0x08,
	DB_INTEGERKEY = 0x08,
	DEPTH_MAX = 32,
	DB_FREE = 0,
	DB_MAIN = 1
};
static const uint32_t magic = UINT32_C(0xBEEFC0DE);
static const uint64_t no_page = UINT64_MAX;

struct page_header {
	uint64_t number;
	uint16_t pad, flags, lower, upper;
};

struct database {
	uint32_t pad; /* page size, in the first one */
	uint16_t flags, depth;
	uint64_t branch_pages, leaf_pages, overflow_pages, entries, root;
};

struct meta_page {
	struct page_header page;
	uint32_t magic, version;
	uint64_t address, map_size;
	struct database db[2];
	uint64_t last_page, txn;
};

static enum fl_err read_at(int fd, uint64_t at, void *to, size_t n)
{
	const ssize_t got = pread(fd, to, n, (off_t)at);
	if (got < 0) {
		return FL_ESYSTEM;
	}
	return (size_t)got == n ? FL_OK : FL_ECORRUPT;
}

static enum fl_err read_meta(int fd, uint64_t at, uint32_t page_size, struct meta_page *m)
{
	const enum fl_err err = read_at(fd, at, m, sizeof(*m));
	if (err != FL_OK) {
		return err;
	}
	if (m->magic != magic || (m->page.flags & FLAG_META) == 0) {
		return FL_ECORRUPT;
	}
	return m->version == DATA_VERSION && m->db[DB_FREE].pad == page_size ? FL_OK
									     : FL_EVERSION;
}

/* The root page of a tree: in range, and what it says to be. */
static enum fl_err check_root(int fd, const struct meta_page *m, unsigned db,
			      uint32_t page_size)
{
	const struct database *d = &m->db[db];
	if (d->root == no_page) {
		return d->depth == 0 && d->entries == 0 ? FL_OK : FL_ECORRUPT;
	}
	if (d->root < 2 || d->root > m->last_page || d->depth == 0 || d->depth >= DEPTH_MAX) {
		return FL_ECORRUPT;
	}
	struct page_header p;
	const enum fl_err err = read_at(fd, d->root * page_size, &p, sizeof(p));
	if (err != FL_OK) {
		return err;
	}
	const unsigned kind = d->depth > 1 ? FLAG_BRANCH : FLAG_LEAF;
	const bool sound = p.number == d->root && (p.flags & kind) != 0 &&
			   p.lower >= sizeof(p) && p.lower <= p.upper && p.upper <= page_size;
	return sound ? FL_OK : FL_ECORRUPT;
}

static enum fl_err check_file(int fd, uint64_t size, uint64_t map_bytes)
{
	const uint32_t page_size = (uint32_t)sysconf(_SC_PAGESIZE);
	struct meta_page m[2];
	if (size < 2 * (uint64_t)page_size) {
		return FL_ECORRUPT;
	}
	for (unsigned i = 0; i < 2; i++) {
		const enum fl_err err =
			read_meta(fd, (uint64_t)i * page_size, page_size, &m[i]);
		if (err != FL_OK) {
			return err;
		}
	}
	const struct meta_page *last = m[1].txn > m[0].txn ? &m[1] : &m[0];
	if (last->last_page < 1 || last->last_page >= size / page_size) {
		return FL_ECORRUPT;
	}
	if (last->last_page >= map_bytes / page_size) {
		return FL_EVERSION; /* of a larger cache: it cannot be kept in bounds */
	}
	if (last->db[DB_MAIN].root != no_page &&
	    (last->db[DB_MAIN].flags & DB_INTEGERKEY) == 0) {
		return FL_EVERSION;
	}
	const enum fl_err err = check_root(fd, last, DB_FREE, page_size);
	return err != FL_OK ? err : check_root(fd, last, DB_MAIN, page_size);
}

enum fl_err fl__meta_check(int folder_fd, uint64_t map_bytes)
{
	const int fd = openat(folder_fd, "data.mdb", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		if (errno == ELOOP) {
			return FL_ECORRUPT;
		}
		return errno == ENOENT ? FL_ENOTFOUND : FL_ESYSTEM;
	}
	struct stat st;
	enum fl_err err = FL_ESYSTEM;
	if (fstat(fd, &st) == 0) {
		err = FL_ENOTFOUND;
		if (!S_ISREG(st.st_mode)) {
			err = FL_ECORRUPT;
		} else if (st.st_size > 0) {
			err = check_file(fd, (uint64_t)st.st_size, map_bytes);
		}
	}
	close(fd);
	return err;
}
