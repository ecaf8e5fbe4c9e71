#include "servers/server.h"

#include "say.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	START_WAIT_MS = 20000,
	STOP_WAIT_MS = 5000,
	ASK_WAIT_MS = 200,
	POLL_MS = 20,
	SETTLE_WAIT_MS = 3000,
	SETTLE_LOOK_MS = 100,
	SETTLED_NS = 1000 * 1000, /* used in so long: the start is over */
	ANCHOR_MAX = 2048,
	WORD_MAX = 24,
};

static void pause_ms(long ms)
{
	const struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };
	nanosleep(&t, NULL);
}

/* --- words ---------------------------------------------------------------- */

/* The DS records of DIR/root.anchors, each written through a printf format that
 * takes key tag, algorithm, digest type and digest. */
static bool write_anchors(const struct server *s, const char *format, char *out, size_t size)
{
	char path[PATH_MAX];
	char line[512];
	unsigned tag;
	unsigned algorithm;
	unsigned type;
	char digest[256];
	size_t used = 0;
	snprintf(path, sizeof(path), "%s/root.anchors", s->around->inet);
	FILE *in = fopen(path, "re");
	if (in == NULL) {
		say_error("cannot read %s: %s", path, strerror(errno));
		return false;
	}
	out[0] = '\0';
	while (fgets(line, sizeof(line), in) != NULL && used < size) {
		if (sscanf(line, ". %*u IN DS %u %u %u %255s", &tag, &algorithm, &type,
			   digest) == 4) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			used += (size_t)snprintf(out + used, size - used, format, tag,
						 algorithm, type, digest);
#pragma GCC diagnostic pop
		}
	}
	fclose(in);
	return used > 0 && used < size;
}

/* Addresses of the root servers, as kresd's hints.root wants them. */
static bool write_hints(const struct server *s, char *out, size_t size)
{
	char path[PATH_MAX];
	char line[512];
	char name[256];
	char address[64];
	size_t used = 0;
	snprintf(path, sizeof(path), "%s/root.hints", s->around->inet);
	FILE *in = fopen(path, "re");
	if (in == NULL) {
		say_error("cannot read %s: %s", path, strerror(errno));
		return false;
	}
	while (fgets(line, sizeof(line), in) != NULL && used < size) {
		if (sscanf(line, "%255s %*u IN A %63[0-9.]", name, address) == 2) {
			used += (size_t)snprintf(out + used, size - used, "['%s'] = '%s', ",
						 name, address);
		}
	}
	fclose(in);
	return used > 0 && used < size;
}

static bool write_sizes(const struct server *s, char *out, size_t size)
{
	size_t used = 0;
	for (unsigned i = 0; i < ECHO_SIZES && used < size; i++) {
		used += (size_t)snprintf(out + used, size - used, "%s%u", i == 0 ? "" : ",",
					 s->around->sizes[i]);
	}
	return used < size;
}

static bool write_text(char *out, size_t size, const char *text)
{
	const size_t len = strlen(text);
	if (len >= size) {
		return false;
	}
	memcpy(out, text, len + 1);
	return true;
}

/* From its version 5 on the recursor takes the file that version 4 took only if told. */
static const char *pdns_old(const struct server *s)
{
	static const char before[] = "Recursor ";
	const char *at = strstr(s->version, before);
	const long major = at != NULL ? strtol(at + sizeof(before) - 1, NULL, 10) : 0;
	return major >= 5 ? "--enable-old-settings" : "";
}

static bool write_word(const struct server *s, const char *word, char *out, size_t size)
{
	char config[PATH_MAX + 128];
	const struct {
		const char *word;
		const char *text;
	} plain[] = {
		{ "ADDRESS", s->address },
		{ "DIR", s->folder },
		{ "INET", s->around->inet },
		{ "FAIRLEAD", s->around->fairlead },
		{ "SELF", "/proc/self/exe" },
		{ "CONFIG", config },
		{ "PDNS_OLD", pdns_old(s) },
		{ "BEHIND", s->behind != NULL ? s->behind->address : "" },
	};
	snprintf(config, sizeof(config), "%s/%s", s->folder,
		 s->kind->config_name != NULL ? s->kind->config_name : "");
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		if (strcmp(word, plain[i].word) == 0) {
			return write_text(out, size, plain[i].text);
		}
	}
	if (strcmp(word, "ANCHORS_NAMED") == 0) {
		return write_anchors(s, ". static-ds %u %u %u \"%s\"; ", out, size);
	}
	if (strcmp(word, "HINTS_KRESD") == 0) {
		return write_hints(s, out, size);
	}
	return strcmp(word, "SIZES") == 0 && write_sizes(s, out, size);
}

/* The word between two at-signs, if there is one: an address may hold one alone. */
static size_t word_at(const char *text, char out[static WORD_MAX])
{
	size_t n = 0;
	while (n < WORD_MAX - 1 &&
	       ((text[n + 1] >= 'A' && text[n + 1] <= 'Z') || text[n + 1] == '_')) {
		out[n] = text[n + 1];
		n++;
	}
	out[n] = '\0';
	return n > 0 && text[n + 1] == '@' ? n + 2 : 0;
}

bool kind_fill(const struct server *s, const char *text, char *out, size_t size)
{
	char word[WORD_MAX];
	size_t used = 0;
	while (*text != '\0' && used + 1 < size) {
		const size_t skip = *text == '@' ? word_at(text, word) : 0;
		if (skip == 0) {
			out[used++] = *text++;
			continue;
		}
		if (!write_word(s, word, out + used, size - used)) {
			say_error("%s: what does @%s@ stand for?", s->kind->name, word);
			return false;
		}
		used += strlen(out + used);
		text += skip;
	}
	out[used] = '\0';
	return *text == '\0';
}

/* --- before it runs -------------------------------------------------------- */

static bool write_file(const char *folder, const char *name, const char *text)
{
	char path[PATH_MAX + 128];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *out = fopen(path, "we");
	bool ok = out != NULL && fputs(text, out) >= 0;
	ok = (out == NULL || fclose(out) == 0) && ok;
	if (!ok) {
		say_error("cannot write %s: %s", path, strerror(errno));
	}
	return ok;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st;
	(void)kind;
	(void)where;
	return remove(path);
}

void folder_remove(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static bool fresh_folder(const struct server *s)
{
	folder_remove(s->folder);
	if (mkdir(s->folder, 0755) != 0) {
		say_error("cannot make the folder %s: %s", s->folder, strerror(errno));
		return false;
	}
	char anchors[ANCHOR_MAX];
	/* pdns reads anchors from Lua only; the others do not mind the file */
	return (s->kind->config == NULL ||
		write_file(s->folder, s->kind->config_name, s->config)) &&
	       write_anchors(s, "addTA('.', \"%u %u %u %s\")\n", anchors, sizeof(anchors)) &&
	       write_file(s->folder, "anchors.lua", anchors);
}

static void ask_version(struct server *s)
{
	char command[PATH_MAX + 64];
	char line[160];
	char filled[PATH_MAX];
	if (s->kind->version[0] == NULL ||
	    !kind_fill(s, s->kind->version[0], filled, sizeof(filled))) {
		snprintf(s->version, sizeof(s->version), "%s",
			 s->kind->padded ? "of this program" : "unknown");
		return;
	}
	snprintf(command, sizeof(command), "'%s' %s 2>&1", filled,
		 s->kind->version[1] != NULL ? s->kind->version[1] : "");
	FILE *in = popen(command, "re");
	while (in != NULL && fgets(line, sizeof(line), in) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (s->version[0] == '\0' && strpbrk(line, "0123456789") != NULL) {
			/* one writes it as a line of its log, with the time before it */
			const char *stamped = strstr(line, "PowerDNS");
			snprintf(s->version, sizeof(s->version), "%s",
				 stamped != NULL ? stamped : line);
		}
	}
	if (in != NULL) {
		pclose(in);
	}
}

static bool init_behind(struct server *s, unsigned slot)
{
	if (s->kind->behind == NULL) {
		return true;
	}
	s->behind = calloc(1, sizeof(*s->behind));
	return s->behind != NULL && server_init(s->behind, kind_find(s->kind->behind),
						s->around, slot + SERVERS_MAX);
}

bool server_init(struct server *s, const struct kind *k, const struct surroundings *a,
		 unsigned slot)
{
	*s = (struct server){ .kind = k, .around = a };
	s->at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(53) };
	s->at.sin_addr.s_addr = htonl(0x7f00000aU + slot); /* 127.0.0.10 and up */
	if (k->address != NULL && inet_pton(AF_INET, k->address, &s->at.sin_addr) != 1) {
		say_error("%s: \"%s\" is no address", k->name, k->address);
		return false;
	}
	inet_ntop(AF_INET, &s->at.sin_addr, s->address, sizeof(s->address));
	const int n =
		snprintf(s->folder, sizeof(s->folder), "%s/%s-%u", a->work, k->name, slot);
	if (n < 0 || (size_t)n >= sizeof(s->folder) - 64 || !init_behind(s, slot)) {
		return false;
	}
	ask_version(s);
	return k->config == NULL || kind_fill(s, k->config, s->config, sizeof(s->config));
}

/* --- its life -------------------------------------------------------------- */

/* One question, answered in any way: the server is there. */
static bool answers(const struct server *s)
{
	static const uint8_t question[] = { 0x42, 0x42, 1,   0,   0,   1,   0, 0, 0, 0, 0, 0,
					    5,    'a',  'l', 'p', 'h', 'a', 0, 0, 6, 0, 1 };
	uint8_t answer[4096];
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ssize_t n = -1;
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&s->at, sizeof(s->at)) == 0 &&
	    send(fd, question, sizeof(question), 0) == (ssize_t)sizeof(question)) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		if (poll(&p, 1, ASK_WAIT_MS) == 1) {
			n = recv(fd, answer, sizeof(answer), 0);
		}
	}
	if (fd >= 0) {
		close(fd);
	}
	return n >= 12 && (s->kind->padded || (answer[3] & 0x0f) == 0);
}

static void become_server(const struct server *s, char *const argv[])
{
	char log[PATH_MAX + 64];
	cpu_set_t cpus;
	sigset_t none;
	snprintf(log, sizeof(log), "%s/output", s->folder);
	const int null = open("/dev/null", O_RDONLY);
	const int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
	dup2(null, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	CPU_ZERO(&cpus);
	CPU_SET(s->around->cpu, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	setpriority(PRIO_PROCESS, 0, PRIORITY);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setpgid(0, 0); /* the terminal's ^C is for us, who end it in order */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execvp(argv[0], argv);
	dprintf(STDERR_FILENO, "cannot run %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

static bool spawn(struct server *s)
{
	static char words[COMMAND_MAX][PATH_MAX];
	char *argv[COMMAND_MAX + 1] = { NULL };
	size_t n = 0;
	for (size_t i = 0; i < COMMAND_MAX && s->kind->command[i] != NULL; i++) {
		if (!kind_fill(s, s->kind->command[i], words[i], sizeof(words[i]))) {
			return false;
		}
		if (words[i][0] != '\0') { /* a word that this version does not need */
			argv[n++] = words[i];
		}
	}
	fflush(NULL);
	s->pid = fork();
	if (s->pid == 0) {
		become_server(s, argv);
	}
	return s->pid > 0;
}

static bool ended(struct server *s)
{
	int status;
	if (s->pid <= 0 || waitpid(s->pid, &status, WNOHANG) == s->pid) {
		s->pid = 0;
		return true;
	}
	return false;
}

/* Its folder goes with the run, so what it said is told here. */
static void last_line(const struct server *s, char *out, size_t size)
{
	char path[PATH_MAX + 64];
	char line[256];
	snprintf(path, sizeof(path), "%s/output", s->folder);
	snprintf(out, size, "nothing");
	FILE *in = fopen(path, "re");
	while (in != NULL && fgets(line, sizeof(line), in) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] != '\0') {
			snprintf(out, size, "%s", line);
		}
	}
	if (in != NULL) {
		fclose(in);
	}
}

/* What a start leaves to be done (a cache file is filled, the root is asked for its keys)
 * is no part of an answer. */
static void settle(struct server *s)
{
	const uint64_t end = now_ns() + SETTLE_WAIT_MS * 1000000ULL;
	uint64_t before = 0;
	uint64_t used = UINT64_MAX;
	while (now_ns() < end && used > SETTLED_NS && tree_take(s->pid, &s->tree)) {
		const uint64_t cpu_ns = tree_cpu_ns(&s->tree);
		used = before != 0 ? cpu_ns - before : UINT64_MAX;
		before = cpu_ns;
		if (used > SETTLED_NS) {
			pause_ms(SETTLE_LOOK_MS);
		}
	}
}

bool server_start(struct server *s)
{
	if (s->kind->far) {
		return true;
	}
	if ((s->behind != NULL && !server_start(s->behind)) || !fresh_folder(s) || !spawn(s)) {
		return false;
	}
	const uint64_t end = now_ns() + START_WAIT_MS * 1000000ULL;
	while (now_ns() < end && !ended(s)) {
		if (answers(s)) {
			settle(s);
			return tree_take(s->pid, &s->tree);
		}
		pause_ms(POLL_MS);
	}
	char last[256];
	last_line(s, last, sizeof(last));
	say_error("%s %s; the last it said: %s", s->kind->name,
		  s->pid == 0 ? "ended at once" : "does not answer in time", last);
	server_stop(s);
	return false;
}

/* Asked first: some write their state. Then not asked. */
void server_stop(struct server *s)
{
	if (s->pid > 0) {
		kill(s->pid, SIGTERM);
		for (int waited = 0; waited < STOP_WAIT_MS && !ended(s); waited += POLL_MS) {
			pause_ms(POLL_MS);
		}
	}
	if (s->pid > 0) {
		kill(s->pid, SIGKILL);
		waitpid(s->pid, NULL, 0);
		s->pid = 0;
	}
	if (s->behind != NULL) {
		server_stop(s->behind);
	}
}

/* Asked each millisecond; who is not there yet refuses. */
static bool asked_until(const struct server *s, const uint8_t *question, size_t len,
			uint64_t end)
{
	uint8_t answer[4096];
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool found = false;
	if (fd < 0 || connect(fd, (const struct sockaddr *)&s->at, sizeof(s->at)) != 0) {
		end = 0;
	}
	while (!found && now_ns() < end) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		(void)!send(fd, question, len, 0);
		const uint64_t next = now_ns() + 1000000;
		while (!found && now_ns() < next) {
			const bool came = poll(&p, 1, 1) == 1;
			const ssize_t n = came ? recv(fd, answer, sizeof(answer), 0) : -1;
			found = n >= 12 && memcmp(answer, question, 2) == 0 &&
				(answer[3] & 0x0f) == 0 && (answer[6] | answer[7]) != 0;
		}
	}
	if (fd >= 0) {
		close(fd);
	}
	return found;
}

bool server_restart(struct server *s, const uint8_t *question, size_t len, double *first_ms)
{
	server_stop(s);
	const uint64_t begin = now_ns();
	if (!spawn(s) || !asked_until(s, question, len, begin + START_WAIT_MS * 1000000ULL)) {
		say_error("%s does not answer when it is started again", s->kind->name);
		server_stop(s);
		return false;
	}
	*first_ms = (double)(now_ns() - begin) / 1e6;
	return tree_take(s->pid, &s->tree);
}

static bool is_front(pid_t pid)
{
	char path[64];
	char name[32] = "";
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	FILE *in = fopen(path, "re");
	const bool read = in != NULL && fgets(name, sizeof(name), in) != NULL;
	if (in != NULL) {
		fclose(in);
	}
	return read && strncmp(name, "front ", 6) == 0;
}

static void move_threads(pid_t pid, unsigned cpu)
{
	char path[64];
	cpu_set_t cpus;
	const struct dirent *entry;
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	DIR *dir = opendir(path);
	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		const pid_t thread = (pid_t)strtol(entry->d_name, NULL, 10);
		if (thread > 0) {
			sched_setaffinity(thread, sizeof(cpus), &cpus);
			setpriority(PRIO_PROCESS, (id_t)thread, 0);
		}
	}
	if (dir != NULL) {
		closedir(dir);
	}
}

void server_part(const struct server *s, unsigned cpu)
{
	struct tree tree = { .count = 0 };
	if (s->pid > 0 && tree_take(s->pid, &tree)) {
		for (size_t i = 0; i < tree.count; i++) {
			if (!is_front(tree.pid[i])) {
				move_threads(tree.pid[i], cpu);
			}
		}
	}
}

void server_fini(struct server *s)
{
	server_stop(s);
	if (s->behind != NULL) {
		server_fini(s->behind);
		free(s->behind);
		s->behind = NULL;
	}
}
