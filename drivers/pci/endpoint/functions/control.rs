// SPDX-License-Identifier: GPL-2.0

//! The worker that serves the RC: sessions, commands, polled doorbells, heartbeats, interrupts that
//! were not taken.
//!
//! A session runs while the controller is ready, the link is up as far as anybody knows, and there
//! is a backend. Callbacks of the framework end it at once; all else is left to the worker.
//!
//! ```text
//!            start()                        has a backend
//!   STOPPED ---------> waits for a backend ---------------> session
//!      ^                        ^                              |  |
//!      |                        +----- backend leaves ---------+  | RC silent (H3):
//!      +------------- stop() --------------------------------- +  | ended, and a new one begins
//! ```
//!
//! Locks: `session`, a mutex, held while a command is executed, which may take as long as the
//! backend's requests. It is taken below `epf->lock` and above the locks of the bus.

use crate::{
    clock::Clock,
    commands::{
        Commands,
        Parts,
        Vectors, //
    },
    pace::Pace,
    pulse::Pacemaker, //
};
use concurrency::{
    random_u32,
    Queue as Workqueue,
    Run, //
};
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
    time::{
        Delta,
        Instant, //
    },
};
use transport::{
    time,
    Description,
    EndpointPort,
    Epoch,
    GroupCounts,
    QueueDescription,
    QueueSize,
    TransportFeatures,
    MAX_QUEUES, //
};

/// What `Commands` implements, and [`PUSH`](TransportFeatures::PUSH) where there are push areas.
const FEATURES: TransportFeatures = TransportFeatures::SUSPEND
    .with(TransportFeatures::MAP)
    .with(TransportFeatures::GROUPS)
    .with(TransportFeatures::STEADY_BEAT);

/// What serves the RC; runs on a [`Worker`](concurrency::Worker).
#[pin_data]
pub(crate) struct Control {
    parts: Parts,
    /// The value that kicks each queue; empty for polled doorbells.
    doorbells: KVec<u32>,
    scan_ms: u64,
    clock: Clock,
    /// The epoch of the session; 0: there is none.
    epoch: Atomic<u32>,
    #[pin]
    session: Mutex<Session>,
}

/// What is under the lock.
struct Session {
    port: EndpointPort,
    commands: Commands,
    pace: Pace,
    /// The controller is ready.
    is_started: bool,
    /// The backend that the session is with.
    backend: Option<u32>,
    last_epoch: Option<Epoch>,
    next_scan_ms: u64,
}

impl Control {
    /// Makes it, and writes what the RC has to find before the register BAR becomes visible.
    ///
    /// `doorbells` are the values that kick the queues, `busy` is how long to go on without a pause, and
    /// the heartbeat of commands is on `queue`.
    // Not inlined: a session passes through the stack, which the caller needs for a backend's probe.
    #[inline(never)]
    pub(crate) fn new(
        parts: Parts,
        vectors: Vectors,
        doorbells: KVec<u32>,
        busy: Delta,
        queue: &Arc<Workqueue>,
    ) -> Result<Arc<Self>> {
        let clock = Clock::new();
        let pacemaker = Pacemaker::new(queue, &parts.bar, clock)?;
        EndpointPort::announce(&parts.bar);
        let session = Session {
            port: EndpointPort::new(parts.layout),
            commands: Commands::new(parts.clone(), vectors, pacemaker)?,
            pace: Pace::new(busy, Instant::now()),
            is_started: false,
            backend: None,
            last_epoch: None,
            next_scan_ms: 0,
        };
        let control = pin_init!(Self {
            scan_ms: parts.layout.doorbells().scan_ms.into(),
            parts,
            doorbells,
            clock,
            epoch: Atomic::new(0),
            session <- new_mutex!(session, "pci_epf_vhost::Control::session"),
        });
        Arc::pin_init(control, GFP_KERNEL)
    }

    /// Lets sessions run; the caller wakes the worker.
    pub(crate) fn start(&self) {
        let mut session = self.session.lock();
        session.is_started = true;
        session.pace.active(Instant::now());
    }

    /// Ends the session and lets no other one run (Z1, Z2). On return nothing touches RC memory.
    pub(crate) fn stop(&self) {
        let mut session = self.session.lock();
        session.is_started = false;
        self.end(&mut session);
    }

    /// Returns the epoch of the session; 0: there is none. Context: any.
    pub(crate) fn epoch(&self) -> u32 {
        self.epoch.load(Relaxed)
    }

    /// Begins or ends the session, as it has to be; returns whether there is one.
    fn follow(&self, session: &mut Session) -> bool {
        let backend = self.parts.transport.backend();
        let wanted = backend.filter(|_| session.is_started);
        if session.port.is_running() && session.backend != wanted {
            self.end(session);
        }
        if !session.port.is_running() && wanted.is_some() {
            session.backend = wanted;
            self.begin(session);
        }
        session.port.is_running()
    }

    /// Begins a session (S1 to S4).
    fn begin(&self, session: &mut Session) {
        let mut queues = [QueueDescription {
            size_max: QueueSize::MIN,
            doorbell: 0,
            group: 0,
        }; MAX_QUEUES];
        let described = self.describe_queues(&mut queues);
        let description = Description {
            device_id: self.parts.device.id().get(),
            vendor_id: self.parts.device.vendor(),
            device_features: self.parts.device.device_features(),
            transport_features: self.features(),
            groups: self.groups(),
            queues: described,
        };
        self.parts.transport.publish_again();
        let Some(epoch) = new_epoch(session.last_epoch) else {
            return;
        };
        let now_ms = self.clock.now_ms();
        match session
            .port
            .start(&self.parts.bar, &description, epoch, now_ms)
        {
            Ok(()) => {
                session.last_epoch = Some(epoch);
                self.epoch.store(epoch.get(), Relaxed);
            }
            Err(error) => {
                dev_err!(
                    self.parts.device.dev(),
                    "Session cannot start: {:?}\n",
                    error
                );
                session.is_started = false;
            }
        }
    }

    /// Ends the session, if there is one (Z1, Z2).
    fn end(&self, session: &mut Session) {
        session.port.stop(&self.parts.bar, &mut session.commands);
        self.epoch.store(0, Relaxed);
    }

    fn features(&self) -> TransportFeatures {
        match self.parts.layout.push() {
            Some(_) => FEATURES.with(TransportFeatures::PUSH),
            None => FEATURES,
        }
    }

    /// An address space for each group.
    fn groups(&self) -> GroupCounts {
        let groups = self.parts.transport.queues.groups();
        GroupCounts {
            groups,
            spaces: groups,
        }
    }

    /// Describes as many queues as the backend has.
    fn describe_queues<'a>(
        &self,
        queues: &'a mut [QueueDescription; MAX_QUEUES],
    ) -> &'a [QueueDescription] {
        let mut count = 0;
        for (index, queue) in (0..).zip(queues.iter_mut()) {
            let Some(ring) = self.parts.transport.queues.get(index) else {
                break;
            };
            // The largest power of two; a queue has at least one descriptor.
            let size = 1 << ring.max_size().checked_ilog2().unwrap_or(0);
            let doorbell = self.doorbells.get(usize::from(index));
            *queue = QueueDescription {
                size_max: QueueSize::new(size).unwrap_or(QueueSize::MIN),
                doorbell: doorbell.copied().unwrap_or(0),
                group: ring.group(),
            };
            count += 1;
        }
        queues.get(..count).unwrap_or_default()
    }

    /// Looks once at all there is to look at; returns whether there was something to do.
    fn look(&self, session: &mut Session) -> bool {
        let now_ms = self.clock.now_ms();
        let is_kicked = session.commands.look_at_slots();
        if self.scan_ms != 0 && now_ms >= session.next_scan_ms {
            session.next_scan_ms = now_ms.saturating_add(self.scan_ms);
            self.parts.transport.queues.kick_all();
        }
        let progress = session
            .port
            .poll(&self.parts.bar, &mut session.commands, now_ms);
        if progress.needs_reset {
            self.parts.transport.interrupts.raise_config();
        }
        self.parts.transport.interrupts.retry();
        if progress.is_rc_silent {
            dev_warn!(
                self.parts.device.dev(),
                "No heartbeat of the root complex for {} ms, expected one every {} ms: starting again\n",
                time::RC_SILENT_MS,
                time::BEAT_MS
            );
            self.end(session);
        }
        is_kicked || progress.answered.is_some()
    }
}

/// Returns an epoch that differs from the last one (S1).
fn new_epoch(last: Option<Epoch>) -> Option<Epoch> {
    let first = random_u32();
    // At most three of four neighbours are excluded: 0, all-ones, the last one.
    (0..4)
        .filter_map(|n| Epoch::new(first.wrapping_add(n)))
        .find(|epoch| Some(*epoch) != last)
}

impl Run for Control {
    fn run(&self) {
        let mut session = self.session.lock();
        if self.follow(&mut session) && self.look(&mut session) {
            session.pace.active(Instant::now());
        }
    }

    fn again(&self) -> Option<Delta> {
        let mut session = self.session.lock();
        session
            .is_started
            .then(|| session.pace.next(Instant::now()))
    }
}
