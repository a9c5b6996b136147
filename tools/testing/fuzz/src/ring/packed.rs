// SPDX-License-Identifier: GPL-2.0
//! The driver side of a packed queue.

use virtio::ring::{Area, Position};

use crate::{descriptor::encode, tape::Tape};

use super::{
    memory::{Memory, BASE, BUFFERS},
    split::descriptor,
    Driver, Taken,
};

const AVAIL: u16 = 1 << 7;
const USED: u16 = 1 << 15;

/// A place in the ring, which wraps.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    offset: u16,
    wrap: bool,
}

impl Place {
    fn from_word(word: u16) -> Self {
        Self {
            offset: word & 0x7fff,
            wrap: word >> 15 != 0,
        }
    }

    fn to_word(self) -> u16 {
        self.offset | (u16::from(self.wrap) << 15)
    }

    fn next(self, size: u16) -> Self {
        let is_last = self.offset + 1 >= size;
        Self {
            offset: if is_last { 0 } else { self.offset + 1 },
            wrap: self.wrap != is_last,
        }
    }

    /// The flags of a descriptor that is available here.
    fn available(self) -> u16 {
        if self.wrap {
            AVAIL
        } else {
            USED
        }
    }

    fn at(self) -> usize {
        16 * usize::from(self.offset)
    }
}

/// Where it is.
pub struct Packed {
    size: u16,
    available: Place,
    used: Place,
    /// What was used by the last push.
    passed: Vec<u16>,
}

impl Packed {
    /// A driver side that begins anywhere in the ring.
    pub fn new(size: u16, tape: &Tape<'_>) -> Self {
        let place = Place {
            offset: tape.any::<u16>() % size,
            wrap: tape.once_in(2),
        };
        Self {
            size,
            available: place,
            used: place,
            passed: Vec::new(),
        }
    }
}

impl Driver for Packed {
    fn describe(&self, tape: &Tape<'_>, memory: &Memory<'_>) {
        let index = usize::from(tape.any::<u16>() % self.size);
        let (addr, len) = descriptor(tape);
        let owner = tape.pick(&[AVAIL, USED, AVAIL | USED, 0]);
        let flags = (tape.any::<u16>() & 15) | owner;
        // Id and flags are the other way round than in a table.
        let bytes = encode(addr, len, tape.any(), flags);
        memory.set(Area::Descriptor, 16 * index, &bytes);
    }

    fn offer(&mut self, tape: &Tape<'_>, memory: &Memory<'_>) {
        let count = 1 + tape.below(5) as usize;
        let writable = tape.below(6) as usize;
        let is_table = tape.once_in(3);
        for n in 0..count {
            let write = if n >= writable { 2 } else { 0 };
            let more = u16::from(n + 1 < count);
            let addr = BASE + 64 * u64::from(tape.any::<u8>() % 64);
            let (len, id) = (tape.below(65), tape.any());
            if is_table && n < BUFFERS / 16 {
                memory.set_buffer(16 * n, &encode(addr, len, id, write));
                continue;
            }
            let flags = write | more | self.available.available();
            let bytes = encode(addr, len, id, flags);
            memory.set(Area::Descriptor, self.available.at(), &bytes);
            self.available = self.available.next(self.size);
        }
        if is_table {
            let flags = 4 | self.available.available();
            let bytes = encode(BASE, 16 * count as u32, tape.any(), flags);
            memory.set(Area::Descriptor, self.available.at(), &bytes);
            self.available = self.available.next(self.size);
        }
    }

    fn restart(&mut self, _: &Memory<'_>) -> Position {
        self.used = self.available;
        Position::packed(self.available.to_word())
    }

    fn taken_over(&mut self, _: Position) {
        unreachable!("a packed queue is not taken over");
    }

    fn used_area(&self) -> Area {
        Area::Descriptor
    }

    fn use_up(&mut self, groups: &[&[Taken]], to: &mut [u8]) {
        self.passed.clear();
        for group in groups {
            let used = group[group.len() - 1].used;
            let write = if used.len != 0 { 2 } else { 0 };
            let owner = if self.used.wrap { AVAIL | USED } else { 0 };
            let descriptor = encode(0, used.len, used.head, write | owner);
            let at = self.used.at();
            to[at + 8..at + 16].copy_from_slice(&descriptor[8..]);
            for _ in 0..group.iter().map(|taken| taken.descriptors).sum() {
                self.passed.push(self.used.to_word());
                self.used = self.used.next(self.size);
            }
        }
    }

    /// 2.8.10, 2.8.14.
    fn is_wanted(&self, memory: &Memory<'_>, event_idx: bool) -> bool {
        let (place, flags) = memory.last_wish();
        match flags & 3 {
            1 => false,
            2 if event_idx => self.passed.contains(&place),
            _ => true,
        }
    }

    fn has_more(&self, memory: &Memory<'_>, at: Position, in_flight: u16) -> bool {
        let owner = memory.last_loaded() & (AVAIL | USED);
        in_flight < self.size && owner == Place::from_word(at.available).available()
    }
}
