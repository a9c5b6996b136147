// SPDX-License-Identifier: GPL-2.0

//! An open `struct file`, as the kernel itself uses one.
//!
//! Ranges are not checked here, nor are short transfers completed: that is up to [`super::Store`].

use crate::bindings;
use core::{
    num::NonZeroU32,
    ptr::NonNull, //
};
use kernel::{
    error::{
        from_err_ptr,
        to_result, //
    },
    ffi::c_long,
    prelude::*,
    types::NotThreadSafe, //
};

/// What kind of file it is, as far as it matters for storage.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Regular,
    BlockDevice,
    Other,
}

/// A file opened by the kernel. It is closed when dropped, before `drop` returns.
///
/// # Invariants
///
/// `ptr` is an open file on which this object owns a reference, the only one.
pub(crate) struct File {
    ptr: NonNull<bindings::file>,
}

// SAFETY: An open file may be used and released by any thread; its position is never used.
unsafe impl Send for File {}

// SAFETY: As above: all accesses name their position, and the file has its own locks.
unsafe impl Sync for File {}

impl File {
    /// Opens `path` with the flags of `open(2)`, in the calling task's view of the file system.
    pub(crate) fn open(path: &CStr, flags: u32) -> Result<Self> {
        // CAST: The flags are below the sign bit.
        //
        // SAFETY: `path` is a C string.
        let ptr = unsafe { bindings::filp_open(path.as_char_ptr(), flags as i32, 0) };
        // INVARIANT: `filp_open` returns an error or a reference that the caller owns.
        Ok(Self {
            ptr: NonNull::new(from_err_ptr(ptr)?).ok_or(ENOENT)?,
        })
    }

    /// Makes a file of `size` zeroes in memory, without a name.
    #[cfg(CONFIG_KUNIT = "y")]
    pub(crate) fn in_memory(size: u64) -> Result<Self> {
        let size = i64::try_from(size)?;
        // SAFETY: The function has no preconditions.
        let ptr = unsafe { bindings::storage_in_memory(size) };
        // INVARIANT: It returns an error or a reference that the caller owns.
        Ok(Self {
            ptr: NonNull::new(from_err_ptr(ptr)?).ok_or(ENOMEM)?,
        })
    }

    pub(crate) fn kind(&self) -> Kind {
        // SAFETY: By the type invariant the file is open.
        match unsafe { bindings::storage_kind(self.ptr.as_ptr()) } {
            bindings::storage_kind_STORAGE_REGULAR => Kind::Regular,
            bindings::storage_kind_STORAGE_BLOCK_DEVICE => Kind::BlockDevice,
            _ => Kind::Other,
        }
    }

    /// The size in bytes at this moment.
    pub(crate) fn size(&self) -> u64 {
        // SAFETY: By the type invariant the file is open.
        let size = unsafe { bindings::storage_size(self.ptr.as_ptr()) };
        u64::try_from(size).unwrap_or(0)
    }

    /// The logical block size of a block device in bytes; `None` for anything else.
    pub(crate) fn logical_block_size(&self) -> Option<u32> {
        if self.kind() != Kind::BlockDevice {
            return None;
        }
        // SAFETY: By the type invariant the file is open, and it is a block device.
        Some(unsafe { bindings::storage_logical_block_size(self.ptr.as_ptr()) })
    }

    /// Whether this is a block device that has a command to write zeroes.
    pub(crate) fn zeroes_by_command(&self) -> bool {
        if self.kind() != Kind::BlockDevice {
            return false;
        }
        // SAFETY: By the type invariant the file is open, and it is a block device.
        unsafe { bindings::storage_zeroes_by_command(self.ptr.as_ptr()) }
    }

    /// Reads at `offset`; returns how many bytes, which is less than asked for at the end.
    pub(crate) fn read(&self, offset: u64, to: &mut [u8]) -> Result<usize> {
        let mut position = i64::try_from(offset)?;
        let _io = IoScope::enter();
        // SAFETY: By the type invariant the file is open; `to` is valid for writes of its length.
        transferred(unsafe {
            bindings::kernel_read(
                self.ptr.as_ptr(),
                to.as_mut_ptr().cast(),
                to.len(),
                &mut position,
            )
        })
    }

    /// Writes at `offset`; returns how many bytes.
    pub(crate) fn write(&self, offset: u64, from: &[u8]) -> Result<usize> {
        let mut position = i64::try_from(offset)?;
        let _io = IoScope::enter();
        // SAFETY: By the type invariant the file is open; `from` is valid for reads of its length.
        transferred(unsafe {
            bindings::kernel_write(
                self.ptr.as_ptr(),
                from.as_ptr().cast(),
                from.len(),
                &mut position,
            )
        })
    }

    /// What offset and length of a direct transfer must be multiples of, in bytes; `None` if there are none.
    pub(crate) fn direct_alignment(&self) -> Option<NonZeroU32> {
        // SAFETY: By the type invariant the file is open.
        NonZeroU32::new(unsafe { bindings::storage_direct_alignment(self.ptr.as_ptr()) })
    }

    /// Starts a direct transfer; returns what `storage_start` in helpers.c does.
    ///
    /// # Safety
    ///
    /// `iocb` and `memory`, and what that describes, must be valid until the transfer has ended, the file must stay
    /// open, and nobody else may use any of them. The file is a regular one or a block device.
    pub(crate) unsafe fn start(
        &self,
        iocb: *mut bindings::kiocb,
        is_write: bool,
        offset: i64,
        memory: *const bindings::kvec,
        ended: unsafe extern "C" fn(*mut bindings::kiocb, c_long),
    ) -> isize {
        let _io = IoScope::enter();
        // SAFETY: By the type invariant the file is open; the rest is required of the caller.
        unsafe {
            bindings::storage_start(
                iocb,
                self.ptr.as_ptr(),
                offset,
                is_write,
                memory,
                Some(ended),
            )
        }
    }

    /// Makes the data durable.
    pub(crate) fn sync_data(&self) -> Result {
        const DATA_ONLY: i32 = 1;

        let _io = IoScope::enter();
        // SAFETY: By the type invariant the file is open.
        to_result(unsafe { bindings::vfs_fsync(self.ptr.as_ptr(), DATA_ONLY) })
    }

    /// Deallocates a range, which then reads as zeroes; the size stays.
    pub(crate) fn punch_hole(&self, offset: u64, len: u64) -> Result {
        self.fallocate(bindings::FALLOC_FL_PUNCH_HOLE, offset, len)
    }

    /// Makes a range read as zeroes and keeps it allocated; the size stays.
    pub(crate) fn zero_range(&self, offset: u64, len: u64) -> Result {
        self.fallocate(bindings::FALLOC_FL_ZERO_RANGE, offset, len)
    }

    fn fallocate(&self, mode: u32, offset: u64, len: u64) -> Result {
        let (offset, len) = (i64::try_from(offset)?, i64::try_from(len)?);
        // CAST: The mode bits are below the sign bit.
        let mode = (mode | bindings::FALLOC_FL_KEEP_SIZE) as i32;
        let _io = IoScope::enter();
        // SAFETY: By the type invariant the file is open.
        to_result(unsafe { bindings::vfs_fallocate(self.ptr.as_ptr(), mode, offset, len) })
    }
}

impl Drop for File {
    /// Releases the file at once, not when the task returns to user space: the exclusive claim on a
    /// block device would otherwise make the next open fail with `EBUSY`.
    fn drop(&mut self) {
        // SAFETY: By the type invariant this object owns the reference, the only one.
        unsafe { bindings::__fput_sync(self.ptr.as_ptr()) }
    }
}

/// `EOPNOTSUPP`, which the kernel crate has no name for.
pub(crate) fn unsupported() -> Error {
    // CAST: An errno is small.
    Error::from_errno(-(bindings::EOPNOTSUPP as i32))
}

/// The result of a transfer: a number of bytes or a negative errno.
fn transferred(result: isize) -> Result<usize> {
    usize::try_from(result).map_err(|_| {
        // CAST: An errno fits; `from_errno` checks its range.
        Error::from_errno(result as i32)
    })
}

/// The calling task's state while it does I/O on a file; see `storage_enter_io` in helpers.c.
struct IoScope {
    flags: u32,
    _of_this_task: NotThreadSafe,
}

impl IoScope {
    fn enter() -> Self {
        Self {
            // SAFETY: The function changes flags of the calling task alone.
            flags: unsafe { bindings::storage_enter_io() },
            _of_this_task: NotThreadSafe,
        }
    }
}

impl Drop for IoScope {
    fn drop(&mut self) {
        // SAFETY: The flags are those that `enter` found in this same task.
        unsafe { bindings::storage_leave_io(self.flags) }
    }
}
