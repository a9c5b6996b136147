// SPDX-License-Identifier: GPL-2.0

//! The pairs of queues of the driver side, and how many of them are used (VIRTIO 1.2, section
//! 5.1.6.5.6).
//!
//! Each pair goes with a pair of queues of the interface. At first, and always for a driver without
//! `MQ`, the first receive queue alone gets packets; the driver side says how many do. Transmit queues
//! are served as they come.
//!
//! Context: process. Calls come one at a time: from the backend, with the state lock of the device
//! held, or from the worker of the control queue, which the backend stops first. They wait for workers
//! of receive queues, which end within a packet when they are to stop.

use crate::{
    config::Offer,
    filter::Filter,
    link::{
        Interface,
        Port, //
    },
    offloads::Taken,
    receive::ReceiveQueue,
    transmit::TransmitQueue, //
};
use concurrency::{
    Queue as Workqueue,
    Worker, //
};
use kernel::{
    prelude::*,
    static_lock_class,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};
use vhost_backend::QueueWorker;
use vhost_bus::Virtqueue;
use virtio::net::features;

/// A pair of queues, without its queues at first.
pub(crate) struct QueuePair {
    pub(crate) receive: QueueWorker<ReceiveQueue>,
    pub(crate) transmit: QueueWorker<TransmitQueue>,
}

impl QueuePair {
    pub(crate) fn new(workqueue: &Arc<Workqueue>) -> Result<Self> {
        Ok(Self {
            receive: QueueWorker::new(
                (c"vhost_bus_net::ReceiveQueue", static_lock_class!()),
                workqueue,
            )?,
            transmit: QueueWorker::new(
                (c"vhost_bus_net::TransmitQueue", static_lock_class!()),
                workqueue,
            )?,
        })
    }
}

/// The pairs of a device, with their queues.
///
/// The fields are dropped in this order: the queues use the interface.
pub(crate) struct Pairs {
    pairs: KVec<QueuePair>,
    /// Their queues in the order of their indices, two each.
    queues: KVec<Arc<dyn Virtqueue>>,
    interface: Arc<Interface>,
    /// How many transmit queues are served.
    served: Atomic<u32>,
    /// How many receive queues get packets.
    used: Atomic<u32>,
}

impl Pairs {
    /// Joins pairs with the queues that the transport made, two each in the order of their indices.
    ///
    /// # Errors
    ///
    /// `ENOSPC`: there are not as many queues; `ENOMEM`: no memory.
    pub(crate) fn new(
        pairs: KVec<QueuePair>,
        queues: &[Arc<dyn Virtqueue>],
        interface: Arc<Interface>,
        filter: &Arc<Filter>,
        taken: &Arc<Taken>,
        offer: &Offer,
    ) -> Result<Self> {
        let lengths = offer.lengths();
        let mut kept = KVec::with_capacity(2 * pairs.len(), GFP_KERNEL)?;
        let mut both = queues.chunks_exact(2);
        for (index, pair) in (0..).zip(&pairs) {
            let Some([receive, transmit]) = both.next() else {
                return Err(ENOSPC);
            };
            kept.extend_from_slice(&[receive.clone(), transmit.clone()], GFP_KERNEL)?;
            let to = Port {
                interface: interface.clone(),
                queue: index,
            };
            let receive = ReceiveQueue::new(
                receive.clone(),
                to.clone(),
                filter.clone(),
                taken.clone(),
                lengths.packet,
            )?;
            pair.receive.attach(receive);
            let transmit = TransmitQueue::new(transmit.clone(), to, lengths)?;
            pair.transmit.attach(transmit);
        }
        Ok(Self {
            pairs,
            queues: kept,
            interface,
            served: Atomic::new(0),
            used: Atomic::new(0),
        })
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u16 {
        // CAST: At most `MAX_QUEUE_PAIRS`.
        self.pairs.len() as u16
    }

    /// Serves the queues of a driver side with these features.
    pub(crate) fn start(&self, negotiated: u64) {
        let mergeable = negotiated & features::MRG_RXBUF != 0;
        let served = match negotiated & features::MQ {
            0 => 1,
            _ => self.count(),
        };
        self.interface.use_transmit_queues(1);
        for pair in &self.pairs {
            pair.receive.prepare(|queue| queue.prepare(mergeable));
            pair.transmit.prepare(|queue| queue.prepare(negotiated));
        }
        self.served.store(served.into(), Relaxed);
        self.used.store(1, Relaxed);
        self.resume();
    }

    /// Returns when no queue is served any more, until they are resumed or started.
    pub(crate) fn stop(&self) {
        for pair in &self.pairs {
            pair.transmit.stop();
            pair.receive.stop();
        }
    }

    /// Goes on where [`stop`](Self::stop) ended it.
    pub(crate) fn resume(&self) {
        for pair in self.range(0, self.served.load(Relaxed)) {
            pair.transmit.resume();
        }
        for pair in self.range(0, self.used.load(Relaxed)) {
            pair.receive.resume();
        }
    }

    /// Has the first `count` receive queues get packets. When this returns, no other gets any; what
    /// waited for one of those is dropped.
    ///
    /// # Errors
    ///
    /// `EINVAL`: the driver side has not set up all queues of these pairs; nothing is changed.
    pub(crate) fn use_first(&self, count: u16) -> Result {
        let mut needed = self.queues.iter().take(2 * usize::from(count));
        if !needed.all(|queue| queue.is_ready()) {
            return Err(EINVAL);
        }
        let (before, after) = (self.used.load(Relaxed), u32::from(count));
        self.used.store(after, Relaxed);
        for pair in self.range(before, after) {
            pair.receive.resume();
        }
        self.interface.use_transmit_queues(count);
        for pair in self.range(after, before) {
            pair.receive.stop();
            pair.receive.prepare(ReceiveQueue::drop_waiting);
        }
        Ok(())
    }

    /// The pairs of these indices, as far as there are any.
    fn range(&self, first: u32, end: u32) -> impl Iterator<Item = &QueuePair> {
        // CAST: A kernel's `usize` has at least 32 bits.
        let (first, count) = (first as usize, end.saturating_sub(first) as usize);
        self.pairs.iter().skip(first).take(count)
    }
}

/// The workers that packets of the interface wake, in the order of its queues.
///
/// # Errors
///
/// `ENOMEM`: no memory.
pub(crate) fn receivers(pairs: &[QueuePair]) -> Result<KVec<Arc<Worker>>> {
    let mut workers = KVec::with_capacity(pairs.len(), GFP_KERNEL)?;
    for pair in pairs {
        workers.push(pair.receive.worker().clone(), GFP_KERNEL)?;
    }
    Ok(workers)
}
