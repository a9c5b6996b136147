#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Builds and runs the fuzz targets of tools/testing/fuzz.
#   fuzz.sh run SECONDS [TARGET...]   fuzzes each target, one after the other; prints a table
#   fuzz.sh smoke RUNS [TARGET...]    replays the corpora of the tree, then some runs; prints KTAP
#   fuzz.sh merge [TARGET...]         adds what `run` found to the corpora of the tree, minimised
#   fuzz.sh coverage [TARGET...]      tells which of the shipped code the corpora of the tree reach
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"

SOURCE=$TOP/tools/testing/fuzz
WORK=$TOP/build/fuzz
# In bytes; a longer input finds nothing that two short ones would not.
LONGEST=256
# Seconds for one input, on a busy machine. They take microseconds.
PATIENCE=20
# Runs of `smoke` are so many times fewer for the emulator: each is a session of two machines, with up to 48 steps.
SESSION=10
# What libFuzzer needs, from the rustc that the kernel is built with: no nightly toolchain.
INSTRUMENT=(-Cpasses=sancov-module)
for option in level=4 inline-8bit-counters pc-table trace-compares; do
	INSTRUMENT+=("-Cllvm-args=-sanitizer-coverage-$option")
done

# Builds all targets with the given flags into a directory of their own. `--target` keeps the flags
# away from build scripts.
#   build KIND FLAG...
build() {
	local triple
	triple=$(rustc -vV | sed -n 's/^host: //p')
	export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$TOP/build/target}/fuzz-$1
	RUSTFLAGS=${*:2} LINUX_SOURCE=$CACHE/linux cargo build --locked --release --quiet \
		--features targets --manifest-path "$SOURCE/Cargo.toml" --target "$triple"
	BINARIES=$CARGO_TARGET_DIR/$triple/release
}

targets() {
	local file
	for file in "$SOURCE"/targets/*.rs; do basename "$file" .rs; done
}

# Runs one target with a log in $WORK/TARGET.log. New inputs go to the first corpus.
#   fuzz TARGET [LIBFUZZER OPTION | CORPUS...]
fuzz() {
	local target=$1
	shift
	mkdir -p "$WORK/crashes"
	"$BINARIES/$target" -max_len=$LONGEST -timeout=$PATIENCE -print_final_stats=1 \
		-artifact_prefix="$WORK/crashes/$target-" "$@" >"$WORK/$target.log" 2>&1
}

# Prints executions, executions per second and edges of the last run of a target.
stats() {
	awk '/^#[0-9]+/ { for (i = 1; i < NF; i++) if ($i == "cov:") edges = $(i + 1) }
		/^stat::number_of_executed_units:/ { runs = $2 }
		/^stat::average_exec_per_sec:/ { rate = $2 }
		END { print runs + 0, rate + 0, edges + 0 }' "$WORK/$1.log"
}

run() {
	local seconds=$1 target found runs rate edges result total=0 crashes=0
	shift
	printf '%-26s %12s %11s %6s  %s\n' target executions per-second edges result
	for target; do
		found=$WORK/corpus/$target
		mkdir -p "$found"
		result=good
		if ! fuzz "$target" -max_total_time="$seconds" "$found" "$SOURCE/corpus/$target"; then
			crashes=$((crashes + 1))
			result="crashed, see $WORK/$target.log"
		fi
		read -r runs rate edges < <(stats "$target")
		total=$((total + runs))
		printf '%-26s %12s %11s %6s  %s\n' "$target" "$runs" "$rate" "$edges" "$result"
	done
	echo "$total executions, $crashes crashes"
	[ "$crashes" -eq 0 ]
}

smoke() {
	local count=$1 number=0 target found runs rate edges failed=0
	shift
	echo "1..$#"
	for target; do
		number=$((number + 1))
		found=$WORK/smoke/$target
		rm -rf "$found"
		mkdir -p "$found"
		runs=$count
		if [ "$target" = emulator ]; then runs=$((count / SESSION)); fi
		# The same choices each time: what fails here fails again.
		if fuzz "$target" -runs="$runs" -seed=1 "$found" "$SOURCE/corpus/$target"; then
			read -r runs rate edges < <(stats "$target")
			echo "# $runs executions, $rate per second, $edges edges"
			echo "ok $number $target"
		else
			failed=$((failed + 1))
			tail -n 20 "$WORK/$target.log" | sed 's/^/# /'
			echo "not ok $number $target"
		fi
	done
	[ "$failed" -eq 0 ]
}

merge() {
	local target corpus
	for target; do
		corpus=$SOURCE/corpus/$target
		rm -rf "$WORK/merged"
		mkdir -p "$corpus" "$WORK/merged" "$WORK/corpus/$target"
		fuzz "$target" -set_cover_merge=1 -use_counters=0 "$WORK/merged" "$corpus" "$WORK/corpus/$target"
		# Inputs with a name stay, as those of a fault that was found.
		find "$corpus" -type f -name '*-*' -exec cp -t "$WORK/merged" {} +
		rm -rf "$corpus"
		mv "$WORK/merged" "$corpus"
		echo "$target: $(find "$corpus" -type f | wc -l) files, $(du -bs "$corpus" | cut -f1) bytes"
	done
}

coverage() {
	local target objects=()
	rm -rf "$WORK/profiles"
	for target; do
		export LLVM_PROFILE_FILE=$WORK/profiles/$target.profraw
		fuzz "$target" -runs=0 "$SOURCE/corpus/$target"
		objects+=(-object "$BINARIES/$target")
	done
	llvm-profdata merge -o "$WORK/profiles/all" "$WORK"/profiles/*.profraw
	# Leaves out the standard library, the crates of others and the targets. A list of paths would not
	# do: the first one is taken for a binary, and the compiler knows the rest by other names.
	llvm-cov report -instr-profile "$WORK/profiles/all" "${objects[@]}" \
		-ignore-filename-regex="^(/usr|$CACHE|$SOURCE)/"
}

set -- "${@:-}"
action=$1
shift
amount=()
case $action in
run | smoke)
	amount=("${1:?$action needs a number}")
	shift
	build instrumented "${INSTRUMENT[@]}"
	;;
merge) build instrumented "${INSTRUMENT[@]}" ;;
coverage) build coverage -Cinstrument-coverage ;;
*) die "fuzz.sh knows run, smoke, merge and coverage, not '$action'" ;;
esac
chosen=("$@")
[ $# -gt 0 ] || mapfile -t chosen < <(targets)
"$action" "${amount[@]}" "${chosen[@]}"
