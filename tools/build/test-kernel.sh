#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Builds a kernel of our own configuration with Rust: the EP's, or one of those of `make test-debug`.
# $CACHE/NAME-kernel then is its build directory. Runs inside the build sysroot.
#   test-kernel.sh ep|ep-debug|rc-debug
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"

NAME=${1:?"usage: test-kernel.sh ep|ep-debug|rc-debug"}
case $NAME in
ep) ARCH=arm64 IMAGE=Image FRAGMENTS=(ep) ;;
ep-debug) ARCH=arm64 IMAGE=Image FRAGMENTS=(ep debug) ;;
rc-debug) ARCH=x86 IMAGE=bzImage FRAGMENTS=(ep rc debug) ;;
*) die "test-kernel.sh builds 'ep', 'ep-debug' or 'rc-debug', not '$NAME'" ;;
esac

LINUX=$(readlink -f "$CACHE/linux")
# A later fragment overrides an earlier one.
OPTIONS=$(cd "$TOP/tools/testing/kernel" && grep -h '^CONFIG_' "${FRAGMENTS[@]/%/.config}" |
	tac | awk -F= '!seen[$1]++' | tac)
KDIR=$CACHE/$NAME-kernel-$(key_of "$OPTIONS" "$LINUX/debian-version" "$(rustc --version)")

kernel_make() { make -C "$LINUX" O="$KDIR" ARCH=$ARCH LLVM=1 -j"$(nproc)" "$@"; }

build() {
	echo "$OPTIONS" >"$KDIR/fragment"
	kernel_make KCONFIG_ALLCONFIG="$KDIR/fragment" allnoconfig
	check_fragment
	kernel_make "$IMAGE" modules
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

ln -sfn "$KDIR" "$CACHE/$NAME-kernel"
build_once "$KDIR" "kernel $NAME ($ARCH $(cat "$LINUX/debian-version"))" build
