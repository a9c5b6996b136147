// SPDX-License-Identifier: GPL-2.0
//! A trace as a file that Perfetto and Chrome's `about:tracing` open: the JSON trace event format.
//!
//! Each line becomes an instant on a track of the side that made it, with what the line says as its
//! arguments.

use std::io::{self, BufRead, Write};

use serde_json::{json, Map, Value};
use thiserror::Error;

/// Why a trace cannot be converted.
#[derive(Debug, Error)]
pub enum ConvertError {
    /// Reading or writing failed.
    #[error("cannot convert the trace: {0}")]
    Io(#[from] io::Error),
    /// A line is not of a trace.
    #[error(
        "line {0} is not of a trace: expected seconds and a transaction, as --trace writes them"
    )]
    Line(usize),
}

/// Tracks: first word of a transaction, process, and name for people.
const TRACKS: &[(&str, u32, &str)] = &[
    ("config", RC, "configuration space"),
    ("bar", RC, "BARs"),
    ("doorbell", RC, "doorbells"),
    ("window", EP, "outbound window"),
    ("irq", EP, "interrupts"),
    ("dma", EP, "DMA engine"),
    ("command", EP, "commands to the controller"),
];

/// Process numbers in the file.
const RC: u32 = 1;
const EP: u32 = 2;
const LINK: u32 = 3;

/// Converts a trace; returns the number of transactions.
///
/// # Errors
///
/// See [`ConvertError`].
pub fn convert(input: impl BufRead, output: &mut impl Write) -> Result<usize, ConvertError> {
    write!(output, "{{\"traceEvents\": [")?;
    for (at, event) in names().enumerate() {
        write!(output, "{}\n{event}", if at == 0 { "" } else { "," })?;
    }
    let mut count = 0;
    for line in input.lines() {
        count += 1;
        let event = event(&line?).ok_or(ConvertError::Line(count))?;
        write!(output, ",\n{event}")?;
    }
    writeln!(output, "\n]}}")?;
    Ok(count)
}

/// Names of processes and tracks.
fn names() -> impl Iterator<Item = Value> {
    let processes = [(RC, "root complex"), (EP, "endpoint"), (LINK, "link")];
    let processes = processes.into_iter().map(|(process, name)| {
        json!({ "ph": "M", "name": "process_name", "pid": process, "args": { "name": name } })
    });
    let tracks = (1..).zip(TRACKS).map(|(track, (_, process, name))| {
        json!({ "ph": "M", "name": "thread_name", "pid": process, "tid": track, "args": { "name": name } })
    });
    processes.chain(tracks)
}

/// The event of a line.
fn event(line: &str) -> Option<Value> {
    let (seconds, transaction) = line.split_once(' ')?;
    let microseconds = seconds.parse::<f64>().ok()? * 1e6;
    let (mut name, mut arguments) = (Vec::new(), Map::new());
    // Arguments of a command are a list, the only spaces inside a value.
    for word in transaction.replace(", ", ",").split(' ') {
        match word.split_once('=') {
            Some((key, value)) => drop(arguments.insert(key.to_owned(), value.into())),
            None if arguments.is_empty() => name.push(word.to_owned()),
            None => drop(arguments.insert("outcome".to_owned(), word.into())),
        }
    }
    let kind = name.first()?;
    let track = TRACKS.iter().position(|(first, ..)| first == kind);
    let process = track
        .and_then(|track| TRACKS.get(track))
        .map_or(LINK, |track| track.1);
    Some(json!({
        "ph": "i", "s": "t", "ts": microseconds, "name": name.join(" "), "pid": process,
        "tid": track.map_or(0, |track| track + 1), "args": arguments,
    }))
}
