// SPDX-License-Identifier: GPL-2.0
//! What a device behind the vfio-user server implements; the protocol is not visible to it.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::io::Errno;
use thiserror::Error;

use super::message::{DmaMap, MessageError, SetIrqs, CONFIG_REGION};
use super::server::Client;
use crate::memory::MemoryError;

/// Why a request was refused; the client gets an errno, the log the sentence.
#[derive(Debug, Error)]
pub enum Refusal {
    /// The message itself is wrong.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The memory request is wrong.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// There is no such region, or the access leaves it.
    #[error("access to {count} bytes at {offset:#x} of region {region} leaves it")]
    Region {
        /// Region index.
        region: u32,
        /// Offset in the region.
        offset: u64,
        /// Bytes.
        count: usize,
    },
    /// There is no such interrupt index or vector.
    #[error("vectors {start} + {count} of interrupt index {index} do not exist")]
    Vectors {
        /// Interrupt index.
        index: u32,
        /// First vector.
        start: u32,
        /// Number of vectors.
        count: u32,
    },
    /// The number of file descriptors is not what the request says.
    #[error("{actual} file descriptors came along, expected {expected}")]
    Descriptors {
        /// What the request says.
        expected: usize,
        /// What came.
        actual: usize,
    },
    /// There is no device to attach now.
    #[error("the endpoint has not started the link")]
    LinkDown,
}

impl Refusal {
    /// The errno that the client gets.
    pub fn errno(&self) -> Errno {
        match self {
            Self::Message(MessageError::Unknown(_)) => Errno::OPNOTSUPP,
            Self::Memory(MemoryError::TooMany) => Errno::NOSPC,
            Self::LinkDown => Errno::NODEV,
            _ => Errno::INVAL,
        }
    }
}

/// A region, as the client sees it.
#[derive(Clone, Debug, Default)]
pub struct RegionInfo {
    /// Bytes; 0 for a region that does not exist.
    pub size: u64,
    /// What of it the client may map.
    pub mappable: Option<Mappable>,
}

/// Parts of a region that a client may map instead of accessing them by messages.
#[derive(Clone, Debug)]
pub struct Mappable {
    /// The file behind the region.
    pub file: Arc<File>,
    /// Offset in the file of the region's first byte.
    pub offset: u64,
    /// Parts of the region, offset and size, multiples of the page size.
    pub areas: Vec<(u64, u64)>,
}

/// An interrupt index, as the client sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IrqInfo {
    /// Number of vectors.
    pub count: u32,
    /// Whether the vector is level-triggered: masked by itself when it fires, unmasked by the client.
    pub automasked: bool,
}

/// A device behind a server. All methods are called from the server's thread, one at a time, for one
/// client at a time, between [`connect`](Device::connect) and [`disconnect`](Device::disconnect).
pub trait Device: Send + Sync {
    /// Name for the log.
    fn name(&self) -> &str;

    /// A client came.
    ///
    /// # Errors
    ///
    /// The device cannot be attached now; the client is sent away.
    fn connect(&self, client: &Arc<Client>) -> Result<(), Refusal>;

    /// The client went; all it gave is gone.
    fn disconnect(&self);

    /// Describes a region.
    fn region_info(&self, region: u32) -> RegionInfo;

    /// Describes an interrupt index.
    fn irq_info(&self, index: u32) -> IrqInfo;

    /// Reads a region.
    ///
    /// # Errors
    ///
    /// [`Refusal::Region`] when there is no such part of a region.
    fn region_read(&self, region: u32, offset: u64, data: &mut [u8]) -> Result<(), Refusal>;

    /// Writes a region.
    ///
    /// # Errors
    ///
    /// [`Refusal::Region`] when there is no such part of a region.
    fn region_write(&self, region: u32, offset: u64, data: &[u8]) -> Result<(), Refusal>;

    /// Memory of the client's guest appears; without a file it cannot be accessed.
    ///
    /// # Errors
    ///
    /// The range is not possible.
    fn dma_map(&self, map: &DmaMap, file: Option<OwnedFd>) -> Result<(), Refusal>;

    /// Memory of the client's guest goes; it is not accessed any more after the return.
    fn dma_unmap(&self, iova: u64, size: u64);

    /// Sets up, masks or triggers interrupt vectors.
    ///
    /// # Errors
    ///
    /// There are no such vectors, or the file descriptors do not fit.
    fn set_irqs(&self, request: &SetIrqs<'_>, fds: Vec<OwnedFd>) -> Result<(), Refusal>;

    /// Resets the device.
    fn reset(&self);
}

/// Checks that an access stays in a region, and says which BAR or the configuration space it is.
///
/// # Errors
///
/// [`Refusal::Region`] when it leaves the region.
pub fn check_access(region: u32, offset: u64, count: usize, size: u64) -> Result<Place, Refusal> {
    let inside = offset
        .checked_add(count as u64)
        .is_some_and(|end| end <= size);
    match region {
        _ if !inside => Err(Refusal::Region {
            region,
            offset,
            count,
        }),
        CONFIG_REGION => Ok(Place::Config),
        bar @ 0..=5 => Ok(Place::Bar(bar as usize)),
        _ => Err(Refusal::Region {
            region,
            offset,
            count,
        }),
    }
}

/// Where an access goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Configuration space.
    Config,
    /// A BAR.
    Bar(usize),
}
