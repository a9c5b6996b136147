// SPDX-License-Identifier: GPL-2.0

//! Pushes queues: at each kick, what became available is copied to EP memory behind a BAR.
//!
//! Locks: that of each queue, held with interrupts off while its chains are copied; nothing is taken
//! inside it.
//!
//! Context: process, unless stated.

use crate::{
    driver_memory::DriverMemory,
    link::Link,
    queue::QueueSetup, //
};
use concurrency::{
    barrier,
    new_irq_lock,
    IrqLock, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};
use transport::{
    feature,
    PushAreas, //
};
use virtio::ring::{
    Layout,
    Mirror,
    PushArea,
    PushMemory, //
};

/// The queues of a device that are pushed.
pub(crate) struct Pushes {
    link: Arc<Link>,
    /// `None`: the endpoint has no memory for it.
    areas: Option<PushAreas>,
    /// `None`: the endpoint reads the queue.
    queues: KVec<Pin<KBox<IrqLock<Option<Pushed>>>>>,
}

type QueueMirror = Mirror<DriverMemory, Target, KVec<u64>>;

/// A queue that is pushed.
struct Pushed {
    mirror: KBox<QueueMirror>,
    /// The driver side broke a rule, and nothing more is pushed.
    has_failed: bool,
}

impl Pushes {
    /// # Errors
    ///
    /// `ENOMEM`: no memory.
    pub(crate) fn new(link: &Arc<Link>) -> Result<Self> {
        let num_queues = link.identity().num_queues();
        let mut queues = KVec::with_capacity(num_queues.into(), GFP_KERNEL)?;
        for _ in 0..num_queues {
            let state = new_irq_lock!(None, "epf_vdpa::Pushes::queues");
            queues.push(KBox::pin_init(state, GFP_KERNEL)?, GFP_KERNEL)?;
        }
        Ok(Self {
            areas: link.identity().layout().push(),
            link: link.clone(),
            queues,
        })
    }

    /// The features that go with how queues get to the endpoint.
    pub(crate) fn possible(&self, features: u64) -> u64 {
        match self.areas {
            Some(_) => features & !feature::NOT_PUSHED,
            None => features,
        }
    }

    /// Gets ready to push a queue that is set up and not enabled, has `tell` tell the endpoint, and pushes
    /// what is available.
    ///
    /// Does nothing where the endpoint has no memory for its rings, or this side does not reach them: those of
    /// a process.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: no memory; and those of the endpoint.
    pub(crate) fn begin(
        &self,
        vq: u16,
        setup: &QueueSetup,
        tell: impl FnOnce() -> Result,
    ) -> Result {
        let Some((area, target)) = self.place(vq, setup) else {
            return Ok(());
        };
        let layout = u16::try_from(setup.size)
            .ok()
            .and_then(|size| Layout::new(size, 0));
        let memory = DriverMemory::new(self.link.dev(), setup, layout.ok_or(EINVAL)?);
        let memory = match memory {
            Err(error) if error == EFAULT => return Ok(()),
            memory => memory?,
        };
        // CAST: At most 32768.
        let ends = KVec::from_elem(0, setup.size as usize, GFP_KERNEL)?;
        tell()?;
        let mirror = Mirror::new(area, setup.position.available, memory, target, ends);
        let pushed = Pushed {
            mirror: KBox::new(mirror, GFP_KERNEL)?,
            has_failed: false,
        };
        self.set(vq, Some(pushed));
        self.push(vq);
        Ok(())
    }

    /// Where a queue is pushed to, if it fits in.
    fn place(&self, vq: u16, setup: &QueueSetup) -> Option<(PushArea, Target)> {
        let areas = self.areas?;
        let area = PushArea::new(setup.size.try_into().ok()?, areas.stride)?;
        let queue = self.link.identity().queue(vq)?;
        let target = Target {
            link: self.link.clone(),
            areas,
            start: areas.offset(queue).try_into().ok()?,
        };
        Some((area, target))
    }

    /// Pushes nothing more of a queue; when this returns, its memory is not touched from here.
    pub(crate) fn end(&self, vq: u16) {
        self.set(vq, None);
    }

    /// Pushes what became available. Context: any, also with interrupts off.
    pub(crate) fn push(&self, vq: u16) {
        let Some(queue) = self.queues.get(usize::from(vq)) else {
            return;
        };
        let mut state = queue.lock();
        let Some(pushed) = state.as_mut().filter(|pushed| !pushed.has_failed) else {
            return;
        };
        if let Err(error) = pushed.mirror.sync() {
            pushed.has_failed = true;
            self.link.give_up_soon();
            dev_err!(
                self.link.dev(),
                "Queue {} cannot be pushed any more: {:?}\n",
                vq,
                error
            );
        }
    }

    fn set(&self, vq: u16, new: Option<Pushed>) {
        if let Some(queue) = self.queues.get(usize::from(vq)) {
            let before = core::mem::replace(&mut *queue.lock(), new);
            // Not with the lock held, as it may unmap memory.
            drop(before);
        }
    }
}

/// The push area of a queue, in the BAR.
struct Target {
    link: Arc<Link>,
    areas: PushAreas,
    start: usize,
}

impl PushMemory for Target {
    fn write(&self, offset: usize, from: &[u8]) {
        self.link.push(&self.areas, self.start + offset, from);
    }

    fn store_u16(&self, offset: usize, value: u16) {
        self.write(offset, &value.to_le_bytes());
    }

    fn write_barrier(&self) {
        barrier::wmb();
    }
}
