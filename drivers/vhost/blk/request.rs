// SPDX-License-Identifier: GPL-2.0

//! What the driver side asks for, checked (VIRTIO 1.2, section 5.2.6).
//!
//! Pure: a request that comes out of here is inside the disk and within the limits; nothing behind
//! checks it again. What does not come out has the status to answer with.

use crate::config::{
    Offer,
    MAX_DISCARD_SECTORS,
    MAX_RANGES,
    MAX_ZEROES_SECTORS, //
};
use kernel::prelude::*;
use virtio::blk::{
    features,
    request,
    RangeSegment,
    RequestHeader,
    RequestStatus,
    ID_LEN,
    SECTOR_SIZE, //
};

/// The lengths of the parts of a request, in bytes.
#[derive(Clone, Copy)]
pub(crate) struct Parts {
    /// What can be read behind the header.
    pub(crate) readable: u32,
    /// What can be written before the status byte.
    pub(crate) writable: u32,
}

/// What requests have to fit.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) offer: Offer,
    /// The negotiated features.
    pub(crate) features: u64,
}

/// A piece of the disk, in bytes, inside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) offset: u64,
    pub(crate) len: u64,
}

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Read(Extent),
    Write(Extent),
    Flush,
    /// How many bytes of the identifier there is room for.
    GetId {
        len: usize,
    },
    /// How many ranges follow the header.
    Ranges {
        kind: RangeKind,
        count: usize,
    },
}

/// What happens to the ranges of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RangeKind {
    Discard,
    WriteZeroes,
}

/// What happens to one range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RangeRequest {
    pub(crate) extent: Extent,
    /// The range may be deallocated.
    pub(crate) unmap: bool,
}

impl Request {
    /// Checks a request.
    pub(crate) fn parse(
        header: RequestHeader,
        parts: Parts,
        limits: &Limits,
    ) -> Result<Self, RequestStatus> {
        match header.kind {
            request::IN => parts.expect_no_readable()?.read(header.sector, limits),
            request::OUT => parts.expect_no_writable()?.write(header.sector, limits),
            request::FLUSH => {
                limits.require(features::FLUSH)?;
                parts.expect_no_writable()?.expect_no_readable()?;
                Ok(Self::Flush)
            }
            request::GET_ID => parts.expect_no_readable()?.get_id(),
            request::DISCARD => {
                limits.require(features::DISCARD)?;
                parts.ranges(RangeKind::Discard, MAX_RANGES)
            }
            request::WRITE_ZEROES => {
                limits.require(features::WRITE_ZEROES)?;
                parts.ranges(RangeKind::WriteZeroes, 1)
            }
            _ => Err(RequestStatus::Unsupp),
        }
    }
}

impl Parts {
    fn expect_no_readable(self) -> Result<Self, RequestStatus> {
        match self.readable {
            0 => Ok(self),
            _ => Err(RequestStatus::IoErr),
        }
    }

    fn expect_no_writable(self) -> Result<Self, RequestStatus> {
        match self.writable {
            0 => Ok(self),
            _ => Err(RequestStatus::IoErr),
        }
    }

    fn read(self, sector: u64, limits: &Limits) -> Result<Request, RequestStatus> {
        limits.data(sector, self.writable).map(Request::Read)
    }

    fn write(self, sector: u64, limits: &Limits) -> Result<Request, RequestStatus> {
        if limits.offer.read_only {
            return Err(RequestStatus::IoErr);
        }
        limits.data(sector, self.readable).map(Request::Write)
    }

    fn get_id(self) -> Result<Request, RequestStatus> {
        // CAST: A kernel's `usize` has at least 32 bits.
        let len = (self.writable as usize).min(ID_LEN);
        Ok(Request::GetId { len })
    }

    fn ranges(self, kind: RangeKind, max: usize) -> Result<Request, RequestStatus> {
        self.expect_no_writable()?;
        // CAST: A kernel's `usize` has at least 32 bits.
        let len = self.readable as usize;
        let count = len / RangeSegment::LEN;
        if len % RangeSegment::LEN != 0 || count == 0 || count > max {
            return Err(RequestStatus::IoErr);
        }
        Ok(Request::Ranges { kind, count })
    }
}

impl Limits {
    fn require(&self, feature: u64) -> Result<(), RequestStatus> {
        match self.features & feature {
            0 => Err(RequestStatus::Unsupp),
            _ => Ok(()),
        }
    }

    /// Whether writes have to be durable when they are answered (section 5.2.5.2).
    pub(crate) fn is_write_through(&self) -> bool {
        self.features & features::FLUSH == 0
    }

    /// Checks a transfer of `len` bytes at `sector`.
    fn data(&self, sector: u64, len: u32) -> Result<Extent, RequestStatus> {
        if len % SECTOR_SIZE != 0 || len > self.offer.max_bytes() {
            return Err(RequestStatus::IoErr);
        }
        self.extent(sector, len / SECTOR_SIZE)
    }

    /// Checks that sectors are on the disk.
    fn extent(&self, sector: u64, count: u32) -> Result<Extent, RequestStatus> {
        let end = sector.checked_add(u64::from(count));
        if end.is_none_or(|end| end > self.offer.capacity) {
            return Err(RequestStatus::IoErr);
        }
        // The end is at most the capacity, whose bytes have 64 bits, hence no overflow.
        Ok(Extent {
            offset: sector.wrapping_mul(u64::from(SECTOR_SIZE)),
            len: u64::from(count).wrapping_mul(u64::from(SECTOR_SIZE)),
        })
    }

    /// Checks one range of a request.
    pub(crate) fn range(
        &self,
        kind: RangeKind,
        range: RangeSegment,
    ) -> Result<RangeRequest, RequestStatus> {
        let (flags, max) = match kind {
            RangeKind::Discard => (0, MAX_DISCARD_SECTORS),
            RangeKind::WriteZeroes => (RangeSegment::UNMAP, MAX_ZEROES_SECTORS),
        };
        if range.flags & !flags != 0 {
            return Err(RequestStatus::Unsupp);
        }
        if range.num_sectors > max {
            return Err(RequestStatus::IoErr);
        }
        Ok(RangeRequest {
            extent: self.extent(range.sector, range.num_sectors)?,
            unmap: range.flags & RangeSegment::UNMAP != 0,
        })
    }
}

#[kunit_tests(vhost_bus_blk_request)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        offer: Offer {
            capacity: 100,
            block_size: 512,
            read_only: false,
            can_discard: true,
            num_queues: 1,
            queue_size: 4,
        },
        features: features::FLUSH | features::DISCARD | features::WRITE_ZEROES,
    };

    fn parse(kind: u32, sector: u64, parts: (u32, u32)) -> Result<Request, RequestStatus> {
        parse_with(&LIMITS, kind, sector, parts)
    }

    fn parse_with(
        limits: &Limits,
        kind: u32,
        sector: u64,
        (readable, writable): (u32, u32),
    ) -> Result<Request, RequestStatus> {
        let parts = Parts { readable, writable };
        Request::parse(RequestHeader { kind, sector }, parts, limits)
    }

    #[test]
    fn reads_and_writes_inside_the_disk() {
        let extent = Extent {
            offset: 99 * 512,
            len: 512,
        };
        assert_eq!(parse(request::IN, 99, (0, 512)), Ok(Request::Read(extent)));
        assert_eq!(
            parse(request::OUT, 99, (512, 0)),
            Ok(Request::Write(extent))
        );
    }

    #[test]
    fn sectors_outside_the_disk() {
        for sector in [99, 100, 101, u64::MAX, u64::MAX - 1, u64::MAX / 512] {
            let answer = parse(request::IN, sector, (0, 1024));
            assert_eq!(answer, Err(RequestStatus::IoErr));
        }
    }

    #[test]
    fn lengths_that_are_refused() {
        let largest = LIMITS.offer.max_bytes();
        for len in [1, 511, 513, largest + 512] {
            let answer = parse(request::OUT, 0, (len, 0));
            assert_eq!(answer, Err(RequestStatus::IoErr));
        }
    }

    #[test]
    fn data_in_the_wrong_direction() {
        assert_eq!(parse(request::IN, 0, (512, 512)), Err(RequestStatus::IoErr));
        assert_eq!(
            parse(request::OUT, 0, (512, 512)),
            Err(RequestStatus::IoErr)
        );
        assert_eq!(
            parse(request::FLUSH, 0, (0, 512)),
            Err(RequestStatus::IoErr)
        );
    }

    #[test]
    fn unknown_and_not_negotiated() {
        assert_eq!(parse(2, 0, (0, 0)), Err(RequestStatus::Unsupp));
        assert_eq!(
            parse(request::SECURE_ERASE, 0, (16, 0)),
            Err(RequestStatus::Unsupp)
        );
        let none = Limits {
            features: 0,
            ..LIMITS
        };
        for kind in [request::FLUSH, request::DISCARD, request::WRITE_ZEROES] {
            assert_eq!(
                parse_with(&none, kind, 0, (16, 0)),
                Err(RequestStatus::Unsupp)
            );
        }
        assert!(none.is_write_through());
        assert!(!LIMITS.is_write_through());
    }

    #[test]
    fn read_only_disk_refuses_writes() {
        let limits = Limits {
            offer: Offer {
                read_only: true,
                ..LIMITS.offer
            },
            features: features::RO,
        };
        let answer = parse_with(&limits, request::OUT, 0, (512, 0));
        assert_eq!(answer, Err(RequestStatus::IoErr));
        assert!(parse_with(&limits, request::IN, 0, (0, 512)).is_ok());
    }

    #[test]
    fn identifier_is_cut() {
        assert_eq!(
            parse(request::GET_ID, 0, (0, 8)),
            Ok(Request::GetId { len: 8 })
        );
        assert_eq!(
            parse(request::GET_ID, 0, (0, 99)),
            Ok(Request::GetId { len: ID_LEN })
        );
    }

    #[test]
    fn numbers_of_ranges() {
        let discard = |len| parse(request::DISCARD, 0, (len, 0));
        let kind = RangeKind::Discard;
        assert_eq!(discard(16), Ok(Request::Ranges { kind, count: 1 }));
        assert_eq!(discard(16 * 16), Ok(Request::Ranges { kind, count: 16 }));
        for len in [0, 15, 17, 17 * 16] {
            assert_eq!(discard(len), Err(RequestStatus::IoErr));
        }
        assert_eq!(
            parse(request::WRITE_ZEROES, 0, (32, 0)),
            Err(RequestStatus::IoErr)
        );
    }

    #[test]
    fn ranges_and_their_flags() {
        let range = |kind, sector, num_sectors, flags| {
            let range = RangeSegment {
                sector,
                num_sectors,
                flags,
            };
            LIMITS.range(kind, range)
        };
        let whole = Extent {
            offset: 0,
            len: 51200,
        };
        let zeroes = RangeKind::WriteZeroes;
        assert_eq!(
            range(zeroes, 0, 100, RangeSegment::UNMAP),
            Ok(RangeRequest {
                extent: whole,
                unmap: true
            }),
        );
        assert_eq!(range(zeroes, 0, 100, 2), Err(RequestStatus::Unsupp));
        assert_eq!(range(zeroes, 1, 100, 0), Err(RequestStatus::IoErr));
        assert_eq!(range(zeroes, u64::MAX, 1, 0), Err(RequestStatus::IoErr));
        assert_eq!(
            range(RangeKind::Discard, 0, 1, 1),
            Err(RequestStatus::Unsupp)
        );
        assert_eq!(
            range(RangeKind::Discard, 0, u32::MAX, 0),
            Err(RequestStatus::IoErr)
        );
    }
}
