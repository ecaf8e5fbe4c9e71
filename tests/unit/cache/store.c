#include "files.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

Test(store, a_reader_finds_no_file_yet)
{
	struct folder f = make_folder();
	struct fl_cache *c = (void *)1;
	const struct fl_cache_options o = { .folder_fd = f.fd, .map_bytes = TINY_MAP };
	cr_expect_eq(fl_cache_open(&o, &c), FL_ENOTFOUND);
	const int fd = openat(f.fd, "data.mdb", O_CREAT | O_WRONLY, 0600);
	close(fd);
	cr_expect_eq(fl_cache_open(&o, &c), FL_ENOTFOUND, "an empty one is none");
	cr_expect_eq(c, (void *)1, "written on failure");
	remove_folder(&f);
}

Test(store, the_file_is_allocated_whole)
{
	struct folder f = make_folder();
	struct fl_cache *c = open_cache(&f, TINY_MAP, true);
	struct stat st;
	cr_assert_eq(fstatat(f.fd, "data.mdb", &st, 0), 0);
	cr_expect_eq(st.st_size, TINY_MAP);
	cr_expect_geq(st.st_blocks * 512, TINY_MAP);
	fl_cache_close(c);
	c = open_cache(&f, TINY_MAP, true);
	fl_cache_close(c);
	remove_folder(&f);
}

Test(store, put_find_delete)
{
	struct folder f = make_folder();
	struct fl_cache *w = open_cache(&f, TINY_MAP, true);
	cr_assert_eq(put_number(w, "a", 1, 100, then), FL_OK);
	cr_expect_eq(fl_cache_pending(w), 1);
	cr_expect_eq(look_up(w, "a", 1), FL_ENOTFOUND, "not before the commit");
	struct fl_record r;
	struct fl_cache_key key = numbered_key(w, "a", 1);
	cr_assert_eq(fl_cache_peek(w, &key, &r), FL_OK);
	cr_expect(holds_number(&r, 1));
	cr_assert_eq(fl_cache_commit(w), FL_OK);
	cr_expect_eq(fl_cache_pending(w), 0);
	cr_expect_eq(look_up(w, "a", 1), FL_OK);
	cr_expect_eq(look_up(w, "b", 1), FL_ENOTFOUND);
	cr_assert_eq(fl_cache_delete(w, &key), FL_OK);
	cr_expect_eq(fl_cache_delete(w, &key), FL_ENOTFOUND);
	cr_assert_eq(fl_cache_commit(w), FL_OK);
	cr_expect_eq(fl_cache_commit(w), FL_OK, "nothing to commit");
	cr_expect_eq(look_up(w, "a", 1), FL_ENOTFOUND);
	fl_cache_close(w);
	remove_folder(&f);
}

Test(store, two_keys_with_one_hash_are_never_mixed_up)
{
	struct folder f = make_folder();
	struct fl_cache *w = open_cache(&f, TINY_MAP, true);
	uint8_t record[FL_RECORD_STORE_MAX];
	struct fl_cache_key one = numbered_key(w, "a", 1), two = numbered_key(w, "b", 2);
	two.hash = one.hash;
	size_t len = numbered_record(&one, 1, 50, then, 300, record);
	cr_assert_eq(fl_cache_put(w, &one, record, len), FL_OK);
	struct fl_record r;
	cr_expect_eq(fl_cache_peek(w, &two, &r), FL_ENOTFOUND);
	cr_expect_eq(fl_cache_delete(w, &two), FL_ENOTFOUND, "it is the other's");
	len = numbered_record(&two, 2, 50, then, 300, record);
	cr_assert_eq(fl_cache_put(w, &two, record, len), FL_OK);
	cr_expect_eq(fl_cache_peek(w, &one, &r), FL_ENOTFOUND, "overwritten");
	cr_assert_eq(fl_cache_peek(w, &two, &r), FL_OK);
	cr_expect(holds_number(&r, 2));
	fl_cache_close(w);
	remove_folder(&f);
}

Test(store, sizes_that_are_refused)
{
	struct folder f = make_folder();
	struct fl_cache *w = open_cache(&f, TINY_MAP, true);
	static uint8_t octets[FL_RECORD_STORE_MAX + 1];
	const struct fl_cache_key key = numbered_key(w, "a", 1);
	cr_expect_eq(fl_cache_put(w, &key, octets, 10), FL_EINVALID);
	cr_expect_eq(fl_cache_put(w, &key, octets, sizeof(octets)), FL_ENOSPACE);
	cr_expect_eq(put_number(w, "a", 1, FL_RECORD_STORE_MAX - 200, then), FL_OK);
	cr_assert_eq(fl_cache_commit(w), FL_OK);
	cr_expect_eq(look_up(w, "a", 1), FL_OK);
	fl_cache_close(w);
	remove_folder(&f);
}

Test(store, the_secret_and_the_records_outlive_the_process)
{
	struct folder f = make_folder();
	struct fl_cache *w = open_cache(&f, TINY_MAP, true);
	const struct fl_sipkey made = fl_cache_secret(w);
	cr_expect(made.k[0] != 0 || made.k[1] != 0);
	for (unsigned i = 0; i < 500; i++) {
		cr_assert_eq(put_number(w, "a", i, 60, then), FL_OK);
	}
	cr_assert_eq(fl_cache_commit(w), FL_OK);
	fl_cache_close(w);
	struct fl_cache *r = open_cache(&f, TINY_MAP, false);
	const struct fl_sipkey found = fl_cache_secret(r);
	cr_expect_arr_eq(found.k, made.k, sizeof(made.k));
	for (unsigned i = 0; i < 500; i++) {
		cr_expect_eq(look_up(r, "a", i), FL_OK, "record %u", i);
	}
	struct fl_cache_stats s;
	cr_assert_eq(fl_cache_stats(r, &s), FL_OK);
	cr_expect(s.entries == 500 && s.bytes_max == TINY_MAP && s.bytes_used > 0);
	fl_cache_close(r);
	struct folder g = make_folder();
	w = open_cache(&g, TINY_MAP, true);
	const struct fl_sipkey other = fl_cache_secret(w);
	cr_expect_neq(other.k[0], made.k[0], "each file has its own");
	fl_cache_close(w);
	remove_folder(&f);
	remove_folder(&g);
}

static bool count_each(void *arg, const struct fl_record *r, const uint8_t *octets, size_t len)
{
	unsigned *n = arg;
	cr_expect(r->h.size == len && memcmp(octets + 88, r->name, r->h.name_len) == 0);
	return ++*n != 700;
}

struct sweep {
	struct fl_cache *c;
	unsigned deleted;
};

static bool delete_each(void *arg, const struct fl_record *r, const uint8_t *octets, size_t len)
{
	struct sweep *s = arg;
	struct fl_cache_key key;
	(void)octets;
	(void)len;
	fl_cache_key_init(&key, fl_cache_secret(s->c), r->name, r->h.name_len, r->h.qtype,
			  r->h.qclass);
	s->deleted += fl_cache_delete(s->c, &key) == FL_OK;
	return true;
}

Test(store, each_record_once_also_while_they_are_deleted)
{
	struct folder f = make_folder();
	struct fl_cache *w = open_cache(&f, TINY_MAP, true);
	for (unsigned i = 0; i < 699; i++) {
		cr_assert_eq(put_number(w, "a", i, 60, then), FL_OK);
	}
	cr_assert_eq(fl_cache_commit(w), FL_OK);
	unsigned n = 0;
	cr_assert_eq(fl_cache_each(w, count_each, &n), FL_OK);
	cr_expect_eq(n, 699, "%u", n);
	n = 699;
	cr_assert_eq(fl_cache_each(w, count_each, &n), FL_OK);
	cr_expect_eq(n, 700, "the callback ends the walk");
	struct sweep s = { w, 0 };
	cr_assert_eq(fl_cache_each(w, delete_each, &s), FL_OK);
	cr_expect_eq(s.deleted, 699, "%u", s.deleted);
	cr_assert_eq(fl_cache_commit(w), FL_OK);
	n = 0;
	cr_assert_eq(fl_cache_each(w, count_each, &n), FL_OK);
	cr_expect_eq(n, 0);
	fl_cache_close(w);
	remove_folder(&f);
}

struct bad_file {
	const char *why;
	off_t at, cut; /* write value there; cut to that size when not 0 */
	uint8_t value;
	enum fl_err reader, writer;
};

/* A sound file, then this. Page 0 has transaction 0 or 2, page 1 transaction 1 or 3. */
Test(store, damaged_and_foreign_files_are_told_before_they_are_mapped)
{
	static const struct bad_file cases[] = {
		{ "one octet", 0, 1, 0, FL_ECORRUPT, FL_ECORRUPT },
		{ "one page", 0, 4096, 0, FL_ECORRUPT, FL_ECORRUPT },
		{ "only the meta pages", 0, 8192, 0, FL_ECORRUPT, FL_ECORRUPT },
		{ "wrong magic", 16, 0, 0x55, FL_ECORRUPT, FL_ECORRUPT },
		{ "wrong magic on the second page", 4096 + 16, 0, 0x55, FL_ECORRUPT,
		  FL_ECORRUPT },
		{ "another data version", 20, 0, 9, FL_EVERSION, FL_EVERSION },
		{ "another page size", 4096 + 41, 0, 0x20, FL_EVERSION, FL_EVERSION },
		{ "main root far outside", 4096 + 16 + 24 + 48 + 44, 0, 0x7F, FL_ECORRUPT,
		  FL_ECORRUPT },
		{ "last page far outside", 4096 + 16 + 24 + 96 + 3, 0, 0x7F, FL_ECORRUPT,
		  FL_ECORRUPT },
		{ "not a database of integer keys", 4096 + 16 + 24 + 48 + 4, 0, 0, FL_EVERSION,
		  FL_EVERSION },
	};
	for (size_t i = 0; i < FL_COUNT(cases); i++) {
		const struct bad_file *b = &cases[i];
		struct folder f = make_folder();
		struct fl_cache *c = open_cache(&f, TINY_MAP, true);
		cr_assert_eq(put_number(c, "a", 1, 60, then), FL_OK);
		cr_assert_eq(fl_cache_commit(c), FL_OK);
		cr_assert_eq(put_number(c, "a", 2, 60, then), FL_OK);
		cr_assert_eq(fl_cache_commit(c), FL_OK); /* the third: page 1 counts */
		fl_cache_close(c);
		const int fd = openat(f.fd, "data.mdb", O_RDWR);
		if (b->cut != 0) {
			cr_assert_eq(ftruncate(fd, b->cut), 0);
		} else {
			cr_assert_eq(pwrite(fd, &b->value, 1, b->at), 1);
		}
		close(fd);
		struct fl_cache_options o = { .folder_fd = f.fd, .map_bytes = TINY_MAP };
		enum fl_err err = fl_cache_open(&o, &c);
		cr_expect_eq(err, b->reader, "%s: reader: %s", b->why, fl_err_text(err));
		o.writer = true;
		err = fl_cache_open(&o, &c);
		cr_expect_eq(err, b->writer, "%s: writer: %s", b->why, fl_err_text(err));
		remove_folder(&f);
	}
}

Test(store, text_and_symlinks_are_no_database)
{
	struct folder f = make_folder();
	const int fd = openat(f.fd, "data.mdb", O_CREAT | O_WRONLY, 0600);
	for (unsigned i = 0; i < 1000; i++) {
		cr_assert_eq(write(fd, "This is not a database.\n", 24), 24);
	}
	close(fd);
	struct fl_cache *c;
	struct fl_cache_options o = { .folder_fd = f.fd,
				      .map_bytes = TINY_MAP,
				      .writer = true };
	cr_expect_eq(fl_cache_open(&o, &c), FL_ECORRUPT);
	cr_assert_eq(unlinkat(f.fd, "data.mdb", 0), 0);
	cr_assert_eq(symlinkat("/etc/passwd", f.fd, "data.mdb"), 0);
	cr_expect_eq(fl_cache_open(&o, &c), FL_ECORRUPT);
	remove_folder(&f);
}

Test(store, a_file_of_a_larger_map_is_refused_unless_it_fits)
{
	struct folder f = make_folder();
	struct fl_cache *c = open_cache(&f, 2 * TINY_MAP, true);
	cr_assert_eq(put_number(c, "a", 1, 60, then), FL_OK);
	cr_assert_eq(fl_cache_commit(c), FL_OK);
	fl_cache_close(c);
	c = open_cache(&f, TINY_MAP, true);
	struct stat st;
	cr_assert_eq(fstatat(f.fd, "data.mdb", &st, 0), 0);
	cr_expect_eq(st.st_size, TINY_MAP, "the bound holds for the file as well");
	cr_expect_eq(look_up(c, "a", 1), FL_OK);
	for (unsigned i = 0; i < 3000; i++) {
		cr_assert_eq(put_number(c, "a", i, 200, then), FL_OK);
	}
	cr_assert_eq(fl_cache_commit(c), FL_OK);
	fl_cache_close(c);
	const struct fl_cache_options o = { .folder_fd = f.fd,
					    .map_bytes = TINY_MAP / 4,
					    .writer = true };
	cr_expect_eq(fl_cache_open(&o, &c), FL_EVERSION);
	remove_folder(&f);
}

Test(store, readers_of_dead_processes_are_cleared)
{
	struct folder f = make_folder();
	const pid_t child = fork();
	cr_assert_geq(child, 0);
	if (child == 0) { /* before any environment: none may cross a fork */
		for (;;) {
			struct fl_cache *c;
			const struct fl_cache_options o = { .folder_fd = f.fd,
							    .map_bytes = TINY_MAP };
			if (fl_cache_open(&o, &c) == FL_OK && fl_cache_begin(c) == FL_OK) {
				_exit(0); /* without a farewell */
			}
			usleep(1000);
		}
	}
	struct fl_cache *w = open_cache(&f, TINY_MAP, true);
	int status;
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_expect_eq(fl_cache_check_readers(w), 1);
	cr_expect_eq(fl_cache_check_readers(w), 0);
	fl_cache_close(w);
	remove_folder(&f);
}

/* Write over every place in the readers' table that is this process's. */
static void take_places_away(const struct folder *f)
{
	enum { HEADER = 128 };
	uint32_t table[4096];
	const int fd = openat(f->fd, "lock.mdb", O_RDWR | O_CLOEXEC);
	const ssize_t n = pread(fd, table, sizeof(table), HEADER);
	cr_assert_gt(n, 0);
	for (size_t i = 0; i < (size_t)n / sizeof(*table); i++) {
		if (table[i] == (uint32_t)getpid()) {
			table[i] = UINT32_MAX;
		}
	}
	cr_assert_eq(pwrite(fd, table, (size_t)n, HEADER), n);
	close(fd);
}

Test(store, a_reader_whose_place_is_lost_takes_another)
{
	struct folder f = make_folder();
	struct fl_cache *c = open_cache(&f, TINY_MAP, true);
	cr_assert_eq(put_number(c, "a", 1, 100, then), FL_OK);
	cr_assert_eq(fl_cache_commit(c), FL_OK);
	cr_expect_eq(look_up(c, "a", 1), FL_OK);
	for (unsigned i = 0; i < 3; i++) {
		take_places_away(&f);
		cr_assert_eq(fl_cache_begin(c), FL_OK, "time %u", i);
		fl_cache_end(c);
		cr_expect_eq(look_up(c, "a", 1), FL_OK);
	}
	fl_cache_close(c);
	remove_folder(&f);
}

Test(store, a_full_disk_is_told_and_leaves_nothing)
{
	struct folder f = make_folder();
	struct fl_cache *c;
	const struct rlimit full = { TINY_MAP / 2, TINY_MAP / 2 };
	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &full), 0);
	const struct fl_cache_options o = { .folder_fd = f.fd,
					    .map_bytes = TINY_MAP,
					    .writer = true };
	const enum fl_err err = fl_cache_open(&o, &c);
	cr_expect_eq(err, FL_ENOSPACE, "%s", fl_err_text(err));
	struct stat st;
	cr_expect_neq(fstatat(f.fd, "data.mdb", &st, 0), 0, "a half file is left");
	remove_folder(&f);
}
