// SPDX-License-Identifier: GPL-2.0
//! A small QMP client: greeting, commands with their replies, events.
//!
//! What it is: enough to add and remove a device. The monitor connects to the emulator, so that nothing
//! has to be polled for: `-chardev socket,id=link,path=...,server=off -mon chardev=link,mode=control`.
//!
//! Threads: one reads and turns lines into [`Message`]s; any may send.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;

use serde_json::{json, Value};
use thiserror::Error;

/// Bytes of one line at most; QMP messages of our commands are far smaller.
const MAX_LINE: u64 = 1 << 20;

/// Why the monitor cannot be talked to.
#[derive(Debug, Error)]
pub enum QmpError {
    /// The connection failed.
    #[error("the QMP connection failed: {0}")]
    Io(#[from] io::Error),
    /// A line is not JSON.
    #[error("the monitor sent a line that is not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The first line is no greeting.
    #[error("the monitor did not send a QMP greeting")]
    NoGreeting,
}

/// What the monitor says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The command with this id succeeded, and returned this.
    Done(u64, Value),
    /// The command with this id failed.
    Failed(u64, String),
    /// A device was removed.
    DeviceDeleted(String),
    /// The guest does not let go of a device.
    UnplugRefused(String),
}

/// The sending half of a connection.
#[derive(Debug)]
pub struct Sender {
    stream: UnixStream,
    next_id: u64,
}

/// The receiving half of a connection.
#[derive(Debug)]
pub struct Receiver {
    lines: BufReader<UnixStream>,
}

/// Takes up a connection: checks the greeting and leaves the negotiation mode.
///
/// # Errors
///
/// See [`QmpError`].
pub fn open(stream: UnixStream) -> Result<(Sender, Receiver), QmpError> {
    let mut receiver = Receiver {
        lines: BufReader::new(stream.try_clone()?),
    };
    let greeting = receiver.line()?.ok_or(QmpError::NoGreeting)?;
    if greeting.get("QMP").is_none() {
        return Err(QmpError::NoGreeting);
    }
    let mut sender = Sender { stream, next_id: 0 };
    sender.execute("qmp_capabilities", json!({}))?;
    Ok((sender, receiver))
}

impl Sender {
    /// Sends a command; returns the id that its reply will carry.
    ///
    /// # Errors
    ///
    /// The connection failed.
    pub fn execute(&mut self, command: &str, arguments: Value) -> io::Result<u64> {
        let id = self.next_id;
        self.next_id += 1;
        let line = json!({ "execute": command, "arguments": arguments, "id": id });
        self.stream.write_all(format!("{line}\n").as_bytes())?;
        Ok(id)
    }
}

impl Receiver {
    /// Waits for the next message that matters; `None` when the monitor is gone.
    ///
    /// # Errors
    ///
    /// See [`QmpError`].
    pub fn receive(&mut self) -> Result<Option<Message>, QmpError> {
        while let Some(line) = self.line()? {
            if let Some(message) = understand(&line) {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    fn line(&mut self) -> Result<Option<Value>, QmpError> {
        let mut line = String::new();
        let count = self.lines.by_ref().take(MAX_LINE).read_line(&mut line)?;
        if count == 0 {
            return Ok(None);
        }
        Ok(Some(serde_json::from_str(&line)?))
    }
}

fn understand(line: &Value) -> Option<Message> {
    if let Some(event) = line.get("event").and_then(Value::as_str) {
        let device = line.pointer("/data/device").and_then(Value::as_str)?;
        return match event {
            "DEVICE_DELETED" => Some(Message::DeviceDeleted(device.to_owned())),
            "DEVICE_UNPLUG_GUEST_ERROR" => Some(Message::UnplugRefused(device.to_owned())),
            _ => None,
        };
    }
    let id = line.get("id").and_then(Value::as_u64)?;
    let failure = line.pointer("/error/desc").and_then(Value::as_str);
    Some(match failure {
        Some(reason) => Message::Failed(id, reason.to_owned()),
        None => Message::Done(id, line.get("return").cloned().unwrap_or_default()),
    })
}
