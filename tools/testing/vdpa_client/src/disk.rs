// SPDX-License-Identifier: GPL-2.0
//! A disk behind a device node, driven by hand: one request at a time, whoever kicks the queue.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};
use vhost::vdpa::VhostVdpa;
use virtio::blk::{RequestHeader, SECTOR_SIZE};
use virtio::status::Status;
use virtio_bindings::virtio_ring::{VRING_DESC_F_NEXT, VRING_DESC_F_WRITE};
use virtio_queue::desc::split::Descriptor;
use vm_memory::{Bytes, GuestAddress};

use crate::node::{Node, IOVA, PAGE, QUEUE_SIZE};

/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two looks at the used ring.
const PAUSE: Duration = Duration::from_micros(200);

/// What a request ends with if it succeeded (section 5.2.6).
const OKAY: u8 = 0;

/// What the status is before the device has written it.
const NOT_WRITTEN: u8 = 0xff;

// Behind the three areas of the queue.
const HEADER: u64 = IOVA + 3 * PAGE;
const DATA: u64 = IOVA + 4 * PAGE;
const STATUS: u64 = IOVA + 5 * PAGE;

/// A sector of data.
pub type Sector = [u8; SECTOR_SIZE as usize];

/// A disk at work.
pub struct Disk<'a> {
    node: &'a Node,
    requests: u16,
}

impl<'a> Disk<'a> {
    /// Sets the disk up, and its first queue.
    pub fn start(node: &'a Node) -> Result<Self> {
        let settled = node.negotiate()?;
        node.map()?;
        node.start_queue(&Node::areas())?;
        let running = settled.with(Status::DRIVER_OK);
        node.device().set_status(running.bits())?;
        node.expect_status(running)?;
        Ok(Self { node, requests: 0 })
    }

    /// Writes a sector.
    pub fn write(
        &mut self,
        sector: u64,
        data: Sector,
        kick: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        self.node.memory().write_slice(&data, GuestAddress(DATA))?;
        self.request(virtio::blk::request::OUT, sector, kick)
    }

    /// Reads a sector.
    pub fn read(&mut self, sector: u64, kick: impl FnOnce() -> Result<()>) -> Result<Sector> {
        let mut data = [0; SECTOR_SIZE as usize];
        self.node.memory().write_slice(&data, GuestAddress(DATA))?;
        self.request(virtio::blk::request::IN, sector, kick)?;
        self.node
            .memory()
            .read_slice(&mut data, GuestAddress(DATA))?;
        Ok(data)
    }

    /// Makes a request available, kicks, and waits until it is used.
    fn request(&mut self, kind: u32, sector: u64, kick: impl FnOnce() -> Result<()>) -> Result<()> {
        let memory = self.node.memory();
        let header = RequestHeader { kind, sector };
        memory.write_slice(&header.to_bytes(), GuestAddress(HEADER))?;
        memory.write_obj(NOT_WRITTEN, GuestAddress(STATUS))?;
        self.describe(kind == virtio::blk::request::IN)?;
        self.publish()?;
        kick()?;
        self.wait()
            .with_context(|| format!("request {}", self.requests))?;
        let status: u8 = memory.read_obj(GuestAddress(STATUS))?;
        ensure!(status == OKAY, "request {}: status {status}", self.requests);
        Ok(())
    }

    /// Writes the descriptors: header, data, status.
    fn describe(&self, device_writes: bool) -> Result<()> {
        let [next, write] = [VRING_DESC_F_NEXT as u16, VRING_DESC_F_WRITE as u16];
        let data = next | if device_writes { write } else { 0 };
        let chain = [
            Descriptor::new(HEADER, RequestHeader::LEN as u32, next, 1),
            Descriptor::new(DATA, SECTOR_SIZE, data, 2),
            Descriptor::new(STATUS, 1, write, 0),
        ];
        for (descriptor, address) in chain.into_iter().zip((IOVA..).step_by(16)) {
            self.node
                .memory()
                .write_obj(descriptor, GuestAddress(address))?;
        }
        Ok(())
    }

    /// Puts descriptor 0 into the available ring, and the index behind it.
    fn publish(&mut self) -> Result<()> {
        let available = Node::areas().avail_ring_addr;
        let entry = available + 4 + 2 * u64::from(self.requests % QUEUE_SIZE);
        self.node.memory().write_obj(0u16, GuestAddress(entry))?;
        self.requests = self.requests.wrapping_add(1);
        let index = GuestAddress(available + 2);
        Ok(self
            .node
            .memory()
            .store(self.requests.to_le(), index, Ordering::SeqCst)?)
    }

    /// Waits until the used index tells of the last request.
    fn wait(&self) -> Result<()> {
        let index = GuestAddress(Node::areas().used_ring_addr + 2);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let used: u16 = self.node.memory().load(index, Ordering::SeqCst)?;
            if u16::from_le(used) == self.requests {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "the device does not see it");
            thread::sleep(PAUSE);
        }
    }
}
