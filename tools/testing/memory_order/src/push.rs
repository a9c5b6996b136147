// SPDX-License-Identifier: GPL-2.0
//! A push area, shared by the RC and the EP, and the EP's way to a queue that has one.

use std::sync::Arc;

use loom::sync::atomic::{AtomicU16, Ordering::Relaxed};
use virtio::ring::{Area, PushArea, PushMemory, RingMemory};

use crate::{
    area::{NoMemory, Side},
    Missing,
};

/// One side's way to the push area.
#[derive(Clone)]
pub struct Near {
    words: Arc<Vec<AtomicU16>>,
    missing: Missing,
}

impl Near {
    /// A push area of zeros.
    pub fn new(bytes: u32) -> Self {
        let words = (0..bytes / 2).map(|_| AtomicU16::new(0));
        Self {
            words: Arc::new(words.collect()),
            missing: Missing::Nothing,
        }
    }

    /// The same for a side that leaves out a barrier.
    pub fn without(&self, missing: Missing) -> Self {
        Self {
            words: self.words.clone(),
            missing,
        }
    }

    fn read(&self, offset: usize, to: &mut [u8]) -> Result<(), NoMemory> {
        for (n, pair) in to.chunks_exact_mut(2).enumerate() {
            let word = self.words.get(offset / 2 + n).ok_or(NoMemory)?;
            pair.copy_from_slice(&word.load(Relaxed).to_le_bytes());
        }
        Ok(())
    }
}

impl PushMemory for Near {
    fn write(&self, offset: usize, from: &[u8]) {
        for (n, pair) in from.chunks_exact(2).enumerate() {
            self.store_u16(offset + 2 * n, u16::from_le_bytes([pair[0], pair[1]]));
        }
    }

    fn store_u16(&self, offset: usize, value: u16) {
        self.words[offset / 2].store(value, Relaxed);
    }

    fn write_barrier(&self) {
        self.missing.write_barrier();
    }
}

/// The EP: what is pushed is near, the rest in memory of the RC.
pub struct Device {
    far: Side,
    near: Near,
    area: PushArea,
}

impl Device {
    /// It leaves out what its way to the push area leaves out.
    pub fn new(far: Side, near: Near, area: PushArea) -> Self {
        Self { far, near, area }
    }
}

impl RingMemory for Device {
    type Error = NoMemory;

    fn read(&self, area: Area, offset: usize, to: &mut [u8]) -> Result<(), NoMemory> {
        match self.area.offset(area) {
            Some(start) => self.near.read(start + offset, to),
            None => self.far.read(area, offset, to),
        }
    }

    fn write(&self, area: Area, offset: usize, from: &[u8]) -> Result<(), NoMemory> {
        self.far.write(area, offset, from)
    }

    fn load_u16(&self, area: Area, offset: usize) -> Result<u16, NoMemory> {
        let mut bytes = [0; 2];
        self.read(area, offset, &mut bytes)?;
        Ok(u16::from_le_bytes(bytes))
    }

    fn store_u16(&self, area: Area, offset: usize, value: u16) -> Result<(), NoMemory> {
        self.far.store_u16(area, offset, value)
    }

    fn read_buffer(&self, addr: u64, to: &mut [u8]) -> Result<(), NoMemory> {
        match PushArea::offset_of(addr) {
            Some(offset) => self.near.read(offset as usize, to),
            None => self.far.read_buffer(addr, to),
        }
    }

    fn write_buffer(&self, addr: u64, from: &[u8]) -> Result<(), NoMemory> {
        self.far.write_buffer(addr, from)
    }

    fn read_barrier(&self) {
        self.near.missing.read_barrier();
    }

    fn write_barrier(&self) {
        self.near.missing.write_barrier();
    }

    fn full_barrier(&self) {
        self.near.missing.full_barrier();
    }
}
