#!/usr/bin/env bash
# The miniature Internet's life: made, started, entered, stopped, killed; twice
# at once, without root, and where nothing of it is allowed.
# builds: dev
# timeout: 180
set -u

root=$(cd "$(dirname "$0")/../.." && pwd)
inet=${FAIRLEAD_INET:-$root/build/dev/bin/fairlead-inet}
scratch=$(mktemp -d "${TMPDIR:-/tmp}/fairlead-inet.XXXXXX")
one=$scratch/one
two=$scratch/two
failed=0

finish() {
	local dir
	for dir in "$one" "$two" "$scratch/nobody/lab"; do
		"$inet" --dir "$dir" stop >/dev/null 2>&1
	done
	rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 143' TERM INT HUP

ok() { echo "ok - $1"; }

not_ok() {
	echo "not ok - $1"
	sed 's/^/#   /' "$scratch/said" | head -n 20
	failed=1
}

# says CODE TEXT SENTENCE COMMAND...: the exit code, and what it must say
says() {
	local want=$1 text=$2 sentence=$3 code
	shift 3
	"$@" >"$scratch/said" 2>&1 </dev/null
	code=$?
	if [ "$code" -eq "$want" ] && { [ -z "$text" ] || grep -q "$text" "$scratch/said"; }; then
		ok "$sentence"
	else
		echo "exit code $code, wanted $want and '$text'" >>"$scratch/said"
		not_ok "$sentence"
	fi
}

# holds SENTENCE COMMAND...: the command succeeds
holds() {
	local sentence=$1
	shift
	if "$@" >"$scratch/said" 2>&1; then
		ok "$sentence"
	else
		not_ok "$sentence"
	fi
}

# within_s SECONDS COMMAND...: it succeeds before long
within_s() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.05
	done
}

holder() { cut -d ' ' -f 1 "$1/holder.pid"; }

# Processes whose command line names this folder: its name servers.
servers() { grep -lzF "$1/nsd-" /proc/[0-9]*/cmdline 2>/dev/null; }

none_left() { [ -z "$(servers "$1")" ]; }

# Sockets of this namespace bound in 198.18.0.0/15 or 2001:2::/48, in proc's byte order.
no_socket_here() {
	! grep -hE '^ *[0-9]+: ([0-9A-F]{4}1[23]C6|02000120[0-9A-F]{24}):' \
		/proc/net/udp /proc/net/tcp /proc/net/udp6 /proc/net/tcp6
}

# --- bad arguments -------------------------------------------------------
says 1 'say what to do' "no verb is an error" "$inet"
says 1 'no such verb: fly' "nor is any word a verb" "$inet" --dir "$one" fly
says 1 'want a whole number' "--zones takes numbers" "$inet" --dir "$one" --zones many make
says 1 'want a whole number' "and no negative ones" "$inet" --dir "$one" --names -1 make
says 1 'want a whole number' "nor too many" "$inet" --dir "$one" --zones 100001 make
says 1 'takes no argument' "start takes no argument" "$inet" --dir "$one" start now
says 1 'cannot make the folder' "a folder that cannot be made" "$inet" --dir /proc/none make
says 1 'needs a command' "exec needs a command" "$inet" --dir "$one" exec

# --- made ----------------------------------------------------------------
says 1 'fairlead-inet make' "start before make says what to do" "$inet" --dir "$one" start
says 1 'not running' "status before make" "$inet" --dir "$one" status
says 0 'not running' "stop before make is harmless" "$inet" --dir "$one" stop
says 0 'made .* zones' "make" "$inet" --dir "$one" --zones 20 --names 3 make
says 0 'made .* zones' "make again" "$inet" --dir "$one" --zones 20 --names 3 make
says 0 'made .* zones' "make elsewhere" "$inet" --dir "$two" --zones 20 --names 3 make
for file in manifest.json root.hints root.anchors queries.txt nsd-leaf.conf zones/root.zone; do
	holds "it leaves $file" test -s "$one/$file"
done
holds "keys are for their owner only" test "$(stat -c %a "$one/keys")" = 700

# Records without what keys and signatures change.
records() { cat "$1"/zones/*.zone | grep -vE '[[:space:]](RRSIG|DNSKEY|DS|NSEC3?)[[:space:]]' | sort; }
samples() { grep -v '"made"' "$1/manifest.json"; }
holds "the same seed gives the same records" cmp <(records "$one") <(records "$two")
holds "and the same manifest" cmp <(samples "$one") <(samples "$two")
"$inet" --dir "$scratch/three" --zones 20 --names 3 --seed 2 make >/dev/null
holds "another seed gives others" test "$(records "$one" | cksum)" != "$(records "$scratch/three" | cksum)"

# --- started -------------------------------------------------------------
says 0 'leaf .* 32 of 32 addresses answer' "start says what is up" "$inet" --dir "$one" start
says 0 'already running' "starting twice is harmless" "$inet" --dir "$one" start
says 0 'root .* 4 of 4' "status" "$inet" --dir "$one" status
says 0 'nothing changed' "make with the same settings leaves it alone" \
	"$inet" --dir "$one" --zones 20 --names 3 make
says 1 'fairlead-inet stop' "make with others is refused" "$inet" --dir "$one" --zones 21 --names 3 make
holds "nothing of it listens outside" no_socket_here
says 0 'status: NOERROR' "exec runs a command inside" \
	"$inet" --dir "$one" exec dig +norec @198.18.0.1 . SOA
says 0 'status: NOERROR' "IPv6 too" "$inet" --dir "$one" exec dig +norec @2001:2::1 . SOA
says 0 'status: NOERROR' "TCP too" "$inet" --dir "$one" exec dig +tcp +norec @198.18.2.1 nsec.shape. SOA
says 7 '' "exec gives back the exit code" "$inet" --dir "$one" exec sh -c 'exit 7'
says 127 'cannot run no-such-command' "and 127 for no command" "$inet" --dir "$one" exec no-such-command
says 0 '^--dir x' "options after exec are the command's" "$inet" --dir "$one" exec echo --dir x
holds "exec passes standard input on" \
	test "$(echo through | "$inet" --dir "$one" exec cat)" = through
holds "exec stays the user it was" test "$("$inet" --dir "$one" exec id -u)" = 0

# --- two at once ---------------------------------------------------------
says 0 'root .* 4 of 4' "a second one starts beside" "$inet" --dir "$two" start
says 0 'root .* 4 of 4' "and the first still answers" "$inet" --dir "$one" status
key() { "$inet" --dir "$1" exec dig +short +norec @198.18.0.1 . DNSKEY | sort; }
holds "each is its own" test "$(key "$one")" != "$(key "$two")"
says 0 'stopped' "one stops" "$inet" --dir "$two" stop
says 0 'root .* 4 of 4' "and the other goes on" "$inet" --dir "$one" status

# --- killed --------------------------------------------------------------
kill -9 "$(holder "$one")"
holds "its servers end with a killed holder" within_s 5 none_left "$one"
says 1 'not running' "which status notices" "$inet" --dir "$one" status
says 1 'fairlead-inet start' "and exec" "$inet" --dir "$one" exec true
says 0 'leaf .* 32 of 32' "start after that starts" "$inet" --dir "$one" start
says 0 'stopped' "stop" "$inet" --dir "$one" stop
holds "nothing is left" none_left "$one"
says 0 'not running' "stopping twice is harmless" "$inet" --dir "$one" stop

sleep 60 &
other=$!
echo "$other 1 $(cat /proc/sys/kernel/random/boot_id)" >"$one/holder.pid"
says 1 'not running' "a stale pid file is not believed" "$inet" --dir "$one" status
says 0 'not running' "nor acted on" "$inet" --dir "$one" stop
holds "whoever has that number now lives on" kill -0 "$other"
kill "$other"
echo 'rubbish' >"$one/holder.pid"
says 1 'not running' "rubbish in it neither" "$inet" --dir "$one" status

sed -i '1i no zone at all (' "$one/zones/root.zone"
says 1 'do not have the zone.*nsd-root.log' "a spoiled zone stops the start, with the place to look" \
	"$inet" --dir "$one" start
holds "and leaves no server behind" none_left "$one"
rm "$one/manifest.json"
says 1 'fairlead-inet make' "what is half made does not start" "$inet" --dir "$one" start

# --- without root, and without namespaces --------------------------------
nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups -- "$@"; }
mkdir "$scratch/nobody"
cp "$inet" "$scratch/nobody/fairlead-inet"
chmod 755 "$scratch"
lab() { "$scratch/nobody/fairlead-inet" --dir "$scratch/nobody/lab" "$@"; }
if [ "$(id -u)" -ne 0 ]; then
	echo "ok - run without root # skip: this already is"
elif ! nobody unshare --user --net --map-root-user true 2>/dev/null; then
	chown -R 65534:65534 "$scratch/nobody"
	nobody "$scratch/nobody/fairlead-inet" --dir "$scratch/nobody/lab" --zones 3 make >/dev/null
	says 2 'does not allow a network namespace' "no user namespaces here: it says what to do" \
		nobody "$scratch/nobody/fairlead-inet" --dir "$scratch/nobody/lab" start
else
	chown -R 65534:65534 "$scratch/nobody"
	inet=$scratch/nobody/fairlead-inet
	says 0 'made' "an ordinary user makes one" nobody "$inet" --dir "$scratch/nobody/lab" --zones 3 make
	says 0 'root .* 4 of 4' "starts it" nobody "$inet" --dir "$scratch/nobody/lab" start
	says 0 'status: NOERROR' "runs a command in it" \
		nobody "$inet" --dir "$scratch/nobody/lab" exec dig +norec @198.18.0.1 . SOA
	holds "nothing of it listens outside" no_socket_here
	says 0 'status: NOERROR' "root enters it too" lab exec dig +norec @198.18.0.1 . SOA
	says 0 'stopped' "and it stops" nobody "$inet" --dir "$scratch/nobody/lab" stop
	holds "with nothing left" none_left "$scratch/nobody/lab"
fi

# In a user namespace of one's own, the number of network namespaces may be set to none.
if unshare --user --map-root-user true 2>/dev/null; then
	"$inet" --dir "$two" stop >/dev/null
	says 2 'does not allow a network namespace.*sudo' "where none are allowed it says what to do" \
		unshare --user --map-root-user sh -c \
		'echo 0 >/proc/sys/user/max_net_namespaces && exec "$0" --dir "$1" start' "$inet" "$two"
	holds "in one line" test "$(wc -l <"$scratch/said")" -eq 1
else
	echo "ok - where none are allowed it says what to do # skip: no user namespaces here"
fi

exit $failed
