// SPDX-License-Identifier: GPL-2.0
//! Kicks of a device that does not run.

use std::io::ErrorKind;

use anyhow::{ensure, Result};
use vhost::{vdpa::VhostVdpa, VhostBackend};
use virtio::status::Status;
use vmm_sys_util::eventfd::{EventFd, EFD_NONBLOCK};

use super::Misuse;
use crate::node::Node;

/// How often a queue is kicked at each point.
const KICKS: u32 = 100;

pub fn catalogue() -> Vec<Misuse> {
    vec![Misuse {
        name: "kicks_out_of_time",
        about: "kicks before DRIVER_OK, of an empty queue and after a reset do nothing",
        run: kicks_out_of_time,
    }]
}

fn kicks_out_of_time(node: &Node) -> Result<()> {
    let device = node.device();
    let [kick, call] = [EventFd::new(0)?, EventFd::new(EFD_NONBLOCK)?];
    let settled = node.negotiate()?;
    node.map()?;
    device.set_vring_kick(0, &kick)?;
    device.set_vring_call(0, &call)?;
    repeat(&kick)?;
    node.start_queue(0, &Node::areas())?;
    repeat(&kick)?;
    node.expect_status(settled)?;
    let running = settled.with(Status::DRIVER_OK);
    device.set_status(running.bits())?;
    repeat(&kick)?;
    node.expect_status(running)?;
    node.reset()?;
    repeat(&kick)?;
    node.expect_status(Status::RESET)?;
    let signal = call.read().expect_err("nothing to signal");
    ensure!(
        signal.kind() == ErrorKind::WouldBlock,
        "expected no signal, got {signal}"
    );
    Ok(())
}

fn repeat(kick: &EventFd) -> Result<()> {
    for _ in 0..KICKS {
        kick.write(1)?;
    }
    Ok(())
}
