// SPDX-License-Identifier: GPL-2.0
//! A process that drives a disk by a packed ring, which tools/testing/vdpa_client does: libblkio knows none.

use std::time::Duration;

use anyhow::Result;
use virtio::features::{EVENT_IDX, INDIRECT_DESC, IN_ORDER, RING_PACKED};
use virtio::provision::REQUIRED_FEATURES;

use super::machines::{Offers, OneKernel, DISK};
use crate::commands::served::Instance;
use crate::runner::{Case, Record};

/// For 200 suspensions, and to read what was written.
const CLIENT_BOUND: Duration = Duration::from_secs(120);

/// What the disk offers.
const FEATURES: u64 = REQUIRED_FEATURES | RING_PACKED | IN_ORDER | INDIRECT_DESC | EVENT_IDX;

pub fn case() -> Case<OneKernel> {
    Case {
        name: "packed_disk_is_suspended_under_load",
        about: "200 times a packed ring stands still where it says, and goes on, and no request is lost",
        run: packed_disk_is_suspended_under_load,
    }
}

fn packed_disk_is_suspended_under_load(machine: &mut OneKernel, record: &mut Record) -> Result<()> {
    let attributes = format!("device_features {FEATURES:#x}");
    let (offered, node) = machine.offer_with(Instance::Disk(&DISK), &attributes)?;
    for order in ["", "--in-order"] {
        let client = format!("vdpa-client packed {node} {order}");
        let told = machine.guest.sh_within(CLIENT_BOUND, &client)?;
        record.note(format!("{order} {told}"));
    }
    machine.withdraw(offered)
}
