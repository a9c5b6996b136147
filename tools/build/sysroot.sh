#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Makes the build sysroot: a Debian trixie user space with every tool the project needs, so that
# the machine itself needs nothing but mmdebstrap and make. Prints nothing but progress.
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"
. "$(dirname "${BASH_SOURCE[0]}")/mirror.sh"

packages() { sed 's/#.*//' "$TOP/tools/build/sysroot.packages" | xargs | tr ' ' ','; }

make_sysroot() {
	mmdebstrap --variant=apt --aptopt='APT::Install-Recommends "false"' \
		--setup-hook="mkdir -p \"\$1/etc/apt/preferences.d\"" \
		--setup-hook="copy-in '$TOP/tools/build/backports.pref' /etc/apt/preferences.d" \
		--include="$(packages)" trixie "$SYSROOT" \
		"deb $MIRROR trixie main" "deb $MIRROR trixie-backports main" \
		"deb-src $MIRROR trixie-backports main"
	chroot "$SYSROOT" dpkg-query -W >"$SYSROOT/versions.txt"
}

SYSROOT=$CACHE/sysroot-$(key_of "$TOP/tools/build/sysroot.packages" "$TOP/tools/build/backports.pref")
ln -sfn "$SYSROOT" "$CACHE/sysroot"
build_once "$SYSROOT" "build sysroot (Debian trixie)" make_sysroot
