// SPDX-License-Identifier: GPL-2.0
//! The driver side of a split queue.

use virtio::ring::{Area, Position};

use crate::{descriptor::encode, tape::Tape};

use super::{
    memory::{Memory, BASE, BUFFERS},
    Driver, Taken,
};

/// Its indexes.
pub struct Split {
    size: u16,
    available: u16,
    /// The used index before the last push, and after it.
    used: [u16; 2],
    /// Where the next chain of an in-order driver side begins, mostly.
    head: usize,
}

impl Split {
    /// A driver side that begins at any index.
    pub fn new(size: u16, tape: &Tape<'_>) -> Self {
        let start = tape.any();
        Self {
            size,
            available: start,
            used: [start; 2],
            head: 0,
        }
    }

    fn slot(&self, index: u16) -> usize {
        usize::from(index & (self.size - 1))
    }
}

/// Bytes of a descriptor that may be anything.
pub fn descriptor(tape: &Tape<'_>) -> (u64, u32) {
    let addr = match tape.below(4) {
        0 => tape.long(),
        _ => BASE + u64::from(tape.below(BUFFERS as u32) & !7),
    };
    let len = match tape.below(4) {
        0 => tape.word(),
        _ => 16 * tape.below(8),
    };
    (addr, len)
}

impl Driver for Split {
    fn describe(&self, tape: &Tape<'_>, memory: &Memory<'_>) {
        let index = self.slot(tape.any());
        let (addr, len) = descriptor(tape);
        let flags = tape.any::<u16>() & 15;
        let bytes = encode(addr, len, flags, tape.below(20) as u16);
        memory.set(Area::Descriptor, 16 * index, &bytes);
    }

    fn offer(&mut self, tape: &Tape<'_>, memory: &Memory<'_>) {
        let head = match tape.once_in(2) {
            true => self.head,
            false => self.slot(tape.any()),
        };
        let count = 1 + tape.below(5) as usize;
        let writable = tape.below(6) as usize;
        let table = tape.once_in(3);
        let room = if table {
            BUFFERS / 16
        } else {
            self.size.into()
        };
        let count = count.min(room);
        for n in 0..count {
            let index = if table { n } else { (head + n) % room };
            let next = if table { n + 1 } else { (index + 1) % room };
            let write = if n >= writable { 2 } else { 0 };
            let more = u16::from(n + 1 < count);
            let addr = BASE + 64 * u64::from(tape.any::<u8>() % 64);
            let len = tape.below(65);
            let bytes = encode(addr, len, write | more, next as u16);
            match table {
                true => memory.set_buffer(16 * index, &bytes),
                false => memory.set(Area::Descriptor, 16 * index, &bytes),
            }
        }
        if table {
            let len = 16 * count as u32;
            let bytes = encode(BASE, len, 4, 0);
            memory.set(Area::Descriptor, 16 * head, &bytes);
        }
        let taken = if table { 1 } else { count };
        self.head = (head + taken) % usize::from(self.size);
        let entry = 4 + 2 * self.slot(self.available);
        memory.set(Area::Driver, entry, &(head as u16).to_le_bytes());
        self.available = self.available.wrapping_add(1);
        memory.set(Area::Driver, 2, &self.available.to_le_bytes());
    }

    fn restart(&mut self, memory: &Memory<'_>) -> Position {
        self.used = [self.available; 2];
        let index = self.available.to_le_bytes();
        memory.set(Area::Driver, 2, &index);
        memory.set(Area::Device, 2, &index);
        Position::split(self.available)
    }

    fn taken_over(&mut self, at: Position) {
        self.used = [at.available; 2];
    }

    fn used_area(&self) -> Area {
        Area::Device
    }

    fn use_up(&mut self, groups: &[&[Taken]], to: &mut [u8]) {
        let [_, old] = self.used;
        let mut index = old;
        for group in groups {
            let used = group[group.len() - 1].used;
            let entry = 4 + 8 * self.slot(index);
            to[entry..entry + 4].copy_from_slice(&u32::from(used.head).to_le_bytes());
            to[entry + 4..entry + 8].copy_from_slice(&used.len.to_le_bytes());
            index = index.wrapping_add(group.len() as u16);
        }
        if !groups.is_empty() {
            to[2..4].copy_from_slice(&index.to_le_bytes());
        }
        self.used = [old, index];
    }

    /// 2.7.7.2.
    fn is_wanted(&self, memory: &Memory<'_>, event_idx: bool) -> bool {
        let wish = memory.last_loaded();
        if !event_idx {
            return wish & 1 == 0;
        }
        let [old, new] = self.used;
        let mut placed = (0..new.wrapping_sub(old)).map(|n| old.wrapping_add(n));
        placed.any(|index| index == wish)
    }

    fn has_more(&self, memory: &Memory<'_>, at: Position, _: u16) -> bool {
        memory.last_loaded() != at.available
    }
}
