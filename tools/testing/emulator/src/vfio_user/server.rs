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

use serde_json::json;
use thiserror::Error;

use super::device::{Device, Refusal, RegionInfo};
use super::message::{
    self, command, flags, irq, Header, MessageError, Request, CONFIG_REGION, HEADER_SIZE, MAX_DATA,
    MAX_MESSAGE_FDS, REGION_COUNT,
};
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

/// What goes back: the payload, and a file for the client to map.
#[derive(Default)]
struct Reply {
    payload: Vec<u8>,
    file: Option<Arc<std::fs::File>>,
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
        let name = self.device.name();
        let client = match Client::new(stream) {
            Ok(client) => client,
            Err(error) => return tracing::error!("{name}: Cannot set up the connection: {error}"),
        };
        if let Err(refusal) = self.device.connect(&client) {
            return tracing::error!("{name}: Client sent away: {refusal}");
        }
        tracing::info!("{name}: Client connected");
        if let Err(error) = self.talk(&client) {
            let reason = std::error::Error::source(&error).map(ToString::to_string);
            tracing::error!("{name}: {error}: {}", reason.unwrap_or_default());
        }
        self.device.disconnect();
        tracing::info!("{name}: Client disconnected");
    }

    fn talk(&self, client: &Client) -> Result<(), ConnectionError> {
        while let Some(incoming) = receive(&client.stream)? {
            if incoming.header.is_reply() {
                self.note_reply(&incoming.header);
            } else {
                self.answer(client, incoming)?;
            }
        }
        Ok(())
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

    fn answer(&self, client: &Client, incoming: Incoming) -> Result<(), ConnectionError> {
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
        client.send(&header.reply(error).message(&reply.payload), &fds)?;
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
            Request::Version { major, minor } => version(major, minor)?,
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
                payload_reply(payload.get(..24).unwrap_or_default().to_vec())
            }
            Request::DeviceInfo => device_info(),
            Request::RegionInfo { argsz, index } => {
                region_info(argsz, index, device.region_info(index))
            }
            Request::IrqInfo { index } => irq_info(index, device.irq_info(index)),
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
                region_reply(region, offset, count, &data)
            }
            Request::RegionWrite {
                region,
                offset,
                data,
            } => {
                device.region_write(region, offset, data)?;
                region_reply(region, offset, data.len(), &[])
            }
            Request::Reset => {
                device.reset();
                Reply::default()
            }
        })
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

fn payload_reply(payload: Vec<u8>) -> Reply {
    Reply {
        payload,
        file: None,
    }
}

fn version(major: u16, minor: u16) -> Result<Reply, Refusal> {
    if major != 0 {
        return Err(MessageError::Flags(major.into()).into());
    }
    tracing::debug!("Client speaks vfio-user {major}.{minor}");
    let capabilities = json!({ "capabilities": {
        "max_msg_fds": MAX_MESSAGE_FDS,
        "max_data_xfer_size": MAX_DATA,
    }});
    let text = capabilities.to_string();
    let reply = Message::default()
        .u16(0)
        .u16(0)
        .bytes(text.as_bytes())
        .bytes(&[0]);
    Ok(payload_reply(reply.0))
}

fn unmap_range(flags: u32, iova: u64, size: u64) -> Result<(u64, u64), MessageError> {
    const ALL: u32 = 2;
    match flags {
        0 => Ok((iova, size)),
        ALL => Ok((0, u64::MAX)),
        other => Err(MessageError::Flags(other)),
    }
}

fn device_info() -> Reply {
    const RESET: u32 = 1;
    const PCI: u32 = 2;
    let info = Message::default().u32(16).u32(RESET | PCI);
    payload_reply(info.u32(REGION_COUNT).u32(irq::COUNT).0)
}

/// Describes a region; the list of mappable areas is a capability behind the fixed part, given only
/// when the client has room for it, which it learns from the size in the first reply. The file goes with
/// the list.
fn region_info(argsz: u32, index: u32, info: RegionInfo) -> Reply {
    const FIXED: u32 = 32;
    const READ: u32 = 1;
    const WRITE: u32 = 2;
    const MMAP: u32 = 4;
    const CAPS: u32 = 8;
    let mut flags = if info.size > 0 { READ | WRITE } else { 0 };
    let Some(mappable) = info.mappable else {
        let fixed = Message::default().u32(FIXED).u32(flags).u32(index).u32(0);
        return payload_reply(fixed.u64(info.size).u64(0).0);
    };
    flags |= MMAP | CAPS;
    let areas = sparse_areas(&mappable.areas);
    let needed = FIXED + areas.len() as u32;
    let fits = argsz >= needed;
    let head = Message::default().u32(needed).u32(flags).u32(index);
    let fixed = head.u32(FIXED).u64(info.size).u64(mappable.offset);
    Reply {
        payload: if fits { fixed.bytes(&areas).0 } else { fixed.0 },
        file: fits.then_some(mappable.file),
    }
}

fn sparse_areas(areas: &[(u64, u64)]) -> Vec<u8> {
    const SPARSE_MMAP: u16 = 1;
    const VERSION: u16 = 1;
    let head = Message::default().u16(SPARSE_MMAP).u16(VERSION).u32(0);
    let head = head.u32(areas.len() as u32).u32(0);
    areas
        .iter()
        .fold(head, |list, (offset, size)| list.u64(*offset).u64(*size))
        .0
}

fn irq_info(index: u32, info: super::device::IrqInfo) -> Reply {
    const EVENTFD: u32 = 1;
    const MASKABLE: u32 = 2;
    const AUTOMASKED: u32 = 4;
    let flags = EVENTFD
        | if info.automasked {
            MASKABLE | AUTOMASKED
        } else {
            0
        };
    payload_reply(
        Message::default()
            .u32(16)
            .u32(flags)
            .u32(index)
            .u32(info.count)
            .0,
    )
}

fn region_reply(region: u32, offset: u64, count: usize, data: &[u8]) -> Reply {
    let head = Message::default().u64(offset).u32(region).u32(count as u32);
    payload_reply(head.bytes(data).0)
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
