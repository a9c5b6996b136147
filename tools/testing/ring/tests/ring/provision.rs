// SPDX-License-Identifier: GPL-2.0
//! What can be chosen of a device on the driver side, and what its config says then.

use proptest::prelude::*;
use virtio::{
    features::{ACCESS_PLATFORM, EVENT_IDX, RING_PACKED},
    ids::DeviceId,
    net::{self, control::control_queue, features},
    provision::{
        possible_features, Provision, Published, QueueMap, Refusal, Request,
        REQUIRED_FEATURES as REQUIRED,
    },
};

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 7];

/// A network device that publishes `features` with those that all have.
fn nic(features: u64) -> Published {
    Published {
        device: DeviceId::NET,
        queues: 9,
        features: features | REQUIRED,
        on_request: 0,
        net: net::Config {
            mac: [2, 0, 0, 0, 0, 1],
            mtu: 9000,
            max_virtqueue_pairs: 4,
            ..net::Config::default()
        },
    }
}

fn disk() -> Published {
    Published {
        device: DeviceId::BLOCK,
        ..nic(EVENT_IDX)
    }
}

fn refusal(published: Published, request: Request) -> Refusal {
    Provision::new(&published, &request).expect_err("refused")
}

fn with_mtu(mtu: u16) -> Request {
    Request {
        mtu: Some(mtu),
        ..Request::default()
    }
}

fn with_pairs(pairs: u16) -> Request {
    Request {
        max_vq_pairs: Some(pairs),
        ..Request::default()
    }
}

fn with_features(features: u64) -> Request {
    Request {
        features: Some(features),
        ..Request::default()
    }
}

#[test]
fn nothing_chosen_changes_nothing() {
    for published in [nic(features::MAC | features::MTU), disk()] {
        let provision = Provision::new(&published, &Request::default()).unwrap();
        assert_eq!(provision.offered(published.features), published.features);
        assert_eq!(provision.config_size(8), 8);
        let mut config = [0x5a; 64];
        provision.lay_over(0, &mut config);
        assert_eq!(config, [0x5a; 64]);
    }
}

#[test]
fn features_on_request_are_left_out_unless_asked_for() {
    let published = Published {
        on_request: RING_PACKED,
        ..nic(EVENT_IDX | RING_PACKED)
    };
    let offered = |request| {
        let provision = Provision::new(&published, &request).unwrap();
        provision.offered(published.features)
    };
    assert_eq!(offered(Request::default()), REQUIRED | EVENT_IDX);
    let asked = REQUIRED | RING_PACKED;
    assert_eq!(offered(with_features(asked)), asked);
    assert_eq!(offered(with_features(REQUIRED)), REQUIRED);
}

#[test]
fn features_are_a_part_of_those_published() {
    let published = nic(EVENT_IDX | features::STATUS);
    let chosen = REQUIRED | features::STATUS;
    let provision = Provision::new(&published, &with_features(chosen)).unwrap();
    assert_eq!(provision.offered(published.features), chosen);
    for asked in [REQUIRED | features::CSUM, REQUIRED & !ACCESS_PLATFORM, 0] {
        let possible = published.features;
        assert_eq!(
            refusal(published, with_features(asked)),
            Refusal::Features { asked, possible }
        );
    }
}

#[test]
fn address_and_mtu_come_with_their_features() {
    let published = nic(0);
    let request = Request {
        features: Some(REQUIRED | features::MAC | features::MTU),
        mac: Some(MAC),
        mtu: Some(1400),
        max_vq_pairs: Some(1),
    };
    let provision = Provision::new(&published, &request).unwrap();
    let offered = provision.offered(published.features);
    assert_eq!(offered, published.features | features::MAC | features::MTU);
    assert_eq!(
        offered,
        possible_features(DeviceId::NET, published.features)
    );
    // The device's own config may end before.
    assert_eq!(provision.config_size(8), 12);
    assert_eq!(provision.config_size(24), 24);
}

#[test]
fn feature_of_an_attribute_needs_the_attribute() {
    let asked = REQUIRED | features::MTU;
    let possible = REQUIRED;
    assert_eq!(
        refusal(nic(0), with_features(asked)),
        Refusal::Features { asked, possible }
    );
}

#[test]
fn mtu_is_at_most_that_of_the_device() {
    for (features, max) in [(features::MTU, 9000), (0, net::DEFAULT_MTU)] {
        for good in [net::MIN_MTU, max] {
            assert!(Provision::new(&nic(features), &with_mtu(good)).is_ok());
        }
        for asked in [0, net::MIN_MTU - 1, max + 1, u16::MAX] {
            assert_eq!(
                refusal(nic(features), with_mtu(asked)),
                Refusal::Mtu { asked, max }
            );
        }
    }
}

#[test]
fn pairs_are_at_most_those_of_the_device() {
    for (features, has) in [(0, 1), (features::MQ, 4)] {
        for good in [1, has] {
            assert!(Provision::new(&nic(features), &with_pairs(good)).is_ok());
        }
        for asked in [0, has + 1, u16::MAX] {
            assert_eq!(
                refusal(nic(features), with_pairs(asked)),
                Refusal::VqPairs { asked, has }
            );
        }
    }
}

/// The indices on the device of the queues that the driver is shown.
fn shown(queues: QueueMap) -> Vec<u16> {
    (0..queues.count())
        .map(|index| queues.on_device(index))
        .collect()
}

#[test]
fn the_control_queue_moves_with_the_pairs() {
    let published = nic(features::MQ | features::CTRL_VQ);
    let negotiated = published.features;
    for pairs in 2..=4 {
        let provision = Provision::new(&published, &with_pairs(pairs)).unwrap();
        assert_eq!(provision.offered(negotiated), negotiated);
        let mut expected: Vec<_> = (0..2 * pairs).collect();
        expected.push(control_queue(negotiated, 4).unwrap());
        assert_eq!(shown(provision.queues()), expected);
        let mut config = [0; net::Config::LEN];
        provision.lay_over(0, &mut config);
        let chosen = net::Config::from_bytes(&config).max_virtqueue_pairs;
        assert_eq!(chosen, if pairs == 4 { 0 } else { pairs });
    }
}

#[test]
fn the_control_queue_of_a_driver_without_mq_stays() {
    let published = nic(features::MQ | features::CTRL_VQ);
    let provision = Provision::new(&published, &with_pairs(3)).unwrap();
    let index = control_queue(features::CTRL_VQ, 3).unwrap();
    let on_device = control_queue(features::CTRL_VQ, 4).unwrap();
    assert_eq!(provision.queues().on_device(index), on_device);
}

#[test]
fn one_pair_is_offered_without_mq() {
    let published = nic(features::MQ | features::CTRL_VQ);
    let provision = Provision::new(&published, &with_pairs(1)).unwrap();
    let offered = provision.offered(published.features);
    assert_eq!(offered, published.features & !features::MQ);
    assert_eq!(shown(provision.queues()), [0, 1, 2]);
    assert_eq!(control_queue(offered, 4), Some(2));
    let with_mq = Request {
        features: Some(published.features),
        ..with_pairs(1)
    };
    assert!(matches!(
        refusal(published, with_mq),
        Refusal::Features { .. }
    ));
}

#[test]
fn pairs_that_the_device_has_no_queues_for_are_not_counted_on() {
    for (queues, is_enough) in [(8, false), (9, true), (10, true)] {
        let published = Published {
            queues,
            ..nic(features::MQ)
        };
        let provision = Provision::new(&published, &with_pairs(2));
        assert_eq!(provision.is_ok(), is_enough, "{queues} queues");
        // Who chooses nothing has what there is.
        let whole = Provision::new(&published, &Request::default()).unwrap();
        assert_eq!(whole.queues(), QueueMap::unmoved(queues));
    }
    let mut published = nic(features::MQ);
    published.net.max_virtqueue_pairs = u16::MAX;
    assert_eq!(
        refusal(published, with_pairs(2)),
        Refusal::Queues {
            pairs: u16::MAX,
            queues: 9
        }
    );
}

#[test]
fn a_device_that_does_not_know_the_address_filters_nothing() {
    let published = nic(features::MAC | features::CTRL_RX);
    let mut provision = Provision::new(&published, &Request::default()).unwrap();
    assert_eq!(provision.offered(published.features), published.features);
    provision.set_mac(MAC).unwrap();
    let unfiltered = published.features & !features::CTRL_RX;
    assert_eq!(provision.offered(published.features), unfiltered);
    let chosen_both = Request {
        mac: Some(MAC),
        ..with_features(published.features)
    };
    assert!(matches!(
        refusal(published, chosen_both),
        Refusal::Features { .. }
    ));
}

#[test]
fn address_is_that_of_one_station() {
    let mut provision = Provision::new(&nic(0), &Request::default()).unwrap();
    for mac in [[0; 6], [1, 0, 0x5e, 0, 0, 1], [0xff; 6]] {
        let request = Request {
            mac: Some(mac),
            ..Request::default()
        };
        assert_eq!(refusal(nic(0), request), Refusal::Mac(mac));
        assert_eq!(provision.set_mac(mac), Err(Refusal::Mac(mac)));
    }
    assert_eq!(provision.changes(), 0);
    assert_eq!(provision.offered(0), 0);
}

#[test]
fn address_can_be_chosen_later() {
    let mut provision = Provision::new(&nic(0), &Request::default()).unwrap();
    provision.set_mac(MAC).unwrap();
    assert_eq!(provision.changes(), 1);
    assert_eq!(provision.offered(REQUIRED), REQUIRED | features::MAC);
    let mut config = [0x5a; 8];
    provision.lay_over(0, &mut config);
    assert_eq!(config, [2, 0, 0, 0, 0, 7, 0x5a, 0x5a]);
}

#[test]
fn other_devices_have_no_such_attributes() {
    let mac = Request {
        mac: Some(MAC),
        ..Request::default()
    };
    for request in [mac, with_mtu(1400), with_pairs(1)] {
        assert_eq!(refusal(disk(), request), Refusal::NotNetwork);
    }
    assert_eq!(possible_features(DeviceId::BLOCK, REQUIRED), REQUIRED);
}

proptest! {
    /// Any part of the config is that part of the whole config, whose fields are as chosen.
    #[test]
    fn parts_of_the_config_agree(
        own: [u8; 32],
        mac in proptest::option::of(Just(MAC)),
        mtu in proptest::option::of(net::MIN_MTU..=9000),
        start in 0usize..40,
        len in 0usize..40,
    ) {
        let request = Request { mac, mtu, ..Request::default() };
        let provision = Provision::new(&nic(features::MTU), &request).unwrap();
        let mut whole = own;
        provision.lay_over(0, &mut whole);

        let published = net::Config::from_bytes(own.first_chunk().unwrap());
        let expected = net::Config {
            mac: mac.unwrap_or(published.mac),
            mtu: mtu.unwrap_or(published.mtu),
            ..published
        };
        prop_assert_eq!(net::Config::from_bytes(whole.first_chunk().unwrap()), expected);
        prop_assert_eq!(&whole[net::Config::LEN..], &own[net::Config::LEN..]);

        let range = start.min(32)..(start + len).min(32).max(start.min(32));
        let mut part = own[range.clone()].to_vec();
        provision.lay_over(start, &mut part);
        prop_assert_eq!(&part, &whole[range]);
    }
}
