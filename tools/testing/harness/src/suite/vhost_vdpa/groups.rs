// SPDX-License-Identifier: GPL-2.0
//! The group of queues of a disk, and the address space that it is in, by tools/testing/vdpa_client.

use std::time::Duration;

use anyhow::Result;

use super::cases::with_node;
use super::machines::Offers;
use crate::runner::{Case, Record};

/// For some sessions of a device.
const CLIENT_BOUND: Duration = Duration::from_secs(60);

/// A device whose queues are all alike, on any machines.
pub fn case<B: Offers>() -> Case<B> {
    Case {
        name: "queues_of_a_disk_are_one_group",
        about: "there is one group in one address space, and others are refused",
        run: queues_of_a_disk_are_one_group,
    }
}

fn queues_of_a_disk_are_one_group<B: Offers>(bench: &mut B, _: &mut Record) -> Result<()> {
    with_node(bench, |bench, node| {
        let client = format!("vdpa-client groups {node}");
        bench.driver().sh_within(CLIENT_BOUND, &client).map(drop)
    })
}
