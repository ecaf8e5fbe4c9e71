/* Scalars that become numbers: yes/no, words, counts, sizes, times. */
#include "schema.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

struct unit {
	const char *name;
	uint64_t factor;
};

/* largest first among the binary ones: what is written takes the first that divides */
static const struct unit size_units[] = {
	{ "TiB", UINT64_C(1) << 40 },
	{ "GiB", UINT64_C(1) << 30 },
	{ "MiB", UINT64_C(1) << 20 },
	{ "KiB", UINT64_C(1) << 10 },
	{ "B", 1 },
	{ "TB", UINT64_C(1000000000000) },
	{ "GB", UINT64_C(1000000000) },
	{ "MB", UINT64_C(1000000) },
	{ "KB", UINT64_C(1000) },
	{ "kB", UINT64_C(1000) },
	{ NULL, 0 },
};
static const struct unit time_units[] = {
	{ "d", 86400 }, { "h", 3600 }, { "m", 60 }, { "s", 1 }, { NULL, 0 },
};

/* Read digits; NULL when there are none or too many. A zero before others is refused, since
 * some readers of YAML take 010 for eight. */
static const char *read_digits(const char *text, uint64_t *out)
{
	uint64_t n = 0;
	const char *c = text;

	for (; *c >= '0' && *c <= '9'; c++) {
		if (__builtin_mul_overflow(n, (uint64_t)10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*c - '0'), &n)) {
			return NULL;
		}
	}
	if (c == text || (text[0] == '0' && c - text > 1)) {
		return NULL;
	}
	*out = n;
	return c;
}

static bool read_plain(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
	const char *end = read_digits(text, out);
	return end != NULL && *end == '\0' && *out >= min && *out <= max;
}

/* "64MiB"; a bare 0 needs no unit. */
static bool read_unit(const char *text, const struct unit *units, uint64_t min, uint64_t max,
		      uint64_t *out)
{
	const char *end = read_digits(text, out);

	if (end == NULL) {
		return false;
	}
	if (*end == '\0') {
		return *out == 0 && min == 0;
	}
	for (const struct unit *u = units; u->name != NULL; u++) {
		if (strcmp(end, u->name) == 0) {
			return !__builtin_mul_overflow(*out, u->factor, out) && *out >= min &&
			       *out <= max;
		}
	}
	return false;
}

/* In the largest unit that divides; 0 in the last of them. */
static void format_unit(uint64_t n, const struct unit *units, char buf[static 32])
{
	const struct unit *u = units;

	while (u->factor != 1 && (n == 0 || n % u->factor != 0)) {
		u++;
	}
	snprintf(buf, 32, "%" PRIu64 "%s", n / u->factor, u->name);
}

static enum fl_err bool_read(const struct fl__config_key *k, const char *text, void *to)
{
	(void)k;
	const bool yes = strcmp(text, "yes") == 0 || strcmp(text, "true") == 0;

	if (!yes && strcmp(text, "no") != 0 && strcmp(text, "false") != 0) {
		return FL_EINVALID;
	}
	*(bool *)to = yes;
	return FL_OK;
}

static void bool_write(const struct fl__config_key *k, const void *from, FILE *out)
{
	(void)k;
	fputs(*(const bool *)from ? "yes" : "no", out);
}

static void bool_describe(const struct fl__config_key *k, char buf[static FL__EXPECTED_MAX])
{
	(void)k;
	strcpy(buf, "yes or no");
}

static void bool_json(const struct fl__config_key *k, FILE *out)
{
	(void)k;
	fputs("\"enum\": [true, false, \"yes\", \"no\"]", out);
}

const struct fl__config_scalar fl__config_bool = { bool_read, bool_write, NULL, bool_describe,
						   bool_json };

/* An enum is stored as its underlying type. */
_Static_assert(sizeof(enum fl_cookie_mode) == sizeof(unsigned), "enums are unsigned");

static enum fl_err word_read(const struct fl__config_key *k, const char *text, void *to)
{
	/* a YAML library may have turned yes into true on the way here */
	text = strcmp(text, "true") == 0 ? "yes" : strcmp(text, "false") == 0 ? "no" : text;
	for (unsigned i = 0; k->words[i] != NULL; i++) {
		if (strcmp(k->words[i], text) == 0) {
			memcpy(to, &i, sizeof(i));
			return FL_OK;
		}
	}
	return FL_EINVALID;
}

static void word_write(const struct fl__config_key *k, const void *from, FILE *out)
{
	unsigned i;
	memcpy(&i, from, sizeof(i));
	fputs(k->words[i], out);
}

static void word_describe(const struct fl__config_key *k, char buf[static FL__EXPECTED_MAX])
{
	size_t len = 0;

	for (unsigned i = 0; k->words[i] != NULL; i++) {
		const char *joint = i == 0 ? "" : k->words[i + 1] != NULL ? ", " : " or ";
		len += (size_t)snprintf(buf + len, FL__EXPECTED_MAX - len, "%s%s", joint,
					k->words[i]);
	}
}

static void word_json(const struct fl__config_key *k, FILE *out)
{
	fputs("\"enum\": [", out);
	for (unsigned i = 0; k->words[i] != NULL; i++) {
		fprintf(out, "%s\"%s\"", i > 0 ? ", " : "", k->words[i]);
	}
	fputs(strcmp(k->words[0], "no") == 0 ? ", true, false]" : "]", out);
}

const struct fl__config_scalar fl__config_word = { word_read, word_write, NULL, word_describe,
						   word_json };

static enum fl_err count_read(const struct fl__config_key *k, const char *text, void *to)
{
	uint64_t n;

	if (!read_plain(text, k->min, k->max, &n)) {
		return FL_EINVALID;
	}
	*(uint32_t *)to = (uint32_t)n;
	return FL_OK;
}

static void count_write(const struct fl__config_key *k, const void *from, FILE *out)
{
	(void)k;
	fprintf(out, "%" PRIu32, *(const uint32_t *)from);
}

static void count_describe(const struct fl__config_key *k, char buf[static FL__EXPECTED_MAX])
{
	snprintf(buf, FL__EXPECTED_MAX, "a number, %" PRIu64 " to %" PRIu64, k->min, k->max);
}

static void count_json(const struct fl__config_key *k, FILE *out)
{
	fprintf(out, "\"type\": \"integer\", \"minimum\": %" PRIu64 ", \"maximum\": %" PRIu64,
		k->min, k->max);
}

const struct fl__config_scalar fl__config_count = { count_read, count_write, NULL,
						    count_describe, count_json };

static enum fl_err auto_count_read(const struct fl__config_key *k, const char *text, void *to)
{
	if (strcmp(text, "auto") == 0) {
		*(uint32_t *)to = 0;
		return FL_OK;
	}
	return count_read(k, text, to);
}

static void auto_count_write(const struct fl__config_key *k, const void *from, FILE *out)
{
	if (*(const uint32_t *)from == 0) {
		fputs("auto", out);
		return;
	}
	count_write(k, from, out);
}

static void auto_count_describe(const struct fl__config_key *k,
				char buf[static FL__EXPECTED_MAX])
{
	snprintf(buf, FL__EXPECTED_MAX, "auto or a number, %" PRIu64 " to %" PRIu64, k->min,
		 k->max);
}

static void auto_count_json(const struct fl__config_key *k, FILE *out)
{
	fprintf(out,
		"\"type\": [\"integer\", \"string\"], \"minimum\": %" PRIu64
		", \"maximum\": %" PRIu64 ", \"pattern\": \"^auto$\"",
		k->min, k->max);
}

const struct fl__config_scalar fl__config_auto_count = { auto_count_read, auto_count_write,
							 NULL, auto_count_describe,
							 auto_count_json };

enum { CPU_MAX = 1023 }; /* of a cpu_set_t */

static enum fl_err cpu_read(const struct fl__config_key *k, const char *text, void *to)
{
	(void)k;
	uint64_t n;

	if (!read_plain(text, 0, CPU_MAX, &n)) {
		return FL_EINVALID;
	}
	*(uint32_t *)to = (uint32_t)n;
	return FL_OK;
}

static void cpu_describe(const struct fl__config_key *k, char buf[static FL__EXPECTED_MAX])
{
	(void)k;
	snprintf(buf, FL__EXPECTED_MAX, "the number of a core, 0 to %d", CPU_MAX);
}

static void cpu_json(const struct fl__config_key *k, FILE *out)
{
	(void)k;
	fprintf(out, "\"type\": \"integer\", \"minimum\": 0, \"maximum\": %d", CPU_MAX);
}

const struct fl__config_scalar fl__config_cpu = { cpu_read, count_write, NULL, cpu_describe,
						  cpu_json };

static enum fl_err size_read(const struct fl__config_key *k, const char *text, void *to)
{
	uint64_t n;

	if (!read_unit(text, size_units, k->min, k->max, &n)) {
		return FL_EINVALID;
	}
	*(uint64_t *)to = n;
	return FL_OK;
}

static void size_write(const struct fl__config_key *k, const void *from, FILE *out)
{
	(void)k;
	char buf[32];
	format_unit(*(const uint64_t *)from, size_units, buf);
	fputs(buf, out);
}

static void size_describe(const struct fl__config_key *k, char buf[static FL__EXPECTED_MAX])
{
	char min[32], max[32];

	format_unit(k->min, size_units, min);
	format_unit(k->max, size_units, max);
	snprintf(buf, FL__EXPECTED_MAX, "a size in B, KiB, MiB, GiB or TiB, %s to %s", min,
		 max);
}

static void size_json(const struct fl__config_key *k, FILE *out)
{
	if (k->min == 0) {
		fputs("\"type\": [\"string\", \"integer\"], \"minimum\": 0, \"maximum\": 0",
		      out);
	} else {
		fputs("\"type\": \"string\"", out);
	}
	fprintf(out, ", \"pattern\": \"^%s[0-9]+(B|[KMGT]iB|[kKMGT]B)$\"",
		k->min == 0 ? "0$|^" : "");
}

const struct fl__config_scalar fl__config_size = { size_read, size_write, NULL, size_describe,
						   size_json };

static enum fl_err seconds_read(const struct fl__config_key *k, const char *text, void *to)
{
	uint64_t n;

	if (!read_unit(text, time_units, k->min, k->max, &n)) {
		return FL_EINVALID;
	}
	*(uint32_t *)to = (uint32_t)n;
	return FL_OK;
}

static void seconds_write(const struct fl__config_key *k, const void *from, FILE *out)
{
	(void)k;
	char buf[32];
	format_unit(*(const uint32_t *)from, time_units, buf);
	fputs(buf, out);
}

static void seconds_describe(const struct fl__config_key *k, char buf[static FL__EXPECTED_MAX])
{
	char min[32], max[32];

	format_unit(k->min, time_units, min);
	format_unit(k->max, time_units, max);
	snprintf(buf, FL__EXPECTED_MAX, "a time in whole s, m, h or d, %s to %s", min, max);
}

static void seconds_json(const struct fl__config_key *k, FILE *out)
{
	if (k->min == 0) {
		fputs("\"type\": [\"string\", \"integer\"], \"minimum\": 0, \"maximum\": 0",
		      out);
	} else {
		fputs("\"type\": \"string\"", out);
	}
	fprintf(out, ", \"pattern\": \"^%s[0-9]+[smhd]$\"", k->min == 0 ? "0$|^" : "");
}

const struct fl__config_scalar fl__config_seconds = { seconds_read, seconds_write, NULL,
						      seconds_describe, seconds_json };

/* A time, 0 for never, or auto (-1): the range is that of a time that is neither. */
static enum fl_err age_read(const struct fl__config_key *k, const char *text, void *to)
{
	uint64_t n = 0;

	if (strcmp(text, "auto") == 0) {
		*(int64_t *)to = -1;
		return FL_OK;
	}
	if (!read_unit(text, time_units, 0, k->max, &n) || (n != 0 && n < k->min)) {
		return FL_EINVALID;
	}
	*(int64_t *)to = (int64_t)n;
	return FL_OK;
}

static void age_write(const struct fl__config_key *k, const void *from, FILE *out)
{
	(void)k;
	char buf[32] = "auto";
	const int64_t n = *(const int64_t *)from;

	if (n >= 0) {
		format_unit((uint64_t)n, time_units, buf);
	}
	fputs(buf, out);
}

static void age_describe(const struct fl__config_key *k, char buf[static FL__EXPECTED_MAX])
{
	char min[32], max[32];

	format_unit(k->min, time_units, min);
	format_unit(k->max, time_units, max);
	snprintf(buf, FL__EXPECTED_MAX, "auto, 0s or a time in whole s, m, h or d, %s to %s",
		 min, max);
}

static void age_json(const struct fl__config_key *k, FILE *out)
{
	(void)k;
	fputs("\"type\": [\"string\", \"integer\"], \"minimum\": 0, \"maximum\": 0, "
	      "\"pattern\": \"^(auto|0|[0-9]+[smhd])$\"",
	      out);
}

const struct fl__config_scalar fl__config_age = { age_read, age_write, NULL, age_describe,
						  age_json };

/* RFC 3339 with the zone Z only, so that a date is the same wherever it is read. */
static enum fl_err instant_read(const struct fl__config_key *k, const char *text, void *to)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:ddZ";
	(void)k;
	struct tm tm = { 0 }, again;

	if (strlen(text) != sizeof(shape) - 1) {
		return FL_EINVALID;
	}
	for (size_t i = 0; shape[i] != '\0'; i++) {
		const bool digit = text[i] >= '0' && text[i] <= '9';
		if (shape[i] == 'd' ? !digit : text[i] != shape[i]) {
			return FL_EINVALID;
		}
	}
	if (strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm) == NULL) {
		return FL_EINVALID;
	}
	again = tm;
	const int64_t at = timegm(&again);
	/* timegm() carries 31 February over; 0 is "none was given" */
	if (again.tm_mday != tm.tm_mday || again.tm_sec != tm.tm_sec || at <= 0) {
		return FL_EINVALID;
	}
	*(int64_t *)to = at;
	return FL_OK;
}

static void instant_write(const struct fl__config_key *k, const void *from, FILE *out)
{
	(void)k;
	char buf[32];
	struct tm tm;
	const time_t at = *(const int64_t *)from;

	if (gmtime_r(&at, &tm) != NULL &&
	    strftime(buf, sizeof(buf), "%Y-%m-%dT%H:%M:%SZ", &tm) > 0) {
		fputs(buf, out);
	}
}

static void instant_describe(const struct fl__config_key *k, char buf[static FL__EXPECTED_MAX])
{
	(void)k;
	strcpy(buf, "a date and time in UTC such as 2026-12-01T00:00:00Z");
}

static void instant_json(const struct fl__config_key *k, FILE *out)
{
	(void)k;
	fputs("\"type\": \"string\", \"format\": \"date-time\", \"pattern\": \"Z$\"", out);
}

const struct fl__config_scalar fl__config_instant = { instant_read, instant_write, NULL,
						      instant_describe, instant_json };
