// SPDX-License-Identifier: GPL-2.0
//! A scripted vfio-user client: writes its messages by hand, so that wrong ones are as easy as right ones.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use epc_emulator::socket;
use epc_emulator::vfio_user::message::{command, CONFIG_REGION};

/// Errno values in replies.
pub const EINVAL: u32 = 22;
pub const EOPNOTSUPP: u32 = 95;

/// A client.
pub struct Client {
    stream: UnixStream,
    next_id: Cell<u16>,
    /// Requests of the server that came while a reply was waited for.
    requests: RefCell<VecDeque<Vec<u8>>>,
}

/// A reply: the payload, or the errno.
pub type Reply = Result<Vec<u8>, u32>;

/// A message from the server.
struct Message {
    id: u16,
    flags: u32,
    error: u32,
    payload: Vec<u8>,
    fds: Vec<OwnedFd>,
}

impl Client {
    pub fn new(stream: UnixStream) -> Self {
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .expect("timeout");
        Self {
            stream,
            next_id: Cell::new(0),
            requests: RefCell::default(),
        }
    }

    /// Sends a request as it is given, the size field included.
    pub fn send_raw(
        &self,
        command: u16,
        size: u32,
        flags: u32,
        payload: &[u8],
        fds: &[&File],
    ) -> u16 {
        let id = self.next_id.replace(self.next_id.get().wrapping_add(1));
        let mut message = Vec::new();
        message.extend(id.to_le_bytes());
        message.extend(command.to_le_bytes());
        message.extend(size.to_le_bytes());
        message.extend(flags.to_le_bytes());
        message.extend(0u32.to_le_bytes());
        message.extend(payload);
        let fds: Vec<_> = fds.iter().map(|file| file.as_fd()).collect();
        socket::send(&self.stream, &message, &fds).expect("send");
        id
    }

    /// Sends a request and waits for its reply, with the file that may come with it.
    pub fn request_with(
        &self,
        command: u16,
        payload: &[u8],
        fds: &[&File],
    ) -> (Reply, Option<OwnedFd>) {
        let id = self.send_raw(command, 16 + payload.len() as u32, 0, payload, fds);
        let mut reply = self.reply(id);
        let result = if reply.flags & 0x20 != 0 {
            Err(reply.error)
        } else {
            Ok(reply.payload)
        };
        (result, reply.fds.pop())
    }

    /// Sends a request and waits for its reply.
    pub fn request(&self, command: u16, payload: &[u8]) -> Reply {
        self.request_with(command, payload, &[]).0
    }

    fn reply(&self, id: u16) -> Message {
        loop {
            let message = self.receive().expect("the server closed the connection");
            if message.flags & 0xf == 1 {
                assert_eq!(message.id, id, "reply to another request");
                return message;
            }
            self.requests.borrow_mut().push_back(message.payload);
        }
    }

    /// Whether the server has closed the connection.
    pub fn is_closed(&self) -> bool {
        self.receive().is_none()
    }

    /// The next DMA_WRITE of the server: address and data.
    pub fn dma_write(&self) -> (u64, Vec<u8>) {
        let queued = self.requests.borrow_mut().pop_front();
        let payload = queued.unwrap_or_else(|| self.receive().expect("request").payload);
        let address = u64::from_le_bytes(payload[..8].try_into().expect("address"));
        let count = u64::from_le_bytes(payload[8..16].try_into().expect("count"));
        assert_eq!(count as usize, payload.len() - 16);
        (address, payload[16..].to_vec())
    }

    /// Whether a DMA_WRITE came before the last reply.
    pub fn has_dma_write(&self) -> bool {
        !self.requests.borrow().is_empty()
    }

    fn receive(&self) -> Option<Message> {
        let mut head = [0; 16];
        let mut fds = Vec::new();
        if !matches!(socket::receive(&self.stream, &mut head, &mut fds), Ok(true)) {
            return None;
        }
        let word = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().expect("word"));
        let mut payload = vec![0; word(4) as usize - 16];
        if !payload.is_empty() {
            socket::receive(&self.stream, &mut payload, &mut fds).expect("payload");
        }
        let id = u16::from_le_bytes([head[0], head[1]]);
        Some(Message {
            id,
            flags: word(8),
            error: word(12),
            payload,
            fds,
        })
    }

    pub fn version(&self) -> Reply {
        self.request(
            command::VERSION,
            b"\0\0\0\0{\"capabilities\":{\"max_msg_fds\":8}}\0",
        )
    }

    pub fn dma_map(&self, iova: u64, size: u64, offset: u64, file: Option<&File>) -> Reply {
        let payload = words(&[32 | (3 << 32), offset, iova, size]);
        let fds: Vec<_> = file.into_iter().collect();
        self.request_with(command::DMA_MAP, &payload, &fds).0
    }

    pub fn dma_unmap(&self, iova: u64, size: u64) -> Reply {
        self.request(command::DMA_UNMAP, &words(&[24, iova, size]))
    }

    pub fn read(&self, region: u32, offset: u64, count: u32) -> Reply {
        let reply = self.request(command::REGION_READ, &access(region, offset, count, &[]))?;
        Ok(reply[16..].to_vec())
    }

    pub fn write(&self, region: u32, offset: u64, data: &[u8]) -> Reply {
        self.request(
            command::REGION_WRITE,
            &access(region, offset, data.len() as u32, data),
        )
    }

    pub fn config(&self, offset: u64, count: u32) -> Vec<u8> {
        self.read(CONFIG_REGION, offset, count)
            .expect("configuration space")
    }

    pub fn config_u32(&self, offset: u64) -> u32 {
        u32::from_le_bytes(self.config(offset, 4).try_into().expect("four bytes"))
    }

    pub fn config_write(&self, offset: u64, data: &[u8]) {
        self.write(CONFIG_REGION, offset, data)
            .expect("configuration space");
    }

    /// Gives vectors from `start` on their eventfds.
    pub fn set_eventfds(&self, index: u32, start: u32, events: &[&super::Event]) -> Reply {
        let files: Vec<_> = events.iter().map(|event| File::from(event.fd())).collect();
        let files: Vec<_> = files.iter().collect();
        let payload = irq_set(4 | 32, index, start, events.len() as u32);
        self.request_with(command::DEVICE_SET_IRQS, &payload, &files)
            .0
    }
}

/// Payload of a request to set interrupts.
pub fn irq_set(flags: u32, index: u32, start: u32, count: u32) -> Vec<u8> {
    [20, flags, index, start, count]
        .iter()
        .flat_map(|word: &u32| word.to_le_bytes())
        .collect()
}

/// Payload of a region access.
pub fn access(region: u32, offset: u64, count: u32, data: &[u8]) -> Vec<u8> {
    let mut payload = words(&[offset, u64::from(region) | (u64::from(count) << 32)]);
    payload.extend(data);
    payload
}

/// Little-endian bytes of 64-bit words.
pub fn words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A request for region information: reply and file.
pub fn region_info(client: &Client, index: u32, argsz: u32) -> (Vec<u8>, Option<OwnedFd>) {
    let mut payload = [argsz, 0, index, 0]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect::<Vec<_>>();
    payload.extend([0; 16]);
    let (reply, file) = client.request_with(command::DEVICE_GET_REGION_INFO, &payload, &[]);
    (reply.expect("region information"), file)
}
