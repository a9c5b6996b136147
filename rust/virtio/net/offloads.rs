// SPDX-License-Identifier: GPL-2.0
//! What the receiver of a packet does that its sender left undone: checksums and segments (VIRTIO 1.2,
//! sections 5.1.3.1 and 5.1.6).

use super::{features, gso, header_flags, Header};

/// The features by which a driver takes packets that are not finished, also the bits of the command that
/// changes them ([`features::CTRL_GUEST_OFFLOADS`]).
pub const GUEST: u64 =
    features::GUEST_CSUM | features::GUEST_TSO4 | features::GUEST_TSO6 | features::GUEST_ECN;

/// The features by which a device does.
pub const HOST: u64 = features::CSUM | HOST_SEGMENTS;

/// Those of them by which packets may be larger than the MTU.
pub const HOST_SEGMENTS: u64 = features::HOST_TSO4 | features::HOST_TSO6 | features::HOST_ECN;

/// What the receiver of a packet does to it.
///
/// Segments depend on the checksum: each has one of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offloads {
    /// It completes checksums.
    pub checksum: bool,
    /// It takes TCP segments over IPv4 larger than the MTU.
    pub tcp4: bool,
    /// It takes TCP segments over IPv6 larger than the MTU.
    pub tcp6: bool,
    /// Also such ones that tell of congestion.
    pub ecn: bool,
}

impl Offloads {
    /// Those of a device, for packets of a driver with these features.
    pub fn of_device(negotiated: u64) -> Self {
        let has = |bit| negotiated & bit != 0;
        Self {
            checksum: has(features::CSUM),
            tcp4: has(features::HOST_TSO4),
            tcp6: has(features::HOST_TSO6),
            ecn: has(features::HOST_ECN),
        }
        .with_dependencies()
    }

    /// Those of a driver with these features.
    pub fn of_driver(negotiated: u64) -> Self {
        let has = |bit| negotiated & bit != 0;
        Self {
            checksum: has(features::GUEST_CSUM),
            tcp4: has(features::GUEST_TSO4),
            tcp6: has(features::GUEST_TSO6),
            ecn: has(features::GUEST_ECN),
        }
        .with_dependencies()
    }

    fn with_dependencies(self) -> Self {
        let (tcp4, tcp6) = (self.tcp4 && self.checksum, self.tcp6 && self.checksum);
        Self {
            tcp4,
            tcp6,
            ecn: self.ecn && (tcp4 || tcp6),
            ..self
        }
    }

    /// Whether packets may be larger than the MTU.
    pub fn has_segments(self) -> bool {
        self.tcp4 || self.tcp6
    }

    /// Whether a packet with this header asks for nothing else. Bits of the flags that are not known
    /// have no meaning; all other fields remain to be checked against the packet.
    pub fn cover(self, header: &Header) -> bool {
        let has_checksum = header.flags & header_flags::NEEDS_CSUM == 0 || self.checksum;
        let has_ecn = header.gso_type & gso::ECN == 0 || self.ecn;
        let has_type = match header.gso_type {
            gso::NONE => true,
            kind => match kind & !gso::ECN {
                gso::TCPV4 => self.tcp4,
                gso::TCPV6 => self.tcp6,
                _ => false,
            },
        };
        has_checksum && has_ecn && has_type
    }
}
