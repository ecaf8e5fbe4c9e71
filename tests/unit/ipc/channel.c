/* Channels between roles, over real sockets and a real loop. */
#include "fairlead/ipc/channel.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

struct end {
	uv_loop_t *loop;
	struct fl_channel *ch;
	unsigned frames, closed, fds, stop_after;
	uint64_t last_job;
	bool in_order;
};

static void on_frame(void *arg, struct fl_channel *ch, const struct fl_frame *f, int *fds,
		     unsigned n_fds)
{
	struct end *e = arg;
	(void)ch;
	(void)fds;
	e->fds += n_fds;
	e->in_order = e->in_order && f->h.job_id == e->last_job + 1;
	e->last_job = f->h.job_id;
	if (++e->frames == e->stop_after) {
		uv_stop(e->loop);
	}
}

static void on_closed(void *arg, struct fl_channel *ch)
{
	struct end *e = arg;
	e->closed++;
	fl_channel_free(ch);
	e->ch = NULL;
	uv_stop(e->loop);
}

static void on_timeout(uv_timer_t *t)
{
	uv_stop(t->loop);
}

static void open_end(struct end *e, uv_loop_t *loop, int fd, size_t max_queued)
{
	*e = (struct end){ .loop = loop, .in_order = true };
	const struct fl_channel_options o = { .loop = loop,
					      .fd = fd,
					      .frame = on_frame,
					      .closed = on_closed,
					      .arg = e,
					      .max_queued = max_queued };
	cr_assert_eq(fl_channel_open(&o, &e->ch), FL_OK);
}

static void pair(int fd[2])
{
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd),
		     0);
}

static void run_for(uv_loop_t *loop, unsigned ms)
{
	uv_timer_t t;
	uv_timer_init(loop, &t);
	uv_timer_start(&t, on_timeout, ms, 0);
	uv_run(loop, UV_RUN_DEFAULT);
	uv_close((uv_handle_t *)&t, NULL);
	uv_run(loop, UV_RUN_NOWAIT);
}

static struct fl_frame numbered(uint64_t n, uint8_t *packet, uint32_t len)
{
	struct fl_frame f = fl_frame_init(FL_FRAME_ANSWER);
	f.h.job_id = n;
	f.packet = packet;
	f.h.packet_len = len;
	return f;
}

Test(channel, thousands_of_frames_arrive_whole_and_in_order)
{
	uv_loop_t loop;
	struct end a, b;
	int fd[2];
	static uint8_t packet[2000];
	uv_loop_init(&loop);
	pair(fd);
	open_end(&a, &loop, fd[0], 10000);
	open_end(&b, &loop, fd[1], 0);
	b.stop_after = 5000;
	for (uint64_t i = 1; i <= 5000; i++) {
		const struct fl_frame f = numbered(i, packet, (uint32_t)(i % sizeof(packet)));
		cr_assert_eq(fl_channel_send(a.ch, &f), FL_OK);
	}
	run_for(&loop, 20000);
	cr_expect_eq(b.frames, 5000);
	cr_expect(b.in_order);
	fl_channel_free(a.ch);
	fl_channel_free(b.ch);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_eq(uv_loop_close(&loop), 0);
}

Test(channel, the_largest_frame_passes)
{
	uv_loop_t loop;
	struct end a, b;
	int fd[2];
	static uint8_t packet[FL_FRAME_PACKET_MAX];
	static char text[FL_REASON_TEXT_MAX];
	uv_loop_init(&loop);
	pair(fd);
	open_end(&a, &loop, fd[0], 0);
	open_end(&b, &loop, fd[1], 0);
	b.stop_after = 1;
	struct fl_frame f = numbered(1, packet, sizeof(packet));
	f.text = text;
	f.h.text_len = sizeof(text);
	cr_assert_eq(fl_channel_send(a.ch, &f), FL_OK);
	run_for(&loop, 5000);
	cr_expect_eq(b.frames, 1);
	fl_channel_free(a.ch);
	fl_channel_free(b.ch);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
}

Test(channel, a_full_queue_refuses_and_forgets_nothing_else)
{
	uv_loop_t loop;
	struct end a, b;
	int fd[2];
	uv_loop_init(&loop);
	pair(fd);
	open_end(&a, &loop, fd[0], 8);
	open_end(&b, &loop, fd[1], 0);
	for (uint64_t i = 1; i <= 8; i++) {
		const struct fl_frame f = numbered(i, NULL, 0);
		cr_expect_eq(fl_channel_send(a.ch, &f), FL_OK);
	}
	const struct fl_frame ninth = numbered(9, NULL, 0);
	cr_expect_eq(fl_channel_send(a.ch, &ninth), FL_EBUSY);
	b.stop_after = 8;
	run_for(&loop, 5000);
	cr_expect_eq(b.frames, 8);
	cr_expect_eq(fl_channel_send(a.ch, &ninth), FL_OK, "there is room again");
	fl_channel_free(a.ch);
	fl_channel_free(b.ch);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
}

Test(channel, garbage_closes_the_connection_of_who_sent_it)
{
	uv_loop_t loop;
	struct end b;
	int fd[2];
	uv_loop_init(&loop);
	pair(fd);
	open_end(&b, &loop, fd[1], 0);
	cr_assert_eq(write(fd[0], "garbage", 7), 7);
	run_for(&loop, 5000);
	cr_expect_eq(b.closed, 1);
	cr_expect_eq(b.frames, 0);
	close(fd[0]);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
}

/* @p n frames numbered from 1, one behind the other as in one message; returns its octets. */
static size_t write_train(uint8_t *out, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const struct fl_frame f = numbered(i + 1, NULL, 0);
		memcpy(out + i * sizeof(f.h), &f.h, sizeof(f.h));
	}
	return n * sizeof(struct fl_frame_header);
}

static unsigned count_messages(int fd, size_t *longest)
{
	static uint8_t octets[FL_FRAME_MAX];
	unsigned n = 0;
	*longest = 0;
	for (ssize_t len; (len = recv(fd, octets, sizeof(octets), 0)) > 0; n++) {
		*longest = (size_t)len > *longest ? (size_t)len : *longest;
	}
	return n;
}

Test(channel, small_frames_of_a_turn_share_a_message)
{
	static const struct {
		const char *why;
		unsigned frames, octets, messages;
	} cases[] = {
		{ "ten empty ones", 10, 0, 1 },
		{ "as many as may be", FL_FRAME_TRAIN_MAX, 0, 1 },
		{ "one more", FL_FRAME_TRAIN_MAX + 1, 0, 2 },
		{ "large ones, each alone", 3, 20000, 3 },
		{ "two that fill one", 2, 8000, 1 },
	};
	static uint8_t packet[20000];
	for (size_t i = 0; i < FL_COUNT(cases); i++) {
		uv_loop_t loop;
		struct end a;
		int fd[2];
		size_t longest;
		uv_loop_init(&loop);
		pair(fd);
		open_end(&a, &loop, fd[0], 0);
		const struct fl_frame f = numbered(1, packet, cases[i].octets);
		for (unsigned n = 0; n < cases[i].frames; n++) {
			cr_assert_eq(fl_channel_send(a.ch, &f), FL_OK);
		}
		fl_channel_flush(a.ch);
		cr_expect_eq(count_messages(fd[1], &longest), cases[i].messages, "%s",
			     cases[i].why);
		cr_expect_leq(longest, FL_FRAME_MAX);
		fl_channel_free(a.ch);
		uv_run(&loop, UV_RUN_DEFAULT);
		close(fd[1]);
		cr_expect_eq(uv_loop_close(&loop), 0);
	}
}

Test(channel, a_frame_with_descriptors_travels_alone)
{
	uv_loop_t loop;
	struct end a;
	int fd[2], gift[2];
	size_t longest;
	uv_loop_init(&loop);
	pair(fd);
	pair(gift);
	open_end(&a, &loop, fd[0], 0);
	const struct fl_frame f = numbered(1, NULL, 0);
	cr_assert_eq(fl_channel_send(a.ch, &f), FL_OK);
	cr_assert_eq(fl_channel_send_fds(a.ch, &f, &gift[0], 1), FL_OK);
	cr_assert_eq(fl_channel_send(a.ch, &f), FL_OK);
	cr_assert_eq(fl_channel_send(a.ch, &f), FL_OK);
	fl_channel_flush(a.ch);
	cr_expect_eq(count_messages(fd[1], &longest), 3);
	cr_expect_eq(longest, 2 * sizeof(struct fl_frame_header));
	fl_channel_free(a.ch);
	uv_run(&loop, UV_RUN_DEFAULT);
	close(fd[1]);
	close(gift[0]);
	close(gift[1]);
	cr_expect_eq(uv_loop_close(&loop), 0);
}

Test(channel, a_message_of_frames_is_refused_where_it_goes_wrong)
{
	static const struct {
		const char *why;
		unsigned frames, spare, heard, closed;
	} cases[] = {
		{ "whole", 3, 0, 3, 0 },
		{ "as long as may be", FL_FRAME_TRAIN_MAX, 0, FL_FRAME_TRAIN_MAX, 0 },
		{ "an octet of a fourth", 3, 1, 3, 1 },
		{ "a header of nothing", 3, sizeof(struct fl_frame_header), 3, 1 },
		{ "longer than any of ours", FL_FRAME_TRAIN_MAX + 1, 0, FL_FRAME_TRAIN_MAX, 1 },
	};
	static uint8_t octets[(FL_FRAME_TRAIN_MAX + 2) * sizeof(struct fl_frame_header)];
	for (size_t i = 0; i < FL_COUNT(cases); i++) {
		uv_loop_t loop;
		struct end b;
		int fd[2];
		uv_loop_init(&loop);
		pair(fd);
		open_end(&b, &loop, fd[1], 0);
		memset(octets, 0, sizeof(octets));
		const size_t len = write_train(octets, cases[i].frames) + cases[i].spare;
		cr_assert_eq(write(fd[0], octets, len), (ssize_t)len);
		run_for(&loop, 100);
		cr_expect_eq(b.frames, cases[i].heard, "%s: %u", cases[i].why, b.frames);
		cr_expect_eq(b.closed, cases[i].closed, "%s", cases[i].why);
		cr_expect(b.in_order);
		fl_channel_free(b.ch);
		close(fd[0]);
		uv_run(&loop, UV_RUN_DEFAULT);
		cr_expect_eq(uv_loop_close(&loop), 0);
	}
}

static void free_at_first(void *arg, struct fl_channel *ch, const struct fl_frame *f, int *fds,
			  unsigned n_fds)
{
	(void)f;
	(void)fds;
	(void)n_fds;
	++*(unsigned *)arg;
	fl_channel_free(ch);
}

Test(channel, nothing_more_of_a_message_comes_after_its_channel_was_freed)
{
	uv_loop_t loop;
	struct fl_channel *ch;
	unsigned heard = 0;
	int fd[2];
	uint8_t octets[3 * sizeof(struct fl_frame_header)];
	uv_loop_init(&loop);
	pair(fd);
	const struct fl_channel_options o = {
		.loop = &loop, .fd = fd[1], .frame = free_at_first, .arg = &heard
	};
	cr_assert_eq(fl_channel_open(&o, &ch), FL_OK);
	const size_t len = write_train(octets, 3);
	cr_assert_eq(write(fd[0], octets, len), (ssize_t)len);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_eq(heard, 1);
	close(fd[0]);
	cr_expect_eq(uv_loop_close(&loop), 0);
}

Test(channel, what_a_dying_peer_said_last_is_still_heard)
{
	uv_loop_t loop;
	struct end a, b;
	int fd[2];
	uv_loop_init(&loop);
	pair(fd);
	open_end(&a, &loop, fd[0], 0);
	open_end(&b, &loop, fd[1], 0);
	for (uint64_t i = 1; i <= 100; i++) {
		const struct fl_frame f = numbered(i, NULL, 0);
		cr_assert_eq(fl_channel_send(a.ch, &f), FL_OK);
	}
	fl_channel_flush(a.ch);
	fl_channel_free(a.ch);
	run_for(&loop, 5000);
	cr_expect_eq(b.frames, 100);
	cr_expect_eq(b.closed, 1);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
}

/* It dies with our messages unread: the kernel then reports a reset before what it had sent. */
Test(channel, nor_are_its_last_words_lost_when_it_had_not_read_ours)
{
	uv_loop_t loop;
	struct end b;
	int fd[2];
	uv_loop_init(&loop);
	pair(fd);
	open_end(&b, &loop, fd[1], 0);
	const struct fl_frame unread = numbered(1, NULL, 0);
	cr_assert_eq(fl_channel_send(b.ch, &unread), FL_OK);
	fl_channel_flush(b.ch);
	for (uint64_t i = 1; i <= 40; i++) {
		const struct fl_frame f = numbered(i, NULL, 0);
		cr_assert_eq(write(fd[0], &f.h, sizeof(f.h)), (ssize_t)sizeof(f.h));
	}
	close(fd[0]);
	run_for(&loop, 5000);
	cr_expect_eq(b.frames, 40, "%u of 40 were heard", b.frames);
	cr_expect_eq(b.closed, 1);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
}

/* Nobody reads: what the kernel does not take is held, up to the bound and no further. */
Test(channel, a_queue_is_bounded_in_octets)
{
	enum { BOUND = 1 << 20, LARGE = 60000 };
	static uint8_t packet[LARGE];
	uv_loop_t loop;
	struct fl_channel *ch;
	int fd[2];
	unsigned queued = 0;
	uv_loop_init(&loop);
	pair(fd);
	const struct fl_channel_options o = { .loop = &loop, .fd = fd[0], .max_octets = BOUND };
	cr_assert_eq(fl_channel_open(&o, &ch), FL_OK);
	const struct fl_frame f = numbered(1, packet, LARGE);
	enum fl_err err = FL_OK;
	while (queued < 1000 && (err = fl_channel_send(ch, &f)) == FL_OK) {
		queued++;
	}
	cr_expect_eq(err, FL_EBUSY);
	cr_expect_eq(queued, BOUND / (LARGE + sizeof(struct fl_frame_header)), "%u", queued);
	/* what has left makes room again */
	fl_channel_flush(ch);
	cr_expect_eq(fl_channel_send(ch, &f), FL_OK);
	fl_channel_free(ch);
	uv_run(&loop, UV_RUN_DEFAULT);
	close(fd[1]);
	uv_loop_close(&loop);
}

Test(channel, small_frames_weigh_what_they_cost)
{
	uv_loop_t loop;
	struct fl_channel *ch;
	int fd[2];
	unsigned queued = 0;
	uv_loop_init(&loop);
	pair(fd);
	const struct fl_channel_options o = {
		.loop = &loop, .fd = fd[0], .max_octets = 100000, .max_queued = 100000
	};
	cr_assert_eq(fl_channel_open(&o, &ch), FL_OK);
	const struct fl_frame f = numbered(1, NULL, 0);
	while (queued < 10000 && fl_channel_send(ch, &f) == FL_OK) {
		queued++;
	}
	cr_expect_lt(queued, 100000 / sizeof(struct fl_frame_header), "%u", queued);
	fl_channel_free(ch);
	uv_run(&loop, UV_RUN_DEFAULT);
	close(fd[1]);
	uv_loop_close(&loop);
}

Test(channel, two_channels_share_one_receive_buffer)
{
	uv_loop_t loop;
	struct end a[2];
	struct fl_channel *from[2];
	struct fl_receiver *rx = fl_receiver_new();
	uv_loop_init(&loop);
	for (unsigned i = 0; i < 2; i++) {
		int fd[2];
		pair(fd);
		a[i] = (struct end){ .loop = &loop, .in_order = true };
		struct fl_channel_options o = { .loop = &loop,
						.fd = fd[0],
						.frame = on_frame,
						.closed = on_closed,
						.arg = &a[i],
						.receiver = rx };
		cr_assert_eq(fl_channel_open(&o, &a[i].ch), FL_OK);
		o.fd = fd[1];
		cr_assert_eq(fl_channel_open(&o, &from[i]), FL_OK);
	}
	for (uint64_t n = 1; n <= 200; n++) {
		const struct fl_frame f = numbered(n, NULL, 0);
		cr_assert_eq(fl_channel_send(from[n % 2], &f), FL_OK);
	}
	run_for(&loop, 200);
	cr_expect_eq(a[0].frames, 100);
	cr_expect_eq(a[1].frames, 100);
	cr_expect_eq(a[0].last_job, 200);
	cr_expect_eq(a[1].last_job, 199);
	for (unsigned i = 0; i < 2; i++) {
		fl_channel_free(a[i].ch);
		fl_channel_free(from[i]);
	}
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_expect_eq(uv_loop_close(&loop), 0);
	fl_receiver_free(rx);
}

Test(channel, descriptors_pass_and_those_not_kept_are_closed)
{
	uv_loop_t loop;
	struct end a, b;
	int fd[2], gift[2];
	uv_loop_init(&loop);
	pair(fd);
	pair(gift);
	open_end(&a, &loop, fd[0], 0);
	open_end(&b, &loop, fd[1], 0);
	b.stop_after = 1;
	const struct fl_frame f = numbered(1, NULL, 0);
	cr_assert_eq(fl_channel_send_fds(a.ch, &f, &gift[0], 1), FL_OK);
	close(gift[0]);
	run_for(&loop, 5000);
	cr_expect_eq(b.fds, 1);
	char c;
	cr_expect_eq(read(gift[1], &c, 1), 0,
		     "the last copy is closed: its other end reads the end");
	fl_channel_free(a.ch);
	fl_channel_free(b.ch);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
}

Test(channel, a_listening_end_outlives_its_role)
{
	int listen_fd, peer, accepted;
	char token[32];
	snprintf(token, sizeof(token), "test-%d", getpid());
	cr_assert_eq(fl_channel_listen(token, "resolver.0", &listen_fd), FL_OK);
	cr_expect_eq(fl_channel_accept(listen_fd, &accepted), FL_ENOTFOUND, "nobody has come");
	/* nobody accepts yet: connecting succeeds all the same */
	cr_assert_eq(fl_channel_connect(token, "resolver.0", &peer), FL_OK);
	cr_assert_eq(fl_channel_accept(listen_fd, &accepted), FL_OK);
	close(peer);
	close(accepted);
	cr_expect_eq(fl_channel_connect(token, "resolver.1", &peer), FL_ESYSTEM);
	close(listen_fd);
	cr_expect_eq(fl_channel_connect(token, "resolver.0", &peer), FL_ESYSTEM);
}

Test(channel, another_user_is_refused)
{
	int listen_fd, accepted, peer;
	char token[32];
	if (geteuid() != 0) {
		cr_skip_test("only root can be two users");
	}
	snprintf(token, sizeof(token), "test-%d", getpid());
	cr_assert_eq(fl_channel_listen(token, "keeper", &listen_fd), FL_OK);
	cr_assert_eq(seteuid(65534), 0);
	cr_assert_eq(fl_channel_connect(token, "keeper", &peer), FL_OK);
	cr_assert_eq(seteuid(0), 0);
	cr_expect_eq(fl_channel_accept(listen_fd, &accepted), FL_EDENIED);
}
