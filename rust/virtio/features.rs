// SPDX-License-Identifier: GPL-2.0
//! Feature bits that belong to no device type (VIRTIO 1.2, section 6), as masks of the 64-bit word.
//!
//! The bits of a device type are in that type's module.

/// A descriptor may refer to a table of descriptors.
pub const INDIRECT_DESC: u64 = 1 << 28;
/// `used_event` and `avail_event` replace the flags in notification suppression.
pub const EVENT_IDX: u64 = 1 << 29;
/// The device is a modern one.
pub const VERSION_1: u64 = 1 << 32;
/// Addresses are those of the platform, hence subject to an IOMMU.
pub const ACCESS_PLATFORM: u64 = 1 << 33;
/// The packed layout is in use.
pub const RING_PACKED: u64 = 1 << 34;
/// The device uses buffers in the order in which they were made available.
pub const IN_ORDER: u64 = 1 << 35;
/// Memory accesses are ordered as the platform orders them, not as between processors.
pub const ORDER_PLATFORM: u64 = 1 << 36;
/// The device supports single root I/O virtualisation.
pub const SR_IOV: u64 = 1 << 37;
/// A doorbell write carries the available index.
pub const NOTIFICATION_DATA: u64 = 1 << 38;
/// A doorbell write carries a value that the device chose.
pub const NOTIF_CONFIG_DATA: u64 = 1 << 39;
/// A single queue can be reset.
pub const RING_RESET: u64 = 1 << 40;

/// The feature bits that belong to the ring and the transport, whatever the device type (section 2.2).
pub const RESERVED: u64 = ((1 << 50) - 1) & !((1 << 24) - 1);
