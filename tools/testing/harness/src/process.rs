// SPDX-License-Identifier: GPL-2.0
//! Processes that the harness starts, and ends.
//!
//! Each runs in a process group of its own with its output in a file, is ended by `Drop`, and is
//! killed by the kernel when the harness itself dies.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{bail, Context, Result};
use rustix::process::{kill_process_group, Pid, Signal};

use crate::interrupt::wait_for;

/// How long a process may take to end after SIGTERM.
const TERM_BOUND: Duration = Duration::from_secs(3);

/// How much of a log an error shows.
const TAIL_LINES: usize = 20;

/// A running process; dropping it ends it.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

/// What a process holds that it has to give back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holdings {
    /// Open files.
    pub descriptors: usize,
    /// Threads.
    pub threads: usize,
    /// Mappings of the memory of machines.
    pub mapped_files: usize,
}

/// Returns a command whose process dies with the thread that starts it.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.arg("--pdeathsig=KILL").arg("--").arg(program);
    command
}

impl Process {
    /// Starts `command` with its output in `log`.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let output = File::create(log).with_context(|| format!("cannot make {}", log.display()))?;
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log: log.to_owned(),
        })
    }

    /// Fails, with the end of its log, when the process is gone.
    pub fn check_running(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("{} ended ({status}):\n{}", self.name, tail_of(&self.log));
        }
        Ok(())
    }

    /// Waits until the process ends by itself.
    pub fn wait(&mut self, bound: Duration) -> Result<ExitStatus> {
        let child = &mut self.child;
        wait_for(&format!("the end of {}", self.name), bound, || {
            Ok(child.try_wait()?)
        })
    }

    /// Ends the process at once, as if its machine had no power any more.
    pub fn kill(&mut self) -> Result<()> {
        // Its number may be another process' by now.
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        self.signal(Signal::KILL);
        self.child.wait()?;
        Ok(())
    }

    /// Says what the process holds.
    pub fn holdings(&self) -> Result<Holdings> {
        let directory = PathBuf::from(format!("/proc/{}", self.child.id()));
        let entries = |what: &str| -> Result<usize> {
            let entries = fs::read_dir(directory.join(what));
            Ok(entries
                .with_context(|| format!("{} is gone", self.name))?
                .count())
        };
        let maps = fs::read_to_string(directory.join("maps"))?;
        Ok(Holdings {
            descriptors: entries("fd")?,
            threads: entries("task")?,
            mapped_files: maps.lines().filter(|line| line.contains("memfd:")).count(),
        })
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // The group may be gone already, which is what is wanted.
            let _ = kill_process_group(pid, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        self.signal(Signal::TERM);
        if self.wait(TERM_BOUND).is_err() {
            self.signal(Signal::KILL);
            // Nothing survives SIGKILL; this reaps.
            let _ = self.child.wait();
        }
    }
}

/// Returns the last lines of a file, empty when it cannot be read.
pub fn tail_of(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}
