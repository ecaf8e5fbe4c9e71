/**
 * @file
 * Jobs in flight, who waits for each, and how many a zone has.
 *
 * A job is a question (lower-case name and type; the class is IN) that
 * libunbound works on, or has answered in this turn of the loop. It belongs to
 * the table until it is delivered, whoever asked, and however long ago.
 */
#ifndef FL_RESOLVE_JOBS_H
#define FL_RESOLVE_JOBS_H

#include "fairlead/base/list.h"
#include "fairlead/base/siphash.h"
#include "fairlead/resolve/engine.h"
#include "reasons.h"

struct fl__context;
struct fl__zone;

struct fl__waiter {
	struct fl__waiter *next;
	fl_engine_answer_fn answer;
	void *arg;
	uint64_t ticket;
};

struct fl__job {
	struct fl_list
		at; /* in its context, or in the engine's list of finished or lost jobs */
	struct fl__job *next_in_bucket;
	struct fl_engine *engine;
	struct fl__context *context; /* NULL once finished */
	struct fl__waiter *waiters, **last_waiter;
	struct fl__zone *zone;
	uint64_t hash;
	uint64_t asked_ns; /* when the first one asked */
	unsigned attempts;
	uint16_t type;
	bool finished;
	enum fl_verdict verdict;
	enum fl_reason reason;
	uint16_t ede;
	struct fl__reason_text text;
	uint8_t *packet;
	size_t packet_len;
	size_t name_len;
	uint8_t name[]; /* lower case */
};

struct fl__jobs {
	struct fl_sipkey key;
	struct fl__job **bucket;
	struct fl__zone **zone_bucket;
	size_t mask;
	unsigned n, max, max_zone;
};

/** @p max jobs in all, @p max_zone below one zone part. */
enum fl_err fl__jobs_init(struct fl__jobs *jobs, unsigned max, unsigned max_zone) FL_MUST_USE;
void fl__jobs_fini(struct fl__jobs *jobs); /* no job may be left */

/** The job for the question, or NULL. @p name is lower case. */
struct fl__job *fl__jobs_find(struct fl__jobs *jobs, const uint8_t *name, uint16_t type);

/**
 * A new job without waiters.
 * @retval FL_EBUSY  at a limit; @p why says which
 */
enum fl_err fl__jobs_add(struct fl__jobs *jobs, const uint8_t *name, uint16_t type,
			 struct fl__job **out, enum fl_reason *why) FL_MUST_USE;

/** Waiters are answered in the order they came. */
enum fl_err fl__job_wait(struct fl__job *job, fl_engine_answer_fn answer, void *arg,
			 uint64_t ticket) FL_MUST_USE;

/** Out of the table and its zone: the next same question is a new job. Once a job. */
void fl__jobs_take(struct fl__jobs *jobs, struct fl__job *job);

/** Frees a taken job with its waiters. */
void fl__job_free(struct fl__job *job);

#endif
