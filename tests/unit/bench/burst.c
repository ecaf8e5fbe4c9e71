/* Trains of questions, between two sockets of this machine. */
#include "load/burst.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { QUESTIONS = BURST_QUESTIONS };

struct pair {
	int from;
	int to;
};

static struct pair open_pair(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	const struct pair p = { socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0),
				socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) };
	cr_assert(p.from >= 0 && p.to >= 0);
	cr_assert_eq(bind(p.to, (struct sockaddr *)&at, len), 0);
	cr_assert_eq(getsockname(p.to, (struct sockaddr *)&at, &len), 0);
	cr_assert_eq(connect(p.from, (struct sockaddr *)&at, len), 0);
	return p;
}

/* Question i has octet i in all its octets; of every three one is shorter. */
static void make_questions(uint8_t octets[QUESTIONS][64], struct iovec q[QUESTIONS])
{
	for (unsigned i = 0; i < QUESTIONS; i++) {
		memset(octets[i], (int)i, sizeof(octets[i]));
		q[i] = (struct iovec){ octets[i], i % 3 == 0 ? 40 : 50 };
	}
}

struct seen {
	unsigned times[QUESTIONS];
	unsigned wrong;
};

static void take(void *context, const uint8_t *message, size_t len)
{
	struct seen *s = context;
	const unsigned i = message[0];
	if (i >= QUESTIONS || len != (i % 3 == 0 ? 40U : 50U) || message[len - 1] != i) {
		s->wrong++;
		return;
	}
	s->times[i]++;
}

static void expect_each_once(bool merged)
{
	uint8_t octets[QUESTIONS][64];
	struct iovec q[QUESTIONS];
	struct seen seen = { .wrong = 0 };
	const struct pair p = open_pair();
	struct burst *b = burst_new();
	cr_assert_not_null(b);
	if (merged) {
		burst_open(p.to);
	}
	make_questions(octets, q);
	burst_send(b, p.from, q, QUESTIONS);
	unsigned got = 0;
	for (unsigned i = 0; i < QUESTIONS && got < QUESTIONS; i++) {
		got += burst_receive(b, p.to, take, &seen);
	}
	cr_expect_eq(got, QUESTIONS);
	cr_expect_eq(seen.wrong, 0);
	for (unsigned i = 0; i < QUESTIONS; i++) {
		cr_expect_eq(seen.times[i], 1, "question %u", i);
	}
	burst_free(b);
	close(p.from);
	close(p.to);
}

Test(burst, each_question_arrives_once_and_whole, .timeout = 20)
{
	expect_each_once(false);
}

Test(burst, merged_answers_are_taken_apart, .timeout = 20)
{
	expect_each_once(true);
}

Test(burst, one_question_alone_is_no_train, .timeout = 20)
{
	uint8_t octet[40] = { 0 };
	struct iovec q = { octet, sizeof(octet) };
	struct seen seen = { .wrong = 0 };
	const struct pair p = open_pair();
	struct burst *b = burst_new();
	burst_send(b, p.from, &q, 1);
	cr_expect_eq(burst_receive(b, p.to, take, &seen), 1);
	cr_expect_eq(seen.times[0], 1);
	burst_free(b);
	close(p.from);
	close(p.to);
}
