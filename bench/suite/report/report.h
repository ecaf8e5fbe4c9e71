/**
 * @file
 * What was measured, for people and for programs. Each writer reads the same
 * outcomes; another format is another file beside these.
 */
#ifndef FAIRLEAD_BENCH_REPORT_H
#define FAIRLEAD_BENCH_REPORT_H

#include "run.h"

#include <jansson.h>
#include <stdio.h>

enum { REPORT_FORMAT = 1 }; /* of the JSON; changes when a reader must */

struct report {
	const char *profile;
	const struct bench *bench;
	const struct server *servers;
	const struct case_outcome *cases;
	size_t case_count;
};

/** The CPU of the best server that validates, Fairlead and liars left out; 0: none.
 * @p who, where not NULL, is told its name. */
double best_peer_cpu_us(const struct case_outcome *c, const char **who);
/** The CPU of the server of this name; 0: it has no figure. */
double cpu_us_of(const struct case_outcome *c, const char *name);

/** What the comparison with an earlier report came to. */
enum regression {
	REGRESSION_NONE,
	REGRESSION_FOUND,
	REGRESSION_UNREADABLE, /* or of another format, or with nothing in common */
};

/** Fairlead's CPU an answer, case by case, against that of the report in @p path; more
 * than @p tolerance percent above it is a regression. Where both have the null server,
 * its multiple is what is compared: that moves less with the machine. Says a line a case. */
enum regression report_compare(const struct report *r, const char *path, unsigned tolerance,
			       FILE *out);

/** What load a machine like this one carries, with what was measured and what is only
 * modelled told apart. False: the cases that it is told from have no figures. */
bool report_size(const struct report *r, FILE *out);
/** CPU of an answer where a share of them, 0 to 1, are hits. */
double size_model_us(double hit_us, double miss_us, double hit_share);

/** Whether it is a report of this format, told before a long run; false after a report. */
bool report_readable(const char *path);

/** A bar, what stands against it, and whether it is met. */
struct barred {
	bool known;   /* there are figures */
	double value; /* a multiple of the other's, or the figure itself */
	double least; /* of the runs, pair by pair */
	double most;
	bool met;
};

struct barred bar_judge(const struct case_outcome *c, const struct bar *bar);
/** The bars that cases have, beside the figures; nothing where there are none. */
void report_bars(const struct report *r, FILE *out);
/** The same of one case; the caller's to free. */
json_t *bars_json(const struct case_outcome *c);

/** The terminal's table. */
void report_table(const struct report *r, FILE *out);
/** All of it; the caller's to free with json_decref(). NULL: out of memory. */
json_t *report_json(const struct report *r);
/** One line a run. */
void report_csv(const struct report *r, FILE *out);
/** One page that needs nothing beside it, drawn from what report_json() gave. */
bool report_html(const json_t *root, FILE *out);
/** report.html, report.json, runs.csv, table.txt and each server's configuration, below a
 * folder. */
bool report_write(const struct report *r, const char *folder);

#endif
