#include "figures/proc.h"
#include "figures/spread.h"
#include "load/load.h"
#include "report/report.h"
#include "say.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BURN_MS = 200, OCTETS = 64 << 20 };

/* This process keeps a processor busy. */
static void burn(uint64_t ms)
{
	const uint64_t end = now_ns() + ms * 1000000;
	while (now_ns() < end) {
	}
}

Test(proc, a_process_that_is_gone_is_not_found)
{
	struct tree t;
	const pid_t pid = fork();
	if (pid == 0) {
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	cr_expect_not(tree_take(pid, &t));
	cr_expect_not(tree_take(0, &t));
}

/* A child that burns in a grandchild, then waits. */
static pid_t start_family(int ready[2])
{
	const pid_t pid = fork();
	if (pid == 0) {
		if (fork() == 0) {
			burn(BURN_MS);
			(void)!write(ready[1], "x", 1);
			pause();
		}
		pause();
	}
	return pid;
}

Test(proc, a_grandchilds_time_counts, .timeout = 20)
{
	struct tree t;
	int ready[2];
	char octet;
	cr_assert_eq(pipe(ready), 0);
	const pid_t pid = start_family(ready);
	cr_assert_eq(read(ready[0], &octet, 1), 1);
	cr_assert(tree_take(pid, &t));
	cr_expect_eq(t.count, 2);
	const uint64_t ms = tree_cpu_ns(&t) / 1000000;
	/* the machine may have had others to serve meanwhile: never more than burnt */
	cr_expect(ms > 20 && ms < BURN_MS + 50, "%llu ms", (unsigned long long)ms);
	kill(t.pid[1], SIGKILL);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

Test(proc, shared_memory_counts_once, .timeout = 20)
{
	struct tree t;
	struct usage usage;
	int ready[2];
	char octet;
	char *shared =
		mmap(NULL, OCTETS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(shared, MAP_FAILED);
	cr_assert_eq(pipe(ready), 0);
	const pid_t pid = fork();
	if (pid == 0) {
		const bool child = fork() == 0;
		for (size_t i = 0; i < OCTETS; i += 4096) { /* both have every page */
			shared[i] = 1;
		}
		(void)!write(ready[1], child ? "c" : "p", 1);
		pause();
	}
	munmap(shared, OCTETS); /* or this process would bear a part */
	cr_assert_eq(read(ready[0], &octet, 1), 1);
	cr_assert_eq(read(ready[0], &octet, 1), 1);
	cr_assert(tree_take(pid, &t));
	tree_usage(pid, &t, &usage);
	cr_expect(usage.pss_octets > OCTETS && usage.pss_octets < OCTETS * 3 / 2, "%llu octets",
		  (unsigned long long)usage.pss_octets);
	cr_expect(usage.same);
	cr_expect_eq(usage.processes, 2);
	kill(t.pid[1], SIGKILL);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

Test(spread, median_least_and_most)
{
	const double odd[] = { 3, 1, 2 };
	const double even[] = { 4, 1, 2, 3 };
	const struct spread a = spread_of(odd, 3);
	const struct spread b = spread_of(even, 4);
	cr_expect_float_eq(spread_of(NULL, 0).median, 0, 1e-9);
	cr_expect_float_eq(a.median, 2, 1e-9);
	cr_expect_float_eq(a.least, 1, 1e-9);
	cr_expect_float_eq(a.most, 3, 1e-9);
	cr_expect_float_eq(b.median, 2.5, 1e-9);
}

Test(pace, a_sender_that_lags_voids_its_run)
{
	const struct load_result stood_still = { .sent = 1000, .lag_max_ns = 1000000001 };
	const struct load_result often_late = { .sent = 1000, .late = 11 };
	const struct load_result well = { .sent = 1000, .late = 10, .lag_max_ns = 1000000000 };
	cr_expect_not(load_kept_pace(&stood_still));
	cr_expect_not(load_kept_pace(&often_late));
	cr_expect(load_kept_pace(&well));
}

Test(size, hits_and_misses_cost_by_their_shares)
{
	cr_expect_float_eq(size_model_us(4, 100, 1), 4, 1e-9);
	cr_expect_float_eq(size_model_us(4, 100, 0), 100, 1e-9);
	cr_expect_float_eq(size_model_us(4, 100, 0.75), 28, 1e-9);
}
