// SPDX-License-Identifier: GPL-2.0
//! What QEMU does with a machine from outside, by QMP.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{bail, ensure, Context, Result};
use serde_json::{json, Value};

/// For QEMU to answer.
const ANSWER_BOUND: Duration = Duration::from_secs(30);

/// How many events may come before an answer.
const MAX_EVENTS: usize = 16;

/// Has the monitor that listens at `path` execute a command without arguments.
pub fn execute(path: &Path, command: &str) -> Result<()> {
    let stream = UnixStream::connect(path)
        .with_context(|| format!("no monitor listens at {}", path.display()))?;
    stream.set_read_timeout(Some(ANSWER_BOUND))?;
    let mut lines = BufReader::new(&stream).lines();
    let greeting = lines.next().context("no greeting of the monitor")??;
    ensure!(greeting.contains("\"QMP\""), "no greeting: {greeting}");
    for command in ["qmp_capabilities", command] {
        writeln!(&stream, "{}", json!({ "execute": command }))?;
        answer(&mut lines).with_context(|| format!("QEMU's command '{command}'"))?;
    }
    Ok(())
}

/// Waits for the answer to a command.
fn answer(lines: &mut impl Iterator<Item = std::io::Result<String>>) -> Result<()> {
    for line in lines.take(MAX_EVENTS) {
        let answer: Value = serde_json::from_str(&line?)?;
        if let Some(error) = answer.get("error") {
            bail!("{error}");
        }
        if answer.get("return").is_some() {
            return Ok(());
        }
    }
    bail!("no answer");
}
