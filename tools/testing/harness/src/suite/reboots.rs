// SPDX-License-Identifier: GPL-2.0
//! Machines lose their power, or stand still, while they are linked. The emulator, which outlives them, keeps
//! nothing of them.

use std::time::{Duration, Instant};

use anyhow::{ensure, Result};

use crate::commands::backend::Disk;
use crate::commands::endpoint;
use crate::commands::served::{Instance, Served};
use crate::commands::vdpa::{RcDevice, VdpaDevice};

use crate::link::Link;
use crate::runner::{AnySuite, Case, Record, Suite};
use crate::workload::disk::{self, Pattern};

use super::link::load_drivers;

/// For a load to end with errors once its endpoint is gone.
const END_BOUND: Duration = Duration::from_secs(60);

const DISK: Instance = Instance::Disk(&Disk {
    name: "disk0",
    mib: 32,
});

/// The suite with a few of each.
pub fn suite() -> impl AnySuite {
    of_counts::<2, 20>(
        "reboots",
        "machines lose their power, or stand still, while they are linked",
    )
}

/// The suite with as many as show a leak of any size.
pub fn long_suite() -> impl AnySuite {
    of_counts::<50, 1000>("many_reboots", "the same, many times")
}

fn of_counts<const REBOOTS: u32, const LINKS: u32>(
    name: &'static str,
    about: &'static str,
) -> impl AnySuite {
    Suite::<Link> {
        name,
        about,
        cases: vec![
            Case {
                name: "links_come_and_go",
                about: "the EP starts and stops its link over and over",
                run: |link, _| {
                    let function = DISK.create(&mut link.ep)?;
                    function.bind(&mut link.ep)?;
                    keeps_nothing(link, LINKS, |link| {
                        endpoint::start(link)?;
                        endpoint::stop(link)
                    })?;
                    function.unbind(&mut link.ep)?;
                    DISK.remove(&mut link.ep, &function)
                },
            },
            Case {
                name: "endpoint_freezes_under_load",
                about: "requests end with errors when the EP stands still, and the disk can return when it goes on",
                run: endpoint_freezes_under_load,
            },
            Case {
                name: "endpoints_lose_their_power",
                about: "requests end with errors when the EP is switched off, and one that boots anew serves the disk",
                run: |link, _| {
                    keeps_nothing(link, REBOOTS, |link| {
                        let served = start_load(link)?;
                        link.restart_ep()?;
                        disk::wait_for_end_of_load(&mut link.rc, END_BOUND)?;
                        drop(served);
                        endpoint::finish_stop(link)?;
                        disk_works(link)
                    })
                },
            },
            Case {
                name: "root_complexes_lose_their_power",
                about: "an RC that boots anew finds the function, and its disk works",
                run: |link, _| {
                    keeps_nothing(link, REBOOTS, |link| {
                        let served = start_load(link)?;
                        link.restart_rc()?;
                        load_drivers(&mut link.rc)?;
                        finds_the_disk(link, served)
                    })
                },
            },
        ],
    }
}

/// Repeats something, and fails if the emulator holds more after it than after the first time.
fn keeps_nothing(
    link: &mut Link,
    count: u32,
    mut cycle: impl FnMut(&mut Link) -> Result<()>,
) -> Result<()> {
    cycle(link)?;
    let before = link.holdings()?;
    (1..count).try_for_each(|_| cycle(link))?;
    let after = link.holdings()?;
    ensure!(
        after == before,
        "the emulator held {before:?}, and holds {after:?} after {count} times"
    );
    Ok(())
}

fn start_load(link: &mut Link) -> Result<Served> {
    let served = Served::start(link, DISK)?;
    let path = served.vdpa.disk(&mut link.rc)?;
    disk::start_load(&mut link.rc, &path)?;
    Ok(served)
}

fn disk_works(link: &mut Link) -> Result<()> {
    let served = Served::start(link, DISK)?;
    verify(link, &served.vdpa)?;
    served.stop(link)
}

fn verify(link: &mut Link, device: &VdpaDevice) -> Result<()> {
    let path = device.disk(&mut link.rc)?;
    disk::verify(&mut link.rc, &path, Pattern::Random, 4).map(drop)
}

/// The function is there from before, and so is its disk.
fn finds_the_disk(link: &mut Link, served: Served) -> Result<()> {
    endpoint::wait_for_function(link)?;
    let mgmtdev = format!("pci/{}", served.address);
    let device = VdpaDevice::add(&mut link.rc, "vdpa0", &mgmtdev)?;
    verify(link, &device)?;
    device.delete(&mut link.rc)?;
    endpoint::stop(link)?;
    served.clean_up(link)
}

fn endpoint_freezes_under_load(link: &mut Link, record: &mut Record) -> Result<()> {
    let served = start_load(link)?;
    link.ep.freeze()?;
    let frozen = Instant::now();
    disk::wait_for_end_of_load(&mut link.rc, END_BOUND)?;
    record.note(format!("load ended after {:.1?}", frozen.elapsed()));
    link.ep.thaw()?;
    let served = served.replace_vdpa(link)?;
    verify(link, &served.vdpa)?;
    served.stop(link)
}
