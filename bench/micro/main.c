/* fairlead-micro: what a cached answer costs, part by part and as a whole. */
#include "micro.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum { REPEATS = 9, GATE_NAMES = 1000, NAMES_MAX = 1000000 };
#ifdef __clang__
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif
#define HITS_MAX UINT64_C(1000000000)

struct args {
	uint64_t hits; /* 0: the table */
	enum from from;
	bool dnssec_ok, version;
	unsigned names; /* 0: both sizes */
	unsigned repeats;
};

static const char usage[] =
	"usage: fairlead-micro [--names N] [--repeats N] [--do]\n"
	"       fairlead-micro --hits N --from ready|cache [--names N] [--do]\n"
	"       fairlead-micro --version\n"
	"\n"
	"The first prints nanoseconds of each part of a cached answer, and of the front's\n"
	"whole way: median (least-most). The second lets a front answer N questions, rounded\n"
	"up to whole turns of its loop, from its ready answers or from LMDB; it is what\n"
	"callgrind counts, and it fails where one of them allocates, locks, writes or logs.\n";

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

void spread_print(FILE *out, const char *what, unsigned names, double *ns, unsigned n)
{
	qsort(ns, n, sizeof(*ns), compare);
	fprintf(out, "%-28s %8u  %8.1f (%.1f-%.1f)\n", what, names, ns[n / 2], ns[0],
		ns[n - 1]);
	fflush(out);
}

static bool number(const char *text, uint64_t max, uint64_t *out)
{
	char *end;
	const unsigned long long v = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || v == 0 || v > max) {
		fprintf(stderr, "fairlead-micro: '%s' is no number of 1 to %llu\n", text,
			(unsigned long long)max);
		return false;
	}
	*out = v;
	return true;
}

static bool source(const char *text, enum from *out)
{
	*out = strcmp(text, "cache") == 0 ? FROM_CACHE : FROM_READY;
	return *out == FROM_CACHE || strcmp(text, "ready") == 0;
}

static bool read_args(int argc, char **argv, struct args *a)
{
	static const struct option options[] = {
		{ "hits", required_argument, NULL, 'h' },
		{ "from", required_argument, NULL, 'f' },
		{ "names", required_argument, NULL, 'n' },
		{ "repeats", required_argument, NULL, 'r' },
		{ "do", no_argument, NULL, 'd' },
		{ "version", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	uint64_t names = 0, repeats = REPEATS;
	bool ok = true;
	int c;
	while (ok && (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'h':
			ok = number(optarg, HITS_MAX, &a->hits);
			break;
		case 'f':
			ok = source(optarg, &a->from);
			break;
		case 'n':
			ok = number(optarg, NAMES_MAX, &names);
			break;
		case 'r':
			ok = number(optarg, MICRO_REPEATS_MAX, &repeats);
			break;
		case 'd':
			a->dnssec_ok = true;
			break;
		case 'v':
			a->version = true;
			break;
		default:
			ok = false;
			break;
		}
	}
	a->names = (unsigned)names;
	a->repeats = (unsigned)repeats;
	return ok && optind == argc;
}

static uint64_t whole_turns(uint64_t questions)
{
	return (questions + MICRO_TURN - 1) / MICRO_TURN * MICRO_TURN;
}

static bool is_quiet(const struct quiet *q)
{
	return q->allocations + q->frees + q->locks + q->writes + q->lines == 0;
}

static bool hits(const struct args *a)
{
	struct world w;
	if (!world_make(&w, a->names > 0 ? a->names : GATE_NAMES, a->dnssec_ok)) {
		return false;
	}
	struct whole h = {
		.w = &w, .from = a->from, .questions = whole_turns(a->hits), .repeats = 1
	};
	const bool ok = whole_measure(&h);
	world_end(&w);
	if (ok && quiet_counts()) {
		const struct quiet *q = &h.quiet;
		printf("%llu answers: %llu allocations, %llu frees, %llu locks, %llu writes, "
		       "%llu log calls\n",
		       (unsigned long long)h.questions, (unsigned long long)q->allocations,
		       (unsigned long long)q->frees, (unsigned long long)q->locks,
		       (unsigned long long)q->writes, (unsigned long long)q->lines);
	} else if (ok) {
		printf("%llu answers; a sanitizer has the calls that would be counted\n",
		       (unsigned long long)h.questions);
	}
	return ok && is_quiet(&h.quiet);
}

static bool table_of(const struct args *a, unsigned names)
{
	struct world w;
	if (!world_make(&w, names, a->dnssec_ok)) {
		return false;
	}
	bool ok = blocks_measure(&w, a->repeats, stdout);
	for (int from = FROM_READY; ok && from <= FROM_CACHE; from++) {
		struct whole h = { .w = &w,
				   .from = (enum from)from,
				   .questions = whole_turns(names > 100000 ? names : 100000),
				   .repeats = a->repeats };
		ok = whole_measure(&h);
		if (ok) {
			spread_print(stdout,
				     from == FROM_READY ? "front, from ready"
							: "front, from LMDB",
				     names, h.ns, a->repeats);
		}
	}
	world_end(&w);
	return ok;
}

int main(int argc, char **argv)
{
	struct args a = { 0 };
	if (!read_args(argc, argv, &a)) {
		fputs(usage, stderr);
		return 2;
	}
	if (a.version) {
		printf("fairlead-micro " FL_VERSION " " COMPILER " " FL_MICRO_BUILD "\n");
		return 0;
	}
	if (a.hits > 0) {
		return hits(&a) ? 0 : 1;
	}
	printf("%-28s %8s  %8s\n", "ns of", "names", "median (least-most)");
	if (a.names > 0) {
		return table_of(&a, a.names) ? 0 : 1;
	}
	return table_of(&a, 1000) && table_of(&a, 200000) ? 0 : 1;
}
