// SPDX-License-Identifier: GPL-2.0
//! Network device: feature bits, configuration space and packet header (VIRTIO 1.2, section 5.1);
//! [`control`] has the control queue, [`offloads`] what headers may ask for.

pub mod control;
pub mod offloads;

use crate::wire::gather;

/// Feature bits of the network device (section 5.1.3).
pub mod features {
    /// The device completes checksums of packets that the driver sends.
    pub const CSUM: u64 = 1 << 0;
    /// The driver takes packets with a partial checksum.
    pub const GUEST_CSUM: u64 = 1 << 1;
    /// The driver can change its offloads at run time.
    pub const CTRL_GUEST_OFFLOADS: u64 = 1 << 2;
    /// The configuration has an MTU.
    pub const MTU: u64 = 1 << 3;
    /// The configuration has a MAC address.
    pub const MAC: u64 = 1 << 5;
    /// The driver takes TCP segments over IPv4 larger than the MTU.
    pub const GUEST_TSO4: u64 = 1 << 7;
    /// The driver takes TCP segments over IPv6 larger than the MTU.
    pub const GUEST_TSO6: u64 = 1 << 8;
    /// The driver takes large segments with ECN.
    pub const GUEST_ECN: u64 = 1 << 9;
    /// The driver takes UDP fragments larger than the MTU.
    pub const GUEST_UFO: u64 = 1 << 10;
    /// The device takes TCP segments over IPv4 larger than the MTU.
    pub const HOST_TSO4: u64 = 1 << 11;
    /// The device takes TCP segments over IPv6 larger than the MTU.
    pub const HOST_TSO6: u64 = 1 << 12;
    /// The device takes large segments with ECN.
    pub const HOST_ECN: u64 = 1 << 13;
    /// The device takes UDP fragments larger than the MTU.
    pub const HOST_UFO: u64 = 1 << 14;
    /// A received packet may fill several buffers.
    pub const MRG_RXBUF: u64 = 1 << 15;
    /// The configuration has a status.
    pub const STATUS: u64 = 1 << 16;
    /// There is a control queue.
    pub const CTRL_VQ: u64 = 1 << 17;
    /// The control queue takes receive mode commands.
    pub const CTRL_RX: u64 = 1 << 18;
    /// The control queue takes VLAN filter commands.
    pub const CTRL_VLAN: u64 = 1 << 19;
    /// The driver can announce itself on request.
    pub const GUEST_ANNOUNCE: u64 = 1 << 21;
    /// There are several pairs of queues.
    pub const MQ: u64 = 1 << 22;
    /// The control queue takes the MAC address.
    pub const CTRL_MAC_ADDR: u64 = 1 << 23;
    /// The configuration has speed and duplex.
    pub const SPEED_DUPLEX: u64 = 1 << 63;
}

/// Whether an address is that of one station: neither a group's, whose lowest bit is set, nor zero.
pub fn is_station(address: &[u8; 6]) -> bool {
    let [first, ..] = *address;
    first & 1 == 0 && *address != [0; 6]
}

/// The smallest MTU in bytes (section 5.1.4.1).
pub const MIN_MTU: u16 = 68;

/// The MTU of Ethernet in bytes.
pub const DEFAULT_MTU: u16 = 1500;

/// Bits of [`Config::status`] (section 5.1.4).
pub mod link {
    /// The link is up.
    pub const UP: u16 = 1;
    /// The driver is asked to announce itself.
    pub const ANNOUNCE: u16 = 2;
}

/// Values of [`Config::duplex`] (section 5.1.4).
pub mod duplex {
    /// Half duplex.
    pub const HALF: u8 = 0;
    /// Full duplex.
    pub const FULL: u8 = 1;
    /// Not known.
    pub const UNKNOWN: u8 = 0xff;
}

/// The configuration space, `struct virtio_net_config` (section 5.1.4).
///
/// A field counts only when its feature bit is offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The MAC address ([`features::MAC`]).
    pub mac: [u8; 6],
    /// Bits of [`link`] ([`features::STATUS`]).
    pub status: u16,
    /// The largest number of queue pairs ([`features::MQ`]).
    pub max_virtqueue_pairs: u16,
    /// The MTU in bytes ([`features::MTU`]).
    pub mtu: u16,
    /// The speed in Mb/s, or all ones when not known ([`features::SPEED_DUPLEX`]).
    pub speed: u32,
    /// A value of [`duplex`] ([`features::SPEED_DUPLEX`]).
    pub duplex: u8,
    /// The longest hash key in bytes.
    pub rss_max_key_size: u8,
    /// The longest indirection table in entries.
    pub rss_max_indirection_table_length: u16,
    /// The mask of supported hash types.
    pub supported_hash_types: u32,
}

impl Config {
    /// The length of the configuration space in bytes.
    pub const LEN: usize = 24;

    /// Returns the configuration space as the driver side reads it.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        gather(
            self.mac
                .into_iter()
                .chain(self.status.to_le_bytes())
                .chain(self.max_virtqueue_pairs.to_le_bytes())
                .chain(self.mtu.to_le_bytes())
                .chain(self.speed.to_le_bytes())
                .chain([self.duplex, self.rss_max_key_size])
                .chain(self.rss_max_indirection_table_length.to_le_bytes())
                .chain(self.supported_hash_types.to_le_bytes()),
        )
    }

    /// Returns what the configuration space says; no field is checked.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let [mac @ .., s0, s1, p0, p1, m0, m1, a, b, c, d, duplex, key, t0, t1, h0, h1, h2, h3] =
            *bytes;
        Self {
            mac,
            status: u16::from_le_bytes([s0, s1]),
            max_virtqueue_pairs: u16::from_le_bytes([p0, p1]),
            mtu: u16::from_le_bytes([m0, m1]),
            speed: u32::from_le_bytes([a, b, c, d]),
            duplex,
            rss_max_key_size: key,
            rss_max_indirection_table_length: u16::from_le_bytes([t0, t1]),
            supported_hash_types: u32::from_le_bytes([h0, h1, h2, h3]),
        }
    }
}

/// Bits of [`Header::flags`] (section 5.1.6).
pub mod header_flags {
    /// The checksum is partial and has to be completed.
    pub const NEEDS_CSUM: u8 = 1;
    /// The checksum has been verified; for packets to the driver alone.
    pub const DATA_VALID: u8 = 2;
}

/// Values of [`Header::gso_type`] (section 5.1.6).
pub mod gso {
    /// The packet is not segmented.
    pub const NONE: u8 = 0;
    /// TCP over IPv4.
    pub const TCPV4: u8 = 1;
    /// UDP over IPv4, as fragments.
    pub const UDP: u8 = 3;
    /// TCP over IPv6.
    pub const TCPV6: u8 = 4;
    /// Added to a TCP type when the packet has ECN.
    pub const ECN: u8 = 0x80;
}

/// The header in front of each packet, `struct virtio_net_hdr` with `num_buffers` (section 5.1.6).
///
/// A modern device has `num_buffers` always, with and without [`features::MRG_RXBUF`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Bits of [`header_flags`].
    pub flags: u8,
    /// A value of [`gso`].
    pub gso_type: u8,
    /// The length of the headers in bytes, a hint.
    pub hdr_len: u16,
    /// The payload of one segment in bytes.
    pub gso_size: u16,
    /// Where the checksum begins, in bytes from the start of the packet.
    pub csum_start: u16,
    /// Where the checksum is stored, in bytes from `csum_start`.
    pub csum_offset: u16,
    /// How many buffers the packet fills; zero on transmission.
    pub num_buffers: u16,
}

impl Header {
    /// The length of the header in bytes.
    pub const LEN: usize = 12;

    /// Returns the header as it is in a buffer.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        gather(
            [self.flags, self.gso_type]
                .into_iter()
                .chain(self.hdr_len.to_le_bytes())
                .chain(self.gso_size.to_le_bytes())
                .chain(self.csum_start.to_le_bytes())
                .chain(self.csum_offset.to_le_bytes())
                .chain(self.num_buffers.to_le_bytes()),
        )
    }

    /// Returns the header that a buffer begins with; no field is checked.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let [flags, gso_type, h0, h1, g0, g1, s0, s1, o0, o1, n0, n1] = *bytes;
        Self {
            flags,
            gso_type,
            hdr_len: u16::from_le_bytes([h0, h1]),
            gso_size: u16::from_le_bytes([g0, g1]),
            csum_start: u16::from_le_bytes([s0, s1]),
            csum_offset: u16::from_le_bytes([o0, o1]),
            num_buffers: u16::from_le_bytes([n0, n1]),
        }
    }
}
