/**
 * @file
 * What a server costs, read from /proc: processor time, memory, descriptors of
 * the process that was started and of all that descend from it.
 */
#ifndef FAIRLEAD_BENCH_PROC_H
#define FAIRLEAD_BENCH_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { TREE_MAX = 64 };

/** A process and its descendants, as they were when it was taken. */
struct tree {
	pid_t pid[TREE_MAX];
	size_t count;
};

/** One reading of a tree. */
struct usage {
	/* Run time of all threads from /proc/PID/task/TID/schedstat: nanoseconds as
	 * the scheduler counts them, where utime and stime are whole ticks. */
	uint64_t cpu_ns;
	/* Proportional set size: a page that n processes share counts 1/n in each, so
	 * the sum over a server's processes counts its shared maps once. */
	uint64_t pss_octets;
	uint64_t fds;
	size_t processes;
	/* whether the tree is the one that was first taken: the time of a process
	 * that ended is lost with it */
	bool same;
};

/** Find @p root and its descendants. False where it lives no more. */
bool tree_take(pid_t root, struct tree *out);
/** The processor time only: cheap enough to read within a run. */
uint64_t tree_cpu_ns(const struct tree *t);
/** Read all; takes a while (the kernel walks every page for the memory). */
void tree_usage(pid_t root, const struct tree *t, struct usage *out);

#endif
