// SPDX-License-Identifier: GPL-2.0
//! What can go wrong in a queue: one variant per rule that the driver side can break.

use core::fmt;

/// Why a queue operation failed; `E` is the error of the [`RingMemory`](super::RingMemory).
///
/// Each but [`RingError::UsedTooMany`], [`RingError::UsedHead`] and [`RingError::Position`] breaks the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingError<E> {
    /// A ring area or an indirect table cannot be reached.
    Memory(E),
    /// An earlier error broke the queue.
    Broken,
    /// The available index went back, or more chains are available than the queue has descriptors
    /// (sections 2.7.6 and 2.7.6.1).
    AvailableIndex {
        /// The available index of the driver side.
        index: u16,
        /// The available index seen before.
        seen: u16,
        /// The used index.
        used: u16,
        /// The size of the queue.
        size: u16,
    },
    /// A chain starts at a descriptor that the queue does not have (section 2.7.6).
    HeadOutOfRange {
        /// The descriptor index.
        head: u16,
        /// The size of the queue.
        size: u16,
    },
    /// A descriptor is continued by one that its table does not have (section 2.7.5).
    NextOutOfRange {
        /// The descriptor index.
        next: u16,
        /// The number of descriptors in the table.
        size: u32,
    },
    /// A descriptor of an in-order queue is not continued by the one behind it (section 2.7.5.2).
    NextOutOfOrder {
        /// The descriptor index.
        index: u16,
        /// The index of the next descriptor.
        next: u16,
    },
    /// A list of a packed queue is available, and one of its descriptors is not (section 2.8.17).
    ListIncomplete {
        /// The index of that descriptor.
        index: u16,
    },
    /// A chain has a loop or more descriptors than allowed (section 2.7.5.3.1), or one that is in flight.
    ChainTooLong {
        /// The head of the chain.
        head: u16,
        /// How many descriptors a chain may have.
        limit: u16,
    },
    /// A chain is longer than [`u32::MAX`] bytes (section 2.7.5.2).
    LengthOverflow {
        /// The head of the chain.
        head: u16,
        /// The length in bytes up to the descriptor that was too much.
        total: u64,
    },
    /// A buffer or an indirect table extends past the address space.
    AddressOverflow {
        /// The driver-side address.
        addr: u64,
        /// The length in bytes.
        len: u32,
    },
    /// A readable descriptor follows a writable one (section 2.7.4.2).
    ReadableAfterWritable {
        /// The head of the chain.
        head: u16,
        /// The index of the readable descriptor in its table.
        index: u16,
    },
    /// A descriptor refers to a table though that was not negotiated (section 2.7.5.3.1).
    IndirectNotNegotiated {
        /// The descriptor index.
        index: u16,
    },
    /// A descriptor refers to a table and is continued (section 2.7.5.3.1), or is one of a list (section
    /// 2.8.19).
    IndirectWithNext {
        /// The descriptor index.
        index: u16,
    },
    /// A descriptor in a table refers to a table (section 2.7.5.3.1).
    IndirectNested {
        /// The index of the descriptor in its table.
        index: u16,
    },
    /// The length of an indirect table is zero or no multiple of 16 (section 2.7.5.3.1).
    IndirectLength {
        /// The length in bytes.
        len: u32,
    },
    /// A chain was used before one that was made available earlier, by the device side before.
    UsedOutOfOrder {
        /// The used index.
        index: u16,
    },
    /// A packed queue is to be taken over, but does not tell where its last device side was.
    TakeOverPacked,
    /// A queue of this layout and size has no such position, or chains are in flight there; nothing
    /// changed.
    Position {
        /// Where it would pop.
        available: u16,
        /// Where it would push.
        used: u16,
        /// The size of the queue.
        size: u16,
    },
    /// The device pushes more than it popped; nothing was written.
    UsedTooMany {
        /// How many chains were pushed, or descriptors of a packed queue.
        count: usize,
        /// How many are in flight.
        in_flight: u16,
    },
    /// The device pushes a chain that the queue cannot have; nothing was written.
    UsedHead {
        /// The head pushed.
        head: u16,
        /// The size of the queue.
        size: u16,
    },
}

impl<E> From<E> for RingError<E> {
    fn from(error: E) -> Self {
        Self::Memory(error)
    }
}

impl<E: fmt::Debug> fmt::Display for RingError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(error) => write!(f, "ring memory cannot be accessed: {error:?}"),
            Self::Broken => f.write_str("queue is broken until it is reset"),
            Self::AvailableIndex {
                index,
                seen,
                used,
                size,
            } => write!(
                f,
                "available index {index:#x} is not from {seen:#x} to {size:#x} after {used:#x}"
            ),
            Self::HeadOutOfRange { head, size } => {
                write!(f, "head {head} is not below the queue size {size}")
            }
            Self::NextOutOfRange { next, size } => {
                write!(
                    f,
                    "next descriptor {next} is not below the table size {size}"
                )
            }
            Self::NextOutOfOrder { index, next } => {
                write!(
                    f,
                    "descriptor {index} of an in-order queue is continued by {next}"
                )
            }
            Self::ListIncomplete { index } => {
                write!(
                    f,
                    "descriptor {index} of an available list is not available"
                )
            }
            Self::ChainTooLong { head, limit } => {
                write!(
                    f,
                    "chain at head {head} does not end within {limit} descriptors"
                )
            }
            Self::LengthOverflow { head, total } => {
                write!(
                    f,
                    "chain at head {head} has {total:#x} bytes, more than 32 bits hold"
                )
            }
            Self::AddressOverflow { addr, len } => {
                write!(
                    f,
                    "buffer of {len:#x} bytes at {addr:#x} exceeds the address space"
                )
            }
            Self::ReadableAfterWritable { head, index } => write!(
                f,
                "readable descriptor {index} follows a writable one in the chain at head {head}"
            ),
            Self::IndirectNotNegotiated { index } => {
                write!(
                    f,
                    "descriptor {index} is indirect, which was not negotiated"
                )
            }
            Self::IndirectWithNext { index } => {
                write!(f, "indirect descriptor {index} is part of a list")
            }
            Self::IndirectNested { index } => {
                write!(f, "descriptor {index} of an indirect table is indirect")
            }
            Self::IndirectLength { len } => {
                write!(
                    f,
                    "indirect table of {len:#x} bytes, expected a multiple of 16, not zero"
                )
            }
            Self::UsedOutOfOrder { index } => write!(
                f,
                "chain used at {index:#x} is not the one made available there"
            ),
            Self::TakeOverPacked => {
                f.write_str("packed queue does not tell what its last device side left")
            }
            Self::Position {
                available,
                used,
                size,
            } => write!(
                f,
                "position {available:#x}, used {used:#x} is none of a queue of size {size} at rest"
            ),
            Self::UsedTooMany { count, in_flight } => {
                write!(f, "{count} chains pushed while {in_flight} are in flight")
            }
            Self::UsedHead { head, size } => {
                write!(
                    f,
                    "head {head} pushed, expected one below the queue size {size}"
                )
            }
        }
    }
}
