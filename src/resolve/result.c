/* From libunbound's callback to an answer: copying, classifying, delivering. */
#include "engine.h"
#include "fairlead/base/clock.h"
#include "fairlead/wire/name.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- libunbound's log ---- */

/* Failures tell their reason here, one line right before the callback. The rest
 * is about the process; names that were asked for only show at debug level. */
static void take_line(struct fl_engine *e)
{
	e->line[e->line_len] = '\0';
	if (e->line_len > 0 && fl__reason_is_line(e->line)) {
		memcpy(e->reason, e->line, e->line_len + 1);
	} else if (strstr(e->line, " error: ") != NULL ||
		   strstr(e->line, " warning: ") != NULL) {
		struct fl__reason_text text;
		fl__reason_clean(e->line, &text);
		fl_log_gated(&e->log_gate, 60, FL_LOG_WARNING, "libunbound: %.*s", text.len,
			     text.text);
	}
	if (e->line_len > 0 && fl_log_enabled(FL_LOG_DEBUG)) {
		struct fl__reason_text text;
		fl__reason_clean(e->line, &text);
		fl_log(FL_LOG_DEBUG, "libunbound: %.*s", text.len, text.text);
	}
	e->line_len = 0;
}

static ssize_t on_log(void *cookie, const char *data, size_t len)
{
	struct fl_engine *e = cookie;
	for (size_t i = 0; i < len; i++) {
		if (data[i] == '\n') {
			take_line(e);
		} else if (e->line_len < sizeof(e->line) - 1) {
			e->line[e->line_len++] = data[i];
		}
	}
	return (ssize_t)len;
}

FILE *fl__engine_log_open(struct fl_engine *e)
{
	FILE *f = fopencookie(e, "w", (cookie_io_functions_t){ .write = on_log });
	if (f != NULL) {
		setvbuf(f, NULL, _IONBF, 0);
	}
	return f;
}

/* The captured line when it is about @p job, else "". Names with escapes are
 * spelt otherwise in the log: they are taken on trust. */
static const char *line_for(const struct fl_engine *e, const struct fl__job *job)
{
	char name[FL_NAME_TEXT_MAX];
	fl_name_to_text(job->name, name);
	const char *question = strchr(e->reason, '<');
	if (question == NULL) {
		return "";
	}
	size_t len = strlen(name);
	if (strchr(name, '\\') == NULL &&
	    (strncasecmp(question + 1, name, len) != 0 || question[1 + len] != ' ')) {
		return "";
	}
	return e->reason;
}

/* ---- classifying ---- */

static void finish(struct fl__job *job)
{
	struct fl_engine *e = job->engine;
	job->finished = true;
	job->context = NULL;
	fl_list_remove(&job->at);
	fl_list_append(&e->finished, &job->at);
}

static void set_reason(struct fl__job *job, enum fl_verdict verdict, enum fl_reason reason)
{
	job->verdict = verdict;
	job->reason = reason;
	job->ede = fl_reason_ede(reason);
}

void fl__engine_finish_failed(struct fl__job *job, enum fl_reason reason, const char *text)
{
	set_reason(job, FL_VERDICT_FAILED, reason);
	fl__reason_clean(text, &job->text);
	finish(job);
}

/* A failure that libunbound only remembers is told by the reason it first had. */
static void finish_by_log(struct fl__job *job, bool cached)
{
	struct fl_engine *e = job->engine;
	const char *line = line_for(e, job);
	enum fl_reason reason = fl__reason_of_failure(line);
	uint64_t now = fl_clock_boot_ns();
	if (cached && reason == FL_REASON_FAILED) {
		reason = FL_REASON_CACHED_ERROR;
	}
	fl__engine_finish_failed(job, reason, line);
	if (reason != FL_REASON_CACHED_ERROR) {
		fl__recall_put(e->recall, job->hash, now, reason, &job->text);
		return;
	}
	const struct fl__recall_slot *first = fl__recall_peek(e->recall, job->hash, now);
	if (first != NULL) {
		set_reason(job, FL_VERDICT_FAILED, first->reason);
		job->text = first->text;
	}
}

/* The packet is in a buffer that libunbound uses again: copied before all else.
 * A packet that is not about the question is no packet. */
static bool copy_packet(struct fl__job *job, const uint8_t *packet, int len)
{
	size_t n = len > 0 ? (size_t)len : 0;
	size_t question = FL_HEADER_SIZE + job->name_len + 4;
	if (packet == NULL || n < question || n > FL_MESSAGE_MAX || packet[4] != 0 ||
	    packet[5] != 1) {
		return false;
	}
	uint8_t name[FL_NAME_MAX];
	fl_name_lower(name, packet + FL_HEADER_SIZE, job->name_len);
	const uint8_t *type = packet + FL_HEADER_SIZE + job->name_len;
	if (memcmp(name, job->name, job->name_len) != 0 ||
	    (type[0] << 8 | type[1]) != job->type) {
		return false;
	}
	job->packet = malloc(n);
	if (job->packet == NULL) {
		return false;
	}
	memcpy(job->packet, packet, n);
	job->packet_len = n;
	return true;
}

static void finish_bogus(struct fl__job *job, const char *why)
{
	enum fl_reason reason = fl__reason_of_bogus(why);
	set_reason(job, FL_VERDICT_BOGUS, reason);
	if (reason ==
	    FL_REASON_ALGORITHM) { /* the code is right, its RCODE is an insecure answer's */
		job->reason = FL_REASON_BOGUS;
	}
	fl__reason_clean(why != NULL ? why : "", &job->text);
	finish(job);
}

static void finish_answered(struct fl__job *job, int sec, const char *why_bogus)
{
	bool bogus =
		sec == 1 || why_bogus != NULL; /* sentinel failures: sec 0, with a reason */
	bool servfail = (job->packet[3] & FL_FLAG_RCODE) == FL_RCODE_SERVFAIL;
	if (bogus) {
		finish_bogus(job, why_bogus);
	} else if (servfail) {
		free(job->packet);
		job->packet = NULL;
		job->packet_len = 0;
		finish_by_log(job, true);
	} else {
		set_reason(job, sec == 2 ? FL_VERDICT_SECURE : FL_VERDICT_INSECURE,
			   FL_REASON_NONE);
		fl__recall_drop(job->engine->recall, job->hash);
		finish(job);
	}
}

void fl__engine_on_result(void *arg, int rcode, void *packet, int len, int sec, char *why_bogus,
			  int was_ratelimited)
{
	struct fl__job *job = arg;
	struct fl_engine *e = job->engine;
	if (job->context->deleting) { /* nobody's fault: asked again when the context is gone */
		fl_list_remove(&job->at);
		fl_list_append(&e->lost, &job->at);
	} else if (was_ratelimited) {
		fl__engine_finish_failed(job, FL_REASON_RATE_UPSTREAM, "");
	} else if (rcode != 0) {
		finish_by_log(job, false);
	} else if (!copy_packet(job, packet, len)) {
		fl__engine_finish_failed(job, FL_REASON_FAILED,
					 "libunbound gave no usable packet");
	} else {
		finish_answered(job, sec, why_bogus);
	}
	e->reason[0] = '\0';
}

/* ---- delivering ---- */

static void count(struct fl_counters *c, enum fl_verdict verdict)
{
	switch (verdict) {
	case FL_VERDICT_SECURE:
		FL_COUNT_ADD(c, resolved_secure, 1);
		break;
	case FL_VERDICT_INSECURE:
		FL_COUNT_ADD(c, resolved_insecure, 1);
		break;
	case FL_VERDICT_BOGUS:
		FL_COUNT_ADD(c, resolved_bogus, 1);
		break;
	case FL_VERDICT_FAILED:
	case FL_VERDICT_COUNT:
		FL_COUNT_ADD(c, resolved_failed, 1);
		break;
	}
}

static void deliver(struct fl_engine *e, struct fl__job *job)
{
	fl__jobs_take(&e->jobs, job); /* first: a waiter may ask the same again */
	__atomic_store_n(&e->counters->in_flight, e->jobs.n, __ATOMIC_RELAXED);
	count(e->counters, job->verdict);
	const struct fl_engine_answer a = { .verdict = job->verdict,
					    .reason = job->reason,
					    .ede = job->ede,
					    .text = job->text.text,
					    .text_len = job->text.len,
					    .packet = job->packet,
					    .packet_len = job->packet_len,
					    .asked_ns = job->asked_ns };
	for (const struct fl__waiter *w = job->waiters; w != NULL; w = w->next) {
		w->answer(w->arg, w->ticket, &a);
	}
	fl__job_free(job);
}

void fl__engine_deliver(struct fl_engine *e)
{
	/* no more than are here now: what a waiter asks may be answered at once, for ever */
	struct fl_list turn;
	fl_list_init(&turn);
	while (!fl_list_empty(&e->finished)) {
		struct fl_list *at = e->finished.next;
		fl_list_remove(at);
		fl_list_append(&turn, at);
	}
	while (!fl_list_empty(&turn)) {
		struct fl_list *at = turn.next;
		fl_list_remove(at);
		deliver(e, FL_CONTAINER(at, struct fl__job, at));
	}
}
