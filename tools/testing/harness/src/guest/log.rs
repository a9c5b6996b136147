// SPDX-License-Identifier: GPL-2.0
//! The kernel log of a guest, read from its console, and what in it is a fault.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::known::Faults;

/// What the kernel prints when something is wrong, whatever else a case finds. Parts of lines, as
/// in the sources of the kernel.
const FAULTS: &[&str] = &[
    "WARNING:",
    "BUG:",
    "kernel BUG",
    "Oops",
    "Call trace:",
    "Call Trace:",
    "Kernel panic",
    "Internal error",
    "Unable to handle",
    "general protection fault",
    "rust_kernel: panicked",
    "panicked at",
    "INFO: possible",
    "INFO: trying to register non-static key",
    "locking correctness validator",
    "INFO: task",
    "INFO: rcu",
    "rcu: INFO",
    "suspicious RCU usage",
    "inconsistent lock state",
    "soft lockup",
    "hard LOCKUP",
    "scheduling while atomic",
    "sleeping function called",
    "refcount_t:",
    "list_add corruption",
    "list_del corruption",
    "UBSAN:",
    "KASAN:",
    "KFENCE:",
    "KCSAN:",
    "suspected memory leaks",
    "kmemleak: Memory pool empty",
    "leak detector disabled",
    "ODEBUG:",
    "DMA-API: debugging out of memory",
    "nobody cared",
    "already-free IRQ",
    "leaked",
    "leaking",
    "unreferenced object",
    "Objects remaining",
    "page allocation failure",
    "Bad page state",
    "Trying to vfree",
];

/// The kernel log of one guest, from its boot on.
pub struct KernelLog {
    path: PathBuf,
    file: File,
    partial: Vec<u8>,
    faults: Faults,
}

impl KernelLog {
    /// Makes the file which the console of the virtual machine is written to.
    pub fn create(path: &Path) -> Result<Self> {
        File::create(path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self {
            path: path.to_owned(),
            file: File::open(path)?,
            partial: Vec::new(),
            faults: Faults::default(),
        })
    }

    /// Where the log is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the lines that came since the last call.
    pub fn new_lines(&mut self) -> Result<Vec<String>> {
        self.file.read_to_end(&mut self.partial)?;
        let Some(end) = self.partial.iter().rposition(|&byte| byte == b'\n') else {
            return Ok(Vec::new());
        };
        let rest = self.partial.split_off(end + 1);
        let whole = std::mem::replace(&mut self.partial, rest);
        let lines: Vec<_> = String::from_utf8_lossy(&whole)
            .lines()
            .map(|line| line.trim_end().to_owned())
            .collect();
        for line in &lines {
            self.faults.add(line, is_fault(line));
        }
        Ok(lines)
    }

    /// Returns the lines that report a fault, among those read since the last call.
    pub fn take_faults(&mut self) -> Vec<String> {
        self.faults.take()
    }
}

fn is_fault(line: &str) -> bool {
    FAULTS.iter().any(|fault| line.contains(fault))
}

/// Returns a line without the time stamp in front of it.
pub fn message(line: &str) -> &str {
    match line.split_once("] ") {
        Some((stamp, rest)) if is_stamp(stamp) => rest,
        _ => line,
    }
}

fn is_stamp(text: &str) -> bool {
    text.strip_prefix('[').is_some_and(|stamp| {
        stamp
            .chars()
            .all(|c| c.is_ascii_digit() || c == '.' || c == ' ')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stamp_is_taken_off() {
        assert_eq!(message("[    1.234567]     ok 1 name"), "    ok 1 name");
        assert_eq!(message("[drm] text"), "[drm] text");
        assert_eq!(message("plain"), "plain");
    }

    #[test]
    fn faults_are_found_and_nothing_else() {
        assert!(is_fault("[ 1.0] WARNING: CPU: 0 PID: 1"));
        assert!(!is_fault("[ 2.0] vhost_bus: ready"));
    }
}
