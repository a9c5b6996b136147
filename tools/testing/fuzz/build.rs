// SPDX-License-Identifier: GPL-2.0
//! Compiles the kernel's `vringh.c` for user space, the way the kernel's own `tools/virtio` does.

use std::{env, path::PathBuf};

fn main() {
    println!("cargo:rerun-if-env-changed=LINUX_SOURCE");
    println!("cargo:rerun-if-changed=vringh");
    let Some(linux) = env::var_os("LINUX_SOURCE").map(PathBuf::from) else {
        panic!("LINUX_SOURCE is not set; it must name a kernel source tree, as tools/build/fuzz.sh does");
    };
    let tools = linux.join("tools/virtio");
    cc::Build::new()
        .include("vringh/include")
        .include(&tools)
        .include(linux.join("tools/include"))
        .include(linux.join("usr/include"))
        .flag("-include")
        .flag(linux.join("include/linux/kconfig.h"))
        .flag("-fno-strict-overflow")
        .flag("-fno-strict-aliasing")
        .flag("-fno-common")
        .flag("-U_FORTIFY_SOURCE")
        .warnings(false)
        .flag("-w")
        .opt_level(2)
        .file(linux.join("drivers/vhost/vringh.c"))
        .file("vringh/peer.c")
        .compile("vringh");
}
