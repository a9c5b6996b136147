// SPDX-License-Identifier: GPL-2.0

//! The vocabulary of commands: opcodes, arguments, errors, and how they are put into words.
//!
//! Decoding checks the form of a command, not whether it fits the state of a device; that is
//! `device.rs`. How a command travels is `endpoint.rs` and `rootcomplex.rs`.

use crate::layout::TransportFeatures;
use crate::queue::{QueueRequest, QueueState};
use crate::registers::{halves, join};
use crate::time;

/// Number of `argument` words.
pub const ARGUMENT_WORDS: usize = 16;
/// Number of `data` words.
pub const DATA_WORDS: usize = 32;
/// Bytes of device config in one command.
pub const CONFIG_DATA_SIZE: usize = DATA_WORDS * 4;
/// Number of `result` words.
pub(crate) const RESULT_WORDS: usize = 4;

/// What a command asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// Adds a mapping to an address space.
    Map = 0x20,
    /// Removes mappings from an address space.
    Unmap = 0x21,
}

impl Opcode {
    /// All opcodes of this version.
    pub const ALL: [Self; 14] = [
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
        Self::Map,
        Self::Unmap,
    ];

    /// The opcode with the given number, if this version has one.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|opcode| *opcode as u8 == number)
    }

    /// Number of `argument` words that the opcode defines.
    pub const fn argument_words(self) -> usize {
        match self {
            Self::Reset | Self::Suspend | Self::Resume => 0,
            Self::SetStatus | Self::EnableQueue | Self::DisableQueue | Self::GetQueueState => 1,
            Self::SetFeatures | Self::WriteConfig => 2,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandWord(u32);

impl CommandWord {
    /// No command.
    pub const NONE: Self = Self(0);

    const SEQUENCE_MASK: u32 = 0x00ff_ffff;

    /// The word for `opcode` with the lower 24 bits of `sequence`.
    pub const fn new(sequence: u32, opcode: Opcode) -> Self {
        Self((sequence << 8) | opcode as u32)
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
pub(crate) const STATUS_NONE: u32 = 0;
/// `cmd_status` of a command that was executed.
pub(crate) const STATUS_OKAY: u32 = 1;

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

/// A range of an address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Number of the address space.
    pub space: u16,
    /// First IOVA.
    pub iova: u64,
    /// Length in bytes.
    pub length: u64,
}

impl Range {
    /// Whether the range is not empty and ends at or below 2^64.
    fn is_legal(&self) -> bool {
        is_legal_range(self.iova, self.length)
    }
}

/// Whether `length` bytes at `start` are at least one and end at or below 2^64.
fn is_legal_range(start: u64, length: u64) -> bool {
    length != 0 && start.checked_add(length - 1).is_some()
}

/// A range of an address space and what lies behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// `MAP`.
    Map(Mapping),
    /// `UNMAP`.
    Unmap(Range),
}

/// A command in words: opcode, `argument` and `data`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What the words mean.
    pub opcode: Opcode,
    /// The `argument` words; those that the opcode does not define are 0.
    pub arguments: [u32; ARGUMENT_WORDS],
    /// The `data` words; those that the command does not use are 0.
    pub data: [u32; DATA_WORDS],
}

impl Frame {
    /// Puts `words` behind `opcode`.
    fn new(opcode: Opcode, words: &[u32]) -> Self {
        let mut arguments = [0; ARGUMENT_WORDS];
        for (to, from) in arguments.iter_mut().zip(words) {
            *to = *from;
        }
        Self {
            opcode,
            arguments,
            data: [0; DATA_WORDS],
        }
    }

    /// Number of `data` words that the command uses; 0 if its length is illegal.
    pub fn data_words(&self) -> usize {
        let [_, length, ..] = self.arguments;
        match (self.opcode, usize::try_from(length)) {
            (Opcode::WriteConfig, Ok(length)) if length <= CONFIG_DATA_SIZE => length.div_ceil(4),
            _ => 0,
        }
    }

    /// The bytes of `WRITE_CONFIG`.
    fn config_data(&self, length: u32) -> Option<ConfigData> {
        let mut bytes = [0; CONFIG_DATA_SIZE];
        for (to, word) in bytes.chunks_exact_mut(4).zip(self.data) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        ConfigData::new(bytes.get(..usize::try_from(length).ok()?)?)
    }
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
            Self::Map(_) => Opcode::Map,
            Self::Unmap(_) => Opcode::Unmap,
        }
    }

    /// Puts the command into words.
    pub fn encode(&self) -> Frame {
        let opcode = self.opcode();
        match *self {
            Self::Reset | Self::Suspend | Self::Resume => Frame::new(opcode, &[]),
            Self::SetStatus(status) => Frame::new(opcode, &[status.into()]),
            Self::SetFeatures(features) => {
                let (low, high) = halves(features);
                Frame::new(opcode, &[low, high])
            }
            Self::SetInterrupts {
                mode,
                vectors,
                config_vector,
            } => Frame::new(opcode, &[mode, vectors, config_vector]),
            Self::WriteConfig { offset, data } => encode_config(offset, &data),
            Self::SetupQueue(request) => encode_setup(&request),
            Self::EnableQueue(queue) | Self::DisableQueue(queue) | Self::GetQueueState(queue) => {
                Frame::new(opcode, &[queue])
            }
            Self::SetQueueState(queue, state) => {
                Frame::new(opcode, &[queue, state.available.into(), state.used.into()])
            }
            Self::Map(mapping) => encode_map(&mapping),
            Self::Unmap(range) => Frame::new(opcode, &range_words(&range)),
        }
    }

    /// Takes a command out of the EP's copy of the words.
    ///
    /// # Errors
    ///
    /// [`CommandError::BadArgument`] if a word has bits that its field does not have, or a length
    /// is 0, too large, or goes around the end of the address space.
    pub fn decode(frame: &Frame) -> Result<Self, CommandError> {
        Self::try_decode(frame).ok_or(CommandError::BadArgument)
    }

    fn try_decode(frame: &Frame) -> Option<Self> {
        let [a, b, c, ..] = frame.arguments;
        Some(match frame.opcode {
            Opcode::SetStatus => Self::SetStatus(a.try_into().ok()?),
            Opcode::SetFeatures => Self::SetFeatures(join(a, b)),
            Opcode::Reset => Self::Reset,
            Opcode::SetInterrupts => Self::SetInterrupts {
                mode: a,
                vectors: b,
                config_vector: c,
            },
            Opcode::WriteConfig => Self::WriteConfig {
                offset: a,
                data: frame.config_data(b)?,
            },
            Opcode::Suspend => Self::Suspend,
            Opcode::Resume => Self::Resume,
            Opcode::SetupQueue => Self::SetupQueue(decode_setup(&frame.arguments)),
            Opcode::EnableQueue => Self::EnableQueue(a),
            Opcode::DisableQueue => Self::DisableQueue(a),
            Opcode::SetQueueState => Self::SetQueueState(a, decode_state(b, c)?),
            Opcode::GetQueueState => Self::GetQueueState(a),
            Opcode::Map => Self::Map(decode_map(&frame.arguments)?),
            Opcode::Unmap => Self::Unmap(decode_range(&frame.arguments)?),
        })
    }
}

fn encode_config(offset: u32, data: &ConfigData) -> Frame {
    let mut frame = Frame::new(Opcode::WriteConfig, &[offset, data.length as u32]);
    for (to, from) in frame.data.iter_mut().zip(data.bytes.chunks_exact(4)) {
        *to = from
            .iter()
            .rev()
            .fold(0, |word, byte| (word << 8) | u32::from(*byte));
    }
    frame
}

fn encode_setup(request: &QueueRequest) -> Frame {
    let (desc_low, desc_high) = halves(request.desc_area);
    let (driver_low, driver_high) = halves(request.driver_area);
    let (device_low, device_high) = halves(request.device_area);
    Frame::new(
        Opcode::SetupQueue,
        &[
            request.queue,
            request.size,
            request.vector,
            desc_low,
            desc_high,
            driver_low,
            driver_high,
            device_low,
            device_high,
        ],
    )
}

fn decode_setup(arguments: &[u32; ARGUMENT_WORDS]) -> QueueRequest {
    let [queue, size, vector, desc_low, desc_high, driver_low, driver_high, device_low, device_high, ..] =
        *arguments;
    QueueRequest {
        queue,
        size,
        vector,
        desc_area: join(desc_low, desc_high),
        driver_area: join(driver_low, driver_high),
        device_area: join(device_low, device_high),
    }
}

/// A queue state out of its two words, of an argument or of a result.
pub(crate) fn decode_state(available: u32, used: u32) -> Option<QueueState> {
    Some(QueueState {
        available: available.try_into().ok()?,
        used: used.try_into().ok()?,
    })
}

fn range_words(range: &Range) -> [u32; 5] {
    let (iova_low, iova_high) = halves(range.iova);
    let (length_low, length_high) = halves(range.length);
    [
        range.space.into(),
        iova_low,
        iova_high,
        length_low,
        length_high,
    ]
}

fn decode_range(arguments: &[u32; ARGUMENT_WORDS]) -> Option<Range> {
    let [space, iova_low, iova_high, length_low, length_high, ..] = *arguments;
    let range = Range {
        space: space.try_into().ok()?,
        iova: join(iova_low, iova_high),
        length: join(length_low, length_high),
    };
    range.is_legal().then_some(range)
}

const ACCESS_READ: u32 = 1;
const ACCESS_WRITE: u32 = 2;

fn encode_map(mapping: &Mapping) -> Frame {
    let [space, iova_low, iova_high, length_low, length_high] = range_words(&mapping.range);
    let (pci_low, pci_high) = halves(mapping.pci_addr);
    let read = if mapping.read { ACCESS_READ } else { 0 };
    let write = if mapping.write { ACCESS_WRITE } else { 0 };
    Frame::new(
        Opcode::Map,
        &[
            space,
            iova_low,
            iova_high,
            length_low,
            length_high,
            pci_low,
            pci_high,
            read | write,
        ],
    )
}

fn decode_map(arguments: &[u32; ARGUMENT_WORDS]) -> Option<Mapping> {
    let [_, _, _, _, _, pci_low, pci_high, access, ..] = *arguments;
    let mapping = Mapping {
        range: decode_range(arguments)?,
        pci_addr: join(pci_low, pci_high),
        read: access & ACCESS_READ != 0,
        write: access & ACCESS_WRITE != 0,
    };
    let is_legal = (1..=ACCESS_READ | ACCESS_WRITE).contains(&access)
        && is_legal_range(mapping.pci_addr, mapping.range.length);
    is_legal.then_some(mapping)
}
