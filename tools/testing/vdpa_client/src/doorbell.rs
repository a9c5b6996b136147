// SPDX-License-Identifier: GPL-2.0
//! The doorbell of a queue, mapped into this process.

use anyhow::{ensure, Result};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags};
use vm_memory::mmap::MmapRegionError;
use vm_memory::{FileOffset, MmapRegion, VolatileMemory};

use crate::disk::Disk;
use crate::node::{refused, Node, PAGE};

/// How many sectors are written and read, each request kicked by a write to the doorbell.
const SECTORS: u8 = 100;

/// What a driver writes to kick its first queue. It is the same each time, so that a device which looks
/// for another value does not see it.
const QUEUE: u32 = 0;

/// `ENOTSUPP`, which the kernel has for itself (its include/linux/errno.h), and mmap(2) returns anyway.
const NOT_SUPPORTED: Errno = Errno::from_raw_os_error(524);

/// A mapped doorbell.
struct Doorbell(MmapRegion);

impl Doorbell {
    /// Maps `pages` pages from the doorbell of `queue` on.
    fn map(node: &Node, queue: u64, pages: u64, access: ProtFlags) -> vhost::Result<Self> {
        let place = FileOffset::from_arc(node.file().clone(), queue * PAGE);
        let [access, shared] = [access.bits(), MapFlags::SHARED.bits()].map(|bits| bits as i32);
        let region = MmapRegion::build(Some(place), (pages * PAGE) as usize, access, shared);
        region.map(Self).map_err(|error| match error {
            MmapRegionError::Mmap(error) => vhost::Error::IOError(error),
            other => vhost::Error::IOError(std::io::Error::other(other)),
        })
    }

    /// Maps the doorbell of `queue`, as one does.
    fn of(node: &Node, queue: u64) -> vhost::Result<Self> {
        Self::map(node, queue, 1, ProtFlags::WRITE)
    }

    fn ring(&self) -> Result<()> {
        self.0.get_ref::<u32>(0)?.store(QUEUE.to_le());
        Ok(())
    }
}

/// Writes and reads sectors of the disk at `path` without a call to the kernel for the kicks.
pub fn kick_requests(path: &str) -> Result<()> {
    let node = Node::open(path)?;
    let doorbell = Doorbell::of(&node, 0)?;
    odd_mappings_are_refused(&node)?;
    let mut disk = Disk::start(&node)?;
    for number in 0..SECTORS {
        disk.write(number.into(), [number; 512], || doorbell.ring())?;
    }
    for number in 0..SECTORS {
        let found = disk.read(number.into(), || doorbell.ring())?;
        ensure!(found == [number; 512], "sector {number}: other data");
    }
    node.reset()
}

fn odd_mappings_are_refused(node: &Node) -> Result<()> {
    let (write, read) = (ProtFlags::WRITE, ProtFlags::WRITE | ProtFlags::READ);
    let queues = node.queues()? as u64;
    let two = Doorbell::map(node, 0, 2, write);
    refused("two pages", two, Errno::INVAL)?;
    let readable = Doorbell::map(node, 0, 1, read);
    refused("a page to read", readable, Errno::INVAL)?;
    for queue in [queues, 0xffff, 0x1_0000] {
        let what = format!("the doorbell of queue {queue}");
        refused(&what, Doorbell::of(node, queue), Errno::INVAL)?;
    }
    Ok(())
}

/// Sees that the doorbell of the disk at `path` cannot be mapped, and that the disk can be set up.
pub fn is_refused(path: &str) -> Result<()> {
    let node = Node::open(path)?;
    refused("the doorbell", Doorbell::of(&node, 0), NOT_SUPPORTED)?;
    Disk::start(&node)?;
    node.reset()
}
