// SPDX-License-Identifier: GPL-2.0
//! One line per transaction: the single place through which everything passes that crosses the
//! link or a border of the emulator and is seen by it.
//!
//! It feeds the counters (`traffic`). What it is not: accesses to mapped memory (BAR pages and window pages) are not seen by the
//! emulator, so they are not here.
//!
//! Locking: a leaf lock around the writer; any thread.

pub mod perfetto;

use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use epc_regs::{Opcode, Status};

use crate::fabric::Side;
use crate::sync::lock;
use crate::traffic::{Counters, Crossing};

/// Direction of an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The initiator reads.
    Read,
    /// The initiator writes.
    Write,
}

/// What is behind an offset of the outbound window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowTarget {
    /// Offset of the mapping in the window.
    pub mapping: u64,
    /// The function that mapped it.
    pub function: u8,
    /// PCI address.
    pub pci: u64,
}

/// A kind of interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InterruptKind {
    /// INTx.
    Intx,
    /// MSI.
    Msi,
    /// MSI-X.
    Msix,
}

/// What became of an interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// INTx is active.
    Asserted,
    /// INTx is active no more.
    Deasserted,
    /// The message went.
    Sent,
    /// The message waits for the RC to unmask it.
    Pending,
}

/// What happened. Offsets, addresses and sizes are in bytes; `window` is an offset in the window.
#[allow(missing_docs, reason = "each variant explains its fields")]
#[derive(Clone, Debug)]
pub enum Transaction<'a> {
    /// The RC accessed the configuration space of a function.
    Config {
        function: u8,
        access: Access,
        offset: u64,
        data: &'a [u8],
    },
    /// The RC accessed a trapped part of a BAR.
    Bar {
        function: u8,
        bar: usize,
        access: Access,
        offset: u64,
        /// Whether a doorbell is there.
        rings: bool,
        data: &'a [u8],
    },
    /// The EP accessed a trapped outbound window; without a target nothing is there.
    Window {
        access: Access,
        offset: u64,
        target: Option<WindowTarget>,
        data: &'a [u8],
    },
    /// The EP gave the controller a command; without a status it is still running.
    Command {
        opcode: Option<Opcode>,
        function: u8,
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
        function: u8,
        kind: InterruptKind,
        vector: u32,
        outcome: Outcome,
    },
    /// The RC rang a doorbell.
    Doorbell { index: u64, value: u64 },
    /// A transfer of the DMA engine ended; without an access, it did not cross the link.
    Dma {
        channel: usize,
        access: Option<Access>,
        entries: u32,
        /// Bytes that it has moved.
        size: u64,
        status: Status,
    },
    /// A guest's memory came.
    MemoryMap {
        side: Side,
        base: u64,
        size: u64,
        usable: bool,
    },
    /// A guest's memory went.
    MemoryUnmap { side: Side, base: u64, size: u64 },
    /// The link moved.
    Link { event: &'static str },
    /// Bus master or reset of a function.
    Function { function: u8, event: &'static str },
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
        })
    }
}

impl fmt::Display for InterruptKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Intx => "intx",
            Self::Msi => "msi",
            Self::Msix => "msix",
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asserted => "asserted",
            Self::Deasserted => "deasserted",
            Self::Sent => "sent",
            Self::Pending => "pending",
        })
    }
}

impl fmt::Display for Transaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config {
                function,
                access,
                offset,
                data,
            } => {
                let of = Of(*function);
                write!(f, "config {access} {of}offset={offset:#x} {}", Data(data))
            }
            Self::Bar {
                function,
                bar,
                access,
                offset,
                data,
                ..
            } => {
                write!(
                    f,
                    "bar {access} {}bar={bar} offset={offset:#x} {}",
                    Of(*function),
                    Data(data)
                )
            }
            Self::Window {
                access,
                offset,
                target,
                data,
            } => {
                write!(f, "window {access} offset={offset:#x} ")?;
                match target {
                    Some(WindowTarget { pci, .. }) => write!(f, "pci={pci:#x} {}", Data(data)),
                    None => write!(f, "unmapped {}", Data(data)),
                }
            }
            Self::Command {
                opcode,
                function,
                immediate,
                args,
                status,
            } => {
                match opcode {
                    Some(opcode) => write!(f, "command {opcode:?}")?,
                    None => write!(f, "command unknown")?,
                }
                let of = Of(*function);
                write!(f, " {of}immediate={immediate:#x} args={args:x?} status=")?;
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
                function,
                kind,
                vector,
                outcome,
            } => {
                let of = Of(*function);
                write!(f, "irq {of}kind={kind} vector={vector} {outcome}")
            }
            Self::Doorbell { index, value } => write!(f, "doorbell index={index} value={value:#x}"),
            Self::Dma {
                channel,
                access,
                entries,
                size,
                status,
            } => {
                match access {
                    Some(access) => write!(f, "dma {access} ")?,
                    None => write!(f, "dma copy ")?,
                }
                write!(
                    f,
                    "channel={channel} entries={entries} size={size:#x} status={status:?}"
                )
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
                    "memory map {}base={base:#x} size={size:#x} {kind}",
                    At(*side)
                )
            }
            Self::MemoryUnmap { side, base, size } => {
                let at = At(*side);
                write!(f, "memory unmap {at}base={base:#x} size={size:#x}")
            }
            Self::Link { event } => write!(f, "link {event}"),
            Self::Function { function: 0, event } => write!(f, "link {event}"),
            Self::Function { function, event } => write!(f, "link {event} function={function}"),
        }
    }
}

/// The function of a transaction; nothing for the first one, which most boards have alone.
struct Of(u8);

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            function => write!(f, "function={function} "),
        }
    }
}

/// The side of a transaction.
struct At(Side);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Side::Ep => f.write_str("side=ep "),
            Side::Rc(function) => write!(f, "side=rc {}", Of(function)),
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

/// Where transactions go: into the counters, and into a file if one was asked for.
#[derive(Debug)]
pub struct Trace {
    start: Instant,
    out: Option<Mutex<BufWriter<File>>>,
    counters: Counters,
}

impl Trace {
    /// A trace without a file.
    pub fn off() -> Self {
        Self::new(None)
    }

    /// A trace into a new file.
    ///
    /// # Errors
    ///
    /// The file cannot be created.
    pub fn to_file(path: &Path) -> io::Result<Self> {
        Ok(Self::new(Some(File::create(path)?)))
    }

    fn new(file: Option<File>) -> Self {
        Self {
            start: Instant::now(),
            out: file.map(|file| Mutex::new(BufWriter::new(file))),
            counters: Counters::default(),
        }
    }

    /// What crossed the link.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Records one transaction. Each line reaches the file at once, so that a test may follow it.
    pub fn record(&self, transaction: &Transaction<'_>) {
        if let Some(crossing) = Crossing::of(transaction) {
            self.counters.add(&crossing);
        }
        let Some(out) = &self.out else { return };
        let now = self.start.elapsed();
        let mut out = lock(out);
        let written = writeln!(out, "{:.6} {transaction}", now.as_secs_f64());
        if let Err(error) = written.and_then(|()| out.flush()) {
            tracing::warn!("Cannot write the trace: {error}");
        }
    }
}
