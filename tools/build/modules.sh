#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Builds the modules for one of the two test machines into build/. Runs inside the build sysroot.
#   modules.sh rc|ep [CLIPPY=1] [TARGET...]
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"

side=$1
shift
case $side in
rc) flags=(ARCH=x86) ;;
ep) flags=(ARCH=arm64 LLVM=1) ;;
*) die "modules.sh builds for 'rc' or 'ep', not for '$side'" ;;
esac

# OUT names another output directory than build/rc or build/ep.
out=${OUT:-$TOP/build/$side}
# Clippy compiles without code generation, so its objects must not mix with real ones. What it finds
# is an error.
case " $* " in
*" CLIPPY=1 "*)
	out=${OUT:-$TOP/build/clippy-$side}
	flags+=(KRUSTFLAGS=-Dwarnings)
	;;
esac

mkdir -p "$out"
make --no-print-directory -C "$(readlink -f "$CACHE/$side-kernel")" "${flags[@]}" \
	M="$TOP" MO="$out" -j"$(nproc)" "$@"
