// SPDX-License-Identifier: GPL-2.0
//! Block device: feature bits, configuration space and requests (VIRTIO 1.2, section 5.2).
//!
//! Zoned devices and lifetime information are not described here.

use crate::wire::gather;

/// The unit of capacities and positions, in bytes, whatever the block size (section 5.2.4).
pub const SECTOR_SIZE: u32 = 512;

/// Feature bits of the block device (section 5.2.3).
pub mod features {
    /// The configuration has the largest segment size.
    pub const SIZE_MAX: u64 = 1 << 1;
    /// The configuration has the largest number of segments of a request.
    pub const SEG_MAX: u64 = 1 << 2;
    /// The configuration has a geometry.
    pub const GEOMETRY: u64 = 1 << 4;
    /// The device is read-only.
    pub const RO: u64 = 1 << 5;
    /// The configuration has a block size.
    pub const BLK_SIZE: u64 = 1 << 6;
    /// The device takes flush requests.
    pub const FLUSH: u64 = 1 << 9;
    /// The configuration has a topology.
    pub const TOPOLOGY: u64 = 1 << 10;
    /// The driver can switch between write-back and write-through.
    pub const CONFIG_WCE: u64 = 1 << 11;
    /// There are several request queues.
    pub const MQ: u64 = 1 << 12;
    /// The device takes discard requests.
    pub const DISCARD: u64 = 1 << 13;
    /// The device takes write-zeroes requests.
    pub const WRITE_ZEROES: u64 = 1 << 14;
    /// The device takes secure erase requests.
    pub const SECURE_ERASE: u64 = 1 << 16;
}

/// The configuration space, `struct virtio_blk_config` (section 5.2.4).
///
/// A field counts only when its feature bit is offered; `capacity` counts always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The capacity in sectors of [`SECTOR_SIZE`].
    pub capacity: u64,
    /// The largest segment in bytes ([`features::SIZE_MAX`]).
    pub size_max: u32,
    /// The largest number of data segments in a request ([`features::SEG_MAX`]).
    pub seg_max: u32,
    /// The geometry ([`features::GEOMETRY`]).
    pub geometry: Geometry,
    /// The block size in bytes ([`features::BLK_SIZE`]).
    pub blk_size: u32,
    /// The topology ([`features::TOPOLOGY`]).
    pub topology: Topology,
    /// One in write-back mode, zero in write-through mode ([`features::CONFIG_WCE`]).
    pub writeback: u8,
    /// The number of request queues ([`features::MQ`]).
    pub num_queues: u16,
    /// The limits of discard requests ([`features::DISCARD`]).
    pub discard: DiscardLimits,
    /// The limits of write-zeroes requests ([`features::WRITE_ZEROES`]).
    pub write_zeroes: WriteZeroesLimits,
    /// The limits of secure erase requests ([`features::SECURE_ERASE`]).
    pub secure_erase: DiscardLimits,
}

/// The geometry in [`Config`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Geometry {
    /// The number of cylinders.
    pub cylinders: u16,
    /// The number of heads.
    pub heads: u8,
    /// The number of sectors per track.
    pub sectors: u8,
}

/// The topology in [`Config`]; sizes are in logical blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Topology {
    /// The binary logarithm of the logical blocks per physical block.
    pub physical_block_exp: u8,
    /// The offset of the first aligned logical block.
    pub alignment_offset: u8,
    /// The smallest suggested transfer.
    pub min_io_size: u16,
    /// The optimal transfer.
    pub opt_io_size: u32,
}

/// Limits of discard or secure erase requests in [`Config`], in sectors of [`SECTOR_SIZE`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiscardLimits {
    /// The largest segment.
    pub max_sectors: u32,
    /// The largest number of segments in a request.
    pub max_seg: u32,
    /// The alignment of segments.
    pub sector_alignment: u32,
}

/// Limits of write-zeroes requests in [`Config`], in sectors of [`SECTOR_SIZE`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteZeroesLimits {
    /// The largest segment.
    pub max_sectors: u32,
    /// The largest number of segments in a request.
    pub max_seg: u32,
    /// One when the device may deallocate what it zeroes.
    pub may_unmap: u8,
}

impl Config {
    /// The length of the configuration space in bytes.
    pub const LEN: usize = 72;
    /// Where `writeback`, the only field that the driver side may write, is in bytes.
    pub const WRITEBACK_OFFSET: usize = 32;

    /// Returns the configuration space as the driver side reads it.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        gather(
            self.capacity
                .to_le_bytes()
                .into_iter()
                .chain(self.size_max.to_le_bytes())
                .chain(self.seg_max.to_le_bytes())
                .chain(self.geometry.to_bytes())
                .chain(self.blk_size.to_le_bytes())
                .chain(self.topology.to_bytes())
                .chain([self.writeback, 0])
                .chain(self.num_queues.to_le_bytes())
                .chain(self.discard.to_bytes())
                .chain(self.write_zeroes.to_bytes())
                .chain(self.secure_erase.to_bytes()),
        )
    }
}

impl Geometry {
    fn to_bytes(self) -> [u8; 4] {
        gather(
            self.cylinders
                .to_le_bytes()
                .into_iter()
                .chain([self.heads, self.sectors]),
        )
    }
}

impl Topology {
    fn to_bytes(self) -> [u8; 8] {
        gather(
            [self.physical_block_exp, self.alignment_offset]
                .into_iter()
                .chain(self.min_io_size.to_le_bytes())
                .chain(self.opt_io_size.to_le_bytes()),
        )
    }
}

impl DiscardLimits {
    fn to_bytes(self) -> [u8; 12] {
        gather(
            self.max_sectors
                .to_le_bytes()
                .into_iter()
                .chain(self.max_seg.to_le_bytes())
                .chain(self.sector_alignment.to_le_bytes()),
        )
    }
}

impl WriteZeroesLimits {
    fn to_bytes(self) -> [u8; 12] {
        gather(
            self.max_sectors
                .to_le_bytes()
                .into_iter()
                .chain(self.max_seg.to_le_bytes())
                .chain([self.may_unmap]),
        )
    }
}

/// Values of [`RequestHeader::kind`] (section 5.2.6).
pub mod request {
    /// Reads sectors.
    pub const IN: u32 = 0;
    /// Writes sectors.
    pub const OUT: u32 = 1;
    /// Makes earlier writes durable.
    pub const FLUSH: u32 = 4;
    /// Reads the device's identifier of [`super::ID_LEN`] bytes.
    pub const GET_ID: u32 = 8;
    /// Discards segments.
    pub const DISCARD: u32 = 11;
    /// Writes zeroes to segments.
    pub const WRITE_ZEROES: u32 = 13;
    /// Erases segments for good.
    pub const SECURE_ERASE: u32 = 14;
}

/// The last byte of each request, written by the device (section 5.2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum RequestStatus {
    /// The request succeeded.
    Ok = 0,
    /// The request failed.
    IoErr = 1,
    /// The device does not support the request.
    Unsupp = 2,
}

/// The length of the identifier that [`request::GET_ID`] reads, in bytes, padded with zeroes.
pub const ID_LEN: usize = 20;

/// What each request begins with (section 5.2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHeader {
    /// A value of [`request`], or anything else that the driver side wrote.
    pub kind: u32,
    /// The position in sectors of [`SECTOR_SIZE`]; zero unless sectors are read or written.
    pub sector: u64,
}

impl RequestHeader {
    /// The length of the header in bytes.
    pub const LEN: usize = 16;

    /// Returns the header that a request begins with; no field is checked.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let [k0, k1, k2, k3, _, _, _, _, sector @ ..] = *bytes;
        Self {
            kind: u32::from_le_bytes([k0, k1, k2, k3]),
            sector: u64::from_le_bytes(sector),
        }
    }

    /// Returns the header as it is in a request.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        gather(
            self.kind
                .to_le_bytes()
                .into_iter()
                .chain([0; 4])
                .chain(self.sector.to_le_bytes()),
        )
    }
}

/// One range of a discard, write-zeroes or secure erase request (section 5.2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RangeSegment {
    /// The first sector.
    pub sector: u64,
    /// The number of sectors.
    pub num_sectors: u32,
    /// [`RangeSegment::UNMAP`] or zero; the other bits are reserved.
    pub flags: u32,
}

impl RangeSegment {
    /// The length of a range in bytes.
    pub const LEN: usize = 16;
    /// The device may deallocate the range instead of writing zeroes.
    pub const UNMAP: u32 = 1;

    /// Returns the range as it is in a request; no field is checked.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let [sector @ .., n0, n1, n2, n3, f0, f1, f2, f3] = *bytes;
        Self {
            sector: u64::from_le_bytes(sector),
            num_sectors: u32::from_le_bytes([n0, n1, n2, n3]),
            flags: u32::from_le_bytes([f0, f1, f2, f3]),
        }
    }

    /// Returns the range as it is in a request.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        gather(
            self.sector
                .to_le_bytes()
                .into_iter()
                .chain(self.num_sectors.to_le_bytes())
                .chain(self.flags.to_le_bytes()),
        )
    }
}
