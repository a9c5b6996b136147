#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Builds the modules for one of the two test machines into build/, or for its debug kernel. Runs
# inside the build sysroot.
#   modules.sh rc|ep|rc-debug|ep-debug [CLIPPY=1] [TARGET...]
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"

name=$1
shift
case $name in
rc) flags=(ARCH=x86) ;;
rc-debug) flags=(ARCH=x86 LLVM=1) ;;
ep | ep-debug) flags=(ARCH=arm64 LLVM=1) ;;
*) die "modules.sh builds for 'rc', 'ep', 'rc-debug' or 'ep-debug', not for '$name'" ;;
esac

# OUT names another output directory than build/NAME.
out=${OUT:-$TOP/build/$name}
# Clippy compiles without code generation, so its objects must not mix with real ones. What it finds
# is an error.
case " $* " in
*" CLIPPY=1 "*)
	out=${OUT:-$TOP/build/clippy-$name}
	flags+=(KRUSTFLAGS=-Dwarnings)
	;;
esac

mkdir -p "$out"
make --no-print-directory -C "$(readlink -f "$CACHE/$name-kernel")" "${flags[@]}" \
	M="$TOP" MO="$out" -j"$(nproc)" "$@"
