// SPDX-License-Identifier: GPL-2.0

//! What the driver side transmits: from its buffers to the interface of this kernel.
//!
//! Lock: that of the worker, see `vhost_backend::QueueWorker`.

use crate::{
    config::Lengths,
    link::Port,
    terms::Terms, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};
use netdev::SkBuff;
use vhost_backend::{
    Serve,
    StopFlag, //
};
use vhost_bus::Virtqueue;
use virtio::{
    net::Header,
    ring::{
        Batch,
        Chain,
        Used,
        BATCH_CHAINS, //
    },
};

/// A transmit queue of the driver side, with what packets need, allocated once.
pub(crate) struct TransmitQueue {
    queue: Arc<dyn Virtqueue>,
    port: Port,
    terms: Terms,
    batch: KBox<Batch>,
    used: KVec<Used>,
}

impl TransmitQueue {
    pub(crate) fn new(queue: Arc<dyn Virtqueue>, port: Port, lengths: Lengths) -> Result<Self> {
        Ok(Self {
            queue,
            port,
            terms: Terms::new(0, lengths),
            batch: batch::new()?,
            used: KVec::with_capacity(BATCH_CHAINS, GFP_KERNEL)?,
        })
    }

    /// The device is started with these features.
    pub(crate) fn prepare(&mut self, negotiated: u64) {
        self.terms.negotiate(negotiated);
    }

    /// Gives a packet to the interface, or drops it and counts that.
    fn forward(&self, chain: &Chain<'_>) -> Result {
        check_frame(&*self.queue, chain)?;
        match self.copy(chain) {
            Ok(packet) => self.port.receive(packet),
            Err(error) if error == EPIPE => return Err(error),
            Err(_) => self.port.interface.receive_dropped(),
        }
        Ok(())
    }

    /// Copies a packet: one access to the driver side's memory for header and data, unless it is longer
    /// than a page. Its header is looked at in the copy, and taken off.
    ///
    /// # Errors
    ///
    /// `EPIPE`: the queue is gone. Any other: the packet is to be dropped.
    fn copy(&self, chain: &Chain<'_>) -> Result<SkBuff> {
        // CAST: A kernel's `usize` has at least 32 bits.
        let len = chain.readable_len() as usize;
        if len > self.terms.max_len() || !self.port.interface.is_running() {
            return Err(EMSGSIZE);
        }
        let packet = self.port.interface.alloc(len, |offset, piece| {
            match self.queue.read(chain, offset, piece)? {
                count if count == piece.len() => Ok(()),
                _ => Err(EIO),
            }
        })?;
        self.terms.admit(&self.port.interface, packet)
    }
}

impl Serve for TransmitQueue {
    /// Forwards what is available, at most a batch.
    fn serve(&mut self, stop: &StopFlag) -> Result<bool> {
        self.queue.disable_notification()?;
        if self.queue.pop(&mut self.batch)? == 0 {
            return Ok(self.queue.poll()? || self.queue.enable_notification()?);
        }
        self.used.clear();
        for chain in self.batch.iter() {
            if stop.is_set() {
                break;
            }
            self.forward(&chain)?;
            self.used.push_within_capacity(chain.used(0))?;
        }
        self.queue.push(&self.used)?;
        self.port.deliver();
        Ok(true)
    }
}

/// Checks what the driver side has to keep to, whatever the packet is.
fn check_frame(queue: &dyn Virtqueue, chain: &Chain<'_>) -> Result {
    // CAST: A kernel's `usize` has at least 32 bits.
    if (chain.readable_len() as usize) < Header::LEN {
        let len = chain.readable_len();
        queue.fail(fmt!(
            "packet of {len} bytes, expected a header of {}",
            Header::LEN
        ));
        return Err(EPIPE);
    }
    if chain.writable_len() != 0 {
        queue.fail(fmt!("packet at {} is writable", chain.head()));
        return Err(EPIPE);
    }
    Ok(())
}
