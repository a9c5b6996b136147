// SPDX-License-Identifier: GPL-2.0

//! A piece of memory and what the device may do with it.

use crate::{
    bindings,
    Permission, //
};
use core::ptr::NonNull;
use kernel::{
    io::PhysAddr,
    prelude::*, //
};

/// What the device side wants to do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// Memory at consecutive kernel addresses.
#[derive(Clone, Copy)]
pub(crate) struct Area {
    start: NonNull<u8>,
    size: usize,
    permission: Permission,
}

// SAFETY: The memory is the kernel's, which all threads see alike.
unsafe impl Send for Area {}

impl Area {
    pub(super) fn new(start: NonNull<u8>, size: usize, permission: Permission) -> Self {
        Self {
            start,
            size,
            permission,
        }
    }

    /// Returns the `size` bytes of physical memory from `first`.
    ///
    /// # Errors
    ///
    /// `EINVAL`: it is no memory that has kernel addresses.
    pub(crate) fn physical(first: PhysAddr, size: u64, permission: Permission) -> Result<Self> {
        // SAFETY: Any number may be asked for.
        let start = unsafe { bindings::vdpa_phys_to_virt(first, size) };
        let start = NonNull::new(start.cast()).ok_or(EINVAL)?;
        Ok(Self::new(start, size.try_into()?, permission))
    }

    /// Returns the size in bytes.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Returns the memory from `offset`, if there is any and the device may access it so.
    pub(super) fn at(&self, offset: u64, access: Access) -> Option<(*mut u8, usize)> {
        let offset = usize::try_from(offset).ok()?;
        let rest = self.size.checked_sub(offset).filter(|&rest| rest > 0)?;
        let refused = match access {
            Access::Read => Permission::Write,
            Access::Write => Permission::Read,
        };
        // The offset is inside of the area, as was just checked.
        (self.permission != refused).then_some((self.start.as_ptr().wrapping_add(offset), rest))
    }
}
