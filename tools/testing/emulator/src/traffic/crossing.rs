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
    /// The configuration space of a function.
    Config {
        /// The function.
        function: u8,
    },
    /// The page of a BAR at this offset.
    Bar {
        /// The function.
        function: u8,
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
    Vector {
        /// The function.
        function: u8,
        /// Its vector.
        vector: u32,
    },
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
            Transaction::Config {
                function,
                access,
                data,
                ..
            } => {
                let kind = either(access, Kind::ConfigRead, Kind::ConfigWrite);
                let place = Place::Config { function };
                (Initiator::Rc, kind, place, data.len() as u64)
            }
            Transaction::Bar {
                function,
                bar,
                access,
                offset,
                rings,
                data,
            } => {
                let write = if rings { Kind::Doorbell } else { Kind::Write };
                let page = offset - offset % PAGE_SIZE;
                let kind = either(access, Kind::Read, write);
                let place = Place::Bar {
                    function,
                    bar,
                    page,
                };
                (Initiator::Rc, kind, place, data.len() as u64)
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
                function,
                kind,
                vector,
                outcome,
            } => {
                let (kind, bytes) = match (kind, outcome) {
                    (_, Outcome::Pending) => return None,
                    (InterruptKind::Intx, _) => (Kind::Intx, 0),
                    (InterruptKind::Msi | InterruptKind::Msix, _) => (Kind::Message, MESSAGE_SIZE),
                };
                let place = Place::Vector { function, vector };
                (Initiator::Ep, kind, place, bytes)
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
            | Transaction::Link { .. }
            | Transaction::Function { .. } => return None,
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

impl Place {
    /// The function, if it is not the first one, which most boards have alone.
    fn other_function(&self) -> Option<u8> {
        let function = match *self {
            Self::Config { function }
            | Self::Bar { function, .. }
            | Self::Vector { function, .. } => function,
            Self::Window(_) | Self::Unmapped | Self::Memory | Self::Elsewhere => 0,
        };
        (function > 0).then_some(function)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match self {
            Self::Config { .. } => "config".to_owned(),
            Self::Bar { bar, page, .. } => format!("bar{bar}+{page:#x}"),
            Self::Window(mapping) => format!("window+{mapping:#x}"),
            Self::Unmapped => "unmapped".to_owned(),
            Self::Vector { vector, .. } => format!("vector {vector}"),
            Self::Memory => "memory".to_owned(),
            Self::Elsewhere => "elsewhere".to_owned(),
        };
        match self.other_function() {
            Some(function) => f.pad(&format!("{function}: {place}")),
            None => f.pad(&place),
        }
    }
}
