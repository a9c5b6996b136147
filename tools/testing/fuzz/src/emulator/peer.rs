// SPDX-License-Identifier: GPL-2.0
//! A monitor at one of the emulator's sockets, which is served in the same thread: it sends one message, has it
//! answered, and looks at the replies.

use std::io::Read;
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, LazyLock};

use epc_emulator::socket;
use epc_emulator::vfio_user::message::{flags, Header, HEADER_SIZE};
use epc_emulator::vfio_user::{Connection, Device, Server};
use rustix::event::{eventfd, EventfdFlags};
use rustix::fs::{ftruncate, memfd_create, MemfdFlags};

/// Bytes of the memory that guests give.
pub const MEMORY_SIZE: u64 = 1 << 20;

/// The memory of all guests.
static MEMORY: LazyLock<OwnedFd> = LazyLock::new(|| {
    let memory = memfd_create("guest", MemfdFlags::CLOEXEC).expect("memfd");
    ftruncate(&memory, MEMORY_SIZE).expect("size");
    memory
});

/// The interrupt of all vectors.
static INTERRUPT: LazyLock<OwnedFd> =
    LazyLock::new(|| eventfd(0, EventfdFlags::NONBLOCK).expect("eventfd"));

/// Makes memory what it is when a machine starts: what is in it decides what transfers do.
pub fn clear_memory() {
    ftruncate(&*MEMORY, 0).expect("size");
    ftruncate(&*MEMORY, MEMORY_SIZE).expect("size");
}

/// Writes memory as a guest does.
pub fn write_memory(offset: u64, data: &[u8]) {
    rustix::io::pwrite(&*MEMORY, data, offset).expect("memory");
}

/// A file that comes with a message.
#[derive(Clone, Copy, Debug)]
pub enum Attached {
    Memory,
    Interrupt,
}

impl Attached {
    fn file(self) -> &'static OwnedFd {
        match self {
            Self::Memory => &MEMORY,
            Self::Interrupt => &INTERRUPT,
        }
    }
}

/// A message to send.
#[derive(Clone, Debug, Default)]
pub struct Outgoing {
    pub command: u16,
    pub flags: u32,
    pub payload: Vec<u8>,
    pub attached: Vec<Attached>,
    /// What the header says of the size, if that is not the size.
    pub claimed_size: Option<u32>,
}

/// A monitor, and the server that it talks to.
pub struct Peer {
    server: Server,
    /// Our end of the socket, and who serves the other one.
    session: Option<(UnixStream, Connection)>,
    next_id: u16,
    /// Messages that were sent.
    pub sent: u64,
}

impl Peer {
    /// A monitor of this device, which connects when it has something to say.
    pub fn new(device: Arc<dyn Device>) -> Self {
        Self {
            server: Server::new(device),
            session: None,
            next_id: 0,
            sent: 0,
        }
    }

    /// Ends the session, as a machine does that is switched off.
    pub fn leave(&mut self) {
        self.session = None;
    }

    /// Sends a message, and returns what the reply carries; nothing when there is none, or it is an error.
    pub fn send(&mut self, message: &Outgoing) -> Option<Vec<u8>> {
        let (stream, connection) = match self.session.take() {
            Some(session) => session,
            None => self.connect()?,
        };
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        self.sent += 1;
        let header = Header {
            id,
            command: message.command,
            size: 0,
            flags: message.flags,
            error: 0,
        };
        let mut bytes = header.message(&message.payload);
        let size = bytes.len() as u32;
        let claimed = message.claimed_size.unwrap_or(size);
        bytes[4..8].copy_from_slice(&claimed.to_le_bytes());
        let files: Vec<_> = message
            .attached
            .iter()
            .map(|file| file.file().as_fd())
            .collect();
        socket::send(&stream, &bytes, &files).expect("room in the socket");
        if claimed != size {
            // The server waits for the rest, or takes it for the next message: until there is no more.
            stream.shutdown(Shutdown::Write).expect("connected");
            while connection.step() {}
            return None;
        }
        let goes_on = connection.step();
        let expected = goes_on && is_request(message) && message.flags & flags::NO_REPLY == 0;
        let reply = replies(&stream, id, expected);
        self.session = goes_on.then_some((stream, connection));
        reply
    }

    fn connect(&self) -> Option<(UnixStream, Connection)> {
        let (ours, theirs) = UnixStream::pair().expect("socket pair");
        let connection = self.server.connect(theirs)?;
        ours.set_nonblocking(true).expect("socket");
        Some((ours, connection))
    }
}

fn is_request(message: &Outgoing) -> bool {
    message.flags & flags::TYPE != flags::REPLY
}

/// Takes all that the server has sent; checks that the reply is there if it is expected.
fn replies(mut stream: &UnixStream, id: u16, expected: bool) -> Option<Vec<u8>> {
    let (mut count, mut found) = (0, None);
    let mut head = [0; HEADER_SIZE];
    while let Ok(true) = socket::receive(stream, &mut head, &mut Vec::new()) {
        let header = Header::parse(&head).expect("a header");
        let mut payload = vec![0; header.size as usize - HEADER_SIZE];
        stream.read_exact(&mut payload).expect("a whole message");
        if header.is_reply() {
            assert_eq!(header.id, id, "reply to another request");
            count += 1;
            found = (header.flags & flags::ERROR == 0).then_some(payload);
        }
    }
    assert_eq!(count, usize::from(expected), "replies");
    found
}
