#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Formats all Rust code: what the kernel compiles in the kernel's style, host code in rustfmt's own.
#   format.sh [--check]
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"

case ${1:-} in
"" | --check) ;;
*) die "format.sh knows --check, not '$1'" ;;
esac

cd "$TOP"
mapfile -t kernel_files < <(find rust drivers tools/testing/modules -name '*.rs' -o -name target -prune -false)
status=0
rustfmt "$@" --edition 2021 --config-path "$CACHE/linux/.rustfmt.toml" "${kernel_files[@]}" || status=$?
for workspace in tools/testing tools/testing/fuzz; do
	cargo fmt --manifest-path $workspace/Cargo.toml --all -- "$@" || status=$?
done
exit "$status"
