// SPDX-License-Identifier: GPL-2.0

//! What addresses a device can reach.

use kernel::{
    device::Core,
    dma::{
        Device,
        DmaMask, //
    },
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
