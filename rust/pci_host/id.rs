// SPDX-License-Identifier: GPL-2.0

//! Ids of devices whose vendor `kernel::pci` does not know.

use crate::bindings;
use kernel::pci;

/// Matches every value of a field (`PCI_ANY_ID`).
const ANY: u32 = u32::MAX;

/// Returns the id of a device with any subsystem, for a driver's table.
pub const fn device_id(vendor: u16, device: u16) -> pci::DeviceId {
    let id = bindings::pci_device_id {
        vendor: vendor as u32,
        device: device as u32,
        subvendor: ANY,
        subdevice: ANY,
        class: 0,
        class_mask: 0,
        driver_data: 0,
        override_only: 0,
    };
    // SAFETY: `pci::DeviceId` is a transparent wrapper of this structure.
    unsafe { core::mem::transmute::<bindings::pci_device_id, pci::DeviceId>(id) }
}
