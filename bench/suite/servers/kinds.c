/*
 * How each peer is run. The rule is the same for all: one thread, validation on
 * with the miniature Internet's anchors, IPv4 upstream, logs off, caches that hold
 * every name of every profile, what the maker's own performance page advises, and
 * everything else at its default.
 */
#include "say.h"
#include "servers/server.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char fairlead_config[] =
	"state: \"@DIR@/state\"\n"
	"listen: [\"@ADDRESS@@53\"]\n"
	"access: {allow: [127.0.0.0/8]}\n"
	"fronts: 1\n"
	"resolvers: 1\n"
	"cache: {folder: \"@DIR@/cache\", size: 1GiB, front-size: 64MiB}\n"
	"resolver:\n"
	"  root-hints: \"@INET@/root.hints\"\n"
	"  trust-anchors: [\"@INET@/root.anchors\"]\n"
	"  local-root: no\n"
	"  ipv6: no\n"
	"limits: {resolver: 2048, zone: 2048, client: 2048}\n"
	"http: {listen: []}\n"
	"control: {socket: \"@DIR@/control\"}\n"
	"log: {level: notice}\n"; /* SIGUSR1 makes it write its counters */

static const char unbound_config[] = "server:\n"
				     "  directory: \"@DIR@\"\n"
				     "  chroot: \"\"\n"
				     "  username: \"\"\n"
				     "  pidfile: \"\"\n"
				     "  use-syslog: no\n"
				     "  logfile: \"@DIR@/log\"\n"
				     "  verbosity: 0\n"
				     "  interface: @ADDRESS@\n"
				     "  port: 53\n"
				     "  access-control: 127.0.0.0/8 allow\n"
				     "  num-threads: 1\n"
				     "  do-ip6: no\n"
				     "  so-reuseport: yes\n"
				     "  so-rcvbuf: 4m\n"
				     "  so-sndbuf: 4m\n"
				     "  msg-cache-slabs: 1\n"
				     "  rrset-cache-slabs: 1\n"
				     "  infra-cache-slabs: 1\n"
				     "  key-cache-slabs: 1\n"
				     "  msg-cache-size: 512m\n"
				     "  rrset-cache-size: 1g\n"
				     "  key-cache-size: 32m\n"
				     "  outgoing-range: 4096\n"
				     "  num-queries-per-thread: 2048\n"
				     "  incoming-num-tcp: 200\n"
				     "  minimal-responses: yes\n"
				     "  root-hints: \"@INET@/root.hints\"\n"
				     "  trust-anchor-file: \"@INET@/root.anchors\"\n"
				     "remote-control:\n"
				     "  control-enable: no\n";

/* trust anchors as functions of the same text are made by @ANCHORS_...@ */
static const char kresd_config[] = "net.listen('@ADDRESS@', 53, { kind = 'dns' })\n"
				   "net.ipv6 = false\n"
				   "modules.unload('priming')\n"
				   "modules.unload('ta_update')\n"
				   "modules.unload('ta_signal_query')\n"
				   "modules.unload('detect_time_skew')\n"
				   "modules.load('hints')\n"
				   "hints.root({ @HINTS_KRESD@ })\n"
				   "trust_anchors.remove('.')\n"
				   "trust_anchors.add_file('@INET@/root.anchors', true)\n"
				   "cache.open(1024 * MB, 'lmdb://@DIR@/cache')\n"
				   "net.tcp_pipeline = 1000\n"
				   "log_level('crit')\n";

static const char pdns_config[] = "local-address=@ADDRESS@\n"
				  "local-port=53\n"
				  "config-dir=@DIR@\n"
				  "socket-dir=@DIR@\n"
				  "daemon=no\n"
				  "write-pid=no\n"
				  "disable-syslog=yes\n"
				  "quiet=yes\n"
				  "loglevel=0\n"
				  "log-common-errors=no\n"
				  "statistics-interval=0\n"
				  "security-poll-suffix=\n"
				  "allow-from=127.0.0.0/8\n"
				  "threads=1\n"
				  "pdns-distributes-queries=no\n"
				  "reuseport=yes\n"
				  "max-mthreads=2048\n"
				  "max-cache-entries=2000000\n"
				  "max-packetcache-entries=2000000\n"
				  "dnssec=validate\n"
				  "dont-query=\n"
				  "max-tcp-clients=200\n"
				  "max-concurrent-requests-per-tcp-connection=1000\n"
				  "hint-file=@INET@/root.hints\n"
				  "lua-config-file=@DIR@/anchors.lua\n";

static const char named_config[] =
	"options {\n"
	"  directory \"@DIR@\";\n"
	"  pid-file none;\n"
	"  session-keyfile none;\n"
	"  listen-on port 53 { @ADDRESS@; };\n"
	"  listen-on-v6 { none; };\n"
	"  allow-query { 127.0.0.0/8; };\n"
	"  allow-recursion { 127.0.0.0/8; };\n"
	"  recursion yes;\n"
	"  recursive-clients 4096;\n"
	"  tcp-clients 200;\n"
	"  dnssec-validation yes;\n"
	"  minimal-responses yes;\n"
	"  max-cache-size 1g;\n"
	"  querylog no;\n"
	"  notify no;\n"
	"};\n"
	"controls { };\n"
	"logging { category default { null; }; category unmatched { null; }; };\n"
	"trust-anchors { @ANCHORS_NAMED@ };\n"
	"zone \".\" { type hint; file \"@INET@/root.hints\"; };\n";

static const char dnsdist_config[] =
	"setLocal('@ADDRESS@:53', { reusePort = true })\n"
	"setACL({ '127.0.0.0/8' })\n"
	"setSecurityPollSuffix('')\n"
	"setVerboseHealthChecks(false)\n"
	"setUDPSocketBufferSizes(4194304, 4194304)\n"
	"newServer({ address = '@BEHIND@:53', checkName = 'alpha.', checkType = 'NS' })\n"
	"pc = newPacketCache(2000000, { maxTTL = 86400, numberOfShards = 1 })\n"
	"getPool(''):setCache(pc)\n";

static const struct kind kinds[] = {
	{ .name = "fairlead",
	  .config_name = "fairlead.yaml",
	  .config = fairlead_config,
	  .command = { "@FAIRLEAD@", "-c", "@CONFIG@" },
	  .version = { "@FAIRLEAD@", "--version" },
	  .validates = true },
	{ .name = "unbound",
	  .config_name = "unbound.conf",
	  .config = unbound_config,
	  .command = { "unbound", "-d", "-c", "@CONFIG@" },
	  .version = { "unbound", "-V" },
	  .validates = true },
	{ .name = "kresd",
	  .config_name = "kresd.lua",
	  .config = kresd_config,
	  .command = { "kresd", "-n", "-c", "@CONFIG@", "@DIR@" },
	  .version = { "kresd", "--version" },
	  .validates = true },
	{ .name = "pdns",
	  .config_name = "recursor.conf",
	  .config = pdns_config,
	  .command = { "pdns_recursor", "--config-dir=@DIR@", "@PDNS_OLD@" },
	  .version = { "pdns_recursor", "--version" },
	  .validates = true },
	{ .name = "named",
	  .config_name = "named.conf",
	  .config = named_config,
	  .command = { "named", "-f", "-n", "1", "-4", "-c", "@CONFIG@" },
	  .version = { "named", "-v" },
	  .address = "127.0.0.1", /* it listens only where an interface has the address */
	  .validates = true },
	{ .name = "dnsdist",
	  .config_name = "dnsdist.conf",
	  .config = dnsdist_config,
	  .command = { "dnsdist", "--supervised", "--disable-syslog", "-C", "@CONFIG@" },
	  .version = { "dnsdist", "--version" },
	  .behind = "unbound" },
	{ .name = "echo",
	  .command = { "@SELF@", "serve-echo", "@ADDRESS@", "@SIZES@" },
	  .version = { NULL },
	  .padded = true },
	{ .name = "echo-epoll",
	  .command = { "@SELF@", "serve-echo-epoll", "@ADDRESS@", "@SIZES@" },
	  .version = { NULL },
	  .padded = true },
	{ .name = NULL },
};

const struct kind *kinds_all(void)
{
	return kinds;
}

const struct kind *kind_find(const char *name)
{
	for (const struct kind *k = kinds; k->name != NULL; k++) {
		if (strcmp(k->name, name) == 0) {
			return k;
		}
	}
	return NULL;
}

static bool read_command(const json_t *from, const char *to[], size_t most)
{
	size_t i;
	const json_t *word;
	if (json_array_size(from) >= most) {
		return false;
	}
	json_array_foreach(from, i, word)
	{
		to[i] = json_string_value(word);
		if (to[i] == NULL) {
			return false;
		}
	}
	return true;
}

const struct kind *kind_read(const char *path)
{
	json_error_t error;
	struct kind *k = calloc(1, sizeof(*k));
	json_t *file = json_load_file(path, 0, &error); /* strings point into it: kept */
	if (k == NULL || file == NULL) {
		say_error("cannot read the peer %s: %s", path,
			  file == NULL ? error.text : "out of memory");
		free(k);
		return NULL;
	}
	k->name = json_string_value(json_object_get(file, "name"));
	k->config_name = json_string_value(json_object_get(file, "config-name"));
	k->config = json_string_value(json_object_get(file, "config"));
	k->address = json_string_value(json_object_get(file, "address"));
	k->behind = json_string_value(json_object_get(file, "behind"));
	k->validates = json_is_true(json_object_get(file, "validates"));
	if (k->name == NULL || (k->config == NULL) != (k->config_name == NULL) ||
	    (k->behind != NULL && kind_find(k->behind) == NULL) ||
	    !read_command(json_object_get(file, "command"), k->command, COMMAND_MAX) ||
	    k->command[0] == NULL ||
	    !read_command(json_object_get(file, "version"), k->version, 4)) {
		say_error("the peer %s is not whole: it needs \"name\" and \"command\" (a list "
			  "of strings), and may have \"config\" with \"config-name\", "
			  "\"version\", \"address\", \"behind\" (a built-in server), "
			  "\"validates\"",
			  path);
		json_decref(file);
		free(k);
		return NULL;
	}
	return k;
}
