// SPDX-License-Identifier: GPL-2.0

//! What memory a device can reach, and whether it may.

use crate::{
    bindings,
    vectors::as_raw, //
};
use kernel::{
    device::Core,
    dma::{
        Device,
        DmaMask, //
    },
    ffi::c_int,
    pci,
    prelude::*, //
};

/// Says that `pdev` reaches all 64 bits of the address space.
///
/// Context: the probe of the device, before anything of its memory is mapped; there is no other
/// user of the device then, as the driver core hands `Core` out to probe, one at a time.
///
/// # Errors
///
/// `EIO`: the platform cannot.
pub fn reach_64_bits(pdev: &pci::Device<Core<'_>>) -> Result {
    // SAFETY: Called in probe, as `Core` shows: nothing is mapped for the device yet.
    unsafe { pdev.dma_set_mask_and_coherent(DmaMask::new::<64>()) }
}

/// Lets `pdev` access memory and raise message signalled interrupts, or cuts it off.
///
/// Once it is cut off, nothing that it wrote before is under way any more.
///
/// Context: process; one caller at a time for a device.
pub fn set_bus_master(pdev: &pci::Device, may: bool) {
    // SAFETY: The device is a reference-counted, enabled PCI device; the functions read and write its
    // command register. The read of its configuration space pushes what it wrote ahead of itself.
    unsafe {
        match may {
            true => bindings::pci_set_master(as_raw(pdev)),
            false => bindings::pci_clear_master(as_raw(pdev)),
        }
    }
}

/// Whether `pdev` may access memory; also true if it does not answer.
///
/// Context: process.
pub fn is_bus_master(pdev: &pci::Device) -> bool {
    let mut command = 0;
    // SAFETY: The device is a reference-counted PCI device, and the word is ours.
    let status = unsafe {
        bindings::pci_read_config_word(as_raw(pdev), bindings::PCI_COMMAND as c_int, &mut command)
    };
    status != 0 || u32::from(command) & bindings::PCI_COMMAND_MASTER != 0
}
