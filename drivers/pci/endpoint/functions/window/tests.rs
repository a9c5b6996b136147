// SPDX-License-Identifier: GPL-2.0

//! Windows onto a pretended RC memory, with a controller that is short of everything.

use kernel::prelude::kunit_tests;

#[kunit_tests(pci_epf_vhost_window)]
mod suite {
    use crate::{
        buffers::Buffers,
        window::{
            testing::{
                byte_at,
                Board,
                TestMapper,
                CHUNK, //
            },
            WindowCache, //
        }, //
    };
    use kernel::{
        prelude::*,
        sync::Arc, //
    };

    struct Setup {
        board: Arc<Board>,
        cache: Arc<WindowCache<TestMapper>>,
        buffers: Buffers<TestMapper>,
    }

    impl Setup {
        fn new(space: usize, units: usize, max_chunks: usize) -> Result<Self> {
            let board = Board::new(space, units)?;
            let cache = WindowCache::new(TestMapper(board.clone()), CHUNK, max_chunks)?;
            Ok(Self {
                board,
                buffers: Buffers::new(&cache, 0)?,
                cache,
            })
        }

        /// Returns whether reading and writing at `addr` get at the right bytes.
        fn is_right_at(&self, addr: u64, len: usize) -> Result<bool> {
            let mut bytes = KVec::from_elem(0, len, GFP_KERNEL)?;
            self.buffers.read(addr, &mut bytes)?;
            let is_right = (addr..)
                .zip(&bytes)
                .all(|(addr, byte)| *byte == byte_at(addr));
            self.buffers.write(addr, &bytes)?;
            Ok(is_right)
        }
    }

    #[test]
    fn a_chunk_is_mapped_once() -> Result {
        let setup = Setup::new(usize::MAX, 16, 16)?;
        for n in 0..100 {
            assert!(setup.is_right_at(0x1234_5678 + n, 64)?);
        }
        assert_eq!(setup.board.maps(), 1);
        Ok(())
    }

    #[test]
    fn buffers_cross_chunks() -> Result {
        let setup = Setup::new(usize::MAX, 16, 16)?;
        assert!(setup.is_right_at(0x7_fff1, 3 * CHUNK)?);
        assert_eq!(setup.board.maps(), 4);
        Ok(())
    }

    #[test]
    fn one_window_is_enough() -> Result {
        let setup = Setup::new(usize::MAX, 1, 16)?;
        assert!(setup.is_right_at(0xfff0, 4 * CHUNK)?);
        assert!(setup.is_right_at(0x10, 32)?);
        assert_eq!(setup.board.used_units(), 1);
        Ok(())
    }

    #[test]
    fn no_more_than_allowed_are_mapped() -> Result {
        let setup = Setup::new(usize::MAX, 16, 3)?;
        for chunk in 0..8 {
            assert!(setup.is_right_at(chunk * CHUNK as u64, 16)?);
            assert!(setup.board.used_units() <= 3);
        }
        Ok(())
    }

    #[test]
    fn a_chunk_in_use_stays() -> Result {
        const HOT: u64 = 0;
        let setup = Setup::new(usize::MAX, 16, 3)?;
        assert!(setup.is_right_at(HOT, 16)?);
        for chunk in 1..10 {
            assert!(setup.is_right_at(chunk * CHUNK as u64, 16)?);
            assert!(setup.is_right_at(HOT, 16)?);
        }
        assert_eq!(setup.board.maps(), 10);
        Ok(())
    }

    #[test]
    fn chunks_shrink_until_several_fit() -> Result {
        let setup = Setup::new(CHUNK, 16, 16)?;
        let use_all = || -> Result {
            for chunk in 0..4 {
                assert!(setup.is_right_at(chunk * CHUNK as u64, 16)?);
            }
            Ok(())
        };
        // They shrink in the first round; in the second, all of the final size are mapped.
        use_all()?;
        use_all()?;
        let maps = setup.board.maps();
        use_all()?;
        assert_eq!(setup.board.maps(), maps);
        assert_eq!(setup.board.used_units(), 4);
        Ok(())
    }

    #[test]
    fn a_bad_address_does_not_shrink_chunks() -> Result {
        let setup = Setup::new(usize::MAX, 16, 16)?;
        assert!(setup.is_right_at(u64::MAX - 1, 1).is_err());
        assert!(setup.buffers.read(u64::MAX - 1, &mut [0; 4]).is_err());
        assert!(setup.is_right_at(0, CHUNK)?);
        assert_eq!(setup.board.maps(), 1);
        Ok(())
    }

    #[test]
    fn rings_have_priority() -> Result {
        let setup = Setup::new(usize::MAX, 4, 16)?;
        for chunk in 0..4 {
            assert!(setup.is_right_at(chunk * CHUNK as u64, 16)?);
        }
        let ring = setup.cache.map_apart(0x1000, 0x2000)?;
        assert_eq!(setup.board.used_units(), 4);
        assert!(setup.is_right_at(0, 4 * CHUNK)?);
        drop(ring);
        Ok(())
    }

    #[test]
    fn nothing_is_mapped_after_the_end() -> Result {
        let setup = Setup::new(usize::MAX, 16, 16)?;
        assert!(setup.is_right_at(0, 4 * CHUNK)?);
        setup.cache.clear();
        assert_eq!(setup.board.used_units(), 0);
        assert!(setup.is_right_at(0, 16)?);
        setup.cache.detach();
        assert_eq!(setup.board.used_units(), 0);
        assert_eq!(setup.buffers.read(0, &mut [0; 1]), Err(ENODEV));
        Ok(())
    }

    #[test]
    fn users_share_what_is_mapped() -> Result {
        let setup = Setup::new(usize::MAX, 16, 16)?;
        let other = Buffers::new(&setup.cache, 0)?;
        assert!(setup.is_right_at(0, 16)?);
        other.read(0x100, &mut [0; 16])?;
        assert_eq!(setup.board.maps(), 1);
        drop(other);
        Ok(())
    }
}
