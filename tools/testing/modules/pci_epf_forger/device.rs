// SPDX-License-Identifier: GPL-2.0

//! The device behind the lies: it accepts whatever the RC asks for, and has queues that are real.

use crate::{
    bar::ForgedBar,
    memory::RcMemory, //
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};
use pci_ep::{
    Endpoint,
    Interrupt, //
};
use transport::{
    feature,
    CommandError,
    CommandHandler,
    DeviceStatus,
    Interrupts,
    Layout,
    PolledSlot,
    QueueIndex,
    QueueSetup,
    QueueState,
    Registers, //
};
use virtio::{
    blk,
    ids::DeviceId,
    net,
    ring::{
        memory::{
            INDEX,
            RING,
            USED_ENTRY, //
        },
        Area,
        Batch,
        Position,
        Queue as Ring,
        QueueConfig,
        RingMemory, //
    }, //
};

/// What the device is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Net,
    Block,
}

impl Kind {
    pub(crate) fn id(self) -> DeviceId {
        match self {
            Self::Net => DeviceId::NET,
            Self::Block => DeviceId::BLOCK,
        }
    }

    pub(crate) fn num_queues(self) -> u16 {
        match self {
            Self::Net => 2,
            Self::Block => 1,
        }
    }

    pub(crate) fn features(self) -> u64 {
        let own = match self {
            Self::Net => net::features::MAC | net::features::STATUS | net::features::MRG_RXBUF,
            Self::Block => 0,
        };
        own | feature::OFFERED
    }

    pub(crate) fn config(self) -> Result<KVec<u8>> {
        let mut bytes = KVec::new();
        match self {
            Self::Net => {
                let config = net::Config {
                    mac: [2, 0, 0, 0, 0, 0x66],
                    status: net::link::UP,
                    ..Default::default()
                };
                bytes.extend_from_slice(&config.to_bytes(), GFP_KERNEL)?;
            }
            Self::Block => {
                let config = blk::Config {
                    capacity: 2048,
                    ..Default::default()
                };
                bytes.extend_from_slice(&config.to_bytes(), GFP_KERNEL)?;
            }
        }
        Ok(bytes)
    }

    /// Whether buffers of this queue come back by themselves.
    fn is_served(self, queue: QueueIndex) -> bool {
        // Received frames would have to come from somewhere.
        self == Self::Block || queue.get() % 2 == 1
    }
}

/// A queue between its set-up and the next reset.
struct Queue {
    setup: QueueSetup,
    state: QueueState,
    running: Option<Running>,
}

/// A queue that is enabled.
struct Running {
    ring: Ring<RcMemory>,
    slot: PolledSlot,
}

/// The device.
pub(crate) struct Device {
    kind: Kind,
    endpoint: Endpoint,
    bar: ForgedBar,
    layout: Layout,
    features: u64,
    queues: KVec<Option<Queue>>,
    batch: KBox<Batch>,
    block_status: Atomic<u32>,
}

impl Device {
    pub(crate) fn new(
        kind: Kind,
        endpoint: Endpoint,
        bar: ForgedBar,
        layout: Layout,
    ) -> Result<Self> {
        let mut queues = KVec::with_capacity(layout.num_queues().into(), GFP_KERNEL)?;
        for _ in layout.queues() {
            queues.push(None, GFP_KERNEL)?;
        }
        Ok(Self {
            kind,
            endpoint,
            bar,
            layout,
            features: 0,
            queues,
            batch: batch::new()?,
            block_status: Atomic::new(0),
        })
    }

    /// Ends block requests with this status byte from now on.
    pub(crate) fn set_block_status(&self, status: u8) {
        self.block_status.store(status.into(), Relaxed);
    }

    /// Returns the buffers of the queues that were kicked.
    pub(crate) fn serve(&mut self) {
        for index in self.layout.queues() {
            let Some(offset) = self.layout.polled_slot(index) else {
                return;
            };
            let word = self.bar.read32(offset);
            let running = running(&mut self.queues, index.get());
            let is_kicked = running.is_ok_and(|(running, _)| running.slot.is_kicked(word));
            if is_kicked && self.kind.is_served(index) {
                // The RC may break the queue at any time; the test sees what became of it.
                let _ = self.serve_queue(index.get());
            }
        }
    }

    /// Returns all available buffers of a queue.
    fn serve_queue(&mut self, index: u16) -> Result {
        // CAST: `set_block_status` stores 8 bits.
        let status = self.block_status.load(Relaxed) as u8;
        let (running, vector) = running(&mut self.queues, index)?;
        // Bounded: a batch is at least one chain, and the RC has at most a queue full of them.
        for _ in 0..running.ring.size() {
            if running.ring.pop(&mut self.batch).map_err(|_| EIO)? == 0 {
                break;
            }
            for chain in self.batch.iter() {
                let last = (chain.writable_len() as usize).saturating_sub(1);
                if self.kind == Kind::Block {
                    chain.write(running.ring.memory(), last, &[status])?;
                }
                let used = chain.used(chain.writable_len());
                running.ring.push(&[used]).map_err(|_| EIO)?;
            }
        }
        self.raise(vector)
    }

    /// Returns the next available buffer of a queue, with `bytes` at its start.
    ///
    /// # Errors
    ///
    /// `ENOENT`: no buffer is available.
    pub(crate) fn give(&mut self, index: u16, length: u32, bytes: &[u8]) -> Result {
        let (running, vector) = running(&mut self.queues, index)?;
        running.ring.pop(&mut self.batch).map_err(|_| EIO)?;
        let chain = self.batch.get(0).ok_or(ENOENT)?;
        chain.write(running.ring.memory(), 0, bytes)?;
        let used = chain.used(length);
        running.ring.push(&[used]).map_err(|_| EIO)?;
        // The others are taken again.
        running.ring.rewind();
        self.raise(vector)
    }

    /// Writes the next entry of a used ring, and advances its index.
    pub(crate) fn forge_used(&mut self, index: u16, id: u32, length: u32, advance: u16) -> Result {
        let (running, vector) = running(&mut self.queues, index)?;
        let memory = running.ring.memory();
        let next = memory.load_u16(Area::Device, INDEX)?;
        let slot = usize::from(next & (running.ring.size() - 1));
        let entry = RING + slot * USED_ENTRY;
        memory.store(Area::Device, entry, id)?;
        memory.store(Area::Device, entry + 4, length)?;
        memory.store_u16(Area::Device, INDEX, next.wrapping_add(advance))?;
        self.raise(vector)
    }

    fn raise(&self, vector: Option<u16>) -> Result {
        match vector {
            Some(vector) => self.endpoint.raise(Interrupt::MsiX(vector)),
            None => Ok(()),
        }
    }

    fn queue(&mut self, index: QueueIndex) -> Result<&mut Queue, CommandError> {
        let queue = self.queues.get_mut(usize::from(index.get()));
        queue.and_then(Option::as_mut).ok_or(CommandError::BadState)
    }
}

/// Returns a queue that is enabled, and its vector.
fn running(queues: &mut [Option<Queue>], index: u16) -> Result<(&mut Running, Option<u16>)> {
    let queue = queues.get_mut(usize::from(index)).ok_or(EINVAL)?;
    let queue = queue.as_mut().ok_or(ENXIO)?;
    let running = queue.running.as_mut().ok_or(ENXIO)?;
    Ok((running, queue.setup.vector()))
}

impl CommandHandler for Device {
    fn reset(&mut self) {
        self.queues.iter_mut().for_each(|queue| *queue = None);
    }

    fn accepts_features(&mut self, negotiated: u64) -> bool {
        self.features = negotiated;
        true
    }

    fn driver_ok(&mut self) -> Result<(), CommandError> {
        Ok(())
    }

    fn status_changed(&mut self, _status: DeviceStatus) {}

    fn needs_reset(&self) -> bool {
        false
    }

    fn set_interrupts(&mut self, _interrupts: &Interrupts) -> Result<(), CommandError> {
        Ok(())
    }

    fn write_config(&mut self, _offset: usize, _from: &[u8]) -> Result<(), CommandError> {
        Ok(())
    }

    fn setup_queue(&mut self, setup: &QueueSetup) -> Result<(), CommandError> {
        let slot = self.queues.get_mut(usize::from(setup.queue().get()));
        *slot.ok_or(CommandError::BadArgument)? = Some(Queue {
            setup: *setup,
            state: QueueState::initial(false),
            running: None,
        });
        Ok(())
    }

    fn enable_queue(&mut self, index: QueueIndex, _space: u16) -> Result<(), CommandError> {
        let slot = self.layout.polled_slot(index).ok_or(CommandError::Failed)?;
        let (slot, endpoint) = (self.bar.read32(slot), self.endpoint.clone());
        let features = self.features;
        let queue = self.queue(index)?;
        let size = queue.setup.size().get();
        let config = QueueConfig::new(size, features).ok_or(CommandError::Failed)?;
        let config = config.start_at(Position::split(queue.state.available));
        let memory = RcMemory::new(&endpoint, &queue.setup);
        queue.running = Some(Running {
            ring: config.start(memory).map_err(|_| CommandError::Failed)?,
            slot: PolledSlot::new(slot),
        });
        Ok(())
    }

    fn disable_queue(&mut self, index: QueueIndex) {
        if let Ok(queue) = self.queue(index) {
            queue.running = None;
        }
    }

    fn set_queue_state(
        &mut self,
        index: QueueIndex,
        state: QueueState,
    ) -> Result<(), CommandError> {
        self.queue(index)?.state = state;
        Ok(())
    }

    fn queue_state(&mut self, index: QueueIndex) -> Result<QueueState, CommandError> {
        Ok(self.queue(index)?.state)
    }
}
