// SPDX-License-Identifier: GPL-2.0

//! A store: a file or block device of fixed size, with what it can do found out at open.

use crate::{
    file::{
        unsupported,
        File,
        Kind, //
    },
    transfer::Way, //
};
use core::num::NonZeroU32;
use kernel::{
    fs::file::flags,
    page::PAGE_SIZE,
    prelude::*, //
};

/// Whether a store may be written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It is read only.
    ReadOnly,
    /// It is read and written. A block device is claimed, so that it cannot be mounted meanwhile.
    ReadWrite,
}

/// Whether transfers of a [`Pipeline`](crate::Pipeline) go through the page cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caching {
    /// All do.
    Cached,
    /// None does where the file can do without, and the transfer is of whole blocks.
    Direct,
}

/// The logical block size of a store that is a regular file, in bytes: any position will do.
const FILE_BLOCK_SIZE: u32 = 512;

/// What is written where a file cannot make zeroes by itself.
static ZEROES: [u8; PAGE_SIZE] = [0; PAGE_SIZE];

/// A regular file or a block device, open. It is closed when dropped.
///
/// Its size is taken once: a file that grows later is not seen, one that shrinks gives `EIO`.
pub struct Store {
    file: File,
    access: Access,
    size: u64,
    block_size: u32,
    can_discard: bool,
    /// What offset and length of a direct transfer are multiples of; `None` if there are none.
    direct: Option<NonZeroU32>,
}

impl Store {
    /// Opens the file or block device at `path`, in the calling task's view of the file system.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: `path` is not absolute, or is neither a regular file nor a block device.
    /// - `ENOENT`: there is nothing at `path`.
    /// - `EACCES`, `EPERM`, `EROFS`: it may not be opened for this access.
    /// - `EBUSY`: the block device is in use, for instance mounted.
    /// - Others as the file system gives them.
    pub fn open(path: &CStr, access: Access, caching: Caching) -> Result<Self> {
        if path.to_bytes().first() != Some(&b'/') {
            return Err(EINVAL);
        }
        Self::new(File::open(path, access.open_flags())?, access, caching)
    }

    /// Makes a store of `size` zeroes in memory, for the suites of its users.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: no memory.
    #[cfg(CONFIG_KUNIT = "y")]
    pub fn in_memory(size: u64, access: Access) -> Result<Self> {
        Self::new(File::in_memory(size)?, access, Caching::Cached)
    }

    fn new(file: File, access: Access, caching: Caching) -> Result<Self> {
        if file.kind() == Kind::Other {
            return Err(EINVAL);
        }
        let size = file.size();
        let direct = match caching {
            Caching::Cached => None,
            Caching::Direct => file.direct_alignment(),
        };
        Ok(Self {
            access,
            size,
            block_size: file.logical_block_size().unwrap_or(FILE_BLOCK_SIZE),
            can_discard: access == Access::ReadWrite && can_punch(&file, size),
            direct,
            file,
        })
    }

    /// The size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The logical block size in bytes, a power of two of at least 512.
    pub fn block_size(&self) -> u32 {
        self.block_size
    }

    /// Whether it was opened for reading only.
    pub fn is_read_only(&self) -> bool {
        self.access == Access::ReadOnly
    }

    /// Whether [`discard`](Self::discard) works.
    pub fn can_discard(&self) -> bool {
        self.can_discard
    }

    /// Returns whether transfers of whole blocks go past the page cache.
    pub fn is_direct(&self) -> bool {
        self.direct.is_some()
    }

    /// Reads exactly `to.len()` bytes at `offset`.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: the range is not inside the store.
    /// - `EIO`: the medium failed, or the file has shrunk.
    pub fn read_at(&self, offset: u64, to: &mut [u8]) -> Result {
        self.check(offset, to.len() as u64)?;
        let (mut offset, mut rest) = (offset, to);
        while !rest.is_empty() {
            let count = self.file.read(offset, rest)?;
            rest = progress(count).and_then(|count| rest.get_mut(count..).ok_or(EIO))?;
            offset += count as u64;
        }
        Ok(())
    }

    /// Writes all of `from` at `offset`; it is durable after the next [`flush`](Self::flush).
    ///
    /// # Errors
    ///
    /// - `EINVAL`: the range is not inside the store.
    /// - `EROFS`: the store is read-only.
    /// - `ENOSPC`: a sparse file has no room left on its file system.
    /// - `EIO`: the medium failed.
    pub fn write_at(&self, offset: u64, from: &[u8]) -> Result {
        self.check_writable()?;
        self.check(offset, from.len() as u64)?;
        let (mut offset, mut rest) = (offset, from);
        while !rest.is_empty() {
            let count = self.file.write(offset, rest)?;
            rest = progress(count).and_then(|count| rest.get(count..).ok_or(EIO))?;
            offset += count as u64;
        }
        Ok(())
    }

    /// Makes all earlier writes durable.
    ///
    /// # Errors
    ///
    /// `EIO`, `ENOSPC`: some earlier write could not be made durable; it may be lost.
    pub fn flush(&self) -> Result {
        match self.access {
            Access::ReadOnly => Ok(()),
            Access::ReadWrite => self.file.sync_data(),
        }
    }

    /// Deallocates a range, which reads as zeroes from then on.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: the range is not inside the store or not a multiple of blocks.
    /// - `EROFS`: the store is read-only.
    /// - `EOPNOTSUPP`: the store cannot deallocate, see [`can_discard`](Self::can_discard).
    pub fn discard(&self, offset: u64, len: u64) -> Result {
        self.check_writable()?;
        self.check(offset, len)?;
        if !self.can_discard {
            return Err(unsupported());
        }
        if len == 0 {
            return Ok(());
        }
        self.file.punch_hole(offset, len)
    }

    /// Makes a range read as zeroes, and keeps it allocated.
    ///
    /// Where neither file system nor device has a way of its own, zeroes are written, which takes
    /// time in proportion to `len`.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: the range is not inside the store or not a multiple of blocks.
    /// - `EROFS`: the store is read-only.
    /// - `ENOSPC`, `EIO`: as for [`write_at`](Self::write_at).
    pub fn write_zeroes(&self, offset: u64, len: u64) -> Result {
        self.check_writable()?;
        self.check(offset, len)?;
        if len == 0 {
            return Ok(());
        }
        match self.file.zero_range(offset, len) {
            Err(error) if error == unsupported() => self.copy_zeroes(offset, len),
            result => result,
        }
    }

    fn copy_zeroes(&self, offset: u64, len: u64) -> Result {
        let mut done = 0;
        while done < len {
            let count = (len - done).min(ZEROES.len() as u64);
            // CAST: At most the length of `ZEROES`.
            self.write_at(offset + done, ZEROES.get(..count as usize).ok_or(EINVAL)?)?;
            done += count;
        }
        Ok(())
    }

    /// Moves `memory` through the page cache.
    pub(crate) fn transfer(&self, way: Way, offset: u64, memory: &mut [u8]) -> Result {
        match way {
            Way::FromFile => self.read_at(offset, memory),
            Way::ToFile => self.write_at(offset, memory),
        }
    }

    /// The file, if a transfer of this range can be a direct one.
    pub(crate) fn direct(&self, offset: u64, len: usize) -> Option<&File> {
        let unit = u64::from(self.direct?.get());
        // CAST: Lengths have at most 64 bits.
        let is_whole = offset % unit == 0 && (len as u64) % unit == 0;
        is_whole.then_some(&self.file)
    }

    /// Checks that a range can be read, or written.
    ///
    /// # Errors
    ///
    /// As for [`read_at`](Self::read_at), [`write_at`](Self::write_at).
    pub(crate) fn check_way(&self, way: Way, offset: u64, len: usize) -> Result {
        if way == Way::ToFile {
            self.check_writable()?;
        }
        // CAST: Lengths have at most 64 bits.
        self.check(offset, len as u64)
    }

    fn check_writable(&self) -> Result {
        match self.access {
            Access::ReadOnly => Err(EROFS),
            Access::ReadWrite => Ok(()),
        }
    }

    fn check(&self, offset: u64, len: u64) -> Result {
        let end = offset.checked_add(len).ok_or(EINVAL)?;
        if end > self.size {
            return Err(EINVAL);
        }
        Ok(())
    }
}

impl Access {
    fn open_flags(self) -> u32 {
        flags::O_LARGEFILE
            | match self {
                Self::ReadOnly => flags::O_RDONLY,
                Self::ReadWrite => flags::O_RDWR | flags::O_EXCL,
            }
    }
}

/// A transfer that moves nothing would be repeated for ever: the file is shorter than it was.
fn progress(count: usize) -> Result<usize> {
    match count {
        0 => Err(EIO),
        count => Ok(count),
    }
}

/// Whether the file can deallocate ranges. A file system is asked by way of a hole behind the end,
/// where there is nothing; on a block device that would fail, but the device says it itself.
fn can_punch(file: &File, size: u64) -> bool {
    const PROBE: u64 = PAGE_SIZE as u64;

    match file.kind() {
        Kind::BlockDevice => file.zeroes_by_command(),
        _ => file.punch_hole(size.next_multiple_of(PROBE), PROBE).is_ok(),
    }
}
