// SPDX-License-Identifier: GPL-2.0
//! Copies what the driver side makes available to the push area.

use core::ops::DerefMut;

use super::{
    super::{
        super::{
            error::RingError,
            memory::{Area, AVAILABLE_ENTRY, DESCRIPTOR, FLAGS, INDEX, RING},
            RingMemory, //
        },
        descriptor::Descriptor,
    },
    area::{
        PushArea,
        MOST_PUSHED, //
    },
    lines::Lines,
    room::Room,
};

/// How many bytes of payload are copied at once; they are on the stack.
const COPY: usize = 256;

/// How many entries of the available ring are copied at once; they are on the stack.
const ENTRIES: usize = 64;

/// How many descriptors of an indirect table are copied at once.
const DESCRIPTORS: usize = COPY / DESCRIPTOR;

/// The memory of the device that a queue is pushed to, as the driver side writes it.
///
/// Nothing of it is read. Writes to a device that is gone are dropped. Writes between two barriers may come in
/// any order, and combined.
pub trait PushMemory {
    /// Copies to the push area, by accesses as long as they can be.
    fn write(&self, offset: usize, from: &[u8]);

    /// Converts a 16-bit word to little-endian and writes it to the push area by one access.
    fn store_u16(&self, offset: usize, value: u16);

    /// Lets no later write pass an earlier write, not even one that is no write to the push area, as a
    /// doorbell is; nothing that was written waits for more to be combined with.
    fn write_barrier(&self);
}

/// The driver side's end of a queue that is pushed.
///
/// It writes what lies side by side one after the other, so that a processor which combines writes sends whole
/// lines.
///
/// `S` is the driver side's own memory, of which payload is read; a range of it that cannot be read is left
/// for the device side to fetch. `E` has room for as many numbers as the queue has descriptors.
pub struct Mirror<S: RingMemory, P: PushMemory, E: DerefMut<Target = [u64]>> {
    source: S,
    target: P,
    area: PushArea,
    /// The available index up to which all is pushed.
    next: u16,
    /// The used index as it was last believed.
    used: u16,
    room: Room,
    /// How far the room was taken after each chain, by the slot of its available index.
    ends: E,
}

impl<S: RingMemory, P: PushMemory, E: DerefMut<Target = [u64]>> Mirror<S, P, E> {
    /// Makes the mirror of a queue that goes on at the available index `start`, which is written to the
    /// push area; nothing is available there yet.
    pub fn new(area: PushArea, start: u16, source: S, target: P, ends: E) -> Self {
        let mut mirror = Self {
            source,
            target,
            area,
            next: start,
            used: start,
            room: Room::new(area.room_len()),
            ends,
        };
        mirror.restart(start);
        mirror
    }

    /// Has the queue go on at the available index `start`, as [`new`](Self::new) does. The device side stands
    /// still meanwhile, and has no chain that it did not use or return.
    pub fn restart(&mut self, start: u16) {
        self.next = start;
        self.used = start;
        self.room = Room::new(self.area.room_len());
        let driver = self.area.driver();
        self.target.store_u16(driver + FLAGS, 0);
        self.target.store_u16(driver + INDEX, start);
        // ORDERING: before the device side is told to look there.
        self.target.write_barrier();
    }

    /// Pushes all chains that were made available, and returns how many there were.
    ///
    /// No descriptor is in two chains at a time, so all of them have no more descriptors than the table. That
    /// bounds what a driver side costs that is not trusted: there is nothing to wait for here, and interrupts
    /// may be off.
    ///
    /// # Errors
    ///
    /// The driver side broke a rule, or its rings cannot be reached; then nothing new is available in
    /// the push area.
    pub fn sync(&mut self) -> Result<u16, RingError<S::Error>> {
        let available = self.load_available_index()?;
        let count = available.wrapping_sub(self.next);
        if count == 0 {
            return Ok(0);
        }
        self.give_back()?;
        let mut table = Lines::new();
        let mut left = self.area.size().get();
        // At most the queue size.
        for done in 0..count {
            let index = self.next.wrapping_add(done);
            left = self.push_chain(index, left, &mut table)?;
        }
        table.flush(&self.target);
        self.push_entries(count)?;
        // ORDERING: payload, descriptors and entries before the index that hands them over. Pairs with the
        // device side's barrier between the index and the entries (section 2.7.13.3).
        self.target.write_barrier();
        self.target.store_u16(self.area.driver() + INDEX, available);
        // ORDERING: the index before the doorbell.
        self.target.write_barrier();
        self.next = available;
        Ok(count)
    }

    fn load_available_index(&self) -> Result<u16, RingError<S::Error>> {
        let index = self.source.load_u16(Area::Driver, INDEX)?;
        // ORDERING: the index before the entries and descriptors that it makes available.
        self.source.read_barrier();
        let (seen, used, size) = (self.next, self.used, self.area.size().get());
        if index.wrapping_sub(seen) > size {
            return Err(RingError::AvailableIndex {
                index,
                seen,
                used,
                size,
            });
        }
        Ok(index)
    }

    /// Gives the room of those chains back that the device side has used.
    ///
    /// It uses them in the order in which they were made available. An index that cannot be is not believed:
    /// then nothing is given back, and what has no room is fetched by the device side.
    fn give_back(&mut self) -> Result<(), S::Error> {
        let used = self.source.load_u16(Area::Device, INDEX)?;
        let count = used.wrapping_sub(self.used);
        if count == 0 || count > self.next.wrapping_sub(self.used) {
            return Ok(());
        }
        let last = self.area.size().slot(used.wrapping_sub(1));
        if let Some(end) = self.ends.get(last) {
            self.room.give_back(*end);
        }
        self.used = used;
        Ok(())
    }

    /// Pushes the descriptors of the chain that is available at `index`, at most `left`, and what it has to
    /// read. Returns how many are left.
    fn push_chain(
        &mut self,
        index: u16,
        left: u16,
        table: &mut Lines,
    ) -> Result<u16, RingError<S::Error>> {
        let slot = self.area.size().slot(index);
        let mut head = [0; AVAILABLE_ENTRY];
        let at = RING.wrapping_add(slot.wrapping_mul(AVAILABLE_ENTRY));
        self.source.read(Area::Driver, at, &mut head)?;
        let left = self.push_descriptors(u16::from_le_bytes(head), left, table)?;
        let taken = self.room.taken();
        if let Some(end) = self.ends.get_mut(slot) {
            *end = taken;
        }
        Ok(left)
    }

    fn push_descriptors(
        &mut self,
        head: u16,
        left: u16,
        table: &mut Lines,
    ) -> Result<u16, RingError<S::Error>> {
        let size = self.area.size().get();
        let mut index = head;
        for left in (0..left).rev() {
            if index >= size {
                return Err(RingError::HeadOutOfRange { head: index, size });
            }
            let at = DESCRIPTOR.wrapping_mul(index.into());
            let mut bytes = [0; DESCRIPTOR];
            self.source.read(Area::Descriptor, at, &mut bytes)?;
            let descriptor = Descriptor::from_bytes(&bytes);
            let pushed = self.push_what_is_behind(descriptor);
            table.write(at, &pushed.to_bytes(), &self.target);
            match descriptor.next() {
                Some(next) => index = next,
                None => return Ok(left),
            }
        }
        Err(RingError::ChainTooLong { head, limit: size })
    }

    /// Pushes what a descriptor refers to, if it is for the device side to read and there is room, and
    /// returns the descriptor that refers to it there.
    fn push_what_is_behind(&mut self, descriptor: Descriptor) -> Descriptor {
        let place = match descriptor.is_indirect() {
            true => self.push_table(descriptor.addr, descriptor.len),
            false => self
                .place_for(descriptor)
                .filter(|at| self.push_buffer(descriptor, *at).is_some()),
        };
        moved(descriptor, place)
    }

    /// Takes room for what a descriptor of no table refers to.
    fn place_for(&mut self, descriptor: Descriptor) -> Option<u32> {
        let buffer = descriptor.buffer();
        let is_pushed = !buffer.is_writable && self.area.takes(buffer.len);
        is_pushed.then(|| self.take(buffer.len)).flatten()
    }

    /// Pushes the payload of a descriptor to this place.
    fn push_buffer(&self, descriptor: Descriptor, place: u32) -> Option<()> {
        let mut bytes = [0; COPY];
        for done in (0..descriptor.len).step_by(COPY) {
            let left = descriptor.len.checked_sub(done)?;
            let piece = bytes.get_mut(..COPY.min(left as usize))?;
            let from = descriptor.addr.checked_add(done.into())?;
            self.source.read_buffer(from, piece).ok()?;
            let to = place.checked_add(done)? as usize;
            self.target.write(to, piece);
        }
        Some(())
    }

    /// Pushes an indirect table, with what its descriptors refer to, and returns where it is in the
    /// push area.
    ///
    /// What is wrong with a table is for the device side to find, in the original.
    fn push_table(&mut self, addr: u64, len: u32) -> Option<u32> {
        if !(1..=MOST_PUSHED).contains(&len) || len % DESCRIPTOR as u32 != 0 {
            return None;
        }
        let at = self.take(len)?;
        for done in (0..len).step_by(COPY) {
            let mut bytes = [0; COPY];
            let piece = bytes.get_mut(..COPY.min(len.checked_sub(done)? as usize))?;
            let from = addr.checked_add(done.into())?;
            self.source.read_buffer(from, piece).ok()?;
            self.push_part(piece, at.checked_add(done)? as usize);
        }
        Some(at)
    }

    /// Pushes descriptors of an indirect table to this place, then what they refer to.
    fn push_part(&mut self, table: &mut [u8], to: usize) {
        let mut places = [None; DESCRIPTORS];
        for (bytes, place) in table.chunks_exact_mut(DESCRIPTOR).zip(&mut places) {
            let Some(bytes) = bytes.first_chunk_mut() else {
                continue;
            };
            let descriptor = Descriptor::from_bytes(bytes);
            let at = match descriptor.is_indirect() {
                true => None,
                false => self.place_for(descriptor),
            };
            *bytes = moved(descriptor, at).to_bytes();
            *place = at.map(|at| (descriptor, at));
        }
        self.target.write(to, table);
        for (index, place) in places.into_iter().enumerate() {
            let Some((descriptor, at)) = place else {
                continue;
            };
            if self.push_buffer(descriptor, at).is_none() {
                let at = to.wrapping_add(DESCRIPTOR.wrapping_mul(index));
                self.target.write(at, &descriptor.to_bytes());
            }
        }
    }

    /// Takes room, and returns where it is in the push area.
    fn take(&mut self, len: u32) -> Option<u32> {
        self.room.take(len)?.checked_add(self.area.room())
    }

    /// Copies the next `count` entries of the available ring, run by run.
    fn push_entries(&mut self, count: u16) -> Result<(), S::Error> {
        let size = self.area.size();
        let mut bytes = [0; ENTRIES * AVAILABLE_ENTRY];
        let mut done = 0;
        // Bounded by `count`: each run has an entry at least.
        while done < count {
            let slot = size.slot(self.next.wrapping_add(done));
            let left = usize::from(count.wrapping_sub(done));
            let run = ENTRIES.min(left).min(size.entries().wrapping_sub(slot));
            let at = RING.wrapping_add(slot.wrapping_mul(AVAILABLE_ENTRY));
            let entries = bytes.get_mut(..run.wrapping_mul(AVAILABLE_ENTRY));
            let entries = entries.unwrap_or_default();
            self.source.read(Area::Driver, at, entries)?;
            self.target.write(self.area.driver() + at, entries);
            // CAST: At most `ENTRIES`.
            done = done.wrapping_add(run as u16);
        }
        Ok(())
    }
}

/// Returns the descriptor that refers to `place` in the push area; the same if there is no place.
fn moved(descriptor: Descriptor, place: Option<u32>) -> Descriptor {
    match place {
        Some(at) => descriptor.moved_to(PushArea::address(at)),
        None => descriptor,
    }
}
