// SPDX-License-Identifier: GPL-2.0

//! What the RC's commands do: the border between the protocol and the vhost bus.
//!
//! The protocol (`transport::EndpointPort`) has checked all arguments.
//!
//! Context: the worker, with the session locked; the bus's state lock is taken inside.

use crate::{
    bar::RegisterBar,
    pulse::Pacemaker,
    pushed::Pushed,
    queue::RcMemory,
    vhost::Transport, //
};
use concurrency::barrier;
use kernel::{
    prelude::*,
    sync::Arc, //
};
use pci_ep::BarMemory;
use transport::{
    CommandError,
    CommandHandler,
    DeviceStatus,
    InterruptMode,
    Interrupts,
    Layout,
    Mapping,
    PolledSlot,
    Pulse,
    QueueIndex,
    QueueSetup,
    QueueState,
    Range,
    Registers, //
};
use virtio::{
    features::RING_PACKED,
    ring::{
        Position,
        QueueConfig, //
    },
    status::Status, //
};

/// How many interrupts of each kind the function offers to the RC.
#[derive(Clone, Copy)]
pub(crate) struct Vectors {
    pub(crate) intx: bool,
    pub(crate) msi: u8,
    pub(crate) msix: u16,
}

impl Vectors {
    fn has(&self, interrupts: &Interrupts) -> bool {
        let vectors = interrupts.vectors();
        match interrupts.mode() {
            InterruptMode::None => true,
            InterruptMode::IntX => self.intx,
            InterruptMode::Msi => vectors <= self.msi.into(),
            InterruptMode::MsiX => vectors <= self.msix,
        }
    }
}

/// A queue between its set-up and the next reset.
#[derive(Clone, Copy)]
struct Queue {
    setup: QueueSetup,
    /// Where it goes on, when it is not enabled.
    state: QueueState,
    /// The RC pushes it.
    is_pushed: bool,
    /// Set while it is enabled and has a slot of its own to look at.
    slot: Option<PolledSlot>,
}

/// What commands act upon.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) device: Arc<vhost_bus::Device>,
    pub(crate) transport: Arc<Transport>,
    pub(crate) bar: RegisterBar,
    /// That of the push areas.
    pub(crate) push: Option<Arc<BarMemory>>,
    pub(crate) layout: Layout,
}

/// The handler of commands.
pub(crate) struct Commands {
    parts: Parts,
    vectors: Vectors,
    pacemaker: Pacemaker,
    /// By index; `None`: not set up.
    queues: KVec<Option<Queue>>,
    /// A queue that could not be mapped was logged. Once is enough, as the RC can try at any rate.
    is_failure_logged: bool,
}

impl Commands {
    pub(crate) fn new(parts: Parts, vectors: Vectors, pacemaker: Pacemaker) -> Result<Self> {
        let num_queues = parts.layout.num_queues();
        Ok(Self {
            parts,
            vectors,
            pacemaker,
            queues: KVec::from_elem(None, num_queues.into(), GFP_KERNEL)?,
            is_failure_logged: false,
        })
    }

    /// Looks at the polled slots (D3, D4); returns whether one was written.
    pub(crate) fn look_at_slots(&mut self) -> bool {
        let mut is_kicked = false;
        for index in self.parts.layout.queues() {
            let Some(word) = self.slot(index) else { break };
            let Some(queue) = self.queues.get_mut(usize::from(index.get())) else {
                break;
            };
            let slot = queue.as_mut().and_then(|queue| queue.slot.as_mut());
            if slot.is_some_and(|slot| slot.is_kicked(word)) {
                // ORDERING: The slot is read before the available index (D4).
                barrier::rmb();
                self.parts.transport.queues.kick(index.get());
                is_kicked = true;
            }
        }
        is_kicked
    }

    /// Takes what is in the polled slots as seen (D5).
    fn take_slots(&mut self) {
        for index in self.parts.layout.queues() {
            let word = self.slot(index);
            if let Ok(queue) = self.queue(index) {
                let taken = word.filter(|_| queue.slot.is_some());
                queue.slot = taken.map(PolledSlot::new);
            }
        }
        // ORDERING: The slots are read before the available indexes (D5).
        barrier::rmb();
    }

    /// Returns the word in the slot of a queue; `None`: slots are not polled.
    fn slot(&self, index: QueueIndex) -> Option<u32> {
        let offset = self.parts.layout.polled_slot(index)?;
        Some(self.parts.bar.read32(offset))
    }

    fn queue(&mut self, index: QueueIndex) -> Result<&mut Queue, CommandError> {
        let queue = self.queues.get_mut(usize::from(index.get()));
        let queue = queue.and_then(Option::as_mut);
        queue.ok_or(CommandError::BadState)
    }

    /// The push area of a queue.
    fn pushed(&self, setup: &QueueSetup) -> Result<Pushed> {
        Pushed::new(self.parts.push.as_ref(), &self.parts.layout, setup)
    }

    /// Maps a queue of address space `space`.
    fn map(
        &mut self,
        queue: &Queue,
        space: u16,
        config: &QueueConfig,
    ) -> Result<RcMemory, CommandError> {
        let (setup, parts) = (&queue.setup, &self.parts);
        let pushed = queue.is_pushed.then(|| self.pushed(setup)).transpose();
        let ways = (&parts.transport.windows, &parts.transport.dma);
        let mapped =
            pushed.and_then(|pushed| RcMemory::map(ways, setup, space, config.layout(), pushed));
        mapped.map_err(|error| {
            if !core::mem::replace(&mut self.is_failure_logged, true) {
                dev_warn!(
                    self.parts.device.dev(),
                    "Queue {} of {} descriptors cannot be mapped: {:?}\n",
                    setup.queue().get(),
                    setup.size().get(),
                    error
                );
            }
            match error {
                error if error == EACCES => CommandError::BadState,
                _ => CommandError::NoResources,
            }
        })
    }

    /// Maps a queue of address space `space` and gives it to the backend, to go on from its state.
    fn activate(&mut self, queue: &Queue, space: u16) -> Result<(), CommandError> {
        let setup = &queue.setup;
        let index = setup.queue().get();
        let features = self.parts.transport.features();
        let config = QueueConfig::new(setup.size().get(), features).ok_or(CommandError::Failed)?;
        let config = config.start_at(position(queue.state));
        let config = match queue.is_pushed {
            true => config.pushed(),
            false => config,
        };
        let ring = self.parts.transport.queues.get(index);
        let ring = ring.ok_or(CommandError::Failed)?;
        let memory = self.map(queue, space, &config)?;
        let transport = &self.parts.transport;
        transport.interrupts.set_queue(index, setup.vector());
        ring.activate(config, memory).map_err(|_| {
            transport.interrupts.set_queue(index, None);
            CommandError::Failed
        })
    }
}

/// Returns the position in a ring that a command names.
fn position(state: QueueState) -> Position {
    let QueueState { available, used } = state;
    Position { available, used }
}

/// Returns a position as commands name it.
fn state(position: Position) -> QueueState {
    let Position { available, used } = position;
    QueueState { available, used }
}

impl CommandHandler for Commands {
    fn command_begins(&mut self, pulse: Pulse) {
        self.pacemaker.begin(pulse);
    }

    fn command_ends(&mut self) -> Option<Pulse> {
        self.pacemaker.end()
    }

    /// The bus stops the backend (Q1), then has the transport cancel and unmap (Q2, Q3).
    fn reset(&mut self) {
        self.parts.device.reset();
        // Here and nowhere else, so that addresses mean the same on both ends.
        self.parts.transport.windows.translation.reset();
        self.queues.iter_mut().for_each(|queue| *queue = None);
        self.parts.transport.publish_config();
    }

    fn accepts_features(&mut self, negotiated: u64) -> bool {
        self.parts.transport.keep_features(negotiated);
        self.parts.device.driver_features(negotiated).is_ok()
    }

    fn driver_ok(&mut self) -> Result<(), CommandError> {
        self.parts
            .device
            .driver_ok()
            .map_err(|_| CommandError::Failed)
    }

    fn status_changed(&mut self, status: DeviceStatus) {
        // The bus is stricter about the order of bits than the protocol. What it refuses is
        // made up for by `driver_ok`, which sets all bits in order.
        let _ = self
            .parts
            .device
            .driver_status(Status::from_bits(status.bits()));
    }

    fn needs_reset(&self) -> bool {
        self.parts
            .transport
            .status()
            .contains(Status::DEVICE_NEEDS_RESET)
    }

    fn set_interrupts(&mut self, interrupts: &Interrupts) -> Result<(), CommandError> {
        if !self.vectors.has(interrupts) {
            return Err(CommandError::BadArgument);
        }
        self.parts
            .transport
            .interrupts
            .set_mode(interrupts.mode(), interrupts.config_vector());
        Ok(())
    }

    fn write_config(&mut self, offset: usize, from: &[u8]) -> Result<(), CommandError> {
        self.parts
            .device
            .config_written(offset, from)
            .map_err(|_| CommandError::BadArgument)
    }

    fn setup_queue(&mut self, setup: &QueueSetup) -> Result<(), CommandError> {
        let is_packed = self.parts.transport.features() & RING_PACKED != 0;
        let slot = self.queues.get_mut(usize::from(setup.queue().get()));
        *slot.ok_or(CommandError::BadArgument)? = Some(Queue {
            setup: *setup,
            state: QueueState::initial(is_packed),
            is_pushed: false,
            slot: None,
        });
        Ok(())
    }

    fn push_queue(&mut self, index: QueueIndex) -> Result<(), CommandError> {
        let setup = self.queue(index)?.setup;
        self.pushed(&setup)
            .and_then(|pushed| pushed.clear())
            .map_err(|_| CommandError::Failed)?;
        self.queue(index)?.is_pushed = true;
        Ok(())
    }

    fn enable_queue(&mut self, index: QueueIndex, space: u16) -> Result<(), CommandError> {
        let queue = *self.queue(index)?;
        self.activate(&queue, space)?;
        let slot = self.slot(index).map(PolledSlot::new);
        self.queue(index)?.slot = slot;
        // ORDERING: The slot is read before the available index (D5).
        barrier::rmb();
        self.parts.transport.queues.kick(index.get());
        Ok(())
    }

    fn disable_queue(&mut self, index: QueueIndex) {
        let ring = self.parts.transport.queues.get(index.get());
        let stopped = ring.and_then(|ring| ring.deactivate());
        self.parts.transport.interrupts.set_queue(index.get(), None);
        if let Ok(queue) = self.queue(index) {
            queue.state = stopped.map_or(queue.state, state);
            queue.slot = None;
        }
    }

    fn set_queue_state(
        &mut self,
        index: QueueIndex,
        state: QueueState,
    ) -> Result<(), CommandError> {
        self.queue(index)?.state = state;
        // One that is enabled is suspended.
        let Some(ring) = self.parts.transport.queues.get(index.get()) else {
            return Ok(());
        };
        ring.set_position(position(state))
            .map_err(|_| CommandError::BadArgument)
    }

    fn queue_state(&mut self, index: QueueIndex) -> Result<QueueState, CommandError> {
        let queue = *self.queue(index)?;
        let ring = self.parts.transport.queues.get(index.get());
        let running = ring.and_then(|ring| ring.position());
        Ok(running.map_or(queue.state, state))
    }

    /// The bus has the backend stand still, then has the transport keep queues and interrupts from it.
    fn suspend(&mut self) -> Result<(), CommandError> {
        let suspended = self.parts.device.suspend();
        suspended.map_err(|_| CommandError::Failed)
    }

    fn resume(&mut self) -> Result<(), CommandError> {
        self.take_slots();
        let resumed = self.parts.device.resume();
        resumed.map_err(|_| CommandError::Failed)
    }

    fn map(&mut self, mapping: &Mapping) -> Result<(), CommandError> {
        self.parts.transport.windows.translation.map(mapping)
    }

    fn unmap(&mut self, range: &Range) -> Result<(), CommandError> {
        self.parts.transport.unmap(range)
    }
}
