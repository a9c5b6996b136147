// SPDX-License-Identifier: GPL-2.0
//! Queues whose memory the device does not have, or no longer, for a device that translates addresses itself. What
//! another one does is up to the IOMMU.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use anyhow::{anyhow, ensure, Context, Result};
use rustix::io::Errno;
use rustix::process::{setrlimit, Resource, Rlimit};
use vhost::{vdpa::VhostVdpa, VhostBackend};
use virtio::status::Status;
use virtio_bindings::virtio_ring::{VRING_DESC_F_INDIRECT, VRING_DESC_F_NEXT};
use vmm_sys_util::eventfd::EventFd;

use super::Misuse;
use crate::disk::Disk;
use crate::node::{refused, Node, IOVA, PAGE, QUEUE_SIZE, SIZE};
use crate::requests::{Buffer, Requests};

/// Mappings that the endpoint holds (Documentation/howto.rst).
const MAPPINGS: u64 = 4096;

/// How often memory goes away.
const ROUNDS: u64 = 60;

/// The longest buffer that a root complex copies when it is kicked.
const LARGE: u32 = 16 << 10;

/// How often that is in the ring at once: its chain has three descriptors.
const CHAINS: u16 = QUEUE_SIZE / 3;

/// Where those are that come one by one, with a page between any two.
const ONE_BY_ONE: u64 = 1 << 32;

pub fn catalogue() -> Vec<Misuse> {
    vec![
        Misuse {
            name: "queue_without_memory",
            about: "a queue in memory that is not mapped leaves a device that can be reset",
            run: queue_without_memory,
        },
        Misuse {
            name: "ring_goes_away",
            about: "a ring that is unmapped under the device leaves a device that can be reset",
            run: ring_goes_away,
        },
        Misuse {
            name: "rings_lie",
            about: "rings with loops, jumps and addresses that are not mapped break the queue",
            run: rings_lie,
        },
        Misuse {
            name: "memory_goes_away_under_kicks",
            about: "memory is unmapped, and the device reset, while another thread kicks",
            run: memory_goes_away_under_kicks,
        },
        Misuse {
            name: "mappings_without_end",
            about: "one mapping more than the device holds is refused, and those before it work",
            run: mappings_without_end,
        },
    ]
}

fn queue_without_memory(node: &Node) -> Result<()> {
    node.negotiate()?;
    node.start_queue(0, &Node::areas())?;
    // It has to be reset by now: a bit that the kernel does not let a process take back.
    let running = node.status()?.with(Status::DRIVER_OK);
    node.device().set_status(running.bits())?;
    node.reset()
}

fn ring_goes_away(node: &Node) -> Result<()> {
    let device = node.device();
    let settled = node.negotiate()?;
    node.map()?;
    node.start_queue(0, &Node::areas())?;
    let running = settled.with(Status::DRIVER_OK);
    device.set_status(running.bits())?;
    node.expect_status(running)?;
    device.dma_unmap(IOVA, SIZE)?;
    node.reset()?;
    node.map()
}

fn rings_lie(node: &Node) -> Result<()> {
    let [next, indirect] = [VRING_DESC_F_NEXT as u16, VRING_DESC_F_INDIRECT as u16];
    let beyond = IOVA + SIZE;
    node.map()?;
    // Address, length, flags and next one of descriptor 0, and the head of the chain.
    for (what, (address, length, flags, follower), head) in [
        ("a loop", (IOVA, 16, next, 0), 0),
        (
            "a descriptor behind the last",
            (IOVA, 16, next, QUEUE_SIZE),
            0,
        ),
        ("a head behind the last", (IOVA, 16, 0, 0), QUEUE_SIZE),
        ("a table that is not mapped", (beyond, 48, indirect, 0), 0),
        (
            "a table that ends outside",
            (beyond - 16, 48, indirect, 0),
            0,
        ),
        ("a table that wraps around", (!0xf, 48, indirect, 0), 0),
    ] {
        let mut requests = start(node)?;
        requests.begin_raw((address, length, flags, follower), head)?;
        node.kick(0)?;
        let broken = node.wait_for_status(Status::DEVICE_NEEDS_RESET);
        broken.with_context(|| what.to_owned())?;
    }
    let requests = start(node)?;
    requests.break_ring()?;
    node.kick(0)?;
    let broken = node.wait_for_status(Status::DEVICE_NEEDS_RESET);
    broken.context("an index that jumps")?;
    node.reset()?;
    Ok(node.device().dma_unmap(IOVA, SIZE)?)
}

/// Sets the device up to run with one empty queue, in memory that is mapped.
fn start(node: &Node) -> Result<Requests<'_>> {
    node.negotiate()?;
    node.clear()?;
    node.start_queue(0, &Node::areas())?;
    node.run()?;
    Ok(Requests::new(node))
}

fn memory_goes_away_under_kicks(node: &Node) -> Result<()> {
    for round in 0..ROUNDS {
        node.map()?;
        let mut requests = start(node)?;
        let kick = EventFd::new(0)?;
        node.device().set_vring_kick(0, &kick)?;
        requests.begin_copies(&write_of(LARGE), CHAINS)?;
        kicked_meanwhile(&kick, || {
            // At any time of the copy, and after it.
            thread::sleep(Duration::from_micros(round * 20));
            match round % 3 {
                0 => Ok(node.device().dma_unmap(IOVA, SIZE)?),
                1 => node.reset(),
                _ => Ok(node.device().set_vring_enable(0, false)?),
            }
        })?;
        node.reset()?;
        node.device().dma_unmap(IOVA, SIZE)?;
    }
    Ok(())
}

/// The buffers of a request that writes so many zeros to the start of a disk: the header is all zeros but for its kind.
fn write_of(length: u32) -> [Buffer; 3] {
    let (header, data, status) = (IOVA + 3 * PAGE, IOVA + 4 * PAGE, IOVA + 15 * PAGE);
    [
        Buffer::readable(header, 16),
        Buffer::readable(data, length),
        Buffer::writable(status, 1),
    ]
}

/// Does something while a thread kicks without a pause.
fn kicked_meanwhile(kick: &EventFd, run: impl FnOnce() -> Result<()>) -> Result<()> {
    let (begun, is_over) = (Barrier::new(2), AtomicBool::new(false));
    thread::scope(|scope| {
        let kicker = scope.spawn(|| -> Result<()> {
            begun.wait();
            while !is_over.load(Ordering::Relaxed) {
                kick.write(1)?;
            }
            Ok(())
        });
        begun.wait();
        let done = run();
        is_over.store(true, Ordering::Relaxed);
        let kicked = kicker.join();
        done?;
        kicked.map_err(|_| anyhow!("the thread that kicks has died"))?
    })
}

fn mappings_without_end(node: &Node) -> Result<()> {
    let unlimited = Rlimit {
        current: None,
        maximum: None,
    };
    setrlimit(Resource::Memlock, unlimited)?;
    let mut disk = Disk::start(node)?;
    let (device, memory) = (node.device(), node.host_address()?);
    let place = |number: u64| ONE_BY_ONE + number * 2 * PAGE;
    let map = |number| device.dma_map(place(number), PAGE, memory, false);
    // The memory of the disk is in one piece or in as many as it has pages.
    let mut count = MAPPINGS - SIZE / PAGE;
    (0..count).try_for_each(map)?;
    while map(count).is_ok() {
        count += 1;
        ensure!(count < MAPPINGS, "{count} mappings besides the disk's");
    }
    // The kernel has one answer for all that is wrong with a mapping.
    refused("one more mapping", map(count), Errno::FAULT)?;
    disk.write(0, [1; 512], || node.kick(0))?;
    device.dma_unmap(place(0), PAGE)?;
    map(count)?;
    (1..=count).try_for_each(|number| device.dma_unmap(place(number), PAGE))?;
    let found = disk.read(0, || node.kick(0))?;
    ensure!(found == [1; 512], "the disk has other data");
    Ok(())
}
