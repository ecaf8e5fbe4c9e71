/**
 * @file
 * What the files of the engine share: its struct, and libunbound's callback.
 */
#ifndef FL_RESOLVE_ENGINE_PRIVATE_H
#define FL_RESOLVE_ENGINE_PRIVATE_H

#include "context.h"
#include "events.h"
#include "fairlead/base/log.h"
#include "fairlead/resolve/engine.h"
#include "jobs.h"
#include "recall.h"

struct fl__context {
	struct fl_list at; /* in the engine's list of draining contexts */
	struct fl_list jobs;
	struct ub_ctx *ub;
	uint64_t made_ns;
	uint64_t drain_until_ns; /* 0: current */
	int64_t clock_offset_s;  /* wall clock minus boot clock when it was made */
	bool asked;
	bool deleting; /* libunbound calls back for all that it still has */
};

enum { FL__LOG_LINE_MAX = 1024 };

struct fl_engine {
	struct fl__events events;
	uv_idle_t idle; /* runs while answers wait that came inside of fl_engine_ask() */
	uv_timer_t tick;
	unsigned open_handles;
	struct fl__plan plan;
	struct fl__context *current;
	struct fl_list draining, finished, lost;
	struct fl__jobs jobs;
	struct fl__recall *recall;
	uint64_t context_age_ns;
	uint64_t renew_after_ns; /* no earlier, after a failed renewal */
	struct fl_counters *counters, own_counters;
	FILE *log;
	char line[FL__LOG_LINE_MAX]; /* being written by libunbound */
	size_t line_len;
	char reason[FL__LOG_LINE_MAX]; /* the last line that tells why a question failed */
	struct fl_log_gate log_gate, renew_gate;
	bool closing;
};

/** A line for libunbound's log; never NULL on success. */
FILE *fl__engine_log_open(struct fl_engine *e);

/** libunbound's callback, with the job: copies, classifies, queues. */
void fl__engine_on_result(void *job, int rcode, void *packet, int len, int sec, char *why_bogus,
			  int was_ratelimited);

/** No result will come: @p reason, with @p text where libunbound gave one. */
void fl__engine_finish_failed(struct fl__job *job, enum fl_reason reason, const char *text);

/** Call back for all that is finished. Not inside of libunbound, nor of fl_engine_ask(). */
void fl__engine_deliver(struct fl_engine *e);

/* contexts, in renew.c */
enum fl_err fl__engine_renew(struct fl_engine *e, const char *cause) FL_MUST_USE;
void fl__engine_ask_context(struct fl__job *job);
void fl__engine_drain(struct fl_engine *e, uint64_t now_ns); /* delete what is empty or late */
void fl__engine_delete_all(struct fl_engine *e);
void fl__engine_on_tick(uv_timer_t *tick);

#endif
