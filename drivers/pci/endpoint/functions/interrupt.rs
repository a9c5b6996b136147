// SPDX-License-Identifier: GPL-2.0

//! Interrupts to the RC (V1 to V5).
//!
//! An interrupt that the controller does not take is kept, and tried again by the worker; so is each
//! one while the device is suspended.
//!
//! Context: process. The lock protects what to raise and where; `epc->lock` is taken with it held.

use concurrency::barrier;
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Mutex, //
    },
};
use pci_ep::{
    Endpoint,
    Interrupt, //
};
use transport::{
    InterruptMode,
    MAX_QUEUES, //
};
use vhost_bus::Signal;

/// The interrupts of a function.
#[pin_data]
pub(crate) struct Interrupts {
    #[pin]
    state: Mutex<State>,
    /// A hint that something is pending, so that the worker need not take the lock to know.
    is_pending: Atomic<bool>,
}

/// What is under the lock.
struct State {
    way: Way,
    config: Line,
    queues: [Line; MAX_QUEUES],
}

/// How interrupts get to the RC.
struct Way {
    /// `None`: the function is being unbound, and nothing is raised any more.
    endpoint: Option<Endpoint>,
    mode: InterruptMode,
    /// The device is suspended, and nothing is raised for the time being.
    is_held: bool,
}

impl Way {
    /// Raises an interrupt and returns whether it is done with.
    fn raise(&self, interrupt: Interrupt) -> bool {
        match &self.endpoint {
            Some(endpoint) => !self.is_held && endpoint.raise(interrupt).is_ok(),
            None => true,
        }
    }
}

/// A reason for interrupts.
#[derive(Clone, Copy, Default)]
struct Line {
    /// Counts from 0; `None`: not to be raised (`NO_VECTOR`).
    vector: Option<u16>,
    /// Raised, and not taken yet.
    is_pending: bool,
}

impl Line {
    /// Raises the interrupt; one that is not taken stays pending (V4).
    fn raise(&mut self, way: &Way) {
        let interrupt = self.vector.and_then(|vector| interrupt(way.mode, vector));
        self.is_pending = interrupt.is_some_and(|interrupt| !way.raise(interrupt));
    }
}

/// Returns the interrupt for a vector, which the protocol checked against the mode.
fn interrupt(mode: InterruptMode, vector: u16) -> Option<Interrupt> {
    match mode {
        InterruptMode::None => None,
        InterruptMode::IntX => Some(Interrupt::Intx),
        InterruptMode::Msi => vector.try_into().ok().map(Interrupt::Msi),
        InterruptMode::MsiX => Some(Interrupt::MsiX(vector)),
    }
}

impl Interrupts {
    // Not inlined: the state passes through the stack, which the caller needs for a backend's probe.
    #[inline(never)]
    pub(crate) fn new(endpoint: &Endpoint) -> Result<Arc<Self>> {
        let state = State {
            way: Way {
                endpoint: Some(endpoint.clone()),
                mode: InterruptMode::None,
                is_held: false,
            },
            config: Line::default(),
            queues: [Line::default(); MAX_QUEUES],
        };
        let interrupts = pin_init!(Self {
            state <- new_mutex!(state, "pci_epf_vhost::Interrupts::state"),
            is_pending: Atomic::new(false),
        });
        Arc::pin_init(interrupts, GFP_KERNEL)
    }

    /// Uses this kind of interrupts, with a vector for the device config; no queue has one yet.
    pub(crate) fn set_mode(&self, mode: InterruptMode, config_vector: Option<u16>) {
        let mut state = self.state.lock();
        state.way.mode = mode;
        state.config.vector = config_vector;
    }

    /// Uses `vector` for a queue from now on; nothing is pending. `None`: the queue is disabled.
    pub(crate) fn set_queue(&self, queue: u16, vector: Option<u16>) {
        if let Some(line) = self.state.lock().queues.get_mut(usize::from(queue)) {
            *line = Line {
                vector,
                is_pending: false,
            };
        }
    }

    /// Raises nothing until the RC says again what it wants (Q2).
    pub(crate) fn reset(&self) {
        let mut state = self.state.lock();
        state.way.mode = InterruptMode::None;
        state.way.is_held = false;
        state.config = Line::default();
        state.queues = [Line::default(); MAX_QUEUES];
    }

    /// Keeps what is to be raised from now on, and what is pending (`SUSPEND`).
    pub(crate) fn hold(&self) {
        self.state.lock().way.is_held = true;
    }

    /// Raises again (`RESUME`); what was kept is left to [`retry`](Self::retry).
    pub(crate) fn release(&self) {
        self.state.lock().way.is_held = false;
    }

    /// Lets go of the controller; nothing is raised any more.
    pub(crate) fn detach(&self) {
        let endpoint = self.state.lock().way.endpoint.take();
        drop(endpoint);
    }

    /// Tells the RC of used buffers (V1).
    fn raise_queue(&self, queue: u16) {
        let state = &mut *self.state.lock();
        if let Some(line) = state.queues.get_mut(usize::from(queue)) {
            self.raise(&state.way, line);
        }
    }

    /// Tells the RC of a change of the device config or of `DEVICE_NEEDS_RESET` (V1).
    pub(crate) fn raise_config(&self) {
        let state = &mut *self.state.lock();
        self.raise(&state.way, &mut state.config);
    }

    fn raise(&self, way: &Way, line: &mut Line) {
        line.raise(way);
        if line.is_pending {
            self.is_pending.store(true, Relaxed);
        }
    }

    /// Tries again what is pending (V4).
    pub(crate) fn retry(&self) {
        if !self.is_pending.load(Relaxed) {
            return;
        }
        let state = &mut *self.state.lock();
        // ORDERING: What the interrupt tells of was written on another processor, perhaps; it has
        // to leave the EP before the interrupt does (V3).
        barrier::mb();
        self.is_pending.store(false, Relaxed);
        let lines = Iterator::chain(state.queues.iter_mut(), [&mut state.config]);
        for line in lines.filter(|line| line.is_pending) {
            self.raise(&state.way, line);
        }
    }
}

/// The used buffer notification of the queues.
pub(crate) struct UsedSignal(pub(crate) Arc<Interrupts>);

impl Signal for UsedSignal {
    fn signal(&self, index: u16) {
        self.0.raise_queue(index);
    }
}
