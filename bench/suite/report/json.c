#include "report/report.h"

#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static const char *const standing_text[] = {
	[STANDING_WELL] = "well",
	[STANDING_WRONG] = "wrong",
	[STANDING_FAILING] = "failing",
	[STANDING_ABSENT] = "absent",
};

static json_t *spread_json(const struct outcome *o, double (*figure)(const struct run *))
{
	const struct spread s = outcome_spread(o, figure);
	return json_pack("{s:f, s:f, s:f}", "median", s.median, "least", s.least, "most",
			 s.most);
}

/* Percentiles for a reader, buckets for whoever wants others. */
static json_t *latency_json(const struct histogram *h)
{
	static const struct {
		const char *name;
		double share;
	} points[] = {
		{ "p50", 0.5 },     { "p90", 0.9 },       { "p99", 0.99 },
		{ "p99.9", 0.999 }, { "p99.99", 0.9999 },
	};
	json_t *out = json_object();
	json_t *buckets = json_array();
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		json_object_set_new(out, points[i].name,
				    json_integer((json_int_t)histogram_at(h, points[i].share)));
	}
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		if (h->count[i] != 0) {
			json_array_append_new(buckets,
					      json_pack("[I, I]", (json_int_t)histogram_edge(i),
							(json_int_t)h->count[i]));
		}
	}
	json_object_set_new(out, "max", json_integer((json_int_t)h->max_ns));
	json_object_set_new(out, "buckets", buckets);
	return out;
}

/* A second is {"0": NOERROR's answers, ..., "lost": n}, zeros left out. */
static json_t *seconds_json(const struct run *r)
{
	json_t *out = json_array();
	char key[8];
	for (unsigned i = 0; i < r->second_count; i++) {
		json_t *second = json_object();
		for (unsigned code = 0; code < RCODES; code++) {
			if (r->by_second[i][code] != 0) {
				snprintf(key, sizeof(key), "%u", code);
				json_object_set_new(second, key,
						    json_integer(r->by_second[i][code]));
			}
		}
		if (r->lost_by_second[i] != 0) {
			json_object_set_new(second, "lost", json_integer(r->lost_by_second[i]));
		}
		json_array_append_new(out, second);
	}
	return out;
}

static json_t *run_json(const struct run *r)
{
	return json_pack(
		"{s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:b, s:b, s:o, s:o}",
		"answered", (json_int_t)r->answered, "lost", (json_int_t)r->lost, "failed",
		(json_int_t)r->failed, "judged", (json_int_t)r->judged, "seconds", r->seconds,
		"rate", r->rate, "asked_rate", r->asked_rate, "cpu_ns_an_answer", r->cpu_ns,
		"busy", r->busy, "octets_an_answer", r->octets, "sender_lag_ms", r->lag_ms,
		"sender_kept_pace", (int)r->kept_pace, "same_processes", (int)r->same_processes,
		"latency_ns", latency_json(&r->latency), "by_second", seconds_json(r));
}

static json_t *outcome_json(const struct case_outcome *c, const struct outcome *o)
{
	json_t *runs = json_array();
	json_t *faults = json_array();
	const bool well = o->standing == STANDING_WELL;
	for (size_t i = 0; well && i < o->run_count; i++) {
		json_array_append_new(runs, run_json(&o->runs[i]));
	}
	for (unsigned i = 0; i < o->faults; i++) {
		json_array_append_new(faults, json_string(o->fault[i]));
	}
	json_t *out = json_pack("{s:s, s:s, s:I, s:I, s:o}", "server", o->server->kind->name,
				"standing", standing_text[o->standing], "judged",
				(json_int_t)o->judged, "wrong", (json_int_t)o->wrong, "faults",
				faults);
	if (!well || o->run_count == 0) { /* no speed of one that is wrong */
		json_decref(runs);
		return out;
	}
	const double us = outcome_spread(o, run_cpu_us).median;
	const double echo = cpu_us_of(c, "echo");
	const double peer = best_peer_cpu_us(c, NULL);
	json_object_set_new(out, "cpu_us_an_answer", spread_json(o, run_cpu_us));
	json_object_set_new(out, "answers_a_second", spread_json(o, run_rate));
	json_object_set_new(out, "busy", spread_json(o, run_busy));
	json_object_set_new(out, "times_echo", echo > 0 ? json_real(us / echo) : json_null());
	json_object_set_new(out, "times_best_peer",
			    peer > 0 ? json_real(us / peer) : json_null());
	json_object_set_new(out, "pss_octets", json_integer((json_int_t)o->usage.pss_octets));
	json_object_set_new(out, "descriptors", json_integer((json_int_t)o->usage.fds));
	json_object_set_new(out, "processes", json_integer((json_int_t)o->usage.processes));
	json_object_set_new(out, "runs", runs);
	return out;
}

static json_t *case_json(const struct case_outcome *c)
{
	const struct bench_case *b = c->bench_case;
	json_t *servers = json_array();
	for (size_t i = 0; i < c->server_count; i++) {
		json_array_append_new(servers, outcome_json(c, &c->server[i]));
	}
	return json_pack("{s:s, s:s, s:b, s:I, s:s, s:i, s:i, s:b, s:b, s:o, s:o}", "name",
			 b->name, "text", b->text, "complete", (int)c->complete, "questions",
			 (json_int_t)c->questions, "transport", b->tcp ? "tcp" : "udp",
			 "outstanding", (int)b->outstanding, "sockets", (int)b->sockets, "cold",
			 (int)b->cold, "half_rate", (int)b->half, "servers", servers, "bars",
			 bars_json(c));
}

static void model_name(char *out, size_t size)
{
	char line[256];
	FILE *in = fopen("/proc/cpuinfo", "re");
	snprintf(out, size, "unknown");
	while (in != NULL && fgets(line, sizeof(line), in) != NULL) {
		const char *colon = strchr(line, ':');
		if (colon != NULL && strncmp(line, "model name", 10) == 0) {
			snprintf(out, size, "%s", colon + 2);
			out[strcspn(out, "\n")] = '\0';
			break;
		}
	}
	if (in != NULL) {
		fclose(in);
	}
}

static json_t *machine_json(const struct bench *b)
{
	struct utsname u;
	char model[200];
	double load[3] = { 0 };
	uname(&u);
	model_name(model, sizeof(model));
	if (getloadavg(load, 3) != 3) {
		load[0] = 0;
	}
	return json_pack("{s:s, s:s, s:s, s:I, s:i, s:i, s:f}", "processor", model, "kernel",
			 u.release, "architecture", u.machine, "cores",
			 (json_int_t)sysconf(_SC_NPROCESSORS_ONLN), "server_core",
			 (int)b->around.cpu, "sender_core", (int)b->sender_cpu, "load_average",
			 load[0]);
}

static json_t *servers_json(const struct report *r)
{
	json_t *out = json_array();
	for (size_t i = 0; i < r->bench->kind_count; i++) {
		const struct server *s = &r->servers[i];
		json_t *command = json_array();
		for (size_t w = 0; w < COMMAND_MAX && s->kind->command[w] != NULL; w++) {
			json_array_append_new(command, json_string(s->kind->command[w]));
		}
		json_array_append_new(out, json_pack("{s:s, s:s, s:s, s:o, s:s?}", "name",
						     s->kind->name, "version", s->version,
						     "configuration", s->config, "command",
						     command, "in_front_of", s->kind->behind));
	}
	return out;
}

static json_t *link_json(const struct link *l)
{
	return json_pack("{s:i, s:i, s:i, s:i}", "delay_ms", (int)l->delay_ms, "loss_percent",
			 (int)l->loss, "dead_of_8", (int)l->dead, "lame_of_8", (int)l->lame);
}

json_t *report_json(const struct report *r)
{
	char when[32];
	struct tm tm;
	const time_t now = time(NULL);
	json_t *cases = json_array();
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
	for (size_t i = 0; i < r->case_count; i++) {
		json_array_append_new(cases, case_json(&r->cases[i]));
	}
	return json_pack("{s:s, s:i, s:s, s:s, s:s, s:i, s:i, s:o, s:o, s:o, s:o}", "what",
			 "fairlead-bench", "format", REPORT_FORMAT, "program", FL_VERSION,
			 "profile", r->profile, "when", when, "runs", (int)r->bench->runs,
			 "check_every", (int)r->bench->check_every, "upstream",
			 link_json(&r->bench->link), "machine", machine_json(r->bench),
			 "servers", servers_json(r), "cases", cases);
}
