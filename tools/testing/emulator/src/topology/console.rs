// SPDX-License-Identifier: GPL-2.0
//! Where the console of a machine is.

use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{ChildStdout, Command, Stdio};

use serde::Deserialize;

use crate::qemu;

/// Where the console of a machine is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Console {
    /// Its lines go to standard output, each behind the name of the machine.
    #[default]
    Lines,
    /// It is the terminal, with the keyboard. Ctrl-C ends the run.
    Terminal,
    /// It goes to a file.
    File(PathBuf),
}

impl Console {
    /// Gives a machine this console.
    pub(super) fn connect(&self, qemu: &mut Command) {
        match self {
            Self::Terminal => {
                qemu.args(["-serial", "stdio"]);
            }
            Self::Lines => {
                qemu.args(["-serial", "stdio"]);
                qemu.stdin(Stdio::null()).stdout(Stdio::piped());
            }
            Self::File(path) => {
                let file = format!("file,id=console,path={}", qemu::value(path));
                qemu.args(["-chardev", &file, "-serial", "chardev:console"]);
                qemu.stdin(Stdio::null());
            }
        }
    }
}

/// Copies the lines of a console until its machine ends.
pub(super) fn copy_lines(name: &str, from: ChildStdout) -> io::Result<()> {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line)? > 0 {
        let text = String::from_utf8_lossy(&line);
        writeln!(io::stdout().lock(), "{name}| {}", text.trim_end())?;
        line.clear();
    }
    Ok(())
}
