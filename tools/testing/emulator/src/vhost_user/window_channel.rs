// SPDX-License-Identifier: GPL-2.0
//! The backend channel: asks the EP's monitor to map RC memory into the window, and to unmap it.
//!
//! Used by one thread, the worker of `outbound`.

use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use thiserror::Error;

use super::message::{backend, encode, flags, Header, MessageError, HEADER_SIZE};
use crate::memory::FilePiece;
use crate::socket;
use crate::wire::{Message, Words};

/// Time that the monitor may take, and far below the time that a command may: its main loop serves other
/// things as well, on a busy machine.
const REPLY_TIME: Duration = Duration::from_secs(2);

/// Why a page could not be mapped or unmapped.
#[derive(Debug, Error)]
pub enum ChannelError {
    /// The channel failed, or the monitor did not answer in time.
    #[error("the window's monitor does not answer: {0}")]
    Io(#[from] io::Error),
    /// The answer makes no sense.
    #[error("the window's monitor gave a malformed answer: {0}")]
    Message(#[from] MessageError),
    /// The monitor refused.
    #[error("the window's monitor refused with {0}")]
    Refused(i64),
}

/// The backend channel of the window device.
#[derive(Debug)]
pub struct WindowChannel {
    stream: UnixStream,
}

impl WindowChannel {
    /// Makes a channel of the socket which the monitor gave.
    ///
    /// # Errors
    ///
    /// The descriptor is not a socket.
    pub fn new(fd: OwnedFd) -> io::Result<Self> {
        let stream = UnixStream::from(fd);
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(REPLY_TIME))?;
        stream.set_write_timeout(Some(REPLY_TIME))?;
        Ok(Self { stream })
    }

    /// Maps a piece of memory at an offset of the window.
    ///
    /// # Errors
    ///
    /// See [`ChannelError`].
    pub fn map(&self, window: u64, piece: &FilePiece) -> Result<(), ChannelError> {
        let access = if piece.writable { backend::MAP_RW } else { 0 };
        let payload = mapping(piece.offset, window, piece.size, access);
        self.request(backend::SHMEM_MAP, &payload, Some(piece))
    }

    /// Unmaps what was mapped at an offset with a size.
    ///
    /// # Errors
    ///
    /// See [`ChannelError`].
    pub fn unmap(&self, window: u64, size: u64) -> Result<(), ChannelError> {
        self.request(backend::SHMEM_UNMAP, &mapping(0, window, size, 0), None)
    }

    fn request(
        &self,
        request: u32,
        payload: &[u8],
        file: Option<&FilePiece>,
    ) -> Result<(), ChannelError> {
        let fds: Vec<_> = file.map(|piece| piece.file.as_fd()).into_iter().collect();
        socket::send(
            &self.stream,
            &encode(request, flags::NEED_REPLY, payload),
            &fds,
        )?;
        let reply = self.reply(request).inspect_err(|_| self.give_up())?;
        match reply {
            0 => Ok(()),
            error => Err(ChannelError::Refused(error)),
        }
    }

    /// Closes the channel: after a lost reply, the next one could be taken for another.
    fn give_up(&self) {
        if let Err(error) = self.stream.shutdown(Shutdown::Both) {
            tracing::debug!("Window: Cannot close the backend channel: {error}");
        }
    }

    fn reply(&self, request: u32) -> Result<i64, ChannelError> {
        let mut fds = Vec::new();
        let mut head = [0; HEADER_SIZE];
        self.receive(&mut head, &mut fds)?;
        let header = Header::parse(&head)?;
        if header.request != request {
            return Err(MessageError::Unexpected(header.request).into());
        }
        let mut payload = vec![0; header.size as usize];
        self.receive(&mut payload, &mut fds)?;
        let value = Words(&payload).u64().map_err(MessageError::from)?;
        Ok(value as i64)
    }

    fn receive(&self, buffer: &mut [u8], fds: &mut Vec<OwnedFd>) -> io::Result<()> {
        match socket::receive(&self.stream, buffer, fds)? {
            true => Ok(()),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

fn mapping(file_offset: u64, window: u64, size: u64, access: u64) -> Vec<u8> {
    let region = u64::from(epc_regs::WINDOW_SHM_ID);
    let head = Message::default().u64(region).u64(file_offset).u64(window);
    head.u64(size).u64(access).0
}
