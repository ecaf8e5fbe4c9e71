/* Popular names stay through ten cachefuls of unique ones, and the map is never full. */
#include "fairlead/cache/sketch.h"
#include "files.h"

#include <signal.h>
#include <sys/wait.h>

#ifdef FL_TINY
enum { MAP = 2 << 20, POPULAR = 60 };
#else
enum { MAP = 16 << 20, POPULAR = 400 };
#endif
enum {
	OCTETS = 200,
	ASKED = 20,
	CACHEFULS = 10,
	/* what fits when four pages of five hold two thirds each */
	CACHEFUL = MAP / 10 * 8 / 3 * 2 / (OCTETS + 160)
};

/* A front that looks popular names up in batches, in another process, until it is killed. */
static pid_t start_reader(const struct folder *f)
{
	const pid_t child = fork(); /* before this process has an environment */
	cr_assert_geq(child, 0);
	if (child != 0) {
		return child;
	}
	const struct fl_cache_options o = { .folder_fd = f->fd, .map_bytes = MAP };
	struct fl_cache *c;
	while (fl_cache_open(&o, &c) != FL_OK) {
		usleep(1000);
	}
	for (unsigned n = 0;; n++) {
		const enum fl_err err = look_up(c, "popular", n % POPULAR);
		if (err != FL_OK && err != FL_ENOTFOUND) {
			_exit(1); /* wrong or damaged */
		}
	}
}

struct flood {
	struct fl_cache *c;
	struct fl_sketch sketch;
	struct fl_moment now;
	unsigned busy, evicted;
	uint64_t most_used;
};

static unsigned popularity(void *arg, uint64_t hash)
{
	const struct flood *f = arg;
	return fl_sketch_count(&f->sketch, hash);
}

static struct flood start_flood(const struct folder *f)
{
	const size_t bytes = fl_sketch_bytes(MAP);
	void *memory = aligned_alloc(64, bytes);
	memset(memory, 0, bytes);
	return (struct flood){ .c = open_cache(f, MAP, true),
			       .sketch = fl_sketch_over(memory, bytes),
			       .now = then };
}

static void touch(struct flood *f, const char *kind, unsigned n)
{
	const struct fl_cache_key key = numbered_key(f->c, kind, n);
	fl_sketch_touch(&f->sketch, key.hash);
}

/* What the keeper does with an answer. */
static void keep(struct flood *f, const char *kind, unsigned n)
{
	f->now.boot_ns += 100000;
	enum fl_err err;
	while ((err = put_number(f->c, kind, n, OCTETS, f->now)) == FL_EBUSY) {
		f->busy++;
		cr_assert_eq(fl_cache_commit(f->c), FL_OK);
		usleep(500); /* the reader holds old pages: let it go on */
	}
	cr_assert_eq(err, FL_OK, "%s", fl_err_text(err));
	if (fl_cache_is_full(f->c)) {
		f->evicted += fl_cache_evict(f->c, f->now, popularity, f, 64);
	}
	if (fl_cache_pending(f->c) >= 1000) {
		cr_assert_eq(fl_cache_commit(f->c), FL_OK);
	}
	struct fl_cache_stats s;
	cr_assert_eq(fl_cache_stats(f->c, &s), FL_OK);
	f->most_used = s.bytes_used > f->most_used ? s.bytes_used : f->most_used;
}

static unsigned count_present(struct fl_cache *c, const char *kind, unsigned from, unsigned to)
{
	unsigned present = 0;
	for (unsigned n = from; n < to; n++) {
		const enum fl_err err = look_up(c, kind, n);
		cr_expect(err == FL_OK || err == FL_ENOTFOUND, "%s %u: %s", kind, n,
			  fl_err_text(err));
		present += err == FL_OK;
	}
	return present;
}

static void stop_reader(pid_t reader)
{
	int status;
	kill(reader, SIGKILL);
	cr_assert_eq(waitpid(reader, &status, 0), reader);
	cr_expect(WIFSIGNALED(status), "the reader met a wrong answer");
}

Test(evict, popular_names_survive_ten_cachefuls)
{
	struct folder folder = make_folder();
	const pid_t reader = start_reader(&folder);
	struct flood f = start_flood(&folder);
	for (unsigned n = 0; n < POPULAR; n++) {
		keep(&f, "popular", n);
		for (unsigned i = 0; i < ASKED; i++) {
			touch(&f, "popular", n);
		}
	}
	unsigned occasion = 0;
	for (unsigned n = 0; n < CACHEFULS * CACHEFUL; n++) {
		touch(&f, "unique", n);
		keep(&f, "unique", n);
		if (n % (CACHEFUL / POPULAR / 2) == 0) { /* each twice a cacheful */
			touch(&f, "popular", occasion++ % POPULAR);
		}
	}
	cr_assert_eq(fl_cache_commit(f.c), FL_OK);
	stop_reader(reader);
	struct fl_cache_stats s;
	cr_assert_eq(fl_cache_stats(f.c, &s), FL_OK);
	const unsigned last = CACHEFULS * CACHEFUL;
	const unsigned present = count_present(f.c, "popular", 0, POPULAR);
	const unsigned newest = count_present(f.c, "unique", last - CACHEFUL / 20, last);
	cr_log_info("%lu entries, %u evicted, %u busy, %.1f %% used at most, %u popular, %u "
		    "newest of %u",
		    s.entries, f.evicted, f.busy, 100.0 * (double)f.most_used / (double)MAP,
		    present, newest, CACHEFUL / 20);
	cr_expect_eq(s.full_maps, 0, "%lu full maps", s.full_maps);
	cr_expect_leq(f.most_used * 100, UINT64_C(86) * MAP);
	cr_expect_geq(s.entries, CACHEFUL / 2, "%lu: evicted too much", s.entries);
	cr_expect_geq(present, POPULAR * 99 / 100, "%u of %u popular", present, POPULAR);
	cr_expect_geq(newest, CACHEFUL / 20 * 9 / 10, "%u of the newest", newest);
	cr_expect_eq(look_up(f.c, "unique", last - 1), FL_OK, "the very last");
	fl_cache_close(f.c);
	free(f.sketch.blocks);
	remove_folder(&folder);
}

/* When all are popular some of them must go. */
Test(evict, the_threshold_rises_when_all_are_popular)
{
	struct folder folder = make_folder();
	struct flood f = start_flood(&folder);
	for (unsigned n = 0; n < 3 * CACHEFUL; n++) {
		keep(&f, "popular", n);
		for (unsigned i = 0; i < ASKED; i++) {
			touch(&f, "popular", n);
		}
	}
	cr_assert_eq(fl_cache_commit(f.c), FL_OK);
	struct fl_cache_stats s;
	cr_assert_eq(fl_cache_stats(f.c, &s), FL_OK);
	cr_expect_eq(s.full_maps, 0);
	cr_expect_leq(f.most_used * 100, UINT64_C(86) * MAP);
	fl_cache_close(f.c);
	free(f.sketch.blocks);
	remove_folder(&folder);
}

/* A keeper that never evicts: puts do it themselves. */
Test(evict, puts_alone_never_meet_a_full_map)
{
	struct folder folder = make_folder();
	struct fl_cache *c = open_cache(&folder, MAP, true);
	struct fl_moment now = then;
	struct fl_cache_stats s;
	for (unsigned n = 0; n < 3 * CACHEFUL; n++) {
		now.boot_ns += 100000;
		const size_t octets = n % 50 == 0 ? 7000 : OCTETS;
		cr_assert_eq(put_number(c, "unique", n, octets, now), FL_OK, "%u", n);
	}
	cr_assert_eq(fl_cache_commit(c), FL_OK);
	cr_assert_eq(fl_cache_stats(c, &s), FL_OK);
	cr_expect_eq(s.full_maps, 0, "%lu", s.full_maps);
	cr_expect_leq(s.bytes_used * 100, UINT64_C(87) * MAP);
	fl_cache_close(c);
	remove_folder(&folder);
}

/* A reader that keeps its snapshot: puts are refused in time, not met by a full map. */
Test(evict, a_reader_that_forgets_its_transaction)
{
	struct folder folder = make_folder();
	struct fl_cache *c = open_cache(&folder, MAP, true);
	unsigned busy = 0;
	for (unsigned n = 0; n < CACHEFUL; n++) {
		cr_assert_eq(put_number(c, "a", n, OCTETS, then), FL_OK);
	}
	cr_assert_eq(fl_cache_commit(c), FL_OK);
	cr_assert_eq(fl_cache_begin(c), FL_OK); /* this process is its own reader */
	for (unsigned n = 0; n < 2 * CACHEFUL; n++) {
		const enum fl_err err = put_number(c, "b", n, OCTETS, then);
		cr_assert(err == FL_OK || err == FL_EBUSY, "%u: %s", n, fl_err_text(err));
		busy += err == FL_EBUSY;
	}
	cr_expect_gt(busy, 0);
	fl_cache_end(c);
	cr_assert_eq(fl_cache_commit(c), FL_OK);
	cr_expect_eq(put_number(c, "b", 1, OCTETS, then), FL_OK, "it has gone on");
	struct fl_cache_stats s;
	cr_assert_eq(fl_cache_stats(c, &s), FL_OK);
	cr_expect_eq(s.full_maps, 0);
	fl_cache_close(c);
	remove_folder(&folder);
}
