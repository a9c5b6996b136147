// SPDX-License-Identifier: GPL-2.0

//! Payload, and what is short but read together (`ahead`), by the controller's DMA engine, from a length on at which
//! that is worth its overhead.
//!
//! Each way has a channel, which all queues share, with a buffer of its own. So any memory of a backend will do,
//! stacks included, and an engine that does not stop when it is told to has nothing of a backend's. The copy
//! between the two is one within the memory of this side.
//!
//! What a channel does not move is copied by the processor. That is known after a second at most, and as long as the
//! engine's driver takes to terminate a transfer, 5 s with drivers/dma/dw-edma: within `QUIESCE` of the protocol.
//!
//! Context: process. Locks: that of a channel, a mutex, for a transfer; taken with the memo of a user locked (see
//! `window`), so that whoever waits for copies waits for transfers, too. The lock of `translation` is inside.

use crate::settings::Settings;
use dmaengine::{
    Channel,
    Direction,
    Piece, //
};
use kernel::{
    device::Device,
    new_mutex,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Mutex, //
    }, //
};
use pci_ep::Endpoint;

/// The size of a channel's buffer in bytes: what `vhost_bus_blk` moves at a time.
pub(crate) const BUFFER_BYTES: usize = 128 << 10;

/// What is shorter shares a transfer, however low the threshold is: frames do.
const SHORT: usize = 2 << 10;

/// The channels of a function.
pub(crate) struct Dma {
    reads: Option<Pin<KBox<Way>>>,
    writes: Option<Pin<KBox<Way>>>,
}

impl Dma {
    /// Takes the channels that the user wants, as far as the controller has some that are free.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: no memory.
    pub(crate) fn new(endpoint: &Endpoint, settings: &Settings) -> Result<Arc<Self>> {
        let way = |direction, threshold| match settings.dma {
            0 => Ok(None),
            _ => Way::new(endpoint, direction, threshold),
        };
        let this = Self {
            reads: way(Direction::DeviceToMemory, settings.dma_read_threshold)?,
            writes: way(Direction::MemoryToDevice, settings.dma_write_threshold)?,
        };
        Ok(Arc::new(this, GFP_KERNEL)?)
    }

    /// Has no channels.
    #[cfg(CONFIG_KUNIT = "y")]
    pub(crate) fn none() -> Result<Arc<Self>> {
        let this = Self {
            reads: None,
            writes: None,
        };
        Ok(Arc::new(this, GFP_KERNEL)?)
    }

    /// Whether there is a way from RC memory.
    pub(crate) fn can_read(&self) -> bool {
        self.reads.is_some()
    }

    /// The length in bytes below which a read shares a transfer with others.
    pub(crate) fn short(&self) -> usize {
        let threshold = self.reads.as_deref().map_or(0, |way| way.threshold);
        threshold.max(SHORT)
    }

    /// The way from RC memory, if `len` bytes are to take it.
    pub(crate) fn for_read(&self, len: usize) -> Option<&Way> {
        self.reads.as_deref().filter(|way| way.takes(len))
    }

    /// The way to RC memory, if `len` bytes are to take it.
    pub(crate) fn for_write(&self, len: usize) -> Option<&Way> {
        self.writes.as_deref().filter(|way| way.takes(len))
    }

    /// Lets go of the channels, for the end of the binding; transfers in progress are waited for.
    pub(crate) fn detach(&self) {
        for way in [&self.reads, &self.writes].into_iter().flatten() {
            let channel = way.channel.lock().take();
            // Without the lock: an engine may take its time.
            drop(channel);
        }
    }
}

/// A channel and what it is used for.
#[pin_data]
pub(crate) struct Way {
    threshold: usize,
    /// For messages.
    device: ARef<Device>,
    direction: Direction,
    is_failure_logged: Atomic<bool>,
    /// `None`: the function is being unbound. One that is of no use any more stays, as an engine that does not stop
    /// takes its time to let go of it.
    #[pin]
    channel: Mutex<Option<Channel>>,
}

impl Way {
    /// Takes a channel; `None`: there is none that is free.
    fn new(
        endpoint: &Endpoint,
        direction: Direction,
        threshold: u32,
    ) -> Result<Option<Pin<KBox<Self>>>> {
        let channel = endpoint
            .controller()
            .ok_or(ENODEV)
            .and_then(|controller| Channel::request(controller, direction, BUFFER_BYTES));
        let channel = match channel {
            Ok(channel) => channel,
            Err(error) if error == ENOMEM => return Err(error),
            Err(error) => {
                dev_info!(
                    endpoint,
                    "No DMA channel {} ({:?}): the processor copies\n",
                    words(direction),
                    error
                );
                return Ok(None);
            }
        };
        dev_info!(
            endpoint,
            "DMA channel {} for {} bytes and more\n",
            words(direction),
            threshold
        );
        let this = try_pin_init!(Self {
            threshold: threshold.try_into()?,
            device: AsRef::<Device>::as_ref(endpoint).into(),
            direction,
            is_failure_logged: Atomic::new(false),
            channel <- new_mutex!(Some(channel), "pci_epf_vhost::Way::channel"),
        });
        Ok(Some(KBox::try_pin_init(this, GFP_KERNEL)?))
    }

    fn takes(&self, len: usize) -> bool {
        is_worth(self.threshold, len)
    }

    /// Reads pieces of RC memory, which are as long as `to` together; returns whether it did.
    pub(crate) fn read(&self, pieces: impl Iterator<Item = Result<Piece>>, to: &mut [u8]) -> bool {
        let len = to.len();
        self.transfer(len, pieces, |channel, pieces| {
            let moved = channel.transfer(pieces)?;
            to.copy_from_slice(channel.buffer().get(..len).ok_or(EMSGSIZE)?);
            Ok(moved)
        })
    }

    /// Writes pieces of RC memory, which are as long as `from` together; returns whether it did.
    pub(crate) fn write(&self, pieces: impl Iterator<Item = Result<Piece>>, from: &[u8]) -> bool {
        self.transfer(from.len(), pieces, |channel, pieces| {
            let buffer = channel.buffer_mut().get_mut(..from.len());
            buffer.ok_or(EMSGSIZE)?.copy_from_slice(from);
            channel.transfer(pieces)
        })
    }

    /// Does something with the channel, and says once if that fails. Returns whether `len` bytes were moved.
    fn transfer<P: Iterator<Item = Result<Piece>>>(
        &self,
        len: usize,
        pieces: P,
        act: impl FnOnce(&mut Channel, P) -> Result<usize>,
    ) -> bool {
        let mut slot = self.channel.lock();
        let Some(channel) = &mut *slot else {
            return false;
        };
        let error = match act(channel, pieces) {
            Ok(moved) => return moved == len,
            Err(error) => error,
        };
        if error == ETIMEDOUT {
            dev_err!(
                self.device,
                "DMA {} does not end: the processor copies from now on\n",
                words(self.direction)
            );
        } else if error == EIO && !self.is_failure_logged.xchg(true, Relaxed) {
            dev_warn!(
                self.device,
                "DMA {} failed: the processor copies what it does not move\n",
                words(self.direction)
            );
        }
        false
    }
}

/// Whether a channel is worth its overhead.
fn is_worth(threshold: usize, len: usize) -> bool {
    len != 0 && len >= threshold && len <= BUFFER_BYTES
}

/// Which way it is, for messages.
fn words(direction: Direction) -> &'static str {
    match direction {
        Direction::DeviceToMemory => "from the RC",
        Direction::MemoryToDevice => "to the RC",
        Direction::MemoryToMemory => "within memory",
    }
}

#[kunit_tests(pci_epf_vhost_dma)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_for_what_is_long() {
        for threshold in [1, 2048, BUFFER_BYTES] {
            assert!(!is_worth(threshold, 0));
            assert!(!is_worth(threshold, threshold - 1));
            assert!(is_worth(threshold, threshold));
        }
        assert!(is_worth(2048, 2049));
        assert!(is_worth(2048, BUFFER_BYTES));
        assert!(!is_worth(2048, BUFFER_BYTES + 1));
    }

    #[test]
    fn no_threshold_is_for_everything_but_nothing() {
        assert!(!is_worth(0, 0));
        assert!(is_worth(0, 1));
    }
}
