// SPDX-License-Identifier: GPL-2.0

//! The worker that answers the RC: the shipped state machine, a word that lies here and there.
//!
//! Locks: `session`, a mutex, held while commands are answered, delays included.

use crate::{
    bar::ForgedBar,
    device::{
        Device,
        Kind, //
    },
    lies::{
        Hold,
        Lies, //
    },
};
use concurrency::Run;
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
    time::{
        delay::fsleep,
        Delta,
        Instant,
        Monotonic, //
    }, //
};
use pci_ep::{
    Endpoint,
    Interrupt, //
};
use transport::{
    CommandWord,
    ConfigSpace,
    Description,
    EndpointPort,
    Epoch,
    GroupCounts,
    Layout,
    Offset,
    QueueDescription,
    QueueSize,
    Registers,
    TransportFeatures, //
};

/// Pause between two looks at the command word.
const PAUSE: Delta = Delta::from_millis(1);

/// How often a word that changes all the time changes between two looks at the command word.
const CHANGES: u32 = 10_000;

/// Largest size of all queues.
const QUEUE_SIZE: u32 = 64;

/// What answers the RC; runs on a [`Worker`](concurrency::Worker).
#[pin_data]
pub(crate) struct Responder {
    kind: Kind,
    endpoint: Endpoint,
    bar: ForgedBar,
    lies: Arc<Lies>,
    made: Instant<Monotonic>,
    #[pin]
    session: Mutex<Session>,
}

/// What is under the lock.
struct Session {
    port: EndpointPort,
    device: Device,
    epoch: u32,
    /// The command that was delayed last.
    delayed: CommandWord,
    is_stopped: bool,
}

impl Responder {
    /// Makes it, and writes what the RC has to find before the register BAR becomes visible.
    pub(crate) fn new(
        kind: Kind,
        endpoint: Endpoint,
        bar: ForgedBar,
        layout: Layout,
        lies: Arc<Lies>,
    ) -> Result<Arc<Self>> {
        let device = Device::new(kind, endpoint.clone(), bar.clone(), layout)?;
        let session = Session {
            port: EndpointPort::new(layout),
            device,
            epoch: 0,
            delayed: CommandWord::NONE,
            is_stopped: false,
        };
        let responder = pin_init!(Self {
            kind,
            endpoint,
            bar,
            lies,
            made: Instant::now(),
            session <- new_mutex!(session, "pci_epf_forger::Responder::session"),
        });
        let responder = Arc::pin_init(responder, GFP_KERNEL)?;
        responder.be_honest()?;
        Ok(responder)
    }

    /// Forgets all lies, and begins a new session.
    pub(crate) fn be_honest(&self) -> Result {
        let session = &mut *self.session.lock();
        self.lies.forget();
        session.port.stop(&self.bar, &mut session.device);
        session.device.set_block_status(0);
        self.bar.clear();
        self.begin(session)
    }

    fn begin(&self, session: &mut Session) -> Result {
        let queue = QueueDescription {
            size_max: QueueSize::new(QUEUE_SIZE).ok_or(EINVAL)?,
            doorbell: 0,
            group: 0,
        };
        let queues = KVec::from_elem(queue, self.kind.num_queues().into(), GFP_KERNEL)?;
        let description = Description {
            device_id: self.kind.id().get(),
            vendor_id: 0,
            device_features: self.kind.features(),
            transport_features: TransportFeatures::NONE,
            groups: GroupCounts::ONE,
            queues: &queues,
        };
        let mut config = ConfigSpace::new(session.port.layout(), &self.bar);
        let is_inside = config.publish(&self.bar, 0, &self.kind.config()?);
        is_inside.then_some(()).ok_or(EINVAL)?;
        session.epoch = session.epoch.wrapping_add(1).max(1);
        let epoch = Epoch::new(session.epoch).ok_or(EINVAL)?;
        let started = session
            .port
            .start(&self.bar, &description, epoch, self.now_ms());
        started.map_err(|_| EINVAL)
    }

    /// Answers nothing any more; on return nothing touches RC memory.
    pub(crate) fn stop(&self) {
        let session = &mut *self.session.lock();
        session.is_stopped = true;
        session.port.stop(&self.bar, &mut session.device);
    }

    /// Lies about a word from now on.
    pub(crate) fn hold(&self, hold: Hold) -> Result {
        self.lies.hold(hold)?;
        match hold.opcode {
            None => self.bar.poke(hold.offset, hold.value),
            Some(_) => Ok(()),
        }
    }

    pub(crate) fn lies(&self) -> &Lies {
        &self.lies
    }

    pub(crate) fn bar(&self) -> &ForgedBar {
        &self.bar
    }

    /// Does something with the device.
    pub(crate) fn with_device(&self, act: impl FnOnce(&mut Device) -> Result) -> Result {
        act(&mut self.session.lock().device)
    }

    /// Raises an MSI-X vector `count` times.
    pub(crate) fn raise(&self, vector: u16, count: u32) -> Result {
        (0..count).try_for_each(|_| self.endpoint.raise(Interrupt::MsiX(vector)))
    }

    /// Waits before a new command, if its answer is to come late.
    fn delay(&self, session: &mut Session) {
        let command = self.bar.command();
        if command == core::mem::replace(&mut session.delayed, command) {
            return;
        }
        if let Some(delay) = self.lies.delay_of(command.opcode()) {
            fsleep(delay);
        }
    }

    /// Changes the words that change all the time; returns whether there are any.
    fn churn(&self) -> bool {
        // In steps of 2, so that a generation stays even and only the change is seen.
        let change = |offset: Offset| {
            for _ in 0..CHANGES {
                let value = self.bar.read32(offset).wrapping_add(2);
                let _ = self.bar.poke(offset, value);
            }
        };
        self.lies.each_churned(change)
    }

    fn now_ms(&self) -> u64 {
        self.made.elapsed().as_millis().try_into().unwrap_or(0)
    }
}

impl Run for Responder {
    fn run(&self) {
        let session = &mut *self.session.lock();
        self.delay(session);
        session
            .port
            .poll(&self.bar, &mut session.device, self.now_ms());
        if !self.lies.is_stalled() {
            session.device.serve();
        }
        self.churn();
    }

    fn again(&self) -> Option<Delta> {
        let is_stopped = self.session.lock().is_stopped;
        let is_churning = self.lies.each_churned(|_| {});
        let pause = if is_churning { Delta::ZERO } else { PAUSE };
        (!is_stopped).then_some(pause)
    }
}
