// SPDX-License-Identifier: GPL-2.0

//! A queue whose endpoint is gone, and how its chains are handed back.
//!
//! Context: process, may sleep. No lock is taken; `takeover` has one around each queue.

use crate::{
    driver_memory::DriverMemory,
    queue::QueueSetup, //
};
use core::mem;
use kernel::{
    device::Device,
    prelude::*, //
};
use virtio::{
    blk::RequestStatus,
    ids::DeviceId,
    net::control::ack,
    ring::{
        Batch,
        Chain,
        Queue,
        QueueConfig,
        RingError,
        Used,
        BATCH_CHAINS, //
    },
};

/// Where a request that failed says so, and how.
#[derive(Clone, Copy)]
enum Status {
    /// Nowhere.
    None,
    /// The last byte of a block request (VIRTIO 1.2, section 5.2.6).
    Last(u8),
    /// The first writable byte of a command of a network device (section 5.1.6.5).
    First(u8),
}

impl Status {
    fn of(device_id: DeviceId) -> Self {
        match device_id {
            DeviceId::BLOCK => Self::Last(RequestStatus::IoErr as u8),
            DeviceId::NET => Self::First(ack::ERR),
            _ => Self::None,
        }
    }

    /// The offset in the writable part of a request, and the byte; none where there is no room.
    fn place(self, writable_len: u32) -> Option<(usize, u8)> {
        // CAST: A kernel's `usize` has at least 32 bits.
        let last = writable_len.checked_sub(1)? as usize;
        match self {
            Self::None => None,
            Self::Last(value) => Some((last, value)),
            Self::First(value) => Some((0, value)),
        }
    }
}

/// The device side of a queue, in place of the endpoint.
pub(crate) struct Orphan {
    queue: Queue<DriverMemory>,
    status: Status,
    /// There was a request in the queue, so not all of its chains are only to be written to.
    has_requests: bool,
    /// Some were taken and stayed where they are.
    keeps: bool,
}

impl Orphan {
    /// Takes over a queue, which the endpoint does not touch any more.
    ///
    /// # Errors
    ///
    /// The rings cannot be reached, as those of a process, or do not tell what is outstanding.
    pub(crate) fn new(
        dma: &Device,
        device_id: DeviceId,
        setup: &QueueSetup,
        features: u64,
    ) -> Result<Self, RingError<Error>> {
        let size = u16::try_from(setup.size).map_err(|_| EINVAL)?;
        let config = QueueConfig::new(size, features).ok_or(EINVAL)?;
        let memory = DriverMemory::new(dma, setup, config.layout())?;
        Ok(Self {
            queue: config.take_over(memory)?,
            status: Status::of(device_id),
            has_requests: false,
            keeps: false,
        })
    }

    /// Hands back what is available and returns whether the driver side wants to be told.
    ///
    /// Chains of a queue that the device was only to write to stay where they are: nobody waits for those,
    /// and a network driver would put each back at once. Once there is a request among them all are handed
    /// back, empty, as the driver side may rely on their order.
    ///
    /// # Errors
    ///
    /// The driver side broke a rule, or its memory cannot be reached.
    pub(crate) fn hand_back(&mut self, batch: &mut Batch) -> Result<bool, RingError<Error>> {
        let mut signal = self.queue.push(&[])?;
        // Bounded by the queue size: the driver side gets no descriptor back before it is told, and chains
        // are taken a second time once.
        for _ in 0..=2 * u32::from(self.queue.size()) {
            if self.queue.pop(batch)? == 0 && !self.queue.enable_notification()? {
                break;
            }
            if self.are_to_be_handed_back(batch) {
                signal |= self.fail(batch)?;
            }
        }
        Ok(signal)
    }

    /// Whether `batch` is to be handed back now; if not, it may be popped again later.
    fn are_to_be_handed_back(&mut self, batch: &Batch) -> bool {
        self.has_requests |= batch.iter().any(|chain| chain.readable_len() != 0);
        if self.has_requests && mem::take(&mut self.keeps) {
            self.queue.rewind();
            return false;
        }
        self.keeps = !self.has_requests;
        self.has_requests
    }

    /// Hands the requests in `batch` back as failed, and packets as if they were sent.
    fn fail(&mut self, batch: &Batch) -> Result<bool, RingError<Error>> {
        let mut used = [Used::default(); BATCH_CHAINS];
        for (used, chain) in used.iter_mut().zip(batch.iter()) {
            if chain.readable_len() != 0 {
                self.set_status(&chain)?;
            }
            *used = chain.used(0);
        }
        self.queue.push(used.get(..batch.len()).unwrap_or_default())
    }

    fn set_status(&self, chain: &Chain<'_>) -> Result {
        match self.status.place(chain.writable_len()) {
            Some((at, value)) => chain.write(self.queue.memory(), at, &[value]).map(drop),
            None => Ok(()),
        }
    }
}
