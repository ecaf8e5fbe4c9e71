#include "state.h"

#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_ROOM = 64 /* longest file name below the folder, "zones/NAME.zone" apart */ };

static const char pid_file[] = "holder.pid";

/* Who a process is, beyond its number: numbers come again. */
struct identity {
	int pid;
	unsigned long long start_ticks; /* proc(5), stat field 22 */
	char boot[40];
};

bool state_locate(struct state *st, const char *given)
{
	char path[PATH_MAX];
	const char *xdg = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");
	int len;
	if (given != NULL) {
		len = snprintf(path, sizeof(path), "%s", given);
	} else if (xdg != NULL && xdg[0] == '/') {
		len = snprintf(path, sizeof(path), "%s/fairlead/inet", xdg);
	} else if (home != NULL && home[0] == '/') {
		len = snprintf(path, sizeof(path), "%s/.local/state/fairlead/inet", home);
	} else {
		report_error("neither XDG_STATE_HOME nor HOME is set: say where with --dir");
		return false;
	}
	char cwd[PATH_MAX] = "";
	if (path[0] != '/' && getcwd(cwd, sizeof(cwd)) == NULL) {
		report_error("cannot tell the current folder: %s", strerror(errno));
		return false;
	}
	const size_t need = (size_t)len + strlen(cwd) + NAME_ROOM * 2;
	if (len <= 0 || need >= sizeof(st->dir)) {
		report_error("the folder name given to --dir is empty or too long");
		return false;
	}
	if (strpbrk(path, "\"\n\\") != NULL) {
		report_error(
			"%s: a quote, backslash or line break in a folder name would end up in "
			"NSD's configuration; choose another --dir",
			path);
		return false;
	}
	char *end = st->dir;
	if (path[0] != '/') {
		end = stpcpy(stpcpy(end, cwd), "/");
	}
	memcpy(end, path, (size_t)len + 1);
	return true;
}

bool state_create(const struct state *st)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s", st->dir);
	for (char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
		if (slash != NULL) {
			*slash = '\0';
		}
		if (mkdir(path, 0755) != 0 && errno != EEXIST) {
			report_error("cannot make the folder %s: %s; choose another with --dir",
				     path, strerror(errno));
			return false;
		}
		if (slash == NULL) {
			return true;
		}
		*slash = '/';
	}
}

void state_path(const struct state *st, const char *name, char out[static PATH_MAX])
{
	char *end = stpcpy(stpcpy(out, st->dir), "/"); /* state_locate() left the room */
	snprintf(end, NAME_ROOM * 2, "%s", name);
}

int state_lock(const struct state *st)
{
	char path[PATH_MAX];
	state_path(st, "lock", path);
	const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || flock(fd, LOCK_EX) != 0) {
		report_error("cannot lock %s: %s%s", path, strerror(errno),
			     errno == ENOENT ? "; run fairlead-inet make first" : "");
		if (fd >= 0) {
			close(fd);
		}
		return -1;
	}
	return fd;
}

static bool read_line(const char *path, char *out, size_t size)
{
	FILE *in = fopen(path, "re");
	if (in == NULL) {
		return false;
	}
	const bool ok = fgets(out, (int)size, in) != NULL;
	fclose(in);
	return ok;
}

/* The identity of a process that lives now. */
static bool identify(int pid, struct identity *out)
{
	char path[64];
	char line[1024];
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (!read_line(path, line, sizeof(line))) {
		return false;
	}
	/* the command, field 2, may hold blanks and brackets: count from its end */
	const char *at = strrchr(line, ')');
	if (at == NULL || at[1] == '\0' || at[2] == 'Z') {
		return false; /* a zombie holds nothing */
	}
	for (int field = 2; field < 22 && at != NULL; field++) {
		at = strchr(at + 1, ' ');
	}
	struct identity found = { .pid = pid };
	if (at == NULL || !read_line("/proc/sys/kernel/random/boot_id", line, sizeof(line))) {
		return false;
	}
	found.start_ticks = strtoull(at, NULL, 10);
	snprintf(found.boot, sizeof(found.boot), "%.36s", line);
	*out = found;
	return true;
}

pid_t state_holder(const struct state *st)
{
	char path[PATH_MAX];
	char line[128];
	struct identity noted = { 0 };
	struct identity found;
	state_path(st, pid_file, path);
	if (!read_line(path, line, sizeof(line)) ||
	    sscanf(line, "%d %llu %36s", &noted.pid, &noted.start_ticks, noted.boot) != 3 ||
	    noted.pid <= 1 || !identify(noted.pid, &found)) {
		return 0;
	}
	const bool same =
		found.start_ticks == noted.start_ticks && strcmp(found.boot, noted.boot) == 0;
	return same ? noted.pid : 0;
}

bool state_set_holder(const struct state *st)
{
	char path[PATH_MAX];
	struct identity self;
	state_path(st, pid_file, path);
	FILE *out = fopen(path, "we");
	if (out == NULL) {
		report_error("cannot write %s: %s", path, strerror(errno));
		return false;
	}
	if (!identify(getpid(), &self)) {
		report_error("/proc does not show this process: is /proc mounted?");
		fclose(out);
		return false;
	}
	fprintf(out, "%d %llu %s\n", self.pid, self.start_ticks, self.boot);
	return report_close(out, path);
}

void state_clear_holder(const struct state *st)
{
	char path[PATH_MAX];
	state_path(st, pid_file, path);
	unlink(path);
}
