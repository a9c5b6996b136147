// SPDX-License-Identifier: GPL-2.0
//! Messages of vhost-user: numbers and header, as far as a device without queues needs them.
//!
//! Numbers are those of QEMU 11.1; SHMEM is protocol feature 22 there.

use thiserror::Error;

use crate::wire::{Message, Truncated, Words};

/// Bytes of a header.
pub const HEADER_SIZE: usize = 12;
/// Bytes of the largest payload: the reply to GET_SHMEM_CONFIG; requests are smaller.
pub const MAX_PAYLOAD: usize = 4096;

/// Requests of the monitor.
pub mod request {
    #![allow(missing_docs, reason = "the names are the protocol's")]
    pub const GET_FEATURES: u32 = 1;
    pub const GET_VRING_BASE: u32 = 11;
    pub const GET_PROTOCOL_FEATURES: u32 = 15;
    pub const GET_QUEUE_NUM: u32 = 17;
    pub const SET_VRING_ENABLE: u32 = 18;
    pub const SET_BACKEND_REQ_FD: u32 = 21;
    pub const GET_MAX_MEM_SLOTS: u32 = 36;
    pub const GET_SHMEM_CONFIG: u32 = 44;
}

/// Requests of the backend.
pub mod backend {
    #![allow(missing_docs, reason = "the names are the protocol's")]
    pub const SHMEM_MAP: u32 = 9;
    pub const SHMEM_UNMAP: u32 = 10;
    /// Flag of SHMEM_MAP: writable.
    pub const MAP_RW: u64 = 1;
}

/// Protocol features, as bits.
pub mod feature {
    #![allow(missing_docs, reason = "the names are the protocol's")]
    pub const REPLY_ACK: u64 = 1 << 3;
    pub const BACKEND_REQ: u64 = 1 << 5;
    pub const BACKEND_SEND_FD: u64 = 1 << 10;
    pub const CONFIGURE_MEM_SLOTS: u64 = 1 << 15;
    pub const SHMEM: u64 = 1 << 22;
}

/// Bits of the header's flags.
pub mod flags {
    /// Version of the protocol.
    pub const VERSION: u32 = 1;
    /// The message is a reply.
    pub const REPLY: u32 = 1 << 2;
    /// The sender wants a reply to a request that otherwise has none.
    pub const NEED_REPLY: u32 = 1 << 3;
}

/// Why a message cannot be followed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum MessageError {
    /// The payload's size is impossible.
    #[error("payload of {0} bytes is larger than {MAX_PAYLOAD}")]
    Size(u32),
    /// The reply is to another request.
    #[error("reply to request {0} was not expected")]
    Unexpected(u32),
    /// See [`Truncated`].
    #[error(transparent)]
    Truncated(#[from] Truncated),
}

/// Header of every message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Request number.
    pub request: u32,
    /// See [`flags`].
    pub flags: u32,
    /// Bytes of the payload.
    pub size: u32,
}

impl Header {
    /// Takes a header apart.
    ///
    /// # Errors
    ///
    /// [`MessageError::Size`] when the payload is too large.
    pub fn parse(bytes: &[u8; HEADER_SIZE]) -> Result<Self, MessageError> {
        let mut words = Words(bytes);
        let (request, flags, size) = (words.u32()?, words.u32()?, words.u32()?);
        if size as usize > MAX_PAYLOAD {
            return Err(MessageError::Size(size));
        }
        Ok(Self {
            request,
            flags,
            size,
        })
    }
}

/// Returns the bytes of a message.
pub fn encode(request: u32, flags: u32, payload: &[u8]) -> Vec<u8> {
    let head = Message::default().u32(request).u32(flags | flags::VERSION);
    head.u32(payload.len() as u32).bytes(payload).0
}
