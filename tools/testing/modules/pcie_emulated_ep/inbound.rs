// SPDX-License-Identifier: GPL-2.0

//! What a part of a BAR shows: EP memory, or the controller's own doorbell page.
//!
//! A function gives an address; which of the two it means is found by comparing it with the place
//! of the page. Of a range around the page, a function sees the page only: what else is there is
//! registers of the controller.

use epc_regs::{
    Backing,
    DOORBELL_PAGE_SIZE, //
};
use kernel::prelude::*;

/// A part of a BAR with one backing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Where it begins in the BAR, in bytes.
    pub(crate) offset: u64,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// What it shows.
    pub(crate) backing: Backing,
    /// Where that begins: a bus address, or an offset in the doorbell page.
    pub(crate) address: u64,
}

impl Part {
    /// Returns the part at `offset` of a BAR which is to show `size` bytes from `address` on, when
    /// the doorbell page is at `page`.
    pub(crate) fn new(offset: u64, address: u64, size: u64, page: u64) -> Self {
        let first = address.max(page);
        let end = address.saturating_add(size).min(page + DOORBELL_PAGE_SIZE);
        if first < end {
            Self {
                offset: offset + (first - address),
                size: end - first,
                backing: Backing::Doorbell,
                address: first - page,
            }
        } else {
            Self {
                offset,
                size,
                backing: Backing::Memory,
                address,
            }
        }
    }
}

#[kunit_tests(pcie_emulated_ep_inbound)]
mod tests {
    use super::*;

    const PAGE: u64 = 0x1000_1000;

    fn doorbells(offset: u64, size: u64, address: u64) -> Part {
        Part {
            offset,
            size,
            backing: Backing::Doorbell,
            address,
        }
    }

    #[test]
    fn memory_beside_the_page_is_memory() {
        for address in [0x4000_0000, PAGE - 0x1000, PAGE + DOORBELL_PAGE_SIZE] {
            let part = Part::new(0x200, address, 0x1000, PAGE);
            assert_eq!(part.backing, Backing::Memory);
            assert_eq!((part.offset, part.size), (0x200, 0x1000));
            assert_eq!(part.address, address);
        }
    }

    #[test]
    fn the_page_itself() {
        let part = Part::new(0, PAGE, DOORBELL_PAGE_SIZE, PAGE);
        assert_eq!(part, doorbells(0, DOORBELL_PAGE_SIZE, 0));
    }

    #[test]
    fn a_part_of_the_page() {
        assert_eq!(
            Part::new(0x80, PAGE + 0x40, 4, PAGE),
            doorbells(0x80, 4, 0x40)
        );
    }

    #[test]
    fn nothing_but_the_page_of_a_larger_range() {
        let part = Part::new(0, PAGE - 0x1000, 0x10_0000, PAGE);
        assert_eq!(part, doorbells(0x1000, DOORBELL_PAGE_SIZE, 0));
    }

    #[test]
    fn a_range_to_the_end_of_the_address_space() {
        let part = Part::new(0, u64::MAX - 0xfff, 0x1000, PAGE);
        assert_eq!(part.backing, Backing::Memory);
    }
}
