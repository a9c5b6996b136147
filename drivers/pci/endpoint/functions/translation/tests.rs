// SPDX-License-Identifier: GPL-2.0

//! Buffers at addresses of an address space.

use kernel::prelude::kunit_tests;

#[kunit_tests(pci_epf_vhost_translation)]
mod suite {
    use crate::{
        buffers::Buffers,
        translation::MAX_MAPPINGS,
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
    use transport::{
        CommandError,
        Mapping,
        Range,
        MAX_SPACES, //
    };

    const PAGE: u64 = 4096;
    /// RC memory, far from the IOVAs in use.
    const MEMORY: u64 = 0x8_1234_0000;

    struct Setup {
        cache: Arc<WindowCache<TestMapper>>,
        buffers: Buffers<TestMapper>,
    }

    fn range(iova: u64, length: u64) -> Range {
        Range {
            space: 0,
            iova,
            length,
        }
    }

    impl Setup {
        fn new() -> Result<Self> {
            let board = Board::new(usize::MAX, 16)?;
            let cache = WindowCache::new(TestMapper(board), CHUNK, 16)?;
            Ok(Self {
                buffers: Buffers::new(&cache, 0)?,
                cache,
            })
        }

        fn try_map(&self, iova: u64, pci_addr: u64, access: u8) -> Result<(), CommandError> {
            self.cache.translation.map(&Mapping {
                range: range(iova, PAGE),
                pci_addr,
                read: access & 1 != 0,
                write: access & 2 != 0,
            })
        }

        fn map(&self, iova: u64, pci_addr: u64) {
            assert!(self.try_map(iova, pci_addr, 3).is_ok());
        }

        fn unmap(&self, iova: u64, length: u64) {
            assert!(self.cache.unmap(&range(iova, length)).is_ok());
        }

        /// Returns whether a page at `iova` is one of RC memory at `pci_addr`, to read and to write.
        fn is_at(&self, iova: u64, pci_addr: u64) -> Result<bool> {
            let mut bytes = KVec::from_elem(0, PAGE as usize, GFP_KERNEL)?;
            self.buffers.read(iova, &mut bytes)?;
            let is_right = (pci_addr..)
                .zip(&bytes)
                .all(|(a, byte)| *byte == byte_at(a));
            self.buffers.write(iova, &bytes)?;
            Ok(is_right)
        }

        fn is_nowhere(&self, iova: u64) -> bool {
            self.buffers.read(iova, &mut [0]) == Err(EFAULT)
                && self.buffers.write(iova, &[0]) == Err(EFAULT)
        }
    }

    #[test]
    fn address_spaces_are_apart() -> Result {
        let setup = Setup::new()?;
        let other = Setup {
            buffers: Buffers::new(&setup.cache, MAX_SPACES - 1)?,
            cache: setup.cache.clone(),
        };
        setup.map(0, MEMORY);
        assert!(other.is_nowhere(0));
        let range = Range {
            space: MAX_SPACES - 1,
            ..range(0, PAGE)
        };
        let mapping = Mapping {
            range,
            pci_addr: MEMORY + PAGE,
            read: true,
            write: true,
        };
        assert!(setup.cache.translation.map(&mapping).is_ok());
        assert!(setup.is_at(0, MEMORY)? && other.is_at(0, MEMORY + PAGE)?);
        setup.unmap(0, PAGE);
        assert!(setup.is_nowhere(0) && other.is_at(0, MEMORY + PAGE)?);
        assert!(setup.cache.unmap(&range).is_ok());
        assert!(other.is_nowhere(0));
        Ok(())
    }

    #[test]
    fn addresses_are_those_of_the_bus_before_the_first_mapping() -> Result {
        let setup = Setup::new()?;
        assert!(setup.is_at(MEMORY, MEMORY)?);
        setup.map(0, MEMORY);
        assert!(setup.is_at(0, MEMORY)?);
        // Although there is a window onto it, and it is remembered.
        assert!(setup.is_nowhere(MEMORY));
        Ok(())
    }

    #[test]
    fn unmapping_nothing_is_enough() -> Result {
        let setup = Setup::new()?;
        setup.unmap(0, PAGE);
        assert!(setup.is_nowhere(MEMORY));
        assert!(setup.is_nowhere(0));
        Ok(())
    }

    #[test]
    fn a_mapping_that_fails_changes_nothing() -> Result {
        let setup = Setup::new()?;
        setup.map(0, MEMORY);
        assert!(setup.try_map(0, 0, 3) == Err(CommandError::BadState));
        assert!(setup.is_at(0, MEMORY)?);
        assert!(setup.cache.unmap(&range(PAGE, PAGE)).is_ok());
        assert!(setup.is_at(0, MEMORY)?);
        Ok(())
    }

    #[test]
    fn a_buffer_lies_in_pieces() -> Result {
        let setup = Setup::new()?;
        let pieces = [MEMORY + 8 * PAGE, MEMORY, 0x7000, MEMORY + PAGE];
        for (iova, piece) in (0x10_0000..).step_by(PAGE as usize).zip(pieces) {
            setup.map(iova, piece);
        }
        let mut bytes = KVec::from_elem(0, 2 * PAGE as usize + 2, GFP_KERNEL)?;
        let first = 0x10_1000 - 1;
        setup.buffers.read(first, &mut bytes)?;
        let expected = |n: usize| match n as u64 {
            0 => byte_at(MEMORY + 9 * PAGE - 1),
            n if n <= PAGE => byte_at(MEMORY + n - 1),
            n if n <= 2 * PAGE => byte_at(0x7000 + n - 1 - PAGE),
            _ => byte_at(MEMORY + PAGE),
        };
        assert!(bytes
            .iter()
            .enumerate()
            .all(|(n, byte)| *byte == expected(n)));
        assert!(setup.buffers.write(first, &bytes).is_ok());
        // One more than there is.
        assert!(setup.buffers.read(0x10_3fff, &mut [0; 2]) == Err(EFAULT));
        Ok(())
    }

    #[test]
    fn only_what_the_access_permits() -> Result {
        let setup = Setup::new()?;
        assert!(setup.try_map(0, MEMORY, 1).is_ok());
        assert!(setup.try_map(PAGE, MEMORY + PAGE, 2).is_ok());
        let mut byte = [0];
        assert!(setup.buffers.read(0, &mut byte).is_ok());
        assert!(setup.buffers.write(0, &byte) == Err(EFAULT));
        assert!(setup.buffers.read(PAGE, &mut byte) == Err(EFAULT));
        assert!(setup.buffers.write(PAGE, &[byte_at(MEMORY + PAGE)]).is_ok());
        Ok(())
    }

    #[test]
    fn nothing_is_there_after_unmapping() -> Result {
        let setup = Setup::new()?;
        let other = Buffers::new(&setup.cache, 0)?;
        for page in 0..4 {
            setup.map(page * PAGE, MEMORY + page * PAGE);
        }
        other.read(PAGE, &mut [0])?;
        assert!(setup.is_at(PAGE, MEMORY + PAGE)?);
        setup.unmap(PAGE, 2 * PAGE);
        assert!(setup.is_nowhere(PAGE) && setup.is_nowhere(3 * PAGE - 1));
        assert!(other.read(PAGE, &mut [0]) == Err(EFAULT));
        assert!(setup.is_at(0, MEMORY)? && setup.is_at(3 * PAGE, MEMORY + 3 * PAGE)?);
        // Again elsewhere.
        setup.map(PAGE, MEMORY + 16 * PAGE);
        assert!(setup.is_at(PAGE, MEMORY + 16 * PAGE)?);
        Ok(())
    }

    #[test]
    fn a_reset_makes_them_addresses_of_the_bus() -> Result {
        let setup = Setup::new()?;
        setup.map(0, MEMORY);
        setup.cache.clear();
        setup.cache.translation.reset();
        assert!(setup.is_at(0, 0)?);
        assert!(setup.is_at(MEMORY, MEMORY)?);
        setup.map(PAGE, MEMORY);
        assert!(setup.is_nowhere(0));
        Ok(())
    }

    #[test]
    fn mappings_are_bounded() -> Result {
        let setup = Setup::new()?;
        for page in 0..MAX_MAPPINGS as u64 {
            setup.map(2 * page * PAGE, MEMORY);
        }
        assert!(setup.try_map(PAGE, MEMORY, 3) == Err(CommandError::NoResources));
        setup.unmap(0, PAGE);
        setup.map(PAGE, MEMORY);
        Ok(())
    }
}
