# The laboratory of system tests: a miniature Internet, and Fairlead in it.
# Source it at the top of a test (POSIX sh); everything it starts ends with it.
#
#   . "$(dirname "$0")/../support/lab.sh"
#   lab_up                                    # the miniature Internet answers
#   fairlead_up                               # fairleadd serves on 127.0.0.1 and ::1
#   ask www.nsec.shape. A +dnssec
#   expect "a signed name is validated" flag ad
#   expect "and it has an address" says 'IN[[:space:]]+A[[:space:]]'
#   fairlead_down                             # SIGTERM; must end well within 5 s
#
# The head of a test may hold "# builds: dev asan" (default dev) and
# "# timeout: 60" (seconds, default 120). Its exit status is that of its expects.
#
# tests/run sets FAIRLEAD_BIN (fairleadd's folder), FAIRLEAD_INET (the program)
# and FAIRLEAD_LAB (the shared miniature Internet). A test started by hand uses
# build/dev and a laboratory of its own.

lab_root=$(cd "$(dirname "$0")/../.." && pwd)
: "${FAIRLEAD_BIN:=$lab_root/build/dev/bin}"
: "${FAIRLEAD_INET:=$FAIRLEAD_BIN/fairlead-inet}"
: "${FAIRLEAD_BUILD_NAME:=dev}"
export FAIRLEAD_BIN FAIRLEAD_INET FAIRLEAD_BUILD_NAME

lab_tmp=$(mktemp -d "${TMPDIR:-/tmp}/fairlead-test.XXXXXX")
lab_own=''
lab_failed=0
lab_pids=''
fairlead_pid=''
fairlead_log=$lab_tmp/fairleadd.log
fairlead_state=$lab_tmp/state
answer=''

if [ -z "${FAIRLEAD_LAB-}" ]; then
	FAIRLEAD_LAB=$lab_tmp/lab
	lab_own=yes
fi
export FAIRLEAD_LAB

# sanitizers slow everything down; so may a loaded machine
case $FAIRLEAD_BUILD_NAME in
asan) lab_patience=30 ;;
*) lab_patience=10 ;;
esac

# --- saying ---------------------------------------------------------------

note() {
	printf '# %s\n' "$*"
}

# expect SENTENCE COMMAND ARGS...: "ok - SENTENCE" when the command succeeds.
# What the last ask was told is shown when it does not.
expect() {
	lab_sentence=$1
	shift
	if "$@" >"$lab_tmp/said" 2>&1; then
		printf 'ok - %s\n' "$lab_sentence"
		return 0
	fi
	lab_failed=$((lab_failed + 1))
	printf 'not ok - %s\n' "$lab_sentence"
	note "wanted: $*"
	sed 's/^/#   /' "$lab_tmp/said"
	[ -z "$answer" ] || printf '%s\n' "$answer" | sed 's/^/# | /'
	return 0
}

# skip SENTENCE REASON: counted as passed, and told apart in the closing lines
skip() {
	printf 'ok - %s # skip %s\n' "$1" "$2"
}

# The test can't go on.
bail() {
	printf 'not ok - %s\n' "$*"
	lab_failed=$((lab_failed + 1))
	exit 1
}

# A condition turned round: expect "..." not flag ad
not() {
	if "$@"; then
		return 1
	fi
	return 0
}

# --- the miniature Internet -----------------------------------------------

inet() {
	"$FAIRLEAD_INET" --dir "$FAIRLEAD_LAB" "$@"
}

# Made and started once a run; the tests of a run share it. It is not this
# test's to end, so it doesn't carry this test's mark.
lab_up() {
	[ -x "$FAIRLEAD_INET" ] || bail "there is no $FAIRLEAD_INET: build it first"
	if inet status >/dev/null 2>&1; then
		return 0
	fi
	mkdir -p "$FAIRLEAD_LAB"
	lab_log=$FAIRLEAD_LAB.log
	if [ ! -e "$FAIRLEAD_LAB/root.hints" ]; then
		inet make --zones "${LAB_ZONES:-30}" --names "${LAB_NAMES:-5}" >"$lab_log" 2>&1 ||
			bail "the miniature Internet can't be made: $(tail -n 1 "$lab_log")"
	fi
	env -u FAIRLEAD_TEST "$FAIRLEAD_INET" --dir "$FAIRLEAD_LAB" start >>"$lab_log" 2>&1 </dev/null ||
		bail "the miniature Internet does not start: $(tail -n 1 "$lab_log")"
}

# lab_exec COMMAND...: runs it inside, where 198.18.0.0/15 lives
lab_exec() {
	inet exec "$@"
}

# lab_start COMMAND...: the same in the background; ended with the test.
# Its pid is left in $started.
lab_start() {
	"$FAIRLEAD_INET" --dir "$FAIRLEAD_LAB" exec "$@" &
	started=$!
	lab_pids="$lab_pids $started"
}

# --- Fairlead in it --------------------------------------------------------

# What fairlead_up uses when it is given no file. @STATE@, @HINTS@ and @ANCHORS@
# are replaced, here and in files given.
lab_config() {
	cat <<-'YAML'
		state: "@STATE@"
		listen: ["127.0.0.1@53", "::1@53"]
		cache: {folder: "@STATE@/cache", size: 64MiB}
		resolver:
		  root-hints: "@HINTS@"
		  trust-anchors: ["@ANCHORS@"]
		  local-root: no
	YAML
}

# fairlead_up [FILE|-]: starts fairleadd and waits until it serves. The state
# folder is kept between an up and the next, so a restart finds its cache.
fairlead_up() {
	mkdir -p "$fairlead_state"
	case ${1-} in
	'') lab_config ;;
	-) cat ;;
	*) cat "$1" ;;
	esac | sed -e "s|@STATE@|$fairlead_state|g" -e "s|@HINTS@|$FAIRLEAD_LAB/root.hints|g" \
		-e "s|@ANCHORS@|$FAIRLEAD_LAB/root.anchors|g" >"$lab_tmp/fairlead.yaml"
	: >"$fairlead_log"
	"$FAIRLEAD_INET" --dir "$FAIRLEAD_LAB" exec "$FAIRLEAD_BIN/fairleadd" \
		-c "$lab_tmp/fairlead.yaml" >>"$fairlead_log" 2>&1 </dev/null &
	fairlead_pid=$!
	if ! wait_for "$lab_patience" fairlead_serves; then
		sed 's/^/# | /' "$fairlead_log" | tail -n 20
		bail "fairleadd serves within $lab_patience s"
	fi
}

fairlead_serves() {
	kill -0 "$fairlead_pid" 2>/dev/null || bail "fairleadd keeps running: $(tail -n 1 "$fairlead_log")"
	grep -q 'serving' "$fairlead_log"
}

# Ends it as systemd would: SIGTERM, five seconds, exit status 0.
fairlead_down() {
	[ -n "$fairlead_pid" ] || return 0
	lab_stopped=$fairlead_pid
	fairlead_pid=''
	kill -TERM "$lab_stopped" 2>/dev/null
	if ! wait_for 5 ended "$lab_stopped"; then
		kill -KILL "$lab_stopped" 2>/dev/null
		wait "$lab_stopped" 2>/dev/null
		lab_complain "fairleadd ends within 5 s of SIGTERM"
		return 0
	fi
	lab_status=0
	wait "$lab_stopped" 2>/dev/null || lab_status=$?
	[ "$lab_status" -eq 0 ] || lab_complain "fairleadd ends with status 0, not $lab_status"
}

lab_complain() {
	lab_failed=$((lab_failed + 1))
	printf 'not ok - %s\n' "$1"
	tail -n 20 "$fairlead_log" | sed 's/^/# | /'
}

# ended PID: gone, or a zombie that waits for us
ended() {
	case $(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) in
	'' | Z*) return 0 ;;
	esac
	return 1
}

# wait_for SECONDS COMMAND...: asks ten times a second
wait_for() {
	lab_tries=$(($1 * 10))
	shift
	while [ "$lab_tries" -gt 0 ]; do
		if "$@"; then
			return 0
		fi
		sleep 0.1
		lab_tries=$((lab_tries - 1))
	done
	return 1
}

# --- asking ----------------------------------------------------------------

# ask ARGS...: kdig inside, at Fairlead unless ARGS name a @server. What it
# said is in $answer, for the conditions below.
ask() {
	case " $* " in
	*" @"*) ;;
	*) set -- "@${ASK_SERVER:-127.0.0.1}" "$@" ;;
	esac
	answer=$(lab_exec kdig +timeout=6 +retry=0 "$@" 2>&1)
	lab_asked=$?
	return 0
}

# Conditions on the last answer.
answered() {
	[ "$lab_asked" -eq 0 ] && printf '%s\n' "$answer" | grep -q '^;; ->>HEADER<<-'
}

# rcode NAME: NOERROR, NXDOMAIN, SERVFAIL...
rcode() {
	printf '%s\n' "$answer" | grep -q "^;; ->>HEADER<<-.* status: $1;"
}

# flag NAME: aa, tc, rd, ra, ad, cd
flag() {
	printf '%s\n' "$answer" | grep -Eq "^;; Flags:[a-z ]* $1[ ;]"
}

# ede CODE: an extended DNS error (RFC 8914) with this number
ede() {
	printf '%s\n' "$answer" | grep -Eq "^;; EDE: $1( |\$)"
}

# says EXPRESSION: a line of the answer matches
says() {
	printf '%s\n' "$answer" | grep -Eq -- "$1"
}

# --- the end ---------------------------------------------------------------

lab_cleanup() {
	lab_exit=$?
	trap - EXIT INT TERM HUP
	trap "" PIPE # whoever read along may be gone
	for lab_pid in $fairlead_pid $lab_pids; do
		kill -TERM "$lab_pid" 2>/dev/null
	done
	for lab_pid in $fairlead_pid $lab_pids; do
		wait_for 5 ended "$lab_pid" || kill -KILL "$lab_pid" 2>/dev/null
	done
	if [ -n "$lab_own" ] && [ -d "$FAIRLEAD_LAB" ]; then
		inet stop >/dev/null 2>&1
	fi
	if [ "$lab_failed" -gt 0 ] && [ -s "$fairlead_log" ]; then
		note "the end of fairleadd's log:"
		tail -n 30 "$fairlead_log" | sed 's/^/# | /'
	fi
	rm -rf "$lab_tmp"
	[ "$lab_failed" -eq 0 ] || lab_exit=1
	exit "$lab_exit"
}
trap lab_cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP PIPE
