# The steps of tests/run: bookkeeping, progress and the runners of each kind of
# test. Sourced by tests/run (bash), which has set $root, $build, $logs, $only.
# shellcheck shell=bash

say() {
	printf '%s\n' "-- $*"
}

# All that this run starts carries its mark in its environment, so that what
# outlives its test is found by that and by nothing else.
steps_begin() {
	FAIRLEAD_RUN=$$-$(date +%s)
	export FAIRLEAD_RUN
	scratch=$(mktemp -d "${TMPDIR:-/tmp}/fairlead-run.XXXXXX")
	chmod 755 "$scratch" # a test may become another user
	export FAIRLEAD_LAB=$scratch/lab
	export TMPDIR=$scratch
	export PYTHONDONTWRITEBYTECODE=1
	trap steps_cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	mkdir -p "$logs"
	find "$logs" -mindepth 1 -maxdepth 1 ! -name 'times' -exec rm -rf {} +
	touch "$logs/times"
	: >"$scratch/times"
	started=$SECONDS
	plan=()
}

# bounded SECONDS COMMAND...: its output in the log, its exit status, 124 when it
# was too slow. In the background, because bash puts a signal off until what is in
# the foreground ends; so SIGINT and SIGQUIT have to be given back to it.
bounded() {
	local seconds=$1
	shift
	env --default-signal=INT,QUIT timeout -k 10 "$seconds" "$@" >>"$log" 2>&1 </dev/null &
	wait $!
}

# marked MARK: the processes that carry it, but for this shell
marked() {
	local file pid
	for file in $(grep -lzxF "$1" /proc/[0-9]*/environ 2>/dev/null); do
		pid=${file#/proc/}
		pid=${pid%/environ}
		[ "$pid" -eq $$ ] || echo "$pid"
	done
}

# end_marked MARK: ask them to go, insist after two seconds; says who they were
end_marked() {
	local pids n=0
	pids=$(marked "$1" | paste -sd, -)
	[ -n "$pids" ] || return 0
	ps -o pid=,ppid=,stat=,args= -p "$pids"
	kill ${pids//,/ } 2>/dev/null
	while [ $n -lt 20 ] && [ -n "$(marked "$1")" ]; do
		sleep 0.1
		n=$((n + 1))
	done
	# shellcheck disable=SC2046
	kill -9 $(marked "$1") 2>/dev/null
	return 0
}

steps_cleanup() {
	if [ -d "$FAIRLEAD_LAB" ] && [ -x "$build/dev/bin/fairlead-inet" ]; then
		"$build/dev/bin/fairlead-inet" --dir "$FAIRLEAD_LAB" stop >/dev/null 2>&1
	fi
	end_marked "FAIRLEAD_RUN=$FAIRLEAD_RUN" >/dev/null
	rm -rf "$scratch"
}

# --- what there is to do -------------------------------------------------

# selected NAME: does --only ask for it?
selected() {
	[ -z "$only" ] || [[ $1 =~ $only ]]
}

plan_lint() {
	local file
	lints=()
	for file in tests/lint/*; do
		[ -f "$file" ] && [ -x "$file" ] || continue
		selected "lint/${file##*/}" || continue
		lints+=("${file##*/}")
		plan+=("lint/${file##*/}")
	done
}

plan_builds() {
	local preset
	for preset in "$@"; do
		plan+=("build/$preset" "ctest/$preset")
	done
}

# script_head FILE KEY DEFAULT: what a line "# KEY: VALUE" of its head says
script_head() {
	local value
	value=$(sed -n "1,40s/^# $2: *//p" "$1" | head -n 1)
	echo "${value:-$3}"
}

wants_build() {
	case " $(script_head "tests/system/$1" builds dev) " in
	*" $2 "*) ;;
	*) return 1 ;;
	esac
}

# is_patient TEST: it says that it waits most of its time, and that others may work meanwhile
is_patient() {
	[ "$(script_head "tests/system/$1" lane main)" = waits ]
}

plan_system() {
	local file preset
	scripts=()
	for file in tests/system/*.sh tests/system/*.py; do
		[ -x "$file" ] || { [ -z "$only" ] && die "$file is not executable: it would not run"; continue; }
		selected "system/${file##*/}" || continue
		scripts+=("${file##*/}")
		for preset in "$@"; do
			wants_build "${file##*/}" "$preset" && plan+=("system/${file##*/}@$preset")
		done
	done
}

# --- progress ------------------------------------------------------------

# Seconds that the steps still to come took in the last run that had them.
seconds_left() {
	printf '%s\n' ${plan[@]+"${plan[@]}"} |
		awk 'NR == FNR { took[$1] = $2; next } { left += took[$1] } END { print left + 0 }' \
			"$logs/times" -
}

# step NAME FUNCTION ARGS...: run it, add what it counted, keep its time.
# A function leaves its counts in $ok and $bad, a note in $note, its log in $log.
step() {
	local name=$1 begin=$SECONDS left took
	shift
	left=$(seconds_left)
	ok=0 bad=0 note='' tail_lines=25 log=$logs/$(echo "$name" | tr '/@' '--').log
	: >"$log"
	"$@"
	took=$((SECONDS - begin))
	passed=$((passed + ok)) failed=$((failed + bad))
	left=$((left > took ? left - took : 0))
	printf '[%d:%02d left] %s: %d passed, %d failed (%d s)%s\n' $((left / 60)) $((left % 60)) \
		"$name" "$ok" "$bad" "$took" "${note:+; $note}"
	[ "$bad" -eq 0 ] || show_failure
	echo "$name $took" >>"$scratch/times"
	drop_planned "$name"
}

drop_planned() {
	local i
	for i in "${!plan[@]}"; do
		[ "${plan[$i]}" != "$1" ] || unset "plan[$i]"
	done
}

# What failed, and the end of its output.
show_failure() {
	grep -aE '^(not ok|FAILED|\[FAIL\]|CMake Error)| error: |undefined reference|cannot find -l' "$log" |
		head -n 20 | sed 's/^/    /'
	echo "    ... the end of ${FAIRLEAD_LOGS_SHOWN:-$logs}/${log##*/}:"
	tail -n "$tail_lines" "$log" | sed 's/^/    | /'
}

# --- the second lane: tests that mostly wait, on a miniature Internet of their own ---

waits_begin() {
	local preset test
	local -a here=()
	for preset in "$@"; do
		for test in ${scripts[@]+"${scripts[@]}"}; do
			wants_build "$test" "$preset" && is_patient "$test" && here+=("$test@$preset")
		done
	done
	lane=''
	[ ${#here[@]} -gt 0 ] || return 0
	(
		export FAIRLEAD_LAB=$scratch/lab-waits
		passed=0 failed=0 skipped=0
		for test in "${here[@]}"; do
			step "system/$test" run_system "${test%@*}" "${test##*@}"
		done
		"$build/dev/bin/fairlead-inet" --dir "$FAIRLEAD_LAB" stop >/dev/null 2>&1
		echo "$passed $failed $skipped" >"$scratch/lane.counts"
	) >"$scratch/lane.out" 2>&1 &
	lane=$!
	for test in "${here[@]}"; do
		drop_planned "system/$test"
	done
}

# Its lines, and what it counted; a lane that was cut off has failed.
waits_end() {
	local more=0 worse=1 aside=0
	[ -n "$lane" ] || return 0
	wait "$lane"
	cat "$scratch/lane.out"
	[ ! -s "$scratch/lane.counts" ] || read -r more worse aside <"$scratch/lane.counts"
	passed=$((passed + more)) failed=$((failed + worse)) skipped=$((skipped + aside))
}

# Times of steps that this run did not have are kept for one that will.
steps_end() {
	awk 'NR == FNR { print; seen[$1] = 1; next } !seen[$1]' "$scratch/times" "$logs/times" \
		>"$scratch/times.new" && cat "$scratch/times.new" >"$logs/times"
	[ "$skipped" -eq 0 ] || say "$skipped of them were skipped by their tests; the logs say why"
	say "took $(((SECONDS - started) / 60)) min $(((SECONDS - started) % 60)) s; logs in ${FAIRLEAD_LOGS_SHOWN:-$logs}"
	echo "$passed passed, $failed failed"
}

# --- builds --------------------------------------------------------------

build_preset() {
	if bounded 120 cmake --preset "$1" -B "$build/$1" && bounded 1500 cmake --build "$build/$1" -- -k 0; then
		touch "$scratch/built.$1"
		note="$(find "$build/$1/bin" -type f -executable | wc -l) programs"
	else
		bad=1
		note="its tests will not run"
		tail_lines=5 # the errors stand further up, and are shown
	fi
}

# --- lint ----------------------------------------------------------------

# A lint says what it found, a line each; --self-test shows that it can fail.
run_lint() {
	if bounded 60 "tests/lint/$1" --self-test; then
		ok=$((ok + 1))
	else
		echo "FAILED: the lint's own test: it does not find what it is for" >>"$log"
		bad=$((bad + 1))
	fi
	if bounded 180 "tests/lint/$1" --build "$build/dev" "$root"; then
		ok=$((ok + 1))
		note=$(tail -n 1 "$log")
	else
		bad=$((bad + 1))
	fi
}

# --- unit tests and the replay of the fuzz corpora -----------------------

# Criterion passes a test whose leak LeakSanitizer reported, so sanitizers write
# files of their own, and each such file is a failure.
sanitizer_env() {
	local opts="log_path=$1/san:log_exe_name=1:detect_leaks=1:abort_on_error=0"
	echo "ASAN_OPTIONS=$opts:detect_stack_use_after_return=1"
	echo "UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1:log_path=$1/san"
	echo "LSAN_OPTIONS=suppressions=$root/tests/support/lsan.supp:print_suppressions=0"
}

# count_sanitizer FOLDER: one failure per report, shown in the log
count_sanitizer() {
	local file
	for file in "$1"/san.*; do
		[ -s "$file" ] || continue
		grep -qE 'ERROR: |runtime error' "$file" || continue
		bad=$((bad + 1))
		{
			echo "FAILED: a sanitizer wrote ${file##*/}"
			head -n 30 "$file"
		} >>"$log"
	done
}

run_ctest() {
	local san=$logs/san-ctest-$1 mark env
	[ -e "$scratch/built.$1" ] || { note="not built"; return; }
	mkdir -p "$san"
	mark=FAIRLEAD_TEST=ctest-$1
	mapfile -t env < <(sanitizer_env "$san")
	bounded 900 env "$mark" "${env[@]}" ctest --test-dir "$build/$1" -j2 \
		--no-tests=ignore --timeout 120 ${only:+-R "$only"} --output-on-failure \
		--output-junit "$logs/ctest-$1.xml"
	read -r ok bad note < <(python3 tests/support/count.py "$logs/ctest-$1.xml" "$san" "$root" 2>>"$log" ||
		echo "0 1 no result from ctest")
	count_sanitizer "$san"
	leftovers "$mark"
}

# leftovers MARK: a test that leaves processes behind has failed
leftovers() {
	local who
	who=$(end_marked "$1")
	[ -n "$who" ] || return 0
	printf 'FAILED: it left processes running: pid, parent, state, command\n%s\n' "$who" >>"$log"
	bad=$((bad + 1))
}

# --- system tests --------------------------------------------------------

run_system() {
	local file=tests/system/$1 san=$logs/san-$1-$2 mark seconds rc env
	[ -e "$scratch/built.$2" ] || { note="not built"; return; }
	mkdir -p "$san"
	mark=FAIRLEAD_TEST=$1@$2
	seconds=$(script_head "$file" timeout 120)
	mapfile -t env < <(sanitizer_env "$san")
	bounded "$seconds" env "$mark" "${env[@]}" "FAIRLEAD_BIN=$build/$2/bin" \
		"FAIRLEAD_BUILD_NAME=$2" "FAIRLEAD_INET=$build/dev/bin/fairlead-inet" \
		"$root/$file"
	rc=$?
	ok=$(grep -c '^ok - ' "$log")
	bad=$(grep -c '^not ok - ' "$log")
	skipped=$((skipped + $(grep -c '^ok - .*# skip' "$log")))
	judge_script "$rc" "$seconds"
	count_sanitizer "$san"
	leftovers "$mark"
}

# What the exit status says beyond the lines.
judge_script() {
	case $1 in
	124 | 137)
		echo "FAILED: not done after $2 s" >>"$log"
		bad=$((bad + 1))
		;;
	0) [ $((ok + bad)) -gt 0 ] || { echo "FAILED: it said nothing" >>"$log"; bad=1; } ;;
	*) [ "$bad" -gt 0 ] || { echo "FAILED: exit status $1" >>"$log"; bad=1; } ;;
	esac
}
