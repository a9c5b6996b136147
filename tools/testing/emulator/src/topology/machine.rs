// SPDX-License-Identifier: GPL-2.0
//! A machine: its keys, and QEMU's command line.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use toml::Spanned;

use super::Console;
use crate::qemu;

/// A virtual machine.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// QEMU's program: a name, or a path.
    pub qemu: PathBuf,
    /// QEMU's `-machine`.
    pub machine: String,
    /// QEMU's `-accel`.
    #[serde(default = "default_accelerator")]
    pub accel: String,
    /// QEMU's `-cpu`.
    pub cpu: String,
    /// Number of processors.
    #[serde(default = "default_processors")]
    pub cpus: u32,
    /// Bytes of memory, in QEMU's words: `512M`.
    pub memory: String,
    /// The kernel; a disk with a boot loader needs none.
    pub kernel: Option<Spanned<PathBuf>>,
    /// Its first root file system.
    pub initrd: Option<Spanned<PathBuf>>,
    /// Its command line.
    pub append: Option<String>,
    /// Image of a disk: qcow2 if its name ends in `.qcow2`, else raw.
    pub disk: Option<Spanned<PathBuf>>,
    /// Where the console is.
    #[serde(default)]
    pub console: Console,
    /// More arguments of QEMU.
    #[serde(default)]
    pub arguments: Vec<String>,
}

impl Machine {
    /// The command that starts the machine; what joins it to the emulator is to be added.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.qemu);
        command
            .args(["-nodefaults", "-no-user-config", "-no-reboot"])
            .args(["-display", "none", "-accel", &self.accel])
            .args(["-cpu", &self.cpu, "-smp", &self.cpus.to_string()]);
        qemu::share_memory(&mut command, &self.machine, &self.memory);
        for (option, file) in [("-kernel", &self.kernel), ("-initrd", &self.initrd)] {
            if let Some(file) = file {
                command.arg(option).arg(file.get_ref());
            }
        }
        if let Some(append) = &self.append {
            command.args(["-append", append]);
        }
        if let Some(disk) = &self.disk {
            command.args(["-drive", &drive(disk.get_ref())]);
        }
        self.console.connect(&mut command);
        command.args(&self.arguments);
        command
    }

    /// Completes paths, and looks for the files; an error has the place in the text.
    pub(super) fn resolve(&mut self, base: &Path) -> Result<(), (usize, String)> {
        // A name without a directory is looked for in PATH.
        if self.qemu.components().count() > 1 {
            self.qemu = base.join(&self.qemu);
        }
        let files = [
            ("kernel", &mut self.kernel),
            ("initrd", &mut self.initrd),
            ("disk", &mut self.disk),
        ];
        for (key, file) in files {
            let Some(file) = file else { continue };
            let path = base.join(file.get_ref());
            if !path.is_file() {
                let reason = format!(
                    "there is no file {}: expected that of '{key}'",
                    path.display()
                );
                return Err((file.span().start, reason));
            }
            *file.get_mut() = path;
        }
        if let Console::File(path) = &mut self.console {
            *path = base.join(&path);
        }
        Ok(())
    }
}

fn drive(disk: &Path) -> String {
    let qcow2 = disk
        .extension()
        .is_some_and(|extension| extension == "qcow2");
    let format = if qcow2 { "qcow2" } else { "raw" };
    format!("if=virtio,format={format},file={}", qemu::value(disk))
}

fn default_accelerator() -> String {
    "tcg".to_owned()
}

fn default_processors() -> u32 {
    1
}
