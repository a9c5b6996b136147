// SPDX-License-Identifier: GPL-2.0
//! One vfio-user server: accepts a client, answers its requests in order, until it goes; then the next.
//!
//! Threads: [`Server::run`] is one thread, the only one that reads. Any thread may send a message of its
//! own through [`Client`].
//!
//! Locking: the send side of the connection has a leaf lock, so that messages do not mix.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use thiserror::Error;

use super::device::{Device, Refusal};
use super::message::{self, command, flags, Header, MessageError, Request, HEADER_SIZE};
use super::reply::{self, Reply};
use crate::socket::{self, Listener};
use crate::sync::lock;
use crate::wire::Message;

/// Time that a client may leave its socket unread. QEMU reads in a thread of its own, which only a
/// dead QEMU stops.
const SEND_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a connection ended before its peer closed it.
#[derive(Debug, Error)]
enum ConnectionError {
    #[error("the connection failed")]
    Io(#[from] io::Error),
    #[error("the message cannot be followed")]
    Message(#[from] MessageError),
}

/// The present client of a device; sends messages to it.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    sending: Mutex<()>,
    next_id: AtomicU16,
}

impl Client {
    /// Makes a client of a connected socket.
    pub fn new(stream: UnixStream) -> io::Result<Arc<Self>> {
        stream.set_write_timeout(Some(SEND_TIMEOUT))?;
        Ok(Arc::new(Self {
            stream,
            sending: Mutex::new(()),
            next_id: AtomicU16::new(0),
        }))
    }

    /// Writes to the memory of the client's guest through its PCI bus, as an MSI does. Posted: the
    /// call does not wait, and there is an answer only when it went wrong.
    ///
    /// # Errors
    ///
    /// The client is gone.
    pub fn dma_write(&self, address: u64, data: &[u8]) -> io::Result<()> {
        let header = Header {
            id: self.next_id.fetch_add(1, Ordering::Relaxed),
            command: command::DMA_WRITE,
            size: 0,
            flags: flags::NO_REPLY,
            error: 0,
        };
        let payload = Message::default()
            .u64(address)
            .u64(data.len() as u64)
            .bytes(data);
        self.send(&header.message(&payload.0), &[])
    }

    fn send(&self, message: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let _sending = lock(&self.sending);
        socket::send(&self.stream, message, fds)
    }
}

/// A message as it came: the header, the rest, and the file descriptors.
struct Incoming {
    header: Header,
    payload: Vec<u8>,
    fds: Vec<OwnedFd>,
}

/// A device behind a listening socket.
pub struct Server {
    device: Arc<dyn Device>,
}

impl Server {
    /// Makes a server for a device.
    pub fn new(device: Arc<dyn Device>) -> Self {
        Self { device }
    }

    /// Serves one client after the other until the listener is stopped.
    pub fn run(&self, listener: &Listener) {
        while let Some(stream) = listener.accept() {
            self.serve(stream);
        }
    }

    /// Serves one client until it goes.
    pub fn serve(&self, stream: UnixStream) {
        let Some(connection) = self.connect(stream) else {
            return;
        };
        while connection.step() {}
    }

    /// Takes up a client; `None` if there is nothing for it.
    pub fn connect(&self, stream: UnixStream) -> Option<Connection> {
        let device = Arc::clone(&self.device);
        let name = device.name();
        let client = match Client::new(stream) {
            Ok(client) => client,
            Err(error) => {
                tracing::error!("{name}: Cannot set up the connection: {error}");
                return None;
            }
        };
        if let Err(refusal) = device.connect(&client) {
            tracing::error!("{name}: Client sent away: {refusal}");
            return None;
        }
        tracing::info!("{name}: Client connected");
        Some(Connection { device, client })
    }
}

/// A client that is served; the device is told of its end when dropped.
pub struct Connection {
    device: Arc<dyn Device>,
    client: Arc<Client>,
}

impl Connection {
    /// Answers the next message; false when the client went, or sent what cannot be followed.
    pub fn step(&self) -> bool {
        self.talk().unwrap_or_else(|error| {
            let reason = std::error::Error::source(&error).map(ToString::to_string);
            let name = self.device.name();
            tracing::error!("{name}: {error}: {}", reason.unwrap_or_default());
            false
        })
    }

    fn talk(&self) -> Result<bool, ConnectionError> {
        let Some(incoming) = receive(&self.client.stream)? else {
            return Ok(false);
        };
        if incoming.header.is_reply() {
            self.note_reply(&incoming.header);
        } else {
            self.answer(incoming)?;
        }
        Ok(true)
    }

    /// Replies come only for posted messages that failed.
    fn note_reply(&self, header: &Header) {
        if header.flags & flags::ERROR != 0 {
            let name = self.device.name();
            tracing::warn!(
                "{name}: Client refused request {} with errno {}",
                header.command,
                header.error
            );
        }
    }

    fn answer(&self, incoming: Incoming) -> Result<(), ConnectionError> {
        let Incoming {
            header,
            payload,
            fds,
        } = incoming;
        let result = message::parse(header.command, &payload)
            .map_err(Refusal::from)
            .and_then(|request| self.execute(request, &payload, fds));
        if let Err(refusal) = &result {
            tracing::warn!(
                "{}: Request {} refused: {refusal}",
                self.device.name(),
                header.command
            );
        }
        if header.flags & flags::NO_REPLY != 0 {
            return Ok(());
        }
        let error = result
            .as_ref()
            .err()
            .map(|refusal| refusal.errno().raw_os_error().unsigned_abs());
        let reply = result.unwrap_or_default();
        let fds: Vec<_> = reply.file.iter().map(|file| file.as_fd()).collect();
        self.client
            .send(&header.reply(error).message(&reply.payload), &fds)?;
        Ok(())
    }

    fn execute(
        &self,
        request: Request<'_>,
        payload: &[u8],
        mut fds: Vec<OwnedFd>,
    ) -> Result<Reply, Refusal> {
        let device = &self.device;
        Ok(match request {
            Request::Version { major, minor } => reply::version(major, minor)?,
            Request::DmaMap(map) => {
                if fds.len() > 1 {
                    return Err(Refusal::Descriptors {
                        expected: 1,
                        actual: fds.len(),
                    });
                }
                device.dma_map(&map, fds.pop())?;
                Reply::default()
            }
            Request::DmaUnmap {
                flags, iova, size, ..
            } => {
                let (iova, size) = unmap_range(flags, iova, size)?;
                device.dma_unmap(iova, size);
                reply::payload(payload.get(..24).unwrap_or_default().to_vec())
            }
            Request::DeviceInfo => reply::device_info(),
            Request::RegionInfo { argsz, index } => {
                reply::region_info(argsz, index, device.region_info(index))
            }
            Request::IrqInfo { index } => reply::irq_info(index, device.irq_info(index)),
            Request::SetIrqs(set) => {
                device.set_irqs(&set, fds)?;
                Reply::default()
            }
            Request::RegionRead {
                region,
                offset,
                count,
            } => {
                let mut data = vec![0; count];
                device.region_read(region, offset, &mut data)?;
                reply::region(region, offset, count, &data)
            }
            Request::RegionWrite {
                region,
                offset,
                data,
            } => {
                device.region_write(region, offset, data)?;
                reply::region(region, offset, data.len(), &[])
            }
            Request::Reset => {
                device.reset();
                Reply::default()
            }
        })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.device.disconnect();
        tracing::info!("{}: Client disconnected", self.device.name());
    }
}

/// Receives one message; `None` when the peer closed the connection between two.
fn receive(stream: &UnixStream) -> Result<Option<Incoming>, ConnectionError> {
    let mut head = [0; HEADER_SIZE];
    let mut fds = Vec::new();
    if !socket::receive(stream, &mut head, &mut fds)? {
        return Ok(None);
    }
    let header = Header::parse(&head)?;
    let mut payload = vec![0; header.size as usize - HEADER_SIZE];
    if !payload.is_empty() && !socket::receive(stream, &mut payload, &mut fds)? {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    Ok(Some(Incoming {
        header,
        payload,
        fds,
    }))
}

fn unmap_range(flags: u32, iova: u64, size: u64) -> Result<(u64, u64), MessageError> {
    const ALL: u32 = 2;
    match flags {
        0 => Ok((iova, size)),
        ALL => Ok((0, u64::MAX)),
        other => Err(MessageError::Flags(other)),
    }
}
