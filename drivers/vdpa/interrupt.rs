// SPDX-License-Identifier: GPL-2.0

//! Interrupts of the endpoint: vectors, and the callbacks they lead to (V1, V2).
//!
//! With enough vectors, vector 0 is for changes of the device config and vector `q + 1` for queue
//! `q`; with fewer, queues share; with one, all share it.
//!
//! Context: handlers run in hard interrupts; the rest is process context. No lock but those inside
//! the callback slots is taken.

use kernel::{
    device::Bound,
    irq::IrqReturn,
    pci,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        Arc, //
    }, //
};
use pci_host::{
    IrqHandler,
    Kind,
    Vectors, //
};
use transport::{
    Command,
    InterruptMode, //
};
use vdpa::CallbackSlot;

/// Where the interrupts of one queue go.
#[pin_data]
pub(crate) struct QueueSignal {
    /// The callback of the vDPA device's user.
    #[pin]
    pub(crate) callback: CallbackSlot,
    /// Whether the queue is started; its callback is called only then.
    ready: Atomic<bool>,
    kicks: Atomic<u64>,
}

/// Where all interrupts go.
#[pin_data]
pub(crate) struct Signals {
    queues: KVec<Pin<KBox<QueueSignal>>>,
    /// The callback for changes of the device config.
    #[pin]
    pub(crate) config: CallbackSlot,
}

impl Signals {
    /// Makes the slots of `num_queues` queues.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: no memory.
    pub(crate) fn new(num_queues: u16) -> Result<Arc<Self>> {
        let mut queues = KVec::with_capacity(num_queues.into(), GFP_KERNEL)?;
        for _ in 0..num_queues {
            let signal = pin_init!(QueueSignal {
                callback <- CallbackSlot::new(),
                ready: Atomic::new(false),
                kicks: Atomic::new(0),
            });
            queues.push(KBox::pin_init(signal, GFP_KERNEL)?, GFP_KERNEL)?;
        }
        Arc::pin_init(
            pin_init!(Self {
                queues,
                config <- CallbackSlot::new(),
            }),
            GFP_KERNEL,
        )
    }

    /// Where the interrupts of queue `index` go. Context: any.
    pub(crate) fn queue(&self, index: u16) -> Option<&QueueSignal> {
        self.queues.get(usize::from(index)).map(|signal| &**signal)
    }

    fn call_queues(&self, first: usize, step: usize) {
        for signal in self.queues.iter().skip(first).step_by(step) {
            signal.call();
        }
    }
}

impl QueueSignal {
    /// Lets the callback be called, or no longer. Context: any.
    ///
    /// A call may still be running when this returns; see [`Interrupts::synchronize`].
    pub(crate) fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Release);
    }

    /// Whether the queue is started. Context: any.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Relaxed)
    }

    /// Counts a kick. Context: any.
    pub(crate) fn count_kick(&self) {
        self.kicks.fetch_add(1, Relaxed);
    }

    /// Returns how many kicks were counted. Context: any.
    pub(crate) fn kicks(&self) -> u64 {
        self.kicks.load(Relaxed)
    }

    fn call(&self) {
        if self.ready.load(Acquire) {
            self.callback.call();
        }
    }
}

/// How queues and the device config are spread over the vectors.
#[derive(Clone, Copy)]
struct Spread {
    vectors: usize,
    queues: u16,
}

impl Spread {
    /// Whether each queue has a vector of its own.
    fn is_one_to_one(self) -> bool {
        self.vectors > usize::from(self.queues)
    }

    /// Number of vectors that are for queues; the config vector is one of them if it is alone.
    fn queue_vectors(self) -> usize {
        self.vectors.saturating_sub(1).max(1)
    }

    /// Vector of a queue.
    fn queue(self, index: u16) -> usize {
        let first = self.vectors.min(2).saturating_sub(1);
        first + usize::from(index) % self.queue_vectors()
    }
}

/// The vectors of the endpoint function, with handlers.
pub(crate) struct Interrupts {
    // Declared first: handlers go before their vectors.
    handlers: KVec<IrqHandler>,
    vectors: Vectors,
    spread: Spread,
}

impl Interrupts {
    /// Allocates vectors and lets them call `signals`.
    ///
    /// # Errors
    ///
    /// `ENOSPC`: there is neither MSI-X nor MSI; `ENOMEM`; and those of `request_irq()`.
    pub(crate) fn new(
        pdev: &pci::Device<Bound>,
        num_queues: u16,
        signals: &Arc<Signals>,
    ) -> Result<Self> {
        let most = u32::from(num_queues) + 1;
        let vectors =
            Vectors::alloc(pdev, 1, most, &[Kind::MsiX, Kind::Msi]).inspect_err(|_| {
                dev_err!(
                    pdev,
                    "No MSI-X or MSI vector; the endpoint must offer one of them\n"
                );
            })?;
        let spread = Spread {
            vectors: vectors.count() as usize,
            queues: num_queues,
        };
        let mut handlers = KVec::with_capacity(spread.vectors, GFP_KERNEL)?;
        for vector in 0..spread.vectors {
            let signals = signals.clone();
            let handler = move || handle(&signals, spread, vector);
            handlers.push(
                vectors.request(vector as u32, c"epf_vdpa", handler)?,
                GFP_KERNEL,
            )?;
        }
        Ok(Self {
            handlers,
            vectors,
            spread,
        })
    }

    /// What the endpoint has to be told after each reset.
    pub(crate) fn command(&self) -> Command {
        let mode = match self.vectors.kind() {
            Kind::MsiX => InterruptMode::MsiX,
            Kind::Msi => InterruptMode::Msi,
            Kind::Intx => InterruptMode::IntX,
        };
        Command::SetInterrupts {
            mode: mode as u32,
            vectors: self.spread.vectors as u32,
            config_vector: 0,
        }
    }

    /// Vector of a queue, counted from 0.
    pub(crate) fn queue_vector(&self, index: u16) -> u32 {
        self.spread.queue(index) as u32
    }

    /// The Linux interrupt that is for queue `index` and nothing else. Context: process.
    ///
    /// # Errors
    ///
    /// `EINVAL`: there is no such queue, or it shares its vector; `ENODEV`: the function is unbound.
    pub(crate) fn own_irq(&self, index: u16) -> Result<u32> {
        match self.spread.is_one_to_one() && index < self.spread.queues {
            true => self.vectors.irq(self.queue_vector(index)),
            false => Err(EINVAL),
        }
    }

    /// Waits until no handler that began before is running.
    pub(crate) fn synchronize(&self) {
        for handler in &self.handlers {
            handler.synchronize();
        }
    }
}

/// Calls everything that `vector` is for.
fn handle(signals: &Signals, spread: Spread, vector: usize) -> IrqReturn {
    if vector == 0 {
        signals.config.call();
    }
    let first = spread.queue(0);
    if vector >= first {
        signals.call_queues(vector - first, spread.queue_vectors());
    }
    IrqReturn::Handled
}
