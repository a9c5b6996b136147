// SPDX-License-Identifier: GPL-2.0
//! A disk that is driven by a packed ring, with several requests in flight, and suspended meanwhile.
//!
//! Each request writes a sector of its own, once; at the end all are read. The ring's driver side knows
//! which requests are outstanding, and panics if another one is used.

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};
use vhost::{vdpa::VhostVdpa, VhostBackend, VringConfigData};
use virtio::blk::{request, RequestHeader, SECTOR_SIZE};
use virtio::features::{IN_ORDER, RING_PACKED};
use virtio::ring::Area;
use virtio::status::Status;
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryRegion};
use vmm_sys_util::eventfd::EventFd;

use crate::driver::{BASE, BUFFERS};
use crate::ioctl;
use crate::node::{Node, PAGE};
use crate::packed_driver::{Buffer, PackedSide};

/// Number of descriptors of the ring.
const RING_SIZE: u16 = 128;

/// Requests in flight: their lists, of up to three descriptors, have room, and wander through the ring.
const DEPTH: u64 = 42;

/// Sectors that are written one after the other: what a disk of some MiB has.
const SECTORS: u64 = 8192;

/// How long requests may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two looks at the ring.
const PAUSE: Duration = Duration::from_micros(50);

/// How often a ring that has to stand still is looked at.
const LOOKS: u32 = 10;

// Where the parts of a request are in its page.
const DATA: u64 = 0x200;
const STATUS: u64 = 0x600;
const TABLE: u64 = 0x800;

/// What a request ends with if it succeeded (section 5.2.6).
const OKAY: u8 = 0;

/// A sector of data.
type Sector = [u8; SECTOR_SIZE as usize];

/// Drives the disk at `path`, suspends and resumes it `cycles` times, and looks for all that was written.
pub fn is_suspended_under_load(path: &str, in_order: bool, cycles: u32) -> Result<()> {
    let node = Node::open(path)?;
    let order = if in_order { IN_ORDER } else { 0 };
    let mut disk = Disk::start(&node, RING_PACKED | order)?;
    for cycle in 0..cycles {
        disk.cycle()
            .with_context(|| format!("in cycle {cycle}, after {} requests", disk.ended))?;
    }
    disk.drain()?;
    let (written, halfway) = (disk.begun, disk.halfway);
    disk.read_all(written)?;
    println!("{cycles} cycles, of them {halfway} amid requests, {written} sectors");
    ensure!(
        halfway > 0,
        "expected that requests were left once at least"
    );
    node.reset()
}

/// What a request is about.
#[derive(Clone, Copy)]
struct Request {
    kind: u32,
    /// Which sector, counted without an end.
    number: u64,
}

/// A disk at work.
struct Disk<'a> {
    node: &'a Node,
    ring: PackedSide,
    kick: EventFd,
    in_flight: HashMap<u16, Request>,
    begun: u64,
    ended: u64,
    /// How often some of the requests in flight had ended when it was suspended, and some had not.
    halfway: u32,
}

impl<'a> Disk<'a> {
    fn start(node: &'a Node, rings: u64) -> Result<Self> {
        let settled = node.negotiate_rings(rings)?;
        let ring = PackedSide::new(RING_SIZE, rings);
        let memory = &ring.side.memory;
        let host = memory.get_host_address(GuestAddress(BASE))?;
        let size = memory.iter().map(|region| region.len()).sum();
        let device = node.device();
        device.dma_map(BASE, size, host, false)?;
        let kick = EventFd::new(0)?;
        device.set_vring_kick(0, &kick)?;
        device.set_vring_num(0, RING_SIZE)?;
        device.set_vring_addr(0, &areas(&ring))?;
        device.set_vring_enable(0, true)?;
        let running = settled.with(Status::DRIVER_OK);
        device.set_status(running.bits())?;
        node.expect_status(running)?;
        Ok(Self {
            node,
            ring,
            kick,
            in_flight: HashMap::new(),
            begun: 0,
            ended: 0,
            halfway: 0,
        })
    }

    /// Suspends the disk under load, sees that it stands where it says it does, and resumes it.
    fn cycle(&mut self) -> Result<()> {
        let before = self.ended;
        self.fill(request::OUT, u64::MAX)?;
        self.wait(|disk| disk.ended > before)?;
        self.node.device().suspend()?;
        self.take()?;
        let ended = self.ended;
        self.halfway += u32::from(!self.in_flight.is_empty());
        for _ in 0..LOOKS {
            thread::sleep(PAUSE);
            self.take()?;
        }
        ensure!(self.ended == ended, "requests end, though it is suspended");
        let place = u32::from(self.ring.seen.word());
        let expected = place | (place << 16);
        let base = self.node.device().get_vring_base(0)?;
        ensure!(
            base == expected,
            "expected that the queue is at {expected:#x}, found {base:#x}"
        );
        ioctl::set_base(self.node, 0, base)?;
        ioctl::resume(self.node)?;
        self.wait(|disk| disk.ended > ended || disk.in_flight.is_empty())
    }

    /// Begins as many requests as may be in flight, up to number `end`, and kicks.
    fn fill(&mut self, kind: u32, end: u64) -> Result<()> {
        while (self.in_flight.len() as u64) < DEPTH && self.begun < end {
            self.begin(Request {
                kind,
                number: self.begun,
            })?;
        }
        Ok(self.kick.write(1)?)
    }

    fn begin(&mut self, request: Request) -> Result<()> {
        let Request { kind, number } = request;
        let page = page(number);
        let memory = &self.ring.side.memory;
        let header = RequestHeader {
            kind,
            sector: number % SECTORS,
        };
        memory.write_slice(&header.to_bytes(), GuestAddress(page))?;
        let data = if kind == request::OUT {
            sector(number)
        } else {
            [0; SECTOR_SIZE as usize]
        };
        memory.write_slice(&data, GuestAddress(page + DATA))?;
        memory.write_obj(!OKAY, GuestAddress(page + STATUS))?;
        let buffers: [Buffer; 3] = [
            (page, RequestHeader::LEN as u32, false),
            (page + DATA, SECTOR_SIZE, kind == request::IN),
            (page + STATUS, 1, true),
        ];
        let id = match number % 3 {
            0 => self.ring.enter_table(page + TABLE, &buffers),
            _ => self.ring.enter(&buffers),
        };
        self.ring.publish();
        self.in_flight.insert(id, request);
        self.begun += 1;
        Ok(())
    }

    /// Takes what is used.
    fn take(&mut self) -> Result<()> {
        for (id, _) in self.ring.take_used() {
            let request = self.in_flight.remove(&id);
            self.end(request.context("a request was used twice")?)?;
        }
        Ok(())
    }

    fn end(&mut self, request: Request) -> Result<()> {
        let Request { kind, number } = request;
        let memory = &self.ring.side.memory;
        let page = page(number);
        let status: u8 = memory.read_obj(GuestAddress(page + STATUS))?;
        ensure!(
            status == OKAY,
            "request {number}: expected status {OKAY}, found {status}"
        );
        if kind == request::IN {
            let mut found: Sector = [0; SECTOR_SIZE as usize];
            memory.read_slice(&mut found, GuestAddress(page + DATA))?;
            ensure!(found == sector(number), "sector {number}: other data");
        }
        self.ended += 1;
        Ok(())
    }

    /// Waits until something is so, and takes what is used meanwhile.
    fn wait(&mut self, is_so: impl Fn(&Self) -> bool) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.take()?;
            if is_so(self) {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "{} requests do not end",
                self.in_flight.len()
            );
            thread::sleep(PAUSE);
        }
    }

    fn drain(&mut self) -> Result<()> {
        self.wait(|disk| disk.in_flight.is_empty())
    }

    /// Reads the sectors that the last `written` requests wrote, as far as they were not written over.
    fn read_all(&mut self, written: u64) -> Result<()> {
        self.begun = written.saturating_sub(SECTORS);
        while self.begun < written {
            self.fill(request::IN, written)?;
            self.drain()?;
        }
        Ok(())
    }
}

/// Where a request has its page: no other one in flight has it.
fn page(number: u64) -> u64 {
    BUFFERS + PAGE * (number % (2 * DEPTH))
}

/// What a request writes.
fn sector(number: u64) -> Sector {
    let mut bytes = [0; SECTOR_SIZE as usize];
    let words = bytes.chunks_exact_mut(8);
    words.for_each(|word| word.copy_from_slice(&number.to_le_bytes()));
    bytes
}

fn areas(ring: &PackedSide) -> VringConfigData {
    let address = |area| ring.side.address(area, 0).0;
    VringConfigData {
        queue_max_size: RING_SIZE,
        queue_size: RING_SIZE,
        flags: 0,
        desc_table_addr: address(Area::Descriptor),
        avail_ring_addr: address(Area::Driver),
        used_ring_addr: address(Area::Device),
        log_addr: None,
    }
}
