// SPDX-License-Identifier: GPL-2.0
//! A process drives a network device, by tools/testing/vdpa_client.

use std::time::Duration;

use anyhow::{ensure, Result};

use super::machines::Offers;
use crate::commands::backend::Nic;
use crate::commands::served::Instance;
use crate::runner::{Case, Record};

/// For some sessions of a device.
const CLIENT_BOUND: Duration = Duration::from_secs(60);

/// Frames each way: the rings come around several times.
const FRAMES: usize = 200;

/// What the device side answers by.
pub const ADDRESS: &str = "10.7.0.2";

static NIC: Nic = Nic {
    name: "nic0",
    mac: "02:00:00:00:00:01",
    queue_pairs: 1,
};

/// On any machines.
pub fn case<B: Offers>() -> Case<B> {
    Case {
        name: "frames_are_answered",
        about: "a process sends frames, and receives the answers of the kernel behind the device",
        run: frames_are_answered,
    }
}

/// Where the device side translates addresses.
pub fn case_of_translation<B: Offers>() -> Case<B> {
    Case {
        name: "control_queue_is_apart",
        about: "a process drives the control queue in memory that the other queues do not have",
        run: control_queue_is_apart,
    }
}

fn frames_are_answered<B: Offers>(bench: &mut B, _: &mut Record) -> Result<()> {
    with_node(bench, |bench, node| {
        take_address(bench)?;
        let client = format!("vdpa-client ask {node} {ADDRESS} --count {FRAMES}");
        let said = bench.driver().sh_within(CLIENT_BOUND, &client)?;
        ensure!(
            said.lines().count() == FRAMES,
            "expected {FRAMES} answers, got: {said}"
        );
        Ok(())
    })
}

/// Has the device side answer.
pub fn take_address<B: Offers>(bench: &mut B) -> Result<()> {
    let device = NIC.network_device(bench.backend())?;
    let script = format!("ip addr add {ADDRESS}/24 dev {device} && ip link set {device} up");
    bench.backend().sh(&script).map(drop)
}

fn control_queue_is_apart<B: Offers>(bench: &mut B, _: &mut Record) -> Result<()> {
    with_node(bench, |bench, node| {
        let client = format!("vdpa-client groups {node} --control");
        bench.driver().sh_within(CLIENT_BOUND, &client).map(drop)
    })
}

/// Offers the network device, does something with the device node of it, and takes it away.
pub fn with_node<B: Offers>(
    bench: &mut B,
    run: impl FnOnce(&mut B, &str) -> Result<()>,
) -> Result<()> {
    let (offered, node) = bench.offer_instance(Instance::Nic(&NIC))?;
    run(bench, &node)?;
    bench.withdraw(offered)
}
