// SPDX-License-Identifier: GPL-2.0

//! A function device, with what the user chose for it.

use crate::{
    bindings,
    header::Header, //
};
use core::ptr::NonNull;
use kernel::{
    device,
    sync::aref::AlwaysRefCounted,
    types::Opaque, //
};

/// A function device (`struct pci_epf`).
#[repr(transparent)]
pub struct Device(Opaque<bindings::pci_epf>);

impl Device {
    /// # Safety
    ///
    /// `epf` must be valid for `'a`.
    pub(super) unsafe fn from_raw<'a>(epf: *mut bindings::pci_epf) -> &'a Self {
        // SAFETY: By the requirements of this function; `Self` is a transparent wrapper.
        unsafe { &*epf.cast() }
    }

    pub(crate) fn as_raw(&self) -> *mut bindings::pci_epf {
        self.0.get()
    }

    /// Returns the configuration header as it stands: the driver's, changed by the user.
    pub fn header(&self) -> Header {
        // SAFETY: `header` was set before the driver saw the device, and is valid until it is
        // removed. The user may change it meanwhile, so it is copied at once.
        let header = unsafe { (*self.as_raw()).header.read_volatile() };
        Header::from_raw(&header)
    }

    /// Changes the configuration header; it takes effect with [`Endpoint::write_header`].
    pub fn set_header(&self, header: Header) {
        // SAFETY: As in `header`.
        unsafe { (*self.as_raw()).header.write_volatile(header.to_raw()) }
    }

    /// Returns the number of MSI vectors which the user asked for; 0 when it did not.
    pub fn msi_interrupts(&self) -> u8 {
        // SAFETY: `self` is valid; the user may change the value at any time.
        unsafe { (&raw const (*self.as_raw()).msi_interrupts).read_volatile() }
    }

    /// Returns the number of MSI-X vectors which the user asked for; 0 when it did not.
    pub fn msix_interrupts(&self) -> u16 {
        // SAFETY: `self` is valid; the user may change the value at any time.
        unsafe { (&raw const (*self.as_raw()).msix_interrupts).read_volatile() }
    }
}

impl AsRef<device::Device> for Device {
    fn as_ref(&self) -> &device::Device {
        // SAFETY: `self` is valid, hence the device in it; `device::Device` wraps it transparently.
        unsafe { &*(&raw const (*self.as_raw()).dev).cast() }
    }
}

// SAFETY: `struct pci_epf` is counted by the `struct device` in it.
unsafe impl AlwaysRefCounted for Device {
    fn inc_ref(&self) {
        // SAFETY: The reference shows that the count is not zero.
        unsafe { bindings::get_device(&raw mut (*self.as_raw()).dev) };
    }

    unsafe fn dec_ref(device: NonNull<Self>) {
        // SAFETY: The caller gives up a reference.
        unsafe { bindings::put_device(&raw mut (*device.as_ref().as_raw()).dev) }
    }
}

// SAFETY: A function device may be released by any thread.
unsafe impl Send for Device {}

// SAFETY: Its methods may be called by any thread.
unsafe impl Sync for Device {}
