// SPDX-License-Identifier: GPL-2.0
//! Ten minutes each of a disk and of a network, of which every byte is compared.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{DISK, NIC};
use crate::commands::served::Served;
use crate::link::Link;
use crate::runner::{Case, Record};
use crate::suite::prepared::Joined;
use crate::workload::disk::{self, Pattern};
use crate::workload::{network, offloads};

/// How long each takes.
const LENGTH: Duration = Duration::from_secs(600);

/// MiB that a disk writes and reads at a time.
const MIB: u32 = 64;

pub fn cases<B: Joined>() -> Vec<Case<B>> {
    vec![
        Case {
            name: "disk_keeps_data_for_long",
            about: "ten minutes of blocks, small and large, in order and at random, by fio with checksums",
            run: |bench, record| disk_keeps_data(bench.link(), record),
        },
        Case {
            name: "network_carries_data_for_long",
            about: "ten minutes of files both ways, whose sums are compared",
            run: |bench, record| network_carries_data(bench.link(), record),
        },
    ]
}

fn disk_keeps_data(link: &mut Link, record: &mut Record) -> Result<()> {
    let served = Served::start(link, DISK)?;
    let path = served.vdpa.disk(&mut link.rc)?;
    let mut mib = 0;
    let end = Instant::now() + LENGTH;
    while Instant::now() < end {
        for pattern in [Pattern::Sequential, Pattern::Random] {
            disk::verify(&mut link.rc, &path, pattern, MIB)?;
            mib += MIB;
        }
    }
    record.note(format!("{mib} MiB written and verified"));
    served.stop(link)
}

fn network_carries_data(link: &mut Link, record: &mut Record) -> Result<()> {
    let served = Served::start(link, NIC)?;
    let [rc, ep] = served.nodes(link)?;
    network::acquaint(link, &rc, &ep)?;
    let mut mib = 0;
    let end = Instant::now() + LENGTH;
    while Instant::now() < end {
        mib += offloads::carry_intact(link, &rc, &ep)?;
    }
    record.note(format!("{mib} MiB sent each way and compared"));
    served.stop(link)
}
