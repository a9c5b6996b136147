// SPDX-License-Identifier: GPL-2.0

//! The control queue: what the driver side asks of the device besides packets.
//!
//! A driver of Linux waits for each answer with its processor, so this queue has a worker of its own,
//! which waits for nobody but a receive queue that is to stop. On the same kernel the driver also has
//! the RTNL lock, which therefore nothing here takes.
//!
//! Lock: that of the worker, see `vhost_backend::QueueWorker`.

use kernel::{
    prelude::*,
    sync::Arc, //
};
use vhost_backend::{
    Serve,
    StopFlag, //
};
use vhost_bus::Virtqueue;
use virtio::{
    net::control::{
        ack,
        control_queue,
        Command,
        Source, //
    },
    ring::{
        Batch,
        Chain,
        Used, //
    },
};

/// What commands are given to.
pub(crate) trait Obey: Send + Unpin + 'static {
    /// How many pairs of queues there are.
    fn queue_pairs(&self) -> u16;

    /// Does what a command says, whose bytes are there.
    ///
    /// # Errors
    ///
    /// `EPIPE`: the queue is gone. Any other: nothing was changed.
    fn obey(&self, command: Command, bytes: &Bytes<'_>) -> Result;
}

/// The queue of commands.
pub(crate) struct ControlQueue<O: Obey> {
    /// All queues of the device in the order of their indices: which one it is depends on the features.
    queues: KVec<Arc<dyn Virtqueue>>,
    settled: Settled,
    orders: O,
    batch: KBox<Batch>,
}

/// What the driver side settled.
#[derive(Clone, Copy, Default)]
struct Settled {
    features: u64,
    /// The index of the control queue, if there is one.
    index: Option<u16>,
}

impl<O: Obey> ControlQueue<O> {
    pub(crate) fn new(queues: KVec<Arc<dyn Virtqueue>>, orders: O) -> Result<Self> {
        Ok(Self {
            queues,
            settled: Settled::default(),
            orders,
            batch: batch::new()?,
        })
    }

    /// The device is started with these features.
    pub(crate) fn prepare(&mut self, negotiated: u64) {
        self.settled = Settled {
            features: negotiated,
            index: control_queue(negotiated, self.orders.queue_pairs()),
        };
    }

    fn queue(&self) -> Option<&Arc<dyn Virtqueue>> {
        self.queues.get(usize::from(self.settled.index?))
    }

    /// Carries out the command in a chain and acknowledges it.
    fn answer(&self, queue: &dyn Virtqueue, chain: &Chain<'_>) -> Result<Used> {
        if chain.writable_len() == 0 {
            queue.fail(fmt!(
                "command at {} has no room for its acknowledgement",
                chain.head()
            ));
            return Err(EPIPE);
        }
        let ack = match self.carry_out(&Bytes { queue, chain }) {
            Ok(()) => ack::OK,
            Err(error) if error == EPIPE => return Err(error),
            Err(_) => ack::ERR,
        };
        match queue.write(chain, 0, &[ack]) {
            Ok(1) => Ok(chain.used(1)),
            Err(error) if error == EPIPE => Err(error),
            _ => {
                queue.fail(fmt!(
                    "acknowledgement at {} cannot be written",
                    chain.head()
                ));
                Err(EPIPE)
            }
        }
    }

    /// Reads a command and has it obeyed; errors are as for that.
    fn carry_out(&self, bytes: &Bytes<'_>) -> Result {
        let pairs = self.orders.queue_pairs();
        let command = Command::read(bytes, self.settled.features, pairs)?;
        self.orders.obey(command.ok_or(EINVAL)?, bytes)
    }
}

impl<O: Obey> Serve for ControlQueue<O> {
    /// Answers one command after the other, at most a batch.
    fn serve(&mut self, stop: &StopFlag) -> Result<bool> {
        let Some(queue) = self.queue().cloned() else {
            return Ok(false);
        };
        queue.disable_notification()?;
        if queue.pop(&mut self.batch)? == 0 {
            return queue.enable_notification();
        }
        for chain in self.batch.iter() {
            if stop.is_set() {
                break;
            }
            queue.push(&[self.answer(&*queue, &chain)?])?;
        }
        Ok(!stop.is_set())
    }
}

/// The bytes of a command.
pub(crate) struct Bytes<'a> {
    queue: &'a dyn Virtqueue,
    chain: &'a Chain<'a>,
}

impl Source for Bytes<'_> {
    type Error = Error;

    fn length(&self) -> usize {
        // CAST: A kernel's `usize` has at least 32 bits.
        self.chain.readable_len() as usize
    }

    fn read(&self, offset: usize, to: &mut [u8]) -> Result<usize> {
        self.queue.read(self.chain, offset, to)
    }
}
