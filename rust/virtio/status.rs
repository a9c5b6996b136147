// SPDX-License-Identifier: GPL-2.0
//! The device status field (VIRTIO 1.2, section 2.1).

use core::{
    fmt,
    ops::BitOr, //
};

/// A value of the device status field.
///
/// The driver side sets bits one after the other and writes zero to reset; the device side sets
/// [`Status::DEVICE_NEEDS_RESET`] alone.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Status(u8);

impl Status {
    /// No bit is set: the device has been reset.
    pub const RESET: Self = Self(0);
    /// The driver side has noticed the device.
    pub const ACKNOWLEDGE: Self = Self(1);
    /// The driver side has a driver for the device.
    pub const DRIVER: Self = Self(2);
    /// The driver is ready; the device may use the queues.
    pub const DRIVER_OK: Self = Self(4);
    /// The features are negotiated.
    pub const FEATURES_OK: Self = Self(8);
    /// The device met an error from which only a reset recovers.
    pub const DEVICE_NEEDS_RESET: Self = Self(64);
    /// The driver side gave up.
    pub const FAILED: Self = Self(128);

    /// Returns the status with exactly these bits.
    #[inline]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// Returns the bits as they are in the field.
    #[inline]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Returns whether all bits of `other` are set.
    #[inline]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Returns the status with the bits of `other` set.
    #[inline]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns the status with the bits of `other` cleared.
    #[inline]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Returns whether this is the state after a reset.
    #[inline]
    pub const fn is_reset(self) -> bool {
        self.0 == 0
    }
}

impl BitOr for Status {
    type Output = Self;

    #[inline]
    fn bitor(self, other: Self) -> Self {
        self.with(other)
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Status({:#04x})", self.0)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#04x}", self.0)
    }
}
