/**
 * @file
 * The servers that are measured: each is written a fair configuration, started on
 * an address of its own, waited for, and stopped by its process number.
 *
 * A kind is a row of a table (kinds.c): a configuration with @WORDS@ to replace
 * and a command. To add a peer add a row, or give one on the command line with
 * --peer FILE: the same in JSON (bench/README.md).
 */
#ifndef FAIRLEAD_BENCH_SERVER_H
#define FAIRLEAD_BENCH_SERVER_H

#include "figures/proc.h"
#include "servers/echo.h"

#include <limits.h>
#include <netinet/in.h>
#include <stdbool.h>

enum {
	COMMAND_MAX = 16,
	SERVERS_MAX = 16,
	CONFIG_MAX = 8192,
	/* of servers and sender alike, where it is allowed: what else runs on the
	 * machine then disturbs less */
	PRIORITY = -10,
};

/** How to run one kind of server. */
struct kind {
	const char *name;
	const char *config_name; /* file below the server's folder; NULL: none */
	const char *config;      /* its text */
	const char *command[COMMAND_MAX];
	const char *version[4]; /* a command whose first telling line is printed */
	const char *address;    /* must it listen there: "127.0.0.1"; else NULL */
	const char *behind;     /* a kind that it forwards to, started beside it, or NULL */
	bool padded;            /* answers with padding: not judged */
	bool validates;
	bool far; /* not ours: it is neither started nor accounted for */
};

/** What the @WORDS@ stand for. */
struct surroundings {
	const char *inet;     /* folder of the miniature Internet */
	const char *fairlead; /* fairleadd */
	const char *work;     /* folder for what servers write */
	unsigned cpu;         /* all of them run there */
	uint16_t sizes[ECHO_SIZES];
};

struct server {
	const struct kind *kind;
	const struct surroundings *around;
	struct sockaddr_in at;
	char address[INET_ADDRSTRLEN];
	char folder[PATH_MAX];
	char config[CONFIG_MAX]; /* as written, for the report */
	char version[160];
	pid_t pid;
	struct tree tree; /* taken when it is ready, and again before each run */
	struct server *behind;
};

/** The built-in kinds, ended by one without a name. */
const struct kind *kinds_all(void);
const struct kind *kind_find(const char *name);
/** Read another from a JSON file; kept for the life of the process. NULL after a report. */
const struct kind *kind_read(const char *path);

/** Prepare: folder, configuration, version. Nothing runs yet. @p slot keeps addresses
 * apart. */
bool server_init(struct server *s, const struct kind *k, const struct surroundings *a,
		 unsigned slot);
/** Start it with nothing cached, and wait until it answers and then rests, 3 s at most.
 * False after a report. */
bool server_start(struct server *s);
void server_stop(struct server *s);
/** Stop it and start it again with what it has stored; @p first_ms: from then until
 * @p question, of @p len octets, is answered with NOERROR. False after a report. */
bool server_restart(struct server *s, const uint8_t *question, size_t len, double *first_ms);
/** Leave it its core for what is called "front N" alone; its other processes go to @p cpu,
 * where they come last. */
void server_part(const struct server *s, unsigned cpu);
void server_fini(struct server *s);

/** With all that it holds; one that is not there is fine. */
void folder_remove(const char *path);

/** Where the words are replaced; false when the text is too long. */
bool kind_fill(const struct server *s, const char *text, char *out, size_t size);

#endif
