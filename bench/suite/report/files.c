#include "report/report.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

void report_csv(const struct report *r, FILE *out)
{
	fputs("profile,case,server,run,answers,lost,failed,seconds,answers_a_second,"
	      "asked_rate,cpu_ns_an_answer,busy,octets_an_answer,p50_ns,p90_ns,p99_ns,"
	      "p99.9_ns,p99.99_ns,max_ns,sender_kept_pace\n",
	      out);
	for (size_t i = 0; i < r->case_count; i++) {
		const struct case_outcome *c = &r->cases[i];
		for (size_t j = 0; j < c->server_count; j++) {
			const struct outcome *o = &c->server[j];
			for (size_t n = 0; o->standing == STANDING_WELL && n < o->run_count;
			     n++) {
				const struct run *x = &o->runs[n];
				const struct histogram *h = &x->latency;
				fprintf(out,
					"%s,%s,%s,%zu,%llu,%llu,%llu,%.3f,%.0f,%.0f,%.1f,%.3f,%"
					".1f,",
					r->profile, c->bench_case->name, o->server->kind->name,
					n + 1, (unsigned long long)x->answered,
					(unsigned long long)x->lost,
					(unsigned long long)x->failed, x->seconds, x->rate,
					x->asked_rate, x->cpu_ns, x->busy, x->octets);
				fprintf(out, "%llu,%llu,%llu,%llu,%llu,%llu,%d\n",
					(unsigned long long)histogram_at(h, 0.5),
					(unsigned long long)histogram_at(h, 0.9),
					(unsigned long long)histogram_at(h, 0.99),
					(unsigned long long)histogram_at(h, 0.999),
					(unsigned long long)histogram_at(h, 0.9999),
					(unsigned long long)h->max_ns, x->kept_pace);
			}
		}
	}
}

static FILE *open_below(const char *folder, const char *name)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *out = fopen(path, "we");
	if (out == NULL) {
		say_error("cannot write %s: %s", path, strerror(errno));
	}
	return out;
}

static bool write_configs(const struct report *r, const char *folder)
{
	char name[300];
	for (size_t i = 0; i < r->bench->kind_count; i++) {
		const struct server *s = &r->servers[i];
		if (s->kind->config == NULL) {
			continue;
		}
		snprintf(name, sizeof(name), "%s", s->kind->config_name);
		FILE *out = open_below(folder, name);
		if (out == NULL) {
			return false;
		}
		fputs(s->config, out);
		fclose(out);
	}
	return true;
}

bool report_write(const struct report *r, const char *folder)
{
	if (mkdir(folder, 0755) != 0 && errno != EEXIST) {
		say_error("cannot make the folder %s: %s", folder, strerror(errno));
		return false;
	}
	FILE *table = open_below(folder, "table.txt");
	FILE *csv = open_below(folder, "runs.csv");
	FILE *json = open_below(folder, "report.json");
	FILE *html = open_below(folder, "report.html");
	json_t *root = report_json(r);
	bool ok = table != NULL && csv != NULL && json != NULL && html != NULL && root != NULL;
	if (ok) {
		report_table(r, table);
		report_csv(r, csv);
		ok = json_dumpf(root, json, JSON_INDENT(1)) == 0 && report_html(root, html);
	}
	json_decref(root);
	FILE *const files[] = { table, csv, json, html };
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		ok = files[i] != NULL && fclose(files[i]) == 0 && ok;
	}
	return ok && write_configs(r, folder);
}
