// SPDX-License-Identifier: GPL-2.0
//! The driver side of a split ring, over memory of its own.
//!
//! It writes whatever it is told to, rules or not. Its memory starts at [`BASE`], so that whoever takes
//! an offset for an address, or forgets to translate one, misses it.

use std::sync::atomic::Ordering;

use virtio::ring::{Area, Layout, QueueConfig};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

/// The driver-side address of the first byte of memory.
pub const BASE: u64 = 0x40_0000_0000;
/// How much memory there is: the areas of the largest queue and room for buffers.
const MEMORY: usize = 0x40_0000;
/// Where the areas are; far from each other and not in the usual order.
const DEVICE_AREA: u64 = BASE + 0x1000;
const DRIVER_AREA: u64 = BASE + 0x8_0000;
const DESCRIPTOR_AREA: u64 = BASE + 0x10_0000;
/// Where buffers and indirect tables go.
pub const BUFFERS: u64 = BASE + 0x20_0000;

pub const NEXT: u16 = 1;
pub const WRITE: u16 = 2;
pub const INDIRECT: u16 = 4;

/// A descriptor to be written.
#[derive(Clone, Copy, Debug)]
pub struct Desc {
    pub addr: u64,
    pub len: u32,
    pub flags: u16,
    pub next: u16,
}

impl Desc {
    pub fn new(addr: u64, len: u32, flags: u16, next: u16) -> Self {
        Self {
            addr,
            len,
            flags,
            next,
        }
    }

    fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.addr.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.len.to_le_bytes());
        bytes[12..14].copy_from_slice(&self.flags.to_le_bytes());
        bytes[14..].copy_from_slice(&self.next.to_le_bytes());
        bytes
    }
}

/// The driver side.
#[derive(Clone)]
pub struct DriverSide {
    pub memory: GuestMemoryMmap,
    pub size: u16,
    /// What it negotiates in any case.
    features: u64,
    available: u16,
    seen: u16,
}

impl DriverSide {
    pub fn new(size: u16) -> Self {
        Self::starting_at(size, 0)
    }

    /// Both indexes start at `index`, as after a restore.
    pub fn starting_at(size: u16, index: u16) -> Self {
        let driver = Self {
            available: index,
            seen: index,
            ..Self::blank(size, 0)
        };
        driver.store(Area::Driver, 2, index);
        driver.store(Area::Device, 2, index);
        driver
    }

    /// Memory of zeros, for a queue of this size with these features.
    pub fn blank(size: u16, features: u64) -> Self {
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(BASE), MEMORY)]).unwrap();
        Self {
            memory,
            size,
            features,
            available: 0,
            seen: 0,
        }
    }

    /// Returns the configuration of the queue with these features.
    pub fn config(&self, features: u64) -> QueueConfig {
        QueueConfig::new(self.size, self.features | features).unwrap()
    }

    /// Returns how the areas are laid out.
    pub fn layout(&self) -> Layout {
        self.config(0).layout()
    }

    /// Returns the driver-side address of a byte of an area.
    pub fn address(&self, area: Area, offset: usize) -> GuestAddress {
        let base = match area {
            Area::Descriptor => DESCRIPTOR_AREA,
            Area::Driver => DRIVER_AREA,
            Area::Device => DEVICE_AREA,
        };
        GuestAddress(base + offset as u64)
    }

    pub fn store(&self, area: Area, offset: usize, value: u16) {
        let at = self.address(area, offset);
        self.memory
            .store(value.to_le(), at, Ordering::Release)
            .unwrap();
    }

    pub fn load(&self, area: Area, offset: usize) -> u16 {
        let at = self.address(area, offset);
        u16::from_le(self.memory.load(at, Ordering::Acquire).unwrap())
    }

    /// Writes to a buffer.
    pub fn fill(&self, addr: u64, bytes: &[u8]) {
        self.memory.write_slice(bytes, GuestAddress(addr)).unwrap();
    }

    /// Writes a descriptor of the descriptor table.
    pub fn describe(&self, index: u16, desc: Desc) {
        let at = self.address(Area::Descriptor, 16 * usize::from(index));
        self.memory.write_slice(&desc.to_bytes(), at).unwrap();
    }

    /// Writes a descriptor of the indirect table at `table`.
    pub fn describe_in(&self, table: u64, index: u16, desc: Desc) {
        let at = GuestAddress(table + 16 * u64::from(index));
        self.memory.write_slice(&desc.to_bytes(), at).unwrap();
    }

    /// Writes a chain of neighbours from `head` on: address, length and whether it is writable.
    pub fn describe_chain(&self, head: u16, buffers: &[(u64, u32, bool)]) {
        for (index, (buffer, last)) in (head..).zip(with_last(buffers)) {
            self.describe(index, desc(*buffer, index, last));
        }
    }

    /// Writes an indirect table, and a descriptor that refers to it.
    pub fn describe_table(&self, head: u16, table: u64, buffers: &[(u64, u32, bool)]) {
        for (index, (buffer, last)) in (0..).zip(with_last(buffers)) {
            self.describe_in(table, index, desc(*buffer, index, last));
        }
        let len = 16 * buffers.len() as u32;
        self.describe(head, Desc::new(table, len, INDIRECT, 0));
    }

    /// Writes an entry of the available ring and publishes it.
    pub fn offer(&mut self, head: u16) {
        self.enter(head);
        self.publish();
    }

    /// Writes the next entry of the available ring, without the index.
    pub fn enter(&mut self, head: u16) {
        let slot = usize::from(self.available & (self.size - 1));
        self.store(Area::Driver, 4 + 2 * slot, head);
        self.available = self.available.wrapping_add(1);
    }

    /// Publishes all entries written.
    pub fn publish(&self) {
        self.store(Area::Driver, 2, self.available);
    }

    /// Returns the used entries that came since the last call.
    pub fn take_used(&mut self) -> Vec<(u32, u32)> {
        let mut used = Vec::new();
        while self.seen != self.load(Area::Device, 2) {
            let slot = usize::from(self.seen & (self.size - 1));
            let mut entry = [0; 8];
            let at = self.address(Area::Device, 4 + 8 * slot);
            self.memory.read_slice(&mut entry, at).unwrap();
            let (id, len) = entry.split_at(4);
            used.push((
                u32::from_le_bytes(id.try_into().unwrap()),
                u32::from_le_bytes(len.try_into().unwrap()),
            ));
            self.seen = self.seen.wrapping_add(1);
        }
        used
    }

    pub fn set_flags(&self, flags: u16) {
        self.store(Area::Driver, 0, flags);
    }

    pub fn set_used_event(&self, event: u16) {
        self.store(Area::Driver, 4 + 2 * usize::from(self.size), event);
    }

    pub fn device_flags(&self) -> u16 {
        self.load(Area::Device, 0)
    }

    pub fn avail_event(&self) -> u16 {
        self.load(Area::Device, 4 + 8 * usize::from(self.size))
    }
}

fn with_last<T>(items: &[T]) -> impl Iterator<Item = (&T, bool)> {
    let last = items.len().wrapping_sub(1);
    items
        .iter()
        .enumerate()
        .map(move |(index, item)| (item, index == last))
}

fn desc((addr, len, writable): (u64, u32, bool), index: u16, last: bool) -> Desc {
    let write = if writable { WRITE } else { 0 };
    let (next_flag, next) = if last { (0, 0) } else { (NEXT, index + 1) };
    Desc::new(addr, len, write | next_flag, next)
}
