// SPDX-License-Identifier: GPL-2.0
//! The control socket: questions to a running emulator, one JSON object per line each way.
//!
//! ```text
//! -> {"execute": "counters"}            <- {"return": {"sees": ..., "counts": [...], "predicted": ...}}
//! -> {"execute": "nonsense"}            <- {"error": {"desc": "..."}}
//! ```
//!
//! One client at a time; the others wait in the socket's queue.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::fabric::Fabric;
use crate::socket::Listener;
use crate::traffic::Report;

/// Bytes of a request at most.
const MAX_REQUEST: u64 = 4096;

/// For an answer; the emulator makes it from memory.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "execute", rename_all = "kebab-case")]
pub enum Request {
    /// Where the counters stand.
    Counters,
    /// Where the counters stand; then they are zero.
    TakeCounters,
}

/// What the emulator says.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Return(Report),
    Error { desc: String },
}

/// Why a question has no answer.
#[derive(Debug, Error)]
pub enum AskError {
    /// Nobody listens.
    #[error("no emulator listens on {path}: start one with --control {path}")]
    Connect {
        /// The socket.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The connection failed.
    #[error("the emulator did not answer on {path}")]
    Io {
        /// The socket.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The answer is none of ours.
    #[error("the answer on {path} is not of this emulator's version: {source}")]
    Answer {
        /// The socket.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The emulator refused.
    #[error("the emulator refused: {0}")]
    Refused(String),
}

/// Answers clients until the listener is stopped.
pub fn run(fabric: &Fabric, listener: &Listener) {
    while let Some(stream) = listener.accept() {
        if let Err(error) = serve(fabric, &stream) {
            tracing::warn!("Control: The connection failed: {error}");
        }
    }
}

fn serve(fabric: &Fabric, mut stream: &UnixStream) -> io::Result<()> {
    let mut lines = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if lines.by_ref().take(MAX_REQUEST).read_line(&mut line)? == 0 {
            return Ok(());
        }
        let answer = match serde_json::from_str(&line) {
            Ok(Request::Counters) => Answer::Return(fabric.traffic()),
            Ok(Request::TakeCounters) => Answer::Return(fabric.take_traffic()),
            Err(error) => Answer::Error {
                desc: format!(
                    "{error}, expected {{\"execute\": \"counters\"}} or \"take-counters\""
                ),
            },
        };
        let text = serde_json::to_string(&answer)?;
        stream.write_all(format!("{text}\n").as_bytes())?;
    }
}

/// Asks a running emulator.
///
/// # Errors
///
/// See [`AskError`].
pub fn ask(path: &Path, request: Request) -> Result<Report, AskError> {
    let stream = UnixStream::connect(path).map_err(|source| AskError::Connect {
        path: path.to_owned(),
        source,
    })?;
    let line = exchange(&stream, request).map_err(|source| AskError::Io {
        path: path.to_owned(),
        source,
    })?;
    let answer = serde_json::from_str(&line).map_err(|source| AskError::Answer {
        path: path.to_owned(),
        source,
    })?;
    match answer {
        Answer::Return(report) => Ok(report),
        Answer::Error { desc } => Err(AskError::Refused(desc)),
    }
}

fn exchange(mut stream: &UnixStream, request: Request) -> io::Result<String> {
    stream.set_read_timeout(Some(ANSWER_TIME))?;
    let request = serde_json::to_string(&request)?;
    stream.write_all(format!("{request}\n").as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(line)
}
