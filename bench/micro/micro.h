/*
 * What the files of fairlead-micro share: a world of names that are asked and cached, and the
 * ways to measure an answer from there.
 */
#ifndef FL_MICRO_H
#define FL_MICRO_H

#include "fairlead/cache/cache.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum {
	MICRO_BATCH = 64,
	MICRO_TURN = 256, /* questions a loop turn: four batches */
	MICRO_QUESTION_MAX = 64,
	MICRO_REPEATS_MAX = 99,
	MICRO_BOOT = 7, /* any number: it is the same for all */
};

/* A client's message. */
struct asked {
	uint8_t len;
	uint8_t octets[MICRO_QUESTION_MAX];
};

/* "host.d<number>.bench.example.", type A: 28 octets of name, one address and one ECDSA
 * signature stored for each, as a signed zone has them. */
struct world {
	unsigned n;
	bool dnssec_ok; /* questions have EDNS and DO; else neither */
	struct asked *asked;
	char folder[64];
	int folder_fd;
	uint64_t map_bytes;
};

bool world_make(struct world *w, unsigned n, bool dnssec_ok);
void world_end(struct world *w);
/* The cache to read, once no other is open in this process. */
struct fl_cache *world_open(const struct world *w);

/* quiet.c: calls that a cached answer must do without */
struct quiet {
	uint64_t allocations, frees, locks, writes, lines;
};
void quiet_begin(void);
struct quiet quiet_end(void);
bool quiet_counts(void); /* false: a sanitizer has these calls */

/* blocks.c: nanoseconds of each part by itself */
bool blocks_measure(const struct world *w, unsigned repeats, FILE *out);

/* whole.c: the front, with its transport and its loop, over questions that come from memory */
enum from { FROM_READY, FROM_CACHE };
struct whole {
	const struct world *w;
	enum from from;
	uint64_t questions;           /* a multiple of MICRO_TURN */
	unsigned repeats;             /* of all of them, each timed */
	double ns[MICRO_REPEATS_MAX]; /* out: of an answer */
	struct quiet quiet;           /* out: over all of them */
};
bool whole_measure(struct whole *h); /* false: an answer was wrong, or not from there */

/* main.c */
void spread_print(FILE *out, const char *what, unsigned names, double *ns, unsigned n);

#endif
