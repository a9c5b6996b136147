// SPDX-License-Identifier: GPL-2.0

//! What the kernel leaves to the user of a device.

use crate::bindings;

/// What is done to packets that the kernel transmits, by the user of the device or whom it gives them to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offloads {
    /// Checksums are completed.
    pub checksum: bool,
    /// TCP over IPv4 is segmented; takes `checksum`.
    pub tcp4: bool,
    /// TCP over IPv6 is segmented; takes `checksum`.
    pub tcp6: bool,
    /// Also segments that tell of congestion are.
    pub ecn: bool,
}

impl Offloads {
    /// All of them.
    pub const ALL: Self = Self {
        checksum: true,
        tcp4: true,
        tcp6: true,
        ecn: true,
    };

    /// The features of a network device that stand for these.
    pub(crate) fn features(self) -> bindings::netdev_features_t {
        let bits = [
            (self.checksum, bindings::NETIF_F_SG_BIT),
            (self.checksum, bindings::NETIF_F_HW_CSUM_BIT),
            (self.tcp4, bindings::NETIF_F_TSO_BIT),
            (self.tcp6, bindings::NETIF_F_TSO6_BIT),
            (self.ecn, bindings::NETIF_F_TSO_ECN_BIT),
        ];
        bits.iter().fold(0, |features, (is_on, bit)| {
            features | u64::from(*is_on) << bit
        })
    }
}
