# SPDX-License-Identifier: GPL-2.0
# Where everything that is built once and reused lives, and how it is keyed.
# Sourced by the other scripts of this directory; does nothing by itself.

set -euo pipefail

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/epf-vhost
LOGS=$CACHE/logs
mkdir -p "$LOGS"

# Stops with one sentence: what is wrong, what was expected, what to do.
die() {
	echo "error: $*" >&2
	exit 1
}

# Prints a short key over the named files and words: same inputs, same key.
key_of() {
	local input
	for input; do
		if [ -f "$input" ]; then cat "$input"; else echo "$input"; fi
	done | sha256sum | cut -c1-12
}

# Says whether DIR was built completely: builders write the mark as their last act.
is_complete() { [ -f "$1/.complete" ]; }
mark_complete() { touch "$1/.complete"; }

# Runs a builder for DIR once. Two runs at the same time wait for each other; an interrupted
# build leaves no mark and is started afresh.
#   build_once DIR "what it is" FUNCTION [ARG...]
build_once() {
	local dir=$1 what=$2
	shift 2
	exec 9>"$dir.lock"
	flock 9
	if is_complete "$dir"; then
		echo "  cached   $what"
	else
		rm -rf "$dir"
		mkdir -p "$dir"
		with_progress "$what" "$@"
		mark_complete "$dir"
	fi
	flock -u 9
}

# Runs a command with its output in a log file, and shows that time passes: a line that counts on
# a terminal, a line every half minute elsewhere. On failure prints the end of the log.
with_progress() {
	local what=$1 log start pid status=0
	shift
	log=$LOGS/$(printf %s "$what" | tr -cs 'a-zA-Z0-9.' '-').log
	start=$SECONDS
	echo "  building $what (log: $log)"
	("$@") >"$log" 2>&1 &
	pid=$!
	show_elapsed "$pid" "$what" "$start" "$log"
	wait "$pid" || status=$?
	if [ "$status" -ne 0 ]; then
		tail -n 30 "$log" >&2
		die "$what failed with status $status; the whole log is $log"
	fi
	echo "  built    $what in $((SECONDS - start)) s"
}

show_elapsed() {
	local pid=$1 what=$2 start=$3 log=$4 shown=$3
	while kill -0 "$pid" 2>/dev/null; do
		if [ -t 1 ]; then
			printf '\r  %4d s   %s: %-60.60s\r' $((SECONDS - start)) "$what" "$(tail -n 1 "$log" | tr -dc '[:print:]')"
		elif [ $((SECONDS - shown)) -ge 30 ]; then
			echo "  ...      $what: $((SECONDS - start)) s"
			shown=$SECONDS
		fi
		# Bounds only how often we look; the loop's condition is the end of the process.
		read -r -t 1 <> <(:) || :
	done
	if [ -t 1 ]; then printf '\r%-90s\r' ''; fi
}
