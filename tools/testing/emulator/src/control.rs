// SPDX-License-Identifier: GPL-2.0
//! The control socket: questions to a running emulator, one JSON object per line each way.
//!
//! ```text
//! -> {"execute": "counters"}                             <- {"return": {"sees": ..., "counts": [...], ...}}
//! -> {"execute": "fault", "arguments": {"on": "interrupt", "effect": "lose"}}      <- {"return": [...]}
//! -> {"execute": "nonsense"}                             <- {"error": {"desc": "..."}}
//! ```
//!
//! One client at a time; the others wait in the socket's queue.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::fabric::Fabric;
use crate::faults::Rule;
use crate::link::{BusError, LinkHandle};
use crate::socket::Listener;

/// Bytes of a request at most.
const MAX_REQUEST: u64 = 4096;

/// For an answer; the emulator makes it from memory.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "execute", content = "arguments", rename_all = "kebab-case")]
pub enum Request {
    /// Where the counters stand: a [`Report`](crate::traffic::Report).
    Counters,
    /// Where the counters stand; then they are zero.
    TakeCounters,
    /// Something is to go wrong. This and the next two answer with the rules:
    /// [`Progress`](crate::faults::Progress).
    Fault(Rule),
    /// Which rules there are.
    Faults,
    /// Nothing more is to go wrong.
    ClearFaults,
    /// The RC's root port is to report an error; answers with nothing.
    BusError(BusError),
}

/// What the emulator says.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Return(Value),
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
pub fn run(fabric: &Fabric, link: &LinkHandle, listener: &Listener) {
    while let Some(stream) = listener.accept() {
        if let Err(error) = serve(fabric, link, &stream) {
            tracing::warn!("Control: The connection failed: {error}");
        }
    }
}

fn serve(fabric: &Fabric, link: &LinkHandle, mut stream: &UnixStream) -> io::Result<()> {
    let mut lines = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if lines.by_ref().take(MAX_REQUEST).read_line(&mut line)? == 0 {
            return Ok(());
        }
        let answer = match serde_json::from_str(&line) {
            Ok(request) => answer(fabric, link, request),
            Err(error) => Err(format!(
                "{error}, expected for instance {{\"execute\": \"counters\"}}"
            )),
        };
        let answer = match answer {
            Ok(value) => Answer::Return(value),
            Err(desc) => Answer::Error { desc },
        };
        let text = serde_json::to_string(&answer)?;
        stream.write_all(format!("{text}\n").as_bytes())?;
    }
}

fn answer(fabric: &Fabric, link: &LinkHandle, request: Request) -> Result<Value, String> {
    let faults = &fabric.faults;
    let value = match request {
        Request::Counters => serde_json::to_value(fabric.traffic()),
        Request::TakeCounters => serde_json::to_value(fabric.take_traffic()),
        Request::Fault(rule) => {
            faults.add(rule).map_err(|error| error.to_string())?;
            serde_json::to_value(faults.list())
        }
        Request::Faults => serde_json::to_value(faults.list()),
        Request::ClearFaults => {
            faults.clear();
            serde_json::to_value(faults.list())
        }
        Request::BusError(error) => {
            link.report(error).map_err(|error| error.to_string())?;
            Ok(Value::Null)
        }
    };
    value.map_err(|error| error.to_string())
}

/// Asks a running emulator; the request says what it answers with.
///
/// # Errors
///
/// See [`AskError`].
pub fn ask<T: DeserializeOwned>(path: &Path, request: Request) -> Result<T, AskError> {
    let stream = UnixStream::connect(path).map_err(|source| AskError::Connect {
        path: path.to_owned(),
        source,
    })?;
    let line = exchange(&stream, request).map_err(|source| AskError::Io {
        path: path.to_owned(),
        source,
    })?;
    let answer = match serde_json::from_str(&line) {
        Ok(Answer::Return(value)) => serde_json::from_value(value),
        Ok(Answer::Error { desc }) => return Err(AskError::Refused(desc)),
        Err(error) => Err(error),
    };
    answer.map_err(|source| AskError::Answer {
        path: path.to_owned(),
        source,
    })
}

fn exchange(mut stream: &UnixStream, request: Request) -> io::Result<String> {
    stream.set_read_timeout(Some(ANSWER_TIME))?;
    let request = serde_json::to_string(&request)?;
    stream.write_all(format!("{request}\n").as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(line)
}
