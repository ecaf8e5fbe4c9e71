/**
 * @file
 * A laboratory for the engine: a loop, an engine, and what it was told.
 *
 * Stub zones: good. at the toy server, dead. at a socket that nobody reads,
 * shut. at a closed port. Nothing is signed. One laboratory a test process.
 */
#ifndef FL_TESTS_LAB_H
#define FL_TESTS_LAB_H

#include "fairlead/resolve/engine.h"
#include "toy.h"

#include <uv.h>

enum { TICKETS = 8192 };

/* One laboratory a test: a loop, a toy server for good., a silent one for dead.,
 * a closed port for shut.; nothing is signed. */
struct lab {
	uv_loop_t loop;
	struct toy toy;
	struct fl_addr silent, refused;
	int silent_fd;
	struct fl_engine_zone stub[3];
	struct fl_counters counters;
	struct fl_engine_options options;
	struct fl_engine *engine;
	unsigned answered;
	unsigned times[TICKETS]; /* each ticket was answered */
	bool inside;             /* an fl_engine_ask() is on the stack */
	unsigned inside_answers;
	struct {
		enum fl_verdict verdict;
		enum fl_reason reason;
		uint16_t ede;
		char text[256];
		uint8_t packet[1024];
		size_t packet_len;
		uint64_t asked_ns;
	} last;
};

extern struct lab lab;

void lab_prepare(void);     /* all but the engine, so that a test can change lab.options */
void lab_open_engine(void); /* after lab_prepare() */
void lab_start(void);       /* both */
void lab_finish(void);

/** The callback of every ask below: counts, and keeps what came last. */
void lab_on_answer(void *arg, uint64_t ticket, const struct fl_engine_answer *a);

enum fl_err lab_ask_type(const char *name, uint16_t qtype, uint64_t ticket,
			 enum fl_reason *why);
void lab_ask(const char *name, uint64_t ticket); /* type A; must be taken */

/** Turn the loop until @p n answers are there; false after @p wait_ms. */
bool lab_wait_answers(unsigned n, unsigned wait_ms);
void lab_turn_for(unsigned ms);

/** Turn the loop until the toy server holds @p n questions. */
bool lab_wait_held(unsigned n);

#endif
