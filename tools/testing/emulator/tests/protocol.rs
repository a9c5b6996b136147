// SPDX-License-Identifier: GPL-2.0
//! vfio-user requests, right and wrong: each gets its answer, none stops the server.

mod common;

use common::client::{access, irq_set, region_info, words, EINVAL, EOPNOTSUPP};
use common::{memfd, Event, Rig, EP_RAM, RAM_SIZE};
use epc_emulator::vfio_user::message::{self, command, irq, MAX_DATA, MAX_MESSAGE};
use proptest::prelude::*;

/// Every request with the smallest payload that is valid for the controller.
fn valid_requests() -> Vec<(u16, Vec<u8>)> {
    let region = [32u32, 0, 0, 0, 0, 0, 0, 0];
    let bytes = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect();
    vec![
        (command::VERSION, b"\0\0\0\0{}\0".to_vec()),
        (
            command::DMA_MAP,
            words(&[32 | (3 << 32), 0, 0x9000_0000, 0x1000]),
        ),
        (command::DMA_UNMAP, words(&[24, 0x9000_0000, 0x1000])),
        (command::DEVICE_GET_INFO, bytes(&[16, 0, 0, 0])),
        (command::DEVICE_GET_REGION_INFO, bytes(&region)),
        (command::DEVICE_GET_IRQ_INFO, bytes(&[16, 0, 2, 0])),
        (command::DEVICE_SET_IRQS, irq_set(1 | 32, irq::MSIX, 0, 0)),
        (command::REGION_READ, access(0, 0, 4, &[])),
        (command::REGION_WRITE, access(0, 0x40, 4, &[1, 2, 3, 4])),
        (command::DEVICE_RESET, vec![]),
    ]
}

#[test]
fn valid_requests_are_answered() {
    let rig = Rig::trapped();
    for (command, payload) in valid_requests() {
        let reply = rig.ep.request(command, &payload);
        assert!(reply.is_ok(), "request {command}: {reply:?}");
    }
}

#[test]
fn truncated_requests_are_refused_and_the_stream_stays_good() {
    let rig = Rig::trapped();
    for (command, payload) in valid_requests() {
        // The text of VERSION is optional, and a reset has nothing to cut off.
        let fixed = if command == command::VERSION {
            4
        } else {
            payload.len()
        };
        for size in 0..fixed {
            let reply = rig.ep.request(command, &payload[..size]);
            assert_eq!(reply, Err(EINVAL), "request {command} with {size} bytes");
        }
    }
    assert!(rig.ep.read(0, 0, 4).is_ok());
}

#[test]
fn unknown_requests_are_refused() {
    let rig = Rig::trapped();
    for command in [0, 6, 11, 12, 14, 15, 16, 0xffff] {
        assert_eq!(
            rig.ep.request(command, &[0; 64]),
            Err(EOPNOTSUPP),
            "request {command}"
        );
    }
}

#[test]
fn impossible_header_sizes_end_the_connection() {
    for size in [0, 15, MAX_MESSAGE as u32 + 1, u32::MAX] {
        let rig = Rig::trapped();
        rig.ep.send_raw(command::DEVICE_RESET, size, 0, &[], &[]);
        assert!(rig.ep.is_closed(), "size {size}");
    }
}

#[test]
fn requests_without_reply_get_none() {
    const NO_REPLY: u32 = 0x10;
    let rig = Rig::trapped();
    rig.ep.send_raw(
        command::REGION_WRITE,
        36,
        NO_REPLY,
        &access(0, 0x40, 4, &[7, 0, 0, 0]),
        &[],
    );
    rig.ep.send_raw(0xffff, 16, NO_REPLY, &[], &[]);
    assert_eq!(rig.ep.read(0, 0x40, 4), Ok(vec![7, 0, 0, 0]));
}

#[test]
fn accesses_stay_in_their_region() {
    let rig = Rig::trapped();
    for (region, offset, count) in [
        (0, 0x1ffd, 4),
        (0, 0x2000, 1),
        (0, u64::MAX, 4),
        (3, 0, 1),
        (7, 4095, 2),
        (8, 0, 1),
        (9, 0, 1),
        (u32::MAX, 0, 1),
    ] {
        assert_eq!(
            rig.ep.read(region, offset, count),
            Err(EINVAL),
            "{region} {offset:#x}"
        );
        let data = vec![0; count as usize];
        assert_eq!(
            rig.ep.write(region, offset, &data),
            Err(EINVAL),
            "{region} {offset:#x}"
        );
    }
    assert_eq!(rig.ep.read(7, 0, MAX_DATA as u32 + 1), Err(EINVAL));
    // The count of a write may not promise more than the message has.
    assert_eq!(
        rig.ep
            .request(command::REGION_WRITE, &access(0, 0x40, 8, &[0; 4])),
        Err(EINVAL)
    );
}

#[test]
fn dma_map_checks_range_and_descriptors() {
    let rig = Rig::trapped();
    let file = memfd(RAM_SIZE);
    let map = |iova, size| rig.ep.dma_map(iova, size, 0, Some(&file));
    assert_eq!(map(EP_RAM, 0x1000), Err(EINVAL), "overlaps");
    assert_eq!(
        map(EP_RAM - 0x1000, 0x2000),
        Err(EINVAL),
        "overlaps from below"
    );
    assert_eq!(map(0x9000_0000, 0), Err(EINVAL), "empty");
    assert_eq!(map(u64::MAX - 0xfff, 0x2000), Err(EINVAL), "wraps around");
    assert_eq!(
        map(0x9000_0000, RAM_SIZE * 2),
        Err(EINVAL),
        "beyond the end of the file"
    );
    let payload = words(&[32 | (3 << 32), 0, 0x9000_0000, 0x1000]);
    let (reply, _) = rig
        .ep
        .request_with(command::DMA_MAP, &payload, &[&file, &file]);
    assert_eq!(reply, Err(EINVAL), "two descriptors");
    assert!(
        rig.ep.dma_map(0x9000_0000, 0x1000, 0, None).is_ok(),
        "ROM has none"
    );
    assert!(!rig.fabric.ep_memory.contains(0x9000_0000, 0x1000));
    assert!(rig.ep.dma_unmap(0x9000_0000, 0x1000).is_ok());
    assert!(map(0x9000_0000, 0x1000).is_ok());
    assert!(rig.fabric.ep_memory.contains(0x9000_0000, 0x1000));
}

#[test]
fn unmap_all_removes_everything() {
    let rig = Rig::trapped();
    let all = words(&[24 | (2 << 32), 0, 0]);
    assert!(rig.ep.request(command::DMA_UNMAP, &all).is_ok());
    assert!(!rig.fabric.ep_memory.contains(EP_RAM, 1));
}

#[test]
fn set_irqs_checks_vectors_and_descriptors() {
    let rig = Rig::trapped();
    let event = Event::new();
    assert_eq!(
        rig.ep.set_eventfds(irq::MSIX, 10, &[&event]),
        Err(EINVAL),
        "vector 10 of 10: one for events, 4 doorbells, 5 DMA channels"
    );
    assert_eq!(
        rig.ep.set_eventfds(irq::MSI, 0, &[&event]),
        Err(EINVAL),
        "no MSI"
    );
    assert_eq!(
        rig.ep.set_eventfds(9, 0, &[&event]),
        Err(EINVAL),
        "no such index"
    );
    let two_vectors_one_fd = irq_set(4 | 32, irq::MSIX, 0, 2);
    let file = memfd(0);
    let (reply, _) = rig
        .ep
        .request_with(command::DEVICE_SET_IRQS, &two_vectors_one_fd, &[&file]);
    assert_eq!(reply, Err(EINVAL), "missing descriptor");
    let overflow = irq_set(1 | 32, irq::MSIX, u32::MAX, 2);
    assert_eq!(
        rig.ep.request(command::DEVICE_SET_IRQS, &overflow),
        Err(EINVAL)
    );
    for flags in [0, 1, 4, 32, 1 | 4 | 32, 4 | 8, 1 | 64] {
        let request = irq_set(flags, irq::MSIX, 0, 1);
        assert_eq!(
            rig.ep.request(command::DEVICE_SET_IRQS, &request),
            Err(EINVAL),
            "flags {flags}"
        );
    }
    assert!(rig.ep.set_eventfds(irq::MSIX, 0, &[&event]).is_ok());
}

#[test]
fn region_information_gives_no_file_to_the_ep() {
    let rig = Rig::trapped();
    let (info, file) = region_info(&rig.ep, 0, 32);
    assert_eq!(info.len(), 32);
    assert_eq!(info[16..24], 0x2000u64.to_le_bytes());
    assert!(file.is_none());
}

#[test]
fn a_client_before_start_is_sent_away() {
    let rig = Rig::trapped();
    let rc = common::serve(rig.endpoint.functions()[0].clone());
    assert!(rc.is_closed());
}

proptest! {
    #[test]
    fn parsing_never_panics(command in 0u16..20, payload in proptest::collection::vec(any::<u8>(), 0..64)) {
        // What comes out is checked above; here it must only come out.
        let _ = message::parse(command, &payload);
    }
}
