/**
 * @file
 * What is done beside a load: starting a server again, and misses meanwhile.
 */
#ifndef FAIRLEAD_BENCH_TRIAL_H
#define FAIRLEAD_BENCH_TRIAL_H

#include "run.h"

enum { TRIAL_RESTART_S = 4 }; /* rough */

void found_add(struct outcome *o, enum figure figure, double value);

/** Start Fairlead again; figures: the time to its first answer, and the hits among the
 * same load from half a second after that on. False after a report. */
bool trial_restart(struct load_plan *plan, struct server *s, struct outcome *o);

/** Another process that asks for names which no cache holds. */
struct flood {
	pid_t pid;
};

/** @p hits: what is asked for beside it. False after a report. */
bool flood_start(struct flood *f, const struct bench *b, const struct load_plan *hits);
/** False when it had ended before, so that nothing was saturated. */
bool flood_end(struct flood *f);

#endif
