// SPDX-License-Identifier: GPL-2.0
//! Features that are not offered, and a status that goes its own way.

use anyhow::{ensure, Result};
use rustix::io::Errno;
use vhost::{vdpa::VhostVdpa, VhostBackend};
use virtio::status::Status;

use super::Misuse;
use crate::node::{refused, Node};

pub fn catalogue() -> Vec<Misuse> {
    vec![
        Misuse {
            name: "features_that_are_not_offered",
            about: "features are a part of those offered, and settled once",
            run: features_that_are_not_offered,
        },
        Misuse {
            name: "status_that_goes_back",
            about: "bits of the status are not cleared, except by a reset",
            run: status_that_goes_back,
        },
        Misuse {
            name: "status_that_jumps",
            about: "a device without negotiated features does not run",
            run: status_that_jumps,
        },
    ]
}

fn features_that_are_not_offered(node: &Node) -> Result<()> {
    node.reset()?;
    let device = node.device();
    let known = Status::ACKNOWLEDGE.with(Status::DRIVER);
    device.set_status(known.bits())?;
    let offered = device.get_features()?;
    for bit in (0..64).map(|bit| 1 << bit).filter(|bit| offered & bit == 0) {
        let what = format!("feature {bit:#x}");
        refused(&what, device.set_features(offered | bit), Errno::INVAL)?;
    }
    refused("all features", device.set_features(u64::MAX), Errno::INVAL)?;
    node.expect_status(known)?;
    node.negotiate()?;
    let late = device.set_features(offered);
    refused("features that are settled", late, Errno::BUSY)
}

fn status_that_goes_back(node: &Node) -> Result<()> {
    let settled = node.negotiate()?;
    for less in [
        Status::ACKNOWLEDGE,
        Status::ACKNOWLEDGE.with(Status::DRIVER),
        Status::DRIVER_OK,
        Status::FAILED,
    ] {
        let answer = node.device().set_status(less.bits());
        refused(&format!("status {less:?}"), answer, Errno::INVAL)?;
        node.expect_status(settled)?;
    }
    Ok(())
}

fn status_that_jumps(node: &Node) -> Result<()> {
    let known = Status::ACKNOWLEDGE.with(Status::DRIVER);
    for jump in [
        known.with(Status::DRIVER_OK),
        Status::DRIVER_OK,
        Status::from_bits(0x30),
    ] {
        node.reset()?;
        node.device().set_status(jump.bits())?;
        let found = node.status()?;
        let runs = found.contains(Status::DRIVER_OK) && !found.contains(Status::DEVICE_NEEDS_RESET);
        ensure!(!runs, "status {jump:?} made it {found:?}");
    }
    Ok(())
}
