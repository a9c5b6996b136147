// SPDX-License-Identifier: GPL-2.0

//! Rings whose areas lie anywhere in RC memory.

use kernel::prelude::kunit_tests;

#[kunit_tests(pci_epf_vhost_area)]
mod suite {
    use crate::{
        area::{
            MappedArea,
            Place, //
        },
        window::{
            testing::{
                byte_at,
                Board,
                TestMapper,
                TestWindow,
                CHUNK, //
            },
            WindowCache, //
        }, //
    };
    use kernel::{
        prelude::*,
        sync::Arc, //
    };
    use transport::{
        Access,
        Mapping,
        Range, //
    };

    const PAGE: u64 = 4096;
    const IOVA: u64 = 0x10_0000;
    const SPACE: u16 = 1;
    const MEMORY: u64 = 0x8_1234_0000;
    /// Farther away than a window reaches.
    const FAR: u64 = 1 << 30;

    struct Setup {
        board: Arc<Board>,
        cache: Arc<WindowCache<TestMapper>>,
    }

    fn range(iova: u64, length: u64) -> Range {
        Range {
            space: SPACE,
            iova,
            length,
        }
    }

    fn place(addr: u64, len: usize, access: Access) -> Place {
        Place {
            space: SPACE,
            addr,
            len,
            access,
        }
    }

    /// Areas as of a ring of 256: a page, and two parts of the page behind it.
    fn places(addr: u64) -> [Place; 3] {
        [
            place(addr, PAGE as usize, Access::Read),
            place(addr + PAGE, 518, Access::Read),
            place(addr + PAGE + 1024, 2054, Access::Write),
        ]
    }

    impl Setup {
        fn new() -> Result<Self> {
            let board = Board::new(usize::MAX, 16)?;
            Ok(Self {
                cache: WindowCache::new(TestMapper(board.clone()), CHUNK, 16)?,
                board,
            })
        }

        fn map(&self, iova: u64, pci_addr: u64, read: bool, write: bool) {
            let mapping = Mapping {
                range: range(iova, PAGE),
                pci_addr,
                read,
                write,
            };
            assert!(self.cache.translation.map(&mapping).is_ok());
        }

        fn map_areas(&self, places: &[Place; 3]) -> Result<[MappedArea<TestWindow>; 3]> {
            MappedArea::map_all(&self.cache, places)
        }
    }

    /// Returns whether all of an area is RC memory at `pci_addr`.
    fn is_at(area: &MappedArea<TestWindow>, len: usize, pci_addr: u64) -> Result<bool> {
        let mut bytes = KVec::from_elem(0, len, GFP_KERNEL)?;
        area.read(0, &mut bytes)?;
        area.write(0, &bytes)?;
        let is_end = area.read(len, &mut [0]) == Err(EINVAL) && area.read(len, &mut []).is_ok();
        Ok(is_end
            && (pci_addr..)
                .zip(&bytes)
                .all(|(a, byte)| *byte == byte_at(a)))
    }

    #[test]
    fn close_areas_share_a_window() -> Result {
        let setup = Setup::new()?;
        let [descriptor, driver, device] = setup.map_areas(&places(MEMORY))?;
        assert_eq!(setup.board.used_units(), 1);
        assert!(is_at(&descriptor, PAGE as usize, MEMORY)?);
        assert!(is_at(&driver, 518, MEMORY + PAGE)?);
        assert!(is_at(&device, 2054, MEMORY + PAGE + 1024)?);
        drop((descriptor, driver, device));
        assert_eq!(setup.board.used_units(), 0);
        Ok(())
    }

    #[test]
    fn areas_far_away_have_a_window_each() -> Result {
        let setup = Setup::new()?;
        let mut places = places(MEMORY);
        places[2].addr = FAR;
        let [descriptor, driver, device] = setup.map_areas(&places)?;
        assert_eq!(setup.board.used_units(), 3);
        assert!(is_at(&descriptor, PAGE as usize, MEMORY)?);
        assert!(is_at(&driver, 518, MEMORY + PAGE)?);
        assert!(is_at(&device, 2054, FAR)?);
        Ok(())
    }

    #[test]
    fn neighbours_are_one_piece() -> Result {
        let setup = Setup::new()?;
        setup.map(IOVA, MEMORY, true, false);
        setup.map(IOVA + PAGE, MEMORY + PAGE, true, true);
        let [descriptor, driver, device] = setup.map_areas(&places(IOVA))?;
        assert_eq!(setup.board.used_units(), 1);
        assert!(is_at(&descriptor, PAGE as usize, MEMORY)?);
        assert!(is_at(&driver, 518, MEMORY + PAGE)?);
        assert!(is_at(&device, 2054, MEMORY + PAGE + 1024)?);
        Ok(())
    }

    #[test]
    fn an_area_lies_in_pieces() -> Result {
        let setup = Setup::new()?;
        setup.map(IOVA, FAR, true, true);
        setup.map(IOVA + PAGE, MEMORY, true, true);
        setup.map(IOVA + 2 * PAGE, 2 * FAR, true, true);
        let mut places = places(IOVA);
        // The last 16 bytes of a page, the next page, 16 bytes of the one behind.
        places[0] = place(IOVA + PAGE - 16, PAGE as usize + 32, Access::Read);
        let [descriptor, _driver, _device] = setup.map_areas(&places)?;
        assert_eq!(setup.board.used_units(), 5);
        let expected = |n: u64| match n {
            0..16 => byte_at(FAR + PAGE - 16 + n),
            16..4112 => byte_at(MEMORY + n - 16),
            _ => byte_at(2 * FAR + n - 4112),
        };
        let mut bytes = KVec::from_elem(0, PAGE as usize + 32, GFP_KERNEL)?;
        descriptor.read(0, &mut bytes)?;
        assert!((0..).zip(&bytes).all(|(n, byte)| *byte == expected(n)));
        assert!(descriptor.write(0, &bytes).is_ok());
        // Words on both sides of each border.
        for offset in [0, 14, 16, 4110, 4112, PAGE + 30] {
            let word = u16::from_le_bytes([expected(offset), expected(offset + 1)]);
            assert_eq!(descriptor.load_u16(offset as usize)?, word);
            assert!(descriptor.store_u16(offset as usize, word).is_ok());
        }
        assert!(descriptor.load_u16(PAGE as usize + 32) == Err(EINVAL));
        assert!(descriptor.load_u16(PAGE as usize + 31) == Err(EINVAL));
        Ok(())
    }

    #[test]
    fn what_is_not_mapped_is_refused() -> Result {
        let setup = Setup::new()?;
        setup.map(IOVA, MEMORY, true, true);
        assert!(setup.map_areas(&places(IOVA)).err() == Some(EACCES));
        setup.map(IOVA + PAGE, MEMORY + PAGE, true, false);
        // The device area cannot be written.
        assert!(setup.map_areas(&places(IOVA)).err() == Some(EACCES));
        assert_eq!(setup.board.maps(), 0);
        Ok(())
    }

    #[test]
    fn an_area_knows_its_addresses() -> Result {
        let setup = Setup::new()?;
        let [descriptor, driver, _] = setup.map_areas(&places(MEMORY))?;
        assert!(descriptor.is_in(&range(MEMORY, PAGE)));
        assert!(descriptor.is_in(&range(0, 0u64.wrapping_sub(PAGE))));
        assert!(!descriptor.is_in(&range(MEMORY - PAGE, PAGE)));
        assert!(!descriptor.is_in(&range(MEMORY + PAGE, PAGE)));
        assert!(driver.is_in(&range(MEMORY + PAGE, PAGE)));
        Ok(())
    }
}
