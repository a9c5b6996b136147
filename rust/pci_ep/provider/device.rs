// SPDX-License-Identifier: GPL-2.0

//! The device that stands for a controller in the framework.
//!
//! The framework allocates memory of BARs for it, and looks from it upwards for an interrupt
//! controller whose messages can be doorbells. From a PCI device it finds the one of that device's
//! own interrupts, and spoils them (`of_msi_map_get_device_domain()` in
//! drivers/pci/endpoint/pci-ep-msi.c). So this device has no parent, and reaches all memory.

use crate::bindings;
use kernel::{
    device::Device,
    error::to_result,
    faux,
    prelude::*,
    str::CStr,
    types::Opaque, //
};

/// The parent of a controller: a device on its own, which can be given memory for DMA.
///
/// Functions that look for a DMA engine of their controller take one that is registered for this
/// device (`epf_dma_filter_fn()` in drivers/pci/endpoint/functions/pci-epf-test.c).
pub struct ControllerDevice(faux::Registration);

impl ControllerDevice {
    /// Makes a device; `name` is unique among such devices.
    ///
    /// # Errors
    ///
    /// `ENODEV` when it cannot be made, `EIO` when the platform has no DMA with 64 bits.
    pub fn new(name: &CStr) -> Result<Self> {
        let this = Self(faux::Registration::new(name, None)?);
        // SAFETY: The device is valid, and nothing was allocated for it yet. Its mask lives in it.
        to_result(unsafe { bindings::pci_ep_reach_64_bits(this.as_raw()) })?;
        Ok(this)
    }

    pub(super) fn as_raw(&self) -> *mut bindings::device {
        let device: &Device = self.as_ref();
        // CAST: `Device` is a transparent wrapper of `Opaque<struct device>`.
        Opaque::cast_into(core::ptr::from_ref(device).cast())
    }
}

impl AsRef<Device> for ControllerDevice {
    fn as_ref(&self) -> &Device {
        self.0.as_ref()
    }
}
