#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Makes everything that is built once and cached: build sysroot, kernels, guest images. With `debug`
# also the kernels and images of `make test-debug`.
#   setup.sh [debug]
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"

need_root() {
	[ "$(id -u)" -eq 0 ] || die "set-up makes a Debian user space and needs root; run make as root"
}

need_debian() {
	command -v apt-get >/dev/null ||
		die "set-up needs a Debian 12 or 13 machine (no apt-get here); to only build modules use 'make modules KDIR=...'"
}

# A new machine has none, and without them no package is found.
need_package_lists() {
	if ! compgen -G '/var/lib/apt/lists/*Packages*' >/dev/null; then
		with_progress "package lists" apt-get update
	fi
}

need_command() {
	local command=$1 package=$2
	command -v "$command" >/dev/null && return
	with_progress "package $package" apt-get install -qy --no-install-recommends "$package"
}

need_root
need_debian
need_package_lists
need_command mmdebstrap mmdebstrap
need_command unshare util-linux
need_command mount mount

echo "Set-up (cache: $CACHE)"
"$TOP/tools/build/sysroot.sh"
enter() { "$TOP/tools/build/enter.sh" "$TOP/tools/build/$1" "${@:2}"; }
enter kernel-packages.sh
enter rc-kernel.sh
enter test-kernel.sh ep
enter guest-images.sh
case ${1:-} in
"") ;;
debug)
	enter test-kernel.sh ep-debug
	enter test-kernel.sh rc-debug
	enter guest-images.sh debug
	;;
*) die "setup.sh knows debug, not '$1'" ;;
esac
