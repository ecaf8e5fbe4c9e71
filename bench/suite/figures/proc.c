#include "figures/proc.h"

#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROCESSES_MAX = 8192 };

struct process {
	pid_t pid;
	pid_t parent;
};

/* proc(5): "pid (comm) state ppid ...", and comm may hold blanks and brackets. */
static pid_t parent_of(pid_t pid)
{
	char path[64];
	char text[512];
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	FILE *in = fopen(path, "re");
	if (in == NULL) {
		return -1;
	}
	const size_t n = fread(text, 1, sizeof(text) - 1, in);
	fclose(in);
	text[n] = '\0';
	const char *end = strrchr(text, ')');
	int parent = -1;
	if (end == NULL || sscanf(end + 1, " %*c %d", &parent) != 1) {
		return -1;
	}
	return (pid_t)parent;
}

static size_t all_processes(struct process *out, size_t max)
{
	DIR *dir = opendir("/proc");
	size_t n = 0;
	const struct dirent *entry;
	while (dir != NULL && n < max && (entry = readdir(dir)) != NULL) {
		if (!isdigit((unsigned char)entry->d_name[0])) {
			continue;
		}
		const pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		const pid_t parent = parent_of(pid);
		if (parent >= 0) {
			out[n++] = (struct process){ pid, parent };
		}
	}
	if (dir != NULL) {
		closedir(dir);
	}
	return n;
}

static bool holds(const struct tree *t, pid_t pid)
{
	for (size_t i = 0; i < t->count; i++) {
		if (t->pid[i] == pid) {
			return true;
		}
	}
	return false;
}

/* Take in children until a pass finds none: a child may stand before its parent. */
static void descend(struct tree *t, const struct process *all, size_t n)
{
	size_t before;
	do {
		before = t->count;
		for (size_t i = 0; i < n && t->count < TREE_MAX; i++) {
			if (!holds(t, all[i].pid) && holds(t, all[i].parent)) {
				t->pid[t->count++] = all[i].pid;
			}
		}
	} while (t->count > before);
}

bool tree_take(pid_t root, struct tree *out)
{
	if (root <= 0 || parent_of(root) < 0) {
		return false;
	}
	struct process *all = calloc(PROCESSES_MAX, sizeof(*all));
	if (all == NULL) {
		return false;
	}
	*out = (struct tree){ .pid = { root }, .count = 1 };
	descend(out, all, all_processes(all, PROCESSES_MAX));
	free(all);
	return true;
}

static uint64_t thread_cpu_ns(pid_t pid, const char *tid)
{
	char path[320];
	uint64_t ns = 0;
	snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", (int)pid, tid);
	FILE *in = fopen(path, "re");
	if (in != NULL) {
		if (fscanf(in, "%" SCNu64, &ns) != 1) {
			ns = 0;
		}
		fclose(in);
	}
	return ns;
}

static uint64_t process_cpu_ns(pid_t pid)
{
	char path[64];
	uint64_t ns = 0;
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	DIR *dir = opendir(path);
	const struct dirent *entry;
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (isdigit((unsigned char)entry->d_name[0])) {
			ns += thread_cpu_ns(pid, entry->d_name);
		}
	}
	if (dir != NULL) {
		closedir(dir);
	}
	return ns;
}

uint64_t tree_cpu_ns(const struct tree *t)
{
	uint64_t ns = 0;
	for (size_t i = 0; i < t->count; i++) {
		ns += process_cpu_ns(t->pid[i]);
	}
	return ns;
}

static uint64_t process_pss(pid_t pid)
{
	char path[64];
	char line[128];
	uint64_t kib = 0;
	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	FILE *in = fopen(path, "re");
	while (in != NULL && fgets(line, sizeof(line), in) != NULL) {
		if (sscanf(line, "Pss: %" SCNu64 " kB", &kib) == 1) {
			break;
		}
	}
	if (in != NULL) {
		fclose(in);
	}
	return kib * 1024;
}

static uint64_t process_fds(pid_t pid)
{
	char path[64];
	uint64_t n = 0;
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	DIR *dir = opendir(path);
	const struct dirent *entry;
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		n += entry->d_name[0] != '.';
	}
	if (dir != NULL) {
		closedir(dir);
	}
	return n;
}

static bool same_tree(const struct tree *a, const struct tree *b)
{
	for (size_t i = 0; i < a->count; i++) {
		if (!holds(b, a->pid[i])) {
			return false;
		}
	}
	return a->count == b->count;
}

void tree_usage(pid_t root, const struct tree *t, struct usage *out)
{
	struct tree now = { .count = 0 };
	*out = (struct usage){ .cpu_ns = tree_cpu_ns(t) };
	if (!tree_take(root, &now)) {
		return;
	}
	out->same = same_tree(t, &now);
	out->processes = now.count;
	for (size_t i = 0; i < now.count; i++) {
		out->pss_octets += process_pss(now.pid[i]);
		out->fds += process_fds(now.pid[i]);
	}
}
