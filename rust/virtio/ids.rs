// SPDX-License-Identifier: GPL-2.0
//! Device types (VIRTIO 1.2, section 5).

use core::fmt;

/// A virtio device type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct DeviceId(u32);

impl DeviceId {
    /// Network device (section 5.1).
    pub const NET: Self = Self(1);
    /// Block device (section 5.2).
    pub const BLOCK: Self = Self(2);
    /// Console device (section 5.3).
    pub const CONSOLE: Self = Self(3);
    /// Entropy device (section 5.4).
    pub const RNG: Self = Self(4);
    /// SCSI host device (section 5.6).
    pub const SCSI: Self = Self(8);
    /// Socket device (section 5.10).
    pub const VSOCK: Self = Self(19);
    /// File system device (section 5.11).
    pub const FS: Self = Self(26);

    /// Returns the device type with the number `id`.
    #[inline]
    pub const fn new(id: u32) -> Self {
        Self(id)
    }

    /// Returns the number of the device type.
    #[inline]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NET => f.write_str("net"),
            Self::BLOCK => f.write_str("block"),
            Self::CONSOLE => f.write_str("console"),
            Self::RNG => f.write_str("rng"),
            Self::SCSI => f.write_str("scsi"),
            Self::VSOCK => f.write_str("vsock"),
            Self::FS => f.write_str("fs"),
            Self(id) => write!(f, "device {id}"),
        }
    }
}
