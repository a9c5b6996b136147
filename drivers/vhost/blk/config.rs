// SPDX-License-Identifier: GPL-2.0

//! What the device offers: feature bits, configuration space, and the limits in it.

use kernel::prelude::*;
use storage::Store;
use virtio::blk::{
    features,
    Config,
    DiscardLimits,
    WriteZeroesLimits,
    SECTOR_SIZE, //
};

/// The largest number of queues: as many as anybody has processors on such a device.
pub(crate) const MAX_QUEUES: u16 = 16;

/// The largest queue, in descriptors: what a split queue has at most. Transports have less, unless they are told to.
pub(crate) const MAX_QUEUE_SIZE: u16 = 32768;

/// The largest number of segments in a request, 16 MiB: well within what the ring engine takes for a chain.
const MAX_SEGMENTS: u16 = 254;

/// The largest segment, in bytes: Linux's own default for block devices.
pub(crate) const MAX_SEGMENT_BYTES: u32 = 64 << 10;

/// The largest range to discard, in sectors (1 GiB): a file system takes that in one go.
pub(crate) const MAX_DISCARD_SECTORS: u32 = 1 << 21;

/// The largest range to write zeroes to, in sectors (16 MiB): a store may have to write them all,
/// as long as the largest write.
pub(crate) const MAX_ZEROES_SECTORS: u32 = 1 << 15;

/// The largest number of ranges in a request; they are on the stack, 16 bytes each.
pub(crate) const MAX_RANGES: usize = 16;

/// How many descriptors of a request are not data: the header and the status byte.
const FRAME_DESCRIPTORS: u16 = 2;

/// What a device offers, derived from its store and the size of its queues.
#[derive(Clone, Copy)]
pub(crate) struct Offer {
    pub(crate) capacity: u64,
    pub(crate) block_size: u32,
    pub(crate) read_only: bool,
    pub(crate) can_discard: bool,
    pub(crate) num_queues: u16,
    pub(crate) queue_size: u16,
}

impl Offer {
    pub(crate) fn new(store: &Store, num_queues: u16, queue_size: u16) -> Self {
        Self {
            capacity: store.size() / u64::from(SECTOR_SIZE),
            block_size: store.block_size(),
            read_only: store.is_read_only(),
            can_discard: store.can_discard(),
            num_queues,
            queue_size,
        }
    }

    /// The feature bits.
    ///
    /// The cache is write-back, with flush. A driver side that does not accept `FLUSH` gets
    /// write-through; `CONFIG_WCE`, to switch at run time, is not offered: the page cache below has
    /// no such switch, and no driver needs it.
    pub(crate) fn features(&self) -> u64 {
        let mut bits =
            features::SIZE_MAX | features::SEG_MAX | features::BLK_SIZE | features::FLUSH;
        if self.num_queues > 1 {
            bits |= features::MQ;
        }
        if self.read_only {
            return bits | features::RO;
        }
        if self.can_discard {
            bits |= features::DISCARD;
        }
        bits | features::WRITE_ZEROES
    }

    /// The configuration space.
    pub(crate) fn config(&self) -> Config {
        let mut config = Config {
            capacity: self.capacity,
            size_max: MAX_SEGMENT_BYTES,
            seg_max: self.max_segments(),
            blk_size: self.block_size,
            num_queues: self.num_queues,
            ..Config::default()
        };
        if self.can_discard {
            config.discard = DiscardLimits {
                max_sectors: MAX_DISCARD_SECTORS,
                // CAST: A small constant.
                max_seg: MAX_RANGES as u32,
                sector_alignment: self.block_size / SECTOR_SIZE,
            };
        }
        if !self.read_only {
            config.write_zeroes = WriteZeroesLimits {
                max_sectors: MAX_ZEROES_SECTORS,
                max_seg: 1,
                may_unmap: u8::from(self.can_discard),
            };
        }
        config
    }

    /// The largest number of data segments: a request has to fit the queue without indirection.
    pub(crate) fn max_segments(&self) -> u32 {
        let fit = self.queue_size.saturating_sub(FRAME_DESCRIPTORS);
        u32::from(fit.clamp(1, MAX_SEGMENTS))
    }

    /// The largest number of data bytes in a request.
    pub(crate) fn max_bytes(&self) -> u32 {
        self.max_segments().saturating_mul(MAX_SEGMENT_BYTES)
    }
}

#[kunit_tests(vhost_bus_blk_config)]
mod tests {
    use super::*;

    const WRITABLE: Offer = Offer {
        capacity: 2048,
        block_size: 4096,
        read_only: false,
        can_discard: true,
        num_queues: 1,
        queue_size: 256,
    };

    #[test]
    fn layout() {
        let bytes = WRITABLE.config().to_bytes();
        assert_eq!(bytes[..8], 2048u64.to_le_bytes());
        assert_eq!(bytes[8..12], MAX_SEGMENT_BYTES.to_le_bytes());
        assert_eq!(bytes[12..16], 254u32.to_le_bytes());
        assert_eq!(bytes[20..24], 4096u32.to_le_bytes());
        assert_eq!(bytes[34..36], 1u16.to_le_bytes());
        assert_eq!(bytes[36..40], MAX_DISCARD_SECTORS.to_le_bytes());
        assert_eq!(bytes[44..48], 8u32.to_le_bytes());
        assert_eq!(bytes[48..52], MAX_ZEROES_SECTORS.to_le_bytes());
        assert_eq!(bytes[56], 1);
    }

    #[test]
    fn read_only_offers_nothing_that_writes() {
        let offer = Offer {
            read_only: true,
            can_discard: false,
            ..WRITABLE
        };
        let bits = offer.features();
        assert!(bits & features::RO != 0);
        assert!(bits & (features::DISCARD | features::WRITE_ZEROES) == 0);
        assert_eq!(offer.config().write_zeroes, WriteZeroesLimits::default());
    }

    #[test]
    fn several_queues_are_offered() {
        let offer = Offer {
            num_queues: 4,
            ..WRITABLE
        };
        assert!(offer.features() & features::MQ != 0);
        assert!(WRITABLE.features() & features::MQ == 0);
        assert_eq!(offer.config().num_queues, 4);
    }

    #[test]
    fn smallest_queue_has_a_segment() {
        let offer = Offer {
            queue_size: 1,
            ..WRITABLE
        };
        assert_eq!(offer.max_segments(), 1);
        assert_eq!(offer.max_bytes(), MAX_SEGMENT_BYTES);
    }
}
