// SPDX-License-Identifier: GPL-2.0
//! What headers of packets may ask for, by the features of both sides.

use proptest::prelude::*;
use virtio::net::features::{
    CSUM, GUEST_CSUM, GUEST_ECN, GUEST_TSO4, GUEST_TSO6, HOST_ECN, HOST_TSO4, HOST_TSO6, HOST_UFO,
};
use virtio::net::offloads::{Offloads, GUEST, HOST};
use virtio::net::{gso, header_flags, Header};

const ALL: Offloads = Offloads {
    checksum: true,
    tcp4: true,
    tcp6: true,
    ecn: true,
};
const NONE: Offloads = Offloads {
    checksum: false,
    tcp4: false,
    tcp6: false,
    ecn: false,
};

fn header(flags: u8, gso_type: u8) -> Header {
    Header {
        flags,
        gso_type,
        ..Header::default()
    }
}

#[test]
fn each_side_has_features_of_its_own() {
    assert_eq!(Offloads::of_device(HOST), ALL);
    assert_eq!(Offloads::of_driver(GUEST), ALL);
    assert_eq!(Offloads::of_device(!HOST), NONE);
    assert_eq!(Offloads::of_driver(!GUEST), NONE);
}

#[test]
fn segments_need_checksums_and_congestion_needs_segments() {
    let checksum = Offloads {
        checksum: true,
        ..NONE
    };
    assert_eq!(Offloads::of_device(HOST & !CSUM), NONE);
    assert_eq!(Offloads::of_driver(GUEST & !GUEST_CSUM), NONE);
    assert_eq!(Offloads::of_device(CSUM | HOST_ECN), checksum);
    assert_eq!(Offloads::of_driver(GUEST_CSUM | GUEST_ECN), checksum);
    for (host, guest, tcp4, tcp6) in [
        (HOST_TSO4, GUEST_TSO4, true, false),
        (HOST_TSO6, GUEST_TSO6, false, true),
    ] {
        let one = Offloads { tcp4, tcp6, ..ALL };
        assert!(one.has_segments() && !checksum.has_segments());
        assert_eq!(Offloads::of_device(CSUM | HOST_ECN | host), one);
        assert_eq!(Offloads::of_driver(GUEST_CSUM | GUEST_ECN | guest), one);
    }
}

#[test]
fn a_header_may_ask_for_what_there_is() {
    let checksum = header_flags::NEEDS_CSUM;
    let segments = |features, gso_type| {
        Offloads::of_device(CSUM | features).cover(&header(checksum, gso_type))
    };
    assert!(NONE.cover(&Header::default()));
    assert!(!NONE.cover(&header(checksum, gso::NONE)));
    assert!(segments(0, gso::NONE) && !segments(0, gso::TCPV4));
    assert!(segments(HOST_TSO4, gso::TCPV4) && !segments(HOST_TSO4, gso::TCPV6));
    assert!(segments(HOST_TSO6, gso::TCPV6) && !segments(HOST_TSO6, gso::TCPV4));
    assert!(!segments(HOST_TSO4, gso::TCPV4 | gso::ECN));
    assert!(segments(HOST_TSO4 | HOST_ECN, gso::TCPV4 | gso::ECN));
    assert!(!segments(HOST_TSO6 | HOST_ECN, gso::TCPV4 | gso::ECN));
    assert!(!segments(HOST | HOST_UFO, gso::UDP));
    // Congestion of no segments.
    assert!(!segments(HOST, gso::ECN));
}

proptest! {
    #[test]
    fn nothing_else_is_covered(negotiated: u64, flags: u8, gso_type: u8) {
        let offloads = Offloads::of_device(negotiated);
        let known = [
            gso::NONE, gso::TCPV4, gso::TCPV6, gso::TCPV4 | gso::ECN, gso::TCPV6 | gso::ECN,
        ];
        if offloads.cover(&header(flags, gso_type)) {
            prop_assert!(known.contains(&gso_type));
            prop_assert!(flags & header_flags::NEEDS_CSUM == 0 || negotiated & CSUM != 0);
            prop_assert!(gso_type == gso::NONE || negotiated & CSUM != 0);
        }
    }
}
