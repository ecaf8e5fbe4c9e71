/* What goes out: errors within their limit, each answer counted once, nothing that was
 * flushed; and what a cache that cannot be read costs. */
#include "toy.h"

enum { ERRORS = 3, ASKED = 40 };

#define LIMITED "resolvers: 1\nrate-limit: {errors: 3, exempt: []}\n"

enum fl_err __real_fl_cache_begin(struct fl_cache *c);
enum fl_err __wrap_fl_cache_begin(struct fl_cache *c);

static enum fl_err begin_fails; /* what the next transactions end in */

enum fl_err __wrap_fl_cache_begin(struct fl_cache *c)
{
	return begin_fails != FL_OK ? begin_fails : __real_fl_cache_begin(c);
}

struct folder {
	char path[64];
	int fd;
};

static struct folder make_folder(void)
{
	struct folder d = { .path = "/tmp/fairlead-front-XXXXXX" };
	cr_assert_not_null(mkdtemp(d.path));
	d.fd = open(d.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(d.fd, 0);
	return d;
}

static void remove_folder(struct folder *d)
{
	unlinkat(d->fd, "data.mdb", 0);
	unlinkat(d->fd, "lock.mdb", 0);
	close(d->fd);
	cr_expect_eq(rmdir(d->path), 0);
}

/* An answer to "<name> A" with one address, or, where @p verdict is one, a failure. */
static void store(struct fl_cache *c, const struct front *f, const char *name,
		  enum fl_verdict verdict, struct fl_moment at)
{
	uint8_t wire[FL_NAME_MAX], packet[512], record[FL_RECORD_STORE_MAX];
	size_t len;
	struct fl_cache_key key;
	cr_assert_eq(fl_name_from_text(name, wire, &len), FL_OK);
	fl_cache_key_init(&key, fl_cache_secret(c), wire, len, FL_TYPE_A, FL_CLASS_IN);
	struct fl_writer w = fl_writer_init(packet, sizeof(packet));
	fl_writer_octets(&w, "\0\0\x81\x80\0\1\0\1\0\0\0\0", 12);
	fl_writer_octets(&w, wire, len);
	fl_writer_octets(&w, "\0\1\0\1\xC0\x0C\0\1\0\1\0\0\x0E\x10\0\4\xC0\0\2\1", 20);
	const bool failed = verdict == FL_VERDICT_FAILED;
	const struct fl_record_source src = { .packet = failed ? NULL : packet,
					      .packet_len = failed ? 0 : w.len,
					      .verdict = verdict,
					      .reason = failed ? FL_REASON_NO_REACHABLE
							       : FL_REASON_NONE,
					      .ede = failed ? 22 : FL_EDE_NONE,
					      .failures = 7 };
	cr_assert_eq(fl_record_encode(&key, &src, &f->limits, at, record, sizeof(record), &len),
		     FL_OK);
	cr_assert_eq(fl_cache_put(c, &key, record, len), FL_OK);
}

/* Stored by the writer, then read by the front. */
static void fill_cache(struct toy *t, const struct folder *d)
{
	struct fl_cache_options o = { .folder_fd = d->fd,
				      .map_bytes = 4 << 20,
				      .writer = true };
	struct fl_cache *c;
	const struct fl_moment now = fl_moment_now(TOY_BOOT),
			       before = fl_moment_now(TOY_BOOT + 1);
	cr_assert_eq(fl_cache_open(&o, &c), FL_OK);
	store(c, t->f, "good.example.", FL_VERDICT_INSECURE, now);
	store(c, t->f, "older.example.", FL_VERDICT_INSECURE, before);
	store(c, t->f, "older.elsewhere.", FL_VERDICT_INSECURE, before);
	store(c, t->f, "bad.example.", FL_VERDICT_FAILED, now);
	cr_assert_eq(fl_cache_commit(c), FL_OK);
	fl_cache_close(c);
	o.writer = false;
	cr_assert_eq(fl_cache_open(&o, &t->f->cache), FL_OK);
	t->f->secret = fl_cache_secret(t->f->cache);
}

struct seen {
	unsigned failures, truncated, other;
};

static void look(struct seen *s, const uint8_t *reply)
{
	s->failures += rcode_of(reply) == FL_RCODE_SERVFAIL;
	s->truncated += is_truncated(reply);
	s->other += rcode_of(reply) != FL_RCODE_SERVFAIL && !is_truncated(reply);
}

/* As many failures as the limit says (and what a second more would give), then TC=1 and nothing
 * in turn: no error slips through. */
static void judge(const struct toy *t, const struct seen *s, const char *what)
{
	cr_expect(s->failures >= ERRORS && s->failures <= 2 * ERRORS, "%s: %u failures", what,
		  s->failures);
	cr_expect(s->truncated > ASKED / 3 && s->truncated <= ASKED / 2, "%s: %u with TC", what,
		  s->truncated);
	cr_expect_eq(s->other, 0, "%s", what);
	cr_expect_eq(t->counters.answers_failed, s->failures, "%s: counted once, if sent",
		     what);
	cr_expect_eq(t->counters.rate_limited, ASKED - s->failures, "%s", what);
	cr_expect_eq(t->counters.answers_cached + t->counters.answers_resolved, 0, "%s", what);
}

Test(serve, cached_failures_are_within_the_error_limit)
{
	struct toy t;
	struct folder d = make_folder();
	struct seen s = { 0 };
	toy_open(&t, LIMITED);
	fill_cache(&t, &d);
	for (unsigned i = 0; i < ASKED; i++) {
		if (toy_ask(&t, 1, "bad.example.", 0) == STEP_ANSWER) {
			look(&s, t.f->reply);
		}
	}
	judge(&t, &s, "from the cache");
	cr_expect_eq(toy_ask(&t, 1, "good.example.", 0), STEP_ANSWER);
	cr_expect_eq(rcode_of(t.f->reply), FL_RCODE_NOERROR, "answers are not concerned");
	cr_expect_eq(t.counters.answers_cached, 1);
	toy_close(&t);
	remove_folder(&d);
}

Test(serve, failures_after_waiting_are_within_the_error_limit)
{
	struct toy t;
	uint8_t reply[4096];
	struct seen s = { 0 };
	toy_open(&t, LIMITED);
	for (unsigned i = 0; i < ASKED; i++) {
		cr_assert_eq(toy_ask(&t, 1, "silent.example.", 0), STEP_WAIT);
	}
	fl__pending_failed(t.f, first_job(&t), FL_REASON_DEADLINE);
	while (toy_reply(&t, reply, sizeof(reply)) > 0) {
		look(&s, reply);
	}
	judge(&t, &s, "after waiting");
	toy_close(&t);
}

Test(serve, says_since_when_it_reads)
{
	struct toy t;
	struct folder d = make_folder();
	uint8_t message[512];
	toy_open(&t, LIMITED);
	fill_cache(&t, &d);
	struct query *q = &t.f->batch[0];
	const struct way_back way = { .listener = &t.udp, .udp = { .peer = t.client_at } };
	const size_t len = toy_question(message, sizeof(message), 1, "good.example.", 0);
	fl__front_begin_batch(t.f);
	fl__front_open(q, t.f, message, len, &way, &t.client_at, t.f->reply,
		       sizeof(t.f->reply));
	cr_expect_eq(t.counters.reading_since, 0, "nothing is read yet");
	fl__front_close(q);
	cr_expect_eq(q->step, STEP_ANSWER);
	cr_expect_neq(t.counters.reading_since, 0);
	cr_expect_eq(t.counters.reading_since, t.f->now.boot_ns);
	fl__front_end_batch(t.f);
	cr_expect_eq(t.counters.reading_since, 0);
	toy_close(&t);
	remove_folder(&d);
}

Test(serve, refusals_are_within_the_error_limit)
{
	struct toy t;
	struct seen s = { 0 };
	toy_open(&t, LIMITED "limits: {resolver: 1, zone: 1, client: 1}\n");
	cr_assert_eq(toy_ask(&t, 1, "one.example.", 0), STEP_WAIT);
	for (unsigned i = 0; i < ASKED; i++) {
		if (toy_ask(&t, 1, "two.example.", 0) == STEP_ANSWER) {
			look(&s, t.f->reply);
		}
	}
	judge(&t, &s, "over a limit");
	toy_close(&t);
}

Test(serve, a_flush_covers_records_of_an_earlier_boot)
{
	struct toy t;
	struct folder d = make_folder();
	uint8_t zone[FL_NAME_MAX];
	size_t len;
	toy_open(&t, LIMITED);
	fill_cache(&t, &d);
	cr_expect_eq(toy_ask(&t, 1, "older.example.", 0), STEP_ANSWER);
	cr_expect_eq(toy_ask(&t, 1, "good.example.", 0), STEP_ANSWER);
	cr_assert_eq(fl_name_from_text("example.", zone, &len), FL_OK);
	fl_flush_rule_write(t.f->self.generations, 0, zone, fl_clock_boot_ns());
	cr_expect_eq(toy_ask(&t, 1, "older.example.", 0), STEP_WAIT, "of an earlier boot");
	cr_expect_eq(toy_ask(&t, 1, "good.example.", 0), STEP_WAIT, "of this one");
	cr_expect_eq(toy_ask(&t, 1, "older.elsewhere.", 0), STEP_ANSWER, "another zone's");
	toy_close(&t);
	remove_folder(&d);
}

static void no_frame(void *arg, struct fl_channel *ch, const struct fl_frame *f, int *fds,
		     unsigned n_fds)
{
	(void)arg;
	(void)ch;
	(void)f;
	(void)fds;
	(void)n_fds;
}

static void no_end(void *arg, struct fl_channel *ch)
{
	(void)arg;
	(void)ch;
}

/* The supervisor's end of the front's control channel. */
static int open_control(struct toy *t)
{
	int pair[2];
	cr_assert_eq(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	const struct fl_channel_options o = {
		.loop = &t->loop, .fd = pair[0], .frame = no_frame, .closed = no_end, .arg = t
	};
	cr_assert_eq(fl_channel_open(&o, &t->f->self.control), FL_OK);
	return pair[1];
}

static bool was_told(struct toy *t, int fd, struct fl_frame_header *h)
{
	static uint8_t octets[FL_FRAME_MAX];
	struct fl_frame f;
	fl_channel_flush(t->f->self.control);
	const ssize_t n = recv(fd, octets, sizeof(octets), 0);
	if (n <= 0) {
		return false;
	}
	cr_assert_eq(fl_frame_parse(octets, (size_t)n, &f), FL_OK);
	*h = f.h;
	return true;
}

/* A cache of generation 5, and somebody to tell. */
static int open_all(struct toy *t, const struct folder *d)
{
	toy_open(t, LIMITED);
	fill_cache(t, d);
	t->f->self.cache_generation = 5;
	t->f->generation_fd = fcntl(d->fd, F_DUPFD_CLOEXEC, 0);
	begin_fails = FL_OK;
	cr_assert_eq(toy_ask(t, 1, "good.example.", 0), STEP_ANSWER);
	return open_control(t);
}

static void close_all(struct toy *t, struct folder *d, int control)
{
	fl_channel_free(t->f->self.control);
	if (t->f->generation_fd >= 0) {
		close(t->f->generation_fd);
	}
	close(control);
	toy_close(t);
	remove_folder(d);
}

Test(serve, what_will_pass_costs_a_batch_and_no_cache)
{
	struct toy t;
	struct folder d = make_folder();
	struct fl_frame_header h;
	const int control = open_all(&t, &d);
	begin_fails = FL_ENOMEM;
	cr_expect_eq(toy_ask(&t, 1, "good.example.", 0), STEP_WAIT, "it is a miss");
	begin_fails = FL_OK;
	cr_expect_eq(toy_ask(&t, 1, "good.example.", 0), STEP_ANSWER, "and found again");
	cr_expect_eq(t.f->unreadable_ns, 0);
	cr_expect_not(was_told(&t, control, &h), "the file is not to blame");

	begin_fails = FL_EBUSY;
	cr_expect_eq(toy_ask(&t, 1, "good.example.", 0), STEP_WAIT);
	cr_expect_eq(t.f->reopen_ns, 0);
	t.f->unreadable_ns -= 2 * FL_S_NS;
	cr_expect_eq(toy_ask(&t, 1, "good.example.", 0), STEP_WAIT);
	cr_expect_neq(t.f->reopen_ns, 0, "it lasts: the file is opened anew");
	begin_fails = FL_OK;
	fl__front_reopen(t.f);
	cr_expect_eq(t.f->reopen_ns, 0);
	cr_expect_eq(t.f->unreadable_ns, 0);
	cr_expect_eq(toy_ask(&t, 1, "good.example.", 0), STEP_ANSWER);
	close_all(&t, &d, control);
}

Test(serve, damage_is_told_with_the_number_of_the_file)
{
	struct toy t;
	struct folder d = make_folder();
	struct fl_frame_header h = { 0 };
	const int control = open_all(&t, &d);
	begin_fails = FL_ECORRUPT;
	cr_expect_eq(toy_ask(&t, 1, "good.example.", 0), STEP_WAIT);
	cr_assert(was_told(&t, control, &h));
	cr_expect_eq(h.flags, FL_CONTROL_CACHE_BAD);
	cr_expect_eq(h.index, FL_ECORRUPT);
	cr_expect_eq(h.generation, 5);
	cr_expect_null(t.f->cache);
	cr_expect_eq(t.f->generation_fd, -1, "it is given up");
	cr_expect_eq(toy_ask(&t, 1, "good.example.", 0), STEP_WAIT);
	cr_expect_not(was_told(&t, control, &h), "said once");
	close_all(&t, &d, control);
}
