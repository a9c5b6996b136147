// SPDX-License-Identifier: GPL-2.0

//! What the driver side's addresses mean: PCI addresses, or IOVAs once `MAP` or `UNMAP` succeeded.
//!
//! Context: process. Locks: `space`, a mutex, for a look or a change; nothing is taken inside it. It does
//! not keep what was found from being unmapped: see `WindowCache::unmap`.

use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Release, //
        },
        Mutex, //
    },
};
use transport::{
    Access,
    AddressSpace,
    CommandError,
    Mapping,
    Piece,
    Range, //
};

#[cfg(CONFIG_KUNIT = "y")]
mod tests;

/// How many mappings a function holds, in 160 KiB: those of a virtual machine of 8 GiB in huge pages.
const MAX_MAPPINGS: usize = 4096;

/// The meaning of addresses, from reset to reset.
#[pin_data]
pub(crate) struct Translation {
    /// Addresses are IOVAs. Changes while no queue is enabled, as the protocol has it.
    has_iovas: Atomic<bool>,
    #[pin]
    space: Mutex<Option<AddressSpace<KVVec<Mapping>>>>,
}

impl Translation {
    /// Addresses are PCI addresses.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            has_iovas: Atomic::new(false),
            space <- new_mutex!(None, "pci_epf_vhost::Translation::space"),
        })
    }

    /// Adds a mapping; addresses are IOVAs from now on.
    ///
    /// # Errors
    ///
    /// `NoResources`: no memory; else those of [`AddressSpace::insert`].
    pub(crate) fn map(&self, mapping: &Mapping) -> Result<(), CommandError> {
        self.change(|space| space.insert(mapping))
    }

    /// Removes the mappings in a range; addresses are IOVAs from now on.
    ///
    /// # Errors
    ///
    /// `NoResources`: no memory; else those of [`AddressSpace::remove`].
    pub(crate) fn unmap(&self, range: &Range) -> Result<(), CommandError> {
        self.change(|space| space.remove(range))
    }

    /// Removes all mappings; addresses are PCI addresses from now on.
    pub(crate) fn reset(&self) {
        self.has_iovas.store(false, Release);
        let space = self.space.lock().take();
        // Without the lock: this frees memory.
        drop(space);
    }

    /// Returns where the byte at `addr` is, and how many of the `wanted` bytes from there on follow it.
    ///
    /// # Errors
    ///
    /// `EFAULT`: the byte is not mapped for this access.
    pub(crate) fn find(&self, addr: u64, wanted: usize, access: Access) -> Result<Piece> {
        // CAST: A kernel's `u64` holds each `usize`.
        let wanted = wanted as u64;
        if !self.has_iovas.load(Acquire) {
            return Ok(Piece {
                pci_addr: addr,
                length: wanted,
            });
        }
        let space = self.space.lock();
        let found = space.as_ref().and_then(|s| s.find(addr, wanted, access));
        found.ok_or(EFAULT)
    }

    fn change(
        &self,
        change: impl FnOnce(&mut AddressSpace<KVVec<Mapping>>) -> Result<(), CommandError>,
    ) -> Result<(), CommandError> {
        let space = &mut *self.space.lock();
        if space.is_none() {
            *space = Some(new_space().map_err(|_| CommandError::NoResources)?);
        }
        change(space.as_mut().ok_or(CommandError::Failed)?)?;
        self.has_iovas.store(true, Release);
        Ok(())
    }
}

fn new_space() -> Result<AddressSpace<KVVec<Mapping>>> {
    let slots = KVVec::from_elem(Mapping::default(), MAX_MAPPINGS, GFP_KERNEL)?;
    Ok(AddressSpace::new(slots))
}
