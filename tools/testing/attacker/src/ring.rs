// SPDX-License-Identifier: GPL-2.0
//! The driver side of a split virtqueue (VIRTIO 1.2, section 2.7); writes whatever it is told to.

use std::rc::Rc;

use anyhow::Result;
use transport::{QueueRequest, NO_VECTOR};
use virtio::ring::{Area, Layout};

use crate::dma::{Memory, Place};

/// The descriptor is continued.
pub const NEXT: u16 = 1;
/// The endpoint writes the buffer.
pub const WRITE: u16 = 2;
/// The buffer is a table of descriptors.
pub const INDIRECT: u16 = 4;

/// Where flags, index and entries of the available and the used ring are.
const FLAGS: usize = 0;
const INDEX: usize = 2;
const ENTRIES: usize = 4;
const DESCRIPTOR: usize = 16;

/// Wants no used buffer notification.
const NO_INTERRUPT: u16 = 1;

/// A descriptor.
#[derive(Clone, Copy, Debug, Default)]
pub struct Descriptor {
    pub address: u64,
    pub len: u32,
    pub flags: u16,
    pub next: u16,
}

impl Descriptor {
    /// A descriptor for a place.
    pub fn of(place: Place, flags: u16, next: u16) -> Self {
        Self {
            address: place.address,
            len: place.len as u32,
            flags,
            next,
        }
    }

    /// As it lies in a table.
    pub fn to_bytes(self) -> [u8; DESCRIPTOR] {
        let mut bytes = [0; DESCRIPTOR];
        bytes[..8].copy_from_slice(&self.address.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.len.to_le_bytes());
        bytes[12..14].copy_from_slice(&self.flags.to_le_bytes());
        bytes[14..].copy_from_slice(&self.next.to_le_bytes());
        bytes
    }
}

/// An entry of the used ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    pub head: u32,
    pub len: u32,
}

/// A virtqueue in our memory.
pub struct Ring {
    memory: Rc<Memory>,
    /// Descriptor table.
    pub descriptors: Place,
    /// Available ring.
    pub driver: Place,
    /// Used ring.
    pub device: Place,
    size: u16,
    /// The descriptor that the next chain begins with.
    free: u16,
    available: u16,
    used: u16,
}

impl Ring {
    /// Makes an empty one that wants no interrupts; `size` is a legal queue size.
    pub fn new(memory: &Rc<Memory>, size: u16) -> Result<Self> {
        let layout = Layout::new(size, 0).expect("the caller chose a legal size");
        let ring = Self {
            memory: memory.clone(),
            descriptors: memory.take(Area::Descriptor.len(layout))?,
            driver: memory.take(Area::Driver.len(layout))?,
            device: memory.take(Area::Device.len(layout))?,
            size,
            free: 0,
            available: 0,
            used: 0,
        };
        ring.set_interrupts(false);
        Ok(ring)
    }

    /// Wants interrupts, or not.
    pub fn set_interrupts(&self, is_on: bool) {
        let flags = if is_on { 0 } else { NO_INTERRUPT };
        self.memory.store(self.driver, FLAGS, flags.to_le());
    }

    /// How it is set up as queue `index`.
    pub fn request(&self, index: u16) -> QueueRequest {
        QueueRequest {
            queue: index.into(),
            size: self.size.into(),
            vector: NO_VECTOR,
            desc_area: self.descriptors.address,
            driver_area: self.driver.address,
            device_area: self.device.address,
        }
    }

    /// Number of descriptors.
    pub fn size(&self) -> u16 {
        self.size
    }

    /// Writes a descriptor.
    pub fn describe(&self, index: u16, descriptor: Descriptor) {
        let at = usize::from(index) * DESCRIPTOR;
        self.memory
            .write(self.descriptors, at, &descriptor.to_bytes());
    }

    /// Describes a buffer of places to read and places to write, and returns its head.
    ///
    /// Descriptors are used in turn: there may be as many chains in flight as have room.
    pub fn chain(&mut self, readable: &[Place], writable: &[Place]) -> u16 {
        let count = (readable.len() + writable.len()) as u16;
        let first = if self.free + count > self.size {
            0
        } else {
            self.free
        };
        self.free = first + count;
        let places = readable.iter().map(|place| (*place, 0));
        let places = places.chain(writable.iter().map(|place| (*place, WRITE)));
        for (index, (place, flags)) in (first..).zip(places) {
            let next = index + 1;
            let more = if next == self.free { 0 } else { NEXT };
            self.describe(index, Descriptor::of(place, flags | more, next % self.size));
        }
        first
    }

    /// Makes a chain available.
    pub fn offer(&mut self, head: u16) {
        let slot = usize::from(self.available % self.size);
        self.memory
            .store(self.driver, ENTRIES + 2 * slot, head.to_le());
        self.available = self.available.wrapping_add(1);
        self.set_available(self.available);
    }

    /// Writes the available index, whatever it is.
    pub fn set_available(&self, index: u16) {
        self.memory.store(self.driver, INDEX, index.to_le());
    }

    /// The available index as it should be.
    pub fn available(&self) -> u16 {
        self.available
    }

    /// How many chains are not used yet.
    pub fn in_flight(&self) -> u16 {
        self.available.wrapping_sub(self.used)
    }

    /// Takes the next used entry.
    pub fn take_used(&mut self) -> Option<Used> {
        let index: u16 = self.memory.load(self.device, INDEX);
        if u16::from_le(index) == self.used {
            return None;
        }
        let slot = usize::from(self.used % self.size);
        let word = |at| u32::from_le(self.memory.load(self.device, ENTRIES + 8 * slot + at));
        let used = Used {
            head: word(0),
            len: word(4),
        };
        self.used = self.used.wrapping_add(1);
        Some(used)
    }
}
