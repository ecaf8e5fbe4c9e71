#include "lab.h"

#include "fairlead/base/clock.h"
#include "fairlead/wire/name.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct lab lab;

void lab_prepare(void)
{
	static const char *const insecure[] = { "." };
	toy_start(&lab.toy);
	lab.silent_fd = toy_silent(&lab.silent);
	toy_refused(&lab.refused);
	lab.stub[0] = (struct fl_engine_zone){ "good.", &lab.toy.addr, 1 };
	lab.stub[1] = (struct fl_engine_zone){ "dead.", &lab.silent, 1 };
	lab.stub[2] = (struct fl_engine_zone){ "shut.", &lab.refused, 1 };
	uv_loop_init(&lab.loop);
	lab.options = (struct fl_engine_options){ .loop = &lab.loop,
						  .insecure = insecure,
						  .n_insecure = 1,
						  .stub = lab.stub,
						  .n_stub = 3,
						  .ipv4 = true,
						  .query_loopback = true,
						  .max_jobs = 2048,
						  .max_zone_jobs = 2048,
						  .max_ttl_s = 86400,
						  .negative_ttl_s = 3600,
						  .counters = &lab.counters };
}

void lab_open_engine(void)
{
	char problem[512] = "";
	enum fl_err err = fl_engine_open(&lab.options, &lab.engine, problem, sizeof(problem));
	cr_assert_eq(err, FL_OK, "%s", problem);
}

void lab_start(void)
{
	lab_prepare();
	lab_open_engine();
}

static void close_loop(void)
{
	for (int i = 0; i < 10 && uv_run(&lab.loop, UV_RUN_NOWAIT) != 0; i++) {
	}
	cr_expect_eq(uv_loop_close(&lab.loop), 0, "handles are left on the loop");
}

void lab_finish(void)
{
	if (lab.engine != NULL) {
		fl_engine_close(lab.engine);
	}
	close_loop();
	close(lab.silent_fd);
	toy_stop(&lab.toy);
}

void lab_on_answer(void *arg, uint64_t ticket, const struct fl_engine_answer *a)
{
	cr_assert_eq(arg, &lab);
	lab.answered++;
	lab.times[ticket % TICKETS]++;
	lab.inside_answers += lab.inside;
	lab.last.verdict = a->verdict;
	lab.last.reason = a->reason;
	lab.last.ede = a->ede;
	snprintf(lab.last.text, sizeof(lab.last.text), "%.*s", a->text_len, a->text);
	lab.last.packet_len = a->packet_len;
	lab.last.asked_ns = a->asked_ns;
	if (a->packet_len > 0) {
		size_t room = sizeof(lab.last.packet);
		memcpy(lab.last.packet, a->packet, a->packet_len < room ? a->packet_len : room);
	}
}

enum fl_err lab_ask_type(const char *name, uint16_t qtype, uint64_t ticket, enum fl_reason *why)
{
	uint8_t wire[FL_NAME_MAX];
	size_t len;
	cr_assert_eq(fl_name_from_text(name, wire, &len), FL_OK, "%s", name);
	lab.inside = true;
	enum fl_err err = fl_engine_ask(lab.engine, wire, qtype, FL_CLASS_IN, lab_on_answer,
					&lab, ticket, why);
	lab.inside = false;
	return err;
}

void lab_ask(const char *name, uint64_t ticket)
{
	enum fl_reason why;
	cr_assert_eq(lab_ask_type(name, FL_TYPE_A, ticket, &why), FL_OK, "%s", name);
}

static void on_tick(uv_timer_t *timer)
{
	(void)timer;
}

bool lab_wait_answers(unsigned n, unsigned wait_ms)
{
	uv_timer_t tick; /* so that a turn ends although nothing happens */
	uv_timer_init(&lab.loop, &tick);
	uv_timer_start(&tick, on_tick, 10, 10);
	uint64_t until = fl_clock_boot_ns() + (uint64_t)wait_ms * FL_MS_NS;
	while (lab.answered < n && fl_clock_boot_ns() < until) {
		uv_run(&lab.loop, UV_RUN_ONCE);
	}
	uv_close((uv_handle_t *)&tick, NULL);
	uv_run(&lab.loop, UV_RUN_NOWAIT);
	return lab.answered >= n;
}

void lab_turn_for(unsigned ms)
{
	lab_wait_answers(UINT32_MAX, ms);
}

bool lab_wait_held(unsigned n)
{
	uint64_t until = fl_clock_boot_ns() + 5 * FL_S_NS;
	while (atomic_load(&lab.toy.shared->held) < n && fl_clock_boot_ns() < until) {
		lab_turn_for(10);
	}
	return atomic_load(&lab.toy.shared->held) >= n;
}
