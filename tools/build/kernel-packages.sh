#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Fetches the newest 7.2.y that Debian offers as source and as amd64 kernel in one and the same
# version: sources under $CACHE/linux, the stock kernel of the RC under $CACHE/debian-kernel.
# Runs inside the build sysroot.
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"

LINE=7.2

candidate_of() { apt-cache policy "$1" | awk '/Candidate:/ { print $2 }'; }

# The release of the amd64 kernel package whose version equals that of linux-source.
release_for() {
	apt-cache search --names-only "^linux-binary-$LINE\\.[0-9]+.*-amd64\$" | awk '{ print $1 }' |
		grep -Ev -- '-(cloud|rt)-amd64$' | while read -r package; do
		if [ "$(candidate_of "$package")" = "$1" ]; then echo "${package#linux-binary-}"; fi
	done | sort -V | tail -n 1
}

unpack_source() {
	cd "$SOURCE"
	apt-get download "linux-source-$LINE=$VERSION" "linux-config-$LINE=$VERSION"
	dpkg -x linux-source-*.deb packaged
	dpkg -x linux-config-*.deb packaged
	rm ./*.deb
	tar -xf "packaged/usr/src/linux-source-$LINE.tar.xz" --strip-components=1
	rm -r "packaged/usr/src/linux-source-$LINE.tar.xz"
	echo "$VERSION" >debian-version
}

unpack_stock_kernel() {
	cd "$STOCK"
	apt-get download "linux-binary-$RELEASE=$VERSION" "linux-modules-$RELEASE=$VERSION" \
		"linux-base-$RELEASE=$VERSION" "linux-headers-$RELEASE=$VERSION"
	local package
	for package in ./*.deb; do dpkg -x "$package" .; done
	rm ./*.deb
	echo "$RELEASE" >release
}

if ! ls /var/lib/apt/lists/*Packages* >/dev/null 2>&1; then apt-get -q update >/dev/null; fi

VERSION=$(candidate_of "linux-source-$LINE")
[ -n "$VERSION" ] && [ "$VERSION" != "(none)" ] ||
	die "the Debian archive offers no linux-source-$LINE; this project targets Linux $LINE, so point the sysroot at a suite that has it"
RELEASE=$(release_for "$VERSION")
[ -n "$RELEASE" ] ||
	die "the Debian archive has linux-source-$LINE $VERSION but no amd64 kernel of that version; wait for the archive to catch up or name a mirror that has both in DEBIAN_MIRROR"

SOURCE=$CACHE/linux-$VERSION
STOCK=$CACHE/debian-kernel-$RELEASE
ln -sfn "$SOURCE" "$CACHE/linux"
ln -sfn "$STOCK" "$CACHE/debian-kernel"
build_once "$SOURCE" "kernel sources $VERSION" unpack_source
build_once "$STOCK" "stock Debian kernel $RELEASE" unpack_stock_kernel
