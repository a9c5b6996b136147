// SPDX-License-Identifier: GPL-2.0

//! A channel in the hands of its only client, with the buffer that it moves data from or to.
//!
//! Context: process; a transfer sleeps until it has ended.

use crate::{
    batch::Batch,
    bindings,
    buffer::{
        self,
        Buffer, //
    },
    Direction, //
};
use core::ptr::NonNull;
use kernel::{
    device::Device,
    dma::DmaAddress,
    prelude::*,
    sync::Arc, //
};

/// The most pieces of a transfer, each of which takes memory and an interrupt: 128 KiB in sectors of 512 bytes.
const MAX_PIECES: u32 = 256;

/// Linear memory at the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its address as the engine has it, e.g. on the PCI bus.
    pub addr: u64,
    /// How many bytes, not 0.
    pub len: usize,
}

/// A slave channel; it is released when dropped.
///
/// # Invariants
///
/// `raw` is a channel that was requested and is released by nobody else. As long as there is a buffer, the engine
/// has no descriptor between two calls.
pub struct Channel {
    raw: NonNull<bindings::dma_chan>,
    direction: Direction,
    /// `None` once the engine has it for ever.
    buffer: Option<Buffer>,
    batch: Arc<Batch>,
}

// SAFETY: The functions of the framework may be called by any thread.
unsafe impl Send for Channel {}

impl Channel {
    /// Takes a channel of the engine that belongs to `engine`, e.g. the device of a PCI controller, with a
    /// buffer of `size` bytes.
    ///
    /// # Errors
    ///
    /// `ENODEV`: none is free that moves data in this direction between memory and a device; `ENOMEM`: no memory;
    /// `EIO`: the engine does not reach it.
    pub fn request(engine: &Device, direction: Direction, size: usize) -> Result<Self> {
        let batch = Batch::new()?;
        let device = buffer::as_raw(engine);
        // SAFETY: The device exists; the function only compares it.
        let raw = unsafe { bindings::dma_client_request_slave(device, direction.as_raw()) };
        // INVARIANT: It was requested just now, and is not used yet.
        let mut this = Self {
            raw: NonNull::new(raw).ok_or(ENODEV)?,
            direction,
            buffer: None,
            batch,
        };
        // SAFETY: The channel was requested, and its device exists as long as it is not released.
        let device = unsafe { Device::get_device(bindings::dma_client_device(raw)) };
        this.buffer = Some(Buffer::new(device, direction, size)?);
        Ok(this)
    }

    /// Returns the bytes that were moved last; empty once the channel is of no use.
    pub fn buffer(&self) -> &[u8] {
        self.buffer.as_ref().map_or(&[], Buffer::bytes)
    }

    /// Returns the bytes to be moved next; empty once the channel is of no use.
    pub fn buffer_mut(&mut self) -> &mut [u8] {
        self.buffer.as_mut().map_or(&mut [], Buffer::bytes_mut)
    }

    /// Moves pieces at the device from or to the buffer, where they lie one behind the other, all at once. Returns
    /// how many bytes they are together.
    ///
    /// An error that `pieces` gives is returned, and nothing is moved then.
    ///
    /// # Errors
    ///
    /// - `EIO`: the engine cannot do it, or could not do some of it; the next transfer may succeed.
    /// - `EMSGSIZE`: the buffer is shorter, or these are more than 256 pieces; nothing is moved then.
    /// - `ETIMEDOUT`: it did not end in time, and was terminated. The channel is of no use any more.
    /// - `ENODEV`: it is of no use since an earlier transfer.
    pub fn transfer(&mut self, pieces: impl Iterator<Item = Result<Piece>>) -> Result<usize> {
        self.buffer.as_mut().ok_or(ENODEV)?.give();
        let submitted = self.submit_all(pieces);
        let has_ended = match submitted {
            Ok((0, _)) => true,
            Ok((count, _)) => self.carry_out(count),
            Err(_) => {
                // Nothing was issued, so the engine knows of none.
                self.terminate();
                true
            }
        };
        if !has_ended {
            self.leave_buffer();
            return Err(ETIMEDOUT);
        }
        self.buffer.as_mut().ok_or(ENODEV)?.take();
        let (_, len) = submitted?;
        match self.batch.has_succeeded() {
            true => Ok(len),
            false => Err(EIO),
        }
    }

    /// Submits a descriptor for each piece; returns how many, and how many bytes they are together.
    fn submit_all(&mut self, pieces: impl Iterator<Item = Result<Piece>>) -> Result<(u32, usize)> {
        let mut at = 0;
        let mut count = 0;
        self.batch.begin(0);
        for piece in pieces {
            let piece = piece?;
            if count == MAX_PIECES {
                return Err(EMSGSIZE);
            }
            self.submit(&piece, at)?;
            at += piece.len;
            count += 1;
        }
        Ok((count, at))
    }

    /// Submits a descriptor for a piece whose place in the buffer begins at `at`.
    fn submit(&self, piece: &Piece, at: usize) -> Result {
        let buffer = self.buffer.as_ref().ok_or(ENODEV)?;
        let end = at.checked_add(piece.len).ok_or(EMSGSIZE)?;
        if end > buffer.bytes().len() {
            return Err(EMSGSIZE);
        }
        let (raw, direction) = (self.raw.as_ptr(), self.direction.as_raw());
        let memory = buffer.address() + DmaAddress::try_from(at)?;
        // SAFETY: The channel is ours by the type invariant; the memory is mapped for its device, and stays so
        // until the descriptor has ended or been terminated, see `transfer`.
        let tx =
            unsafe { bindings::dma_client_prepare(raw, direction, piece.addr, memory, piece.len) };
        let tx = NonNull::new(tx).ok_or(EIO)?;
        let param = self.batch.param();
        // SAFETY: The descriptor was prepared just now. The batch exists until the channel is released, after
        // which there are no callbacks.
        let error =
            unsafe { bindings::dma_client_submit_with(tx.as_ptr(), Some(Batch::ended), param) };
        match error {
            0 => Ok(()),
            _ => Err(EIO),
        }
    }

    /// Has `count` descriptors carried out; returns whether the engine has let go of the buffer.
    fn carry_out(&mut self, count: u32) -> bool {
        self.batch.begin(count);
        // SAFETY: The channel is ours by the type invariant.
        unsafe { bindings::dma_client_issue(self.raw.as_ptr()) };
        if self.batch.wait() {
            return true;
        }
        self.terminate();
        // The last callback may have come meanwhile.
        self.batch.has_ended()
    }

    /// Forgets what was submitted; waits for what was issued, as long as the engine's driver thinks fit.
    fn terminate(&mut self) {
        // SAFETY: The channel is ours by the type invariant, and this is no callback.
        unsafe { bindings::dma_client_terminate(self.raw.as_ptr()) };
    }

    /// Gives up the buffer and with it the channel.
    ///
    /// That terminating returns does not show that the engine has stopped: drivers/dma/dw-edma asks for the stop,
    /// waits 5 s for the interrupt that says so, and goes on without.
    fn leave_buffer(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            buffer.leave();
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        // What is in progress, if it is stuck, is terminated. There are no callbacks from here on.
        //
        // SAFETY: By the type invariant; it is not used any more.
        unsafe { bindings::dma_client_release(self.raw.as_ptr()) };
    }
}
