// SPDX-License-Identifier: GPL-2.0
//! The process that has a device, and the device by way of it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use rustix::process::{pidfd_getfd, pidfd_open, Pid, PidfdFlags, PidfdGetfdFlags};

use crate::device::Device;

/// A process that drives a device.
///
/// It alone may ask for the state of a queue. Whether its requests end shows in its system calls: it
/// makes one to learn of each, and one for the next.
pub struct Holder {
    process: i32,
    /// The device.
    pub device: Device,
}

impl Holder {
    /// Finds the process that has opened `node`, which may be deleted meanwhile.
    pub fn find(node: &Path) -> Result<Self> {
        let node = node.to_str().context("the node is no text")?;
        let (process, fd) = find(node).with_context(|| format!("no process has {node} open"))?;
        let number = Pid::from_raw(process).context("no process has number 0")?;
        let pidfd = pidfd_open(number, PidfdFlags::empty()).context("pidfd_open")?;
        let fd = pidfd_getfd(pidfd, fd, PidfdGetfdFlags::empty()).context("pidfd_getfd")?;
        Ok(Self {
            process,
            device: Device::of(fd),
        })
    }

    /// Returns how often the process has read and written (proc_pid_io(5)).
    pub fn calls(&self) -> Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/io", self.process))
            .context("the process has ended")?;
        let counts = text.lines().filter(|line| line.starts_with("sysc"));
        let counts = counts.map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
        counts.sum::<Option<u64>>().context("no numbers of calls")
    }
}

/// Finds a process, and the number of its file.
fn find(node: &str) -> Option<(i32, i32)> {
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let mut numbered = processes.filter_map(|entry| number(entry.file_name().to_str()?));
    numbered.find_map(|process| Some((process, find_in(process, node)?)))
}

fn find_in(process: i32, node: &str) -> Option<i32> {
    // A process that has just ended has none.
    let files = fs::read_dir(format!("/proc/{process}/fd")).ok()?.flatten();
    let opens = |path: &Path| {
        let target = fs::read_link(path).unwrap_or_default();
        let target = target.to_string_lossy();
        target.strip_suffix(" (deleted)").unwrap_or(&target) == node
    };
    let mut those = files.filter(|file| opens(&file.path()));
    those.find_map(|file| number(file.file_name().to_str()?))
}

fn number(name: &str) -> Option<i32> {
    name.parse().ok()
}
