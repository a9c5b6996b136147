// SPDX-License-Identifier: GPL-2.0

//! What a controller can do for a function.

use crate::{
    bar::BarNumber,
    bindings, //
};

/// How far a BAR can be configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BarKind {
    /// Any power of two from 128 bytes.
    #[default]
    Programmable,
    /// This number of bytes and no other.
    Fixed(u64),
    /// Any power of two from 1 MiB.
    Resizable,
    /// The hardware uses it for something of its own; not for functions.
    Reserved,
    /// Does not exist for functions.
    Disabled,
}

/// What a controller can do with one BAR.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BarFeatures {
    /// How far it can be configured.
    pub kind: BarKind,
    /// It is a 64-bit BAR always, and takes the next one with it.
    pub only_64bit: bool,
}

/// What a controller can do for a function (`struct pci_epc_features`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// The function is told when the link comes up; without it the function has to look.
    pub linkup_notifier: bool,
    /// What a BAR maps may be changed while it is programmed.
    pub dynamic_inbound_mapping: bool,
    /// Parts of a BAR may map different things; needs `dynamic_inbound_mapping`.
    pub subrange_mapping: bool,
    /// MSI can be raised.
    pub msi: bool,
    /// MSI-X can be raised.
    pub msix: bool,
    /// INTx can be raised.
    pub intx: bool,
    /// Alignment in bytes of what a BAR maps; 0 when there is no rule.
    pub align: usize,
    /// The BARs, by number.
    pub bars: [BarFeatures; BarNumber::COUNT],
}

impl Features {
    /// Returns what can be done with `bar`.
    pub fn bar(&self, bar: BarNumber) -> BarFeatures {
        self.bars.get(bar.index()).copied().unwrap_or_default()
    }

    /// Returns the BARs that functions may use, in order, without those that a 64-bit BAR takes.
    pub fn free_bars(&self) -> impl Iterator<Item = BarNumber> + '_ {
        let mut taken = false;
        BarNumber::ALL.into_iter().filter(move |bar| {
            let bar = self.bar(*bar);
            let free = !taken && !matches!(bar.kind, BarKind::Reserved | BarKind::Disabled);
            taken = !taken && bar.only_64bit;
            free
        })
    }

    pub(crate) fn from_raw(raw: &bindings::pci_epc_features) -> Self {
        Self {
            linkup_notifier: raw.linkup_notifier() != 0,
            dynamic_inbound_mapping: raw.dynamic_inbound_mapping() != 0,
            subrange_mapping: raw.subrange_mapping() != 0,
            msi: raw.msi_capable() != 0,
            msix: raw.msix_capable() != 0,
            intx: raw.intx_capable() != 0,
            align: raw.align,
            bars: raw.bar.each_ref().map(BarFeatures::from_raw),
        }
    }

    pub(crate) fn to_raw(self) -> bindings::pci_epc_features {
        let mut raw = bindings::pci_epc_features {
            align: self.align,
            bar: self.bars.map(BarFeatures::to_raw),
            ..Default::default()
        };
        raw.set_linkup_notifier(self.linkup_notifier.into());
        raw.set_dynamic_inbound_mapping(self.dynamic_inbound_mapping.into());
        raw.set_subrange_mapping(self.subrange_mapping.into());
        raw.set_msi_capable(self.msi.into());
        raw.set_msix_capable(self.msix.into());
        raw.set_intx_capable(self.intx.into());
        raw
    }
}

impl BarFeatures {
    fn from_raw(raw: &bindings::pci_epc_bar_desc) -> Self {
        let kind = match raw.type_ {
            bindings::pci_epc_bar_type_BAR_PROGRAMMABLE => BarKind::Programmable,
            bindings::pci_epc_bar_type_BAR_FIXED => BarKind::Fixed(raw.fixed_size),
            bindings::pci_epc_bar_type_BAR_RESIZABLE => BarKind::Resizable,
            bindings::pci_epc_bar_type_BAR_DISABLED => BarKind::Disabled,
            // A kind that a later kernel adds is not for us either.
            _ => BarKind::Reserved,
        };
        Self {
            kind,
            only_64bit: raw.only_64bit,
        }
    }

    fn to_raw(self) -> bindings::pci_epc_bar_desc {
        let (type_, fixed_size) = match self.kind {
            BarKind::Programmable => (bindings::pci_epc_bar_type_BAR_PROGRAMMABLE, 0),
            BarKind::Fixed(size) => (bindings::pci_epc_bar_type_BAR_FIXED, size),
            BarKind::Resizable => (bindings::pci_epc_bar_type_BAR_RESIZABLE, 0),
            BarKind::Reserved => (bindings::pci_epc_bar_type_BAR_RESERVED, 0),
            BarKind::Disabled => (bindings::pci_epc_bar_type_BAR_DISABLED, 0),
        };
        bindings::pci_epc_bar_desc {
            type_,
            fixed_size,
            only_64bit: self.only_64bit,
            ..pin_init::zeroed()
        }
    }
}
