// SPDX-License-Identifier: GPL-2.0

//! Tests of how copies are cut into accesses.

use super::Step;
use kernel::prelude::kunit_tests;

/// Takes all steps, and returns how many there were.
fn accesses(address: usize, len: usize) -> usize {
    let (mut done, mut count) = (0, 0);
    while let Some(step) = Step::next(address + done, len - done) {
        if let Step::Block(size) = step {
            assert_eq!(size % 8, 0);
            count += size / 8;
        } else {
            assert!(step.size() < 8);
            count += 1;
        }
        assert_eq!((address + done) % step.size().min(8), 0);
        done += step.size();
    }
    assert_eq!(done, len);
    count
}

#[kunit_tests(pci_ep_copy)]
mod suite {
    use super::*;

    #[test]
    fn ring_entries_take_one_access_for_each_field() {
        // The rings begin with four bytes of flags and index.
        for entry in 0..8 {
            assert_eq!(accesses(4 + 2 * entry, 2), 1);
            assert_eq!(accesses(4 + 8 * entry, 8), 2);
            assert_eq!(accesses(16 * entry, 16), 2);
        }
    }

    #[test]
    fn any_range_is_covered_with_at_most_six_accesses_besides_whole_words() {
        for address in 0..8 {
            for len in 0..64 {
                assert!(accesses(address, len) <= len / 8 + 6);
            }
        }
    }

    #[test]
    fn aligned_ranges_take_whole_words_alone() {
        assert_eq!(accesses(0, 0), 0);
        assert_eq!(accesses(4096, 4096), 512);
        assert_eq!(accesses(8, 8), 1);
    }
}
