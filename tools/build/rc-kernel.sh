#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Prepares a build directory whose Rust modules load into the unmodified Debian kernel of the RC:
# Debian's sources with that kernel's configuration, release string and symbol versions.
# Runs inside the build sysroot.
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"

LINUX=$(readlink -f "$CACHE/linux")
STOCK=$(readlink -f "$CACHE/debian-kernel")
RELEASE=$(cat "$STOCK/release")
HEADERS=$STOCK/usr/src/linux-headers-$RELEASE
KDIR=$CACHE/rc-kernel-$(key_of "$HEADERS/.config" "$LINUX/debian-version" "$(rustc --version)")

kernel_make() { make -C "$LINUX" O="$KDIR" ARCH=x86 -j"$(nproc)" "$@"; }

build() {
	cp "$HEADERS/.config" "$KDIR/.config"
	# The release is the sources' version with Debian's suffix, e.g. 7.2.12 and +deb13-amd64.
	echo "${RELEASE#"$(make -s -C "$LINUX" kernelversion)"}" >"$KDIR/localversion"
	kernel_make olddefconfig
	kernel_make modules_prepare
	cp "$HEADERS/Module.symvers" "$KDIR/Module.symvers"
	check_release
}

check_release() {
	local built
	built=$(kernel_make -s kernelrelease)
	[ "$built" = "$RELEASE" ] ||
		die "the build directory is for release $built but the stock kernel is $RELEASE; its modules would not load"
}

ln -sfn "$KDIR" "$CACHE/rc-kernel"
build_once "$KDIR" "RC build directory ($RELEASE)" build
