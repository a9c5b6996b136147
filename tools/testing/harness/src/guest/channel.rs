// SPDX-License-Identifier: GPL-2.0
//! Commands for a guest over a virtio port; the other end is tools/testing/images/init, which
//! also has the protocol.
//!
//! The answer ends with a line that begins with the request's identifier. It is drawn at random,
//! so whatever bytes a command prints are told from the end.

use std::hash::{BuildHasher, RandomState};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{bail, Context, Result};

use crate::interrupt;

/// How long one read waits before deadline and Ctrl-C are looked at.
const READ_SLICE: Duration = Duration::from_millis(50);

/// What a command printed, on both of its outputs, and how it ended.
#[derive(Debug)]
pub struct Output {
    /// Exit status; 128 + n after signal n.
    pub status: i32,
    /// What it printed.
    pub bytes: Vec<u8>,
}

/// How a request went.
pub enum Answer {
    /// The command ended.
    Ended(Output),
    /// It did not end in time; `finish` reads the rest once it is stopped.
    Late,
}

/// One connection to a guest, one command at a time.
pub struct Channel {
    stream: UnixStream,
    request: String,
    received: Vec<u8>,
}

impl Channel {
    /// Makes the socket which the virtual machine connects to when it starts.
    pub fn listen(path: &Path) -> Result<UnixListener> {
        if path.exists() {
            std::fs::remove_file(path)?;
        }
        let listener = UnixListener::bind(path)
            .with_context(|| format!("cannot listen at {}", path.display()))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    }

    /// Takes the connection, `None` when there is none yet.
    pub fn accept(listener: &UnixListener) -> Result<Option<Self>> {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(READ_SLICE))?;
        Ok(Some(Self {
            stream,
            request: String::new(),
            received: Vec::new(),
        }))
    }

    /// The identifier of the last request.
    pub fn request(&self) -> &str {
        &self.request
    }

    /// Runs a shell script, and waits for its end at most for `bound`.
    pub fn run(&mut self, script: &str, bound: Duration) -> Result<Answer> {
        self.request = format!("{:016x}", RandomState::new().hash_one(script));
        self.received.clear();
        write!(self.stream, "{} {}\n{script}", self.request, script.len())
            .context("the guest does not take commands")?;
        self.finish(bound)
    }

    /// Waits for the end of the last request.
    pub fn finish(&mut self, bound: Duration) -> Result<Answer> {
        let end = Instant::now() + bound;
        let mut chunk = [0; 16 << 10];
        loop {
            if let Some(output) = self.take_answer()? {
                return Ok(Answer::Ended(output));
            }
            interrupt::check()?;
            if Instant::now() >= end {
                return Ok(Answer::Late);
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => bail!("the virtual machine closed the command channel"),
                Ok(count) => self.received.extend_from_slice(&chunk[..count]),
                Err(error) if is_retry(error.kind()) => {}
                Err(error) => return Err(error).context("the command channel broke"),
            }
        }
    }

    /// Returns the answer when all of it is there.
    fn take_answer(&mut self) -> Result<Option<Output>> {
        let trailer = format!("\n{} ", self.request);
        if !self.received.ends_with(b"\n") {
            return Ok(None);
        }
        let Some(at) = find_last(&self.received, trailer.as_bytes()) else {
            return Ok(None);
        };
        let status = std::str::from_utf8(&self.received[at + trailer.len()..])?
            .trim_end()
            .parse()
            .context("the guest sent a status that is no number")?;
        self.received.truncate(at);
        Ok(Some(Output {
            status,
            bytes: std::mem::take(&mut self.received),
        }))
    }
}

fn is_retry(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

fn find_last(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes
        .windows(pattern.len())
        .rposition(|window| window == pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel_with(received: &[u8]) -> Channel {
        let (stream, _) = UnixStream::pair().unwrap();
        Channel {
            stream,
            request: "0123".to_owned(),
            received: received.to_vec(),
        }
    }

    #[test]
    fn answer_that_is_whole_is_taken() {
        let output = channel_with(b"a\xff\n\n0123 7\n")
            .take_answer()
            .unwrap()
            .unwrap();
        assert_eq!((output.status, &*output.bytes), (7, &b"a\xff\n"[..]));
    }

    #[test]
    fn answer_without_its_end_is_not_taken() {
        for part in ["", "text\n", "\n0123 ", "\n0123 1"] {
            assert!(channel_with(part.as_bytes())
                .take_answer()
                .unwrap()
                .is_none());
        }
    }
}
