// SPDX-License-Identifier: GPL-2.0

//! A BAR whose writes the processor may combine to whole lines, as that of memory which is filled.
//!
//! `kernel::pci::Bar` maps all BARs so that each access is one on the bus.

use crate::{
    bindings,
    vectors::as_raw, //
};
use core::ops::Deref;
use kernel::{
    device::Bound,
    devres::Devres,
    error::to_result,
    io::{
        Mmio,
        MmioRaw, //
    },
    pci,
    prelude::*,
    str::CStr,
    sync::aref::ARef, //
};

/// A BAR that is mapped by `pci_iomap_wc()`.
///
/// Writes between two barriers may arrive in any order, combined, and late: `wmb()` sends them.
///
/// # Invariants
///
/// `io` is the mapping of the whole BAR `number` of `pdev`, whose region was requested.
pub struct CombiningBar {
    pdev: ARef<pci::Device>,
    number: c_int,
    io: MmioRaw,
}

impl CombiningBar {
    /// Maps BAR `number`, until the device is unbound.
    ///
    /// Context: process.
    ///
    /// # Errors
    ///
    /// `EBUSY`: another driver has it; `ENOMEM`: it has no size, or cannot be mapped.
    pub fn map(pdev: &pci::Device<Bound>, number: u8, name: &'static CStr) -> Result<Devres<Self>> {
        let len = usize::try_from(pdev.resource_len(number.into())?)?;
        if len == 0 {
            return Err(ENOMEM);
        }
        let number = c_int::from(number);
        // SAFETY: The device is valid, and has the BAR, as it has a size; the name is static.
        to_result(unsafe {
            bindings::pci_request_region(as_raw(pdev), number, name.as_char_ptr())
        })?;
        // SAFETY: As above; the region is ours.
        let address = unsafe { bindings::pci_iomap_wc(as_raw(pdev), number, 0) };
        if address.is_null() {
            // SAFETY: It was requested above, and is not mapped.
            unsafe { bindings::pci_release_region(as_raw(pdev), number) };
            return Err(ENOMEM);
        }
        // INVARIANT: Requested and mapped above, as a whole.
        let bar = Self {
            pdev: pdev.into(),
            number,
            io: MmioRaw::new(address as usize, len)?,
        };
        Devres::new(pdev.as_ref(), bar)
    }
}

impl Deref for CombiningBar {
    type Target = Mmio;

    fn deref(&self) -> &Mmio {
        // SAFETY: By the type invariant it is the start and the length of a mapping, which lasts until drop.
        unsafe { Mmio::from_raw(&self.io) }
    }
}

impl Drop for CombiningBar {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the BAR is mapped there, and its region is ours.
        unsafe {
            bindings::pci_iounmap(as_raw(&self.pdev), self.io.addr() as *mut c_void);
            bindings::pci_release_region(as_raw(&self.pdev), self.number);
        }
    }
}
