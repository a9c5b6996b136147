// SPDX-License-Identifier: GPL-2.0

//! Tests of `posted`, with RC memory that takes those bytes alone which are there already.

use kernel::prelude::kunit_tests;

#[kunit_tests(pci_epf_vhost_posted)]
mod suite {
    use crate::{
        buffers::Buffers,
        dma::{
            testing::{
                TestLane,
                Way, //
            },
            LANE_BYTES,
            LANE_SEGMENTS, //
        },
        posted::{
            Posted,
            SHORTEST, //
        },
        window::{
            testing::{
                byte_at,
                Board,
                TestMapper,
                CHUNK, //
            },
            WindowCache, //
        },
    };
    use kernel::{
        prelude::*,
        sync::Arc, //
    };
    use transport::{
        Mapping,
        Range, //
    };
    use virtio::ring::{
        Pieces,
        Segment, //
    };

    struct Setup {
        board: Arc<Board>,
        buffers: Buffers<TestMapper>,
        posted: Posted<TestLane>,
    }

    impl Setup {
        fn new() -> Result<Self> {
            Self::in_space(0)
        }

        fn in_space(space: u16) -> Result<Self> {
            let board = Board::new(usize::MAX, 16)?;
            let cache = WindowCache::new(TestMapper(board.clone()), CHUNK, 16)?;
            if space != 0 {
                // The first two pages alone.
                let range = Range {
                    space,
                    iova: 0,
                    length: 0x2000,
                };
                let mapping = Mapping {
                    range,
                    pci_addr: 0,
                    read: true,
                    write: true,
                };
                cache.translation.map(&mapping).map_err(|_| EINVAL)?;
            }
            Ok(Self {
                board,
                buffers: Buffers::new(&cache, space)?,
                posted: Posted::new(TestLane::new(Way::ToRc)?)?,
            })
        }

        /// Writes what is there at `addr`; returns whether it waits.
        fn write(&mut self, addr: u64, len: usize) -> Result<bool> {
            let mut bytes = KVVec::with_capacity(len, GFP_KERNEL)?;
            for addr in (addr..).take(len) {
                bytes.push(byte_at(addr), GFP_KERNEL)?;
            }
            let segments = [Segment {
                addr,
                len: len.try_into()?,
            }];
            let pieces = Pieces::all(&segments);
            self.posted.write(&self.buffers, pieces, &bytes)
        }

        fn flush(&mut self) -> Result {
            self.posted.flush(&self.buffers)
        }

        fn transfers(&self) -> &[usize] {
            &self.posted.lane.transfers
        }
    }

    #[test]
    fn what_is_written_goes_together() -> Result {
        let mut setup = Setup::new()?;
        for addr in [0x9000, 0x1234, 0x4_0000] {
            assert_eq!(setup.write(addr, 4096), Ok(true));
        }
        assert_eq!(setup.transfers(), &[]);
        assert_eq!(setup.flush(), Ok(()));
        assert_eq!(setup.transfers(), &[3 * 4096]);
        // Nothing is left of it.
        assert_eq!(setup.flush(), Ok(()));
        assert_eq!(setup.transfers(), &[3 * 4096]);
        assert_eq!(setup.board.maps(), 0);
        Ok(())
    }

    #[test]
    fn what_is_short_or_too_long_does_not_wait() -> Result {
        let mut setup = Setup::new()?;
        assert_eq!(setup.write(0x1000, SHORTEST - 1), Ok(false));
        assert_eq!(setup.write(0x1000, LANE_BYTES + 1), Ok(false));
        assert_eq!(setup.write(0x1000, SHORTEST), Ok(true));
        assert_eq!(setup.write(0x1000, LANE_BYTES), Ok(true));
        assert_eq!(setup.transfers(), &[SHORTEST]);
        setup.flush()?;
        assert_eq!(setup.transfers(), &[SHORTEST, LANE_BYTES]);
        Ok(())
    }

    #[test]
    fn there_is_room_for_so_many() -> Result {
        let mut setup = Setup::new()?;
        for addr in (0..).step_by(0x1000).take(LANE_SEGMENTS) {
            assert_eq!(setup.write(addr, SHORTEST), Ok(true));
        }
        assert_eq!(setup.transfers(), &[]);
        assert_eq!(setup.write(0, SHORTEST), Ok(true));
        assert_eq!(setup.transfers(), &[LANE_SEGMENTS * SHORTEST]);
        Ok(())
    }

    #[test]
    fn the_processor_copies_what_the_engine_does_not() -> Result {
        let mut setup = Setup::new()?;
        setup.posted.lane.threshold = 4097;
        setup.write(0x9000, 4096)?;
        assert_eq!(setup.flush(), Ok(()));
        assert_eq!((setup.transfers(), setup.board.maps()), (&[][..], 1));
        setup.posted.lane.is_broken = true;
        for addr in [0x9000, 0x5_0000] {
            setup.write(addr, 4096)?;
        }
        assert_eq!(setup.flush(), Ok(()));
        assert_eq!((setup.transfers(), setup.board.maps()), (&[][..], 2));
        Ok(())
    }

    #[test]
    fn a_loss_is_told_whatever_is_written_next() -> Result {
        let mut setup = Setup::new()?;
        for is_discarded in [false, true] {
            setup.posted.lane.is_broken = true;
            // Not even by the processor: the range passes the end of the address space.
            let segments = [Segment {
                addr: u64::MAX - 255,
                len: 512,
            }];
            let pieces = Pieces::all(&segments);
            let written = setup.posted.write(&setup.buffers, pieces, &[0; 512]);
            assert_eq!(written, Ok(true));
            assert_eq!(setup.write(0x9000, LANE_BYTES), Ok(true));
            setup.posted.lane.is_broken = false;
            if is_discarded {
                setup.posted.discard();
            }
            assert_eq!(setup.flush().is_err(), !is_discarded);
            assert_eq!(setup.flush(), Ok(()));
        }
        Ok(())
    }

    #[test]
    fn what_is_discarded_is_not_written() -> Result {
        let mut setup = Setup::new()?;
        setup.write(0x9000, 4096)?;
        setup.posted.discard();
        assert_eq!(setup.flush(), Ok(()));
        assert_eq!((setup.transfers(), setup.board.maps()), (&[][..], 0));
        Ok(())
    }

    #[test]
    fn what_is_not_mapped_is_refused_at_once() -> Result {
        let mut setup = Setup::in_space(1)?;
        assert_eq!(setup.write(0x1800, 0x800), Ok(true));
        assert_eq!(setup.write(0x1800, 0x801), Err(EFAULT));
        assert_eq!(setup.flush(), Ok(()));
        assert_eq!(setup.transfers(), &[0x800]);
        Ok(())
    }
}
