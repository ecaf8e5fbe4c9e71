/* Properties over many made texts: the round trip, and that nothing breaks the reader. */
#include "given.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#ifdef FL_SANITIZED
enum { ROUNDS = 300, MUTATIONS = 3000 };
#else
enum { ROUNDS = 2000, MUTATIONS = 10000 };
#endif

/* xorshift64: the same texts in every run */
static uint64_t state = UINT64_C(0x9e3779b97f4a7c15);

static uint32_t below(uint32_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)((state >> 32) % n);
}

static const char *one_of(const char *const *words, size_t n)
{
	return words[below((uint32_t)n)];
}
#define ONE_OF(...)                                  \
	one_of((const char *const[]){ __VA_ARGS__ }, \
	       FL_COUNT(((const char *const[]){ __VA_ARGS__ })))

static void put_addresses(FILE *f, const char *indent, unsigned net)
{
	const uint32_t n = 1 + below(5);
	putc('[', f);
	for (uint32_t i = 0; i < n; i++) {
		fprintf(f, "%s%s", i > 0 ? ", " : "", indent);
		if (below(2) == 0) {
			fprintf(f, "198.18.%u.%" PRIu32, net, i);
		} else {
			fprintf(f, "\"2001:db8:%x::%" PRIx32 "\"", net, i);
		}
	}
	putc(']', f);
}

static void put_zones(FILE *f, const char *key, char kind)
{
	const uint32_t n = below(4);
	fprintf(f, "  %s:%s\n", key, n == 0 ? " []" : "");
	for (uint32_t i = 0; i < n; i++) {
		fprintf(f, "    - name: %c%" PRIu32 "%s\n      servers: ", kind, i,
			ONE_OF("", ".", ".example", ".in-addr.arpa."));
		put_addresses(f, "", 10 + i);
		putc('\n', f);
	}
}

static void put_ntas(FILE *f)
{
	const uint32_t n = below(4);
	fputs("  negative-trust-anchors: [", f);
	for (uint32_t i = 0; i < n; i++) {
		fputs(i > 0 ? ", " : "", f);
		switch (below(3)) {
		case 0:
			fprintf(f, "n%" PRIu32 ".test", i);
			break;
		case 1:
			fprintf(f, "{name: n%" PRIu32 ", reason: 'it''s \"so\" \\ # [x]: y'}",
				i);
			break;
		default:
			fprintf(f, "{name: n%" PRIu32 ", until: 20%02u-02-28T23:59:59Z}", i,
				10 + below(80));
		}
	}
	fputs("]\n", f);
}

static void put_resolver(FILE *f)
{
	fputs("resolver:\n", f);
	put_ntas(f);
	put_zones(f, "stub-zones", 's');
	put_zones(f, "forward-zones", 'f');
	fprintf(f, "  root-hints: %s\n", ONE_OF("built-in", "/etc/hints", "'/a b/#c: d'"));
	fprintf(f, "  trust-anchors: [%s]\n",
		ONE_OF("", "/a", "/a, '/b c, d'", "\"/\xc3\xa9\""));
	fprintf(f, "  ipv6: %s\n  qname-minimisation: %s\n  query-loopback: %s\n",
		ONE_OF("yes", "no", "auto", "true"), ONE_OF("off", "relaxed", "strict"),
		ONE_OF("yes", "no", "true", "false"));
	fprintf(f, "  context-age: %s\n  local-root: %s\n",
		ONE_OF("auto", "0", "0s", "90s", "1h", "7d"), ONE_OF("yes", "no"));
	fprintf(f, "  libunbound: {%s}\n",
		ONE_OF("", "verbosity: 1", "a: [x, y, 'z w'], b: 1", "harden-glue: \"yes\"",
		       "private-address: [10.0.0.0/8]"));
	fputs("  source-addresses: ", f);
	put_addresses(f, "", 99);
	putc('\n', f);
}

static void put_cache(FILE *f)
{
	static const char *const units[] = { "B", "KiB", "KB", "MiB", "MB", "GiB", "GB" };
	fprintf(f, "cache:\n  size: %" PRIu32 "%s\n  front-size: %" PRIu32 "%s\n",
		16 + below(900), units[3 + below(4)], below(60),
		one_of(units, FL_COUNT(units)));
	fprintf(f, "  min-ttl: %" PRIu32 "s\n  max-ttl: %" PRIu32 "%s\n", below(60),
		1 + below(24), ONE_OF("m", "h"));
	fprintf(f, "  negative-ttl: %" PRIu32 "m\n  stale: %" PRIu32 "d\n  prefetch: %s\n",
		below(100), below(8), ONE_OF("yes", "no"));
}

static char *made_text(void)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	cr_assert_not_null(f);
	fprintf(f, "state: /s%" PRIu32 "\nidentity: %s\nlisten: ", below(1000),
		ONE_OF("none", "a", "'a\"b\\\\c'", "\"\xe5\x90\x8d\xf0\x9f\x90\x9f\"",
		       "'#: {}'", "~a"));
	put_addresses(f, "", 1);
	fprintf(f, "\naccess: {allow: [%s], deny: [%s]}\n",
		ONE_OF("", "10.0.0.0/8", "10.0.0.0/8, \"::1\""),
		ONE_OF("", "0.0.0.0/0", "10.1.2.3"));
	fprintf(f, "open-resolver: %s\ncookies: %s\n", ONE_OF("yes", "no"),
		ONE_OF("offered", "required"));
	fprintf(f, "limits: {resolver: %" PRIu32 ", zone: %" PRIu32 ", client: %" PRIu32 "}\n",
		300 + below(9999), 1 + below(300), 1 + below(65535));
	fprintf(f, "rate-limit: {per-client: %" PRIu32 ", errors: %" PRIu32 "}\n",
		1 + below(9999), below(9999));
	put_cache(f);
	fprintf(f, "fronts: %s\nresolvers: %s\n",
		ONE_OF("auto", "1", "64", "{count: 2}", "{cpus: [3, 1]}",
		       "{count: 1, cpus: [1023]}"),
		ONE_OF("auto", "1", "32"));
	put_resolver(f);
	fprintf(f, "http: {listen: %s}\ncontrol: {socket: /c%" PRIu32 "}\n",
		ONE_OF("[]", "[\"::1\"]", "[127.0.0.1@80]"), below(100));
	fprintf(f, "log: {level: %s, format: %s}\n",
		ONE_OF("error", "warning", "notice", "info", "debug"), ONE_OF("text", "json"));
	fclose(f);
	return text;
}

/* Equal texts are equal snapshots: the text has every field, which `values` shows. */
Test(config_property, what_is_dumped_reads_back)
{
	for (int i = 0; i < ROUNDS; i++) {
		char *text = made_text();
		struct given first = given_text(text);
		cr_assert_eq(first.err, FL_OK, "%sof\n%s", first.problems, text);
		char *dump = given_dump(first.config);
		struct given second = given_text(dump);
		cr_assert_eq(second.err, FL_OK, "%sof\n%s", second.problems, dump);
		char *again = given_dump(second.config);
		cr_assert_str_eq(dump, again);
		cr_assert_eq(first.config->resolver.n_nta, second.config->resolver.n_nta);
		cr_assert_eq(first.config->resolver.n_libunbound,
			     second.config->resolver.n_libunbound);
		cr_assert_eq(first.config->fronts, second.config->fronts);
		cr_assert_eq(first.config->rate_limit.per_client,
			     second.config->rate_limit.per_client);
		free(again);
		free(dump);
		free(text);
		given_free(&first);
		given_free(&second);
	}
}

/* One change of octets, of the kinds that tear a text apart. */
static size_t mutate(char *text, size_t len, size_t room)
{
	static const char special[] = "\n :{}[],\"'#&*!|>%@`-?\\\t\r~0 ";
	const size_t at = below((uint32_t)len);
	size_t n = below(12);
	switch (below(5)) {
	case 0:
		text[at] = (char)below(256);
		return len;
	case 1:
		text[at] = special[below(sizeof(special) - 1)];
		return len;
	case 2: /* cut out */
		n = n < len - at ? n : len - at - 1;
		memmove(text + at, text + at + n, len - at - n);
		return len - n;
	case 3: /* say twice */
		n = n < len - at ? n : len - at;
		if (len + n > room) {
			return len;
		}
		memmove(text + at + n, text + at, len - at);
		return len + n;
	default: /* end early, seldom */
		return below(20) == 0 ? at + 1 : len;
	}
}

Test(config_property, no_octets_break_the_reader)
{
	char *text = made_text();
	const size_t len = strlen(text), room = len * 2;
	char *mutant = malloc(room);
	size_t taken = 0;
	cr_assert_not_null(mutant);
	for (int i = 0; i < MUTATIONS; i++) {
		size_t n = len;
		memcpy(mutant, text, len);
		for (uint32_t m = 1 + below(4); m > 0; m--) {
			n = mutate(mutant, n, room);
		}
		struct given g = given_octets(mutant, n);
		/* refused with a reason, or taken without one */
		cr_assert_eq(g.err == FL_OK, g.problems[0] == '\0', "%s", g.problems);
		cr_assert_eq(g.err == FL_OK, g.config != NULL);
		if (g.config != NULL) {
			char *dump = given_dump(g.config);
			struct given again = given_text(dump);
			cr_assert_eq(again.err, FL_OK, "%sof\n%s", again.problems, dump);
			free(dump);
			given_free(&again);
			taken++;
		}
		given_free(&g);
	}
	cr_expect_gt(taken, (size_t)MUTATIONS / 50, "only %zu were read to the end", taken);
	free(mutant);
	free(text);
}
