/* Files on disk: reading, including, and what only a file's reader checks. */
#include "fairlead/base/clock.h"
#include "given.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char folder[] = "/tmp/fairlead-config-XXXXXX";

static void enter_folder(void)
{
	cr_assert_not_null(mkdtemp(folder));
	cr_assert_eq(chdir(folder), 0);
}

static void leave_folder(void)
{
	char command[64];
	cr_assert_eq(chdir("/"), 0);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	cr_assert_eq(system(command), 0);
}

static void write_file(const char *path, const char *fmt, ...) FL_PRINTF(2, 3);
static void write_file(const char *path, const char *fmt, ...)
{
	va_list args;
	FILE *f = fopen(path, "w");
	cr_assert_not_null(f, "%s", path);
	va_start(args, fmt);
	vfprintf(f, fmt, args);
	va_end(args);
	fclose(f);
}

static void expect_problems(const char *path, enum fl_err err, const char *want)
{
	struct given g = given_file(path);
	cr_expect_eq(g.err, err, "%s", fl_err_text(g.err));
	cr_expect_str_eq(g.problems, want);
	given_free(&g);
}

TestSuite(config_files, .init = enter_folder, .fini = leave_folder);

Test(config_files, one_that_is_missing)
{
	expect_problems(
		"a.yaml", FL_ESYSTEM,
		"a.yaml:1:1: a.yaml: No such file or directory, a readable file expected\n");
}

Test(config_files, a_folder)
{
	expect_problems(".", FL_ESYSTEM,
			".:1:1: .: Is a directory, a readable file expected\n");
}

Test(config_files, an_empty_one)
{
	write_file("a.yaml", "%s", "");
	expect_problems("a.yaml", FL_OK, "");
}

Test(config_files, keys_of_all_files_join)
{
	cr_assert_eq(mkdir("conf.d", 0700), 0);
	write_file("a.yaml", "include: conf.d/*.yaml\ncache: {size: 1GiB}\n");
	write_file("conf.d/10.yaml", "cache: {stale: 1h}\n");
	write_file("conf.d/20.yaml", "identity: twenty\n");
	write_file("conf.d/30.conf", "identity: not matched\n");
	struct given g = given_file("a.yaml");
	cr_assert_eq(g.err, FL_OK, "%s", g.problems);
	cr_expect_str_eq(g.config->identity, "twenty");
	cr_expect_eq(g.config->cache.stale_s, 3600u);
	cr_expect_eq(g.config->cache.size, UINT64_C(1) << 30);
	given_free(&g);
}

Test(config_files, a_key_given_in_two)
{
	cr_assert_eq(mkdir("conf.d", 0700), 0);
	write_file("a.yaml", "cache: {size: 1GiB}\ninclude: conf.d/*.yaml\n");
	write_file("conf.d/1.yaml", "cache:\n  size: 2GiB\n");
	expect_problems(
		"a.yaml", FL_EINVALID,
		"conf.d/1.yaml:2:3: the key 'cache.size' is given twice, once expected, "
		"first at a.yaml:1:9\n");
}

Test(config_files, a_problem_in_an_included_file)
{
	write_file("a.yaml", "include: [b.yaml, c.yaml]\n");
	write_file("b.yaml", "cokies: off\n");
	write_file("c.yaml", "cookies: [\n");
	expect_problems(
		"a.yaml", FL_EINVALID,
		"b.yaml:1:1: unknown key 'cokies', a key of the top level expected, nearest is "
		"'cookies'\n"
		"c.yaml:2:1: not YAML, did not find expected node content while parsing a flow "
		"node "
		"(what begins with a colon needs quotes: \"::1\")\n");
}

Test(config_files, patterns_that_match_nothing)
{
	write_file("a.yaml", "include: conf.d/*.yaml\n");
	expect_problems("a.yaml", FL_OK, "");
	write_file("a.yaml", "include: [conf.d/a.yaml]\n");
	expect_problems(
		"a.yaml", FL_EINVALID,
		"a.yaml:1:11: include 'conf.d/a.yaml' matches nothing, a file expected\n");
}

Test(config_files, a_file_that_includes_itself)
{
	write_file("a.yaml", "include: ./*.yaml\n");
	expect_problems(
		"a.yaml", FL_EINVALID,
		"a.yaml:1:10: ./a.yaml is read a second time, each file once expected\n");
}

Test(config_files, a_file_by_another_name)
{
	write_file("a.yaml", "include: [b.yaml, c.yaml]\n");
	write_file("b.yaml", "cookies: off\n");
	cr_assert_eq(symlink("b.yaml", "c.yaml"), 0);
	expect_problems("a.yaml", FL_EINVALID,
			"a.yaml:1:19: c.yaml is read a second time, each file once expected\n");
}

Test(config_files, includes_within_each_other)
{
	for (int i = 0; i < 10; i++) {
		char path[16];
		snprintf(path, sizeof(path), "%d.yaml", i);
		write_file(path, "include: %d.yaml\n", i + 1);
	}
	write_file("8.yaml", "cookies: off\n");
	expect_problems("0.yaml", FL_OK, "");
	write_file("8.yaml", "include: 9.yaml\n");
	expect_problems(
		"0.yaml", FL_EINVALID,
		"8.yaml:1:10: 9.yaml is the 9th file in a row, at most 8 includes within each "
		"other expected\n");
}

Test(config_files, a_folder_with_wildcards_in_its_name)
{
	cr_assert_eq(mkdir("[x]*", 0700), 0);
	write_file("[x]*/a.yaml", "include: b*.yaml\n");
	write_file("[x]*/b1.yaml", "identity: found\n");
	struct given g = given_file("[x]*/a.yaml");
	cr_assert_eq(g.err, FL_OK, "%s", g.problems);
	cr_expect_str_eq(g.config->identity, "found");
	given_free(&g);
}

Test(config_files, an_absolute_include)
{
	write_file("b.yaml", "identity: found\n");
	write_file("a.yaml", "include: %s/b.yaml\n", folder);
	struct given g = given_file("a.yaml");
	cr_assert_eq(g.err, FL_OK, "%s", g.problems);
	cr_expect_str_eq(g.config->identity, "found");
	given_free(&g);
}

Test(config_files, files_of_the_engine_must_be_there)
{
	char want[512];
	write_file("hints", ". NS a.\n");
	write_file(
		"a.yaml",
		"resolver:\n  root-hints: %s/hints\n  trust-anchors: [%s/hints, %s/none, %s]\n",
		folder, folder, folder, folder);
	snprintf(want, sizeof(want),
		 "a.yaml:3:%zu: resolver.trust-anchors: %s/none: No such file or directory, a "
		 "readable file expected\n"
		 "a.yaml:3:%zu: resolver.trust-anchors: %s: Is a directory, a readable file "
		 "expected\n",
		 20 + strlen(folder) + 7, folder, 20 + 2 * strlen(folder) + 14, folder);
	expect_problems("a.yaml", FL_EINVALID, want);

	/* a role can't open files, and the supervisor has looked */
	struct given g = given_text("resolver: {root-hints: /none}\n");
	cr_expect_eq(g.err, FL_OK, "%s", g.problems);
	given_free(&g);
}

static void write_nta(int64_t until)
{
	char date[32];
	const time_t at = until;
	struct tm tm;
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&at, &tm));
	write_file("a.yaml", "resolver: {negative-trust-anchors: [{name: a, until: %s}]}\n",
		   date);
}

/* RFC 7646 2: at most a week */
Test(config_files, negative_trust_anchors_end)
{
	const int64_t week = 7 * 86400, now = fl_clock_wall_s();
	write_nta(now + week + 60);
	expect_problems(
		"a.yaml", FL_EINVALID,
		"a.yaml:1:37: resolver.negative-trust-anchors: a. ends in more than seven "
		"days, at most seven expected (RFC 7646)\n");
	write_nta(now + week - 60);
	expect_problems("a.yaml", FL_OK, "");
	write_nta(now - 60);
	expect_problems("a.yaml", FL_OK, "");
}

Test(config_files, a_core_that_is_not_there)
{
	write_file("a.yaml", "fronts: {cpus: [1023]}\n");
	expect_problems("a.yaml", FL_EINVALID,
			"a.yaml:1:9: fronts.cpus holds 1023, a core that this process may use "
			"expected\n");
}

Test(config_files, the_sample_changes_nothing)
{
	struct given sample = given_file(FL_SAMPLE), empty = given_text("");
	cr_assert_eq(sample.err, FL_OK, "%s", sample.problems);
	char *a = given_dump(sample.config), *b = given_dump(empty.config);
	cr_expect_str_eq(a, b);
	free(a);
	free(b);
	given_free(&sample);
	given_free(&empty);
}
