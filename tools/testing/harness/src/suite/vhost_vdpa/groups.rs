// SPDX-License-Identifier: GPL-2.0
//! Groups of queues, which a process puts into address spaces, by tools/testing/vdpa_client.

use std::time::Duration;

use anyhow::Result;

use super::cases::with_node;
use super::machines::Offers;
use crate::commands::backend::Nic;
use crate::commands::served::Instance;
use crate::runner::{Case, Record};

/// For some sessions of a device.
const CLIENT_BOUND: Duration = Duration::from_secs(60);

static NIC: Nic = Nic {
    name: "nic0",
    mac: "02:00:00:00:00:01",
    queue_pairs: 1,
};

/// A network device whose addresses are translated by the device side.
pub fn case_of_a_network<B: Offers>() -> Case<B> {
    Case {
        name: "control_queue_is_apart",
        about: "a process drives the control queue in memory that the other queues do not have",
        run: control_queue_is_apart,
    }
}

fn control_queue_is_apart<B: Offers>(bench: &mut B, _: &mut Record) -> Result<()> {
    let (offered, node) = bench.offer_instance(Instance::Nic(&NIC))?;
    let client = format!("vdpa-client groups {node} --control");
    bench.driver().sh_within(CLIENT_BOUND, &client)?;
    bench.withdraw(offered)
}

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
