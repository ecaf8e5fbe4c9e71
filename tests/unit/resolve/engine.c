#include "fairlead/base/clock.h"
#include "fairlead/wire/name.h"
#include "lab.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- what must not work ---- */

Test(engine, a_meta_type_or_another_class_is_refused, .init = lab_start, .fini = lab_finish)
{
	static const uint16_t meta[] = { 0,
					 FL_TYPE_OPT,
					 FL_TYPE_TKEY,
					 FL_TYPE_TSIG,
					 FL_TYPE_IXFR,
					 FL_TYPE_AXFR,
					 FL_TYPE_MAILB,
					 FL_TYPE_MAILA,
					 FL_TYPE_ANY };
	enum fl_reason why;
	for (size_t i = 0; i < FL_COUNT(meta); i++) {
		cr_expect_eq(lab_ask_type("www.good.", meta[i], 0, &why), FL_EINVALID,
			     "type %u", meta[i]);
	}
	const uint8_t name[] = { 1, 'a', 4, 'g', 'o', 'o', 'd', 0 };
	cr_expect_eq(fl_engine_ask(lab.engine, name, FL_TYPE_TXT, FL_CLASS_CH, lab_on_answer,
				   &lab, 0, &why),
		     FL_EINVALID);
	lab_turn_for(50);
	cr_expect_eq(lab.answered, 0);
	cr_expect_eq(atomic_load(&lab.toy.shared->packets), 0);
}

struct bad_option {
	const char *name, *value, *says;
};

static struct bad_option bad_options[] = {
	{ "no-such-option", "yes", "no-such-option" },
	{ "harden-glue", "maybe", "harden-glue" },
	{ "harden-glue", "yes\"\n\tval-permissive-mode: \"yes", "harden-glue" },
	{ "val-permissive-mode", "yes", "val-permissive-mode" },
	{ "unwanted-reply-threshold", "1", "unwanted-reply-threshold" },
	{ "auto-trust-anchor-file", "/nonexistent/root.key", "auto-trust-anchor-file" },
	{ "tls-upstream", "yes", "tls-upstream" },
	{ "serve-expired", "yes", "serve-expired" },
	{ "module-config", "iterator", "module-config" },
	{ "private-address", "not-a-network", "not-a-network" },
};

Test(engine, a_bad_raw_option_is_named_in_one_line, .init = lab_prepare, .fini = lab_finish)
{
	for (size_t i = 0; i < FL_COUNT(bad_options); i++) {
		const struct bad_option *c = &bad_options[i];
		const struct fl_engine_option raw = { c->name, c->value };
		lab.options.raw = &raw;
		lab.options.n_raw = 1;
		char problem[512] = "";
		struct fl_engine *e = NULL;
		enum fl_err err = fl_engine_open(&lab.options, &e, problem, sizeof(problem));
		cr_expect_eq(err, FL_EINVALID, "%s", c->name);
		cr_expect_null(e);
		cr_expect_not_null(strstr(problem, c->says), "%s: \"%s\"", c->name, problem);
		cr_expect_null(strchr(problem, '\n'), "one line: \"%s\"", problem);
	}
	lab.options.n_raw = 0;
	lab_open_engine(); /* a failed try spoils nothing */
	lab_ask("www.good.", 1);
	cr_expect(lab_wait_answers(1, 2000));
}

struct bad_setting {
	const char *why;
	const char *anchors, *hints, *insecure;
};

static struct bad_setting bad_settings[] = {
	{ "an anchor that is no DS", ". IN A 192.0.2.1\n", NULL, "x." },
	{ "an anchor with half a digest", ". IN DS 20326 8 2 E06D44", NULL, "x." },
	{ "no anchor at all", "; nothing\n", NULL, "x." },
	{ "an anchor with a quote", ". IN DS 20326 8 2 \"E06D44\"", NULL, "x." },
	{ "hints that are no zone file", NULL, "this is not a zone file\n", "x." },
	{ "a negative trust anchor that is no name", NULL, NULL, "a..b" },
	{ "a negative trust anchor with a quote", NULL, NULL, "a\"b." },
};

Test(engine, bad_settings_are_refused_with_a_line, .init = lab_prepare, .fini = lab_finish)
{
	for (size_t i = 0; i < FL_COUNT(bad_settings); i++) {
		struct bad_setting *c = &bad_settings[i];
		struct fl_engine_options o = lab.options;
		o.trust_anchors_text = c->anchors;
		o.root_hints_text = c->hints;
		const char *insecure[] = { c->insecure };
		o.insecure = insecure;
		char problem[512] = "";
		struct fl_engine *e = NULL;
		cr_expect_eq(fl_engine_open(&o, &e, problem, sizeof(problem)), FL_EINVALID,
			     "%s", c->why);
		cr_expect_null(e, "%s", c->why);
		cr_expect_neq(problem[0], '\0', "%s", c->why);
		cr_expect_null(strchr(problem, '\n'), "%s", c->why);
	}
}

Test(engine, the_limit_of_jobs_holds_at_its_edge, .init = lab_prepare, .fini = lab_finish)
{
	enum { MAX = 10 };
	lab.options.max_jobs = MAX;
	lab_open_engine();
	atomic_store(&lab.toy.shared->hold, true);
	char name[64];
	enum fl_reason why = FL_REASON_NONE;
	for (unsigned i = 0; i < MAX; i++) {
		snprintf(name, sizeof(name), "a.z%u.good.", i);
		lab_ask(name, i);
	}
	cr_expect_eq(fl_engine_jobs(lab.engine), MAX);
	cr_expect_eq(lab_ask_type("over.good.", FL_TYPE_A, 99, &why), FL_EBUSY);
	cr_expect_eq(why, FL_REASON_LIMIT_RESOLVER);
	cr_expect_eq(lab.counters.resolver_refused, 1);
	lab_ask("A.Z0.Good.", 50); /* a twin joins, and is no job */
	cr_expect_eq(fl_engine_jobs(lab.engine), MAX);
	atomic_store(&lab.toy.shared->hold, false);
	cr_expect(lab_wait_answers(MAX + 1, 5000));
	cr_expect_eq(fl_engine_jobs(lab.engine), 0);
	cr_expect_eq(lab.times[50], 1);
	cr_expect_eq(lab.times[99], 0, "a refused question has no answer");
	lab_ask("over.good.", 100); /* there is room again */
	cr_expect(lab_wait_answers(MAX + 2, 2000));
}

Test(engine, the_limit_of_a_zone_leaves_others_alone, .init = lab_prepare, .fini = lab_finish)
{
	enum { MAX = 5 };
	lab.options.max_zone_jobs = MAX;
	lab_open_engine();
	atomic_store(&lab.toy.shared->hold, true);
	char name[64];
	enum fl_reason why = FL_REASON_NONE;
	for (unsigned i = 0; i < MAX; i++) {
		snprintf(name, sizeof(name), "a%u.Flood.good.", i);
		lab_ask(name, i);
	}
	cr_expect_eq(lab_ask_type("b.fLOOD.good.", FL_TYPE_A, 99, &why), FL_EBUSY);
	cr_expect_eq(why, FL_REASON_LIMIT_ZONE);
	lab_ask("a.calm.good.", 60);
	atomic_store(&lab.toy.shared->hold, false);
	cr_expect(lab_wait_answers(MAX + 1, 5000));
	lab_ask("b.flood.good.", 61);
	cr_expect(lab_wait_answers(MAX + 2, 2000));
}

/* ---- answers ---- */

struct expected {
	const char *name;
	enum fl_verdict verdict;
	enum fl_reason reason;
	uint16_t ede;
	int rcode; /* -1: no packet */
};

static struct expected expected[] = {
	{ "www.good.", FL_VERDICT_INSECURE, FL_REASON_NONE, FL_EDE_NONE, 0 },
	{ "WWW.GOOD.", FL_VERDICT_INSECURE, FL_REASON_NONE, FL_EDE_NONE, 0 },
	{ "nx.good.", FL_VERDICT_INSECURE, FL_REASON_NONE, FL_EDE_NONE, 3 },
	{ "nodata.good.", FL_VERDICT_INSECURE, FL_REASON_NONE, FL_EDE_NONE, 0 },
	{ "odd\\000\\.\\032\\255\\\\.good.", FL_VERDICT_INSECURE, FL_REASON_NONE, FL_EDE_NONE,
	  0 },
	{ "sp\\032ce@\\;\\(.good.", FL_VERDICT_INSECURE, FL_REASON_NONE, FL_EDE_NONE, 0 },
	{ "servfail.good.", FL_VERDICT_FAILED, FL_REASON_NO_REACHABLE, 22, -1 },
	{ "garbage.good.", FL_VERDICT_FAILED, FL_REASON_INVALID_DATA, 24, -1 },
	{ "refused.good.", FL_VERDICT_FAILED, FL_REASON_NO_REACHABLE, 22, -1 },
	{ "tc.good.", FL_VERDICT_FAILED, FL_REASON_NO_REACHABLE, 22, -1 },
	{ "x.shut.", FL_VERDICT_FAILED, FL_REASON_NO_REACHABLE, 22, -1 },
};

Test(engine, answers_come_with_verdict_and_reason, .init = lab_start, .fini = lab_finish)
{
	for (unsigned i = 0; i < FL_COUNT(expected); i++) {
		const struct expected *c = &expected[i];
		lab_ask(c->name, i);
		cr_assert(lab_wait_answers(i + 1, 30000), "%s", c->name);
		cr_expect_eq(lab.last.verdict, c->verdict, "%s: %s (%s)", c->name,
			     fl_verdict_text(lab.last.verdict), lab.last.text);
		cr_expect_eq(lab.last.reason, c->reason, "%s: %s (%s)", c->name,
			     fl_reason_text(lab.last.reason), lab.last.text);
		cr_expect_eq(lab.last.ede, c->ede, "%s: EDE %u", c->name, lab.last.ede);
		int rcode = lab.last.packet_len > 0 ? lab.last.packet[3] & FL_FLAG_RCODE : -1;
		cr_expect_eq(rcode, c->rcode, "%s: rcode %d", c->name, rcode);
		cr_expect((c->rcode >= 0) || lab.last.text[0] != '\0', "%s has a text",
			  c->name);
	}
}

Test(engine, a_failure_keeps_its_first_reason, .init = lab_start, .fini = lab_finish)
{
	char first[256];
	lab_ask("servfail.good.", 1);
	cr_assert(lab_wait_answers(1, 10000));
	snprintf(first, sizeof(first), "%s", lab.last.text);
	for (unsigned i = 2; i < 5; i++) {
		lab_ask("servfail.good.", i);
		cr_assert(lab_wait_answers(i, 10000));
		cr_expect_eq(lab.last.reason, FL_REASON_NO_REACHABLE, "%s", lab.last.text);
		cr_expect_str_eq(lab.last.text, first);
	}
}

Test(engine, an_unsigned_root_is_bogus_and_its_data_kept, .init = lab_prepare,
     .fini = lab_finish)
{
	const struct fl_engine_zone all = { ".", &lab.toy.addr, 1 };
	lab.options.forward = &all;
	lab.options.n_forward = 1;
	lab.options.n_insecure = 0; /* the built-in anchors, and a server that has no keys */
	lab_open_engine();
	lab_ask("www.example.", 1);
	cr_assert(lab_wait_answers(1, 10000));
	cr_expect_eq(lab.last.verdict, FL_VERDICT_BOGUS);
	cr_expect_eq(lab.last.reason, FL_REASON_DNSKEY_MISSING, "%s", lab.last.text);
	cr_expect_eq(lab.last.ede, 9);
	cr_expect_gt(lab.last.packet_len, 12);
	cr_expect_eq(lab.last.packet[7], 1, "the answer is there for CD=1");
	cr_expect_eq(lab.last.packet[3] & FL_FLAG_AD, 0);
	cr_expect_eq(lab.counters.resolved_bogus, 1);
}

Test(engine, a_limited_upstream_is_told_as_such, .init = lab_prepare, .fini = lab_finish)
{
	static const struct fl_engine_option raw[] = { { "ratelimit", "1" },
						       { "ratelimit-factor", "0" } };
	unsigned limited = 0;
	char name[64];
	lab.options.raw = raw;
	lab.options.n_raw = 2;
	lab_open_engine();
	for (unsigned i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "n%u.good.", i);
		lab_ask(name, i);
		cr_assert(lab_wait_answers(i + 1, 5000));
		limited += lab.last.reason == FL_REASON_RATE_UPSTREAM;
	}
	cr_expect_gt(limited, 10);
	cr_expect_eq(lab.counters.resolved_failed, limited);
}

Test(engine, the_process_outlives_closed_connections, .init = lab_start, .fini = lab_finish)
{
	struct sigaction now;
	cr_assert_eq(sigaction(SIGPIPE, NULL, &now), 0);
	cr_expect_eq(now.sa_handler, SIG_IGN);
}

Test(engine, listening_anywhere_does_not_stop_it, .init = lab_prepare, .fini = lab_finish)
{
	static const struct fl_addr own[] = {
		{ .port = 53, .family = AF_INET },
		{ .port = 53, .family = AF_INET6 },
		{ .octets = { 0xfe, 0x80, [15] = 1 },
		  .scope = 1,
		  .port = 53,
		  .family = AF_INET6 },
		{ .octets = { 192, 0, 2, 1 }, .port = 53, .family = AF_INET },
		{ .octets = { 192, 0, 2, 1 }, .port = 5300, .family = AF_INET },
	};
	lab.options.own = own;
	lab.options.n_own = FL_COUNT(own);
	lab.options.ipv6 = true;
	lab_open_engine();
	lab_ask("www.good.", 1);
	cr_assert(lab_wait_answers(1, 5000));
	cr_expect_eq(lab.last.verdict, FL_VERDICT_INSECURE);
}

Test(engine, our_own_address_is_never_asked, .init = lab_prepare, .fini = lab_finish)
{
	lab.options.own = &lab.toy.addr; /* as if the toy were us */
	lab.options.n_own = 1;
	lab.options.n_stub =
		1; /* a stub zone at another port of it would make it an upstream */
	lab_open_engine();
	lab_ask("www.good.", 1);
	cr_assert(lab_wait_answers(1, 30000));
	cr_expect_eq(lab.last.verdict, FL_VERDICT_FAILED);
	cr_expect_eq(lab.last.reason, FL_REASON_NO_REACHABLE, "%s", lab.last.text);
	cr_expect_eq(atomic_load(&lab.toy.shared->packets), 0);
}

Test(engine, loopback_is_not_asked_unless_told, .init = lab_prepare, .fini = lab_finish)
{
	lab.options.query_loopback = false;
	lab_open_engine();
	lab_ask("www.good.", 1);
	cr_assert(lab_wait_answers(1, 30000));
	cr_expect_eq(lab.last.verdict, FL_VERDICT_FAILED);
	cr_expect_eq(atomic_load(&lab.toy.shared->packets), 0);
}

Test(engine, special_names_are_not_answered_by_libunbound, .init = lab_prepare,
     .fini = lab_finish)
{
	static const char *const names[] = { "localhost.",
					     "a.test.",
					     "b.onion.",
					     "c.invalid.",
					     "d.home.arpa.",
					     "1.0.0.127.in-addr.arpa.",
					     "1.1.168.192.in-addr.arpa.",
					     "1.64.100.in-addr.arpa.",
					     "1.16.172.in-addr.arpa.",
					     "d.f.ip6.arpa.",
					     "a.service.arpa.",
					     "a.resolver.arpa.",
					     "a.local." };
	const struct fl_engine_zone all = { ".", &lab.toy.addr, 1 };
	lab.options.forward = &all;
	lab.options.n_forward = 1;
	lab_open_engine();
	for (unsigned i = 0; i < FL_COUNT(names); i++) {
		unsigned before = atomic_load(&lab.toy.shared->packets);
		lab_ask(names[i], i);
		cr_assert(lab_wait_answers(i + 1, 5000), "%s", names[i]);
		cr_expect_gt(atomic_load(&lab.toy.shared->packets), before,
			     "%s was not asked for", names[i]);
	}
}

Test(engine, a_thousand_twins_are_one_packet, .init = lab_start, .fini = lab_finish)
{
	enum { TWINS = 1000 };
	atomic_store(&lab.toy.shared->hold, true);
	for (unsigned i = 0; i < TWINS; i++) {
		lab_ask(i % 2 ? "Twin.Good." : "tWIN.gOOD.", i);
	}
	cr_expect_eq(fl_engine_jobs(lab.engine), 1);
	cr_expect_eq(lab.counters.merged, TWINS - 1);
	cr_assert(lab_wait_held(1));
	atomic_store(&lab.toy.shared->hold, false);
	cr_expect(lab_wait_answers(TWINS, 5000));
	cr_expect_eq(atomic_load(&lab.toy.shared->packets), 1);
	for (unsigned i = 0; i < TWINS; i++) {
		cr_expect_eq(lab.times[i], 1, "ticket %u: %u answers", i, lab.times[i]);
	}
}

/* What a job found may be from its beginning, whoever joined it later. */
Test(engine, an_answer_says_when_its_job_began, .init = lab_start, .fini = lab_finish)
{
	atomic_store(&lab.toy.shared->hold, true);
	const uint64_t before = fl_clock_boot_ns();
	lab_ask("early.good.", 0);
	const uint64_t after = fl_clock_boot_ns();
	cr_assert(lab_wait_held(1));
	lab_turn_for(50);
	lab_ask("early.good.", 1);
	atomic_store(&lab.toy.shared->hold, false);
	cr_assert(lab_wait_answers(2, 5000));
	cr_expect_geq(lab.last.asked_ns, before);
	cr_expect_leq(lab.last.asked_ns, after, "the second asker's moment is not the job's");
}

Test(engine, no_answer_comes_inside_an_ask, .init = lab_start, .fini = lab_finish)
{
	lab_ask("now.good.", 0);
	cr_assert(lab_wait_answers(1, 2000));
	for (unsigned i = 1; i <= 100; i++) { /* libunbound has it: answered within its call */
		lab_ask("now.good.", i);
	}
	cr_expect_eq(lab.answered, 1, "nothing before the loop turns");
	cr_expect(lab_wait_answers(101, 2000));
	cr_expect_eq(lab.inside_answers, 0);
	cr_expect_eq(atomic_load(&lab.toy.shared->packets), 1);
}

static void on_answer_ask_again(void *arg, uint64_t ticket, const struct fl_engine_answer *a)
{
	lab_on_answer(arg, ticket, a);
	if (ticket < 50) {
		uint8_t name[FL_NAME_MAX];
		size_t len;
		enum fl_reason why;
		cr_assert_eq(fl_name_from_text("chain.good.", name, &len), FL_OK);
		cr_expect_eq(fl_engine_ask(lab.engine, name, FL_TYPE_A, FL_CLASS_IN,
					   on_answer_ask_again, &lab, ticket + 1, &why),
			     FL_OK);
		cr_expect_eq(lab.times[ticket + 1], 0, "answered inside the call");
	}
}

Test(engine, a_callback_may_ask, .init = lab_start, .fini = lab_finish)
{
	uint8_t name[FL_NAME_MAX];
	size_t len;
	enum fl_reason why;
	cr_assert_eq(fl_name_from_text("chain.good.", name, &len), FL_OK);
	cr_assert_eq(fl_engine_ask(lab.engine, name, FL_TYPE_A, FL_CLASS_IN,
				   on_answer_ask_again, &lab, 0, &why),
		     FL_OK);
	cr_expect(lab_wait_answers(51, 5000));
}

/* ---- trouble ---- */

Test(engine, the_dead_do_not_delay_the_living, .init = lab_start, .fini = lab_finish)
{
	char name[64];
	for (unsigned i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "n%u.dead.", i);
		lab_ask(name, 1000 + i);
	}
	lab_turn_for(200);
	uint64_t before = fl_clock_boot_ns();
	lab_ask("alive.good.", 1);
	while (lab.times[1] == 0 && fl_clock_boot_ns() - before < 5 * FL_S_NS) {
		uv_run(&lab.loop, UV_RUN_ONCE);
	}
	cr_expect_lt(fl_clock_boot_ns() - before, FL_S_NS);
	cr_expect_eq(lab.last.verdict, FL_VERDICT_INSECURE);
}

Test(engine, closed_with_jobs_each_is_lost_once, .init = lab_start, .fini = lab_finish)
{
	enum { JOBS = 1000 };
	char name[64];
	atomic_store(&lab.toy.shared->hold, true);
	for (unsigned i = 0; i < JOBS; i++) {
		snprintf(name, sizeof(name), "n%u.good.", i);
		lab_ask(name, i);
		if (i == JOBS / 2) {
			cr_assert_eq(fl_engine_renew(lab.engine), FL_OK);
		}
	}
	lab_turn_for(50);
	fl_engine_close(lab.engine);
	lab.engine = NULL;
	cr_expect_eq(lab.answered, JOBS);
	cr_expect_eq(lab.last.verdict, FL_VERDICT_FAILED);
	cr_expect_eq(lab.last.reason, FL_REASON_RESOLVER_LOST);
	for (unsigned i = 0; i < JOBS; i++) {
		cr_expect_eq(lab.times[i], 1, "ticket %u: %u", i, lab.times[i]);
	}
}

Test(engine, survives_a_process_without_descriptors, .init = lab_start, .fini = lab_finish,
     .timeout = 60)
{
	lab_ask("before.good.", 0);
	cr_assert(lab_wait_answers(1, 2000));
	struct rlimit old, none = { 0 };
	getrlimit(RLIMIT_NOFILE, &old);
	none.rlim_max = old.rlim_max;
	none.rlim_cur = 3;
	setrlimit(RLIMIT_NOFILE, &none);
	char name[64];
	for (unsigned i = 1; i <= 100; i++) {
		snprintf(name, sizeof(name), "n%u.good.", i);
		lab_ask(name, i);
	}
	cr_expect(lab_wait_answers(101, 20000), "%u answers", lab.answered);
	cr_expect_eq(lab.last.verdict, FL_VERDICT_FAILED);
	cr_expect_eq(fl_engine_renew(lab.engine), FL_ESYSTEM, "no context without descriptors");
	setrlimit(RLIMIT_NOFILE, &old);
	cr_expect_eq(fl_engine_renew(lab.engine), FL_OK);
	lab_ask("after.good.", 200);
	cr_expect(lab_wait_answers(102, 10000));
	cr_expect_eq(lab.last.verdict, FL_VERDICT_INSECURE);
}

static long resident_kb(void)
{
	long pages = 0, all;
	FILE *f = fopen("/proc/self/statm", "r");
	cr_assert_not_null(f);
	cr_assert_eq(fscanf(f, "%ld %ld", &all, &pages), 2);
	fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void ask_many(unsigned from, unsigned n, unsigned *total)
{
	char name[64];
	for (unsigned i = from; i < from + n;) {
		for (unsigned k = 0; k < 200 && i < from + n; k++, i++) {
			snprintf(name, sizeof(name), "n%u.good.", i % 20000);
			lab_ask(name, i);
			++*total;
		}
		cr_assert(lab_wait_answers(*total, 10000));
	}
}

static void start_with_small_caches(void)
{
	static const struct fl_engine_option small[] = { { "rrset-cache-size", "1m" },
							 { "msg-cache-size", "1m" } };
	lab_prepare();
	lab.options.raw = small;
	lab.options.n_raw = 2;
	lab_open_engine();
}

Test(engine, many_questions_leave_memory_flat, .init = start_with_small_caches,
     .fini = lab_finish, .timeout = 110)
{
#ifdef FL_SANITIZED
	enum { MANY = 20000 };
#else
	enum { MANY = 100000 };
#endif
	unsigned total = 0;
	ask_many(0, MANY / 2, &total); /* the caches are full */
	long before = resident_kb();
	ask_many(MANY / 2, MANY, &total);
	long grown = resident_kb() - before;
	cr_expect_eq(lab.answered, total);
#ifndef FL_SANITIZED /* a sanitizer keeps freed memory */
	cr_expect_lt(grown, 1024, "%ld KiB more after %u questions", grown, MANY);
#else
	(void)grown;
#endif
}

Test(engine, the_library_says_what_it_lacks)
{
	bool old = strncmp(fl_engine_library_version(), "1.17.", 5) == 0;
	const char *warning = fl_engine_library_warning();
	cr_expect_eq(strstr(warning, "CVE-2026-33278") != NULL, old || *warning != '\0');
	cr_expect(!old || *warning != '\0');
}
