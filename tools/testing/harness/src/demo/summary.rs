// SPDX-License-Identifier: GPL-2.0
//! The figures of the demonstration, as a table and as JSON.
//!
//! They are those of emulated machines, and say nothing of hardware.

use std::fmt;

use serde::Serialize;

use crate::workload::disk::Figures;
use crate::workload::network::OneWay;

/// All of it.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Release and architecture of the RC's kernel.
    pub rc_kernel: String,
    /// Release and architecture of the EP's kernel.
    pub ep_kernel: String,
    /// What was done with the disk.
    pub disk: DiskSummary,
    /// What was done with the network link.
    pub network: NetworkSummary,
    /// How long the demonstration took.
    pub seconds: u64,
}

/// The disk.
#[derive(Debug, Serialize)]
pub struct DiskSummary {
    /// Runs of fio.
    pub runs: Vec<Figures>,
    /// Files that the file system took.
    pub files: u32,
}

/// The network link.
#[derive(Debug, Serialize)]
pub struct NetworkSummary {
    /// What the RC sent.
    pub rc_to_ep: OneWay,
    /// What the EP sent.
    pub ep_to_rc: OneWay,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "RC  Linux {}, stock Debian", self.rc_kernel)?;
        writeln!(f, "EP  Linux {}", self.ep_kernel)?;
        writeln!(f)?;
        writeln!(
            f,
            "{:24}{:>14}{:>14}{:>14}",
            "disk", "verified", "write", "read"
        )?;
        for run in &self.disk.runs {
            writeln!(
                f,
                "{:24}{:>10} MiB{:>8.1} MiB/s{:>8.1} MiB/s",
                format!("  fio, {}", run.pattern.name()),
                run.verified_mib,
                run.write_mib_per_s,
                run.read_mib_per_s
            )?;
        }
        writeln!(
            f,
            "{:24}{:>8} files  fsck found nothing",
            "  ext4", self.disk.files
        )?;
        writeln!(f)?;
        writeln!(f, "{:24}{:>14}{:>14}", "network", "RC to EP", "EP to RC")?;
        let NetworkSummary { rc_to_ep, ep_to_rc } = &self.network;
        writeln!(
            f,
            "{:24}{:>11.2} ms{:>11.2} ms",
            "  ping, round trip", rc_to_ep.round_trips.mean_ms, ep_to_rc.round_trips.mean_ms
        )?;
        writeln!(
            f,
            "{:24}{:>7.0} Mbit/s{:>7.0} Mbit/s",
            "  iperf3, TCP", rc_to_ep.mbit_per_s, ep_to_rc.mbit_per_s
        )?;
        writeln!(f)?;
        write!(f, "{} s, on emulated machines", self.seconds)
    }
}
