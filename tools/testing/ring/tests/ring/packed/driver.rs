// SPDX-License-Identifier: GPL-2.0
//! The driver side of a packed ring, as the specification tells it, over the same memory as the split
//! one's.

use std::collections::{HashMap, VecDeque};

use virtio::{
    features::{IN_ORDER, RING_PACKED},
    ring::{Area, Position},
};
use vm_memory::Bytes;

use crate::driver::{Desc, DriverSide, INDIRECT, NEXT, WRITE};

/// `VIRTQ_DESC_F_AVAIL` and `VIRTQ_DESC_F_USED`.
pub const AVAIL: u16 = 1 << 7;
pub const USED: u16 = 1 << 15;

/// Address, length and whether the device side may write.
pub type Buffer = (u64, u32, bool);

/// Event suppression: all, none, or the one at a place.
pub const ENABLE: u16 = 0;
pub const DISABLE: u16 = 1;
pub const AT_PLACE: u16 = 2;

/// An offset and a ring wrap counter (2.8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub offset: u16,
    pub wrap: bool,
}

impl Place {
    pub const FIRST: Self = Self {
        offset: 0,
        wrap: true,
    };

    /// One further; each side inverts its counter when it goes on after the last descriptor.
    pub fn next(self, size: u16) -> Self {
        let is_last = self.offset + 1 == size;
        Self {
            offset: if is_last { 0 } else { self.offset + 1 },
            wrap: self.wrap != is_last,
        }
    }

    pub fn after(self, count: u16, size: u16) -> Self {
        (0..count).fold(self, |place, _| place.next(size))
    }

    /// As in the words of event suppression and of a saved queue.
    pub fn word(self) -> u16 {
        self.offset | (u16::from(self.wrap) << 15)
    }

    /// The flags of a descriptor that is available here.
    pub fn available(self) -> u16 {
        if self.wrap {
            AVAIL
        } else {
            USED
        }
    }
}

/// What was made available and not seen used.
struct Outstanding {
    slots: u16,
    writable: u32,
}

/// The driver side.
pub struct PackedSide {
    pub side: DriverSide,
    in_order: bool,
    /// Where the next descriptor goes.
    pub next: Place,
    /// Where the next used descriptor will be.
    pub seen: Place,
    pub free: u16,
    ids: Vec<u16>,
    outstanding: HashMap<u16, Outstanding>,
    order: VecDeque<u16>,
    /// Flags of first descriptors that are not written yet.
    unpublished: Vec<(u16, u16)>,
}

impl PackedSide {
    pub fn new(size: u16, features: u64) -> Self {
        Self::starting_at(size, features, Place::FIRST)
    }

    /// Both sides start at a place, as after a restore.
    pub fn starting_at(size: u16, features: u64, place: Place) -> Self {
        let driver = Self {
            side: DriverSide::blank(size, RING_PACKED | features),
            in_order: features & IN_ORDER != 0,
            next: place,
            seen: place,
            free: size,
            ids: (0..size).collect(),
            outstanding: HashMap::new(),
            order: VecDeque::new(),
            unpublished: Vec::new(),
        };
        // What was there in the round before: descriptors that are used.
        for offset in 0..size {
            let wrap = place.wrap == (offset < place.offset);
            let flags = if wrap { AVAIL | USED } else { 0 };
            driver.describe(offset, Desc::new(0, 0, 0, flags));
        }
        driver
    }

    pub fn position(&self) -> Position {
        Position::packed(self.seen.word())
    }

    /// Writes a descriptor of the ring: id and flags are the other way round than in a table.
    pub fn describe(&self, offset: u16, desc: Desc) {
        self.side.describe(offset, desc);
    }

    /// The flags of a descriptor.
    pub fn flags(&self, offset: u16) -> u16 {
        self.side
            .load(Area::Descriptor, 16 * usize::from(offset) + 14)
    }

    pub fn set_flags(&self, offset: u16, flags: u16) {
        let at = 16 * usize::from(offset) + 14;
        self.side.store(Area::Descriptor, at, flags);
    }

    /// Writes a list of buffers, all but the flags of the first, and returns its id.
    pub fn enter(&mut self, buffers: &[Buffer]) -> u16 {
        let id = self.ids.pop().expect("a free id");
        self.take(id, buffers.len() as u16, buffers);
        for (n, (addr, len, writable)) in (1..).zip(buffers) {
            let next = if n < buffers.len() { NEXT } else { 0 };
            let write = if *writable { WRITE } else { 0 };
            self.put(*addr, *len, id, next | write, n == 1);
        }
        id
    }

    /// The same with a table.
    pub fn enter_table(&mut self, table: u64, buffers: &[Buffer]) -> u16 {
        let id = self.ids.pop().expect("a free id");
        self.take(id, 1, buffers);
        for (n, (addr, len, writable)) in (0..).zip(buffers) {
            let write = if *writable { WRITE } else { 0 };
            // Reserved: id and all other flags (2.8.7); nothing in them counts.
            let flags = write | AVAIL | NEXT;
            self.side
                .describe_in(table, n, Desc::new(*addr, *len, 0xabcd, flags));
        }
        let len = 16 * buffers.len() as u32;
        self.put(table, len, id, INDIRECT, true);
        id
    }

    fn take(&mut self, id: u16, slots: u16, buffers: &[Buffer]) {
        self.free = self.free.checked_sub(slots).expect("room in the ring");
        let writable = buffers.iter().filter(|(.., writable)| *writable);
        let writable = writable.map(|(_, len, _)| *len).sum();
        self.order.push_back(id);
        self.outstanding.insert(id, Outstanding { slots, writable });
    }

    fn put(&mut self, addr: u64, len: u32, id: u16, flags: u16, is_first: bool) {
        let (at, flags) = (self.next, flags | self.next.available());
        // What was there before stays until the list is published.
        let now = if is_first {
            self.flags(at.offset)
        } else {
            flags
        };
        self.describe(at.offset, Desc::new(addr, len, id, now));
        if is_first {
            self.unpublished.push((at.offset, flags));
        }
        self.next = at.next(self.side.size);
    }

    /// Makes all lists entered available, the last one first: only the first one counts (2.8.2).
    pub fn publish(&mut self) {
        for (offset, flags) in std::mem::take(&mut self.unpublished).into_iter().rev() {
            self.set_flags(offset, flags);
        }
    }

    pub fn offer(&mut self, buffers: &[Buffer]) -> u16 {
        let id = self.enter(buffers);
        self.publish();
        id
    }

    /// Returns id and length of the buffers used since the last call; in order, of those that were not
    /// told of too.
    pub fn take_used(&mut self) -> Vec<(u16, u32)> {
        let mut used = Vec::new();
        while let Some((id, len)) = self.look() {
            let mut skipped = 0;
            if self.in_order {
                while self.order.front() != Some(&id) {
                    let other = self.order.pop_front().expect("an id that is outstanding");
                    used.push((other, self.outstanding[&other].writable));
                    skipped += self.give_back(other);
                }
            }
            used.push((id, len));
            self.order.retain(|other| *other != id);
            skipped += self.give_back(id);
            self.seen = self.seen.after(skipped, self.side.size);
        }
        used
    }

    fn give_back(&mut self, id: u16) -> u16 {
        let Outstanding { slots, .. } = self.outstanding.remove(&id).expect("an outstanding id");
        self.ids.push(id);
        self.free += slots;
        slots
    }

    /// Returns the next used descriptor, if it is there.
    fn look(&self) -> Option<(u16, u32)> {
        let flags = self.flags(self.seen.offset);
        let is_used = flags & AVAIL != 0 && flags & USED != 0;
        let is_unused = flags & (AVAIL | USED) != 0;
        if self.seen.wrap != is_used || (!self.seen.wrap && is_unused) {
            return None;
        }
        let mut bytes = [0; 16];
        let at = self
            .side
            .address(Area::Descriptor, 16 * usize::from(self.seen.offset));
        self.side.memory.read_slice(&mut bytes, at).unwrap();
        let len = u32::from_le_bytes(bytes[8..12].try_into().unwrap());
        let id = u16::from_le_bytes(bytes[12..14].try_into().unwrap());
        // Without the write flag the length is reserved (2.8.4).
        Some((id, if flags & WRITE != 0 { len } else { 0 }))
    }

    /// What the driver side wants to be told of.
    pub fn set_event(&self, place: u16, flags: u16) {
        self.side.store(Area::Driver, 0, place);
        self.side.store(Area::Driver, 2, flags);
    }

    /// What the device side wants to be told of.
    pub fn device_event(&self) -> (u16, u16) {
        let word = |offset| self.side.load(Area::Device, offset);
        (word(0), word(2))
    }
}
