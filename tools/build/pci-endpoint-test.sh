#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Builds upstream's test of endpoint functions, unmodified, from the kernel sources: the kselftest
# program and the RC driver it talks to, which the Debian kernel does not have. With them the
# emulator and its controller driver are tested by code which is not ours.
# Runs inside the build sysroot.
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"

LINUX=$(readlink -f "$CACHE/linux")
KDIR=$(readlink -f "$CACHE/rc-kernel")
PATIENCE=$TOP/tools/testing/kselftest/patience.c
OUT=$CACHE/pci-endpoint-test-$(key_of "$KDIR" "$TOP/tools/build/pci-endpoint-test.sh" "$PATIENCE")

build() {
	mkdir "$OUT/module"
	ln -s "$LINUX/drivers/misc/pci_endpoint_test.c" "$OUT/module/"
	echo "obj-m := pci_endpoint_test.o" >"$OUT/module/Kbuild"
	make -C "$KDIR" M="$OUT/module" modules
	make -C "$LINUX" O="$OUT/headers" ARCH=x86 headers
	cc -O2 -Wall -c -o "$OUT/module/patience.o" "$PATIENCE"
	make -C "$LINUX/tools/testing/selftests/pci_endpoint" OUTPUT="$OUT" \
		KHDR_INCLUDES="-isystem $OUT/headers/usr/include" top_srcdir="$LINUX" \
		LDLIBS="$OUT/module/patience.o -Wl,--wrap=poll"
	cp "$OUT/module/pci_endpoint_test.ko" "$OUT/"
	rm -r "$OUT/module" "$OUT/headers"
}

ln -sfn "$OUT" "$CACHE/pci-endpoint-test"
build_once "$OUT" "upstream's pci_endpoint test" build
