// SPDX-License-Identifier: GPL-2.0
//! The areas of a queue, shared by the driver side and the device side.

use std::sync::{Arc, Mutex, MutexGuard};

use loom::sync::atomic::{AtomicU16, Ordering::Relaxed};
use virtio::ring::{Area, Batch, Layout, RingMemory};

use crate::Missing;

/// The driver-side address of the payload.
pub const PAYLOAD: u64 = 0x1000;

/// Words of payload: a line, which is the least room of a push area.
const PAYLOAD_WORDS: usize = 32;

/// Why an access failed: there is no such memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoMemory;

/// A batch for one check at a time: loom's stacks have no room for one.
pub fn batch() -> MutexGuard<'static, Batch> {
    static BATCH: Mutex<Batch> = Mutex::new(Batch::new());
    BATCH
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

struct Shared {
    areas: [Vec<AtomicU16>; 3],
    payload: Vec<AtomicU16>,
}

/// One side's way to the memory.
#[derive(Clone)]
pub struct Side {
    shared: Arc<Shared>,
    missing: Missing,
}

impl Side {
    /// Memory of zeros for a queue of this layout.
    pub fn new(layout: Layout) -> Self {
        let words = |count: usize| (0..count).map(|_| AtomicU16::new(0)).collect();
        let areas = [Area::Descriptor, Area::Driver, Area::Device];
        Self {
            shared: Arc::new(Shared {
                areas: areas.map(|area| words(area.len(layout) / 2)),
                payload: words(PAYLOAD_WORDS),
            }),
            missing: Missing::Nothing,
        }
    }

    /// The same memory for a side that leaves out a barrier.
    pub fn without(&self, missing: Missing) -> Self {
        Self {
            shared: self.shared.clone(),
            missing,
        }
    }

    /// Writes a word of an area, as either side.
    pub fn set(&self, area: Area, offset: usize, value: u16) {
        self.shared.areas[area as usize][offset / 2].store(value, Relaxed);
    }

    /// Reads a word of an area, as either side.
    pub fn get(&self, area: Area, offset: usize) -> u16 {
        self.shared.areas[area as usize][offset / 2].load(Relaxed)
    }

    /// Writes the first words of payload.
    pub fn set_payload(&self, words: &[u16]) {
        for (word, value) in self.shared.payload.iter().zip(words) {
            word.store(*value, Relaxed);
        }
    }

    /// Reads a word of payload.
    pub fn payload(&self, word: usize) -> u16 {
        self.shared.payload[word].load(Relaxed)
    }
}

impl RingMemory for Side {
    type Error = NoMemory;

    fn read(&self, area: Area, offset: usize, to: &mut [u8]) -> Result<(), NoMemory> {
        for (n, pair) in to.chunks_exact_mut(2).enumerate() {
            pair.copy_from_slice(&self.get(area, offset + 2 * n).to_le_bytes());
        }
        Ok(())
    }

    fn write(&self, area: Area, offset: usize, from: &[u8]) -> Result<(), NoMemory> {
        for (n, pair) in from.chunks_exact(2).enumerate() {
            self.set(area, offset + 2 * n, u16::from_le_bytes([pair[0], pair[1]]));
        }
        Ok(())
    }

    fn load_u16(&self, area: Area, offset: usize) -> Result<u16, NoMemory> {
        Ok(self.get(area, offset))
    }

    fn store_u16(&self, area: Area, offset: usize, value: u16) -> Result<(), NoMemory> {
        self.set(area, offset, value);
        Ok(())
    }

    fn read_buffer(&self, addr: u64, to: &mut [u8]) -> Result<(), NoMemory> {
        let first = addr.checked_sub(PAYLOAD).ok_or(NoMemory)? as usize / 2;
        for (n, pair) in to.chunks_exact_mut(2).enumerate() {
            let word = self.shared.payload.get(first + n).ok_or(NoMemory)?;
            pair.copy_from_slice(&word.load(Relaxed).to_le_bytes());
        }
        Ok(())
    }

    fn write_buffer(&self, addr: u64, from: &[u8]) -> Result<(), NoMemory> {
        let first = addr.checked_sub(PAYLOAD).ok_or(NoMemory)? as usize / 2;
        for (n, pair) in from.chunks_exact(2).enumerate() {
            let word = self.shared.payload.get(first + n).ok_or(NoMemory)?;
            word.store(u16::from_le_bytes([pair[0], pair[1]]), Relaxed);
        }
        Ok(())
    }

    fn read_barrier(&self) {
        self.missing.read_barrier();
    }

    fn write_barrier(&self) {
        self.missing.write_barrier();
    }

    fn full_barrier(&self) {
        self.missing.full_barrier();
    }
}
