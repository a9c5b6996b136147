// SPDX-License-Identifier: GPL-2.0

//! Interrupts to the RC.

use crate::{
    bindings,
    controller::Endpoint, //
};
use kernel::{
    error::to_result,
    prelude::*, //
};

/// An interrupt which a function can raise at the RC; vectors count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// A pulse on the interrupt pin.
    Intx,
    /// An MSI vector.
    Msi(u8),
    /// An MSI-X vector.
    MsiX(u16),
}

impl Interrupt {
    /// Returns the type and the number, which counts from 1, that `pci_epc_raise_irq()` takes.
    fn to_raw(self) -> Result<(u32, u16)> {
        Ok(match self {
            Self::Intx => (bindings::PCI_IRQ_INTX, 0),
            Self::Msi(vector) => (bindings::PCI_IRQ_MSI, u16::from(vector) + 1),
            Self::MsiX(vector) => (bindings::PCI_IRQ_MSIX, vector.checked_add(1).ok_or(EINVAL)?),
        })
    }

    pub(crate) fn from_raw(kind: u32, number: u16) -> Result<Self> {
        let vector = number.checked_sub(1).ok_or(EINVAL);
        match kind {
            bindings::PCI_IRQ_INTX => Ok(Self::Intx),
            bindings::PCI_IRQ_MSI => Ok(Self::Msi(vector?.try_into()?)),
            bindings::PCI_IRQ_MSIX => Ok(Self::MsiX(vector?)),
            _ => Err(EINVAL),
        }
    }
}

impl Endpoint {
    /// Raises `interrupt` at the RC.
    ///
    /// What was written to RC memory before through an [`OutboundWindow`](crate::OutboundWindow) by
    /// this processor is visible to the RC when the interrupt is.
    ///
    /// Process context: it takes the controller's mutex.
    ///
    /// # Errors
    ///
    /// The controller's, such as `EINVAL` for a vector that the RC did not enable, or `EPERM` for
    /// one that it masked: then the interrupt is lost, and to be raised again.
    pub fn raise(&self, interrupt: Interrupt) -> Result {
        let (kind, number) = interrupt.to_raw()?;
        let (epc, function, virtual_function) = self.as_raw();
        // SAFETY: `epc` is valid by the type invariant of `Endpoint`.
        to_result(unsafe {
            bindings::pci_epc_raise_irq(epc, function, virtual_function, kind, number)
        })
    }
}
