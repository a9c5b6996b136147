// SPDX-License-Identifier: GPL-2.0
//! The keys of a profile about interrupts of the RC.

use serde::Deserialize;

use super::board::{check_count, BoardError};

/// Largest number of MSI vectors of the PCI specification.
const MSI_MAX: u16 = 32;
/// Largest number of MSI-X vectors of the PCI specification.
const MSIX_MAX: u16 = 2048;

/// Interrupts of the RC.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "RawInterrupts")]
pub struct Interrupts {
    /// INTx.
    pub intx: Intx,
    /// Vectors that can be offered, 0 when MSI cannot be raised.
    pub msi: u16,
    /// MSI-X, if it can be raised.
    pub msix: Option<Msix>,
}

/// Whether INTx can be raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Intx {
    /// It cannot.
    None,
    /// It can, but the controller's features do not say so.
    Unannounced,
    /// It can.
    Announced,
}

/// MSI-X.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Msix {
    /// Vectors that can be offered.
    pub vectors: u16,
    /// What becomes of a vector that the RC has masked.
    pub masked: Masked,
}

/// What becomes of a masked vector that is raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Masked {
    /// Its pending bit is set, and the message goes when the RC unmasks it: the specification.
    Pending,
    /// The EP gets an error. The mask of the whole function is not looked at.
    Refused,
    /// The message goes all the same.
    Sent,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawInterrupts {
    intx: Intx,
    msi: u16,
    msix: Option<Msix>,
}

impl TryFrom<RawInterrupts> for Interrupts {
    type Error = BoardError;

    fn try_from(raw: RawInterrupts) -> Result<Self, BoardError> {
        if raw.msi > MSI_MAX || (raw.msi != 0 && !raw.msi.is_power_of_two()) {
            return Err(BoardError::Msi(raw.msi));
        }
        if let Some(msix) = raw.msix {
            check_count("MSI-X vectors", msix.vectors.into(), 1, MSIX_MAX.into())?;
        }
        Ok(Self {
            intx: raw.intx,
            msi: raw.msi,
            msix: raw.msix,
        })
    }
}
