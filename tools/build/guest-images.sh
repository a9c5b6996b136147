#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Makes the user space of the two test machines: an archive that the kernel unpacks at boot, with
# the programs of tools/testing/images/user-space, their libraries and the kernel's own modules.
# $CACHE/rc-image and $CACHE/ep-image then hold `kernel`, `initramfs` and the unpacked `root`;
# $CACHE/rc-debug-image and $CACHE/ep-debug-image do for the kernels of `make test-debug`.
# The modules of this project are added at each run, by the harness. Runs inside the build sysroot.
#   guest-images.sh [debug]
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"
. "$TOP/tools/build/mirror.sh"

IMAGES=$TOP/tools/testing/images

# Lines of the list for a side, as "PACKAGE FILE...".
wanted_by() { awk -v side="$1" '$1 == side || $1 == "both" { $1 = ""; print }' "$IMAGES/user-space"; }

make_image() {
	local name=$1 architecture=$2 image=$3
	local side=${name%-debug} extracted=$image/extracted root=$image/root
	unpack_packages "$side" "$architecture" "$extracted"
	make_skeleton "$side" "$root"
	wanted_by "$side" | while read -r _ files; do
		for file in $files; do install_file "$extracted" "$root" "$file"; done
	done
	case $name in
	rc) install_stock_kernel "$image" ;;
	rc-debug) install_own_kernel "$name" "$image" x86 bzImage ;;
	ep | ep-debug) install_own_kernel "$name" "$image" arm64 Image ;;
	esac
	if [ "$side" = rc ]; then install -D "$UPSTREAM/pci_endpoint_test" "$root/usr/bin/pci_endpoint_test"; fi
	rm -r "$extracted"
	# Not compressed: under emulation, copying is much faster than decompressing.
	(cd "$root" && find . -print0 | cpio --null --quiet -o -H newc -R 0:0) >"$image/initramfs"
}

unpack_packages() {
	local side=$1 architecture=$2 extracted=$3 packages
	packages=$(wanted_by "$side" | awk '{ print $1 }' | paste -sd,)
	mmdebstrap --mode=root --variant=extract --architectures="$architecture" --include="$packages" \
		trixie "$extracted" "deb $MIRROR trixie main"
}

make_skeleton() {
	local side=$1 root=$2 directory
	mkdir -p "$root"/{etc,dev,proc,sys,tmp,run,root,mnt,usr/bin,usr/sbin,usr/lib,usr/lib64}
	for directory in bin sbin lib lib64; do ln -s "usr/$directory" "$root/$directory"; done
	ln -s /proc/mounts "$root/etc/mtab"
	ln -s busybox "$root/usr/bin/sh"
	echo "$side" >"$root/etc/hostname"
	echo "root:x:0:0:root:/root:/bin/sh" >"$root/etc/passwd"
	printf '%s\n' root:x:0: kvm:x:993: >"$root/etc/group"
	echo "127.0.0.1 localhost $side" >"$root/etc/hosts"
	install -m 755 "$IMAGES/init" "$root/init"
}

# Copies a file at its own path, the file it links to, and every library that it needs.
install_file() {
	local from=$1 root=$2 file=$3 library path
	[ ! -e "$root/$file" ] && [ ! -L "$root/$file" ] || return 0
	mkdir -p "$root/$(dirname "$file")"
	cp -a "$from/$file" "$root/$file"
	if [ -L "$from/$file" ]; then
		install_file "$from" "$root" "$(target_of "$from" "$file")"
		return
	fi
	for path in $(interpreter_of "$from/$file"); do install_file "$from" "$root" "usr$path"; done
	for library in $(libraries_of "$from/$file"); do
		path=$(cd "$from" && find usr/lib -name "$library" -print -quit)
		[ -n "$path" ] || die "$file needs $library, which none of the packages has"
		install_file "$from" "$root" "$path"
	done
}

target_of() { realpath -s --relative-to="$1" "$(dirname "$1/$2")/$(readlink "$1/$2")"; }

# Nothing for files that are not programs or libraries.
libraries_of() { readelf -d "$1" 2>/dev/null | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'; }
interpreter_of() { readelf -l "$1" 2>/dev/null | sed -n 's/.*program interpreter: \(.*\)\]/\1/p'; }

# The stock Debian kernel, with the modules of tools/testing/images/rc.modules and those it lacks.
install_stock_kernel() {
	local image=$1 release stock line file
	release=$(cat "$CACHE/debian-kernel/release")
	stock=$image/extracted/stock
	ln -s "$CACHE/debian-kernel/usr/lib/modules/$release/vmlinuz" "$image/kernel"
	mkdir -p "$stock/lib/modules"
	cp -al "$(readlink -f "$CACHE/debian-kernel")/usr/lib/modules/$release" "$stock/lib/modules/$release"
	depmod -b "$stock" "$release"
	sed 's/#.*//' "$IMAGES/rc.modules" | xargs -n 1 modprobe -d "$stock" -S "$release" --show-depends |
		sort -u | while read -r line file; do
		if [ "$line" != insmod ]; then continue; fi
		install_module "$file" "$image/root/lib/modules/$release/${file#"$stock/lib/modules/$release/"}"
	done
	for file in "$UPSTREAM"/*.ko; do
		install_module "$file" "$image/root/lib/modules/$release/updates/${file##*/}"
	done
	cp "$stock/lib/modules/$release"/modules.{builtin,builtin.modinfo,order} "$image/root/lib/modules/$release/"
	depmod -b "$image/root" "$release"
}

# Decompressed here, once, and not at each load under emulation.
install_module() {
	local from=$1 to=${2%.xz}
	mkdir -p "$(dirname "$to")"
	case $from in *.xz) xz -dc "$from" >"$to" ;; *) cp "$from" "$to" ;; esac
}

# A kernel that test-kernel.sh built, with all its modules.
install_own_kernel() {
	local image=$2 architecture=$3 file=$4 kdir
	kdir=$(readlink -f "$CACHE/$1-kernel")
	ln -s "$kdir/arch/$architecture/boot/$file" "$image/kernel"
	make -C "$kdir" ARCH="$architecture" LLVM=1 INSTALL_MOD_PATH="$image/root" INSTALL_MOD_STRIP=1 modules_install
	rm "$image"/root/lib/modules/*/build
}

#   image_of NAME DEBIAN-ARCHITECTURE INPUT...
image_of() {
	local name=$1 architecture=$2 image
	shift 2
	image=$CACHE/$name-image-$(key_of "$IMAGES"/* "$TOP/tools/build/guest-images.sh" "$@")
	build_once "$image" "image $name" make_image "$name" "$architecture" "$image"
	ln -sfn "$image" "$CACHE/$name-image"
}

"$TOP/tools/build/upstream.sh"
UPSTREAM=$(readlink -f "$CACHE/upstream")
case ${1:-} in
"")
	image_of rc amd64 "$(readlink -f "$CACHE/debian-kernel")" "$UPSTREAM"
	image_of ep arm64 "$(readlink -f "$CACHE/ep-kernel")"
	;;
debug)
	image_of rc-debug amd64 "$(readlink -f "$CACHE/rc-debug-kernel")" "$UPSTREAM"
	image_of ep-debug arm64 "$(readlink -f "$CACHE/ep-debug-kernel")"
	;;
*) die "guest-images.sh knows debug, not '$1'" ;;
esac
