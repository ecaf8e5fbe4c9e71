#include "report/report.h"
#include "say.h"

#include <string.h>

static const json_t *find(const json_t *list, const char *key, const char *name)
{
	size_t i;
	const json_t *item;
	json_array_foreach(list, i, item)
	{
		const char *is = json_string_value(json_object_get(item, key));
		if (is != NULL && strcmp(is, name) == 0) {
			return item;
		}
	}
	return NULL;
}

static double cpu_before(const json_t *root, const char *case_name, const char *server)
{
	const json_t *c = find(json_object_get(root, "cases"), "name", case_name);
	const json_t *s = find(json_object_get(c, "servers"), "server", server);
	return json_number_value(
		json_object_get(json_object_get(s, "cpu_us_an_answer"), "median"));
}

/* Whether the two can be compared; both in us, or both in the null server's. */
static bool take_pair(const struct case_outcome *c, const json_t *root, double *now,
		      double *before, const char **unit)
{
	const char *name = c->bench_case->name;
	const double echo_now = cpu_us_of(c, "echo");
	const double echo_before = cpu_before(root, name, "echo");
	*now = cpu_us_of(c, "fairlead");
	*before = cpu_before(root, name, "fairlead");
	*unit = "us";
	if (echo_now > 0 && echo_before > 0) {
		*now /= echo_now;
		*before /= echo_before;
		*unit = "times the null server";
	}
	return *now > 0 && *before > 0;
}

static enum regression compare(const struct report *r, const json_t *root, unsigned tolerance,
			       FILE *out)
{
	enum regression result = REGRESSION_UNREADABLE;
	for (size_t i = 0; i < r->case_count; i++) {
		double now;
		double before;
		const char *unit;
		if (!take_pair(&r->cases[i], root, &now, &before, &unit)) {
			continue;
		}
		const bool worse = now > before * (1 + tolerance / 100.0);
		fprintf(out, "%s %s: %.2f %s, %.2f before: %+.1f %% (%u %% tolerated)\n",
			worse ? "WORSE" : "well ", r->cases[i].bench_case->name, now, unit,
			before, (now / before - 1) * 100, tolerance);
		if (worse || result == REGRESSION_UNREADABLE) {
			result = worse ? REGRESSION_FOUND : REGRESSION_NONE;
		}
	}
	return result;
}

static json_t *load(const char *path)
{
	json_error_t error;
	json_t *root = json_load_file(path, 0, &error);
	if (root == NULL ||
	    json_integer_value(json_object_get(root, "format")) != REPORT_FORMAT) {
		say_error("%s is no report of this format: %s", path,
			  root == NULL ? error.text : "another format");
		json_decref(root);
		return NULL;
	}
	return root;
}

bool report_readable(const char *path)
{
	json_t *root = load(path);
	json_decref(root);
	return root != NULL;
}

enum regression report_compare(const struct report *r, const char *path, unsigned tolerance,
			       FILE *out)
{
	json_t *root = load(path);
	if (root == NULL) {
		return REGRESSION_UNREADABLE;
	}
	const enum regression result = compare(r, root, tolerance, out);
	if (result == REGRESSION_UNREADABLE) {
		say_error("%s has no case with Fairlead in it that was run now", path);
	}
	json_decref(root);
	return result;
}
