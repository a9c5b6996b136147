#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Gives tools/build/check-kdir.sh build directories that lack one thing each, and looks for the
# sentence that says so. Prints KTAP.
set -euo pipefail

CHECK=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../build" && pwd)/check-kdir.sh
WORK=$(mktemp -d)
trap 'rm -r "$WORK"' EXIT
COUNT=0
FAILED=0

# A directory that has all that is looked at, and tools that answer.
complete_kdir() {
	rm -rf "${WORK:?}"/{kdir,bin}
	mkdir -p "$WORK/kdir/rust" "$WORK/bin"
	printf '%s\n' CONFIG_RUST=y 'CONFIG_RUSTC_VERSION_TEXT="rustc 1.85.1 (test)"' \
		CONFIG_VDPA=m >"$WORK/kdir/.config"
	touch "$WORK/kdir/Makefile" "$WORK/kdir/rust/libkernel.rmeta"
	local tool
	for tool in bash dirname sed tr; do ln -s "$(command -v "$tool")" "$WORK/bin/$tool"; done
	for tool in make rustc bindgen; do
		printf '#!/bin/sh\necho "rustc 1.85.1 (test)"\n' >"$WORK/bin/$tool"
		chmod +x "$WORK/bin/$tool"
	done
}

# Takes something away with a command, then expects one line with the given words in it; no words
# stand for success without a line.
expect() {
	local name=$1 words=$2 output status=0 good=no
	shift 2
	complete_kdir
	"$@"
	output=$(PATH=$WORK/bin "$WORK/bin/bash" "$CHECK" "$WORK/kdir" 2>&1) || status=$?
	case $words in
	"") [ "$status$output" != 0 ] || good=yes ;;
	*) [ "$status" -eq 0 ] || [ "$(echo "$output" | wc -l)" -ne 1 ] || [[ $output != *$words*\;* ]] || good=yes ;;
	esac
	COUNT=$((COUNT + 1))
	if [ "$good" = yes ]; then
		echo "ok $COUNT $name"
	else
		echo "# status $status, expected '$words', got: $output"
		echo "not ok $COUNT $name"
		FAILED=1
	fi
}

without_option() { sed -i "/^$1=/d" "$WORK/kdir/.config"; }

echo "KTAP version 1"
echo "1..11"
expect complete_directory_is_accepted "" true
expect missing_directory "no kernel build directory" rm -r "$WORK/kdir"
expect directory_without_configuration "no .config" rm "$WORK/kdir/.config"
expect missing_make "no make" rm "$WORK/bin/make"
expect missing_rustc "no rustc" rm "$WORK/bin/rustc"
expect missing_bindgen "no bindgen" rm "$WORK/bin/bindgen"
expect kernel_without_rust "without CONFIG_RUST" without_option CONFIG_RUST
expect other_rustc "built with 'rustc 1.84.0'" \
	sed -i 's/rustc 1.85.1 (test)/rustc 1.84.0/' "$WORK/kdir/.config"
expect missing_metadata "rust/libkernel.rmeta" rm "$WORK/kdir/rust/libkernel.rmeta"
expect kernel_without_subsystems "neither CONFIG_VDPA" without_option CONFIG_VDPA
with_endpoint_only() {
	without_option CONFIG_VDPA
	echo CONFIG_PCI_ENDPOINT=y >>"$WORK/kdir/.config"
}
expect endpoint_kernel_is_accepted "" with_endpoint_only
exit "$FAILED"
