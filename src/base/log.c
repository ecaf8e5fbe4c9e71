#include "fairlead/base/log.h"

#include "fairlead/base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	WHO_MAX = 32,
	MESSAGE_MAX = 1024,
	LINE_MAX_OCTETS =
		4096 /* PIPE_BUF of Linux: up to here a write to a pipe is one piece */
};

/*
 * The one state of a process that is not handed round: a line must be possible
 * from every depth, also where an argument list is the protocol's, and standard
 * error belongs to the process as well. Written by fl_log_init() only.
 */
static struct {
	char who[WHO_MAX];
	enum fl_log_level level;
	enum fl_log_format format;
	bool journal; /* standard error is the journal's: no time, but "<N>" */
} log_state = { .who = "fairlead", .level = FL_LOG_INFO, .format = FL_LOG_TEXT };

struct line {
	char buf[LINE_MAX_OCTETS];
	size_t len;
	size_t cap; /* the end is kept free for what must follow the message */
};

static const char *level_name(enum fl_log_level level)
{
	static const char *const names[] = { "error", "warning", "notice", "info", "debug" };
	return names[level];
}

/* sd-daemon(3): syslog's numbers. */
static int level_number(enum fl_log_level level)
{
	return 3 + (int)level;
}

/* systemd.exec(5), JOURNAL_STREAM: device and inode; a redirected stream has others. */
static bool is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uintmax_t dev, ino;
	struct stat st;
	return stream != NULL && sscanf(stream, "%ju:%ju", &dev, &ino) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && dev == st.st_dev && ino == st.st_ino;
}

void fl_log_init(const char *who, enum fl_log_level level, enum fl_log_format format)
{
	snprintf(log_state.who, sizeof(log_state.who), "%s", who);
	log_state.level = level;
	log_state.format = format;
	log_state.journal = is_journal();
}

bool fl_log_enabled(enum fl_log_level level)
{
	return level <= log_state.level;
}

/* Whole or not at all: half an escape would break the line's format. */
static void put(struct line *l, const char *s, size_t n)
{
	if (n <= l->cap - l->len) {
		memcpy(l->buf + l->len, s, n);
		l->len += n;
	} else {
		l->cap = l->len;
	}
}

static void puts_to(struct line *l, const char *s)
{
	put(l, s, strlen(s));
}

static void FL_PRINTF(2, 3) put_fmt(struct line *l, const char *fmt, ...)
{
	char buf[64];
	va_list args;
	va_start(args, fmt);
	const int n = vsnprintf(buf, sizeof(buf), fmt, args);
	va_end(args);
	if (n > 0) {
		put(l, buf, (size_t)n < sizeof(buf) ? (size_t)n : sizeof(buf) - 1);
	}
}

/* Octets of the well-formed UTF-8 sequence at @p s, 0 if it is none. RFC 3629 4. */
static size_t utf8_len(const uint8_t *s)
{
	const uint8_t c = s[0];
	if (c < 0x80) {
		return 1;
	}
	if (c < 0xc2 || c > 0xf4) { /* continuation, overlong, or above U+10FFFF */
		return 0;
	}
	const size_t n = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	/* overlong forms, surrogates and the end of Unicode narrow the second octet */
	const uint8_t low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
	const uint8_t high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
	if (s[1] < low || s[1] > high) {
		return 0;
	}
	for (size_t i = 2; i < n; i++) { /* a NUL ends this as well */
		if ((s[i] & 0xc0) != 0x80) {
			return 0;
		}
	}
	return n;
}

/* One line stays one line, and a terminal is not told what to do. */
static void put_text(struct line *l, const char *message)
{
	const uint8_t *s = (const uint8_t *)message;
	while (*s != 0) {
		const size_t n = utf8_len(s);
		if (n == 0 || *s < 0x20 || *s == 0x7f) {
			put_fmt(l, "\\x%02x", *s++);
			continue;
		}
		put(l, (const char *)s, n);
		s += n;
	}
}

/* RFC 8259 7. What is no UTF-8 becomes U+FFFD: JSON cannot say it. */
static void put_json(struct line *l, const char *message)
{
	const uint8_t *s = (const uint8_t *)message;
	while (*s != 0) {
		const size_t n = utf8_len(s);
		if (n == 0) {
			puts_to(l, "\\ufffd");
			s++;
			continue;
		}
		if (*s == '"' || *s == '\\') {
			put_fmt(l, "\\%c", *s);
		} else if (*s < 0x20 || *s == 0x7f) {
			put_fmt(l, "\\u%04x", *s);
		} else {
			put(l, (const char *)s, n);
		}
		s += n;
	}
}

/*
 * RFC 3339, UTC. Not gmtime_r(): libc's reads /etc/localtime at its first call,
 * which a confined process cannot. Years are counted from March, so that the
 * leap day is the last of its year.
 */
static void put_time(struct line *l)
{
	const int64_t ms = fl_clock_wall_ms();
	const int64_t s = ms / 1000;
	const int64_t day = s / 86400 + 719468; /* since 0000-03-01 */
	const int64_t era = day / 146097;       /* 400 years */
	const int64_t in_era = day % 146097;
	const int64_t year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
	const int64_t in_year = in_era - (365 * year + year / 4 - year / 100);
	const int64_t m = (5 * in_year + 2) / 153; /* 0: March */
	const int64_t month = m < 10 ? m + 3 : m - 9;
	put_fmt(l, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
		(int)(year + era * 400 + (month <= 2)), (int)month,
		(int)(in_year - (153 * m + 2) / 5 + 1), (int)(s / 3600 % 24),
		(int)(s / 60 % 60), (int)(s % 60), (int)(ms % 1000));
}

static void compose_text(struct line *l, enum fl_log_level level, const char *message)
{
	if (!log_state.journal) {
		put_time(l);
		put_fmt(l, " %s ", level_name(level));
	}
	put_text(l, log_state.who);
	puts_to(l, ": ");
	put_text(l, message);
}

static void compose_json(struct line *l, enum fl_log_level level, const char *message)
{
	puts_to(l, "{\"time\":\"");
	put_time(l);
	put_fmt(l, "\",\"level\":\"%s\",\"who\":\"", level_name(level));
	put_json(l, log_state.who);
	puts_to(l, "\",\"message\":\"");
	put_json(l, message);
}

static void emit(enum fl_log_level level, const char *message)
{
	const char *end = log_state.format == FL_LOG_JSON ? "\"}\n" : "\n";
	struct line l;
	l.len = 0;
	l.cap = sizeof(l.buf) - strlen(end);
	if (log_state.journal) {
		put_fmt(&l, "<%d>", level_number(level));
	}
	if (log_state.format == FL_LOG_JSON) {
		compose_json(&l, level, message);
	} else {
		compose_text(&l, level, message);
	}
	memcpy(l.buf + l.len, end, strlen(end));
	l.len += strlen(end);
	ssize_t n;
	do {
		n = write(STDERR_FILENO, l.buf, l.len);
	} while (n < 0 && errno == EINTR); /* any other failure: nowhere to say it */
}

void fl_log(enum fl_log_level level, const char *fmt, ...)
{
	if (!fl_log_enabled(level)) {
		return;
	}
	const int saved = errno; /* callers log, then return what errno said */
	char message[MESSAGE_MAX];
	va_list args;
	va_start(args, fmt);
	vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	emit(level, message);
	errno = saved;
}

void fl_log_gated(struct fl_log_gate *gate, unsigned every_s, enum fl_log_level level,
		  const char *fmt, ...)
{
	if (!fl_log_enabled(level)) {
		return;
	}
	const uint64_t now = fl_clock_boot_ns();
	if (now < gate->next_ns) {
		gate->held++;
		return;
	}
	const int saved = errno;
	char message[MESSAGE_MAX + 48];
	va_list args;
	va_start(args, fmt);
	vsnprintf(message, MESSAGE_MAX, fmt, args);
	va_end(args);
	if (gate->held > 0) {
		const size_t len = strlen(message);
		snprintf(message + len, sizeof(message) - len,
			 " (and %" PRIu64 " times before)", gate->held);
	}
	gate->held = 0;
	gate->next_ns = now + every_s * FL_S_NS;
	emit(level, message);
	errno = saved;
}
