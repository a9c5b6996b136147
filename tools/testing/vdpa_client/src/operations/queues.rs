// SPDX-License-Identifier: GPL-2.0
//! A queue starts and stops while the device runs, and goes on where it stood: nothing is lost, and nothing
//! is done twice.

use anyhow::{ensure, Result};
use vhost::{vdpa::VhostVdpa, VhostBackend};

use super::Operation;
use crate::disk::Disk;
use crate::node::Node;

/// How often a queue stops and goes on: it comes around once.
const CYCLES: u8 = 40;

pub fn catalogue() -> Vec<Operation> {
    vec![
        Operation {
            name: "queue_starts_late",
            about: "a queue that is started after DRIVER_OK works",
            run: queue_starts_late,
        },
        Operation {
            name: "queue_is_mapped_late",
            about: "a queue works whose memory is mapped after it was enabled, before DRIVER_OK",
            run: queue_is_mapped_late,
        },
        Operation {
            name: "queue_stops_and_goes_on",
            about: "a queue that is stopped does nothing, and goes on with the next request",
            run: queue_stops_and_goes_on,
        },
        Operation {
            name: "queue_moves",
            about: "a suspended queue says where it stands, and goes on there after a reset",
            run: queue_moves,
        },
    ]
}

fn queue_starts_late(node: &Node) -> Result<()> {
    let mut disk = Disk::start_without_queue(node)?;
    disk.begin_write(0, [1; 512])?;
    stands_still(node, &disk)?;
    node.device().set_vring_enable(0, true)?;
    disk.end(|| node.kick(0))?;
    expect(&mut disk, node, 0, 1)
}

/// As QEMU does.
fn queue_is_mapped_late(node: &Node) -> Result<()> {
    node.negotiate()?;
    node.start_queue(0, &Node::areas())?;
    node.map()?;
    node.run()?;
    let mut disk = Disk::at_work(node);
    disk.write(0, [1; 512], || node.kick(0))?;
    expect(&mut disk, node, 0, 1)
}

fn queue_stops_and_goes_on(node: &Node) -> Result<()> {
    let mut disk = Disk::start(node)?;
    for number in 0..CYCLES {
        disk.write(number.into(), [number; 512], || node.kick(0))?;
        node.device().set_vring_enable(0, false)?;
        disk.begin_write(number.into(), [!number; 512])?;
        stands_still(node, &disk)?;
        node.device().set_vring_enable(0, true)?;
        disk.end(|| node.kick(0))?;
        expect(&mut disk, node, number.into(), !number)?;
    }
    Ok(())
}

/// As a hypervisor does that migrates its guest.
fn queue_moves(node: &Node) -> Result<()> {
    let mut disk = Disk::start(node)?;
    for number in 0..CYCLES {
        disk.write(number.into(), [number; 512], || node.kick(0))?;
        node.device().suspend()?;
        disk.begin_write(number.into(), [!number; 512])?;
        stands_still(node, &disk)?;
        let (base, used) = (node.device().get_vring_base(0)?, disk.requests().used()?);
        ensure!(
            base == u32::from(used),
            "cycle {number}: the queue is at {used}, and says {base}"
        );
        node.negotiate()?;
        node.start_queue_at(0, &Node::areas(), used)?;
        node.run()?;
        disk.end(|| node.kick(0))?;
        expect(&mut disk, node, number.into(), !number)?;
    }
    Ok(())
}

/// Kicks, and sees that nothing comes of it.
fn stands_still(node: &Node, disk: &Disk) -> Result<()> {
    node.kick(0)?;
    ensure!(
        !disk.requests().ends_soon()?,
        "a request ends, though its queue does not work"
    );
    Ok(())
}

/// Sees that each byte of a sector is `expected`.
fn expect(disk: &mut Disk, node: &Node, sector: u64, expected: u8) -> Result<()> {
    let found = disk.read(sector, || node.kick(0))?;
    ensure!(found == [expected; 512], "sector {sector}: other data");
    Ok(())
}
