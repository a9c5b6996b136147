// SPDX-License-Identifier: GPL-2.0

//! A channel in the hands of its only client.
//!
//! Context: process; a transfer sleeps until it has ended.

use crate::{
    batch::Batch,
    bindings,
    buffer::{
        self,
        Buffer, //
    },
    pieces::{
        Piece,
        Template,
        MAX_PIECES, //
    },
    Direction, //
};
use core::ptr::NonNull;
use kernel::{
    device::Device,
    dma::DmaAddress,
    prelude::*,
    sync::Arc,
    time::Delta, //
};

/// A slave channel; it is released when dropped.
///
/// # Invariants
///
/// `raw` is a channel that was requested and is released by nobody else. Unless it is stuck, the engine has no descriptor
/// between two calls.
pub struct Channel {
    raw: NonNull<bindings::dma_chan>,
    direction: Direction,
    /// How long the end of a transfer is waited for without a sleep.
    poll: Delta,
    /// A transfer did not end, and may be in progress.
    is_stuck: bool,
    /// Of the next transfer.
    pieces: KVec<Piece>,
    /// For an engine that moves all pieces at once.
    template: Option<KVBox<Template>>,
    batch: Arc<Batch>,
}

// SAFETY: The functions of the framework may be called by any thread.
unsafe impl Send for Channel {}

impl Channel {
    /// Takes a channel of the engine that belongs to `engine`, e.g. the device of a PCI controller. The end of a transfer
    /// is waited for without a sleep for `poll`, as an interrupt and a wake-up take longer than a short one.
    ///
    /// # Errors
    ///
    /// `ENODEV`: none is free that moves data in this direction between memory and a device; `ENOMEM`: no memory.
    pub fn request(engine: &Device, direction: Direction, poll: Delta) -> Result<Self> {
        let batch = Batch::new()?;
        let pieces = KVec::with_capacity(MAX_PIECES, GFP_KERNEL)?;
        let device = buffer::as_raw(engine);
        // SAFETY: The device exists; the function only compares it.
        let raw = unsafe { bindings::dma_client_request_slave(device, direction.as_raw()) };
        // INVARIANT: It was requested just now, and is not used yet.
        let mut this = Self {
            raw: NonNull::new(raw).ok_or(ENODEV)?,
            direction,
            poll,
            is_stuck: false,
            pieces,
            template: None,
            batch,
        };
        // SAFETY: The channel was requested just now.
        if unsafe { bindings::dma_client_is_interleaved(raw) } {
            this.template = Some(Template::new()?);
        }
        Ok(this)
    }

    /// Makes memory of `size` bytes, not 0, that the engine reaches.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: no memory; `EIO`: the engine does not reach it.
    pub fn new_buffer(&self, size: usize) -> Result<Buffer> {
        // SAFETY: The device exists as long as the channel is not released.
        let device = unsafe { Device::get_device(self.device()) };
        Buffer::new(device, self.direction, size)
    }

    /// Moves pieces at the device from or to the begin of `buffer`, where they lie one behind the other, all at once.
    /// Returns how many bytes they are together.
    ///
    /// An error that `pieces` gives is returned, and nothing is moved then.
    ///
    /// # Errors
    ///
    /// - `EIO`: the engine cannot do it, or could not do some of it; the next transfer may succeed.
    /// - `EINVAL`: the buffer is of another engine or direction, or lost.
    /// - `EMSGSIZE`: the buffer is shorter, or these are more than 256 pieces; nothing is moved then.
    /// - `ETIMEDOUT`: it did not end in time, and was terminated. Channel and buffer are of no use any more.
    /// - `ENODEV`: the channel is of no use since an earlier transfer.
    pub fn transfer(
        &mut self,
        buffer: &mut Buffer,
        pieces: impl Iterator<Item = Result<Piece>>,
    ) -> Result<usize> {
        if self.is_stuck {
            return Err(ENODEV);
        }
        let room = buffer.room(self.device(), self.direction);
        let (memory, size) = room.ok_or(EINVAL)?;
        let len = self.gather(pieces)?;
        if len > size {
            return Err(EMSGSIZE);
        }
        buffer.give();
        let moved = match self.submit_all(memory) {
            Ok(0) => Ok(()),
            Ok(count) => self.carry_out(count),
            Err(error) => {
                // Nothing was issued, so the engine knows of none.
                self.terminate();
                Err(error)
            }
        };
        if self.is_stuck {
            buffer.leave();
        } else {
            buffer.take();
        }
        moved.map(|()| len)
    }

    /// Gathers the pieces, those that follow each other in one; returns how many bytes they are together.
    fn gather(&mut self, pieces: impl Iterator<Item = Result<Piece>>) -> Result<usize> {
        self.pieces.clear();
        let mut len: usize = 0;
        for piece in pieces {
            let piece = piece?;
            len = len.checked_add(piece.len).ok_or(EMSGSIZE)?;
            let is_joined = self.pieces.last_mut().is_some_and(|last| last.join(&piece));
            if !is_joined && self.pieces.push_within_capacity(piece).is_err() {
                return Err(EMSGSIZE);
            }
        }
        Ok(len)
    }

    /// Submits the pieces, whose place in memory begins at `memory`; returns by how many descriptors.
    fn submit_all(&mut self, memory: DmaAddress) -> Result<u32> {
        self.batch.begin(0);
        if self.pieces.is_empty() {
            return Ok(0);
        }
        if let Some(template) = &mut self.template {
            template.describe(self.direction, memory, &self.pieces);
            let raw = (self.raw.as_ptr(), template.as_raw());
            // SAFETY: The channel is ours by the type invariant, and the template has as many chunks as it says.
            let tx = unsafe { bindings::dma_client_prepare_all(raw.0, raw.1) };
            self.submit(tx)?;
            return Ok(1);
        }
        let mut memory = memory;
        for piece in &self.pieces {
            let (raw, direction) = (self.raw.as_ptr(), self.direction.as_raw());
            // SAFETY: The channel is ours by the type invariant.
            let tx = unsafe {
                bindings::dma_client_prepare(raw, direction, piece.addr, memory, piece.len)
            };
            self.submit(tx)?;
            memory += DmaAddress::try_from(piece.len)?;
        }
        // CAST: At most `MAX_PIECES`.
        Ok(self.pieces.len() as u32)
    }

    /// Submits a descriptor that was prepared just now, if it could be. The memory in it stays mapped until it has ended
    /// or been terminated, see `transfer`.
    fn submit(&self, tx: *mut bindings::dma_async_tx_descriptor) -> Result {
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

    /// Has `count` descriptors carried out.
    fn carry_out(&mut self, count: u32) -> Result {
        self.batch.begin(count);
        // SAFETY: The channel is ours by the type invariant.
        unsafe { bindings::dma_client_issue(self.raw.as_ptr()) };
        if !self.batch.wait(self.poll) {
            self.terminate();
            // The last callback may have come meanwhile. That terminating returns does not show that the engine has
            // stopped: drivers/dma/dw-edma asks for the stop, waits 5 s for the interrupt that says so, and goes on
            // without.
            self.is_stuck = !self.batch.has_ended();
        }
        match (self.is_stuck, self.batch.has_succeeded()) {
            (true, _) => Err(ETIMEDOUT),
            (false, true) => Ok(()),
            (false, false) => Err(EIO),
        }
    }

    /// Forgets what was submitted; waits for what was issued, as long as the engine's driver thinks fit.
    fn terminate(&mut self) {
        // SAFETY: The channel is ours by the type invariant, and this is no callback.
        unsafe { bindings::dma_client_terminate(self.raw.as_ptr()) };
    }

    /// Returns the device of the engine, which exists as long as the channel is not released.
    fn device(&self) -> *mut bindings::device {
        // SAFETY: The channel is ours by the type invariant.
        unsafe { bindings::dma_client_device(self.raw.as_ptr()) }
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
