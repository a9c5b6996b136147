// SPDX-License-Identifier: GPL-2.0

//! Tests of what the crate `pci_ep` says without a controller; it is in no module of its own.

use kernel::prelude::*;
use pci_ep::{
    msix_table_size,
    BarFeatures,
    BarKind,
    BarNumber,
    Features, //
};

#[kunit_tests(pci_ep_features)]
mod features {
    use super::*;

    fn with_bars(bars: [(BarKind, bool); BarNumber::COUNT]) -> Features {
        Features {
            bars: bars.map(|(kind, only_64bit)| BarFeatures { kind, only_64bit }),
            ..Features::default()
        }
    }

    #[test]
    fn all_bars_are_free() {
        assert!(Features::default().free_bars().eq(BarNumber::ALL));
    }

    #[test]
    fn bars_of_others_are_not_free() {
        let features = with_bars([
            (BarKind::Programmable, false),
            (BarKind::Reserved, false),
            (BarKind::Fixed(256), false),
            (BarKind::Disabled, false),
            (BarKind::Resizable, false),
            (BarKind::Reserved, false),
        ]);
        let expected = [BarNumber::Bar0, BarNumber::Bar2, BarNumber::Bar4];
        assert!(features.free_bars().eq(expected));
    }

    #[test]
    fn a_64bit_bar_takes_the_next() {
        let wide = (BarKind::Programmable, true);
        let expected = [BarNumber::Bar0, BarNumber::Bar2, BarNumber::Bar4];
        assert!(with_bars([wide; 6]).free_bars().eq(expected));
        let reserved = (BarKind::Reserved, true);
        let narrow = (BarKind::Programmable, false);
        let features = with_bars([reserved, narrow, wide, narrow, narrow, narrow]);
        let expected = [BarNumber::Bar2, BarNumber::Bar4, BarNumber::Bar5];
        assert!(features.free_bars().eq(expected));
    }

    #[test]
    fn numbers_of_bars() {
        for (index, bar) in BarNumber::ALL.into_iter().enumerate() {
            assert_eq!(bar.index(), index);
            assert_eq!(BarNumber::try_from(index as i32).ok(), Some(bar));
        }
        assert!(BarNumber::try_from(-1).is_err());
        assert!(BarNumber::try_from(6).is_err());
    }

    #[test]
    fn pending_bits_come_in_words_of_64() {
        assert_eq!(msix_table_size(0), 0);
        assert_eq!(msix_table_size(1), 16 + 8);
        assert_eq!(msix_table_size(64), 64 * 16 + 8);
        assert_eq!(msix_table_size(65), 65 * 16 + 16);
        assert_eq!(msix_table_size(2048), 2048 * 16 + 256);
    }
}
