#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Builds the EP's kernel: arm64, Rust, PCI endpoint framework. Runs inside the build sysroot.
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"

FRAGMENT=$TOP/tools/testing/kernel/ep.config
LINUX=$(readlink -f "$CACHE/linux")
OPTIONS=$(grep '^CONFIG_' "$FRAGMENT")
KDIR=$CACHE/ep-kernel-$(key_of "$OPTIONS" "$LINUX/debian-version" "$(rustc --version)")

kernel_make() { make -C "$LINUX" O="$KDIR" ARCH=arm64 LLVM=1 -j"$(nproc)" "$@"; }

build() {
	kernel_make KCONFIG_ALLCONFIG="$FRAGMENT" allnoconfig
	check_fragment
	kernel_make Image modules
}

# An option that Kconfig dropped for an unmet dependency would otherwise be missed in silence.
check_fragment() {
	local line missing=0
	while read -r line; do
		if [ "${line#*=}" = n ]; then continue; fi
		grep -qx "$line" "$KDIR/.config" || { echo "not granted: $line"; missing=1; }
	done <<<"$OPTIONS"
	return "$missing"
}

ln -sfn "$KDIR" "$CACHE/ep-kernel"
build_once "$KDIR" "EP kernel (arm64 $(cat "$LINUX/debian-version"))" build
