// SPDX-License-Identifier: GPL-2.0

//! The fields of a function's configuration header that the function chooses.

use crate::bindings;

/// The interrupt pin which a function uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InterruptPin {
    /// No pin: the function has no INTx.
    #[default]
    None,
    /// INTA.
    A,
    /// INTB.
    B,
    /// INTC.
    C,
    /// INTD.
    D,
}

impl InterruptPin {
    /// Returns the value of the Interrupt Pin register.
    pub const fn as_raw(self) -> u8 {
        self as u8
    }

    fn from_raw(raw: bindings::pci_interrupt_pin) -> Self {
        match raw {
            bindings::pci_interrupt_pin_PCI_INTERRUPT_INTA => Self::A,
            bindings::pci_interrupt_pin_PCI_INTERRUPT_INTB => Self::B,
            bindings::pci_interrupt_pin_PCI_INTERRUPT_INTC => Self::C,
            bindings::pci_interrupt_pin_PCI_INTERRUPT_INTD => Self::D,
            _ => Self::None,
        }
    }
}

/// A configuration header (PCI Express Base Specification, 7.5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Vendor id.
    pub vendor: u16,
    /// Device id.
    pub device: u16,
    /// Revision id.
    pub revision: u8,
    /// Programming interface.
    pub prog_if: u8,
    /// Sub-class.
    pub subclass: u8,
    /// Base class.
    pub base_class: u8,
    /// Cache line size in units of 4 bytes.
    pub cache_line_size: u8,
    /// Subsystem vendor id.
    pub subsystem_vendor: u16,
    /// Subsystem id.
    pub subsystem: u16,
    /// Interrupt pin.
    pub interrupt_pin: InterruptPin,
}

impl Header {
    pub(crate) fn to_raw(self) -> bindings::pci_epf_header {
        bindings::pci_epf_header {
            vendorid: self.vendor,
            deviceid: self.device,
            revid: self.revision,
            progif_code: self.prog_if,
            subclass_code: self.subclass,
            baseclass_code: self.base_class,
            cache_line_size: self.cache_line_size,
            subsys_vendor_id: self.subsystem_vendor,
            subsys_id: self.subsystem,
            interrupt_pin: self.interrupt_pin.as_raw().into(),
        }
    }

    pub(crate) fn from_raw(raw: &bindings::pci_epf_header) -> Self {
        Self {
            vendor: raw.vendorid,
            device: raw.deviceid,
            revision: raw.revid,
            prog_if: raw.progif_code,
            subclass: raw.subclass_code,
            base_class: raw.baseclass_code,
            cache_line_size: raw.cache_line_size,
            subsystem_vendor: raw.subsys_vendor_id,
            subsystem: raw.subsys_id,
            interrupt_pin: InterruptPin::from_raw(raw.interrupt_pin),
        }
    }
}
