#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Builds what the RC needs of upstream and the Debian kernel does not have, unmodified, from the kernel
# sources: the kselftest of endpoint functions with its driver, and all of non-transparent bridges (NTB).
# With them the emulator and its controller driver are tested by code which is not ours.
# $CACHE/upstream then has the modules and the program. Runs inside the build sysroot.
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"

LINUX=$(readlink -f "$CACHE/linux")
KDIR=$(readlink -f "$CACHE/rc-kernel")
PATIENCE=$TOP/tools/testing/kselftest/patience.c
OUT=$CACHE/upstream-$(key_of "$KDIR" "$TOP/tools/build/upstream.sh" "$PATIENCE")

build() {
	mkdir "$OUT/build"
	build_modules
	build_kselftest
	rm -r "$OUT/build"
}

build_modules() {
	local modules=$OUT/build/modules
	mkdir "$modules"
	ln -s -t "$modules" "$LINUX"/drivers/misc/pci_endpoint_test.c "$LINUX"/drivers/net/ntb_netdev.c \
		"$LINUX"/drivers/ntb/{core,ntb_transport,hw/epf/ntb_hw_epf}.c \
		"$LINUX"/drivers/ntb/test/{ntb_perf,ntb_pingpong,ntb_tool}.c
	cat >"$modules/Kbuild" <<-END
		obj-m := pci_endpoint_test.o
		obj-m += ntb.o ntb_hw_epf.o ntb_transport.o ntb_netdev.o ntb_perf.o ntb_pingpong.o ntb_tool.o
		ntb-y := core.o
	END
	make -C "$KDIR" M="$modules" modules
	cp -t "$OUT" "$modules"/*.ko
}

build_kselftest() {
	local headers=$OUT/build/headers patience=$OUT/build/patience.o
	make -C "$LINUX" O="$headers" ARCH=x86 headers
	cc -O2 -Wall -c -o "$patience" "$PATIENCE"
	make -C "$LINUX/tools/testing/selftests/pci_endpoint" OUTPUT="$OUT" \
		KHDR_INCLUDES="-isystem $headers/usr/include" top_srcdir="$LINUX" \
		LDLIBS="$patience -Wl,--wrap=poll"
}

ln -sfn "$OUT" "$CACHE/upstream"
build_once "$OUT" "upstream's tests and drivers" build
