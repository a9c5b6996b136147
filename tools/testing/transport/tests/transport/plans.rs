// SPDX-License-Identifier: GPL-2.0

//! Where an EP places its regions, and whether user space may have its doorbells.

use transport::{
    DoorbellKind, Doorbells, Layout, LayoutError, LayoutRequest, Msix, Placement, Region,
};

const REQUEST: LayoutRequest = LayoutRequest {
    register_bar: 2,
    num_queues: 4,
    config_size: 10,
    msix_vectors: 0,
    push_len: 0,
    push_bar: 2,
    push_below: 0,
    doorbells: Placement::Here {
        page_size: 0x10000,
        stride: 0x10000,
        scan_ms: 5,
    },
};

#[test]
fn slots_on_pages_of_their_own_can_be_mapped() {
    let layout = Layout::plan(&REQUEST).expect("a legal request");
    assert_eq!(layout.register_bar_size(), 0x50000);
    assert!(layout.doorbells().is_mappable(0x1000));
    assert!(layout.doorbells().is_mappable(0x10000));
    assert!(!layout.doorbells().is_mappable(0x20000));
    assert!(!layout.doorbells().is_mappable(0));
    let unscanned = Doorbells {
        scan_ms: 0,
        ..*layout.doorbells()
    };
    assert!(!unscanned.is_mappable(0x1000));
    assert!(Doorbells {
        kind: DoorbellKind::Msi,
        ..unscanned
    }
    .is_mappable(0x1000));
    assert!(!Doorbells {
        stride: 0,
        ..*layout.doorbells()
    }
    .is_mappable(0x1000));
}

#[test]
fn doorbells_may_be_in_another_bar() {
    let doorbells = Doorbells {
        kind: DoorbellKind::Msi,
        bar: 4,
        region: Region {
            offset: 0x40,
            size: 4,
        },
        stride: 0,
        scan_ms: 0,
    };
    let plan = |doorbells| {
        Layout::plan(&LayoutRequest {
            doorbells: Placement::At(doorbells),
            ..REQUEST
        })
    };
    let layout = plan(doorbells).expect("a legal place");
    assert_eq!(layout.register_bar_size(), 0x340 + 12);
    let here = Doorbells {
        bar: 2,
        ..doorbells
    };
    assert_eq!(plan(here), Err(LayoutError::Overlap));
    let shared = Doorbells {
        kind: DoorbellKind::Polled,
        ..doorbells
    };
    assert_eq!(plan(shared), Err(LayoutError::Doorbells));
}

#[test]
fn push_areas_are_whole_lines_before_the_doorbells() {
    for (push_len, stride) in [(1, 64), (64, 64), (65, 128), (0x1400, 0x1400)] {
        let layout = Layout::plan(&LayoutRequest {
            push_len,
            ..REQUEST
        });
        let layout = layout.expect("a legal request");
        let push = layout.push().expect("push areas");
        assert_eq!((push.bar, push.stride), (2, stride));
        assert_eq!(push.region.size, 4 * stride);
        let offsets: Vec<_> = layout.queues().map(|queue| push.offset(queue)).collect();
        assert_eq!(offsets[0] % 64, 0);
        assert_eq!(offsets[3] - offsets[0], 3 * u64::from(stride));
        assert!(offsets[3] + u64::from(stride) <= layout.doorbells().region.offset.into());
    }
    for push_len in [u32::MAX, u32::MAX / 4 + 1] {
        let request = LayoutRequest {
            push_len,
            ..REQUEST
        };
        assert_eq!(Layout::plan(&request), Err(LayoutError::PushAreas));
    }
}

#[test]
fn push_areas_may_have_a_bar_of_their_own() {
    let plan = |push_len, push_bar| {
        Layout::plan(&LayoutRequest {
            push_len,
            push_bar,
            ..REQUEST
        })
    };
    let without = plan(0, 3).expect("a legal request");
    assert_eq!(without.push(), None);
    assert_eq!(without.bar_size(3), 0);
    let layout = plan(65, 3).expect("a legal request");
    let push = layout.push().expect("push areas");
    let region = Region {
        offset: 0,
        size: 4 * 128,
    };
    assert_eq!((push.bar, push.region, push.stride), (3, region, 128));
    assert_eq!(layout.bar_size(3), 4 * 128);
    assert_eq!(layout.register_bar_size(), without.register_bar_size());
    assert_eq!(plan(65, 6), Err(LayoutError::OutsideBar));
}

#[test]
fn plans_have_borders() {
    let plan = |request: LayoutRequest| Layout::plan(&request).map(|layout| layout.num_queues());
    assert_eq!(
        plan(LayoutRequest {
            num_queues: 0,
            ..REQUEST
        }),
        Err(LayoutError::QueueCount)
    );
    assert_eq!(
        plan(LayoutRequest {
            num_queues: 1,
            ..REQUEST
        }),
        Ok(1)
    );
    assert_eq!(
        plan(LayoutRequest {
            num_queues: 64,
            ..REQUEST
        }),
        Ok(64)
    );
    assert_eq!(
        plan(LayoutRequest {
            num_queues: 65,
            ..REQUEST
        }),
        Err(LayoutError::QueueCount)
    );
    assert_eq!(
        plan(LayoutRequest {
            config_size: 0,
            ..REQUEST
        }),
        Ok(4)
    );
    assert_eq!(
        plan(LayoutRequest {
            config_size: 4096,
            ..REQUEST
        }),
        Ok(4)
    );
    assert_eq!(
        plan(LayoutRequest {
            config_size: 4097,
            ..REQUEST
        }),
        Err(LayoutError::ConfigSize)
    );
    assert_eq!(
        plan(LayoutRequest {
            register_bar: 6,
            ..REQUEST
        }),
        Err(LayoutError::OutsideBar)
    );
    for (page_size, stride) in [(0, 4), (3, 4), (0x1000, 0), (0x1000, 2), (0x1000, 1 << 31)] {
        let doorbells = Placement::Here {
            page_size,
            stride,
            scan_ms: 0,
        };
        let error = Err(LayoutError::Doorbells);
        assert_eq!(
            plan(LayoutRequest {
                doorbells,
                ..REQUEST
            }),
            error,
            "{page_size:#x} {stride:#x}"
        );
    }
    assert_eq!(
        (Msix::size(1), Msix::size(64), Msix::size(65)),
        (24, 1032, 1056)
    );
}
