// SPDX-License-Identifier: GPL-2.0
//! Commands of the control queue: every length, every value, and driver sides that lie.

use std::convert::Infallible;

use proptest::prelude::*;
use virtio::net::control::{
    ack, class, control_queue, guest_offloads, mac, mq, rx, AddressTable, Command, Source,
    ADDRESS_LEN, HEADER_LEN,
};
use virtio::net::features::{
    CTRL_GUEST_OFFLOADS, CTRL_MAC_ADDR, CTRL_RX, CTRL_VQ, GUEST_CSUM, GUEST_TSO4, GUEST_TSO6,
    HOST_TSO4, MQ,
};

const ALL: u64 = CTRL_VQ | CTRL_RX | CTRL_MAC_ADDR | MQ | CTRL_GUEST_OFFLOADS | OFFLOADS;
/// Those of the driver that are negotiated.
const OFFLOADS: u64 = GUEST_CSUM | GUEST_TSO4;
const PAIRS: u16 = 4;
const STATION: [u8; 6] = [2, 0, 0, 0, 0, 7];
const GROUP: [u8; 6] = [1, 0, 0x5e, 0, 0, 1];

/// A readable part that stays as it is.
struct Bytes<'a>(&'a [u8]);

impl Source for Bytes<'_> {
    type Error = Infallible;

    fn length(&self) -> usize {
        self.0.len()
    }

    fn read(&self, offset: usize, to: &mut [u8]) -> Result<usize, Infallible> {
        let from = self.0.get(offset..).unwrap_or_default();
        let count = from.len().min(to.len());
        to[..count].copy_from_slice(&from[..count]);
        Ok(count)
    }
}

fn read_with(negotiated: u64, bytes: &[u8]) -> Option<Command> {
    let Ok(command) = Command::read(&Bytes(bytes), negotiated, PAIRS);
    command
}

fn read(bytes: &[u8]) -> Option<Command> {
    read_with(ALL, bytes)
}

fn command(class: u8, command: u8, data: &[u8]) -> Vec<u8> {
    [&[class, command], data].concat()
}

/// A table that says it has `count` addresses.
fn table(count: u32, addresses: &[[u8; 6]]) -> Vec<u8> {
    [&count.to_le_bytes()[..], &addresses.concat()].concat()
}

fn tables(unicast: &[u8], multicast: &[u8]) -> Vec<u8> {
    command(class::MAC, mac::TABLE_SET, &[unicast, multicast].concat())
}

#[test]
fn the_control_queue_is_behind_the_pairs_that_count() {
    assert_eq!(control_queue(0, 4), None);
    assert_eq!(control_queue(MQ, 4), None);
    assert_eq!(control_queue(CTRL_VQ, 4), Some(2));
    assert_eq!(control_queue(CTRL_VQ | MQ, 1), Some(2));
    assert_eq!(control_queue(CTRL_VQ | MQ, 4), Some(8));
    assert_eq!(control_queue(CTRL_VQ | MQ, 0x7fff), Some(0xfffe));
    assert_eq!(control_queue(CTRL_VQ | MQ, 0x8000), None);
}

#[test]
fn acknowledgements_are_those_of_the_specification() {
    assert_eq!((ack::OK, ack::ERR), (0, 1));
}

#[test]
fn modes_are_on_or_off() {
    for (kind, made) in [
        (rx::PROMISC, Command::Promiscuous as fn(bool) -> Command),
        (rx::ALLMULTI, Command::AllMulticast),
    ] {
        assert_eq!(read(&command(class::RX, kind, &[0])), Some(made(false)));
        assert_eq!(read(&command(class::RX, kind, &[1])), Some(made(true)));
        for wrong in [&[2][..], &[0xff], &[], &[1, 0]] {
            assert_eq!(read(&command(class::RX, kind, wrong)), None);
        }
    }
}

#[test]
fn an_address_is_that_of_one_station() {
    let set = |data: &[u8]| read(&command(class::MAC, mac::ADDR_SET, data));
    assert_eq!(set(&STATION), Some(Command::SetAddress(STATION)));
    for wrong in [&GROUP[..], &[0; 6], &[0xff; 6], &STATION[..5], &[2; 7], &[]] {
        assert_eq!(set(wrong), None);
    }
}

#[test]
fn pairs_are_from_one_to_those_there_are() {
    let set = |data: &[u8]| read(&command(class::MQ, mq::VQ_PAIRS_SET, data));
    for pairs in [1, PAIRS] {
        assert_eq!(set(&pairs.to_le_bytes()), Some(Command::UsePairs(pairs)));
    }
    for pairs in [0, PAIRS + 1, 0x8000, u16::MAX] {
        assert_eq!(set(&pairs.to_le_bytes()), None);
    }
    for wrong in [&[][..], &[1], &[1, 0, 0]] {
        assert_eq!(set(wrong), None);
    }
}

#[test]
fn offloads_are_those_that_were_negotiated() {
    let set = |data: &[u8]| read(&command(class::GUEST_OFFLOADS, guest_offloads::SET, data));
    for used in [0, GUEST_CSUM, GUEST_TSO4, OFFLOADS] {
        assert_eq!(set(&used.to_le_bytes()), Some(Command::SetOffloads(used)));
    }
    // Not negotiated, no offload of the driver, no offload, and no feature.
    for wrong in [GUEST_TSO6, HOST_TSO4, MQ, 1 << 63, u64::MAX] {
        assert_eq!(set(&wrong.to_le_bytes()), None);
    }
    for wrong in [&[][..], &[0; 7], &[0; 9]] {
        assert_eq!(set(wrong), None);
    }
}

#[test]
fn tables_are_where_their_lengths_say() {
    let found = read(&tables(&table(2, &[STATION; 2]), &table(1, &[GROUP])));
    let unicast = AddressTable {
        offset: HEADER_LEN + 4,
        count: 2,
    };
    let multicast = AddressTable {
        offset: HEADER_LEN + 4 + 2 * ADDRESS_LEN + 4,
        count: 1,
    };
    assert_eq!(found, Some(Command::SetTables { unicast, multicast }));
    assert!(read(&tables(&table(0, &[]), &table(0, &[]))).is_some());
}

#[test]
fn tables_that_lie_are_none() {
    let empty = table(0, &[]);
    for wrong in [
        // Fewer addresses than it says, by one and by nearly all.
        tables(&table(1, &[]), &empty),
        tables(&empty, &table(2, &[GROUP])),
        tables(&table(u32::MAX, &[STATION]), &empty),
        tables(&empty, &table(u32::MAX, &[GROUP])),
        // More addresses than it says.
        tables(&empty, &table(0, &[GROUP])),
        // A byte too many, a byte too few, one table, half a number.
        [&tables(&empty, &empty)[..], &[0]].concat(),
        tables(&empty, &empty[..3]),
        tables(&empty, &[]),
        tables(&empty[..2], &[]),
        tables(&[], &[]),
    ] {
        assert_eq!(read(&wrong), None, "{wrong:?}");
    }
}

#[test]
fn a_number_of_addresses_beyond_all_memory_is_none() {
    /// Says that it is as long as can be, and is filled with ones.
    struct Endless;

    impl Source for Endless {
        type Error = Infallible;

        fn length(&self) -> usize {
            usize::MAX
        }

        fn read(&self, offset: usize, to: &mut [u8]) -> Result<usize, Infallible> {
            to.fill(0xff);
            if offset == 0 {
                to.copy_from_slice(&[class::MAC, mac::TABLE_SET]);
            }
            Ok(to.len())
        }
    }

    let Ok(found) = Command::read(&Endless, ALL, PAIRS);
    assert_eq!(found, None);
}

#[test]
fn commands_need_their_features() {
    let empty = table(0, &[]);
    for (bytes, feature) in [
        (command(class::RX, rx::PROMISC, &[1]), CTRL_RX),
        (command(class::RX, rx::ALLMULTI, &[1]), CTRL_RX),
        (tables(&empty, &empty), CTRL_RX),
        (command(class::MAC, mac::ADDR_SET, &STATION), CTRL_MAC_ADDR),
        (command(class::MQ, mq::VQ_PAIRS_SET, &[1, 0]), MQ),
        (
            command(class::GUEST_OFFLOADS, guest_offloads::SET, &[0; 8]),
            CTRL_GUEST_OFFLOADS,
        ),
    ] {
        assert!(read_with(CTRL_VQ | feature, &bytes).is_some());
        assert_eq!(read_with(ALL & !feature, &bytes), None);
    }
}

#[test]
fn whatever_else_there_is_is_unknown() {
    let known = [
        (class::RX, rx::PROMISC),
        (class::RX, rx::ALLMULTI),
        (class::MAC, mac::TABLE_SET),
        (class::MAC, mac::ADDR_SET),
        (class::MQ, mq::VQ_PAIRS_SET),
        (class::GUEST_OFFLOADS, guest_offloads::SET),
    ];
    for (class, kind) in (0..=u8::MAX).flat_map(|class| (0..=u8::MAX).map(move |k| (class, k))) {
        if known.contains(&(class, kind)) {
            continue;
        }
        for data in [&[][..], &[1], &[1, 0], &STATION, &[0; 8]] {
            assert_eq!(read_with(u64::MAX, &command(class, kind, data)), None);
        }
    }
    for short in [&[][..], &[class::RX]] {
        assert_eq!(read(short), None);
    }
}

proptest! {
    /// Whatever comes out of it is inside the bytes.
    #[test]
    fn tables_are_inside(data in proptest::collection::vec(any::<u8>(), 0..64), small in 0u8..4) {
        let mut bytes = command(class::MAC, mac::TABLE_SET, &data);
        if let Some(count) = bytes.get_mut(HEADER_LEN..HEADER_LEN + 4) {
            count.copy_from_slice(&[small, 0, 0, 0]);
        }
        if let Some(Command::SetTables { unicast, multicast }) = read(&bytes) {
            let end = |table: AddressTable| table.offset + table.count * ADDRESS_LEN;
            prop_assert_eq!(end(unicast) + 4, multicast.offset);
            prop_assert_eq!(end(multicast), bytes.len());
        }
    }
}
