// SPDX-License-Identifier: GPL-2.0
//! Copies from and to the bytes of a chain.

use virtio::ring::Batch;
use vm_memory::{Bytes, GuestAddress};

use crate::{
    driver::{Desc, DriverSide, BASE, BUFFERS, WRITE},
    link::{Fault, Link},
};

/// Pops a chain of readable bytes `abc`, `defgh` and writable ones of 2, 0 and 4 bytes.
fn with_chain(test: impl FnOnce(&DriverSide, virtio::ring::Chain<'_>, &Link)) {
    let mut driver = DriverSide::new(8);
    let at = |n: u64| BUFFERS + 0x100 * n;
    let buffers = [
        (at(0), 3, false),
        (at(1), 5, false),
        (at(2), 2, true),
        (at(3), 0, true),
        (at(4), 4, true),
    ];
    driver.describe_chain(0, &buffers);
    driver
        .memory
        .write_slice(b"abc", GuestAddress(at(0)))
        .unwrap();
    driver
        .memory
        .write_slice(b"defgh", GuestAddress(at(1)))
        .unwrap();
    driver.offer(0);
    let mut queue = driver.config(0).start(Link(driver.clone())).unwrap();
    let mut batch = Batch::new();
    assert_eq!(queue.pop(&mut batch), Ok(1));
    test(&driver, batch.get(0).unwrap(), queue.memory());
}

#[test]
fn readable_bytes_at_any_offset() {
    with_chain(|_, chain, memory| {
        for offset in 0..10 {
            for len in 0..10 {
                let mut to = vec![b'-'; len];
                let expected = b"abcdefgh".get(offset..).unwrap_or_default();
                let expected = &expected[..len.min(expected.len())];
                assert_eq!(chain.read(memory, offset, &mut to), Ok(expected.len()));
                assert_eq!(&to[..expected.len()], expected);
                assert!(to[expected.len()..].iter().all(|byte| *byte == b'-'));
            }
        }
        assert_eq!(chain.read(memory, usize::MAX, &mut [0; 8]), Ok(0));
    });
}

#[test]
fn writable_bytes_at_any_offset() {
    with_chain(|driver, chain, memory| {
        for offset in 0..8 {
            for len in 0..8 {
                assert_eq!(chain.write(memory, 0, b"......"), Ok(6));
                let from = &b"12345678"[..len];
                let written = len.min(6_usize.saturating_sub(offset));
                assert_eq!(chain.write(memory, offset, from), Ok(written));
                let mut expected = *b"......";
                if let Some(slot) = expected.get_mut(offset..offset + written) {
                    slot.copy_from_slice(&from[..written]);
                }
                let mut bytes = [0; 6];
                let (first, second) = bytes.split_at_mut(2);
                let at = |n: u64| GuestAddress(BUFFERS + 0x100 * n);
                driver.memory.read_slice(first, at(2)).unwrap();
                driver.memory.read_slice(second, at(4)).unwrap();
                assert_eq!(bytes, expected);
            }
        }
    });
}

#[test]
fn a_buffer_that_is_no_memory_fails_the_copy_alone() {
    let mut driver = DriverSide::new(8);
    driver.describe(0, Desc::new(BASE - 1, 1, WRITE, 0));
    driver.offer(0);
    let mut queue = driver.config(0).start(Link(driver.clone())).unwrap();
    let mut batch = Batch::new();
    assert_eq!(queue.pop(&mut batch), Ok(1));
    let chain = batch.get(0).unwrap();
    assert_eq!(chain.write(queue.memory(), 0, &[1]), Err(Fault(BASE - 1)));
    assert_eq!(queue.push(&[chain.used(0)]), Ok(true));
}
