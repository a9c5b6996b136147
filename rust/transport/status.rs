// SPDX-License-Identifier: GPL-2.0

//! Device status, and the feature bits that the transport itself looks at.

/// Feature bits that the transport itself looks at (VIRTIO 1.2, section 6).
pub mod feature {
    /// `VIRTIO_F_VERSION_1`
    pub const VERSION_1: u64 = 1 << 32;
    /// `VIRTIO_F_ACCESS_PLATFORM`
    pub const ACCESS_PLATFORM: u64 = 1 << 33;
    /// `VIRTIO_F_RING_PACKED`
    pub const RING_PACKED: u64 = 1 << 34;
    /// `VIRTIO_F_ORDER_PLATFORM`
    pub const ORDER_PLATFORM: u64 = 1 << 36;

    /// Always offered.
    pub const OFFERED: u64 = VERSION_1 | ACCESS_PLATFORM | ORDER_PLATFORM;
    /// `FEATURES_OK` is refused without them.
    pub const REQUIRED: u64 = VERSION_1 | ACCESS_PLATFORM;
}

/// Device status (VIRTIO 1.2, section 2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct DeviceStatus(u8);

impl DeviceStatus {
    /// The device is reset.
    pub const RESET: Self = Self(0);
    /// The driver side noticed the device.
    pub const ACKNOWLEDGE: Self = Self(1);
    /// The driver side knows how to drive it.
    pub const DRIVER: Self = Self(2);
    /// The driver side is ready.
    pub const DRIVER_OK: Self = Self(4);
    /// Features are negotiated.
    pub const FEATURES_OK: Self = Self(8);
    /// The device gave up.
    pub const NEEDS_RESET: Self = Self(64);
    /// The driver side gave up.
    pub const FAILED: Self = Self(128);

    /// What the driver side can set.
    pub(crate) const SETTABLE: Self = Self(1 | 2 | 4 | 8 | 128);

    /// A status from its bits; nothing is checked.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// The bits of the status.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether all bits of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// This status with the bits of `other`.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This status without the bits of `other`.
    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}
