// SPDX-License-Identifier: GPL-2.0
//! What the EP says about accesses that come in through BARs, and the DMA engine, which moves data between
//! both memories without a window.

use epc_regs::{Backing, Status, DMA_MAX_SIZE};

use super::Controller;
use crate::trace::{Access, Transaction};

/// Bytes that are copied in one step.
const CHUNK: usize = 64 << 10;

/// Checks a backing.
///
/// # Errors
///
/// `BadArgument` when there is no such kind.
pub fn backing(raw: u64) -> Result<Backing, Status> {
    Backing::from_raw(raw).ok_or(Status::BadArgument)
}

/// Checks the level of INTx.
///
/// # Errors
///
/// `BadArgument` unless it is 0 or 1.
pub fn level(raw: u16) -> Result<bool, Status> {
    match raw {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Status::BadArgument),
    }
}

impl Controller {
    /// Copies RC memory to EP memory.
    ///
    /// # Errors
    ///
    /// `BadArgument`: size. `NotEnabled`: link or bus master. `BadAddress`, `NotRcMemory`: ranges.
    pub(super) fn dma_read(&self, pci: u64, ep: u64, size: u64) -> Result<(), Status> {
        self.check_dma(pci, ep, size)?;
        let (from, to) = (&self.fabric.rc_memory, &self.fabric.ep_memory);
        copy(size, |at, chunk| {
            from.read(pci + at, chunk)
                .map_err(|_| Status::NotRcMemory)?;
            to.write(ep + at, chunk).map_err(|_| Status::BadAddress)
        })?;
        self.trace_dma(Access::Read, pci, ep, size);
        Ok(())
    }

    /// Copies EP memory to RC memory.
    ///
    /// # Errors
    ///
    /// As [`dma_read`](Self::dma_read).
    pub(super) fn dma_write(&self, pci: u64, ep: u64, size: u64) -> Result<(), Status> {
        self.check_dma(pci, ep, size)?;
        let (from, to) = (&self.fabric.ep_memory, &self.fabric.rc_memory);
        copy(size, |at, chunk| {
            from.read(ep + at, chunk).map_err(|_| Status::BadAddress)?;
            to.write(pci + at, chunk).map_err(|_| Status::NotRcMemory)
        })?;
        self.trace_dma(Access::Write, pci, ep, size);
        Ok(())
    }

    fn check_dma(&self, pci: u64, ep: u64, size: u64) -> Result<(), Status> {
        let fabric = &self.fabric;
        if size == 0 || size > DMA_MAX_SIZE {
            return Err(Status::BadArgument);
        }
        if !self.function.is_open() {
            return Err(Status::NotEnabled);
        }
        if !fabric.ep_memory.contains(ep, size) {
            return Err(Status::BadAddress);
        }
        if !fabric.rc_memory.contains(pci, size) {
            return Err(Status::NotRcMemory);
        }
        Ok(())
    }

    fn trace_dma(&self, access: Access, pci: u64, ep: u64, size: u64) {
        self.fabric.trace.record(&Transaction::Dma {
            access,
            pci,
            ep,
            size,
        });
    }
}

/// Calls `step` with offset and buffer of each chunk.
fn copy(
    size: u64,
    mut step: impl FnMut(u64, &mut [u8]) -> Result<(), Status>,
) -> Result<(), Status> {
    let mut buffer = vec![0; CHUNK.min(size as usize)];
    let mut at = 0;
    while at < size {
        let count = (size - at).min(CHUNK as u64) as usize;
        step(at, buffer.get_mut(..count).unwrap_or_default())?;
        at += count as u64;
    }
    Ok(())
}
