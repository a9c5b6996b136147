// SPDX-License-Identifier: GPL-2.0
//! The figures of the demonstration, as a table and as JSON.
//!
//! They are those of emulated machines, and say nothing of hardware.

use std::fmt;

use serde::Serialize;

use crate::workload::disk::Figures;
use crate::workload::network::RoundTrips;

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
    /// Echo requests of the RC.
    pub rc_to_ep: RoundTrips,
    /// Echo requests of the EP.
    pub ep_to_rc: RoundTrips,
    /// TCP stream of the RC.
    pub rc_to_ep_mbit_per_s: f64,
    /// TCP stream of the EP.
    pub ep_to_rc_mbit_per_s: f64,
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
        let network = &self.network;
        writeln!(
            f,
            "{:24}{:>11.2} ms{:>11.2} ms",
            "  ping, round trip", network.rc_to_ep.mean_ms, network.ep_to_rc.mean_ms
        )?;
        writeln!(
            f,
            "{:24}{:>7.0} Mbit/s{:>7.0} Mbit/s",
            "  iperf3, TCP", network.rc_to_ep_mbit_per_s, network.ep_to_rc_mbit_per_s
        )?;
        writeln!(f)?;
        write!(f, "{} s, on emulated machines", self.seconds)
    }
}
