/* fairleadd: one program, executed anew in each role. */
#include "fairlead/config/config.h"
#include "fairlead/front/front.h"
#include "fairlead/ipc/confine.h"
#include "fairlead/ipc/role.h"
#include "fairlead/keeper/keeper.h"
#include "fairlead/resolver/resolver.h"
#include "fairlead/supervisor/supervisor.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KEY_CHECK = 256, KEY_MAN, KEY_SCHEMA, KEY_DUMP };

struct arguments {
	const char *config; /* NULL: the system's, or all defaults */
	bool check, man, schema, dump;
};

static const char system_config[] = "/etc/fairlead/fairlead.yaml";
const char *argp_program_version = "fairleadd " FL_VERSION;

static error_t on_option(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;
	switch (key) {
	case 'c':
		a->config = arg;
		return 0;
	case KEY_CHECK:
		a->check = true;
		return 0;
	case KEY_MAN:
		a->man = true;
		return 0;
	case KEY_SCHEMA:
		a->schema = true;
		return 0;
	case KEY_DUMP:
		a->dump = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "what is '%s'? The configuration is given with -c FILE", arg);
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The roles: only the supervisor starts them, and they find that out for themselves. */
static int run_role(const char *name)
{
	static const struct {
		enum fl_role role;
		int (*main)(void);
	} roles[] = { { FL_ROLE_FRONT, fl_front_main },
		      { FL_ROLE_RESOLVER, fl_resolver_main },
		      { FL_ROLE_KEEPER, fl_keeper_main } };
	for (size_t i = 0; i < FL_COUNT(roles); i++) {
		if (strcmp(name, fl_role_name(roles[i].role)) == 0) {
			return roles[i].main();
		}
	}
	fprintf(stderr, "fairleadd: there is no role '%s'\n", name);
	return FL_EXIT_RUNTIME;
}

static enum fl_err read_config(const struct arguments *a, struct fl_config **out)
{
	if (a->config != NULL) {
		return fl_config_read(a->config, stderr, out);
	}
	/* only where there is none: one that cannot be read must not become all defaults */
	if (access(system_config, F_OK) == 0 || errno != ENOENT) {
		return fl_config_read(system_config, stderr, out);
	}
	return fl_config_parse_text("", 0, "defaults", stderr, out);
}

/* What libunbound itself would refuse is found in a process of its own. */
static int check_engine(const struct fl_config *c)
{
	char problem[512] = "";
	int status;
	fflush(NULL);
	const pid_t pid = fork();
	if (pid == 0) {
		fl_log_init("check", FL_LOG_ERROR, FL_LOG_TEXT);
		const enum fl_err err = fl_resolver_check(c, problem, sizeof(problem));
		if (err != FL_OK) {
			fprintf(stderr,
				"fairleadd: the resolver cannot use this configuration: %s\n",
				problem[0] != '\0' ? problem : fl_err_text(err));
		}
		_exit(err == FL_OK ? FL_EXIT_OK : FL_EXIT_CONFIG);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		fprintf(stderr, "fairleadd: cannot start a process to check with: %s\n",
			strerror(errno));
		return FL_EXIT_RUNTIME;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : FL_EXIT_CONFIG;
}

static int run(const struct arguments *a)
{
	struct fl_config *c;
	if (a->man) {
		fl_config_print_man(stdout);
		return FL_EXIT_OK;
	}
	if (a->schema) {
		fl_config_print_json_schema(stdout);
		return FL_EXIT_OK;
	}
	const enum fl_err err = read_config(a, &c);
	if (err != FL_OK) {
		return err == FL_EINVALID ? FL_EXIT_CONFIG : FL_EXIT_RUNTIME;
	}
	int code = FL_EXIT_OK;
	if (a->dump) {
		code = fl_config_dump(c, stdout) == FL_OK ? FL_EXIT_OK : FL_EXIT_RUNTIME;
	} else if (a->check) {
		code = check_engine(c);
		if (code == FL_EXIT_OK) {
			printf("%s: good\n", a->config != NULL ? a->config : "configuration");
		}
	} else {
		code = fl_supervisor_main(c);
	}
	fl_config_free(c);
	return code;
}

int main(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "config", 'c', "FILE", 0,
		  "Read the configuration from FILE (default /etc/fairlead/fairlead.yaml, or "
		  "all defaults)",
		  0 },
		{ "check", KEY_CHECK, NULL, 0,
		  "Check the configuration, say what is wrong, and end", 0 },
		{ "dump", KEY_DUMP, NULL, 0,
		  "Print every key with its effective value, and end", 0 },
		{ "print-man", KEY_MAN, NULL, 0,
		  "Print the manual page fairlead.conf(5), and end", 0 },
		{ "print-schema", KEY_SCHEMA, NULL, 0,
		  "Print the configuration's JSON schema, and end", 0 },
		{ 0 }
	};
	static const struct argp argp = { options,
					  on_option,
					  NULL,
					  "A DNSSEC-validating, resilient recursive resolver. "
					  "Runs in the foreground and logs to "
					  "standard error.\vExit status: 0 stopped as asked or "
					  "checked well, 1 the configuration is "
					  "wrong, 2 a failure at run time.",
					  NULL,
					  NULL,
					  NULL };
	struct arguments a = { 0 };
	static const char role[] = "--role=";
	if (argc == 2 && strncmp(argv[1], role, sizeof(role) - 1) == 0) {
		return run_role(argv[1] + sizeof(role) - 1);
	}
	argp_err_exit_status = FL_EXIT_CONFIG;
	argp_parse(&argp, argc, argv, 0, NULL, &a);
	return run(&a);
}
