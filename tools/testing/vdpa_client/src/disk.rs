// SPDX-License-Identifier: GPL-2.0
//! A disk behind a device node, driven by hand: one request at a time, whoever kicks the queue.

use anyhow::{ensure, Result};
use virtio::blk::{RequestHeader, SECTOR_SIZE};
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
        node.negotiate()?;
        node.map()?;
        node.start_queue(0, &Node::areas())?;
        node.run()?;
        Ok(Self::at_work(node))
    }

    /// Sets the disk up, with a queue that is not enabled.
    pub fn start_without_queue(node: &'a Node) -> Result<Self> {
        node.negotiate()?;
        node.map()?;
        node.set_up_queue(0, &Node::areas(), 0)?;
        node.run()?;
        Ok(Self::at_work(node))
    }

    /// One that is set up, and runs.
    pub fn at_work(node: &'a Node) -> Self {
        Self {
            node,
            requests: Requests::new(node),
        }
    }

    /// Writes a sector.
    pub fn write(
        &mut self,
        sector: u64,
        data: Sector,
        kick: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        self.begin_write(sector, data)?;
        self.end(kick)
    }

    /// Makes the request to write a sector available.
    pub fn begin_write(&mut self, sector: u64, data: Sector) -> Result<()> {
        self.node.memory().write_slice(&data, GuestAddress(DATA))?;
        self.begin(virtio::blk::request::OUT, sector)
    }

    /// Reads a sector.
    pub fn read(&mut self, sector: u64, kick: impl FnOnce() -> Result<()>) -> Result<Sector> {
        let mut data = [0; SECTOR_SIZE as usize];
        self.node.memory().write_slice(&data, GuestAddress(DATA))?;
        self.begin(virtio::blk::request::IN, sector)?;
        self.end(kick)?;
        self.node
            .memory()
            .read_slice(&mut data, GuestAddress(DATA))?;
        Ok(data)
    }

    /// Kicks, waits until the request is used, and looks at its end.
    pub fn end(&self, kick: impl FnOnce() -> Result<()>) -> Result<()> {
        kick()?;
        self.requests.end()?;
        let status: u8 = self.node.memory().read_obj(GuestAddress(STATUS))?;
        ensure!(status == OKAY, "expected status {OKAY}, found {status}");
        Ok(())
    }

    /// The queue that its requests are in.
    pub fn requests(&self) -> &Requests<'a> {
        &self.requests
    }

    fn begin(&mut self, kind: u32, sector: u64) -> Result<()> {
        let memory = self.node.memory();
        let header = RequestHeader { kind, sector };
        memory.write_slice(&header.to_bytes(), GuestAddress(HEADER))?;
        memory.write_obj(NOT_WRITTEN, GuestAddress(STATUS))?;
        let data = match kind {
            virtio::blk::request::IN => Buffer::writable(DATA, SECTOR_SIZE),
            _ => Buffer::readable(DATA, SECTOR_SIZE),
        };
        self.requests.begin(&[
            Buffer::readable(HEADER, RequestHeader::LEN as u32),
            data,
            Buffer::writable(STATUS, 1),
        ])
    }
}
