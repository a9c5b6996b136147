// SPDX-License-Identifier: GPL-2.0

//! The channels of the controller's DMA engine, and what queues have of them: lanes.
//!
//! ```text
//!   queue 0   queue 1   queue 2           a lane for each way: memory of its own that the engine reaches
//!       \         |        /
//!     channel 0   channel 1               as many for each way as the user wants and the engine has
//! ```
//!
//! A lane's memory is between RC memory and that of a backend. So any memory of a backend will do, stacks included, and an
//! engine that does not stop when it is told to has nothing of a backend's. The copy between the two is one within the
//! memory of this side. What comes through it: `ahead`, `posted`.
//!
//! What a channel does not move is copied by the processor. That is known after a second at most, and as long as the
//! engine's driver takes to terminate a transfer, 5 s with drivers/dma/dw-edma: within `QUIESCE` of the protocol.
//!
//! Context: process. Locks: that of a channel, a mutex, for a transfer; taken with the memo of a user locked (see
//! `window`), so that whoever waits for copies waits for transfers, too. The lock of `translation` is inside.

use crate::settings::Settings;
use dmaengine::{
    Buffer,
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
    },
    time::Delta, //
};
use pci_ep::Endpoint;

#[cfg(CONFIG_KUNIT = "y")]
pub(crate) mod testing;

/// The size of a lane's memory in bytes: what `vhost_bus_blk` moves at a time.
pub(crate) const LANE_BYTES: usize = 128 << 10;

/// The most segments of a transfer: each may lie in two pieces, and one more for each page that is filled, of the 256
/// pieces that a transfer has.
pub(crate) const LANE_SEGMENTS: usize = (256 - LANE_BYTES / 4096) / 2;

/// The channels of a function.
pub(crate) struct Dma {
    reads: KVec<Arc<Way>>,
    writes: KVec<Arc<Way>>,
}

impl Dma {
    /// Takes the channels that the user wants, as far as the controller has some that are free.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: no memory.
    pub(crate) fn new(endpoint: &Endpoint, settings: &Settings) -> Result<Self> {
        let poll = Delta::from_micros(settings.poll_us.into());
        let ways =
            |direction, threshold| Way::take(endpoint, direction, threshold, settings.dma, poll);
        Ok(Self {
            reads: ways(Direction::DeviceToMemory, settings.dma_read_threshold)?,
            writes: ways(Direction::MemoryToDevice, settings.dma_write_threshold)?,
        })
    }

    /// Makes the lane from RC memory of a queue, if there is a way.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: no memory.
    pub(crate) fn read_lane(&self, queue: u16) -> Result<Option<DmaLane>> {
        DmaLane::new(&self.reads, queue)
    }

    /// Makes the lane to RC memory of a queue, if there is a way.
    ///
    /// # Errors
    ///
    /// As for [`read_lane`](Self::read_lane).
    pub(crate) fn write_lane(&self, queue: u16) -> Result<Option<DmaLane>> {
        DmaLane::new(&self.writes, queue)
    }

    /// Returns the length from which on a buffer is worth being read so, at least 1; 0: none is.
    pub(crate) fn read_threshold(&self) -> u32 {
        let threshold = self.reads.first().map(|way| way.threshold.max(1));
        // CAST: No more than `LANE_BYTES`.
        threshold.unwrap_or(0) as u32
    }

    /// Lets go of the channels, for the end of the binding: there are no lanes any more.
    pub(crate) fn detach(&self) {
        for way in Iterator::chain(self.reads.iter(), &self.writes) {
            let channel = way.channel.lock().take();
            // Without the lock: an engine may take its time.
            drop(channel);
        }
    }
}

/// A channel and what it is used for.
#[pin_data]
struct Way {
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
    /// Takes at most `count` channels.
    fn take(
        endpoint: &Endpoint,
        direction: Direction,
        threshold: u32,
        count: u32,
        poll: Delta,
    ) -> Result<KVec<Arc<Self>>> {
        let mut ways = KVec::new();
        let controller = endpoint.controller();
        for _ in 0..count {
            let channel = match &controller {
                Some(controller) => Channel::request(controller, direction, poll),
                None => Err(ENODEV),
            };
            match channel {
                Ok(channel) => ways.push(
                    Self::new(endpoint, direction, threshold, channel)?,
                    GFP_KERNEL,
                )?,
                Err(error) if error == ENOMEM => return Err(error),
                Err(_) => break,
            }
        }
        if count != 0 {
            dev_info!(
                endpoint,
                "{} of {} DMA channels {} for {} bytes and more\n",
                ways.len(),
                count,
                words(direction),
                threshold
            );
        }
        Ok(ways)
    }

    fn new(
        endpoint: &Endpoint,
        direction: Direction,
        threshold: u32,
        channel: Channel,
    ) -> Result<Arc<Self>> {
        let this = try_pin_init!(Self {
            threshold: threshold.try_into()?,
            device: AsRef::<Device>::as_ref(endpoint).into(),
            direction,
            is_failure_logged: Atomic::new(false),
            channel <- new_mutex!(Some(channel), "pci_epf_vhost::Way::channel"),
        });
        Arc::pin_init(this, GFP_KERNEL)
    }

    /// Moves pieces, and says once if that fails. Returns whether `len` bytes were moved.
    fn transfer(
        &self,
        buffer: &mut Buffer,
        len: usize,
        pieces: impl Iterator<Item = Result<Piece>>,
    ) -> bool {
        let mut slot = self.channel.lock();
        let Some(channel) = &mut *slot else {
            return false;
        };
        let error = match channel.transfer(buffer, pieces) {
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

/// Memory that can be moved from or to RC memory.
pub(crate) trait Lane {
    /// Returns the memory; none that an engine may still write.
    fn bytes(&self) -> &[u8];

    /// Returns the memory, to be written; none that an engine may still use.
    fn bytes_mut(&mut self) -> &mut [u8];

    /// Returns whether a transfer of so many bytes is worth its overhead.
    fn takes(&self, len: usize) -> bool;

    /// Moves pieces of RC memory, which are `len` bytes together, from or to the begin of the memory; returns whether it
    /// did.
    fn transfer(&mut self, len: usize, pieces: impl Iterator<Item = Result<Piece>>) -> bool;
}

/// A lane of a queue by a channel, which it shares with others.
pub(crate) struct DmaLane {
    way: Arc<Way>,
    buffer: Buffer,
}

impl DmaLane {
    /// Makes one by the way that this queue has.
    fn new(ways: &[Arc<Way>], queue: u16) -> Result<Option<Self>> {
        let number = usize::from(queue).checked_rem(ways.len());
        let Some(way) = number.and_then(|number| ways.get(number)) else {
            return Ok(None);
        };
        let buffer = match &*way.channel.lock() {
            Some(channel) => channel.new_buffer(LANE_BYTES),
            None => return Ok(None),
        };
        match buffer {
            Ok(buffer) => Ok(Some(Self {
                way: way.clone(),
                buffer,
            })),
            // The engine does not reach it.
            Err(error) if error == EIO => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Lane for DmaLane {
    fn bytes(&self) -> &[u8] {
        self.buffer.bytes()
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self.buffer.bytes_mut()
    }

    fn takes(&self, len: usize) -> bool {
        is_worth(self.way.threshold, len)
    }

    fn transfer(&mut self, len: usize, pieces: impl Iterator<Item = Result<Piece>>) -> bool {
        self.way.transfer(&mut self.buffer, len, pieces)
    }
}

/// Whether a channel is worth its overhead.
fn is_worth(threshold: usize, len: usize) -> bool {
    len != 0 && len >= threshold && len <= LANE_BYTES
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
        for threshold in [1, 2048, LANE_BYTES] {
            assert!(!is_worth(threshold, 0));
            assert!(!is_worth(threshold, threshold - 1));
            assert!(is_worth(threshold, threshold));
        }
        assert!(is_worth(2048, 2049));
        assert!(is_worth(2048, LANE_BYTES));
        assert!(!is_worth(2048, LANE_BYTES + 1));
    }

    #[test]
    fn no_threshold_is_for_everything_but_nothing() {
        assert!(!is_worth(0, 0));
        assert!(is_worth(0, 1));
    }
}
