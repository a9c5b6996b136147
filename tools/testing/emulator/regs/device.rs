// SPDX-License-Identifier: GPL-2.0
//! The controller as a device of the EP, and the device of its window.

/// PCI vendor id of the controller device in the EP.
pub const VENDOR_ID: u16 = 0x1234;
/// PCI device id of the controller device in the EP.
pub const DEVICE_ID: u16 = 0xec00;
/// PCI class code of the controller device: no class fits.
pub const CLASS_CODE: u32 = 0xff_0000;

/// Virtio device type of the device which carries the mapped outbound window (`ioMemory` in the
/// specification's list; no mainline driver binds to it).
pub const WINDOW_VIRTIO_ID: u32 = 6;
/// Identifier of the shared memory region of that device which is the window.
pub const WINDOW_SHM_ID: u8 = 0;

/// BARs of the controller device.
pub mod bar {
    /// Register page, then doorbell page.
    pub const REGISTERS: usize = 0;
    /// MSI-X table and pending bits of the controller device.
    pub const MSIX: usize = 1;
    /// Trapped outbound window, 64-bit, prefetchable; present with [`caps::TRAPPED_WINDOW`].
    ///
    /// [`caps::TRAPPED_WINDOW`]: crate::caps::TRAPPED_WINDOW
    pub const WINDOW: usize = 2;
}

/// Bytes of [`bar::REGISTERS`].
pub const REGISTERS_BAR_SIZE: u64 = 0x2000;
/// Offset of the doorbell page in [`bar::REGISTERS`].
pub const DOORBELL_PAGE: u64 = 0x1000;
/// Bytes of the doorbell page.
pub const DOORBELL_PAGE_SIZE: u64 = 0x1000;
/// Distance in bytes between two doorbells of the doorbell page.
pub const DOORBELL_STRIDE: u64 = 4;

/// MSI-X vectors of the controller device.
pub mod vector {
    /// A bit of `EVENT_STATUS` that is enabled was set.
    pub const EVENT: u16 = 0;
    /// First doorbell; doorbell `n` raises vector `DOORBELL0 + n`, once per write. The vectors of
    /// DMA channels follow those of the doorbells.
    pub const DOORBELL0: u16 = 1;
}
