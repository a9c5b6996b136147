// SPDX-License-Identifier: GPL-2.0
//! A queue goes on somewhere else, while the device side stands still.

use proptest::prelude::*;
use virtio::ring::{Batch, Position};

use super::ends::Ends;
use crate::driver::{Desc, DriverSide, BUFFERS};

const SIZE: u16 = 8;
/// Bytes of each buffer.
const LEN: u32 = 8;

/// Makes the buffer of each head available, with its number in each byte.
fn offer_all(driver: &mut DriverSide) {
    for head in 0..SIZE {
        driver.fill(
            BUFFERS + 0x100 * u64::from(head),
            &[head as u8; LEN as usize],
        );
        let addr = BUFFERS + 0x100 * u64::from(head);
        driver.describe(head, Desc::new(addr, LEN, 0, 0));
        driver.enter(head);
    }
    driver.publish();
}

/// Takes what is there, and returns the heads; each has its payload.
fn take(ends: &mut Ends) -> Vec<u16> {
    let mut batch = Batch::new();
    ends.queue.pop(&mut batch).unwrap();
    let head = |chain: virtio::ring::Chain<'_>| {
        let head = chain.used(0).head;
        let mut payload = [0; LEN as usize];
        chain.read(ends.queue.memory(), 0, &mut payload).unwrap();
        assert_eq!(payload, [head as u8; LEN as usize]);
        head
    };
    batch.iter().map(head).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever was pushed and popped before, and however much room there is, what is available from there on is
    /// there again, and nothing else.
    #[test]
    fn what_is_available_from_there_on_is_there_again(
        start in any::<u16>(),
        place in 0..=SIZE,
        is_popped in any::<bool>(),
        room in prop_oneof![Just(0_u32), 1..200_u32],
    ) {
        let mut driver = DriverSide::starting_at(SIZE, start);
        let mut ends = Ends::new(&driver, start, 0, room);
        offer_all(&mut driver);
        prop_assert_eq!(ends.mirror.sync(), Ok(SIZE));
        if is_popped {
            take(&mut ends);
            ends.queue.rewind();
        }
        let place_in_ring = start.wrapping_add(place);
        ends.queue.go_on_at(Position::split(place_in_ring)).unwrap();
        ends.mirror.restart(place_in_ring);
        prop_assert_eq!(take(&mut ends), Vec::<u16>::new());
        prop_assert_eq!(ends.mirror.sync(), Ok(SIZE - place));
        let size = u32::from(SIZE);
        let expected: Vec<u16> = (place..SIZE).collect();
        ends.take_reads();
        prop_assert_eq!(take(&mut ends), expected);
        // All room was given back.
        if room >= size * LEN {
            prop_assert_eq!(ends.take_reads(), 0);
        }
    }
}
