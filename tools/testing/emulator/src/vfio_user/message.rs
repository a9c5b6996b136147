// SPDX-License-Identifier: GPL-2.0
//! Messages of vfio-user: numbers, header, and the checked form of each request.
//!
//! A request is parsed completely before anything acts on it; what comes out of here is in range
//! as far as the message itself can tell. Offsets and indices are checked by the device.

use thiserror::Error;

use crate::wire::{Message, Truncated, Words};

/// Bytes of a header.
pub const HEADER_SIZE: usize = 16;
/// Bytes that one region access may carry, as told to the client.
pub const MAX_DATA: usize = 1 << 20;
/// Bytes of the largest message: a region write of [`MAX_DATA`], and room for a long version text.
pub const MAX_MESSAGE: usize = MAX_DATA + 4096;
/// File descriptors that a client may send with one message, as told to it.
pub const MAX_MESSAGE_FDS: usize = 16;

/// Index of the configuration space among the regions; BARs come first.
pub const CONFIG_REGION: u32 = 7;
/// Regions of a PCI device: six BARs, ROM, configuration space, VGA.
pub const REGION_COUNT: u32 = 9;

/// Interrupt indices of a PCI device.
pub mod irq {
    /// INTx.
    pub const INTX: u32 = 0;
    /// MSI.
    pub const MSI: u32 = 1;
    /// MSI-X.
    pub const MSIX: u32 = 2;
    /// Number of indices; the error and request interrupts have no vectors here.
    pub const COUNT: u32 = 5;
}

/// Request numbers.
pub mod command {
    #![allow(missing_docs, reason = "the names are the protocol's")]
    pub const VERSION: u16 = 1;
    pub const DMA_MAP: u16 = 2;
    pub const DMA_UNMAP: u16 = 3;
    pub const DEVICE_GET_INFO: u16 = 4;
    pub const DEVICE_GET_REGION_INFO: u16 = 5;
    pub const DEVICE_GET_IRQ_INFO: u16 = 7;
    pub const DEVICE_SET_IRQS: u16 = 8;
    pub const REGION_READ: u16 = 9;
    pub const REGION_WRITE: u16 = 10;
    pub const DMA_WRITE: u16 = 12;
    pub const DEVICE_RESET: u16 = 13;
}

/// Bits of the header's flags.
pub mod flags {
    /// Mask of the message type: 0 is a request, 1 a reply.
    pub const TYPE: u32 = 0xf;
    /// Message type: reply.
    pub const REPLY: u32 = 1;
    /// The sender of the request wants no reply.
    pub const NO_REPLY: u32 = 0x10;
    /// The reply reports an error.
    pub const ERROR: u32 = 0x20;
}

/// A message that cannot be answered: the stream is of no use afterwards, or the request is malformed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum MessageError {
    /// The header's size is impossible.
    #[error("message size {0} is not between {HEADER_SIZE} and {MAX_MESSAGE}")]
    Size(u32),
    /// See [`Truncated`].
    #[error(transparent)]
    Truncated(#[from] Truncated),
    /// The request's own size field says more than the message has, or more than is allowed.
    #[error("request for {0:#x} bytes is not possible")]
    Count(u64),
    /// The flags of the request contradict each other.
    #[error("flags {0:#x} are not valid here")]
    Flags(u32),
    /// No request of this number is known.
    #[error("request {0} is not known")]
    Unknown(u16),
}

/// Header of every message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Chosen by the sender of the request, repeated in the reply.
    pub id: u16,
    /// Request number.
    pub command: u16,
    /// Bytes of the whole message.
    pub size: u32,
    /// See [`flags`].
    pub flags: u32,
    /// Errno of a reply with the error flag.
    pub error: u32,
}

impl Header {
    /// Takes a header apart.
    ///
    /// # Errors
    ///
    /// [`MessageError::Size`] when the size cannot be right.
    pub fn parse(bytes: &[u8; HEADER_SIZE]) -> Result<Self, MessageError> {
        let mut words = Words(bytes);
        let header = Self {
            id: words.u16()?,
            command: words.u16()?,
            size: words.u32()?,
            flags: words.u32()?,
            error: words.u32()?,
        };
        if !(HEADER_SIZE..=MAX_MESSAGE).contains(&(header.size as usize)) {
            return Err(MessageError::Size(header.size));
        }
        Ok(header)
    }

    /// Returns the bytes of a message with this header, the size set to what it is.
    pub fn message(&self, payload: &[u8]) -> Vec<u8> {
        let size = (HEADER_SIZE + payload.len()) as u32;
        let head = Message::default().u16(self.id).u16(self.command).u32(size);
        head.u32(self.flags).u32(self.error).bytes(payload).0
    }

    /// Returns the header of the reply to this request.
    pub fn reply(&self, error: Option<u32>) -> Self {
        Self {
            flags: flags::REPLY | if error.is_some() { flags::ERROR } else { 0 },
            error: error.unwrap_or(0),
            ..*self
        }
    }

    /// Says whether this message is a reply.
    pub fn is_reply(&self) -> bool {
        self.flags & flags::TYPE == flags::REPLY
    }
}

/// A checked request. Fields have the names and meanings of the protocol.
#[allow(missing_docs, reason = "the names are the protocol's")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// Agree on a version.
    Version { major: u16, minor: u16 },
    /// A range of the guest's memory appears.
    DmaMap(DmaMap),
    /// A range, or all, of the guest's memory goes.
    DmaUnmap {
        argsz: u32,
        flags: u32,
        iova: u64,
        size: u64,
    },
    /// Number of regions and interrupts.
    DeviceInfo,
    /// Size, flags and mappable areas of a region.
    RegionInfo { argsz: u32, index: u32 },
    /// Number of vectors of an interrupt index.
    IrqInfo { index: u32 },
    /// Set up, mask or trigger vectors.
    SetIrqs(SetIrqs<'a>),
    /// Read a region.
    RegionRead {
        region: u32,
        offset: u64,
        count: usize,
    },
    /// Write a region.
    RegionWrite {
        region: u32,
        offset: u64,
        data: &'a [u8],
    },
    /// Reset the device.
    Reset,
}

/// A range of guest memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DmaMap {
    /// Offset of the range in the file that comes with the request.
    pub offset: u64,
    /// First bus address.
    pub iova: u64,
    /// Bytes.
    pub size: u64,
    /// Whether the device may write.
    pub writable: bool,
}

/// What SET_IRQS does with its vectors.
#[allow(missing_docs, reason = "each variant explains its fields")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IrqAction<'a> {
    /// Masks or unmasks the vectors for which `chosen` is true.
    Mask { masked: bool, chosen: Chosen<'a> },
    /// Gives the vectors the eventfds that come along, or takes theirs away when none do.
    Assign,
    /// Takes away all eventfds of the index.
    Disable,
    /// Triggers the vectors for which `chosen` is true.
    Trigger { chosen: Chosen<'a> },
}

/// Which vectors of a range are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chosen<'a> {
    /// All.
    All,
    /// Those whose byte is not zero.
    Bools(&'a [u8]),
}

/// Set up, mask or trigger interrupt vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetIrqs<'a> {
    /// Interrupt index.
    pub index: u32,
    /// First vector.
    pub start: u32,
    /// Number of vectors.
    pub count: u32,
    /// What to do.
    pub action: IrqAction<'a>,
}

/// Takes the payload of a request apart.
///
/// # Errors
///
/// See [`MessageError`]; the request gets an error reply, the stream stays good.
pub fn parse(command: u16, payload: &[u8]) -> Result<Request<'_>, MessageError> {
    let mut words = Words(payload);
    Ok(match command {
        command::VERSION => Request::Version {
            major: words.u16()?,
            minor: words.u16()?,
        },
        command::DMA_MAP => Request::DmaMap(parse_dma_map(words)?),
        command::DMA_UNMAP => Request::DmaUnmap {
            argsz: words.u32()?,
            flags: words.u32()?,
            iova: words.u64()?,
            size: words.u64()?,
        },
        command::DEVICE_GET_INFO => {
            words.bytes(16)?;
            Request::DeviceInfo
        }
        command::DEVICE_GET_REGION_INFO => parse_region_info(words)?,
        command::DEVICE_GET_IRQ_INFO => {
            words.u64()?;
            let index = words.u32()?;
            words.u32()?;
            Request::IrqInfo { index }
        }
        command::DEVICE_SET_IRQS => Request::SetIrqs(parse_set_irqs(words)?),
        command::REGION_READ => parse_region_read(words)?,
        command::REGION_WRITE => parse_region_write(words)?,
        command::DEVICE_RESET => Request::Reset,
        other => return Err(MessageError::Unknown(other)),
    })
}

fn parse_dma_map(mut words: Words<'_>) -> Result<DmaMap, MessageError> {
    const READ_WRITE: u32 = 3;
    const WRITE: u32 = 2;
    words.u32()?;
    let flags = words.u32()?;
    if flags & !READ_WRITE != 0 {
        return Err(MessageError::Flags(flags));
    }
    Ok(DmaMap {
        offset: words.u64()?,
        iova: words.u64()?,
        size: words.u64()?,
        writable: flags & WRITE != 0,
    })
}

fn parse_region_info(mut words: Words<'_>) -> Result<Request<'static>, MessageError> {
    let argsz = words.u32()?;
    words.u32()?;
    let index = words.u32()?;
    words.bytes(20)?;
    Ok(Request::RegionInfo { argsz, index })
}

fn parse_region_read(mut words: Words<'_>) -> Result<Request<'static>, MessageError> {
    let offset = words.u64()?;
    let region = words.u32()?;
    let count = words.u32()? as usize;
    if count > MAX_DATA {
        return Err(MessageError::Count(count as u64));
    }
    Ok(Request::RegionRead {
        region,
        offset,
        count,
    })
}

fn parse_region_write(mut words: Words<'_>) -> Result<Request<'_>, MessageError> {
    let offset = words.u64()?;
    let region = words.u32()?;
    let count = words.u32()?;
    let data = words.bytes(count as usize)?;
    if data.len() > MAX_DATA {
        return Err(MessageError::Count(count.into()));
    }
    Ok(Request::RegionWrite {
        region,
        offset,
        data,
    })
}

fn parse_set_irqs(mut words: Words<'_>) -> Result<SetIrqs<'_>, MessageError> {
    const NONE: u32 = 1;
    const BOOL: u32 = 2;
    const EVENTFD: u32 = 4;
    const MASK: u32 = 8;
    const UNMASK: u32 = 16;
    const TRIGGER: u32 = 32;
    words.u32()?;
    let flags = words.u32()?;
    let index = words.u32()?;
    let start = words.u32()?;
    let count = words.u32()?;
    let data = flags & (NONE | BOOL | EVENTFD);
    let chosen = match data {
        NONE => Some(Chosen::All),
        BOOL => Some(Chosen::Bools(words.bytes(count as usize)?)),
        _ => None,
    };
    let action = match (flags & !(NONE | BOOL | EVENTFD), chosen) {
        (TRIGGER, None) if data == EVENTFD => IrqAction::Assign,
        (TRIGGER, Some(Chosen::All)) if count == 0 => IrqAction::Disable,
        (TRIGGER, Some(chosen)) => IrqAction::Trigger { chosen },
        (MASK, Some(chosen)) => IrqAction::Mask {
            masked: true,
            chosen,
        },
        (UNMASK, Some(chosen)) => IrqAction::Mask {
            masked: false,
            chosen,
        },
        _ => return Err(MessageError::Flags(flags)),
    };
    Ok(SetIrqs {
        index,
        start,
        count,
        action,
    })
}

impl Chosen<'_> {
    /// Says whether the vector `index` of the range is meant.
    pub fn includes(&self, index: usize) -> bool {
        match self {
            Self::All => true,
            Self::Bools(bools) => bools.get(index).is_some_and(|chosen| *chosen != 0),
        }
    }
}
