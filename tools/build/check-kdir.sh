#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Says in one sentence why the modules cannot be built for the kernel in KDIR, and what to do;
# says nothing when they can. Checks before anything is built.
#   check-kdir.sh KDIR
set -euo pipefail

die() {
	echo "error: $*" >&2
	exit 1
}

# What a configuration option is set to, without quotes; nothing when it is not set.
option() { sed -n "s/^$1=//p" "$KDIR/.config" | tr -d '"'; }

need_directory() {
	[ -d "$KDIR" ] ||
		die "there is no kernel build directory $KDIR; build your kernel, or name its build directory with KDIR=..."
	[ -f "$KDIR/.config" ] && [ -f "$KDIR/Makefile" ] ||
		die "$KDIR is no kernel build directory, since it has no .config or no Makefile; name one with KDIR=..."
}

need_tool() {
	command -v "$1" >/dev/null || die "there is no $1 in the PATH; install $2"
}

need_rust() {
	[ "$(option CONFIG_RUST)" = y ] ||
		die "the kernel in $KDIR is built without CONFIG_RUST; enable it ('make LLVM=1 rustavailable' tells what it needs) and build that kernel again"
}

# Rust metadata is readable only by the compiler that wrote it.
need_same_rustc() {
	local wanted present
	wanted=$(option CONFIG_RUSTC_VERSION_TEXT)
	present=$(rustc --version)
	[ "$wanted" = "$present" ] ||
		die "the kernel in $KDIR was built with '$wanted', but rustc here is '$present'; put that rustc first in the PATH, or build the kernel again with this one"
}

need_metadata() {
	[ -f "$KDIR/rust/libkernel.rmeta" ] ||
		die "$KDIR has no rust/libkernel.rmeta, which packages of kernel headers leave out; prepare a build directory from the kernel's sources with 'make modules_prepare' (Documentation/howto.rst, \"What is needed\")"
}

need_subsystem() {
	[ -n "$(option CONFIG_VDPA)$(option CONFIG_PCI_ENDPOINT)" ] ||
		die "the kernel in $KDIR has neither CONFIG_VDPA (for an RC) nor CONFIG_PCI_ENDPOINT (for an EP), so there is nothing to build; enable one of them"
}

KDIR=${1:?"usage: check-kdir.sh KDIR"}
need_directory
need_tool make "the package make"
need_tool rustc "the rustc that the kernel was built with"
need_tool bindgen "the package bindgen, or run 'cargo install bindgen-cli'"
need_rust
need_same_rustc
need_metadata
need_subsystem
