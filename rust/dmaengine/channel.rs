// SPDX-License-Identifier: GPL-2.0

//! A channel in the hands of its only client.
//!
//! Context: process; a transfer sleeps until it has ended.

use crate::{
    bindings,
    buffer::{
        self,
        Buffer, //
    },
    outcome::Outcome,
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
    template: KVBox<Template>,
    outcome: Arc<Outcome>,
}

// SAFETY: The functions of the framework may be called by any thread.
unsafe impl Send for Channel {}

impl Channel {
    /// Takes a channel of the engine that belongs to `engine`, e.g. the device of a PCI controller. The end of a transfer
    /// is waited for without a sleep for `poll`, as an interrupt and a wake-up take longer than a short one.
    ///
    /// # Errors
    ///
    /// `ENODEV`: none is free that moves many pieces at once in this direction between memory and a device; `ENOMEM`: no
    /// memory.
    pub fn request(engine: &Device, direction: Direction, poll: Delta) -> Result<Self> {
        let outcome = Outcome::new()?;
        let template = Template::new()?;
        let pieces = KVec::with_capacity(MAX_PIECES, GFP_KERNEL)?;
        let device = buffer::as_raw(engine);
        // SAFETY: The device exists; the function only compares it.
        let raw = unsafe { bindings::dma_client_request(device, direction.as_raw()) };
        // INVARIANT: It was requested just now, and is not used yet.
        Ok(Self {
            raw: NonNull::new(raw).ok_or(ENODEV)?,
            direction,
            poll,
            is_stuck: false,
            pieces,
            template,
            outcome,
        })
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
        if len == 0 {
            return Ok(0);
        }
        buffer.give();
        let moved = self.submit(memory).and_then(|()| self.carry_out());
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

    /// Submits a descriptor for the pieces, whose place in memory begins at `memory`. That stays mapped until the
    /// descriptor has ended or been terminated, see `transfer`.
    fn submit(&mut self, memory: DmaAddress) -> Result {
        self.template.describe(self.direction, memory, &self.pieces);
        let (raw, template) = (self.raw.as_ptr(), self.template.as_raw());
        // SAFETY: The channel is ours by the type invariant, and the template has as many chunks as it says.
        let tx = unsafe { bindings::dma_client_prepare(raw, template) };
        let tx = NonNull::new(tx).ok_or(EIO)?;
        let param = self.outcome.param();
        // SAFETY: The descriptor was prepared just now. The outcome exists until the channel is released, after
        // which there are no callbacks.
        let error =
            unsafe { bindings::dma_client_submit_with(tx.as_ptr(), Some(Outcome::ended), param) };
        if error != 0 {
            // The engine does not know of it, but its driver may.
            self.terminate();
            return Err(EIO);
        }
        Ok(())
    }

    /// Has what was submitted carried out.
    fn carry_out(&mut self) -> Result {
        self.outcome.begin();
        // SAFETY: The channel is ours by the type invariant.
        unsafe { bindings::dma_client_issue(self.raw.as_ptr()) };
        let mut moved = self.outcome.wait(self.poll);
        if moved.is_none() {
            self.terminate();
            // The callback may have come meanwhile. That terminating returns does not show that the engine has stopped:
            // drivers/dma/dw-edma asks for the stop, waits 5 s for the interrupt that says so, and goes on without.
            moved = self.outcome.result();
        }
        self.is_stuck = moved.is_none();
        match moved {
            Some(true) => Ok(()),
            Some(false) => Err(EIO),
            None => Err(ETIMEDOUT),
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
