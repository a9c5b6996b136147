#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Runs a command inside the build sysroot, with the tree and the cache at their own paths.
# The mounts live in a mount namespace of their own and end with the command.
#   enter.sh COMMAND [ARG...]
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"

SYSROOT=$CACHE/sysroot
is_complete "$SYSROOT/" || die "there is no build sysroot in $CACHE; run 'make setup' first"
[ "$(id -u)" -eq 0 ] || die "entering the build sysroot needs root; run make as root"

export SYSROOT TOP CACHE
exec unshare --mount --propagation private bash -euc '
	for dir in /proc /sys /dev; do mount --rbind "$dir" "$SYSROOT$dir"; done
	mount -t tmpfs tmpfs "$SYSROOT/tmp"
	for dir in "$TOP" "$CACHE"; do
		mkdir -p "$SYSROOT$dir"
		mount --bind "$dir" "$SYSROOT$dir"
	done
	for file in /etc/resolv.conf /etc/ssl/certs/ca-certificates.crt; do
		[ ! -e "$file" ] || cat "$file" >"$SYSROOT$file"
	done
	directory=$PWD
	case $directory/ in "$TOP"/* | "$CACHE"/*) ;; *) directory=$TOP ;; esac
	exec chroot "$SYSROOT" /usr/bin/env --chdir="$directory" \
		-u RUSTUP_TOOLCHAIN -u RUSTUP_HOME HOME=/root XDG_CACHE_HOME="${CACHE%/*}" \
		CARGO_HOME="$CACHE/cargo" CARGO_TARGET_DIR="$CACHE/target" \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
' enter "$@"
