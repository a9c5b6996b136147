// SPDX-License-Identifier: GPL-2.0

//! Where push areas go, by the BARs that a controller has.

use kernel::prelude::kunit_tests;

#[kunit_tests(pci_epf_vhost_bar)]
mod suite {
    use crate::bar::{
        plans,
        Contents, //
    };
    use kernel::prelude::*;
    use pci_ep::{
        BarFeatures,
        BarKind,
        BarNumber,
        Features, //
    };
    use transport::{
        DoorbellKind,
        Doorbells,
        Placement,
        Region, //
    };

    const CONTENTS: Contents = Contents {
        num_queues: 2,
        config_size: 64,
        msix_vectors: 0,
        push_len: 64 << 10,
        push_below: 0,
    };

    /// Interrupting doorbells in BAR 1.
    const DOORBELLS: Placement = Placement::At(Doorbells {
        kind: DoorbellKind::Msi,
        bar: 1,
        region: Region { offset: 0, size: 4 },
        stride: 0,
        scan_ms: 0,
    });

    /// A controller of which BARs 0 and 2 are of these kinds, and there are no others but that of the doorbells.
    fn features(registers: BarKind, other: BarKind) -> Features {
        let kinds = [
            registers,
            BarKind::Programmable,
            other,
            BarKind::Disabled,
            BarKind::Reserved,
            BarKind::Disabled,
        ];
        Features {
            bars: kinds.map(|kind| BarFeatures {
                kind,
                only_64bit: false,
            }),
            ..Features::default()
        }
    }

    /// The BARs that push areas can be in, the best first; `None`: there are no push areas.
    fn choices(features: &Features, contents: &Contents) -> Result<KVec<Option<u8>>> {
        let mut bars = KVec::new();
        for plan in plans(features, contents, BarNumber::Bar0, DOORBELLS) {
            let push = plan.map_err(|_| EINVAL)?.push();
            bars.push(push.map(|push| push.bar), GFP_KERNEL)?;
        }
        Ok(bars)
    }

    #[test]
    fn push_areas_have_a_bar_of_their_own_best() -> Result {
        let features = features(BarKind::Programmable, BarKind::Resizable);
        assert_eq!(&*choices(&features, &CONTENTS)?, &[Some(2), Some(0), None]);
        Ok(())
    }

    #[test]
    fn a_bar_that_is_too_small_is_left_out() -> Result {
        let needed = 2 * u64::from(CONTENTS.push_len);
        let small = features(BarKind::Fixed(4096), BarKind::Fixed(needed - 1));
        assert_eq!(&*choices(&small, &CONTENTS)?, &[None]);
        let enough = features(BarKind::Fixed(4096), BarKind::Fixed(needed));
        assert_eq!(&*choices(&enough, &CONTENTS)?, &[Some(2), None]);
        Ok(())
    }

    #[test]
    fn the_bar_of_the_doorbells_is_left_to_them() -> Result {
        let features = features(BarKind::Programmable, BarKind::Disabled);
        assert_eq!(&*choices(&features, &CONTENTS)?, &[Some(0), None]);
        Ok(())
    }

    #[test]
    fn what_is_pulled_has_no_push_areas() -> Result {
        let contents = Contents {
            push_len: 0,
            ..CONTENTS
        };
        let features = features(BarKind::Programmable, BarKind::Programmable);
        assert_eq!(&*choices(&features, &contents)?, &[None]);
        Ok(())
    }
}
