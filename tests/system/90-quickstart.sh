#!/bin/sh
# appliance/quickstart: two commands from a source tree to a running resolver.
# timeout: 300
. "$(dirname "$0")/../support/lab.sh"

port=15353
export XDG_STATE_HOME="$lab_tmp/home" FAIRLEAD_BUILD="${FAIRLEAD_BIN%/*/bin}"
quickstart=$lab_root/appliance/quickstart
said=$lab_tmp/quickstart.out
pid=''

# begin ARGS...: in the background, until it serves
begin() {
	: >"$said" # here, not by the child, which may be late to forget the last one's
	answer=''
	sh "$quickstart" "$@" >"$said" 2>&1 </dev/null &
	pid=$!
	lab_pids="$lab_pids $pid"
	wait_for 200 serves_or_ended && grep -q serving "$said"
}

serves_or_ended() {
	grep -q serving "$said" || ended "$pid"
}

# finish: SIGTERM; well ended?
finish() {
	kill -TERM "$pid"
	wait_for 10 ended "$pid" && wait "$pid"
}

# printed N: the Nth line to try, run as it stands; what it said is the answer
printed() {
	answer=$(sh -c "$(sed -n 's/^  //p' "$said" | grep ' dig \|^dig ' | sed -n "$1p")" 2>&1)
}

# dig's header lines, not kdig's
dig_rcode() {
	says "HEADER<<- .* status: $1,"
}
dig_ad() {
	says '^;; flags:[a-z ]* ad[ ;]'
}

# refuses TEXT ARGS...: it ends with an error that says TEXT
refuses() {
	wanted=$1
	shift
	answer=$(sh "$quickstart" "$@" 2>&1 </dev/null)
	[ $? -ne 0 ] && says "$wanted"
}

homeless() {
	(unset XDG_STATE_HOME HOME && refuses 'there is no place for the state')
}

expect "a port that is none is refused" refuses '--port wants a number' --port 70000
expect "an option that is none is refused" refuses "what is '--lba'" --lba
expect "without a home it does not start" homeless

expect "it builds, and serves in the foreground" begin --port "$port"
expect "and prints one line to try" test "$(grep -c '^  dig ' "$said")" -eq 1
answer=$(dig +time=5 +tries=1 @127.0.0.1 -p "$port" localhost A 2>&1)
expect "localhost is answered without a network" says '^localhost\..*127\.0\.0\.1$'
expect "a second one says that it runs already" refuses 'runs already' --port "$port"
expect "SIGTERM ends it well" finish
expect "and nothing of it is left" sh -c '! dig +time=1 +tries=1 @127.0.0.1 -p "$1" localhost' sh "$port"

expect "with --lab it serves inside a miniature Internet" begin --lab --port "$port"
expect "and prints three lines to try" test "$(grep -c 'exec dig ' "$said")" -eq 3
printed 1
expect "the first is validated" dig_ad
printed 2
expect "the second is bogus: SERVFAIL" dig_rcode SERVFAIL
expect "with an extended error that says so" says 'EDE: 6'
printed 3
expect "the third is answered" dig_rcode NOERROR
expect "but not validated" not dig_ad
expect "SIGTERM ends it well, too" finish
expect "and the miniature Internet has stopped" \
	not "$FAIRLEAD_BUILD/release/bin/fairlead-inet" --dir "$XDG_STATE_HOME/fairlead/quickstart/inet" status
[ "$lab_failed" -eq 0 ] || sed 's/^/# | /' "$said"
