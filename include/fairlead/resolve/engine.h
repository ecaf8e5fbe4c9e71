/**
 * @file
 * The engine: libunbound's recursion and validation on one libuv loop.
 *
 * One process has one engine. It owns a libunbound context (two while an old one
 * drains), the table of jobs in flight, and the bounds on them; identical
 * questions share a job. It is always asked with CD=0 and DO=1, so there is one
 * answer to a question, with its verdict. Everything runs on the loop's thread.
 *
 * Contexts are replaced whole (libunbound's configuration is frozen once used):
 * by age, on fl_engine_renew(), and after a clock step over 60 s. The old one
 * answers what it was asked, then goes. A job outlives whoever asked.
 */
#ifndef FAIRLEAD_RESOLVE_ENGINE_H
#define FAIRLEAD_RESOLVE_ENGINE_H

#include "fairlead/base/addr.h"
#include "fairlead/base/counters.h"
#include "fairlead/wire/verdict.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fl_engine;
struct uv_loop_s;

struct fl_engine_zone { /* stub or forward */
	const char *name;
	const struct fl_addr *servers;
	size_t n_servers;
};

struct fl_engine_option { /* raw libunbound option, already screened */
	const char *name, *value;
};

struct fl_engine_options {
	struct uv_loop_s *loop;
	const char *root_hints_text;    /* zone-file text; NULL: built in */
	const char *trust_anchors_text; /* DS or DNSKEY lines; NULL: built in (20326, 38696) */
	const char *const *insecure;    /* names under a negative trust anchor */
	size_t n_insecure;
	const struct fl_engine_zone *stub, *forward;
	size_t n_stub, n_forward;
	const struct fl_engine_option *raw;
	size_t n_raw;
	const struct fl_addr *sources; /* outgoing addresses; none: the kernel's choice */
	size_t n_sources;
	const struct fl_addr *own; /* our listen addresses: never asked */
	size_t n_own;
	bool ipv4, ipv6;
	bool (*have_ipv6)(void); /* asked for each later context; NULL: ipv6 stands */
	bool qname_minimisation, qname_minimisation_strict;
	bool query_loopback;
	uint64_t context_age_s; /* 0: never */
	uint32_t max_jobs;      /* limits.resolver */
	uint32_t max_zone_jobs; /* limits.zone */
	uint32_t max_ttl_s, negative_ttl_s;
	struct fl_counters *counters;
};

/** What came of a job; borrowed, valid during the callback. */
struct fl_engine_answer {
	enum fl_verdict verdict;
	enum fl_reason reason;
	uint16_t ede;     /* FL_EDE_NONE or a code */
	const char *text; /* libunbound's reason, cleaned; not NUL-terminated */
	uint8_t text_len;
	const uint8_t *packet; /* whole response message, NULL when failed */
	size_t packet_len;
	uint64_t asked_ns; /* boot clock: when its job began. Who was merged onto it asked
			      later, but got what was found from then on. */
};

/** Called once for each fl_engine_ask() that returned FL_OK; never inside that call. */
typedef void (*fl_engine_answer_fn)(void *arg, uint64_t ticket,
				    const struct fl_engine_answer *a);

/**
 * Build the first context. @p problem gets one line on failure (an option
 * libunbound refuses, an unreadable anchor, ...).
 */
enum fl_err fl_engine_open(const struct fl_engine_options *o, struct fl_engine **out,
			   char *problem, size_t problem_size) FL_MUST_USE;

/**
 * Ask. @p name is a wire name, any case; @p ticket comes back with the answer.
 *
 * @p why is written when FL_EBUSY is returned: LIMIT_RESOLVER or LIMIT_ZONE.
 * @retval FL_EBUSY    a bound is reached; nothing was asked, no callback will come
 * @retval FL_EINVALID a meta type or a class other than IN
 */
enum fl_err fl_engine_ask(struct fl_engine *e, const uint8_t *name, uint16_t qtype,
			  uint16_t qclass, fl_engine_answer_fn answer, void *arg,
			  uint64_t ticket, enum fl_reason *why) FL_MUST_USE;

/** A fresh context takes the next questions; the old one drains. */
enum fl_err fl_engine_renew(struct fl_engine *e) FL_MUST_USE;

unsigned fl_engine_jobs(const struct fl_engine *e);     /* in flight */
unsigned fl_engine_contexts(const struct fl_engine *e); /* 1, or more while draining */

/** Everything in flight is answered FAILED (RESOLVER_LOST); then all is freed. Not from a
 * callback. */
void fl_engine_close(struct fl_engine *e);

/** Version of the library that runs ("1.17.1"), and what of this year's fixes it lacks ("" or a
 * sentence). */
const char *fl_engine_library_version(void);
const char *fl_engine_library_warning(void);

#endif
