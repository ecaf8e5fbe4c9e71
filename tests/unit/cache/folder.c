#include "files.h"

static char base[] = "/tmp/fairlead-folder-XXXXXX";
static char problem[300];

static void make_base(void)
{
	cr_assert_not_null(mkdtemp(base));
}

static void remove_base(void)
{
	char command[100];
	snprintf(command, sizeof(command), "rm -rf %s", base);
	cr_expect_eq(system(command), 0);
}

TestSuite(folder, .init = make_base, .fini = remove_base);

static const char *path_in(const char *name)
{
	static char path[200];
	snprintf(path, sizeof(path), "%s/%s", base, name);
	return path;
}

static void touch(const char *name)
{
	const int fd = open(path_in(name), O_CREAT | O_WRONLY, 0600);
	cr_assert_geq(fd, 0, "%s", name);
	close(fd);
}

static bool exists(const char *name)
{
	struct stat st;
	return lstat(path_in(name), &st) == 0;
}

/* Folder of generation @p n of this program. */
static const char *generation_name(const char *folder, unsigned n)
{
	static char name[100];
	snprintf(name, sizeof(name), "%s/%d-0.9-%u", folder, FL_RECORD_FORMAT, n);
	return name;
}

static unsigned open_folder(const char *name, bool renew)
{
	int fd = -1;
	unsigned generation = 0;
	const enum fl_err err = fl_cache_folder_open(path_in(name), renew, &fd, &generation,
						     problem, sizeof(problem));
	cr_assert_eq(err, FL_OK, "%s", problem);
	struct stat st, want;
	cr_assert_eq(fstat(fd, &st), 0);
	cr_assert_eq(stat(path_in(generation_name(name, generation)), &want), 0);
	cr_expect_eq(st.st_ino, want.st_ino);
	cr_expect_eq(st.st_mode & 0777, 0750);
	close(fd);
	return generation;
}

Test(folder, is_made_with_its_last_parent)
{
	umask(0);
	cr_expect_eq(open_folder("a/b", false), 1);
	cr_expect_eq(open_folder("a/b", false), 1, "and found again");
}

Test(folder, renewal_makes_the_next_and_deletes_the_others)
{
	umask(0);
	cr_assert_eq(open_folder("c", false), 1);
	touch("c/1-0.9-1/data.mdb");
	touch("c/1-0.9-1/lock.mdb");
	cr_expect_eq(open_folder("c", true), 2);
	cr_expect(!exists("c/1-0.9-1"));
	cr_expect_eq(open_folder("c", true), 3);
	cr_expect_eq(open_folder("c", false), 3);
}

Test(folder, the_newest_is_taken_and_older_ones_go)
{
	umask(0);
	cr_assert_eq(open_folder("c", false), 1);
	static const char *const made[] = { "c/1-0.9-9",   "c/1-0.9-10",  "c/0-0.9-77",
					    "c/1-0.8-77",  "c/2-0.9-1",   "c/1-0.9-11x",
					    "c/1-0.9--12", "c/1-0.9-013", "c/other" };
	for (size_t i = 0; i < FL_COUNT(made); i++) {
		cr_assert_eq(mkdir(path_in(made[i]), 0750), 0);
	}
	cr_expect_eq(open_folder("c", false), 10, "numbers are compared, not texts");
	cr_expect(!exists("c/1-0.9-1") && !exists("c/1-0.9-9"));
	cr_expect(!exists("c/0-0.9-77") && !exists("c/1-0.8-77"), "older formats");
	cr_expect(exists("c/2-0.9-1"), "a newer program's is left alone");
	cr_expect(exists("c/1-0.9-11x") && exists("c/1-0.9--12") && exists("c/1-0.9-013") &&
			  exists("c/other"),
		  "what is not ours is left alone");
	cr_expect_eq(open_folder("c", true), 11);
	cr_expect(!exists("c/2-0.9-1") && !exists("c/1-0.9-10"));
	cr_expect(exists("c/other"));
}

Test(folder, a_foreign_file_keeps_its_folder)
{
	umask(0);
	cr_assert_eq(open_folder("c", false), 1);
	touch("c/1-0.9-1/precious");
	cr_expect_eq(open_folder("c", true), 2);
	cr_expect(exists("c/1-0.9-1/precious"));
}

struct refusal {
	const char *why, *path;
	enum fl_err want;
};

Test(folder, refusals_name_the_place)
{
	touch("file");
	cr_assert_eq(mkdir(path_in("real"), 0750), 0);
	cr_assert_eq(symlink("real", path_in("link")), 0);
	cr_assert_eq(mkdir(path_in("trap"), 0750), 0);
	cr_assert_eq(symlink("../real", path_in("trap/1-0.9-1")), 0);
	static const struct refusal cases[] = {
		{ "a file", "file", FL_ESYSTEM },
		{ "a symbolic link", "link", FL_ESYSTEM },
		{ "a generation that is a symbolic link", "trap", FL_ESYSTEM },
		{ "two parents missing", "x/y/z", FL_ENOTFOUND },
	};
	for (size_t i = 0; i < FL_COUNT(cases); i++) {
		int fd = -7;
		unsigned generation = 77;
		const enum fl_err err =
			fl_cache_folder_open(path_in(cases[i].path), false, &fd, &generation,
					     problem, sizeof(problem));
		cr_expect_eq(err, cases[i].want, "%s: %s", cases[i].why, fl_err_text(err));
		cr_expect_not_null(strstr(problem, path_in(cases[i].path)), "%s: %s",
				   cases[i].why, problem);
		cr_expect(fd == -7 && generation == 77, "%s: written on failure", cases[i].why);
	}
	cr_expect(!exists("real/data.mdb"));
}

Test(folder, no_permission)
{
	char closed[] = "/tmp/fairlead-closed-XXXXXX", inside[64];
	int fd;
	unsigned generation;
	if (geteuid() != 0) {
		cr_skip_test("only root can become a user who is kept out");
	}
	cr_assert_not_null(mkdtemp(closed)); /* 0700, and root's */
	snprintf(inside, sizeof(inside), "%s/fairlead", closed);
	cr_assert_eq(seteuid(65534), 0);
	cr_expect_eq(fl_cache_folder_open("/proc/fairlead", false, &fd, &generation, problem,
					  sizeof(problem)),
		     FL_ENOTFOUND);
	cr_expect_eq(
		fl_cache_folder_open(inside, false, &fd, &generation, problem, sizeof(problem)),
		FL_EDENIED, "%s", problem);
	cr_assert_eq(seteuid(0), 0);
	rmdir(closed);
}
