// SPDX-License-Identifier: GPL-2.0
//! Memory that the endpoint can reach: one huge page, so that addresses on the bus are known, in one
//! piece, and do not change. There is no IOMMU in between.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::sync::atomic::Ordering;

use anyhow::{ensure, Context, Result};
use vm_memory::{AtomicAccess, Bytes, MmapRegion, VolatileMemory};

/// A huge page of x86-64 and arm64.
const SIZE: usize = 2 << 20;
/// A page, the unit of `/proc/self/pagemap`.
const PAGE: usize = 4096;
/// How many huge pages the kernel keeps for us. They are not given back, so that an endpoint which
/// writes too late never writes to anybody else's memory.
const POOL: &str = "1";

/// Memory with addresses on the bus.
pub struct Memory {
    region: MmapRegion,
    base: u64,
    taken: Cell<usize>,
}

/// A part of it.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    offset: usize,
    /// Address on the bus.
    pub address: u64,
    /// Number of bytes.
    pub len: usize,
}

impl Place {
    /// A part of this part, which has it.
    pub fn part(self, offset: usize, len: usize) -> Self {
        assert!(offset + len <= self.len);
        Self {
            offset: self.offset + offset,
            address: self.address + offset as u64,
            len,
        }
    }

    /// A place for the endpoint alone, as long as this one and at another address.
    pub fn elsewhere(self, address: u64) -> Self {
        Self { address, ..self }
    }
}

impl Memory {
    /// Takes a huge page; needs root.
    pub fn new() -> Result<Self> {
        fs::write("/proc/sys/vm/nr_hugepages", POOL).context("cannot reserve a huge page")?;
        let region = MmapRegion::build(
            None,
            SIZE,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_HUGETLB | libc::MAP_POPULATE,
        )
        .context("cannot map a huge page")?;
        let base = physical_address(&region)?;
        Ok(Self {
            region,
            base,
            taken: Cell::new(0),
        })
    }

    /// All of it, whoever has it.
    pub fn all(&self) -> Place {
        Place {
            offset: 0,
            address: self.base,
            len: SIZE,
        }
    }

    /// Takes a part that nobody has, zeroed, aligned to a page.
    pub fn take(&self, len: usize) -> Result<Place> {
        let offset = self.taken.get();
        let end = (offset + len).next_multiple_of(PAGE);
        ensure!(end <= SIZE, "an attack takes more than {SIZE:#x} bytes");
        self.taken.set(end);
        let place = Place {
            offset,
            address: self.base + offset as u64,
            len,
        };
        self.write(place, 0, &vec![0; len]);
        Ok(place)
    }

    /// Writes bytes at `offset` of a place, which has room for them.
    pub fn write(&self, place: Place, offset: usize, bytes: &[u8]) {
        let at = place.part(offset, bytes.len()).offset;
        let slice = self.region.as_volatile_slice();
        slice.write_slice(bytes, at).expect("a place is mapped");
    }

    /// Returns all bytes of a place.
    pub fn read(&self, place: Place) -> Vec<u8> {
        let mut bytes = vec![0; place.len];
        let slice = self.region.as_volatile_slice();
        let read = slice.read_slice(&mut bytes, place.offset);
        read.expect("a place is mapped");
        bytes
    }

    /// Writes a value of a place by one access.
    pub fn store<T: AtomicAccess>(&self, place: Place, offset: usize, value: T) {
        let at = place.part(offset, size_of::<T>()).offset;
        let slice = self.region.as_volatile_slice();
        // ORDERING: What was written before is there before this, as a driver side has it.
        let stored = slice.store(value, at, Ordering::SeqCst);
        stored.expect("a value of a place is mapped and aligned");
    }

    /// Reads a value of a place by one access.
    pub fn load<T: AtomicAccess>(&self, place: Place, offset: usize) -> T {
        let at = place.part(offset, size_of::<T>()).offset;
        let slice = self.region.as_volatile_slice();
        // ORDERING: What is read later is at least as new.
        let loaded = slice.load(at, Ordering::SeqCst);
        loaded.expect("a value of a place is mapped and aligned")
    }
}

/// Looks the first page up (Documentation/admin-guide/mm/pagemap.rst of the kernel).
fn physical_address(region: &MmapRegion) -> Result<u64> {
    const PRESENT: u64 = 1 << 63;
    const FRAME: u64 = (1 << 55) - 1;
    let page = region.as_ptr() as usize / PAGE;
    let mut entry = [0; 8];
    let mut pagemap = File::open("/proc/self/pagemap")?;
    pagemap.seek(SeekFrom::Start(page as u64 * 8))?;
    pagemap.read_exact(&mut entry)?;
    let entry = u64::from_le_bytes(entry);
    let frame = entry & FRAME;
    ensure!(
        entry & PRESENT != 0 && frame != 0,
        "the kernel does not tell where a huge page is; start this as root"
    );
    Ok(frame * PAGE as u64)
}
