/* The UDP sender against sockets that never answer. */
#include "load/load.h"
#include "world.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct selection everything = { .algorithm = ALGORITHM_ANY,
					     .aaaa = true,
					     .ttl_min_s = 3600 };
static const volatile sig_atomic_t never;

/* Bound and not read: datagrams vanish once its buffer is full. */
static int silent_server(struct sockaddr_in *at)
{
	socklen_t len = sizeof(*at);
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	*at = (struct sockaddr_in){ .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	cr_assert(fd >= 0);
	cr_assert_eq(bind(fd, (const struct sockaddr *)at, sizeof(*at)), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)at, &len), 0);
	return fd;
}

Test(udp, who_asks_by_the_clock_goes_on_while_nothing_is_answered, .timeout = 30)
{
	struct catalogue c;
	struct mix m;
	struct load_result *r = calloc(1, sizeof(*r));
	struct load_plan plan = { .mix = &m,
				  .pace = PACE_OPEN,
				  .rate = 20000,
				  .sockets = 1,
				  .time_ns = 500000000,
				  .patience_ns = 1000000000,
				  .check_every = 1,
				  .stop = &never };
	const int fd = silent_server(&plan.server);
	world_load(&everything, &c);
	cr_assert_not_null(r);
	cr_assert(mix_init(&m, &c, &(struct mix_options){ .order = ORDER_ZIPF }, NULL));
	cr_assert(load_run(&plan, r));
	/* 10,000 questions where one socket holds 4,096 */
	cr_expect(r->sent > 9000 && r->sent < 10100, "%llu sent", (unsigned long long)r->sent);
	cr_expect(r->lost + 100 > r->sent && r->lost <= r->sent + 100, "%llu of %llu lost",
		  (unsigned long long)r->lost, (unsigned long long)r->sent);
	cr_expect_eq(r->answered, 0);
	close(fd);
	mix_fini(&m);
	catalogue_free(&c);
	free(r);
}
