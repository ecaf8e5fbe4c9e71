#include "inet.h"

#include "check/catalogue.h"
#include "figures/proc.h"
#include "say.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

bool inet_beside(const char *name, char out[static PATH_MAX])
{
	const ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 64);
	if (n <= 0) {
		return false;
	}
	out[n] = '\0';
	char *slash = strrchr(out, '/');
	snprintf(slash + 1, (size_t)(out + PATH_MAX - slash - 1), "%s", name);
	return access(out, X_OK) == 0;
}

static bool make_folders(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash != NULL;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		const bool ok = mkdir(path, 0755) == 0 || errno == EEXIST;
		*slash = '/';
		if (!ok) {
			say_error("cannot make the folders of %s: %s", path, strerror(errno));
			return false;
		}
	}
	return mkdir(path, 0755) == 0 || errno == EEXIST;
}

static bool cache_folder(char out[static PATH_MAX], unsigned zones, unsigned names)
{
	const char *xdg = getenv("XDG_CACHE_HOME");
	const char *home = getenv("HOME");
	int n = -1;
	if (xdg != NULL && xdg[0] == '/') {
		n = snprintf(out, PATH_MAX, "%s/fairlead/bench/inet-%ux%u", xdg, zones, names);
	} else if (home != NULL && home[0] == '/') {
		n = snprintf(out, PATH_MAX, "%s/.cache/fairlead/bench/inet-%ux%u", home, zones,
			     names);
	} else {
		say_error("neither XDG_CACHE_HOME nor HOME is set: give --inet DIR");
	}
	return n > 0 && n < PATH_MAX && make_folders(out);
}

/* One of fairlead-inet's verbs, its output left out; gives its exit code. */
static int run_tool(const struct inet *i, const char *verb, unsigned zones, unsigned names)
{
	char z[16];
	char n[16];
	snprintf(z, sizeof(z), "%u", zones);
	snprintf(n, sizeof(n), "%u", names);
	const pid_t pid = fork();
	if (pid == 0) {
		const int null = open("/dev/null", O_RDWR);
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		if (zones != 0) {
			execl(i->tool, i->tool, "--dir", i->dir, "--zones", z, "--names", n,
			      verb, (char *)NULL);
		} else {
			execl(i->tool, i->tool, "--dir", i->dir, verb, (char *)NULL);
		}
		_exit(127);
	}
	int status = 0;
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) {
		return 127;
	}
	return WEXITSTATUS(status);
}

static bool exists(const struct inet *i, const char *name)
{
	char path[PATH_MAX + 64];
	snprintf(path, sizeof(path), "%s/%s", i->dir, name);
	return access(path, R_OK) == 0;
}

/* Two benches in one world would measure each other. */
static bool lock_world(struct inet *i)
{
	char path[PATH_MAX + 64];
	snprintf(path, sizeof(path), "%s/bench.lock", i->dir);
	i->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (i->lock < 0 || flock(i->lock, LOCK_EX | LOCK_NB) != 0) {
		say_error("another fairlead-bench uses %s: wait for its end, or give --inet "
			  "DIR",
			  i->dir);
		return false;
	}
	return true;
}

static bool make_world(const struct inet *i, unsigned zones, unsigned names)
{
	if (exists(i, "manifest.json") && exists(i, "root.anchors")) {
		return true;
	}
	const double n = (double)zones * names;
	fprintf(stderr,
		"making a miniature Internet of %u zones with %u names each, kept in %s "
		"(about %.0f s)\n",
		zones, names, i->dir, 1 + n / 2500);
	if (run_tool(i, "make", zones, names) != 0) {
		say_error("%s cannot make the miniature Internet", i->tool);
		return false;
	}
	return true;
}

bool inet_open(struct inet *i, const char *given, unsigned zones, unsigned names)
{
	*i = (struct inet){ .lock = -1 };
	const char *tool = getenv("FAIRLEAD_INET");
	if (tool != NULL) {
		snprintf(i->tool, sizeof(i->tool), "%s", tool);
	} else if (!inet_beside("fairlead-inet", i->tool)) {
		say_error("there is no fairlead-inet beside this program: set FAIRLEAD_INET");
		return false;
	}
	if (given != NULL ? realpath(given, i->dir) == NULL
			  : !cache_folder(i->dir, zones, names)) {
		if (given != NULL) {
			say_error("%s: %s", given, strerror(errno));
		}
		return false;
	}
	if (!lock_world(i) || (given == NULL && !make_world(i, zones, names))) {
		return false;
	}
	if (run_tool(i, "status", 0, 0) == 0) {
		return true;
	}
	if (given == NULL && !catalogue_plant(i->dir)) {
		return false;
	}
	i->started = true;
	if (run_tool(i, "start", 0, 0) != 0) {
		say_error("%s cannot start the miniature Internet in %s", i->tool, i->dir);
		inet_close(i);
		return false;
	}
	return true;
}

int inet_run_inside(const struct inet *i, char **argv)
{
	char self[PATH_MAX];
	size_t n = 0;
	const ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	while (argv[n] != NULL) {
		n++;
	}
	char **words = calloc(n + 6, sizeof(*words));
	if (len <= 0 || words == NULL) {
		free(words);
		return EXIT_FAILURE;
	}
	self[len] = '\0';
	char dir_option[] = "--dir";
	char verb[] = "exec";
	char tool[PATH_MAX];
	char dir[PATH_MAX];
	memcpy(tool, i->tool, sizeof(tool));
	memcpy(dir, i->dir, sizeof(dir));
	words[0] = tool;
	words[1] = dir_option;
	words[2] = dir;
	words[3] = verb;
	words[4] = self;
	memcpy(words + 5, argv + 1, n * sizeof(*words)); /* with the ending NULL */
	fflush(NULL);
	const pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		setenv("FAIRLEAD_BENCH_INSIDE", i->dir, 1);
		setenv("FAIRLEAD_BENCH_OWNS", i->started ? "1" : "0", 1);
		execv(tool, words);
		_exit(127);
	}
	free(words);
	/* it ends what it started and says what it has; ours is what comes after */
	signal(SIGINT, SIG_IGN);
	int status = 0;
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
}

void inet_close(struct inet *i)
{
	if (i->started) {
		run_tool(i, "stop", 0, 0);
		i->started = false;
	}
	if (i->lock >= 0) {
		close(i->lock);
		i->lock = -1;
	}
}

void inet_pin(const char *dir, unsigned cpu)
{
	char path[PATH_MAX + 64];
	int holder = 0;
	struct tree tree = { .count = 0 };
	cpu_set_t cpus;
	snprintf(path, sizeof(path), "%s/holder.pid", dir);
	FILE *in = fopen(path, "re");
	if (in == NULL) {
		return;
	}
	if (fscanf(in, "%d", &holder) == 1 && tree_take(holder, &tree)) {
		CPU_ZERO(&cpus);
		CPU_SET(cpu, &cpus);
		for (size_t i = 0; i < tree.count; i++) {
			sched_setaffinity(tree.pid[i], sizeof(cpus), &cpus);
		}
	}
	fclose(in);
}
