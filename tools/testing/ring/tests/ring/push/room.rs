// SPDX-License-Identifier: GPL-2.0
//! Room for payload: it is given back, and what has none is fetched.

use virtio::{
    features::INDIRECT_DESC,
    ring::{Batch, PushArea, SplitSize},
};
use vm_memory::{Bytes, GuestAddress};

use super::ends::Ends;
use crate::driver::{Desc, DriverSide, BUFFERS};

const SIZE: u16 = 8;

/// Makes a buffer of these bytes available and pushes it.
fn offer(driver: &mut DriverSide, ends: &mut Ends, head: u16, bytes: &[u8]) {
    let addr = BUFFERS + 0x8000 * u64::from(head);
    driver
        .memory
        .write_slice(bytes, GuestAddress(addr))
        .unwrap();
    driver.describe(head, Desc::new(addr, bytes.len() as u32, 0, 0));
    driver.offer(head);
    assert_eq!(ends.mirror.sync(), Ok(1));
}

/// Takes all buffers; returns their payload, and how many reads that took across the link.
fn take(ends: &mut Ends, batch: &mut Batch) -> (Vec<Vec<u8>>, usize) {
    ends.queue.pop(batch).unwrap();
    let payload = |chain: virtio::ring::Chain<'_>| {
        let mut bytes = vec![0; chain.readable_len() as usize];
        chain.read(ends.queue.memory(), 0, &mut bytes).unwrap();
        bytes
    };
    let payloads = batch.iter().map(payload).collect();
    (payloads, ends.take_reads())
}

fn give_back(ends: &mut Ends, batch: &Batch) {
    let used: Vec<_> = batch.iter().map(|chain| chain.used(0)).collect();
    ends.queue.push(&used).unwrap();
}

#[test]
fn what_has_no_room_is_fetched() {
    let mut driver = DriverSide::new(SIZE);
    let mut ends = Ends::new(&driver, 0, 0, 128);
    let mut batch = Batch::new();
    offer(&mut driver, &mut ends, 0, &[1; 128]);
    offer(&mut driver, &mut ends, 1, &[2; 8]);
    assert_eq!(
        take(&mut ends, &mut batch),
        (vec![vec![1; 128], vec![2; 8]], 1)
    );
}

#[test]
fn without_room_all_payload_is_fetched() {
    let mut driver = DriverSide::new(SIZE);
    let mut ends = Ends::new(&driver, 0, 0, 0);
    let mut batch = Batch::new();
    offer(&mut driver, &mut ends, 0, &[1]);
    assert_eq!(take(&mut ends, &mut batch), (vec![vec![1]], 1));
}

#[test]
fn room_comes_back_with_the_buffers() {
    let mut driver = DriverSide::new(SIZE);
    let mut ends = Ends::new(&driver, 0, 0, 128);
    let mut batch = Batch::new();
    for round in 0..1000_u16 {
        // Lengths that leave a rest before the end, and none.
        let len = usize::from(round % 65);
        let bytes = vec![round as u8; len];
        offer(&mut driver, &mut ends, round % SIZE, &bytes);
        assert_eq!(take(&mut ends, &mut batch), (vec![bytes], 0), "{len}");
        give_back(&mut ends, &batch);
    }
}

#[test]
fn a_used_index_that_cannot_be_gives_nothing_back() {
    let mut driver = DriverSide::new(SIZE);
    let mut ends = Ends::new(&driver, 0, 0, 64);
    let mut batch = Batch::new();
    offer(&mut driver, &mut ends, 0, &[1; 64]);
    for lie in [2, 0x8000, 0xffff] {
        driver.store(virtio::ring::Area::Device, 2, lie);
        offer(&mut driver, &mut ends, 1, &[2; 64]);
        driver.store(virtio::ring::Area::Device, 2, 0);
    }
    let (payloads, reads) = take(&mut ends, &mut batch);
    assert_eq!(payloads[0], [1; 64]);
    assert!(payloads[1..].iter().all(|payload| payload == &[2; 64]));
    assert_eq!(reads, 8 * (payloads.len() - 1));
}

#[test]
fn the_largest_buffer_is_pushed_and_a_larger_one_is_fetched() {
    for (len, is_fetched) in [(16 << 10, false), ((16 << 10) + 1, true)] {
        let mut driver = DriverSide::new(SIZE);
        let mut ends = Ends::new(&driver, 0, 0, 64 << 10);
        let mut batch = Batch::new();
        let bytes: Vec<_> = (0..len).map(|n| (n % 251) as u8).collect();
        offer(&mut driver, &mut ends, 0, &bytes);
        let (payloads, reads) = take(&mut ends, &mut batch);
        assert_eq!(payloads, [bytes]);
        assert_eq!(reads != 0, is_fetched);
    }
}

#[test]
fn a_table_without_room_is_fetched_and_what_it_refers_to_too() {
    for (room, expected) in [(0, 2 + 1), (64, 0)] {
        let mut driver = DriverSide::new(SIZE);
        let mut ends = Ends::new(&driver, 0, INDIRECT_DESC, room);
        let mut batch = Batch::new();
        driver
            .memory
            .write_slice(&[9; 8], GuestAddress(BUFFERS))
            .unwrap();
        driver.describe_table(0, BUFFERS + 0x1000, &[(BUFFERS, 8, false)]);
        driver.offer(0);
        assert_eq!(ends.mirror.sync(), Ok(1));
        assert_eq!(take(&mut ends, &mut batch), (vec![vec![9; 8]], expected));
    }
}

#[test]
fn payload_that_the_driver_side_cannot_read_is_left_to_the_device_side() {
    let mut driver = DriverSide::new(SIZE);
    let mut ends = Ends::new(&driver, 0, 0, 256);
    let mut batch = Batch::new();
    driver.describe(0, Desc::new(0x1000, 64, 0, 0));
    driver.offer(0);
    assert_eq!(ends.mirror.sync(), Ok(1));
    assert_eq!(ends.queue.pop(&mut batch), Ok(1));
    let chain = batch.iter().next().unwrap();
    let mut bytes = [0; 64];
    assert!(chain.read(ends.queue.memory(), 0, &mut bytes).is_err());
}

#[test]
fn a_push_area_has_the_rings_at_least() {
    for size in [1, 256, 32768] {
        let size = SplitSize::new(size).unwrap();
        let len = PushArea::len_for(size, 0).unwrap();
        assert!(PushArea::new(size.get(), len).is_some());
        assert_eq!(PushArea::new(size.get(), len - 1), None);
    }
    assert_eq!(PushArea::new(48, 1 << 20), None);
    assert_eq!(
        PushArea::len_for(SplitSize::new(1).unwrap(), u32::MAX),
        None
    );
}

#[test]
fn addresses_of_a_push_area_are_no_others() {
    for offset in [0, 1, u32::MAX] {
        assert_eq!(PushArea::offset_of(PushArea::address(offset)), Some(offset));
    }
    assert_eq!(PushArea::offset_of(0xffff_fffe_ffff_ffff), None);
    assert_eq!(PushArea::offset_of(0), None);
}
