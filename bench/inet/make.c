#include "inet.h"
#include "report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS_MAX = 8 };

static FILE *create(const struct state *st, const char *name)
{
	char path[PATH_MAX];
	state_path(st, name, path);
	FILE *out = fopen(path, "we");
	if (out == NULL) {
		report_error("cannot write %s: %s", path, strerror(errno));
	}
	return out;
}

static bool finish(const struct state *st, const char *name, FILE *out)
{
	char path[PATH_MAX];
	state_path(st, name, path);
	return report_close(out, path);
}

static bool make_folder(const struct state *st, const char *name, mode_t mode)
{
	char path[PATH_MAX];
	state_path(st, name, path);
	if (mkdir(path, mode) != 0 && errno != EEXIST) {
		report_error("cannot make the folder %s: %s", path, strerror(errno));
		return false;
	}
	return true;
}

static bool write_hints(const struct state *st, const struct world *w)
{
	FILE *out = create(st, "root.hints");
	if (out == NULL) {
		return false;
	}
	const struct zone *root = &w->zone[0];
	for (unsigned i = 0; i < 2; i++) {
		char name[ZONE_NAME_MAX];
		char four[ADDRESS_MAX];
		char six[ADDRESS_MAX];
		server_name(root, i, name, sizeof(name));
		place_text(root->server[i], AF_INET, four);
		place_text(root->server[i], AF_INET6, six);
		fprintf(out, ". 3600000 IN NS %s\n%s 3600000 IN A %s\n%s 3600000 IN AAAA %s\n",
			name, name, four, name, six);
	}
	return finish(st, "root.hints", out);
}

static bool write_anchors(const struct state *st, const struct world *w)
{
	ldns_rr_list *ds = zone_ds(&w->zone[0]);
	FILE *out = ds == NULL ? NULL : create(st, "root.anchors");
	if (out == NULL) {
		ldns_rr_list_deep_free(ds);
		return false;
	}
	ldns_rr_list_print(out, ds);
	ldns_rr_list_deep_free(ds);
	return finish(st, "root.anchors", out);
}

static bool write_queries(const struct state *st, const struct world *w)
{
	FILE *out = create(st, "queries.txt");
	if (out == NULL) {
		return false;
	}
	world_write_queries(w, out);
	return finish(st, "queries.txt", out);
}

static bool make_zone(const struct state *st, const struct world *w, const struct zone *z)
{
	char name[ZONE_NAME_MAX + 16];
	char *text = NULL;
	size_t len = 0;
	FILE *memory = open_memstream(&text, &len);
	if (memory == NULL) {
		report_error("out of memory");
		return false;
	}
	zone_write(w, z, memory);
	fclose(memory);
	conf_zone_file(z, name, sizeof(name));
	FILE *out = create(st, name);
	bool ok = out != NULL && zone_sign(z, text, len, out);
	if (out != NULL) {
		ok = finish(st, name, out) && ok;
	}
	free(text);
	return ok;
}

/* One worker's share: every step-th zone. Each zone done is one octet in the pipe. */
static bool make_share(const struct state *st, const struct world *w, size_t first, size_t step,
		       int pipe_fd)
{
	for (size_t i = first; i < w->count; i += step) {
		const struct zone *z = &w->zone[i];
		if (z->host < GROUP_SERVED && !make_zone(st, w, z)) {
			return false;
		}
		if (write(pipe_fd, "", 1) != 1) {
			return false;
		}
	}
	return true;
}

static void follow(int pipe_fd, size_t total)
{
	struct progress p = progress_start("zones signed", total);
	char octets[256];
	size_t done = 0;
	ssize_t n;
	while ((n = read(pipe_fd, octets, sizeof(octets))) > 0 || (n < 0 && errno == EINTR)) {
		done += n > 0 ? (size_t)n : 0;
		progress_at(&p, done);
	}
	progress_end(&p);
}

static bool join(const pid_t *workers, long count)
{
	bool ok = true;
	for (long i = 0; i < count; i++) {
		int status = 1;
		while (waitpid(workers[i], &status, 0) < 0 && errno == EINTR) {
		}
		ok = ok && WIFEXITED(status) && WEXITSTATUS(status) == 0;
	}
	return ok;
}

static bool make_zones(const struct state *st, const struct world *w)
{
	pid_t workers[WORKERS_MAX];
	int ends[2];
	long want = sysconf(_SC_NPROCESSORS_ONLN);
	want = want < 1 ? 1 : want > WORKERS_MAX ? WORKERS_MAX : want;
	if (pipe(ends) != 0) {
		report_error("cannot make a pipe: %s", strerror(errno));
		return false;
	}
	fflush(NULL); /* or each worker prints what waits in the buffers again */
	long count = 0;
	for (; count < want; count++) {
		const pid_t pid = fork();
		if (pid < 0) {
			report_error("cannot start a worker: %s", strerror(errno));
			break;
		}
		if (pid == 0) {
			close(ends[0]);
			_exit(make_share(st, w, (size_t)count, (size_t)want, ends[1]) ? 0 : 1);
		}
		workers[count] = pid;
	}
	close(ends[1]);
	follow(ends[0], w->count);
	close(ends[0]);
	return join(workers, count) && count == want;
}

/* The manifest comes last: where it stands, everything else does. */
static bool make_files(const struct state *st, struct world *w)
{
	char keys[PATH_MAX];
	char manifest[PATH_MAX];
	state_path(st, "keys", keys);
	state_path(st, "manifest.json", manifest);
	if (unlink(manifest) != 0 && errno != ENOENT) {
		report_error("cannot replace %s: %s", manifest, strerror(errno));
		return false;
	}
	return make_folder(st, "zones", 0755) && make_folder(st, "keys", 0700) &&
	       world_make_keys(w) && world_save_keys(w, keys) && make_zones(st, w) &&
	       conf_write(st, w, true) && write_hints(st, w) && write_anchors(st, w) &&
	       write_queries(st, w) && manifest_write(w, manifest);
}

/* While it runs, only a make that would change nothing is harmless. */
static int refuse_running(const struct state *st, const struct world_options *options)
{
	char manifest[PATH_MAX];
	struct world_options made;
	state_path(st, "manifest.json", manifest);
	if (manifest_options(manifest, &made) && made.zones == options->zones &&
	    made.names == options->names && made.seed == options->seed) {
		printf("already made with these settings and running in %s; nothing changed\n",
		       st->dir);
		return EXIT_OK;
	}
	report_error("another miniature Internet runs in %s: run fairlead-inet stop first, or "
		     "choose another --dir",
		     st->dir);
	return EXIT_FAILED;
}

static int make_locked(const struct state *st, const struct world_options *options)
{
	if (state_holder(st) != 0) {
		return refuse_running(st, options);
	}
	const uint64_t began = monotonic_ms();
	struct world w;
	if (!world_build(options, &w)) {
		report_error("out of memory for %u zones", options->zones);
		return EXIT_FAILED;
	}
	const bool ok = make_files(st, &w);
	if (ok) {
		printf("made %zu zones (%u of them generated, %u names each) in %s in %.1f s\n",
		       w.count, options->zones, options->names, st->dir,
		       (double)(monotonic_ms() - began) / 1000.0);
	}
	world_free(&w);
	return ok ? EXIT_OK : EXIT_FAILED;
}

int verb_make(const struct state *st, const struct world_options *options)
{
	if (!state_create(st)) {
		return EXIT_FAILED;
	}
	const int lock = state_lock(st);
	if (lock < 0) {
		return EXIT_FAILED;
	}
	const int code = make_locked(st, options);
	close(lock);
	return code;
}
