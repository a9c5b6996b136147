// SPDX-License-Identifier: GPL-2.0
//! A scripted monitor of the window device: the main socket and the backend channel of vhost-user.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use epc_emulator::controller::outbound::Outbound;
use epc_emulator::socket;
use epc_emulator::vhost_user::message::{backend, encode, request};
use epc_emulator::vhost_user::Frontend;

use super::WINDOW_SIZE;

/// A monitor.
pub struct Window {
    pub main: UnixStream,
    backend: UnixStream,
}

/// A mapping request of the emulator.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    pub is_map: bool,
    pub file_offset: u64,
    pub window: u64,
    pub size: u64,
}

impl Window {
    /// Connects, negotiates and enables the queue, as QEMU does at DRIVER_OK.
    pub fn connect(outbound: &Arc<Outbound>) -> Self {
        let (main, theirs) = UnixStream::pair().expect("socket pair");
        let frontend = Frontend::new(Arc::clone(outbound), WINDOW_SIZE);
        thread::spawn(move || frontend.serve(&theirs));
        main.set_read_timeout(Some(Duration::from_secs(10)))
            .expect("timeout");
        let (ours, channel) = UnixStream::pair().expect("socket pair");
        ours.set_read_timeout(Some(Duration::from_secs(10)))
            .expect("timeout");
        let window = Self {
            main,
            backend: ours,
        };
        window.send(request::SET_BACKEND_REQ_FD, &[], Some(channel.into()));
        window.enable(true);
        window
    }

    /// Enables or disables the queue; the reply to the question after it says that it is done.
    pub fn enable(&self, enabled: bool) {
        let payload = [0, 0, 0, 0, u8::from(enabled), 0, 0, 0];
        self.send(request::SET_VRING_ENABLE, &payload, None);
        self.ask(request::GET_QUEUE_NUM, &[]);
    }

    pub fn send(&self, number: u32, payload: &[u8], fd: Option<OwnedFd>) {
        let file = fd.map(File::from);
        let fds: Vec<_> = file.iter().map(std::os::fd::AsFd::as_fd).collect();
        socket::send(&self.main, &encode(number, 0, payload), &fds).expect("send");
    }

    /// Sends a request and returns the payload of its reply.
    pub fn ask(&self, number: u32, payload: &[u8]) -> Vec<u8> {
        self.send(number, payload, None);
        let (head, payload, _) = receive(&self.main);
        assert_eq!(head, [number, 1 | 4, payload.len() as u32]);
        payload
    }

    /// Waits for a mapping request and answers it.
    pub fn serve(&self, result: u64) -> Request {
        self.serve_after(result, || {})
    }

    /// Waits for a mapping request, calls `before`, and answers.
    pub fn serve_after(&self, result: u64, before: impl FnOnce()) -> Request {
        let (head, payload, fds) = receive(&self.backend);
        let word =
            |at: usize| u64::from_le_bytes(payload[8 * at..8 * at + 8].try_into().expect("word"));
        let is_map = head[0] == backend::SHMEM_MAP;
        assert!(is_map || head[0] == backend::SHMEM_UNMAP);
        assert_eq!(fds.len(), usize::from(is_map), "descriptors with {head:?}");
        assert_eq!(word(0), u64::from(epc_regs::WINDOW_SHM_ID));
        let request = Request {
            is_map,
            file_offset: word(1),
            window: word(2),
            size: word(3),
        };
        before();
        let reply = encode(head[0], 4, &result.to_le_bytes());
        socket::send(&self.backend, &reply, &[]).expect("reply");
        request
    }

    /// Says that no mapping request is waiting.
    pub fn assert_quiet(&self) {
        self.backend.set_nonblocking(true).expect("mode");
        let peeked = socket::receive(&self.backend, &mut [0], &mut Vec::new());
        assert!(peeked.is_err(), "an unexpected mapping request");
        self.backend.set_nonblocking(false).expect("mode");
    }
}

fn receive(stream: &UnixStream) -> ([u32; 3], Vec<u8>, Vec<OwnedFd>) {
    let mut head = [0; 12];
    let mut fds = Vec::new();
    assert!(socket::receive(stream, &mut head, &mut fds).expect("message"));
    let word = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().expect("word"));
    let mut payload = vec![0; word(8) as usize];
    if !payload.is_empty() {
        socket::receive(stream, &mut payload, &mut fds).expect("payload");
    }
    ([word(0), word(4), word(8)], payload, fds)
}
