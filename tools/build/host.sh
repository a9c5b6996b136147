#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Builds, lints or tests the host code: the emulator, the harness and the pure crates.
#   host.sh build|clippy|test [CARGO ARGUMENT...]
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"

set -- "${@:-build}"
action=$1
shift
cd "$TOP/tools/testing"
case $action in
build) exec cargo build --locked --release --workspace "$@" ;;
clippy)
	cargo clippy --locked --workspace --all-targets "$@" -- -D warnings
	LINUX_SOURCE=$CACHE/linux exec cargo clippy --locked --manifest-path fuzz/Cargo.toml "$@" -- -D warnings
	;;
test) exec cargo test --locked --workspace --no-fail-fast "$@" ;;
*) die "host.sh knows build, clippy and test, not '$action'" ;;
esac
