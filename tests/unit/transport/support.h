/**
 * @file
 * A loop that is turned by hand, and what every test of the transports ends with.
 */
#ifndef FL_TEST_TRANSPORT_SUPPORT_H
#define FL_TEST_TRANSPORT_SUPPORT_H

#include "fairlead/base/addr.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define HAS_LSAN 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define HAS_LSAN 1
#endif
#ifdef HAS_LSAN
int __lsan_do_recoverable_leak_check(void);
#endif

static inline uint64_t test_now_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static inline void turn(uv_loop_t *loop)
{
	(void)uv_run(loop, UV_RUN_NOWAIT);
}

static inline void turn_for(uv_loop_t *loop, uint64_t ms)
{
	const uint64_t end = test_now_ms() + ms;
	while (test_now_ms() < end) {
		turn(loop);
		poll(NULL, 0, 1);
	}
}

/* Turn the loop until @p cond; the test fails when that takes over 10 s. */
#define TURN_UNTIL(loop, cond)                                                               \
	do {                                                                                 \
		const uint64_t end_ = test_now_ms() + 10000;                                 \
		bool met_; /* @p cond may have an effect: it is not asked again once true */ \
		while (!(met_ = (cond)) && test_now_ms() < end_) {                           \
			turn(loop);                                                          \
			poll(NULL, 0, 1);                                                    \
		}                                                                            \
		cr_assert(met_, "within 10 s: %s", #cond);                                   \
	} while (0)

static inline struct fl_addr addr_of(const char *text, uint16_t port)
{
	struct fl_addr a;
	cr_assert_eq(fl_addr_parse(text, port, &a), FL_OK, "%s", text);
	a.port = port; /* 0 too */
	return a;
}

static inline struct fl_addr name_of(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct fl_addr a;
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	cr_assert(fl_addr_from_sockaddr((const struct sockaddr *)&ss, &a));
	return a;
}

static inline void loop_end(uv_loop_t *loop)
{
	const uint64_t end = test_now_ms() + 5000;
	while (uv_run(loop, UV_RUN_NOWAIT) != 0 && test_now_ms() < end) {
		poll(NULL, 0, 1);
	}
	cr_expect_eq(uv_loop_close(loop), 0, "no handle is left open");
#ifdef HAS_LSAN
	cr_expect_eq(__lsan_do_recoverable_leak_check(), 0, "nothing leaks");
#endif
}

#endif
