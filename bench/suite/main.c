/*
 * fairlead-bench: what a resolver costs, beside its peers on the same load.
 */
#include "inet.h"
#include "report/report.h"

#include <argp.h>
#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_WRONG = 3,         /* a server lied, failed, or a figure is void */
	EXIT_WORSE = 4,         /* than the baseline */
	TOLERANCE_DEFAULT = 10, /* percent */
	TOLERANCE_KEY = 0x100,
	DELAY_KEY,
	TARGET_KEY,
	OWN_KEY,
	LOSS_KEY,
	DEAD_KEY,
	LAME_KEY,
	RUNS_DEFAULT = 3,
	CHECK_DEFAULT = 32,
};

struct arguments {
	const char *verb;
	const char *profile;
	const char *output;
	const char *inet;
	const char *fairlead;
	char *servers;
	const char *peers[SERVERS_MAX];
	size_t peer_count;
	unsigned runs;
	unsigned time_s;
	unsigned check_every;
	const char *baseline;
	unsigned tolerance;
	struct link link;
	const char *capture;
	const char *target;
	bool owned;
};

static volatile sig_atomic_t stopped;

const char *argp_program_version = "fairlead-bench " FL_VERSION;

static const struct argp_option options[] = {
	{ "output", 'o', "DIR", 0,
	  "Write report.html, report.json, runs.csv and table.txt there", 0 },
	{ "servers", 's', "LIST", 0,
	  "Which servers, by comma (default: all that are installed, and echo)", 0 },
	{ "peer", 'p', "FILE", 0, "Another server, described in FILE (bench/README.md)", 0 },
	{ "runs", 'n', "N", 0, "Runs of each server, in turns (default 3; hot-path: 5)", 0 },
	{ "time", 't', "SECONDS", 0, "Length of a run (default: the profile's)", 0 },
	{ "check", 'c', "N", 0, "Judge one answer in N while timing (default 32)", 0 },
	{ "baseline", 'b', "FILE", 0,
	  "An earlier report.json: exit status 4 where Fairlead's CPU an answer has grown", 0 },
	{ "tolerance", TOLERANCE_KEY, "PERCENT", 0, "By more than this (default 10)", 0 },
	{ "delay", DELAY_KEY, "MS", 0, "To the name servers and back", 1 },
	{ "loss", LOSS_KEY, "PERCENT", 0, "Of packets to them, and of those back", 1 },
	{ "dead", DEAD_KEY, "N", 0,
	  "In N of 8 pairs of name servers one is silent (of N others one lame: --lame)", 1 },
	{ "lame", LAME_KEY, "N", 0, "In N of 8 pairs one answers REFUSED to everything", 1 },
	{ "target", TARGET_KEY, "ADDRESS[@PORT]", 0,
	  "Replay at a server that is there already, outside of any namespace", 2 },
	{ "yes-i-own-it", OWN_KEY, NULL, 0, "It is yours to burden: --target needs this", 2 },
	{ "fairlead", 'f', "PATH", 0, "fairleadd (default: beside this program)", 0 },
	{ "inet", 'i', "DIR", 0,
	  "A miniature Internet that is there already (default: one of the profile's size, "
	  "kept in the user's cache folder)",
	  0 },
	{ 0 },
};

static unsigned number(struct argp_state *state, const char *what, const char *text,
		       unsigned long most)
{
	char *end;
	errno = 0;
	const unsigned long n = strtoul(text, &end, 10);
	if (errno != 0 || *end != '\0' || end == text || n < 1 || n > most) {
		argp_error(state, "--%s %s: want a whole number from 1 to %lu", what, text,
			   most);
	}
	return (unsigned)n;
}

static error_t parse_word(struct arguments *a, char *text, struct argp_state *state)
{
	if (a->verb == NULL) {
		a->verb = text;
	} else if (a->profile == NULL && strcmp(a->verb, "run") == 0) {
		a->profile = text;
	} else if (a->capture == NULL && strcmp(a->verb, "replay") == 0) {
		a->capture = text;
	} else {
		argp_error(state, "%s: one word too many", text);
	}
	return 0;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	struct arguments *a = state->input;
	switch (key) {
	case 'o':
		a->output = text;
		return 0;
	case 's':
		a->servers = text;
		return 0;
	case 'p':
		if (a->peer_count == SERVERS_MAX) {
			argp_error(state, "too many peers");
		}
		a->peers[a->peer_count++] = text;
		return 0;
	case 'n':
		a->runs = number(state, "runs", text, RUNS_MAX);
		return 0;
	case 't':
		a->time_s = number(state, "time", text, SECONDS_MAX / 2);
		return 0;
	case 'c':
		a->check_every = number(state, "check", text, 1000000);
		return 0;
	case 'b':
		a->baseline = text;
		return 0;
	case TOLERANCE_KEY:
		a->tolerance = number(state, "tolerance", text, 1000);
		return 0;
	case TARGET_KEY:
		a->target = text;
		return 0;
	case OWN_KEY:
		a->owned = true;
		return 0;
	case DELAY_KEY:
		a->link.delay_ms = number(state, "delay", text, LINK_DELAY_MOST_MS);
		return 0;
	case LOSS_KEY:
		a->link.loss = number(state, "loss", text, LINK_LOSS_MOST);
		return 0;
	case DEAD_KEY:
		a->link.dead = number(state, "dead", text, LINK_PAIRS);
		return 0;
	case LAME_KEY:
		a->link.lame = number(state, "lame", text, LINK_PAIRS);
		return 0;
	case 'f':
		a->fairlead = text;
		return 0;
	case 'i':
		a->inet = text;
		return 0;
	case ARGP_KEY_ARG:
		return parse_word(a, text, state);
	case ARGP_KEY_END:
		if (a->verb == NULL || (strcmp(a->verb, "run") == 0 && a->profile == NULL)) {
			argp_error(state, "say what to do: run PROFILE, replay FILE, list, "
					  "null, size or config");
		}
		if ((strcmp(a->verb, "replay") == 0) != (a->capture != NULL)) {
			argp_error(state, "replay what? It takes a capture file");
		}
		if (a->target != NULL && (a->capture == NULL || !a->owned)) {
			argp_error(state,
				   "--target goes with replay, and needs --yes-i-own-it");
		}
		if (a->link.dead + a->link.lame > LINK_PAIRS) {
			argp_error(state, "--dead and --lame: there are %d pairs", LINK_PAIRS);
		}
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "run PROFILE\nreplay FILE\nlist\nnull\nsize\nconfig",
	.doc = "Measures Fairlead and its peers on the same load, in a miniature Internet of "
	       "its "
	       "own: no packet leaves the machine.\v"
	       "run measures; replay asks what a capture file has, at its times; list names "
	       "profiles and servers; null measures the sender itself "
	       "against a server that only pads; "
	       "size says what load this machine carries; config prints a configuration of "
	       "Fairlead for a load tool of your own.\n\n"
	       "Exit status: 0 well, 1 could not be run, 2 no network namespace is allowed "
	       "here, "
	       "3 a server was wrong or failing, or a figure is void, "
	       "4 Fairlead costs more than in the baseline.",
};

static void on_signal(int sig)
{
	stopped = sig;
}

static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

static int verb_list(void)
{
	puts("profiles:");
	for (const struct profile *p = profiles_all(); p->name != NULL; p++) {
		printf("  %-15s %s\n", p->name,
		       p->text != NULL ? p->text : case_find(p->cases[0])->text);
	}
	puts("servers:");
	for (const struct kind *k = kinds_all(); k->name != NULL; k++) {
		printf("  %s\n", k->name);
	}
	return EXIT_OK;
}

/* Is its program there? */
static bool installed(const struct kind *k, const char *fairlead)
{
	char command[PATH_MAX + 64];
	const char *program = k->command[0];
	if (k->padded) {
		return strcmp(k->name, "echo") == 0;
	}
	if (strcmp(program, "@FAIRLEAD@") == 0) {
		return access(fairlead, X_OK) == 0;
	}
	snprintf(command, sizeof(command), "command -v %s >/dev/null 2>&1", program);
	return system(command) == 0;
}

static bool add_kind(struct bench *b, const struct kind *k)
{
	if (k == NULL || b->kind_count == SERVERS_MAX) {
		return false;
	}
	b->kinds[b->kind_count++] = k;
	return true;
}

static bool choose_servers(struct bench *b, const struct arguments *a)
{
	char *rest = NULL;
	if (a->servers == NULL) {
		for (const struct kind *k = kinds_all(); k->name != NULL; k++) {
			if (installed(k, b->around.fairlead)) {
				add_kind(b, k);
			}
		}
	} else {
		for (char *word = strtok_r(a->servers, ",", &rest); word != NULL;
		     word = strtok_r(NULL, ",", &rest)) {
			if (!add_kind(b, kind_find(word))) {
				say_error("there is no server \"%s\": see fairlead-bench list",
					  word);
				return false;
			}
		}
	}
	for (size_t i = 0; i < a->peer_count; i++) {
		if (!add_kind(b, kind_read(a->peers[i]))) {
			return false;
		}
	}
	return b->kind_count > 0;
}

/* One core for servers, another for us. With one core alone both share it, and every
 * figure but CPU an answer says little. */
static void choose_cores(struct bench *b)
{
	cpu_set_t cpus;
	unsigned found = 0;
	sched_getaffinity(0, sizeof(cpus), &cpus);
	for (unsigned i = 0; i < CPU_SETSIZE && found < 2; i++) {
		if (CPU_ISSET(i, &cpus)) {
			if (found == 0) {
				b->around.cpu = i;
			}
			b->sender_cpu = i;
			found++;
		}
	}
	if (found < 2) {
		say_error("only one core may be used: sender and server share it");
	}
	CPU_ZERO(&cpus);
	CPU_SET(b->sender_cpu, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	setpriority(PRIO_PROCESS, 0, PRIORITY);
}

static bool init_servers(struct bench *b, struct server *servers)
{
	for (size_t i = 0; i < b->kind_count; i++) {
		if (!server_init(&servers[i], b->kinds[i], &b->around, (unsigned)i)) {
			return false;
		}
	}
	return true;
}

static bool all_well(const struct case_outcome *c)
{
	for (size_t i = 0; i < c->server_count; i++) {
		const struct outcome *o = &c->server[i];
		if (o->standing != STANDING_WELL) {
			return false;
		}
		for (size_t n = 0; n < o->run_count; n++) {
			if (!o->runs[n].kept_pace) {
				return false;
			}
		}
	}
	return c->complete;
}

static size_t run_cases(struct bench *b, const struct profile *p, struct server *servers,
			struct case_outcome *outcomes)
{
	size_t n = 0;
	for (; n < CASES_MAX && p->cases[n] != NULL; n++) {
		b->progress.planned_s += case_planned_s(b, case_find(p->cases[n]));
	}
	b->progress.begun_ns = now_ns();
	for (n = 0; n < CASES_MAX && p->cases[n] != NULL && stopped == 0; n++) {
		if (!case_run(b, case_find(p->cases[n]), servers, &outcomes[n])) {
			return n + 1;
		}
	}
	return n;
}

static int report(const struct arguments *a, const struct report *r)
{
	int code = EXIT_OK;
	for (size_t i = 0; i < r->case_count; i++) {
		code = all_well(&r->cases[i]) ? code : EXIT_WRONG;
	}
	report_table(r, stdout);
	report_bars(r, stdout);
	if (a->output != NULL && !report_write(r, a->output)) {
		return EXIT_FAILED;
	}
	if (strcmp(a->verb, "size") == 0 && !report_size(r, stdout)) {
		code = EXIT_WRONG;
	}
	if (stopped != 0 || code != EXIT_OK || a->baseline == NULL) {
		return stopped != 0 ? EXIT_FAILED : code;
	}
	static const int codes[] = { [REGRESSION_NONE] = EXIT_OK,
				     [REGRESSION_FOUND] = EXIT_WORSE,
				     [REGRESSION_UNREADABLE] = EXIT_FAILED };
	return codes[report_compare(r, a->baseline, a->tolerance, stdout)];
}

static int run_profile(const struct arguments *a, struct bench *b, const struct profile *p)
{
	static struct case_outcome outcomes[CASES_MAX];
	struct server *servers = calloc(SERVERS_MAX, sizeof(*servers));
	int code = EXIT_FAILED;
	if (servers != NULL && init_servers(b, servers)) {
		const size_t n = run_cases(b, p, servers, outcomes);
		code = report(a, &(struct report){ p->name, b, servers, outcomes, n });
		for (size_t i = 0; i < n; i++) {
			case_free(&outcomes[i]);
		}
	}
	for (size_t i = 0; servers != NULL && i < b->kind_count; i++) {
		server_fini(&servers[i]);
	}
	free(servers);
	return code;
}

/* Where servers write. Memory, so that no disk is part of a figure. */
static bool work_folder(char out[static PATH_MAX])
{
	const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	snprintf(out, PATH_MAX, "%s/fairlead-bench.XXXXXX", base);
	if (mkdtemp(out) == NULL || chmod(out, 0755) != 0) {
		say_error("cannot make a folder in %s: %s", base, strerror(errno));
		return false;
	}
	return true;
}

/* Inside the namespace. */
static int verb_run_inside(const struct arguments *a, const struct profile *p, const char *dir)
{
	char work[PATH_MAX];
	char beside[PATH_MAX];
	struct bench b = { .around = { .inet = dir, .fairlead = a->fairlead, .work = work },
			   .runs = a->runs != 0 ? a->runs
						: (p->runs != 0 ? p->runs : RUNS_DEFAULT),
			   .barred = p->barred,
			   .time_s = a->time_s != 0 ? a->time_s : p->time_s,
			   .most_s = p->most_s,
			   .check_every = a->check_every,
			   .link = a->link,
			   .capture = a->capture,
			   .stop = &stopped };
	pid_t relay = 0;
	if (a->fairlead == NULL) {
		inet_beside("fairleadd", beside);
		b.around.fairlead = beside;
	}
	catch_signals();
	signal(SIGPIPE, SIG_IGN);
	if (!choose_servers(&b, a) || !work_folder(work)) {
		return EXIT_FAILED;
	}
	choose_cores(&b);
	const char *owns = getenv("FAIRLEAD_BENCH_OWNS");
	if (owns != NULL && owns[0] == '1') {
		inet_pin(dir, b.sender_cpu);
	}
	int code = EXIT_FAILED;
	if (!link_wanted(&a->link) || (relay = relay_start(&a->link)) > 0) {
		code = run_profile(a, &b, p);
	}
	relay_stop(relay);
	folder_remove(work);
	return code;
}

/* Nothing is started and no namespace entered: the one way out of the machine. */
static int verb_target(const struct arguments *a)
{
	static char address[INET_ADDRSTRLEN];
	static struct kind target = { .name = "target", .far = true };
	static struct case_outcome outcome;
	unsigned port = 53;
	struct bench b = { .runs = 1,
			   .check_every = a->check_every,
			   .capture = a->capture,
			   .around = { .work = "" },
			   .stop = &stopped };
	struct server *server = calloc(1, sizeof(*server));
	if (server == NULL || sscanf(a->target, "%15[0-9.]@%5u", address, &port) < 1 ||
	    port == 0 || port > UINT16_MAX) {
		say_error("--target %s: want an IPv4 address, and perhaps @PORT", a->target);
		free(server);
		return EXIT_FAILED;
	}
	target.address = address;
	catch_signals();
	add_kind(&b, &target);
	int code = EXIT_FAILED;
	if (server_init(server, &target, &b.around, 0)) {
		server->at.sin_port = htons((uint16_t)port);
		b.progress =
			(struct progress){ .planned_s = case_planned_s(&b, case_find("replay")),
					   .begun_ns = now_ns() };
		case_run(&b, case_find("replay"), server, &outcome);
		code = report(a, &(struct report){ "replay", &b, server, &outcome, 1 });
		case_free(&outcome);
	}
	free(server);
	return code;
}

/* For people with dnsperf, flamethrower or shotgun: what is in a load test's way by
 * default is out of it here, and says so. */
static int verb_config(void)
{
	fputs("# Fairlead for a load test: fairleadd -c FILE, then for example\n"
	      "#   dnsperf -s ADDRESS -d QUESTIONS -c 20 -q 1000 -l 30\n"
	      "# Not for service: no client is bounded.\n"
	      "listen: [127.0.0.1@53]     # the address that the load is sent to\n"
	      "access:\n"
	      "  allow: [127.0.0.0/8]     # whom the load comes from; all others are refused\n"
	      "fronts: auto               # 1, with resolvers: 1, beside a peer with one "
	      "thread\n"
	      "resolvers: auto\n"
	      "cache: {size: 1GiB, front-size: 64MiB}\n"
	      "limits: {resolver: 2048, zone: 2048, client: 2048} # in flight: a load tool is "
	      "one client\n"
	      "rate-limit: {per-client: 0, errors: 0, exempt: [127.0.0.0/8]}\n"
	      "log: {level: warning}\n",
	      stdout);
	return EXIT_OK;
}

static int verb_run(const struct arguments *a, char **argv)
{
	struct inet inet;
	const struct profile *p = profile_find(a->profile);
	const char *inside = getenv("FAIRLEAD_BENCH_INSIDE");
	if (p == NULL) {
		say_error("there is no profile \"%s\": see fairlead-bench list", a->profile);
		return EXIT_FAILED;
	}
	if (a->baseline != NULL && !report_readable(a->baseline)) {
		return EXIT_FAILED;
	}
	if (inside != NULL) {
		return verb_run_inside(a, p, inside);
	}
	if (!inet_open(&inet, a->inet, p->zones, p->names)) {
		return EXIT_FAILED;
	}
	const int code = inet_run_inside(&inet, argv);
	inet_close(&inet);
	return code;
}

/* serve-echo ADDRESS SIZES: how the null server is started by the suite itself. */
static int verb_echo(char **argv, bool polled)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(53) };
	uint16_t sizes[ECHO_SIZES];
	const char *next = argv[3];
	if (inet_pton(AF_INET, argv[2], &at.sin_addr) != 1) {
		return EXIT_FAILED;
	}
	for (unsigned i = 0; i < ECHO_SIZES; i++) {
		char *end;
		sizes[i] = (uint16_t)strtoul(next, &end, 10);
		if (end == next || sizes[i] > 4096) {
			return EXIT_FAILED;
		}
		next = *end == ',' ? end + 1 : argv[3]; /* few sizes go round */
	}
	return echo_serve(&at, sizes, polled);
}

int main(int argc, char **argv)
{
	struct arguments a = { .check_every = CHECK_DEFAULT, .tolerance = TOLERANCE_DEFAULT };
	char null_servers[] = "echo,echo-epoll";
	char fairlead_alone[] = "fairlead";
	if (argc == 4 && strncmp(argv[1], "serve-echo", 10) == 0) {
		return verb_echo(argv, strcmp(argv[1], "serve-echo-epoll") == 0);
	}
	argp_err_exit_status = EXIT_FAILED;
	argp_parse(&argp, argc, argv, 0, NULL, &a);
	if (strcmp(a.verb, "list") == 0) {
		return verb_list();
	}
	if (strcmp(a.verb, "null") == 0) {
		a.servers = a.servers != NULL ? a.servers : null_servers;
		a.profile = "cached-1k";
		return verb_run(&a, argv);
	}
	if (strcmp(a.verb, "size") == 0) {
		a.servers = fairlead_alone;
		a.profile = "size";
		return verb_run(&a, argv);
	}
	if (strcmp(a.verb, "replay") == 0) {
		a.profile = "replay";
		return a.target != NULL ? verb_target(&a) : verb_run(&a, argv);
	}
	if (strcmp(a.verb, "config") == 0) {
		return verb_config();
	}
	if (strcmp(a.verb, "run") != 0) {
		say_error("no such verb: %s; there are run PROFILE, replay FILE, list, null, "
			  "size and config",
			  a.verb);
		return EXIT_FAILED;
	}
	return verb_run(&a, argv);
}
