// SPDX-License-Identifier: GPL-2.0
//! Which transactions cross the link, and what they are there.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::trace::{Access, InterruptKind, Outcome, Transaction};
use crate::PAGE_SIZE;

/// Bytes of an MSI or MSI-X message.
const MESSAGE_SIZE: u64 = 4;

/// The side whose processor or engine makes a crossing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Initiator {
    /// The root complex.
    Rc,
    /// The endpoint.
    Ep,
}

/// What a crossing is on the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Configuration read: non-posted, the processor waits.
    ConfigRead,
    /// Configuration write: non-posted, the processor waits.
    ConfigWrite,
    /// Load: non-posted, the processor waits.
    Read,
    /// Store: posted.
    Write,
    /// Store to a doorbell: posted, and interrupts the endpoint.
    Doorbell,
    /// MSI or MSI-X message: a posted write.
    Message,
    /// Assertion of INTx, or its end: a message of its own.
    Intx,
    /// Transfer by the DMA engine from the root complex.
    DmaRead,
    /// Transfer by the DMA engine to the root complex.
    DmaWrite,
}

/// Where a crossing goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The configuration space of the function.
    Config,
    /// The page of a BAR at this offset.
    Bar {
        /// The BAR.
        bar: usize,
        /// Offset of the page.
        page: u64,
    },
    /// The mapping at this offset of the outbound window.
    Window(u64),
    /// The outbound window, where it reaches nothing.
    Unmapped,
    /// An interrupt vector.
    Vector(u32),
    /// Memory of the root complex, without a window.
    Memory,
    /// Any place beyond those that are told apart.
    Elsewhere,
}

/// A transaction that crosses the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crossing {
    /// Who makes it.
    pub initiator: Initiator,
    /// What it is.
    pub kind: Kind,
    /// Where it goes.
    pub place: Place,
    /// From where on in the BAR; 0 for what goes elsewhere.
    pub offset: u64,
    /// Bytes that it carries.
    pub bytes: u64,
}

impl Crossing {
    /// Returns what a transaction is on the link; nothing for what stays on one side.
    pub fn of(transaction: &Transaction<'_>) -> Option<Self> {
        let (initiator, kind, place, bytes) = match *transaction {
            Transaction::Config { access, data, .. } => {
                let kind = either(access, Kind::ConfigRead, Kind::ConfigWrite);
                (Initiator::Rc, kind, Place::Config, data.len() as u64)
            }
            Transaction::Bar {
                bar,
                access,
                offset,
                rings,
                data,
            } => {
                let write = if rings { Kind::Doorbell } else { Kind::Write };
                let page = offset - offset % PAGE_SIZE;
                let kind = either(access, Kind::Read, write);
                (
                    Initiator::Rc,
                    kind,
                    Place::Bar { bar, page },
                    data.len() as u64,
                )
            }
            Transaction::Window {
                access,
                target,
                data,
                ..
            } => {
                let kind = either(access, Kind::Read, Kind::Write);
                let place = target.map_or(Place::Unmapped, |target| Place::Window(target.mapping));
                (Initiator::Ep, kind, place, data.len() as u64)
            }
            Transaction::Interrupt {
                kind,
                vector,
                outcome,
            } => {
                let (kind, bytes) = match (kind, outcome) {
                    (_, Outcome::Pending) => return None,
                    (InterruptKind::Intx, _) => (Kind::Intx, 0),
                    (InterruptKind::Msi | InterruptKind::Msix, _) => (Kind::Message, MESSAGE_SIZE),
                };
                (Initiator::Ep, kind, Place::Vector(vector), bytes)
            }
            Transaction::Dma {
                access: Some(access),
                size,
                ..
            } if size > 0 => {
                let kind = either(access, Kind::DmaRead, Kind::DmaWrite);
                (Initiator::Ep, kind, Place::Memory, size)
            }
            Transaction::Dma { .. }
            | Transaction::Doorbell { .. }
            | Transaction::Command { .. }
            | Transaction::Map { .. }
            | Transaction::Unmap { .. }
            | Transaction::Hole { .. }
            | Transaction::MemoryMap { .. }
            | Transaction::MemoryUnmap { .. }
            | Transaction::Link { .. } => return None,
        };
        let offset = match *transaction {
            Transaction::Bar { offset, .. } => offset,
            _ => 0,
        };
        Some(Self {
            initiator,
            kind,
            place,
            offset,
            bytes,
        })
    }
}

fn either(access: Access, read: Kind, write: Kind) -> Kind {
    match access {
        Access::Read => read,
        Access::Write => write,
    }
}

impl fmt::Display for Initiator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Rc => "RC",
            Self::Ep => "EP",
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::ConfigRead => "config read",
            Self::ConfigWrite => "config write",
            Self::Read => "read",
            Self::Write => "write",
            Self::Doorbell => "doorbell",
            Self::Message => "message",
            Self::Intx => "intx",
            Self::DmaRead => "dma read",
            Self::DmaWrite => "dma write",
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config => f.pad("config"),
            Self::Bar { bar, page } => f.pad(&format!("bar{bar}+{page:#x}")),
            Self::Window(mapping) => f.pad(&format!("window+{mapping:#x}")),
            Self::Unmapped => f.pad("unmapped"),
            Self::Vector(vector) => f.pad(&format!("vector {vector}")),
            Self::Memory => f.pad("memory"),
            Self::Elsewhere => f.pad("elsewhere"),
        }
    }
}
