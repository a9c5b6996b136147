// SPDX-License-Identifier: GPL-2.0

//! The vocabulary of commands: opcodes, arguments, errors.
//!
//! Not here: how they are put into words (`frame.rs`), how they travel (`session.rs`,
//! `rootcomplex.rs`), and what they do (`device.rs`).

use crate::address_space::Access;
use crate::frame::DATA_WORDS;
use crate::queue::{
    QueueRequest,
    QueueState, //
};
use crate::time;
use crate::words::TransportFeatures;

/// Bytes of device config in one command.
pub const CONFIG_DATA_SIZE: usize = DATA_WORDS * 4;

/// What a command asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Opcode {
    /// Adds bits to the device status.
    SetStatus = 0x01,
    /// Sets the driver features.
    SetFeatures = 0x02,
    /// Resets the device.
    Reset = 0x03,
    /// Tells the EP which interrupts the RC enabled.
    SetInterrupts = 0x04,
    /// Writes device config.
    WriteConfig = 0x05,
    /// Suspends the device.
    Suspend = 0x06,
    /// Resumes a suspended device.
    Resume = 0x07,
    /// Sets up a queue.
    SetupQueue = 0x10,
    /// Enables a queue.
    EnableQueue = 0x11,
    /// Disables a queue.
    DisableQueue = 0x12,
    /// Sets where a queue goes on.
    SetQueueState = 0x13,
    /// Asks where a queue is.
    GetQueueState = 0x14,
    /// Has a queue taken from its push area.
    PushQueue = 0x15,
    /// Adds a mapping to an address space.
    Map = 0x20,
    /// Removes mappings from an address space.
    Unmap = 0x21,
    /// Puts a group of queues into an address space.
    SetGroupSpace = 0x22,
}

impl Opcode {
    /// All opcodes of this version.
    pub const ALL: [Self; 16] = [
        Self::SetStatus,
        Self::SetFeatures,
        Self::Reset,
        Self::SetInterrupts,
        Self::WriteConfig,
        Self::Suspend,
        Self::Resume,
        Self::SetupQueue,
        Self::EnableQueue,
        Self::DisableQueue,
        Self::SetQueueState,
        Self::GetQueueState,
        Self::PushQueue,
        Self::Map,
        Self::Unmap,
        Self::SetGroupSpace,
    ];

    /// The opcode with the given number, if this version has one.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|opcode| *opcode as u8 == number)
    }

    /// Number of `argument` words that the opcode defines.
    pub const fn argument_words(self) -> usize {
        match self {
            Self::Reset | Self::Suspend | Self::Resume => 0,
            Self::SetStatus
            | Self::EnableQueue
            | Self::DisableQueue
            | Self::GetQueueState
            | Self::PushQueue => 1,
            Self::SetFeatures | Self::WriteConfig | Self::SetGroupSpace => 2,
            Self::SetInterrupts | Self::SetQueueState => 3,
            Self::Unmap => 5,
            Self::Map => 8,
            Self::SetupQueue => 9,
        }
    }

    /// The transport feature that the EP must offer for it.
    pub const fn needed_feature(self) -> TransportFeatures {
        match self {
            Self::Suspend | Self::Resume => TransportFeatures::SUSPEND,
            Self::Map | Self::Unmap => TransportFeatures::MAP,
            Self::SetGroupSpace => TransportFeatures::GROUPS,
            Self::PushQueue => TransportFeatures::PUSH,
            _ => TransportFeatures::NONE,
        }
    }

    /// How long the RC waits for the answer, in milliseconds.
    pub const fn bound_ms(self) -> u64 {
        match self {
            Self::Reset | Self::Suspend | Self::DisableQueue | Self::Unmap => time::QUIESCE_MS,
            _ => time::COMMAND_MS,
        }
    }
}

/// The `cmd` and `answer` word: a sequence number and an opcode that need not be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CommandWord(u32);

impl CommandWord {
    /// No command, in a session that had none.
    pub const NONE: Self = Self(0);

    const SEQUENCE_MASK: u32 = 0x00ff_ffff;

    /// The word for `opcode` with the lower 24 bits of `sequence`.
    pub const fn new(sequence: u32, opcode: Opcode) -> Self {
        Self((sequence << 8) | opcode as u32)
    }

    /// No command yet, but the number of the one that is about to come (R2).
    pub const fn announce(sequence: u32) -> Self {
        Self(sequence << 8)
    }

    /// Whether there is a command: opcode 0 is none.
    pub const fn is_command(self) -> bool {
        self.opcode() != 0
    }

    /// A word as it was read.
    pub const fn from_word(word: u32) -> Self {
        Self(word)
    }

    /// The word as it is written.
    pub const fn word(self) -> u32 {
        self.0
    }

    /// The opcode's number.
    pub const fn opcode(self) -> u8 {
        self.0 as u8
    }

    /// The sequence number, 24 bits.
    pub const fn sequence(self) -> u32 {
        self.0 >> 8
    }

    /// Whether this word is newer than sequence number `last`: ahead by less than half the circle.
    pub const fn is_newer_than(self, last: u32) -> bool {
        let ahead = self.sequence().wrapping_sub(last) & Self::SEQUENCE_MASK;
        ahead != 0 && ahead < 1 << 23
    }
}

/// Why the EP did not execute a command: a `cmd_status` that is neither `NONE` nor `OKAY`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum CommandError {
    /// The EP tried and failed; the state is as before (EIO).
    Failed = 2,
    /// The opcode is not assigned (ENOSYS).
    UnknownCommand = 3,
    /// An argument is out of its range (EINVAL).
    BadArgument = 4,
    /// Not in this state of device or queue (EBUSY).
    BadState = 5,
    /// Of a transport feature that is not offered (EOPNOTSUPP).
    NotSupported = 6,
    /// The command is from another session (ESTALE).
    StaleEpoch = 7,
    /// The sequence number is not newer than the last one (EPROTO).
    BadSequence = 8,
    /// No outbound window or memory for it (ENOSPC).
    NoResources = 9,
}

/// `cmd_status` before the answer.
pub const STATUS_NONE: u32 = 0;
/// `cmd_status` of a command that was executed.
pub const STATUS_OKAY: u32 = 1;

impl CommandError {
    /// All errors.
    pub const ALL: [Self; 8] = [
        Self::Failed,
        Self::UnknownCommand,
        Self::BadArgument,
        Self::BadState,
        Self::NotSupported,
        Self::StaleEpoch,
        Self::BadSequence,
        Self::NoResources,
    ];

    /// The error with the given `cmd_status`.
    pub fn from_status(status: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|error| *error as u32 == status)
    }
}

/// Bytes for the device config, 1 to [`CONFIG_DATA_SIZE`] of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigData {
    bytes: [u8; CONFIG_DATA_SIZE],
    length: usize,
}

impl ConfigData {
    /// Copies `from`, if it has a legal length.
    pub fn new(from: &[u8]) -> Option<Self> {
        let mut bytes = [0; CONFIG_DATA_SIZE];
        bytes.get_mut(..from.len())?.copy_from_slice(from);
        (!from.is_empty()).then_some(Self {
            bytes,
            length: from.len(),
        })
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&[])
    }
}

/// What IOVAs, PCI addresses and lengths of mappings are multiples of: the smallest page that systems
/// have. So no word of a ring lies in two mappings.
pub const MAP_ALIGN: u64 = 4096;

/// A range of an address space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// Number of the address space.
    pub space: u16,
    /// First IOVA.
    pub iova: u64,
    /// Length in bytes.
    pub length: u64,
}

impl Range {
    /// Whether the range is aligned, not empty, and ends at or below 2^64.
    pub(crate) fn is_legal(&self) -> bool {
        is_legal_range(self.iova, self.length)
    }

    /// Last IOVA of a legal range.
    pub const fn last(&self) -> u64 {
        self.iova.saturating_add(self.length.saturating_sub(1))
    }

    /// Whether all of `other` is in this range; both are legal.
    pub const fn contains(&self, other: &Self) -> bool {
        self.space == other.space && self.iova <= other.iova && other.last() <= self.last()
    }

    /// Whether some of the `length` bytes at `iova` are in this range.
    pub const fn overlaps(&self, iova: u64, length: u64) -> bool {
        let last = iova.saturating_add(length.saturating_sub(1));
        length != 0 && iova <= self.last() && self.iova <= last
    }
}

/// Whether `length` bytes at `start` are at least one and end at or below 2^64, in whole pages.
pub(crate) fn is_legal_range(start: u64, length: u64) -> bool {
    (start | length) % MAP_ALIGN == 0 && length != 0 && start.checked_add(length - 1).is_some()
}

/// A range of an address space and what lies behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// Where the range appears.
    pub range: Range,
    /// PCI address of the first byte.
    pub pci_addr: u64,
    /// The EP may read.
    pub read: bool,
    /// The EP may write.
    pub write: bool,
}

impl Mapping {
    /// Whether the EP may do this.
    pub const fn permits(&self, access: Access) -> bool {
        match access {
            Access::Read => self.read,
            Access::Write => self.write,
            Access::ReadWrite => self.read && self.write,
        }
    }
}

/// A command with its arguments. Queue indexes and sizes in it are not checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// `SET_STATUS`: the complete status, bits 7:0.
    SetStatus(u8),
    /// `SET_FEATURES`: the driver features.
    SetFeatures(u64),
    /// `RESET`.
    Reset,
    /// `SET_INTERRUPTS`.
    SetInterrupts {
        /// Number of the mode: none, INTx, MSI, MSI-X.
        mode: u32,
        /// Number of enabled vectors.
        vectors: u32,
        /// Vector for config changes, or [`NO_VECTOR`](crate::NO_VECTOR).
        config_vector: u32,
    },
    /// `WRITE_CONFIG`.
    WriteConfig {
        /// First byte in the device config.
        offset: u32,
        /// What to write there.
        data: ConfigData,
    },
    /// `SUSPEND`.
    Suspend,
    /// `RESUME`.
    Resume,
    /// `QUEUE_SETUP`.
    SetupQueue(QueueRequest),
    /// `QUEUE_ENABLE`, with the queue index.
    EnableQueue(u32),
    /// `QUEUE_DISABLE`, with the queue index.
    DisableQueue(u32),
    /// `QUEUE_SET_STATE`, with the queue index.
    SetQueueState(u32, QueueState),
    /// `QUEUE_GET_STATE`, with the queue index.
    GetQueueState(u32),
    /// `QUEUE_PUSH`, with the queue index.
    PushQueue(u32),
    /// `MAP`.
    Map(Mapping),
    /// `UNMAP`.
    Unmap(Range),
    /// `GROUP_SET_SPACE`.
    SetGroupSpace {
        /// Number of the group.
        group: u32,
        /// Number of the address space.
        space: u32,
    },
}

impl Command {
    /// The opcode of the command.
    pub const fn opcode(&self) -> Opcode {
        match self {
            Self::SetStatus(_) => Opcode::SetStatus,
            Self::SetFeatures(_) => Opcode::SetFeatures,
            Self::Reset => Opcode::Reset,
            Self::SetInterrupts { .. } => Opcode::SetInterrupts,
            Self::WriteConfig { .. } => Opcode::WriteConfig,
            Self::Suspend => Opcode::Suspend,
            Self::Resume => Opcode::Resume,
            Self::SetupQueue(_) => Opcode::SetupQueue,
            Self::EnableQueue(_) => Opcode::EnableQueue,
            Self::DisableQueue(_) => Opcode::DisableQueue,
            Self::SetQueueState(..) => Opcode::SetQueueState,
            Self::GetQueueState(_) => Opcode::GetQueueState,
            Self::PushQueue(_) => Opcode::PushQueue,
            Self::Map(_) => Opcode::Map,
            Self::Unmap(_) => Opcode::Unmap,
            Self::SetGroupSpace { .. } => Opcode::SetGroupSpace,
        }
    }
}
