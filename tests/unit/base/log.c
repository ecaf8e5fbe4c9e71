#include "fairlead/base/log.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int64_t wall_s; /* not 0: what the wall clock says */

/* Stands before libc's for this program. */
int clock_gettime(clockid_t clock, struct timespec *t)
{
	if (clock == CLOCK_REALTIME && wall_s != 0) {
		*t = (struct timespec){ .tv_sec = wall_s };
		return 0;
	}
	return (int)syscall(SYS_clock_gettime, clock, t);
}

static int out; /* the end of a pipe that standard error goes to; each test is a process */

static void capture(void)
{
	int fds[2];
	cr_assert_eq(pipe(fds), 0);
	cr_assert_eq(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	close(fds[1]);
	out = fds[0];
	unsetenv("JOURNAL_STREAM");
}

/* What was written; closes standard error, so that an empty pipe ends. */
static const char *said(void)
{
	static char buf[65536];
	close(STDERR_FILENO);
	size_t len = 0;
	for (ssize_t n; (n = read(out, buf + len, sizeof(buf) - 1 - len)) > 0;) {
		len += (size_t)n;
	}
	buf[len] = '\0';
	return buf;
}

static void say_we_are_the_journal(ino_t off)
{
	struct stat st;
	char text[64];
	cr_assert_eq(fstat(STDERR_FILENO, &st), 0);
	snprintf(text, sizeof(text), "%ju:%ju", (uintmax_t)st.st_dev,
		 (uintmax_t)(st.st_ino + off));
	setenv("JOURNAL_STREAM", text, 1);
}

Test(log, below_the_level_nothing_is_said, .init = capture)
{
	fl_log_init("front 0", FL_LOG_WARNING, FL_LOG_TEXT);
	cr_expect_not(fl_log_enabled(FL_LOG_NOTICE));
	cr_expect(fl_log_enabled(FL_LOG_WARNING));
	fl_log(FL_LOG_NOTICE, "no");
	cr_expect_str_eq(said(), "");
}

Test(log, text_has_time_level_who_and_message, .init = capture)
{
	fl_log_init("front 0", FL_LOG_INFO, FL_LOG_TEXT);
	fl_log(FL_LOG_WARNING, "%d %s", 7, "seas");
	const char *line = said();
	int year, month, day, hour, minute, second, ms, end = 0;
	cr_assert_eq(sscanf(line, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &year, &month, &day, &hour,
			    &minute, &second, &ms, &end),
		     7, "%s", line);
	cr_expect_str_eq(line + end, " warning front 0: 7 seas\n");
	struct tm tm = { .tm_year = year - 1900,
			 .tm_mon = month - 1,
			 .tm_mday = day,
			 .tm_hour = hour,
			 .tm_min = minute,
			 .tm_sec = second };
	const time_t age = time(NULL) - timegm(&tm);
	cr_expect(age >= -1 && age < 10, "%s", line);
}

Test(log, in_the_journal_the_level_is_a_number_and_the_time_the_journals, .init = capture)
{
	say_we_are_the_journal(0);
	fl_log_init("keeper", FL_LOG_DEBUG, FL_LOG_TEXT);
	fl_log(FL_LOG_ERROR, "a");
	fl_log(FL_LOG_DEBUG, "b");
	cr_expect_str_eq(said(), "<3>keeper: a\n<7>keeper: b\n");
}

Test(log, a_stream_that_is_not_the_journals_gets_no_numbers, .init = capture)
{
	say_we_are_the_journal(1);
	fl_log_init("keeper", FL_LOG_INFO, FL_LOG_TEXT);
	fl_log(FL_LOG_ERROR, "a");
	cr_expect_neq(said()[0], '<');
}

struct escape_case {
	const char *why, *message, *text, *json;
};

static const struct escape_case escapes[] = {
	{ "a newline would be a second line", "a\nb", "a\\x0ab", "a\\u000ab" },
	{ "an escape sequence would reach the terminal", "\033[2J", "\\x1b[2J", "\\u001b[2J" },
	{ "DEL", "\x7f", "\\x7f", "\\u007f" },
	{ "quotes and backslashes", "\"\\009", "\"\\009", "\\\"\\\\009" },
	{ "UTF-8 is left", "h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8c\x90",
	  "h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8c\x90",
	  "h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8c\x90" },
	{ "a lone continuation", "\x80z", "\\x80z", "\\ufffdz" },
	{ "overlong slash", "\xc0\xaf", "\\xc0\\xaf", "\\ufffd\\ufffd" },
	{ "overlong in three octets", "\xe0\x80\xaf", "\\xe0\\x80\\xaf",
	  "\\ufffd\\ufffd\\ufffd" },
	{ "a surrogate", "\xed\xa0\x80", "\\xed\\xa0\\x80", "\\ufffd\\ufffd\\ufffd" },
	{ "above U+10FFFF", "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80",
	  "\\ufffd\\ufffd\\ufffd\\ufffd" },
	{ "cut in the middle", "\xe2\x82", "\\xe2\\x82", "\\ufffd\\ufffd" },
	{ "cut, then another letter", "\xe2\x82z", "\\xe2\\x82z", "\\ufffd\\ufffdz" },
};

Test(log, text_is_escaped, .init = capture)
{
	char want[4096] = "";
	say_we_are_the_journal(0);
	fl_log_init("x", FL_LOG_INFO, FL_LOG_TEXT);
	for (size_t i = 0; i < FL_COUNT(escapes); i++) {
		fl_log(FL_LOG_INFO, "%s", escapes[i].message);
		snprintf(want + strlen(want), sizeof(want) - strlen(want), "<6>x: %s\n",
			 escapes[i].text);
	}
	cr_expect_str_eq(said(), want);
}

Test(log, json_is_escaped, .init = capture)
{
	fl_log_init("x\"y", FL_LOG_INFO, FL_LOG_JSON);
	for (size_t i = 0; i < FL_COUNT(escapes); i++) {
		fl_log(FL_LOG_INFO, "%s", escapes[i].message);
	}
	const char *line = said();
	for (size_t i = 0; i < FL_COUNT(escapes); i++) {
		char want[256];
		cr_assert_eq(strncmp(line, "{\"time\":\"20", 11), 0, "%s", line);
		const char *rest = strstr(line, "\",\"level");
		cr_assert_not_null(rest);
		snprintf(want, sizeof(want),
			 "\",\"level\":\"info\",\"who\":\"x\\\"y\",\"message\":\"%s\"}\n",
			 escapes[i].json);
		cr_assert_eq(strncmp(rest, want, strlen(want)), 0, "%s: %s", escapes[i].why,
			     rest);
		line = rest + strlen(want);
	}
	cr_expect_str_eq(line, "");
}

/* Six lengths of the name, so that the cut falls on every place of a six-octet escape;
 * the shorter characters behind it must not slip in where the escape did not fit. */
Test(log, a_long_line_is_cut_between_characters_and_still_a_line, .init = capture)
{
	static const char *const who[] = { "a", "ab", "abc", "abcd", "abcde", "abcdef" };
	char message[1000];
	memset(message, 1, 800);
	memset(message + 800, 'z', 199);
	message[999] = '\0';
	for (size_t i = 0; i < FL_COUNT(who); i++) {
		fl_log_init(who[i], FL_LOG_INFO, FL_LOG_JSON);
		fl_log(FL_LOG_INFO, "%s", message);
	}
	const char *line = said();
	for (size_t i = 0; i < FL_COUNT(who); i++) {
		const char *end = strchr(line, '\n');
		cr_assert_not_null(end);
		cr_expect_leq(end - line, 4095);
		cr_expect_eq(strncmp(end - 8, "\\u0001\"}", 8), 0, "%s: %.20s", who[i],
			     end - 19);
		line = end + 1;
	}
}

/* Every day of two centuries, against libc. */
Test(log, dates_are_right, .init = capture)
{
	fl_log_init("x", FL_LOG_INFO, FL_LOG_TEXT);
	for (wall_s = 1; wall_s < INT64_C(200) * 365 * 86400; wall_s += 86400 - 7) {
		char line[128], want[128];
		struct tm tm;
		const time_t t = wall_s;
		fl_log(FL_LOG_INFO, "-");
		const ssize_t n = read(out, line, sizeof(line) - 1);
		cr_assert_gt(n, 0);
		line[n] = '\0';
		gmtime_r(&t, &tm);
		strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S.000Z info x: -\n", &tm);
		cr_assert_str_eq(line, want);
	}
	wall_s = 0;
}

Test(log, errno_is_left_as_it_was, .init = capture)
{
	fl_log_init("x", FL_LOG_INFO, FL_LOG_TEXT);
	close(STDERR_FILENO);
	errno = ENOENT;
	fl_log(FL_LOG_ERROR, "to nobody");
	cr_expect_eq(errno, ENOENT);
}

Test(log, a_gate_holds_back_and_says_how_many, .init = capture)
{
	struct fl_log_gate gate = { 0, 0 };
	say_we_are_the_journal(0);
	fl_log_init("x", FL_LOG_INFO, FL_LOG_TEXT);
	for (int i = 0; i < 5; i++) {
		fl_log_gated(&gate, 3600, FL_LOG_INFO, "refused %d", i);
		fl_log_gated(&gate, 3600, FL_LOG_DEBUG, "not counted either");
	}
	gate.next_ns = 0; /* an hour passes */
	fl_log_gated(&gate, 3600, FL_LOG_INFO, "refused %d", 5);
	gate.next_ns = 0;
	fl_log_gated(&gate, 3600, FL_LOG_INFO, "refused %d", 6);
	cr_expect_str_eq(said(), "<6>x: refused 0\n"
				 "<6>x: refused 5 (and 4 times before)\n"
				 "<6>x: refused 6\n");
}
