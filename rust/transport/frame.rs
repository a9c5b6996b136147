// SPDX-License-Identifier: GPL-2.0

//! Commands in words, on both ends.
//!
//! Decoding checks the form of a command, not whether it fits the state of a device; that is
//! `device.rs`.

use crate::command::{
    is_legal_range,
    Command,
    CommandError,
    ConfigData,
    Mapping,
    Opcode,
    Range,
    CONFIG_DATA_SIZE, //
};
use crate::queue::{
    QueueRequest,
    QueueState, //
};
use crate::registers::{
    halves,
    join, //
};

/// Number of `argument` words.
pub const ARGUMENT_WORDS: usize = 16;
/// Number of `data` words.
pub const DATA_WORDS: usize = 32;
/// Number of `result` words.
pub(crate) const RESULT_WORDS: usize = 4;

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
            Self::EnableQueue(queue)
            | Self::DisableQueue(queue)
            | Self::GetQueueState(queue)
            | Self::PushQueue(queue) => Frame::new(opcode, &[queue]),
            Self::SetQueueState(queue, state) => {
                Frame::new(opcode, &[queue, state.available.into(), state.used.into()])
            }
            Self::Map(mapping) => encode_map(&mapping),
            Self::Unmap(range) => Frame::new(opcode, &range_words(&range)),
            Self::SetGroupSpace { group, space } => Frame::new(opcode, &[group, space]),
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
            Opcode::PushQueue => Self::PushQueue(a),
            Opcode::Map => Self::Map(decode_map(&frame.arguments)?),
            Opcode::Unmap => Self::Unmap(decode_range(&frame.arguments)?),
            Opcode::SetGroupSpace => Self::SetGroupSpace { group: a, space: b },
        })
    }
}

fn encode_config(offset: u32, data: &ConfigData) -> Frame {
    let length = data.as_bytes().len() as u32;
    let mut frame = Frame::new(Opcode::WriteConfig, &[offset, length]);
    for (to, from) in frame.data.iter_mut().zip(data.as_bytes().chunks(4)) {
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
