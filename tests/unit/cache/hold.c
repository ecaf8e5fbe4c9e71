/* A folder that one program holds for its roles, with the lock in memory. */
#include "files.h"

#include <signal.h>
#include <sys/wait.h>

enum { LOCK_AT = 200 };

static struct fl_cache_hold hold(const struct folder *f)
{
	struct fl_cache_hold h = { 0 };
	const int fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(fd, 0);
	cr_assert_eq(fl_cache_hold(fd, LOCK_AT, &h), FL_OK);
	return h;
}

static enum fl_err open_parcel(int parcel, bool writer, struct fl_cache **c)
{
	const struct fl_cache_options o = { .folder_fd = parcel,
					    .map_bytes = TINY_MAP,
					    .writer = writer };
	return fl_cache_open(&o, c);
}

static enum fl_err try_to_hold(const struct folder *f)
{
	struct fl_cache_hold h;
	const int fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(fd, 0);
	const enum fl_err err = fl_cache_hold(fd, LOCK_AT, &h);
	if (err == FL_OK) {
		fl_cache_hold_close(&h);
	} else {
		close(fd);
	}
	return err;
}

Test(hold, the_lock_lies_in_memory_and_a_parcel_opens_more_than_once)
{
	struct folder f = make_folder();
	struct fl_cache_hold h = hold(&f);
	struct fl_cache *c;
	struct stat st;
	int parcel;
	cr_assert_geq(h.lock_fd, 0);
	cr_assert_eq(fl_cache_hold_parcel(&h, &parcel), FL_OK);
	for (unsigned i = 0; i < 2; i++) {
		cr_assert_eq(open_parcel(parcel, true, &c), FL_OK);
		cr_assert_eq(put_number(c, "a", i, 100, then), FL_OK);
		cr_assert_eq(fl_cache_commit(c), FL_OK);
		cr_expect_eq(look_up(c, "a", 0), FL_OK);
		fl_cache_close(c);
	}
	cr_assert_eq(fstatat(f.fd, "lock.mdb", &st, AT_SYMLINK_NOFOLLOW), 0);
	cr_expect(S_ISLNK(st.st_mode));
	cr_assert_eq(fstat(h.lock_fd, &st), 0);
	cr_expect_gt(st.st_size, 0, "LMDB's table is not in the memory");
	cr_expect_eq(fcntl(LOCK_AT, F_GETFD), -1, "the lock was left open");
	close(parcel);
	fl_cache_hold_end(&h);
	cr_expect_neq(fstatat(f.fd, "lock.mdb", &st, AT_SYMLINK_NOFOLLOW), 0,
		      "the link is left");
	remove_folder(&f);
}

/* Whoever has it open has it, also when who held it is gone. */
Test(hold, nobody_else_gets_it_while_it_is_used)
{
	struct folder f = make_folder();
	struct fl_cache_hold h = hold(&f);
	struct fl_cache *c;
	int parcel;
	cr_expect_eq(try_to_hold(&f), FL_EBUSY);
	cr_assert_eq(fl_cache_hold_parcel(&h, &parcel), FL_OK);
	cr_assert_eq(open_parcel(parcel, true, &c), FL_OK);
	close(parcel);
	fl_cache_hold_close(&h);
	cr_expect_eq(try_to_hold(&f), FL_EBUSY, "a role uses it still");
	fl_cache_close(c);
	cr_expect_eq(try_to_hold(&f), FL_OK);
	remove_folder(&f);
}

/* The reader's locks on the table say that it lives: they stand, whatever else was closed. */
Test(hold, readers_are_seen_and_cleared_when_they_are_dead)
{
	struct folder f = make_folder();
	struct fl_cache_hold h = hold(&f);
	int parcel, up[2];
	char said;
	cr_assert_eq(fl_cache_hold_parcel(&h, &parcel), FL_OK);
	cr_assert_eq(pipe(up), 0);
	const pid_t child = fork();
	cr_assert_geq(child, 0);
	if (child == 0) { /* before any environment: none may cross a fork */
		struct fl_cache *r;
		while (open_parcel(parcel, false, &r) != FL_OK || fl_cache_begin(r) != FL_OK) {
			usleep(1000);
		}
		(void)!write(up[1], "r", 1);
		pause();
		_exit(0);
	}
	struct fl_cache *w;
	cr_assert_eq(open_parcel(parcel, true, &w), FL_OK);
	cr_assert_eq(read(up[0], &said, 1), 1);
	cr_expect_eq(fl_cache_check_readers(w), 0, "a reader that lives was cleared");
	kill(child, SIGKILL);
	cr_assert_eq(waitpid(child, NULL, 0), child);
	cr_expect_eq(fl_cache_check_readers(w), 1);
	fl_cache_close(w);
	close(parcel);
	fl_cache_hold_end(&h);
	remove_folder(&f);
}

Test(hold, a_number_that_is_taken_is_told)
{
	struct folder f = make_folder();
	struct fl_cache_hold h = hold(&f);
	struct fl_cache *c;
	int parcel;
	cr_assert_eq(fl_cache_hold_parcel(&h, &parcel), FL_OK);
	cr_assert_eq(dup2(parcel, LOCK_AT), LOCK_AT);
	cr_expect_eq(open_parcel(parcel, true, &c), FL_EBUSY);
	close(LOCK_AT);
	cr_assert_eq(open_parcel(parcel, true, &c), FL_OK);
	fl_cache_close(c);
	close(parcel);
	fl_cache_hold_end(&h);
	remove_folder(&f);
}

/* What an earlier run left, of this kind or as a file, is replaced; a folder is not. */
Test(hold, what_stood_there)
{
	struct folder f = make_folder();
	close(openat(f.fd, "lock.mdb", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	for (unsigned i = 0; i < 2; i++) {
		struct fl_cache_hold h = hold(&f);
		cr_expect_geq(h.lock_fd, 0, "round %u", i);
		fl_cache_hold_close(&h); /* killed: the link stays */
	}
	unlinkat(f.fd, "lock.mdb", 0);
	cr_assert_eq(mkdirat(f.fd, "lock.mdb", 0700), 0);
	struct fl_cache_hold h = hold(&f);
	cr_expect_eq(h.lock_fd, -1);
	fl_cache_hold_end(&h);
	unlinkat(f.fd, "lock.mdb", AT_REMOVEDIR);
	remove_folder(&f);
}
