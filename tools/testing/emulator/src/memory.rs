// SPDX-License-Identifier: GPL-2.0
//! A guest's memory, as its virtual machine monitor tells it by DMA_MAP; every access is
//! bounds-checked.
//!
//! What it is not: ROM and memory of other devices come without a file descriptor; they are kept as
//! known but not usable, since nothing can be mapped there.
//!
//! Locking: one read-write lock around the list of mappings, sixth in the order of `sync`.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, RwLock};

use thiserror::Error;
use vm_memory::{FileOffset, MmapRegion, VolatileMemory, VolatileSlice};

use crate::sync::{read, write};
use crate::PAGE_SIZE;

/// Mappings that a monitor may make at most: QEMU makes one per page behind an IOMMU; the kernel gives a
/// process 65530.
const MAX_MAPPINGS: usize = 32768;

/// Why a memory request was refused.
#[derive(Debug, Error)]
pub enum MemoryError {
    /// The range wraps around, is empty, or overlaps another mapping.
    #[error("memory range {base:#x} + {size:#x} is empty, wraps around or overlaps another one")]
    BadRange {
        /// First address.
        base: u64,
        /// Bytes.
        size: u64,
    },
    /// There are too many mappings.
    #[error("more than {MAX_MAPPINGS} memory mappings")]
    TooMany,
    /// The file cannot be mapped.
    #[error("cannot map guest memory at {base:#x}")]
    Unmappable {
        /// First address.
        base: u64,
        /// The reason.
        source: vm_memory::mmap::MmapRegionError,
    },
    /// The file ends before the range does; an access behind its end would kill the process.
    #[error("the file behind guest memory at {base:#x} + {size:#x} is too short")]
    TooShort {
        /// First address.
        base: u64,
        /// Bytes.
        size: u64,
    },
    /// The range is not memory.
    #[error("{base:#x} + {size:#x} is not memory of the guest")]
    NotMemory {
        /// First address.
        base: u64,
        /// Bytes.
        size: u64,
    },
}

/// A guest's memory by bus address.
#[derive(Debug, Default)]
pub struct GuestMemory {
    mappings: RwLock<Vec<Mapping>>,
}

#[derive(Debug)]
struct Mapping {
    base: u64,
    size: u64,
    ram: Option<Ram>,
}

#[derive(Debug)]
struct Ram {
    file: Arc<File>,
    offset: u64,
    writable: bool,
    region: MmapRegion,
}

/// A run of guest memory that is one linear piece of a file.
#[derive(Clone, Debug)]
pub struct FilePiece {
    /// Bus address of the first byte.
    pub base: u64,
    /// Bytes.
    pub size: u64,
    /// The file that holds the memory.
    pub file: Arc<File>,
    /// Offset of the first byte in the file.
    pub offset: u64,
    /// Whether the guest lets a device write there.
    pub writable: bool,
}

impl PartialEq for FilePiece {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.file, &other.file)
            && (self.base, self.size, self.offset, self.writable)
                == (other.base, other.size, other.offset, other.writable)
    }
}

impl FilePiece {
    fn end(&self) -> u64 {
        self.base + self.size
    }

    /// Cuts a piece down to whole pages, which is all that can be mapped; `None` when none is left.
    pub fn whole_pages(self) -> Option<Self> {
        let base = self.base.checked_next_multiple_of(PAGE_SIZE)?;
        let end = self.end() & !(PAGE_SIZE - 1);
        let size = end.checked_sub(base).filter(|size| *size > 0)?;
        let offset = self.offset + (base - self.base);
        (offset % PAGE_SIZE == 0).then_some(Self {
            base,
            size,
            offset,
            ..self
        })
    }

    /// Says whether another piece is the next part of the same file at the next address.
    fn continues_with(&self, next: &Self) -> bool {
        Arc::ptr_eq(&self.file, &next.file)
            && self.end() == next.base
            && self.offset + self.size == next.offset
            && self.writable == next.writable
    }
}

impl GuestMemory {
    /// Adds a mapping; without a file it is known, but not usable.
    ///
    /// # Errors
    ///
    /// See [`MemoryError`]; nothing is added then.
    pub fn map(
        &self,
        base: u64,
        size: u64,
        file: Option<OwnedFd>,
        offset: u64,
        writable: bool,
    ) -> Result<(), MemoryError> {
        let end = base.checked_add(size).filter(|end| *end > base);
        let end = end.ok_or(MemoryError::BadRange { base, size })?;
        let mut mappings = write(&self.mappings);
        if mappings.len() >= MAX_MAPPINGS {
            return Err(MemoryError::TooMany);
        }
        let at = mappings.partition_point(|mapping| mapping.base < base);
        let before = at.checked_sub(1).and_then(|before| mappings.get(before));
        let clear = before.is_none_or(|before| before.base + before.size <= base)
            && mappings.get(at).is_none_or(|after| after.base >= end);
        if !clear {
            return Err(MemoryError::BadRange { base, size });
        }
        let ram = file
            .map(|fd| {
                let file = share(&mappings, File::from(fd));
                Ram::new(file, base, size, offset, writable)
            })
            .transpose()?;
        mappings.insert(at, Mapping { base, size, ram });
        Ok(())
    }

    /// Removes all mappings that lie in a range, and says how many there were.
    pub fn unmap(&self, base: u64, size: u64) -> usize {
        let mut mappings = write(&self.mappings);
        let before = mappings.len();
        let end = base.saturating_add(size);
        mappings.retain(|mapping| mapping.base < base || mapping.base + mapping.size > end);
        before - mappings.len()
    }

    /// Removes all mappings.
    pub fn clear(&self) {
        write(&self.mappings).clear();
    }

    /// Says whether a range is wholly usable memory.
    pub fn contains(&self, base: u64, size: u64) -> bool {
        let covered: u64 = self.pieces(base, size).iter().map(|piece| piece.size).sum();
        size > 0 && covered == size
    }

    /// Returns the usable parts of a range, in order; gaps are simply not there.
    pub fn pieces(&self, base: u64, size: u64) -> Vec<FilePiece> {
        let Some(end) = base.checked_add(size) else {
            return Vec::new();
        };
        let mappings = read(&self.mappings);
        let first = mappings.partition_point(|mapping| mapping.base + mapping.size <= base);
        let hits = mappings
            .iter()
            .skip(first)
            .take_while(|mapping| mapping.base < end);
        joined(hits.filter_map(|mapping| mapping.piece(base, end)))
    }

    /// Reads memory.
    ///
    /// # Errors
    ///
    /// [`MemoryError::NotMemory`] when the range is not wholly usable; the buffer is undefined then.
    pub fn read(&self, base: u64, to: &mut [u8]) -> Result<(), MemoryError> {
        self.for_each(base, to.len(), |slice, at| {
            slice.copy_to(to.get_mut(at..).unwrap_or_default());
        })
    }

    /// Writes memory.
    ///
    /// # Errors
    ///
    /// [`MemoryError::NotMemory`] when the range is not wholly usable and writable; nothing is written then.
    pub fn write(&self, base: u64, from: &[u8]) -> Result<(), MemoryError> {
        let pieces = self.pieces(base, from.len() as u64);
        let writable = pieces.iter().filter(|piece| piece.writable);
        let covered: u64 = writable.map(|piece| piece.size).sum();
        if covered != from.len() as u64 {
            return Err(not_memory(base, from.len()));
        }
        self.for_each(base, from.len(), |slice, at| {
            slice.copy_from(from.get(at..).unwrap_or_default());
        })
    }

    /// Calls `visit` with each mapped slice of a range and its offset in the range.
    fn for_each(
        &self,
        base: u64,
        len: usize,
        mut visit: impl FnMut(VolatileSlice<'_>, usize),
    ) -> Result<(), MemoryError> {
        let mappings = read(&self.mappings);
        let mut done = 0;
        while done < len {
            let slice = base
                .checked_add(done as u64)
                .and_then(|address| slice_at(&mappings, address, len - done))
                .ok_or_else(|| not_memory(base, len))?;
            let size = slice.len();
            visit(slice, done);
            done += size;
        }
        Ok(())
    }
}

/// Joins pieces that continue each other.
fn joined(pieces: impl Iterator<Item = FilePiece>) -> Vec<FilePiece> {
    let mut joined: Vec<FilePiece> = Vec::new();
    for piece in pieces {
        match joined.last_mut() {
            Some(last) if last.continues_with(&piece) => last.size += piece.size,
            _ => joined.push(piece),
        }
    }
    joined
}

/// Returns the file that a mapping has already, if it is the same one: a monitor behind an IOMMU
/// sends the descriptor with every page.
fn share(mappings: &[Mapping], file: File) -> Arc<File> {
    let identity = |file: &File| {
        let metadata = file.metadata().ok()?;
        Some((metadata.dev(), metadata.ino()))
    };
    let wanted = identity(&file);
    let mut known = mappings.iter().filter_map(|mapping| mapping.ram.as_ref());
    let same = known.find(|ram| wanted.is_some() && identity(&ram.file) == wanted);
    same.map_or_else(|| Arc::new(file), |ram| Arc::clone(&ram.file))
}

fn not_memory(base: u64, len: usize) -> MemoryError {
    MemoryError::NotMemory {
        base,
        size: len as u64,
    }
}

/// Returns the longest mapped slice that begins at an address, at most `len` bytes.
fn slice_at(mappings: &[Mapping], address: u64, len: usize) -> Option<VolatileSlice<'_>> {
    let at = mappings.partition_point(|mapping| mapping.base + mapping.size <= address);
    let mapping = mappings.get(at).filter(|mapping| mapping.base <= address)?;
    let ram = mapping.ram.as_ref()?;
    let skip = address - mapping.base;
    let size = (mapping.size - skip).min(len as u64);
    ram.region
        .get_slice(usize::try_from(skip).ok()?, usize::try_from(size).ok()?)
        .ok()
}

impl Mapping {
    fn piece(&self, base: u64, end: u64) -> Option<FilePiece> {
        let ram = self.ram.as_ref()?;
        let first = self.base.max(base);
        let last = (self.base + self.size).min(end);
        Some(FilePiece {
            base: first,
            size: last.checked_sub(first).filter(|size| *size > 0)?,
            file: Arc::clone(&ram.file),
            offset: ram.offset + (first - self.base),
            writable: ram.writable,
        })
    }
}

impl Ram {
    fn new(
        file: Arc<File>,
        base: u64,
        size: u64,
        offset: u64,
        writable: bool,
    ) -> Result<Self, MemoryError> {
        let unmappable = |source| MemoryError::Unmappable { base, source };
        let len = usize::try_from(size).map_err(|_| MemoryError::BadRange { base, size })?;
        let end = offset.checked_add(size);
        let length = file.metadata().map_or(0, |metadata| metadata.len());
        if end.is_none_or(|end| end > length) {
            return Err(MemoryError::TooShort { base, size });
        }
        let backing = FileOffset::from_arc(Arc::clone(&file), offset);
        let region = MmapRegion::from_file(backing, len).map_err(unmappable)?;
        Ok(Self {
            file,
            offset,
            writable,
            region,
        })
    }
}
