/* kill -9 of the writer, at any moment: what was committed is there, and no TTL begins anew. */
#include "files.h"

#include <signal.h>
#include <sys/wait.h>

/* room for all that is written: what is evicted would look as if it were lost */
#define CRASH_MAP (UINT64_C(64) << 20)

enum { ROUNDS = 10, BATCH = 50 };

/* Puts for ever; says each committed number to the pipe. */
static void write_for_ever(const struct folder *f, int pipe_fd, unsigned from)
{
	struct fl_cache *c = open_cache(f, CRASH_MAP, true);
	for (unsigned n = from;; n++) {
		if (put_number(c, "a", n, 100, then) != FL_OK) {
			_exit(1);
		}
		if (n % BATCH == 0) {
			if (fl_cache_commit(c) != FL_OK ||
			    write(pipe_fd, &n, sizeof(n)) != sizeof(n)) {
				_exit(1);
			}
		}
	}
}

/* Kill a writer after @p want commits or so; returns the last number it had committed. */
static unsigned run_writer(const struct folder *f, unsigned from, unsigned want, unsigned us)
{
	int ends[2];
	cr_assert_eq(pipe(ends), 0);
	const pid_t child = fork();
	cr_assert_geq(child, 0);
	if (child == 0) {
		write_for_ever(f, ends[1], from);
	}
	close(ends[1]);
	unsigned last = 0, n;
	for (unsigned i = 0; i < want; i++) {
		cr_assert_eq(read(ends[0], &n, sizeof(n)), sizeof(n));
		last = n;
	}
	usleep(us); /* into the middle of something */
	kill(child, SIGKILL);
	int status;
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "it failed by itself");
	while (read(ends[0], &n, sizeof(n)) == sizeof(n)) {
		last = n;
	}
	close(ends[0]);
	return last;
}

Test(crash, committed_records_outlive_kill_9)
{
	struct folder f = make_folder();
	unsigned next = 1;
	for (unsigned round = 0; round < ROUNDS; round++) {
		const unsigned last = run_writer(&f, next, 2, round * 137);
		const pid_t child = fork(); /* a new process looks: one environment each */
		cr_assert_geq(child, 0);
		if (child == 0) {
			struct fl_cache *c = open_cache(&f, CRASH_MAP, round % 2 == 0);
			unsigned missing = 0;
			for (unsigned n = last > 1000 ? last - 1000 : 1; n <= last; n++) {
				missing += look_up(c, "a", n) != FL_OK;
			}
			fl_cache_close(c);
			_exit(missing == 0 ? 0 : 1);
		}
		int status;
		cr_assert_eq(waitpid(child, &status, 0), child);
		cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0,
			  "round %u: records are missing", round);
		next = last + 1;
	}
	remove_folder(&f);
}

Test(crash, ages_go_on)
{
	struct folder f = make_folder();
	struct fl_cache *c = open_cache(&f, CRASH_MAP, true);
	cr_assert_eq(put_number(c, "a", 1, 100, then), FL_OK);
	cr_assert_eq(fl_cache_commit(c), FL_OK);
	fl_cache_close(c);
	c = open_cache(&f, CRASH_MAP, false);
	const struct fl_cache_key key = numbered_key(c, "a", 1);
	struct fl_record r;
	cr_assert_eq(fl_cache_begin(c), FL_OK);
	cr_assert_eq(fl_cache_find(c, &key, &r), FL_OK);
	const struct fl_moment later = { then.boot_id, then.boot_ns + 90000000000, 0 };
	cr_expect_eq(fl_record_age_s(&r, later), 90, "the same boot");
	const struct fl_moment rebooted = { 99, 1000000000, then.wall_s + 300 };
	cr_expect_eq(fl_record_age_s(&r, rebooted), 300, "another boot");
	fl_cache_end(c);
	fl_cache_close(c);
	remove_folder(&f);
}
