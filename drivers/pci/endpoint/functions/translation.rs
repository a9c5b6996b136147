// SPDX-License-Identifier: GPL-2.0

//! What the driver side's addresses mean: PCI addresses, or IOVAs once `MAP` or `UNMAP` succeeded.
//!
//! Context: process. Locks: `spaces`, a mutex, for a look or a change; nothing is taken inside it. It does
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
    Range,
    MAX_SPACES, //
};

#[cfg(CONFIG_KUNIT = "y")]
mod tests;

/// How many mappings an address space holds, in 160 KiB: those of a virtual machine of 8 GiB in huge pages.
const MAX_MAPPINGS: usize = 4096;

/// The meaning of addresses, from reset to reset.
#[pin_data]
pub(crate) struct Translation {
    /// Addresses are IOVAs. Changes while no queue is enabled, as the protocol has it.
    has_iovas: Atomic<bool>,
    #[pin]
    spaces: Mutex<Spaces>,
}

/// The address spaces by number; those that are not used take no memory.
type Spaces = [Option<Space>; MAX_SPACES as usize];
type Space = AddressSpace<KVVec<Mapping>>;

impl Translation {
    /// Addresses are PCI addresses.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            has_iovas: Atomic::new(false),
            spaces <- new_mutex!(Spaces::default(), "pci_epf_vhost::Translation::spaces"),
        })
    }

    /// Adds a mapping; addresses are IOVAs from now on.
    ///
    /// # Errors
    ///
    /// `NoResources`: no memory; else those of [`AddressSpace::insert`].
    pub(crate) fn map(&self, mapping: &Mapping) -> Result<(), CommandError> {
        self.change(mapping.range.space, |space| space.insert(mapping))
    }

    /// Removes the mappings in a range; addresses are IOVAs from now on.
    ///
    /// # Errors
    ///
    /// `NoResources`: no memory; else those of [`AddressSpace::remove`].
    pub(crate) fn unmap(&self, range: &Range) -> Result<(), CommandError> {
        self.change(range.space, |space| space.remove(range))
    }

    /// Removes all mappings; addresses are PCI addresses from now on.
    pub(crate) fn reset(&self) {
        self.has_iovas.store(false, Release);
        let spaces = core::mem::take(&mut *self.spaces.lock());
        // Without the lock: this frees memory.
        drop(spaces);
    }

    /// Returns where the byte at `addr` of a space is, and how many of the `wanted` bytes from there on follow it.
    ///
    /// # Errors
    ///
    /// `EFAULT`: the byte is not mapped for this access.
    pub(crate) fn find(
        &self,
        space: u16,
        addr: u64,
        wanted: usize,
        access: Access,
    ) -> Result<Piece> {
        // CAST: A kernel's `u64` holds each `usize`.
        let wanted = wanted as u64;
        if !self.has_iovas.load(Acquire) {
            return Ok(Piece {
                pci_addr: addr,
                length: wanted,
            });
        }
        let spaces = self.spaces.lock();
        let space = spaces.get(usize::from(space)).and_then(Option::as_ref);
        let found = space.and_then(|space| space.find(addr, wanted, access));
        found.ok_or(EFAULT)
    }

    fn change(
        &self,
        space: u16,
        change: impl FnOnce(&mut Space) -> Result<(), CommandError>,
    ) -> Result<(), CommandError> {
        let mut spaces = self.spaces.lock();
        let space = spaces.get_mut(usize::from(space));
        let space = space.ok_or(CommandError::BadArgument)?;
        if space.is_none() {
            *space = Some(new_space().map_err(|_| CommandError::NoResources)?);
        }
        change(space.as_mut().ok_or(CommandError::Failed)?)?;
        self.has_iovas.store(true, Release);
        Ok(())
    }
}

fn new_space() -> Result<Space> {
    let slots = KVVec::from_elem(Mapping::default(), MAX_MAPPINGS, GFP_KERNEL)?;
    Ok(AddressSpace::new(slots))
}
