// SPDX-License-Identifier: GPL-2.0
//! A disk behind a device node, driven by hand: one request at a time, whoever kicks the queue.

use anyhow::{ensure, Result};
use vhost::vdpa::VhostVdpa;
use virtio::blk::{RequestHeader, SECTOR_SIZE};
use virtio::status::Status;
use vm_memory::{Bytes, GuestAddress};

use crate::node::{Node, IOVA, PAGE};
use crate::requests::{Buffer, Requests};

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
    requests: Requests<'a>,
}

impl<'a> Disk<'a> {
    /// Sets the disk up, and its first queue.
    pub fn start(node: &'a Node) -> Result<Self> {
        let settled = node.negotiate()?;
        node.map()?;
        node.start_queue(0, &Node::areas())?;
        let running = settled.with(Status::DRIVER_OK);
        node.device().set_status(running.bits())?;
        node.expect_status(running)?;
        Ok(Self {
            node,
            requests: Requests::new(node),
        })
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

    fn request(&mut self, kind: u32, sector: u64, kick: impl FnOnce() -> Result<()>) -> Result<()> {
        let memory = self.node.memory();
        let header = RequestHeader { kind, sector };
        memory.write_slice(&header.to_bytes(), GuestAddress(HEADER))?;
        memory.write_obj(NOT_WRITTEN, GuestAddress(STATUS))?;
        let data = match kind {
            virtio::blk::request::IN => Buffer::writable(DATA, SECTOR_SIZE),
            _ => Buffer::readable(DATA, SECTOR_SIZE),
        };
        let chain = [
            Buffer::readable(HEADER, RequestHeader::LEN as u32),
            data,
            Buffer::writable(STATUS, 1),
        ];
        self.requests.send(&chain, kick)?;
        let status: u8 = memory.read_obj(GuestAddress(STATUS))?;
        ensure!(status == OKAY, "expected status {OKAY}, found {status}");
        Ok(())
    }
}
