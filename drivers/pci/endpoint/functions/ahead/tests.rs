// SPDX-License-Identifier: GPL-2.0

//! Tests of `ahead`, with RC memory in which each byte tells its address.

use kernel::prelude::kunit_tests;

#[kunit_tests(pci_epf_vhost_ahead)]
mod suite {
    use crate::{
        ahead::{
            Ahead,
            INDEX_BYTES,
            MOST_PIECES, //
        },
        buffers::Buffers,
        dma::{
            testing::{
                TestLane,
                Way, //
            },
            LANE_BYTES,
            LANE_SEGMENTS, //
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
    use core::iter;
    use kernel::prelude::*;
    use virtio::ring::{
        Pieces,
        Segment, //
    };

    /// Where the index is, with what is before it.
    const INDEX: Segment = Segment {
        addr: 0x7000_1200,
        len: INDEX_BYTES as u32,
    };

    struct Setup {
        buffers: Buffers<TestMapper>,
        ahead: Ahead<TestLane>,
    }

    impl Setup {
        fn new() -> Result<Self> {
            let board = Board::new(usize::MAX, 16)?;
            let cache = WindowCache::new(TestMapper(board), CHUNK, 16)?;
            Ok(Self {
                buffers: Buffers::new(&cache, 0)?,
                ahead: Ahead::new(TestLane::new(Way::FromRc)?)?,
            })
        }

        /// Returns whether pieces were read, and the index behind them is the true one.
        fn read(&mut self, pieces: impl IntoIterator<Item = Segment>) -> bool {
            let mut pieces = pieces.into_iter();
            let found = self.ahead.read(&self.buffers, &mut pieces, Some(INDEX));
            let [low, high] = [2, 3].map(|offset| byte_at(INDEX.addr + offset));
            found == Some(u16::from_le_bytes([low, high]))
        }

        /// Returns whether bytes come by the lane, which then are those of RC memory.
        fn has(&mut self, addr: u64, len: usize) -> bool {
            let mut bytes = [0; 64];
            let Some(to) = bytes.get_mut(..len) else {
                return false;
            };
            let is_there = self.ahead.copy(&self.buffers, addr, to);
            let mut expected = (addr..).map(byte_at);
            is_there && to.iter().all(|byte| expected.next() == Some(*byte))
        }

        fn transfers(&self) -> usize {
            self.ahead.lane.transfers.len()
        }
    }

    fn segment(addr: u64, len: u32) -> Segment {
        Segment { addr, len }
    }

    /// So many pieces of this length, far from each other.
    fn pieces(count: usize, len: u32) -> impl Iterator<Item = Segment> {
        (0..count as u64).map(move |n| segment(n << 18, len))
    }

    #[test]
    fn pieces_are_found_whole_and_in_parts() -> Result {
        let mut setup = Setup::new()?;
        let pieces = [segment(0x1000, 16), segment(0x5008, 33), segment(0x1010, 8)];
        assert!(setup.read(pieces));
        for _ in 0..2 {
            assert!(setup.has(0x1000, 16) && setup.has(0x5008, 33));
            assert!(setup.has(0x1004, 12) && setup.has(0x5028, 1));
            assert!(setup.has(0x1010, 8));
        }
        // Not in one piece, before one, behind one, elsewhere.
        assert!(!setup.has(0x1000, 17) && !setup.has(0x5007, 1));
        assert!(!setup.has(0x5028, 2) && !setup.has(0x5029, 1));
        assert!(!setup.has(0, 1) && !setup.has(u64::MAX, 1));
        assert!(setup.ahead.has(Pieces::all(&pieces)));
        assert!(!setup.ahead.has(Pieces::all(&[segment(0x1000, 17)])));
        assert_eq!(setup.transfers(), 1);
        Ok(())
    }

    #[test]
    fn the_next_ones_take_their_place() -> Result {
        let mut setup = Setup::new()?;
        assert!(!setup.has(0x1000, 1));
        assert!(setup.read([segment(0x1000, 64)]) && setup.has(0x1000, 1));
        assert!(setup.read([segment(0x2000, 8)]));
        assert!(!setup.has(0x1000, 1) && setup.has(0x2000, 8));
        assert!(!setup.read([]) && !setup.has(0x2000, 1) && setup.transfers() == 2);
        Ok(())
    }

    #[test]
    fn an_index_need_not_be_there() -> Result {
        let mut setup = Setup::new()?;
        let mut pieces = iter::once(segment(0x1000, 64));
        let found = setup.ahead.read(&setup.buffers, &mut pieces, None);
        assert!(found.is_none() && setup.has(0x1000, 64) && setup.transfers() == 1);
        let found = setup.ahead.read(&setup.buffers, &mut iter::empty(), None);
        assert!(found.is_none() && !setup.has(0x1000, 1));
        Ok(())
    }

    #[test]
    fn what_is_not_moved_is_not_there() -> Result {
        let mut setup = Setup::new()?;
        assert!(setup.read([segment(0x1000, 64)]));
        setup.ahead.lane.is_broken = true;
        assert!(!setup.read([segment(0x1000, 64)]) && !setup.has(0x1000, 1));
        // Nor what was not worth a transfer.
        setup.ahead.lane.is_broken = false;
        setup.ahead.lane.threshold = 65 + INDEX_BYTES;
        assert!(!setup.read([segment(0x1000, 64)]) && !setup.has(0x1000, 1));
        assert!(setup.read([segment(0x1000, 65)]) && setup.has(0x1000, 1));
        Ok(())
    }

    #[test]
    fn there_is_room_for_so_many() -> Result {
        let mut setup = Setup::new()?;
        let last = |count: usize| (count as u64 - 1) << 18;
        assert!(setup.read(pieces(MOST_PIECES, 1)) && setup.has(last(MOST_PIECES), 1));
        assert!(setup.read(pieces(MOST_PIECES + 1, 1)) && !setup.has(last(MOST_PIECES + 1), 1));
        let most = LANE_BYTES - INDEX_BYTES;
        assert!(setup.read([segment(0, most as u32)]) && setup.has(most as u64 - 1, 1));
        let too_long = [segment(0, most as u32 + 1), segment(1 << 20, 1)];
        assert!(setup.read(too_long) && !setup.has(0, 1) && setup.has(1 << 20, 1));
        Ok(())
    }

    #[test]
    fn those_behind_come_when_they_are_asked_for() -> Result {
        let mut setup = Setup::new()?;
        // Two of the three fit, with the index.
        let half = LANE_BYTES as u32 / 2 - 8;
        assert!(setup.read(pieces(3, half)) && setup.transfers() == 1);
        assert!(setup.has(0, 64) && setup.has(1 << 18, 64) && setup.transfers() == 1);
        assert!(setup.has(2 << 18, 64) && setup.transfers() == 2);
        // What was held before is fetched again.
        assert!(setup.has(0, 64) && setup.transfers() == 3);
        // As many pieces as a transfer has.
        assert!(setup.read(pieces(LANE_SEGMENTS + 1, 1)) && setup.transfers() == 4);
        let last = (LANE_SEGMENTS as u64) << 18;
        assert!(setup.has(last - (1 << 18), 1) && setup.transfers() == 4);
        assert!(setup.has(last, 1) && setup.transfers() == 5);
        Ok(())
    }

    #[test]
    fn others_take_the_place_of_what_is_held() -> Result {
        let mut setup = Setup::new()?;
        assert!(setup.read([segment(0x1000, 64)]));
        let mut bytes = [0; 32];
        let now = [segment(0x9000, 16), segment(0x7000, 16)];
        let now = now.into_iter();
        assert!(setup.ahead.read_now(&setup.buffers, now, &mut bytes));
        let (first, second) = ((0x9000..0x9010u64), (0x7000..0x7010u64));
        let expected = Iterator::chain(first, second).map(byte_at);
        assert!(bytes.iter().copied().eq(expected));
        assert!(setup.has(0x1000, 64) && setup.transfers() == 3);
        Ok(())
    }

    #[test]
    fn nothing_is_worth_no_transfer() -> Result {
        let mut setup = Setup::new()?;
        setup.ahead.lane.threshold = 1;
        let mut bytes = [0; 1];
        let none = core::iter::empty();
        assert!(!setup.ahead.read_now(&setup.buffers, none, &mut []));
        let one = core::iter::once(segment(0x9000, 1));
        assert!(setup.ahead.read_now(&setup.buffers, one, &mut bytes));
        assert_eq!(bytes, [byte_at(0x9000)]);
        Ok(())
    }
}
