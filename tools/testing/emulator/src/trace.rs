// SPDX-License-Identifier: GPL-2.0
//! One line per transaction: the single place through which everything passes that crosses the
//! link or a border of the emulator and is seen by it.
//!
//! What it is not: accesses to mapped memory (BAR pages and window pages) are not seen by the
//! emulator, so they are not here.
//!
//! Locking: a leaf lock around the writer; any thread.

use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use epc_regs::{Opcode, Status};

use crate::sync::lock;

/// Direction of an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The initiator reads.
    Read,
    /// The initiator writes.
    Write,
}

/// What happened. Offsets, addresses and sizes are in bytes; `window` is an offset in the window.
#[allow(missing_docs, reason = "each variant explains its fields")]
#[derive(Clone, Debug)]
pub enum Transaction<'a> {
    /// The RC accessed the function's configuration space.
    Config {
        access: Access,
        offset: u64,
        data: &'a [u8],
    },
    /// The RC accessed a trapped part of a BAR.
    Bar {
        bar: usize,
        access: Access,
        offset: u64,
        data: &'a [u8],
    },
    /// The EP accessed a trapped outbound window.
    Window {
        access: Access,
        offset: u64,
        pci: Option<u64>,
        data: &'a [u8],
    },
    /// The EP gave the controller a command; without a status it is still running.
    Command {
        opcode: Option<Opcode>,
        immediate: u16,
        args: &'a [u64],
        status: Option<Status>,
    },
    /// A piece of RC memory appeared in the mapped window.
    Map { window: u64, pci: u64, size: u64 },
    /// A piece of RC memory was withdrawn from the mapped window.
    Unmap { window: u64, pci: u64, size: u64 },
    /// A part of a translation has no RC memory behind it.
    Hole { window: u64, pci: u64, size: u64 },
    /// An interrupt went to the RC, or was kept pending.
    Interrupt {
        kind: &'static str,
        vector: u32,
        outcome: &'static str,
    },
    /// The RC rang a doorbell.
    Doorbell { index: u64, value: u64 },
    /// The controller's DMA engine moved data.
    Dma {
        access: Access,
        pci: u64,
        ep: u64,
        size: u64,
    },
    /// A guest's memory came.
    MemoryMap {
        side: &'static str,
        base: u64,
        size: u64,
        usable: bool,
    },
    /// A guest's memory went.
    MemoryUnmap {
        side: &'static str,
        base: u64,
        size: u64,
    },
    /// Link, bus master or function reset.
    Link { event: &'static str },
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
        })
    }
}

impl fmt::Display for Transaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config {
                access,
                offset,
                data,
            } => {
                write!(f, "config {access} offset={offset:#x} {}", Data(data))
            }
            Self::Bar {
                bar,
                access,
                offset,
                data,
            } => {
                write!(
                    f,
                    "bar {access} bar={bar} offset={offset:#x} {}",
                    Data(data)
                )
            }
            Self::Window {
                access,
                offset,
                pci: Some(pci),
                data,
            } => {
                write!(
                    f,
                    "window {access} offset={offset:#x} pci={pci:#x} {}",
                    Data(data)
                )
            }
            Self::Window {
                access,
                offset,
                pci: None,
                data,
            } => {
                write!(
                    f,
                    "window {access} offset={offset:#x} unmapped {}",
                    Data(data)
                )
            }
            Self::Command {
                opcode,
                immediate,
                args,
                status,
            } => {
                match opcode {
                    Some(opcode) => write!(f, "command {opcode:?}")?,
                    None => write!(f, "command unknown")?,
                }
                write!(f, " immediate={immediate:#x} args={args:x?} status=")?;
                match status {
                    Some(status) => write!(f, "{status:?}"),
                    None => write!(f, "Busy"),
                }
            }
            Self::Map { window, pci, size } => {
                write!(f, "map window={window:#x} pci={pci:#x} size={size:#x}")
            }
            Self::Unmap { window, pci, size } => {
                write!(f, "unmap window={window:#x} pci={pci:#x} size={size:#x}")
            }
            Self::Hole { window, pci, size } => {
                write!(f, "hole window={window:#x} pci={pci:#x} size={size:#x}")
            }
            Self::Interrupt {
                kind,
                vector,
                outcome,
            } => {
                write!(f, "irq kind={kind} vector={vector} {outcome}")
            }
            Self::Doorbell { index, value } => write!(f, "doorbell index={index} value={value:#x}"),
            Self::Dma {
                access,
                pci,
                ep,
                size,
            } => {
                write!(f, "dma {access} pci={pci:#x} ep={ep:#x} size={size:#x}")
            }
            Self::MemoryMap {
                side,
                base,
                size,
                usable,
            } => {
                let kind = if *usable { "ram" } else { "other" };
                write!(
                    f,
                    "memory map side={side} base={base:#x} size={size:#x} {kind}"
                )
            }
            Self::MemoryUnmap { side, base, size } => {
                write!(f, "memory unmap side={side} base={base:#x} size={size:#x}")
            }
            Self::Link { event } => write!(f, "link {event}"),
        }
    }
}

/// Bytes of an access: a number when it is one, else only the size.
struct Data<'a>(&'a [u8]);

impl fmt::Display for Data<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "size={}", self.0.len())?;
        if self.0.len() > 8 {
            return Ok(());
        }
        let mut word = [0; 8];
        for (to, from) in word.iter_mut().zip(self.0) {
            *to = *from;
        }
        write!(f, " value={:#x}", u64::from_le_bytes(word))
    }
}

/// Where transactions go; does nothing unless a file was asked for.
#[derive(Debug)]
pub struct Trace {
    start: Instant,
    out: Option<Mutex<BufWriter<File>>>,
}

impl Trace {
    /// A trace that drops everything.
    pub fn off() -> Self {
        Self {
            start: Instant::now(),
            out: None,
        }
    }

    /// A trace into a new file.
    ///
    /// # Errors
    ///
    /// The file cannot be created.
    pub fn to_file(path: &Path) -> io::Result<Self> {
        Ok(Self {
            start: Instant::now(),
            out: Some(Mutex::new(BufWriter::new(File::create(path)?))),
        })
    }

    /// Records one transaction. Each line reaches the file at once, so that a test may follow it.
    pub fn record(&self, transaction: &Transaction<'_>) {
        let Some(out) = &self.out else { return };
        let now = self.start.elapsed();
        let mut out = lock(out);
        let written = writeln!(out, "{:.6} {transaction}", now.as_secs_f64());
        if let Err(error) = written.and_then(|()| out.flush()) {
            tracing::warn!("Cannot write the trace: {error}");
        }
    }
}
