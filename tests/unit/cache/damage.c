/* Pages overwritten at random: a process may die of it, or hang (LMDB searches for ever in a
 * page whose flags and bounds are damaged; the watchdog's case), but never gives a wrong
 * answer. */
#include "files.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#ifdef FL_SANITIZED
#include <sanitizer/common_interface_defs.h>
#endif

#ifdef FL_SANITIZED
enum { ROUNDS = 10, PATIENCE_S = 8 };
#else
enum { ROUNDS = 40, PATIENCE_S = 2 };
#endif
enum { RECORDS = 1500, WRONG = 7, UNCLEAR = 8 };

static void fill(const struct folder *f)
{
	const pid_t child = fork();
	cr_assert_geq(child, 0);
	if (child == 0) {
		struct fl_cache *c = open_cache(f, TINY_MAP, true);
		for (unsigned n = 0; n < RECORDS; n++) {
			if (put_number(c, "a", n, n % 40 == 0 ? 5000 : 120, then) != FL_OK) {
				_exit(1);
			}
		}
		_exit(fl_cache_commit(c) == FL_OK ? 0 : 1);
	}
	int status;
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Allocated whole, as the writer's is. */
static void copy_file(const struct folder *from, const struct folder *to)
{
	static uint8_t octets[TINY_MAP];
	const int in = openat(from->fd, "data.mdb", O_RDONLY);
	const int out = openat(to->fd, "data.mdb", O_CREAT | O_WRONLY, 0600);
	cr_assert(in >= 0 && out >= 0);
	cr_assert_eq(read(in, octets, sizeof(octets)), sizeof(octets));
	cr_assert_eq(write(out, octets, sizeof(octets)), sizeof(octets));
	close(in);
	close(out);
}

/* Some octets, or a page over another page, or rubbish, in a few places. */
static void damage(const struct folder *f, uint64_t *seed)
{
	static uint8_t page[4096];
	const int fd = openat(f->fd, "data.mdb", O_RDWR);
	cr_assert_geq(fd, 0);
	const unsigned pages = TINY_MAP / sizeof(page);
	for (unsigned i = 0; i < 12; i++) {
		const off_t from = (off_t)(next_random(seed) % pages * sizeof(page));
		const off_t to = (off_t)(next_random(seed) % pages * sizeof(page));
		cr_assert_eq(pread(fd, page, sizeof(page), from), sizeof(page));
		const unsigned kind = next_random(seed) % 3;
		for (unsigned k = 0; kind < 2 && k < (kind == 0 ? 8 : sizeof(page)); k++) {
			page[next_random(seed) % sizeof(page)] = (uint8_t)next_random(seed);
		}
		cr_assert_eq(pwrite(fd, page, sizeof(page), kind == 0 ? from : to),
			     sizeof(page));
	}
	close(fd);
}

/* The child may die of LMDB's own reading beyond a damaged page, and is counted when it does:
 * its sanitizer's report is said, and not left as a file that fails the run. */
static void expect_to_die(void)
{
#ifdef FL_SANITIZED
	__sanitizer_set_report_path("stderr");
#endif
}

/* Look everything up, then write over it, then look again. */
static void use(const struct folder *f)
{
	const struct rlimit none = { 0, 0 };
	setrlimit(RLIMIT_CORE, &none);
	signal(SIGSEGV, SIG_DFL);
	signal(SIGBUS, SIG_DFL);
	alarm(PATIENCE_S);
	expect_to_die();
	struct fl_cache *c;
	const struct fl_cache_options o = { .folder_fd = f->fd,
					    .map_bytes = TINY_MAP,
					    .writer = true };
	if (fl_cache_open(&o, &c) != FL_OK) {
		_exit(0);
	}
	for (unsigned n = 0; n < RECORDS; n++) {
		if (look_up(c, "a", n) == FL_EINVALID) {
			_exit(WRONG);
		}
	}
	enum fl_err err = FL_OK;
	for (unsigned n = 0; err == FL_OK && n < RECORDS; n += 3) {
		err = put_number(c, "a", n, 150, then);
	}
	if (err == FL_OK) {
		err = fl_cache_commit(c);
	}
	if (err == FL_ESYSTEM || err == FL_EINVALID) {
		_exit(UNCLEAR); /* damage that is not called so: the file would stay */
	}
	for (unsigned n = 0; n < RECORDS; n++) {
		if (look_up(c, "a", n) == FL_EINVALID) {
			_exit(WRONG);
		}
	}
	_exit(0);
}

Test(damage, random_pages_never_give_a_wrong_answer, .timeout = 110)
{
	uint64_t seed = 42;
	unsigned died = 0, hung = 0;
	struct folder sound = make_folder();
	fill(&sound);
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct folder f = make_folder();
		copy_file(&sound, &f);
		damage(&f, &seed);
		const pid_t child = fork();
		cr_assert_geq(child, 0);
		if (child == 0) {
			use(&f);
		}
		int status;
		cr_assert_eq(waitpid(child, &status, 0), child);
		cr_expect(!WIFEXITED(status) || WEXITSTATUS(status) != WRONG,
			  "round %u: a wrong answer", round);
		cr_expect(!WIFEXITED(status) || WEXITSTATUS(status) != UNCLEAR,
			  "round %u: damage is taken for a failure of the machine", round);
		hung += WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;
		died += WIFSIGNALED(status);
		remove_folder(&f);
	}
	remove_folder(&sound);
	cr_expect_leq(hung * 2, ROUNDS, "%u hung", hung);
	cr_log_info("%u of %u died, %u of these hung", died, (unsigned)ROUNDS, hung);
}
