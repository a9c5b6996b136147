// SPDX-License-Identifier: GPL-2.0
//! Commands of the control queue of a network device (VIRTIO 1.2, section 5.1.6.5).
//!
//! ```text
//!   readable                                 writable
//!   +-------+---------+--------------+       +-----+
//!   | class | command | data ...     |       | ack |
//!   +-------+---------+--------------+       +-----+
//! ```
//!
//! A [`Command`] has been checked: its length is exactly that of what it says, its values are those of
//! the specification, and the feature that it belongs to was negotiated.

use super::{features, is_station, offloads};

/// Where the control queue is: the one rule for both sides (section 5.1.2).
///
/// It is behind the pairs of queues that the device has, of which the driver looks at the first alone
/// unless it has negotiated [`features::MQ`]. `max_virtqueue_pairs` is what the driver sees in the
/// configuration. `None`: there is none.
pub fn control_queue(negotiated: u64, max_virtqueue_pairs: u16) -> Option<u16> {
    if negotiated & features::CTRL_VQ == 0 {
        return None;
    }
    let pairs = match negotiated & features::MQ {
        0 => 1,
        _ => max_virtqueue_pairs,
    };
    pairs.checked_mul(2)
}

/// Values of the acknowledgement.
pub mod ack {
    /// The command was carried out.
    pub const OK: u8 = 0;
    /// It was not, and had no effect.
    pub const ERR: u8 = 1;
}

/// Classes of commands.
pub mod class {
    /// Receive modes ([`CTRL_RX`](crate::net::features::CTRL_RX)).
    pub const RX: u8 = 0;
    /// MAC addresses.
    pub const MAC: u8 = 1;
    /// The filter of VLANs ([`CTRL_VLAN`](crate::net::features::CTRL_VLAN)).
    pub const VLAN: u8 = 2;
    /// Announcements ([`GUEST_ANNOUNCE`](crate::net::features::GUEST_ANNOUNCE)).
    pub const ANNOUNCE: u8 = 3;
    /// How many queues are used ([`MQ`](crate::net::features::MQ)).
    pub const MQ: u8 = 4;
    /// What the driver does to packets
    /// ([`CTRL_GUEST_OFFLOADS`](crate::net::features::CTRL_GUEST_OFFLOADS)).
    pub const GUEST_OFFLOADS: u8 = 5;
}

/// Commands of [`class::RX`], each with a byte that is 0 or 1.
pub mod rx {
    /// Receive everything.
    pub const PROMISC: u8 = 0;
    /// Receive all groups.
    pub const ALLMULTI: u8 = 1;
}

/// Commands of [`class::MAC`].
pub mod mac {
    /// Receive the stations and the groups of two tables ([`CTRL_RX`](crate::net::features::CTRL_RX)).
    pub const TABLE_SET: u8 = 0;
    /// The address of the driver side ([`CTRL_MAC_ADDR`](crate::net::features::CTRL_MAC_ADDR)).
    pub const ADDR_SET: u8 = 1;
}

/// Commands of [`class::MQ`].
pub mod mq {
    /// The number of pairs that are used, a 16-bit word.
    pub const VQ_PAIRS_SET: u8 = 0;
}

/// Commands of [`class::GUEST_OFFLOADS`].
pub mod guest_offloads {
    /// The features of [`offloads::GUEST`](crate::net::offloads::GUEST) that are in use, a 64-bit word.
    pub const SET: u8 = 0;
}

/// The length of class and command in bytes.
pub const HEADER_LEN: usize = 2;

/// The length of an address in bytes.
pub const ADDRESS_LEN: usize = 6;

/// The length of the number in front of a table, in bytes.
const COUNT_LEN: usize = 4;

/// The readable part of a buffer, whose bytes the driver side can change at any time.
pub trait Source {
    /// Why it cannot be read.
    type Error;

    /// The number of bytes.
    fn length(&self) -> usize;

    /// Copies the bytes from `offset` on and returns how many there were.
    ///
    /// # Errors
    ///
    /// Any; passed on.
    fn read(&self, offset: usize, to: &mut [u8]) -> Result<usize, Self::Error>;
}

/// What the driver side asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Receive everything, or what the filter lets pass.
    Promiscuous(bool),
    /// Receive all groups, or those of the table.
    AllMulticast(bool),
    /// Receive these stations, and these groups.
    SetTables {
        /// Addresses of stations, not checked.
        unicast: AddressTable,
        /// Addresses of groups, not checked.
        multicast: AddressTable,
    },
    /// The address of the driver side is this one, of one station.
    SetAddress([u8; ADDRESS_LEN]),
    /// Use so many pairs of queues, at least one and at most those that there are.
    UsePairs(u16),
    /// Of the features of [`offloads::GUEST`], use these, which were negotiated.
    SetOffloads(u64),
}

/// Where a table of addresses is in its command, which has all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressTable {
    /// Offset of the first address in bytes.
    pub offset: usize,
    /// Number of addresses.
    pub count: usize,
}

impl Command {
    /// Reads a command, each byte of it once.
    ///
    /// `None`: it is none that the device knows, has another length than its kind, or a value that
    /// there is not; to be answered by [`ack::ERR`].
    ///
    /// # Errors
    ///
    /// That of the source.
    pub fn read<S: Source>(
        source: &S,
        negotiated: u64,
        max_virtqueue_pairs: u16,
    ) -> Result<Option<Self>, S::Error> {
        let Some([class, command]) = part(source, 0)? else {
            return Ok(None);
        };
        let needs = match (class, command) {
            (class::RX, _) | (class::MAC, mac::TABLE_SET) => features::CTRL_RX,
            (class::MAC, _) => features::CTRL_MAC_ADDR,
            (class::MQ, _) => features::MQ,
            (class::GUEST_OFFLOADS, _) => features::CTRL_GUEST_OFFLOADS,
            _ => return Ok(None),
        };
        if negotiated & needs == 0 {
            return Ok(None);
        }
        Ok(match (class, command) {
            (class::RX, rx::PROMISC) => switch(source)?.map(Self::Promiscuous),
            (class::RX, rx::ALLMULTI) => switch(source)?.map(Self::AllMulticast),
            (class::MAC, mac::TABLE_SET) => tables(source)?,
            (class::MAC, mac::ADDR_SET) => data(source)?.filter(is_station).map(Self::SetAddress),
            (class::MQ, mq::VQ_PAIRS_SET) => data(source)?
                .map(u16::from_le_bytes)
                .filter(|pairs| (1..=max_virtqueue_pairs).contains(pairs))
                .map(Self::UsePairs),
            (class::GUEST_OFFLOADS, guest_offloads::SET) => data(source)?
                .map(u64::from_le_bytes)
                .filter(|used| used & !(negotiated & offloads::GUEST) == 0)
                .map(Self::SetOffloads),
            _ => None,
        })
    }
}

/// The bytes at `offset`, if there are so many.
fn part<S: Source, const N: usize>(source: &S, offset: usize) -> Result<Option<[u8; N]>, S::Error> {
    let mut bytes = [0; N];
    let count = source.read(offset, &mut bytes)?;
    Ok((count == N).then_some(bytes))
}

/// The data of a command, if it has exactly so many bytes.
fn data<S: Source, const N: usize>(source: &S) -> Result<Option<[u8; N]>, S::Error> {
    match source.length().checked_sub(HEADER_LEN) {
        Some(len) if len == N => part(source, HEADER_LEN),
        _ => Ok(None),
    }
}

fn switch<S: Source>(source: &S) -> Result<Option<bool>, S::Error> {
    Ok(data(source)?.and_then(|[byte]| match byte {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }))
}

/// Two tables, and nothing behind them.
fn tables<S: Source>(source: &S) -> Result<Option<Command>, S::Error> {
    let Some((unicast, end)) = AddressTable::find(source, HEADER_LEN)? else {
        return Ok(None);
    };
    Ok(match AddressTable::find(source, end)? {
        Some((multicast, end)) if end == source.length() => {
            Some(Command::SetTables { unicast, multicast })
        }
        _ => None,
    })
}

impl AddressTable {
    /// The table at `offset` and the offset behind it, if all of it is there.
    fn find<S: Source>(source: &S, offset: usize) -> Result<Option<(Self, usize)>, S::Error> {
        let Some(count) = part(source, offset)?.map(u32::from_le_bytes) else {
            return Ok(None);
        };
        // CAST: A kernel's `usize` has at least 32 bits.
        let count = count as usize;
        let offset = offset.saturating_add(COUNT_LEN);
        let end = count
            .checked_mul(ADDRESS_LEN)
            .and_then(|len| offset.checked_add(len))
            .filter(|end| *end <= source.length());
        Ok(end.map(|end| (Self { offset, count }, end)))
    }
}
