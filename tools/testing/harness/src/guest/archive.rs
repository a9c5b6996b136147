// SPDX-License-Identifier: GPL-2.0
//! The user space of a guest plus modules and programs of this project, as one file to boot from.
//!
//! The kernel unpacks archives that follow each other, so these are a second archive and the cached
//! image stays as it is. The format is "newc" (initramfs buffer format in the kernel's
//! Documentation/driver-api/early-userspace/buffer-format.rst).

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{ensure, Context, Result};

use super::hypervisor;
use super::machine::Model;
use crate::layout::{Image, Layout};

pub(super) const MODULES: &str = "lib/modules";
const PROGRAMS: &str = "usr/bin";
pub(super) const MODE_DIRECTORY: u32 = 0o040_755;
pub(super) const MODE_FILE: u32 = 0o100_644;
pub(super) const MODE_PROGRAM: u32 = 0o100_755;

/// Writes the archive for a machine into the run directory, and returns its path.
pub fn assemble(layout: &Layout, model: Model) -> Result<PathBuf> {
    let (side, image) = (model.side(), model.image());
    let staging = layout.run()?.join(format!("{}-modules", side.name()));
    let release = stage_modules(layout, image, &staging)?;
    let path = layout.run()?.join(format!("{}.initramfs", side.name()));
    let mut archive = File::create(&path)?;
    io::copy(&mut File::open(layout.initramfs(image)?)?, &mut archive)?;
    append_directory(&mut archive, &staging, &format!("{MODULES}/{release}"))?;
    append_programs(&mut archive, &layout.programs(image)?)?;
    if model.has_hypervisor() {
        hypervisor::append(layout, &mut archive)?;
    }
    append_end(&mut archive)?;
    Ok(path)
}

/// They are linked with the libraries of the build sysroot, which are those of the guests.
fn append_programs(archive: &mut File, programs: &[PathBuf]) -> Result<()> {
    for program in programs {
        let name = program.file_name().context("a program without a name")?;
        let name = format!("{PROGRAMS}/{}", name.to_string_lossy());
        append_entry(archive, &name, MODE_PROGRAM, &fs::read(program)?)?;
    }
    Ok(())
}

/// Lays out the project's modules beside the kernel's own, indexes both, and leaves what is new.
fn stage_modules(layout: &Layout, image: Image, staging: &Path) -> Result<String> {
    if staging.exists() {
        fs::remove_dir_all(staging)?;
    }
    let image_modules = layout.root(image)?.join(MODULES);
    let release = only_entry(&image_modules)?;
    let target = staging.join(MODULES).join(&release);
    fs::create_dir_all(&target)?;
    run(Command::new("cp")
        .arg("-rT")
        .arg(image_modules.join(&release))
        .arg(&target))?;
    fs::create_dir(target.join("extra"))?;
    let directory = layout.modules(image);
    let modules = modules_below(&directory)?;
    ensure!(
        !modules.is_empty(),
        "there are no modules in {}; run '{}' first",
        directory.display(),
        layout.kernels().remedy()
    );
    for module in modules {
        let name = module.file_name().context("a module without a name")?;
        run(Command::new("llvm-strip")
            .arg("--strip-debug")
            .arg("-o")
            .arg(target.join("extra").join(name))
            .arg(&module))?;
    }
    run(Command::new("depmod").arg("-b").arg(staging).arg(&release))?;
    fs::remove_dir_all(target.join("kernel"))?;
    Ok(release)
}

pub(super) fn only_entry(directory: &Path) -> Result<String> {
    let mut entries = fs::read_dir(directory)?;
    let entry = entries
        .next()
        .with_context(|| format!("{} is empty", directory.display()))??;
    Ok(entry.file_name().to_string_lossy().into_owned())
}

fn modules_below(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(directory) else {
        return Ok(found);
    };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            found.extend(modules_below(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "ko") {
            found.push(path);
        }
    }
    Ok(found)
}

pub(super) fn run(command: &mut Command) -> Result<Output> {
    let output = command
        .output()
        .with_context(|| format!("cannot start {:?}", command.get_program()))?;
    ensure!(
        output.status.success(),
        "{:?} failed: {}",
        command.get_program(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output)
}

fn append_directory(archive: &mut File, root: &Path, directory: &str) -> Result<()> {
    append_entry(archive, directory, MODE_DIRECTORY, &[])?;
    for entry in fs::read_dir(root.join(directory))? {
        let entry = entry?;
        let name = format!("{directory}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            append_directory(archive, root, &name)?;
        } else {
            append_entry(archive, &name, MODE_FILE, &fs::read(entry.path())?)?;
        }
    }
    Ok(())
}

/// Writes one entry: a header of hexadecimal words, the name and the data, each padded to 4 bytes.
pub(super) fn append_entry(
    archive: &mut impl Write,
    name: &str,
    mode: u32,
    data: &[u8],
) -> Result<()> {
    let (links, name_size, size) = (
        1,
        u32::try_from(name.len() + 1)?,
        u32::try_from(data.len())?,
    );
    // ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
    let fields = [0, mode, 0, 0, links, 0, size, 0, 0, 0, 0, name_size, 0];
    let mut header = String::from("070701");
    for field in fields {
        header += &format!("{field:08x}");
    }
    header += name;
    header.push('\0');
    write_padded(archive, header.as_bytes())?;
    write_padded(archive, data)
}

/// Writes the entry that is the last one.
pub(super) fn append_end(archive: &mut impl Write) -> Result<()> {
    append_entry(archive, "TRAILER!!!", 0, &[])
}

fn write_padded(archive: &mut impl Write, data: &[u8]) -> Result<()> {
    archive.write_all(data)?;
    archive.write_all(&[0; 3][..data.len().next_multiple_of(4) - data.len()])?;
    Ok(())
}
