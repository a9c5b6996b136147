// SPDX-License-Identifier: GPL-2.0

//! Tests of `ahead`, with RC memory in which each byte tells its address.

use kernel::prelude::kunit_tests;

#[kunit_tests(pci_epf_vhost_ahead)]
mod suite {
    use crate::{
        ahead::{
            Ahead,
            MOST_PIECES, //
        },
        dma::BUFFER_BYTES,
    };
    use kernel::prelude::*;
    use virtio::ring::Segment;

    const DRIVER: u64 = 0x7000_0000;
    const SHORT: usize = 2048;
    const AVAILABLE: u16 = 0xabcd;

    fn byte_at(addr: u64) -> u8 {
        addr.to_le_bytes().iter().fold(0, |sum, byte| sum ^ byte)
    }

    /// Reads RC memory.
    fn transfer(pieces: &mut dyn Iterator<Item = Segment>, to: &mut [u8]) -> bool {
        let mut bytes = to.iter_mut();
        for Segment { addr, len } in pieces {
            for offset in 0..u64::from(len) {
                let Some(byte) = bytes.next() else {
                    return false;
                };
                *byte = match (addr, offset) {
                    (DRIVER, 2) => 0xcd,
                    (DRIVER, 3) => 0xab,
                    _ => byte_at(addr + offset),
                };
            }
        }
        bytes.next().is_none()
    }

    fn segment(addr: u64, len: u32) -> Segment {
        Segment { addr, len }
    }

    fn read(ahead: &mut Ahead, pieces: &[Segment]) -> Option<u16> {
        ahead.read(&mut pieces.iter().copied(), SHORT, DRIVER, transfer)
    }

    /// Whether bytes were read ahead, which then are those of RC memory.
    fn has(ahead: &mut Ahead, addr: u64, len: usize) -> bool {
        let mut bytes = [0; 64];
        let Some(to) = bytes.get_mut(..len) else {
            return false;
        };
        let is_there = ahead.copy(addr, to);
        let mut expected = (addr..).map(byte_at);
        is_there && to.iter().all(|byte| expected.next() == Some(*byte))
    }

    #[test]
    fn pieces_are_found_whole_and_in_parts() -> Result {
        let mut ahead = Ahead::new()?;
        let pieces = [segment(0x1000, 16), segment(0x5008, 33), segment(0x1010, 8)];
        assert_eq!(read(&mut ahead, &pieces), Some(AVAILABLE));
        for _ in 0..2 {
            assert!(has(&mut ahead, 0x1000, 16) && has(&mut ahead, 0x5008, 33));
            assert!(has(&mut ahead, 0x1004, 12) && has(&mut ahead, 0x5028, 1));
            assert!(has(&mut ahead, 0x1010, 8));
        }
        // Not in one piece, before one, behind one, elsewhere.
        assert!(!has(&mut ahead, 0x1000, 17) && !has(&mut ahead, 0x5007, 1));
        assert!(!has(&mut ahead, 0x5028, 2) && !has(&mut ahead, 0x5029, 1));
        assert!(!has(&mut ahead, 0, 1) && !has(&mut ahead, u64::MAX, 1));
        Ok(())
    }

    #[test]
    fn long_ones_are_left_out() -> Result {
        let mut ahead = Ahead::new()?;
        let pieces = [
            segment(0x1000, 2047),
            segment(0x2000, 2048),
            segment(0x3000, 1),
        ];
        assert_eq!(read(&mut ahead, &pieces), Some(AVAILABLE));
        assert!(has(&mut ahead, 0x1000 + 2046, 1) && has(&mut ahead, 0x3000, 1));
        assert!(!has(&mut ahead, 0x2000, 1));
        Ok(())
    }

    #[test]
    fn the_next_ones_take_their_place() -> Result {
        let mut ahead = Ahead::new()?;
        assert!(!has(&mut ahead, 0x1000, 1));
        assert_eq!(read(&mut ahead, &[segment(0x1000, 64)]), Some(AVAILABLE));
        assert!(has(&mut ahead, 0x1000, 1));
        assert_eq!(read(&mut ahead, &[segment(0x2000, 8)]), Some(AVAILABLE));
        assert!(!has(&mut ahead, 0x1000, 1) && has(&mut ahead, 0x2000, 8));
        assert_eq!(read(&mut ahead, &[]), Some(AVAILABLE));
        assert!(!has(&mut ahead, 0x2000, 1));
        Ok(())
    }

    #[test]
    fn what_is_not_moved_is_not_there() -> Result {
        let mut ahead = Ahead::new()?;
        assert_eq!(read(&mut ahead, &[segment(0x1000, 64)]), Some(AVAILABLE));
        let pieces = [segment(0x1000, 64)];
        let fail = |_: &mut dyn Iterator<Item = Segment>, _: &mut [u8]| false;
        let index = ahead.read(&mut pieces.iter().copied(), SHORT, DRIVER, fail);
        assert!(index.is_none() && !has(&mut ahead, 0x1000, 1));
        Ok(())
    }

    #[test]
    fn there_is_room_for_so_many() -> Result {
        let mut ahead = Ahead::new()?;
        let pieces = |count: usize, len: u32| (0..count as u64).map(move |n| segment(n << 16, len));
        let last = |count: usize| (count as u64 - 1) << 16;
        let mut read = |count, len| {
            let index = ahead.read(&mut pieces(count, len), SHORT, DRIVER, transfer);
            index == Some(AVAILABLE) && has(&mut ahead, last(count), 1)
        };
        assert!(read(MOST_PIECES, 1) && !read(MOST_PIECES + 1, 1));
        // The index takes a part of the buffer, too: 64 of 2 KiB less a byte leave 60 bytes for it.
        assert!(read(64, 2047));
        let fit = BUFFER_BYTES / 2047;
        assert!(fit == 64 && !read(fit + 1, 2047));
        Ok(())
    }
}
