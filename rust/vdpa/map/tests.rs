// SPDX-License-Identifier: GPL-2.0

//! What is mapped can be used as permitted, and nothing else.

use super::*;
use crate::Permission::{
    self,
    Read,
    ReadWrite,
    Write, //
};
use core::ptr::NonNull;
use kernel::{
    prelude::kunit_tests,
    sync::Arc, //
};

/// The address space of all but one test.
const SPACE: u32 = 3;

/// The driver side: a map, and memory that stays as long.
struct Fixture {
    map: Arc<KernelMap>,
    memory: KVec<u8>,
}

impl Fixture {
    /// Makes memory of which each byte is its offset, modulo 256.
    fn new(size: usize) -> Result<Self> {
        let mut memory = KVec::with_capacity(size, GFP_KERNEL)?;
        for offset in 0..size {
            memory.push(offset as u8, GFP_KERNEL)?;
        }
        Ok(Self {
            map: Arc::pin_init(KernelMap::new(), GFP_KERNEL)?,
            memory,
        })
    }

    /// Returns a piece of the memory.
    fn area(&mut self, offset: usize, size: usize, permission: Permission) -> Result<Area> {
        let piece = self.memory.get_mut(offset..offset + size).ok_or(EINVAL)?;
        Ok(Area::new(NonNull::from(piece).cast(), size, permission))
    }

    fn insert(&mut self, permission: Permission) -> Result<u64> {
        let area = self.area(0, self.memory.len(), permission)?;
        // SAFETY: The memory lives as long as the map.
        unsafe { self.map.insert(area) }
    }

    fn insert_at(&mut self, first: u64, offset: usize, size: usize) -> Result {
        let area = self.area(offset, size, ReadWrite)?;
        // SAFETY: The memory lives as long as the map.
        unsafe { self.map.insert_at(SPACE, first, area) }
    }

    /// Returns whether exactly these bytes can be read.
    fn reads<const N: usize>(&self, address: u64, expected: [u8; N]) -> bool {
        let mut bytes = [0; N];
        self.map.read(SPACE, address, &mut bytes) == Ok(()) && bytes == expected
    }
}

#[kunit_tests(vdpa_kernel_map)]
mod suite {
    use super::*;

    #[test]
    fn mapped_memory_is_read_and_written() -> Result {
        let mut driver = Fixture::new(3 * PAGE_SIZE)?;
        let address = driver.insert(ReadWrite)?;
        assert!(driver.reads(address, [0, 1, 2]));
        driver.map.write(SPACE, address + 1, &[7, 8])?;
        assert!(driver.reads(address, [0, 7, 8, 3]));
        let mut all = KVec::from_elem(0, 3 * PAGE_SIZE, GFP_KERNEL)?;
        driver.map.read(SPACE, address, &mut all)?;
        assert!(all.get(PAGE_SIZE - 1..PAGE_SIZE + 2) == Some(&[0xff, 0, 1]));
        Ok(())
    }

    #[test]
    fn permission_is_obeyed() -> Result {
        let mut driver = Fixture::new(4)?;
        let readable = driver.insert(Read)?;
        assert!(driver.reads(readable, [0]));
        assert!(driver.map.write(SPACE, readable, &[1]) == Err(EFAULT));
        assert!(driver.map.store_u16(SPACE, readable, 1) == Err(EFAULT));
        let writable = driver.insert(Write)?;
        assert!(driver.map.write(SPACE, writable, &[1]) == Ok(()));
        assert!(!driver.reads(writable, [1]));
        Ok(())
    }

    #[test]
    fn nothing_beyond_an_area_is_reached() -> Result {
        let mut driver = Fixture::new(4)?;
        let address = driver.insert(ReadWrite)?;
        assert!(driver.reads(address + 3, [3]));
        assert!(!driver.reads(address + 3, [3, 4]));
        assert!(!driver.reads(address + 4, [4]));
        for unmapped in [0, 1, u64::MAX, address - 1, address << 1] {
            assert!(driver.map.write(SPACE, unmapped, &[1]) == Err(EFAULT));
        }
        Ok(())
    }

    #[test]
    fn words_are_aligned() -> Result {
        let mut driver = Fixture::new(4)?;
        let address = driver.insert(ReadWrite)?;
        driver.map.store_u16(SPACE, address + 2, 0x1234)?;
        assert!(driver.map.load_u16(SPACE, address + 2) == Ok(0x1234));
        assert!(driver.map.load_u16(SPACE, address + 1) == Err(EFAULT));
        #[cfg(CONFIG_64BIT)]
        assert!(driver.map.load_u64(SPACE, address + 4) == Err(EFAULT));
        assert!(driver.map.load_u16(SPACE, address + 4) == Err(EFAULT));
        Ok(())
    }

    #[test]
    fn unmapped_memory_is_gone_and_slots_are_used_again() -> Result {
        let mut driver = Fixture::new(4)?;
        let address = driver.insert(ReadWrite)?;
        driver.map.remove(address)?;
        assert!(!driver.reads(address, [0]));
        assert!(driver.map.remove(address) == Err(EINVAL));
        assert!(driver.insert(ReadWrite)? == address);
        Ok(())
    }

    #[test]
    fn table_grows() -> Result {
        let mut driver = Fixture::new(4)?;
        let mut addresses = KVec::new();
        for _ in 0..300 {
            let address = driver.insert(ReadWrite)?;
            assert!(addresses.iter().all(|other| *other != address));
            addresses.push(address, GFP_KERNEL)?;
        }
        for address in addresses {
            assert!(driver.reads(address, [0, 1, 2, 3]));
            driver.map.remove(address)?;
        }
        Ok(())
    }

    #[test]
    fn areas_at_given_addresses_join() -> Result {
        let mut driver = Fixture::new(8)?;
        driver.insert_at(0x1004, 0, 4)?;
        driver.insert_at(0x1000, 4, 4)?;
        assert!(driver.reads(0x1001, [5, 6, 7, 0, 1]));
        assert!(!driver.reads(0x1006, [2, 3, 4]));
        assert!(!driver.reads(0xfff, [0]));
        Ok(())
    }

    #[test]
    fn areas_at_given_addresses_do_not_overlap() -> Result {
        let mut driver = Fixture::new(8)?;
        driver.insert_at(0x1000, 0, 4)?;
        for first in [0xffd, 0x1000, 0x1003] {
            assert!(driver.insert_at(first, 4, 4) == Err(EEXIST));
        }
        assert!(driver.insert_at(0xffc, 4, 4) == Ok(()));
        assert!(driver.insert_at(u64::MAX - 2, 4, 4) == Err(EINVAL));
        assert!(driver.insert_at(0x2000, 4, 0) == Err(EINVAL));
        Ok(())
    }

    #[test]
    fn areas_that_join_are_readable_as_one() -> Result {
        let mut driver = Fixture::new(3 * PAGE_SIZE)?;
        let (first, second) = (0x1000, 0x1000 + PAGE_SIZE as u64 * 2);
        driver.insert_at(first, 0, 2 * PAGE_SIZE)?;
        driver.insert_at(second, 2 * PAGE_SIZE, PAGE_SIZE)?;
        let is_readable = |from, len| driver.map.is_readable(SPACE, from, len);
        assert!(is_readable(first, 3 * PAGE_SIZE) && is_readable(first + 1, 1));
        assert!(!is_readable(first, 3 * PAGE_SIZE + 1) && !is_readable(first - 1, 2));
        assert!(is_readable(first - 1, 0) && !is_readable(u64::MAX, 2));
        assert!(!driver.map.is_readable(SPACE + 1, first, 1));
        driver.map.remove_at(SPACE, second, second);
        assert!(!driver.map.is_readable(SPACE, first, 2 * PAGE_SIZE + 1));
        assert!(driver.map.is_readable(SPACE, first, 2 * PAGE_SIZE));
        Ok(())
    }

    #[test]
    fn memory_to_be_written_only_is_not_readable() -> Result {
        let mut driver = Fixture::new(4)?;
        let area = driver.area(0, 4, Write)?;
        // SAFETY: The memory lives as long as the map.
        unsafe { driver.map.insert_at(SPACE, 0x1000, area)? };
        assert!(!driver.map.is_readable(SPACE, 0x1000, 1));
        Ok(())
    }

    #[test]
    fn address_spaces_are_apart() -> Result {
        let mut driver = Fixture::new(8)?;
        let (low, high) = (SPACE - 1, SPACE + 1);
        for (space, offset) in [(low, 0), (high, 4)] {
            let area = driver.area(offset, 4, ReadWrite)?;
            // SAFETY: The memory lives as long as the map.
            unsafe { driver.map.insert_at(space, 0x1000, area)? };
        }
        let byte_in = |space| {
            let mut byte = [0];
            driver.map.read(space, 0x1000, &mut byte).map(|()| byte[0])
        };
        assert!(byte_in(low) == Ok(0) && byte_in(high) == Ok(4));
        assert!(byte_in(SPACE) == Err(EFAULT));
        driver.map.remove_at(SPACE, 0, u64::MAX);
        driver.map.remove_at(high, 0, u64::MAX);
        assert!(byte_in(low) == Ok(0) && byte_in(high) == Err(EFAULT));
        Ok(())
    }

    #[test]
    fn areas_are_unmapped_by_their_addresses() -> Result {
        let mut driver = Fixture::new(12)?;
        for (first, offset) in [(0x1000, 0), (0x2000, 4), (0x3000, 8)] {
            driver.insert_at(first, offset, 4)?;
        }
        driver.map.remove_at(SPACE, 0x1003, 0x2000);
        assert!(!driver.reads(0x1000, [0]) && !driver.reads(0x2000, [4]));
        assert!(driver.reads(0x3000, [8]));
        driver.map.remove_at(SPACE, 0, u64::MAX);
        assert!(!driver.reads(0x3000, [8]));
        Ok(())
    }
}
