// SPDX-License-Identifier: GPL-2.0
//! Memory of 4 KiB that holds one queue, its tables and its buffers.

use std::cell::RefCell;

use virtio::ring::{Area, RingMemory};

/// The driver-side address of the first byte.
pub const BASE: u64 = 0x40_0000_0000;
/// Where indirect tables and buffers are.
pub const BUFFERS: usize = 0x800;
/// How many bytes there are.
pub const END: usize = 0x1000;

/// Where an area begins.
pub fn place(area: Area) -> usize {
    match area {
        Area::Descriptor => 0x100,
        Area::Driver => 0x300,
        Area::Device => 0x400,
    }
}

/// An access outside the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault;

/// The memory.
pub struct Memory(RefCell<Vec<u8>>);

impl Memory {
    pub fn new() -> Self {
        Self(RefCell::new(vec![0; END]))
    }

    /// Writes to a place inside.
    pub fn set(&self, offset: usize, bytes: &[u8]) {
        self.0.borrow_mut()[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    /// Shows all bytes.
    pub fn with<T>(&self, look: impl FnOnce(&[u8]) -> T) -> T {
        look(&self.0.borrow())
    }
}

impl RingMemory for Memory {
    type Error = Fault;

    fn read(&self, area: Area, offset: usize, to: &mut [u8]) -> Result<(), Fault> {
        self.read_buffer(BASE + (place(area) + offset) as u64, to)
    }

    fn write(&self, area: Area, offset: usize, from: &[u8]) -> Result<(), Fault> {
        self.write_buffer(BASE + (place(area) + offset) as u64, from)
    }

    fn load_u16(&self, area: Area, offset: usize) -> Result<u16, Fault> {
        let mut bytes = [0; 2];
        self.read(area, offset, &mut bytes)?;
        Ok(u16::from_le_bytes(bytes))
    }

    fn store_u16(&self, area: Area, offset: usize, value: u16) -> Result<(), Fault> {
        self.write(area, offset, &value.to_le_bytes())
    }

    fn read_buffer(&self, addr: u64, to: &mut [u8]) -> Result<(), Fault> {
        let start = addr.checked_sub(BASE).ok_or(Fault)? as usize;
        let end = start.checked_add(to.len()).ok_or(Fault)?;
        let memory = self.0.borrow();
        to.copy_from_slice(memory.get(start..end).ok_or(Fault)?);
        Ok(())
    }

    fn write_buffer(&self, addr: u64, from: &[u8]) -> Result<(), Fault> {
        let start = addr.checked_sub(BASE).ok_or(Fault)? as usize;
        let end = start.checked_add(from.len()).ok_or(Fault)?;
        let mut memory = self.0.borrow_mut();
        memory
            .get_mut(start..end)
            .ok_or(Fault)?
            .copy_from_slice(from);
        Ok(())
    }

    fn read_barrier(&self) {}
    fn write_barrier(&self) {}
    fn full_barrier(&self) {}
}
