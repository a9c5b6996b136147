// SPDX-License-Identifier: GPL-2.0
//! What a root complex has besides to run a machine itself: QEMU of the build sysroot, and a kernel and a user
//! space for the machine in the machine.
//!
//! That is more than its whole user space, so only the model that needs it carries it. The processors of such a
//! machine are emulated twice, so it is of arm64 and runs the EP's kernel, which is small: the kernel of a PC takes
//! minutes to start there.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::archive::{
    append_end, append_entry, only_entry, run, MODE_DIRECTORY, MODE_FILE, MODE_PROGRAM, MODULES,
};
use crate::layout::{Image, Layout};

/// QEMU, here and there.
const PROGRAM: &str = "usr/bin/qemu-system-aarch64";

/// Libraries of x86-64, here and there.
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";

/// Libraries of the machine in the machine, in the EP's image.
const NESTED_LIBRARIES: &str = "usr/lib/aarch64-linux-gnu";

/// The kernel of the machine in the machine.
pub const KERNEL: &str = "root/Image";

/// The user space of that machine.
pub const INITRAMFS: &str = "root/initramfs";

/// The first program of that machine.
const INIT: &str = include_str!("nested.init");

/// The modules that it loads.
const NESTED_MODULES: [&str; 5] = [
    "kernel/drivers/block/virtio_blk.ko",
    "kernel/lib/dim/dimlib.ko",
    "kernel/net/core/failover.ko",
    "kernel/drivers/net/net_failover.ko",
    "kernel/drivers/net/virtio_net.ko",
];

/// Adds all of it to the archive of a root complex, which has the directories.
pub fn append(layout: &Layout, archive: &mut impl Write) -> Result<()> {
    let root = Path::new("/");
    append_copy(archive, PROGRAM, MODE_PROGRAM, &root.join(PROGRAM))?;
    append_libraries(
        archive,
        LIBRARIES,
        &root.join(LIBRARIES),
        &root.join(PROGRAM),
    )?;
    append_copy(archive, KERNEL, MODE_FILE, &layout.kernel(Image::Ep)?)?;
    append_entry(archive, INITRAMFS, MODE_FILE, &initramfs(layout)?)
}

fn initramfs(layout: &Layout) -> Result<Vec<u8>> {
    let root = layout.root(Image::Ep)?;
    let mut archive = Vec::new();
    for directory in ["bin", "dev", "lib"] {
        append_entry(&mut archive, directory, MODE_DIRECTORY, &[])?;
    }
    append_entry(&mut archive, "init", MODE_PROGRAM, INIT.as_bytes())?;
    let busybox = root.join("usr/bin/busybox");
    append_copy(&mut archive, "bin/busybox", MODE_PROGRAM, &busybox)?;
    append_libraries(&mut archive, "lib", &root.join(NESTED_LIBRARIES), &busybox)?;
    let modules = root.join(MODULES);
    let modules = modules.join(only_entry(&modules)?);
    for module in NESTED_MODULES.map(|module| modules.join(module)) {
        let name = module.file_name().context("a module without a name")?;
        let name = format!("lib/{}", name.to_string_lossy());
        append_copy(&mut archive, &name, MODE_FILE, &module)?;
    }
    append_end(&mut archive)?;
    Ok(archive)
}

/// Adds the libraries of a program, which are in `from`, to the directory `to`.
fn append_libraries(archive: &mut impl Write, to: &str, from: &Path, program: &Path) -> Result<()> {
    for library in libraries(from, program)? {
        append_copy(
            archive,
            &format!("{to}/{library}"),
            MODE_PROGRAM,
            &from.join(&library),
        )?;
    }
    Ok(())
}

fn append_copy(archive: &mut impl Write, name: &str, mode: u32, from: &Path) -> Result<()> {
    let data = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    append_entry(archive, name, mode, &data)
}

/// The names of all libraries that a program needs, one of which is the loader.
///
/// As the program may be of another architecture, the loader cannot be asked.
fn libraries(directory: &Path, program: &Path) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut next = needed(program)?;
    while let Some(library) = next.pop() {
        if found.insert(library.clone()) {
            next.extend(needed(&directory.join(library))?);
        }
    }
    Ok(found)
}

/// What a file names as needed.
fn needed(file: &Path) -> Result<Vec<String>> {
    let listed = run(Command::new("llvm-readelf").arg("--needed-libs").arg(file))?.stdout;
    let listed = String::from_utf8(listed)?;
    let names = listed.lines().filter_map(|line| line.strip_prefix("  "));
    Ok(names.map(str::to_owned).collect())
}
