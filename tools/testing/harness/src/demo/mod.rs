// SPDX-License-Identifier: GPL-2.0
//! The demonstration: an endpoint serves a disk, then a network link, to a stock Debian root
//! complex, whose own drivers and tools are used as on a real machine.
//!
//! A function is one virtio device, and the emulated controller has one function, so the disk
//! comes first and the network link takes its place.

mod summary;

use std::fs;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{ensure, Context, Result};

use crate::commands::backend::{Disk, Nic};
use crate::commands::served::{Instance, Served};
use crate::commands::{modules, vdpa};
use crate::guest::{Guest, Model};
use crate::layout::Layout;
use crate::link::{Bars, Link};
use crate::progress::Progress;
use crate::workload::disk::{self, Pattern};
use crate::workload::network;
use summary::{DiskSummary, NetworkSummary, Summary};

static DISK: Disk = Disk {
    name: "disk0",
    mib: 192,
};

/// Sizes of the two runs of fio, in MiB; 288 MiB are verified.
const SEQUENTIAL_MIB: u32 = 192;
const RANDOM_MIB: u32 = 96;

static NIC: Nic = Nic {
    name: "nic0",
    mac: "02:00:00:00:00:01",
    queue_pairs: 1,
};

/// Runs it, prints the summary and leaves it in build/demo/summary.json.
pub fn run(layout: &Layout) -> Result<ExitCode> {
    let start = Instant::now();
    let stage = Stage::new();
    stage.say("starting both machines");
    let mut link = Link::boot(layout, Model::RC, Bars::Mapped)?;
    modules::load_epf_vdpa(&mut link.rc)?;
    vdpa::load_drivers(&mut link.rc)?;
    let disk = show_disk(&stage, &mut link)?;
    let network = show_network(&stage, &mut link)?;
    check_log(&mut link.ep)?;
    check_log(&mut link.rc)?;
    let summary = Summary {
        rc_kernel: link.rc.sh("uname -rm")?,
        ep_kernel: link.ep.sh("uname -rm")?,
        disk,
        network,
        seconds: start.elapsed().as_secs(),
    };
    let path = layout.demo()?.join("summary.json");
    fs::write(&path, serde_json::to_vec_pretty(&summary)?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    drop(stage);
    println!("\n{summary}");
    Ok(ExitCode::SUCCESS)
}

/// Where the steps are shown.
struct Stage {
    progress: Progress,
}

impl Stage {
    fn new() -> Self {
        Self {
            progress: Progress::new(),
        }
    }

    fn say(&self, step: &str) {
        self.progress.say(&format!("  {step}"));
        self.progress.step(step);
    }
}

fn show_disk(stage: &Stage, link: &mut Link) -> Result<DiskSummary> {
    stage.say("EP: a file becomes a virtio disk behind an endpoint function");
    let served = Served::start(link, Instance::Disk(&DISK))?;
    let disk = served.vdpa.disk(&mut link.rc)?;
    stage.say(&format!(
        "RC: 'vdpa dev add ... mgmtdev pci/{}' gave {disk}",
        served.address
    ));
    let mut runs = Vec::new();
    for (pattern, mib) in [
        (Pattern::Sequential, SEQUENTIAL_MIB),
        (Pattern::Random, RANDOM_MIB),
    ] {
        stage.say(&format!(
            "RC: fio writes and verifies {mib} MiB, {}",
            pattern.name()
        ));
        runs.push(disk::verify(&mut link.rc, &disk, pattern, mib)?);
    }
    stage.say("RC: ext4 is made, mounted, filled, unmounted, checked and compared");
    let files = disk::fill_file_system(&mut link.rc, &disk)?;
    served.stop(link)?;
    Ok(DiskSummary { runs, files })
}

fn show_network(stage: &Stage, link: &mut Link) -> Result<NetworkSummary> {
    stage.say("EP: a network device behind an endpoint function");
    let served = Served::start(link, Instance::Nic(&NIC))?;
    let [rc, ep] = served.nodes(link)?;
    stage.say(&format!(
        "RC: 'vdpa dev add ... mgmtdev pci/{}' gave {}; it is {} on the EP",
        served.address, rc.device, ep.device
    ));
    stage.say("ping and iperf3 both ways");
    let [rc_to_ep, ep_to_rc] = network::exchange(link, &rc, &ep)?;
    served.stop(link)?;
    Ok(NetworkSummary { rc_to_ep, ep_to_rc })
}

fn check_log(guest: &mut Guest) -> Result<()> {
    guest.mark("end of the demonstration")?;
    let faults = guest.take_faults();
    ensure!(
        faults.is_empty(),
        "the {}'s kernel log ({}) reports {}",
        guest.side(),
        guest.log_path().display(),
        faults.join("\n")
    );
    Ok(())
}
