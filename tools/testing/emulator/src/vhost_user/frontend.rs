// SPDX-License-Identifier: GPL-2.0
//! The main socket of the window device: one thread answers the EP's monitor until it goes.
//!
//! The window takes pages while the queue is enabled, that is from DRIVER_OK until the device is reset: QEMU 11.1
//! crashes on a mapping before, and drops all mappings after. (It sends no SET_STATUS with DRIVER_OK for
//! a device of this kind.)
//!
//! Limit: a mapping request that is on its way when the EP's driver resets the device meets a QEMU which
//! crashes on it. Drivers unmap before they reset.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use thiserror::Error;

use super::message::{encode, feature, flags, request, Header, MessageError, HEADER_SIZE};
use super::WindowChannel;
use crate::controller::outbound::Outbound;
use crate::socket::{self, Listener};
use crate::wire::{Message, Words};

/// Virtio feature bits that are offered: VERSION_1, and vhost-user's bit for protocol features.
const FEATURES: u64 = (1 << 32) | (1 << 30);
const PROTOCOL_FEATURES: u64 = feature::REPLY_ACK
    | feature::BACKEND_REQ
    | feature::BACKEND_SEND_FD
    | feature::CONFIGURE_MEM_SLOTS
    | feature::SHMEM;
/// Memory slots that QEMU may announce; every mapped page run takes one.
const MEM_SLOTS: u64 = 509;
/// Regions in the reply to GET_SHMEM_CONFIG.
const SHMEM_REGIONS: usize = 256;

/// Why the connection ended before its peer closed it.
#[derive(Debug, Error)]
enum ConnectionError {
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    #[error("the message cannot be followed: {0}")]
    Message(#[from] MessageError),
}

/// The window device towards the EP's monitor.
#[derive(Debug)]
pub struct Frontend {
    outbound: Arc<Outbound>,
    size: u64,
}

/// One connection of the monitor.
struct Session<'a> {
    frontend: &'a Frontend,
    channel: Option<Arc<WindowChannel>>,
}

impl Frontend {
    /// Makes the device of an outbound window of `size` bytes.
    pub fn new(outbound: Arc<Outbound>, size: u64) -> Self {
        Self { outbound, size }
    }

    /// Serves one connection after the other until the listener is stopped.
    pub fn run(&self, listener: &Listener) {
        while let Some(stream) = listener.accept() {
            self.serve(&stream);
        }
    }

    /// Serves one connection until it goes.
    pub fn serve(&self, stream: &UnixStream) {
        tracing::info!("Window: Client connected");
        let mut session = Session {
            frontend: self,
            channel: None,
        };
        if let Err(error) = session.talk(stream) {
            tracing::error!("Window: {error}");
        }
        self.outbound.detach();
        tracing::info!("Window: Client disconnected");
    }
}

impl Session<'_> {
    fn talk(&mut self, stream: &UnixStream) -> Result<(), ConnectionError> {
        let mut head = [0; HEADER_SIZE];
        let mut fds = Vec::new();
        while socket::receive(stream, &mut head, &mut fds)? {
            let header = Header::parse(&head)?;
            let mut payload = vec![0; header.size as usize];
            if !payload.is_empty() && !socket::receive(stream, &mut payload, &mut fds)? {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            let reply = self.answer(&header, &payload, std::mem::take(&mut fds))?;
            if let Some(reply) = reply {
                socket::send(stream, &encode(header.request, flags::REPLY, &reply), &[])?;
            }
        }
        Ok(())
    }

    /// Executes a request; returns the payload of the reply if there is one. Requests that set up queues
    /// and memory are accepted and have no effect.
    fn answer(
        &mut self,
        header: &Header,
        payload: &[u8],
        fds: Vec<OwnedFd>,
    ) -> Result<Option<Vec<u8>>, MessageError> {
        tracing::trace!(
            "Window: Request {} with {} bytes",
            header.request,
            payload.len()
        );
        let number = |value: u64| Some(Message::default().u64(value).0);
        let mut words = Words(payload);
        Ok(match header.request {
            request::GET_FEATURES => number(FEATURES),
            request::GET_PROTOCOL_FEATURES => number(PROTOCOL_FEATURES),
            request::GET_QUEUE_NUM => number(1),
            request::GET_MAX_MEM_SLOTS => number(MEM_SLOTS),
            request::GET_SHMEM_CONFIG => Some(self.shmem_config()),
            request::GET_VRING_BASE => {
                self.frontend.outbound.pause();
                let index = words.u32()?;
                Some(Message::default().u32(index).u32(0).0)
            }
            other => {
                let accepted = self.accept(other, words, fds)?;
                let wanted = header.flags & flags::NEED_REPLY != 0;
                wanted.then(|| Message::default().u64(u64::from(!accepted)).0)
            }
        })
    }

    /// Executes a request that has no reply of its own; false when it failed.
    fn accept(
        &mut self,
        number: u32,
        mut words: Words<'_>,
        fds: Vec<OwnedFd>,
    ) -> Result<bool, MessageError> {
        match number {
            request::SET_BACKEND_REQ_FD => Ok(self.take_channel(fds)),
            request::SET_VRING_ENABLE => {
                words.u32()?;
                self.enable(words.u32()? != 0);
                Ok(true)
            }
            _ => Ok(true),
        }
    }

    fn take_channel(&mut self, mut fds: Vec<OwnedFd>) -> bool {
        let Some(fd) = fds.pop() else {
            tracing::warn!("Window: No socket came with the backend channel");
            return false;
        };
        match WindowChannel::new(fd) {
            Ok(channel) => self.channel = Some(Arc::new(channel)),
            Err(error) => tracing::warn!("Window: Backend channel is not usable: {error}"),
        }
        self.channel.is_some()
    }

    fn enable(&self, enabled: bool) {
        let outbound = &self.frontend.outbound;
        match &self.channel {
            _ if !enabled => outbound.pause(),
            Some(channel) => {
                tracing::info!("Window: Ready");
                outbound.attach(Arc::clone(channel));
            }
            None => tracing::warn!("Window: Enabled without a backend channel"),
        }
    }

    fn shmem_config(&self) -> Vec<u8> {
        let sizes = (0..SHMEM_REGIONS).map(|region| {
            let is_window = region == usize::from(epc_regs::WINDOW_SHM_ID);
            if is_window {
                self.frontend.size
            } else {
                0
            }
        });
        let head = Message::default().u32(1).u32(0);
        sizes.fold(head, Message::u64).0
    }
}
