// SPDX-License-Identifier: GPL-2.0

//! Drivers of endpoint controllers: what a controller does for functions, and its registration.
//!
//! The driver of the hardware that is the controller implements [`Controller`], and keeps a
//! [`Registration`] while it is bound. What happens at the controller it tells the functions through
//! a [`Notifier`].
//!
//! Limits: no virtual functions, no interrupt mapping for NTB. Functions are to be unlinked before
//! the device is unbound; those that are linked still are unbound then, but the framework keeps
//! their directories busy for ever.
//!
//! Locking: see [`Controller`]; a [`Notifier`] takes `epc->list_lock` and each function's
//! `epf->lock`, and functions call operations from there, so it must not be used in an operation.

use crate::{
    bar::BarNumber,
    bindings,
    header::Header,
    interrupt::Interrupt,
    outbound::PciAddr, //
};
use kernel::{
    prelude::*,
    ThisModule, //
};

mod device;
mod operations;
mod registration;

pub use self::{
    device::ControllerDevice,
    registration::{
        Config,
        Notifier,
        Registration,
        Window, //
    }, //
};

/// What a controller does; each operation is one of `struct pci_epc_ops`.
///
/// All are called in process context under the controller's mutex, `epc->lock`, hence one at a time.
/// `function` is the number of the function, below [`Config::functions`].
pub trait Controller: Send + Sync + Sized + 'static {
    /// The module with the driver; it stays loaded as long as the controller is registered.
    const OWNER: &'static ThisModule;

    /// Sets the configuration header.
    fn write_header(&self, function: u8, header: &Header) -> Result;

    /// Makes a BAR show something to the RC; the BAR may be programmed already.
    fn set_bar(&self, function: u8, bar: &Bar<'_>) -> Result;

    /// Takes a BAR away.
    fn clear_bar(&self, function: u8, bar: BarNumber);

    /// Maps RC memory from `addr` on into a window at EP address `window`. Functions that ask for
    /// the alignment get all three as multiples of [`Config::align`]; others may ask for anything.
    fn map(&self, function: u8, window: u64, addr: PciAddr, size: usize) -> Result;

    /// Undoes the mapping at EP address `window`.
    fn unmap(&self, function: u8, window: u64);

    /// Offers MSI vectors, 1 to 32.
    fn set_msi(&self, function: u8, vectors: u8) -> Result;

    /// Returns how many MSI vectors the RC has enabled.
    fn msi(&self, function: u8) -> Result<u8>;

    /// Offers MSI-X vectors, 1 to 2048, whose table is in `bar` at `offset`.
    fn set_msix(&self, function: u8, vectors: u16, bar: BarNumber, offset: u32) -> Result;

    /// Returns how many MSI-X vectors the RC has enabled.
    fn msix(&self, function: u8) -> Result<u16>;

    /// Raises an interrupt at the RC.
    fn raise(&self, function: u8, interrupt: Interrupt) -> Result;

    /// Lets the link come up with the functions that are bound now, bit n for function n.
    fn start(&self, functions: usize) -> Result;

    /// Takes the link down.
    fn stop(&self);

    /// Returns the register which functions may offer to the RC as a doorbell, if there is one.
    fn doorbell(&self, function: u8) -> Option<Doorbell>;
}

/// What a BAR is to show.
pub struct Bar<'a>(&'a bindings::pci_epf_bar);

impl Bar<'_> {
    /// Returns the number of the BAR.
    ///
    /// # Errors
    ///
    /// `EINVAL` when there is no such BAR.
    pub fn number(&self) -> Result<BarNumber> {
        self.0.barno.try_into()
    }

    /// Returns the size in bytes, a power of two.
    pub fn size(&self) -> u64 {
        self.0.size as u64
    }

    /// Returns the bus address, for the controller's device, of what it shows.
    pub fn address(&self) -> u64 {
        self.0.phys_addr
    }

    /// Returns the flags, with the values that they have in a base address register.
    pub fn flags(&self) -> u32 {
        self.0.flags.unsigned_abs()
    }

    /// Returns the parts that the BAR consists of, one behind the other; empty when it is one.
    pub fn ranges(&self) -> &[BarRange] {
        if self.0.num_submap == 0 || self.0.submap.is_null() {
            return &[];
        }
        // SAFETY: The function gives as many parts as it says, for the time of the call.
        // `BarRange` is a transparent wrapper.
        unsafe { core::slice::from_raw_parts(self.0.submap.cast(), self.0.num_submap as usize) }
    }
}

/// A part of a BAR.
#[repr(transparent)]
pub struct BarRange(bindings::pci_epf_bar_submap);

impl BarRange {
    /// Returns the bus address, for the controller's device, of what it shows.
    pub fn address(&self) -> u64 {
        self.0.phys_addr
    }

    /// Returns the size in bytes.
    pub fn size(&self) -> u64 {
        self.0.size as u64
    }
}

/// A register of the controller whose write by the RC is an interrupt in the EP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doorbell {
    /// Its physical address, aligned to 4.
    pub address: u64,
    /// What to write.
    pub data: u32,
    /// The Linux interrupt number, which others may share.
    pub irq: u32,
}
