// SPDX-License-Identifier: GPL-2.0
//! A BAR, mapped.

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::atomic::{fence, Ordering};

use anyhow::{Context, Result};
use transport::{Offset, Registers};
use vm_memory::{AtomicAccess, Bytes, FileOffset, MmapRegion, VolatileMemory};

/// A BAR that is mapped by its resource file.
pub struct Bar {
    region: MmapRegion,
}

impl Bar {
    /// Maps all `size` bytes.
    pub fn map(resource: &Path, size: usize) -> Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(resource);
        let file = file.with_context(|| format!("cannot open {}", resource.display()))?;
        let region = MmapRegion::build(
            Some(FileOffset::new(file, 0)),
            size,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
        )
        .with_context(|| format!("cannot map {}", resource.display()))?;
        Ok(Self { region })
    }

    /// Number of bytes.
    pub fn size(&self) -> usize {
        self.region.size()
    }

    /// Writes a value by one access of its width; the place is a multiple of that.
    pub fn write<T: AtomicAccess>(&self, at: usize, value: T) -> Result<()> {
        // ORDERING: Writes of this program are in order; what passes the processor is in order by the
        // memory type of the mapping.
        let slice = self.region.as_volatile_slice();
        slice
            .store(value, at, Ordering::Release)
            .with_context(|| format!("no place for a value at {at:#x} of a BAR"))
    }
}

impl Registers for Bar {
    fn read32(&self, offset: Offset) -> u32 {
        let slice = self.region.as_volatile_slice();
        let word = slice.load(offset.bytes() as usize, Ordering::Acquire);
        word.map_or(u32::MAX, u32::from_le)
    }

    fn write32(&self, offset: Offset, value: u32) {
        // A write outside the mapping is dropped, as the trait says.
        let _ = self.write(offset.bytes() as usize, value.to_le());
    }

    fn read_barrier(&self) {
        fence(Ordering::SeqCst);
    }

    fn write_barrier(&self) {
        fence(Ordering::SeqCst);
    }
}
