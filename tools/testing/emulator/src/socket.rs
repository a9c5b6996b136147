// SPDX-License-Identifier: GPL-2.0
//! Unix stream sockets that carry messages with file descriptors.
//!
//! What it is: the few socket operations which vfio-user, vhost-user and QMP need, and the guard of a
//! listening socket's file. What it is not: it knows no message format.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustix::net::{
    recvmsg, sendmsg, shutdown, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, Shutdown,
};
use thiserror::Error;

use crate::sync::lock;

/// File descriptors that one message can carry at most; the peers are told a smaller number.
pub const MAX_FDS: usize = 32;

/// What can go wrong while listening.
#[derive(Debug, Error)]
pub enum ListenError {
    /// Somebody listens there.
    #[error("{0} is in use: another process listens there; end it, or choose another path")]
    InUse(PathBuf),
    /// Something that is not a socket has the path.
    #[error("{0} exists and is not a socket; remove it, or choose another path")]
    NotSocket(PathBuf),
    /// The system refused.
    #[error("cannot listen on {path}")]
    Refused {
        /// Path of the socket.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// A listening socket that owns its file: the file is removed when it is dropped.
#[derive(Debug)]
pub struct Listener {
    inner: UnixListener,
    path: PathBuf,
    stop: StopHandle,
}

/// Ends the waits of a listener and of its present connection, from any thread.
#[derive(Clone, Debug)]
pub struct StopHandle {
    sockets: Arc<Mutex<Stoppable>>,
}

#[derive(Debug)]
struct Stoppable {
    stopped: bool,
    listener: OwnedFd,
    connection: Option<OwnedFd>,
}

impl Listener {
    /// Listens on `path`; a stale socket there, which nobody listens on, is replaced.
    ///
    /// # Errors
    ///
    /// See [`ListenError`].
    pub fn bind(path: &Path) -> Result<Self, ListenError> {
        let refused = |source| ListenError::Refused {
            path: path.to_owned(),
            source,
        };
        remove_stale(path)?;
        let inner = UnixListener::bind(path).map_err(refused)?;
        let stop = StopHandle {
            sockets: Arc::new(Mutex::new(Stoppable {
                stopped: false,
                listener: inner.as_fd().try_clone_to_owned().map_err(refused)?,
                connection: None,
            })),
        };
        Ok(Self {
            inner,
            path: path.to_owned(),
            stop,
        })
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for the next peer; `None` once the listener was stopped. The connection before is closed,
    /// if it was not.
    pub fn accept(&self) -> Option<UnixStream> {
        lock(&self.stop.sockets).close_connection();
        let stream = match self.inner.accept() {
            Ok((stream, _)) => stream,
            Err(error) => {
                if !lock(&self.stop.sockets).stopped {
                    tracing::error!("Cannot accept on {}: {error}", self.path.display());
                }
                return None;
            }
        };
        self.stop.watch(&stream).then_some(stream)
    }

    /// Returns the handle that stops this listener.
    pub fn stop_handle(&self) -> StopHandle {
        self.stop.clone()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!("Cannot remove {}: {error}", self.path.display());
        }
    }
}

impl StopHandle {
    /// Ends the present and every later wait.
    pub fn stop(&self) {
        let mut sockets = lock(&self.sockets);
        sockets.stopped = true;
        sockets.close_connection();
        if let Err(error) = shutdown(&sockets.listener, Shutdown::Both) {
            tracing::warn!("Cannot stop listening: {error}");
        }
    }

    /// Remembers the present connection; false when stopped meanwhile.
    fn watch(&self, stream: &UnixStream) -> bool {
        let mut sockets = lock(&self.sockets);
        sockets.connection = stream.as_fd().try_clone_to_owned().ok();
        !sockets.stopped
    }
}

impl Stoppable {
    fn close_connection(&mut self) {
        if let Some(connection) = self.connection.take() {
            // A connection that its peer has closed already is what we want.
            let _ = shutdown(&connection, Shutdown::Both);
        }
    }
}

fn remove_stale(path: &Path) -> Result<(), ListenError> {
    use std::os::unix::fs::FileTypeExt;
    let Ok(metadata) = path.symlink_metadata() else {
        return Ok(());
    };
    if !metadata.file_type().is_socket() {
        return Err(ListenError::NotSocket(path.to_owned()));
    }
    if UnixStream::connect(path).is_ok() {
        return Err(ListenError::InUse(path.to_owned()));
    }
    std::fs::remove_file(path).map_err(|source| ListenError::Refused {
        path: path.to_owned(),
        source,
    })
}

/// Fills `buffer`, and adds the file descriptors that came along to `fds`.
///
/// Returns false when the peer closed the connection before the first byte.
///
/// # Errors
///
/// `UnexpectedEof` when the peer closed the connection in mid-message, and what the system reports.
pub fn receive(stream: &UnixStream, buffer: &mut [u8], fds: &mut Vec<OwnedFd>) -> io::Result<bool> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match receive_some(stream, rest, fds)? {
            0 if filled == 0 => return Ok(false),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => filled += count,
        }
    }
    Ok(true)
}

fn receive_some(
    stream: &UnixStream,
    buffer: &mut [u8],
    fds: &mut Vec<OwnedFd>,
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(buffer)];
    let message = loop {
        match recvmsg(stream, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            result => break result?,
        }
    };
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    Ok(message.bytes)
}

/// Sends a message with its file descriptors, in one piece when the socket has room.
///
/// # Errors
///
/// What the system reports; the stream is of no use afterwards.
pub fn send(stream: &UnixStream, message: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut sent = 0;
    while let Some(rest) = message.get(sent..).filter(|rest| !rest.is_empty()) {
        let result = sendmsg(
            stream,
            &[IoSlice::new(rest)],
            &mut ancillary,
            SendFlags::NOSIGNAL,
        );
        match result {
            Err(rustix::io::Errno::INTR) => continue,
            result => sent += result?,
        }
        // The descriptors went with the first byte.
        ancillary = SendAncillaryBuffer::default();
    }
    Ok(())
}
