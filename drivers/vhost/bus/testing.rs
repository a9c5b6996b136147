// SPDX-License-Identifier: GPL-2.0

//! Plain memory of a driver side, for the KUnit suites of the bus and of backends.
//!
//! ```text
//!   0x0      descriptor area, at most 32 descriptors
//!   0x200    driver area
//!   0x300    device area
//!   0x400    what the suite wants
//! ```

use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
};
use virtio::ring::{
    Area,
    RingMemory, //
};

/// Memory of a driver side with one queue; addresses are offsets.
#[pin_data]
pub struct Memory {
    #[pin]
    bytes: Mutex<VVec<u8>>,
}

impl Memory {
    /// Makes `len` bytes of zeroes.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: no memory.
    pub fn new(len: usize) -> Result<Arc<Self>> {
        let bytes = VVec::from_elem(0, len, GFP_KERNEL)?;
        Arc::pin_init(pin_init!(Self { bytes <- new_mutex!(bytes) }), GFP_KERNEL)
    }

    /// Copies from the memory at `at`.
    ///
    /// # Errors
    ///
    /// `EFAULT`: it ends before.
    pub fn read(&self, at: usize, to: &mut [u8]) -> Result {
        let bytes = self.bytes.lock();
        let from = bytes.get(at..at.wrapping_add(to.len())).ok_or(EFAULT)?;
        to.copy_from_slice(from);
        Ok(())
    }

    /// Copies to the memory at `at`.
    ///
    /// # Errors
    ///
    /// `EFAULT`: it ends before.
    pub fn write(&self, at: usize, from: &[u8]) -> Result {
        let mut bytes = self.bytes.lock();
        let end = at.wrapping_add(from.len());
        let to = bytes.get_mut(at..end).ok_or(EFAULT)?;
        to.copy_from_slice(from);
        Ok(())
    }

    /// Returns a copy of all of it.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: no memory.
    pub fn read_all(&self) -> Result<VVec<u8>> {
        let bytes = self.bytes.lock();
        let mut copy = VVec::with_capacity(bytes.len(), GFP_KERNEL)?;
        copy.extend_from_slice(&bytes, GFP_KERNEL)?;
        Ok(copy)
    }

    /// Returns the 16 bits at `at`.
    ///
    /// # Errors
    ///
    /// `EFAULT`: the memory ends before.
    pub fn word(&self, at: usize) -> Result<u16> {
        let mut word = [0; 2];
        self.read(at, &mut word)?;
        Ok(u16::from_le_bytes(word))
    }
}

/// Returns where an area is.
pub fn base(area: Area) -> usize {
    match area {
        Area::Descriptor => 0,
        Area::Driver => 0x200,
        Area::Device => 0x300,
    }
}

/// The [`RingMemory`] over [`Memory`].
pub struct Plain(pub Arc<Memory>);

impl RingMemory for Plain {
    type Error = Error;

    fn read(&self, area: Area, offset: usize, to: &mut [u8]) -> Result {
        self.0.read(base(area) + offset, to)
    }

    fn write(&self, area: Area, offset: usize, from: &[u8]) -> Result {
        self.0.write(base(area) + offset, from)
    }

    fn load_u16(&self, area: Area, offset: usize) -> Result<u16> {
        self.0.word(base(area) + offset)
    }

    fn store_u16(&self, area: Area, offset: usize, value: u16) -> Result {
        self.0.write(base(area) + offset, &value.to_le_bytes())
    }

    fn read_buffer(&self, addr: u64, to: &mut [u8]) -> Result {
        self.0.read(usize::try_from(addr)?, to)
    }

    fn write_buffer(&self, addr: u64, from: &[u8]) -> Result {
        self.0.write(usize::try_from(addr)?, from)
    }

    // One thread, one memory, and its lock.
    fn read_barrier(&self) {}
    fn write_barrier(&self) {}
    fn full_barrier(&self) {}
}
