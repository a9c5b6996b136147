// SPDX-License-Identifier: GPL-2.0

//! What the RC accepts as an EP, and what an EP can offer.

use crate::model::{layout, layout_with, Rig, BARS, EPOCH, FEATURES, NUM_QUEUES};
use transport::{
    feature, offset, Description, EndpointPort, Epoch, GroupCounts, Identity, IdentityError,
    LayoutError, Offset, QueueDescription, QueueSize, StartError, TransportFeatures, Version,
    MAGIC, MAX_GROUPS, MAX_SPACES,
};

/// What the RC says of an EP in which `word` is changed to `value`.
fn identify_with(word: Offset, value: u32) -> Result<Identity, IdentityError> {
    let rig = Rig::started();
    rig.link.store(word, value);
    rig.identify()
}

fn refused_with(word: Offset, value: u32, error: IdentityError) {
    assert_eq!(
        identify_with(word, value).err(),
        Some(error),
        "{word:?} = {value:#x}"
    );
}

#[test]
fn a_legal_identity_is_accepted() {
    let rig = Rig::started();
    let identity = rig.identify().expect("a legal identity");
    assert_eq!(identity.version(), Version { major: 1, minor: 2 });
    assert_eq!(identity.epoch().get(), EPOCH);
    assert_eq!(identity.device_features(), FEATURES);
    assert_eq!((identity.device_id(), identity.vendor_id()), (1, 0x1af4));
    assert_eq!(identity.num_queues(), NUM_QUEUES);
    assert_eq!(identity.queue_size_max().get(), 256);
    assert_eq!(identity.layout(), rig.ep.layout());
    assert_eq!(identity.transport_features(), rig.transport_features);
    for (index, size) in [(0, 256), (1, 128), (2, 64)] {
        let queue = identity.queue(index).expect("a queue");
        let size_max = identity.queue_size(&rig.link.rc(), queue);
        assert_eq!(size_max.map(QueueSize::get), Some(size));
    }
    assert!(identity.queue(NUM_QUEUES).is_none());
}

#[test]
fn offsets_are_those_of_the_document() {
    let rig = Rig::started();
    for (offset, value) in [
        (0x00, 0x5646_5045),
        (0x04, 0x0001_0002),
        (0x08, 1),
        (0x0c, EPOCH),
        (0x1c, 0x17),
        (0x20, FEATURES as u32),
        (0x24, (FEATURES >> 32) as u32),
        (0x28, 1),
        (0x2c, 0x1af4),
        (0x30, 3),
        (0x34, 256),
        (0x38, 2),
        (0x3c, 3),
        (0x40, 0x100),
        (0x44, 0x200),
        (0x48, 0x300),
        (0x4c, 48),
        (0x50, 16),
        (0x54, 0x330),
        (0x58, 60),
        (0x5c, 1),
        (0x60, 0),
        (0x64, 0x1000),
        (0x68, 0x1000),
        (0x6c, 4),
        (0x74, 0),
        (0x78, 0x370),
        (0x7c, 72),
        (0x300, 256),
        (0x308, 0x100),
        (0x30c, 0),
        (0x310, 128),
        (0x31c, 1),
    ] {
        assert_eq!(rig.link.peek(Offset::new(offset)), value, "{offset:#x}");
    }
}

#[test]
fn a_dead_link_is_no_endpoint() {
    let rig = Rig::started();
    rig.link.set_dead(true);
    assert_eq!(rig.identify().err(), Some(IdentityError::LinkDead));
    refused_with(offset::MAGIC, u32::MAX, IdentityError::LinkDead);
    refused_with(offset::VERSION, u32::MAX, IdentityError::LinkDead);
    refused_with(offset::EPOCH, u32::MAX, IdentityError::LinkDead);
}

#[test]
fn other_devices_are_not_touched() {
    for magic in [0, MAGIC + 1, MAGIC.swap_bytes()] {
        refused_with(offset::MAGIC, magic, IdentityError::Magic(magic));
    }
}

#[test]
fn another_major_version_is_refused_and_a_newer_minor_one_accepted() {
    for word in [0, 0x0002_0000, 0x0000_ffff, 0xffff_0000] {
        let version = Version::from_word(word);
        refused_with(offset::VERSION, word, IdentityError::Version(version));
    }
    let identity = identify_with(offset::VERSION, 0x0001_0007).expect("a newer minor version");
    assert_eq!(identity.version(), Version { major: 1, minor: 7 });
}

#[test]
fn unknown_transport_features_are_ignored() {
    let identity = identify_with(offset::TRANSPORT_FEATURES, 0xffff_ffe1).expect("legal");
    assert_eq!(identity.transport_features(), TransportFeatures::SUSPEND);
}

#[test]
fn an_endpoint_that_is_not_ready_is_waited_for() {
    for (word, value) in [(offset::READY, 0), (offset::READY, 2), (offset::EPOCH, 0)] {
        refused_with(word, value, IdentityError::NotReady);
    }
    let rig = Rig::cold(1);
    EndpointPort::announce(&rig.link.ep());
    assert_eq!(rig.identify().err(), Some(IdentityError::NotReady));
}

#[test]
fn words_of_two_sessions_are_not_mixed() {
    for read in 1..60 {
        let rig = Rig::started();
        rig.link.change_before(read, offset::EPOCH, EPOCH + 1);
        rig.link.change_before(read, offset::DEVICE_ID, 2);
        match rig.identify() {
            Ok(identity) => {
                let device_id = identity.epoch().get() - EPOCH + 1;
                assert_eq!(identity.device_id(), device_id, "{read}");
            }
            Err(error) => assert_eq!(error, IdentityError::NotReady),
        }
    }
}

#[test]
fn the_version_that_was_checked_counts() {
    let version = Version { major: 9, minor: 0 };
    for read in 1..60 {
        let rig = Rig::started();
        rig.link
            .change_before(read, offset::VERSION, version.word());
        match rig.identify() {
            Ok(identity) => assert_eq!(identity.version(), Version::CURRENT, "{read}"),
            Err(error) => assert_eq!(error, IdentityError::Version(version)),
        }
    }
}

#[test]
fn a_session_begins_with_reset_values() {
    let mut rig = Rig::cold(NUM_QUEUES);
    let garbage = 0xa5a5_a5a5;
    for word in 0..0x800 {
        rig.link.store(Offset::new(word * 4), garbage);
    }
    rig.start(EPOCH);
    let is = |range: std::ops::Range<u32>, value| {
        range
            .step_by(4)
            .all(|word| rig.link.peek(Offset::new(word)) == value)
    };
    assert!(is(0x100..0x300, 0), "command block");
    assert!(is(0x1000..0x100c, 0), "doorbells");
    assert!(is(0x370..0x3b8, garbage), "the controller's MSI-X table");
    assert!([0x304, 0x314, 0x324]
        .iter()
        .all(|status| is(*status..status + 4, 0)));
    assert!(is(0x10..0x18, 0), "heartbeat and device status");
}

#[test]
fn devices_that_are_not_modern_are_refused() {
    refused_with(offset::DEVICE_ID, 0, IdentityError::DeviceId);
    for bit in [0, 1, 4] {
        let high = (FEATURES >> 32) as u32 & !(1 << bit);
        let features = (u64::from(high) << 32) | (FEATURES & 0xffff_ffff);
        let error = IdentityError::Features(features);
        refused_with(offset::DEVICE_FEATURES.word(1), high, error);
    }
    for size in [0, 3, 0x10000, u32::MAX] {
        refused_with(offset::QUEUE_SIZE_MAX, size, IdentityError::QueueSize(size));
    }
}

#[test]
fn regions_are_checked() {
    let size = |region: Offset| region.word(1);
    for (word, value, error) in [
        (offset::NUM_QUEUES, 0, LayoutError::QueueCount),
        (offset::NUM_QUEUES, 65, LayoutError::QueueCount),
        (offset::NUM_QUEUES, 0x1_0001, LayoutError::QueueCount),
        (offset::NUM_QUEUES, 64, LayoutError::QueueTable),
        (
            size(offset::COMMAND_REGION),
            0x1fc,
            LayoutError::CommandSize,
        ),
        (offset::COMMAND_REGION, 0x102, LayoutError::Misaligned),
        (offset::COMMAND_REGION, 0xfc, LayoutError::Overlap),
        (offset::COMMAND_REGION, 0xff00, LayoutError::OutsideBar),
        (offset::COMMAND_REGION, 0xffff_fffc, LayoutError::OutsideBar),
        (offset::QUEUE_STRIDE, 12, LayoutError::QueueTable),
        (offset::QUEUE_STRIDE, 18, LayoutError::QueueTable),
        (offset::QUEUE_STRIDE, 0xffff_fffc, LayoutError::QueueTable),
        (
            size(offset::QUEUE_TABLE_REGION),
            47,
            LayoutError::QueueTable,
        ),
        (offset::QUEUE_TABLE_REGION, 0x304, LayoutError::Overlap),
        (size(offset::CONFIG_REGION), 4097, LayoutError::ConfigSize),
        (size(offset::CONFIG_REGION), 65, LayoutError::Overlap),
        (offset::CONFIG_REGION, 0xfff0, LayoutError::OutsideBar),
        (offset::DOORBELL_BAR, 1, LayoutError::OutsideBar),
        (offset::DOORBELL_BAR, 6, LayoutError::OutsideBar),
        (offset::DOORBELL_BAR, 0x100, LayoutError::OutsideBar),
        (offset::DOORBELL_REGION, 0xfffc, LayoutError::OutsideBar),
        (size(offset::DOORBELL_REGION), 11, LayoutError::Doorbells),
        (offset::DOORBELL_STRIDE, 0, LayoutError::Doorbells),
        (offset::DOORBELL_STRIDE, 6, LayoutError::Doorbells),
        (offset::DOORBELL_STRIDE, 0xffff_fffc, LayoutError::Doorbells),
        (offset::MSIX_BAR, 5, LayoutError::OutsideBar),
        (offset::MSIX_REGION, 0x1000, LayoutError::Overlap),
    ] {
        refused_with(word, value, IdentityError::Layout(error));
    }
    for kind in [0, 4, u32::MAX] {
        refused_with(
            offset::DOORBELL_KIND,
            kind,
            IdentityError::DoorbellKind(kind),
        );
    }
    for (word, value) in [
        (offset::QUEUE_STRIDE, 0x10),
        (offset::DOORBELL_BAR, 2),
        (size(offset::MSIX_REGION), 0),
        (offset::NUM_QUEUES, 1),
    ] {
        let identity = match word {
            offset::DOORBELL_BAR => {
                let rig = Rig::started();
                rig.link.store(word, value);
                rig.link.store(offset::DOORBELL_REGION, 0);
                rig.identify()
            }
            _ => identify_with(word, value),
        };
        assert!(identity.is_ok(), "{word:?} = {value:#x}: {identity:?}");
    }
}

#[test]
fn the_bar_may_be_too_small() {
    let rig = Rig::started();
    let read = |size| {
        let mut bars = BARS;
        bars[0] = size;
        Identity::read(&rig.link.rc(), 0, &bars).err()
    };
    assert_eq!(read(0), Some(IdentityError::BarTooSmall));
    assert_eq!(read(0xff), Some(IdentityError::BarTooSmall));
    assert_eq!(
        read(0x100),
        Some(IdentityError::Layout(LayoutError::OutsideBar))
    );
    assert_eq!(
        read(0x1fff),
        Some(IdentityError::Layout(LayoutError::OutsideBar))
    );
    assert_eq!(read(0x2000), None);
    assert_eq!(rig.ep.layout().register_bar_size(), 0x2000);
    let other_bar = Identity::read(&rig.link.rc(), 6, &BARS).err();
    assert_eq!(other_bar, Some(IdentityError::BarTooSmall));
}

#[test]
fn illegal_queue_sizes_in_the_table_are_not_used() {
    let rig = Rig::started();
    let identity = rig.identify().expect("a legal identity");
    let queue = identity.queue(1).expect("a queue");
    for size in [0, 3, 512, 0x1_0000, u32::MAX] {
        rig.link.store(Offset::new(0x310), size);
        assert_eq!(identity.queue_size(&rig.link.rc(), queue), None);
    }
}

#[test]
fn an_endpoint_offers_only_what_is_legal() {
    let rig = Rig::cold(2);
    let queue = QueueDescription {
        size_max: QueueSize::MIN,
        doorbell: 0,
        group: 0,
    };
    let legal = Description {
        device_id: 2,
        vendor_id: 0,
        device_features: feature::OFFERED,
        transport_features: TransportFeatures::NONE,
        groups: GroupCounts::ONE,
        queues: &[queue, queue],
    };
    let epoch = Epoch::new(1).expect("a legal epoch");
    let start = |description: &Description<'_>| {
        EndpointPort::new(layout(2)).start(&rig.link.ep(), description, epoch, 0)
    };
    let without = |bit: u64| Description {
        device_features: feature::OFFERED & !bit,
        ..legal
    };
    assert_eq!(start(&legal), Ok(()));
    assert_eq!(
        start(&Description {
            device_id: 0,
            ..legal
        }),
        Err(StartError::DeviceId)
    );
    assert_eq!(
        start(&without(feature::VERSION_1)),
        Err(StartError::Features)
    );
    assert_eq!(
        start(&without(feature::ACCESS_PLATFORM)),
        Err(StartError::Features)
    );
    assert_eq!(
        start(&without(feature::ORDER_PLATFORM)),
        Err(StartError::Features)
    );
    let short = Description {
        queues: &[queue],
        ..legal
    };
    assert_eq!(start(&short), Err(StartError::QueueCount));
    let grouped = |features, groups, spaces, group| {
        start(&Description {
            transport_features: features,
            groups: GroupCounts { groups, spaces },
            queues: &[QueueDescription { group, ..queue }, queue],
            ..legal
        })
    };
    let (with, without) = (TransportFeatures::GROUPS, TransportFeatures::NONE);
    for (groups, spaces, group) in [(1, 1, 0), (2, 1, 1), (1, MAX_SPACES, 0), (MAX_GROUPS, 2, 7)] {
        assert_eq!(grouped(with, groups, spaces, group), Ok(()));
    }
    for (features, groups, spaces, group) in [
        (with, 0, 1, 0),
        (with, 1, 0, 0),
        (with, MAX_GROUPS + 1, 1, 0),
        (with, 1, MAX_SPACES + 1, 0),
        (with, 2, 1, 2),
        (without, 2, 1, 0),
        (without, 1, 2, 0),
        (without, 1, 1, 1),
    ] {
        let refused = Err(StartError::Groups);
        assert_eq!(grouped(features, groups, spaces, group), refused);
    }
    let pushed = Description {
        transport_features: TransportFeatures::PUSH,
        ..legal
    };
    assert_eq!(start(&pushed), Err(StartError::PushAreas));
    let mut ep = EndpointPort::new(layout_with(2, 64));
    let started = ep.start(&rig.link.ep(), &legal, epoch, 0);
    assert_eq!(started, Err(StartError::PushAreas));
    let mut ep = EndpointPort::new(layout(2));
    assert_eq!(ep.start(&rig.link.ep(), &legal, epoch, 0), Ok(()));
    assert_eq!(
        ep.start(&rig.link.ep(), &legal, epoch, 0),
        Err(StartError::Running)
    );
    assert!(Epoch::new(0).is_none() && Epoch::new(u32::MAX).is_none());
}
