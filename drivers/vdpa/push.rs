// SPDX-License-Identifier: GPL-2.0

//! Pushes queues: at each kick, what became available is copied to EP memory behind a BAR.
//!
//! A driver of the kernel keeps its memory mapped until it gets it back. A process (`vhost_vdpa`) may unmap it,
//! end, or lie about it at any time, so its memory is read through a map of what it has mapped, which is locked for
//! the copy of a page at most, and taken out of before its pages go (`vdpa::KernelMap`). What is not in there is
//! not read: a ring ends the queue, and a buffer is left to the endpoint, which has not got it either.
//!
//! That takes mappings that this driver is told of: those of an endpoint that translates. Where `vhost_vdpa` maps
//! by an IOMMU, its queues are pulled. It has a domain of its own there, unpins pages before it unmaps them, and
//! tells nobody, so that what `iommu_iova_to_phys()` finds may be somebody else's page by then, or a table that is
//! being freed. A device is stopped by the IOMMU itself; a processor is not.
//!
//! Locks: that of each queue, held with interrupts off while its chains are copied; that of the map of processes is
//! taken inside it. Whoever unmaps takes the latter alone.
//!
//! Context: process, unless stated. Kicks of a process come from whoever signals its eventfd, so with interrupts off
//! as well, and with the lock of that held.

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
use vdpa::{
    KernelMap,
    MappedQueue, //
};
use virtio::{
    ids::DeviceId,
    net::offloads,
    ring::{
        Layout,
        Mirror,
        PushArea,
        PushMemory,
        RingError,
        RingMemory,
        MOST_PUSHED, //
    }, //
};

/// The queues of a device that are pushed.
pub(crate) struct Pushes {
    link: Arc<Link>,
    /// `None`: the endpoint has no memory for it.
    areas: Option<PushAreas>,
    /// What processes have mapped; `None`: their queues are not pushed.
    processes: Option<Arc<KernelMap>>,
    /// `None`: the endpoint reads the queue.
    queues: KVec<Pin<KBox<IrqLock<Option<Pushed>>>>>,
}

/// A queue that is pushed.
struct Pushed {
    mirror: KBox<dyn Push>,
    /// The driver side broke a rule, and nothing more is pushed.
    has_failed: bool,
}

/// A mirror, whosever memory it copies.
trait Push: Send {
    /// As for [`Mirror::sync`].
    fn sync(&mut self) -> Result<u16, RingError<Error>>;

    /// As for [`Mirror::restart`].
    fn restart(&mut self, start: u16);
}

impl<S: RingMemory<Error = Error> + Send> Push for Mirror<S, Target, KVec<u64>> {
    fn sync(&mut self) -> Result<u16, RingError<Error>> {
        self.sync()
    }

    fn restart(&mut self, start: u16) {
        self.restart(start);
    }
}

/// The driver side's half of a queue.
enum Source {
    Kernel(DriverMemory),
    Process(MappedQueue),
}

impl Pushes {
    /// # Errors
    ///
    /// `ENOMEM`: no memory.
    pub(crate) fn new(link: &Arc<Link>, processes: Option<Arc<KernelMap>>) -> Result<Self> {
        let num_queues = link.identity().num_queues();
        let mut queues = KVec::with_capacity(num_queues.into(), GFP_KERNEL)?;
        for _ in 0..num_queues {
            let state = new_irq_lock!(None, "epf_vdpa::Pushes::queues");
            queues.push(KBox::pin_init(state, GFP_KERNEL)?, GFP_KERNEL)?;
        }
        Ok(Self {
            areas: link.identity().layout().push(),
            link: link.clone(),
            processes,
            queues,
        })
    }

    /// Whether this driver has to see each kick of a process: then its doorbells are not given to it.
    ///
    /// Whether a queue is pushed is known when it starts; a process may map its doorbell before and use it
    /// afterwards. So all queues are alike.
    pub(crate) fn need_kicks_of_processes(&self) -> bool {
        self.areas.is_some() && self.processes.is_some()
    }

    /// The features that go with how queues get to the endpoint.
    ///
    /// Packets that are to be segmented are none of a network device whose endpoint cannot fetch long buffers by other
    /// means than loads: they are longer than what is pushed.
    pub(crate) fn possible(&self, features: u64) -> u64 {
        let is_network = DeviceId::new(self.link.identity().device_id()) == DeviceId::NET;
        let fetches = |areas: &PushAreas| (1..=MOST_PUSHED).contains(&areas.below);
        match self.areas {
            Some(areas) if is_network && !fetches(&areas) => {
                features & !(feature::NOT_PUSHED | offloads::HOST_SEGMENTS)
            }
            Some(_) => features & !feature::NOT_PUSHED,
            None => features,
        }
    }

    /// Gets ready to push a queue that is set up and not enabled, has `tell` tell the endpoint, and pushes
    /// what is available.
    ///
    /// Does nothing where the endpoint has no memory for its rings, or this side does not reach them: those of
    /// a process that an IOMMU translates for, or that has not mapped them to be read.
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
        let Some(source) = self.source(setup)? else {
            return Ok(());
        };
        // CAST: At most 32768.
        let ends = KVec::from_elem(0, setup.size as usize, GFP_KERNEL)?;
        tell()?;
        let start = setup.position.available;
        let mirror = match source {
            Source::Kernel(memory) => boxed(Mirror::new(area, start, memory, target, ends)),
            Source::Process(memory) => boxed(Mirror::new(area, start, memory, target, ends)),
        };
        let pushed = Pushed {
            mirror: mirror?,
            has_failed: false,
        };
        self.set(vq, Some(pushed));
        self.push(vq);
        Ok(())
    }

    /// What is to be pushed of a queue; nothing if it cannot be read.
    ///
    /// # Errors
    ///
    /// `EINVAL`: no queue has this size; `ENOMEM`: no memory.
    fn source(&self, setup: &QueueSetup) -> Result<Option<Source>> {
        let layout = u16::try_from(setup.size)
            .ok()
            .and_then(|size| Layout::new(size, 0))
            .ok_or(EINVAL)?;
        if setup.has_iovas {
            let of_map =
                |map: &Arc<KernelMap>| MappedQueue::new(map.clone(), setup.space, setup.address);
            let queue = self.processes.as_ref().map(of_map);
            let queue = queue.filter(|queue| queue.is_readable(layout));
            return Ok(queue.map(Source::Process));
        }
        match DriverMemory::new(self.link.dev(), setup, layout) {
            Err(error) if error == EFAULT => Ok(None),
            memory => Ok(Some(Source::Kernel(memory?))),
        }
    }

    /// Where a queue is pushed to, if it fits in.
    fn place(&self, vq: u16, setup: &QueueSetup) -> Option<(PushArea, Target)> {
        let areas = self.areas?;
        let area = PushArea::new(setup.size.try_into().ok()?, areas.stride)?;
        let area = area.pushing_below(areas.below);
        let queue = self.link.identity().queue(vq)?;
        let target = Target {
            link: self.link.clone(),
            areas,
            start: areas.offset(queue).try_into().ok()?,
        };
        Some((area, target))
    }

    /// Has a queue go on somewhere else, while the device is suspended: what is available from there on is pushed
    /// anew.
    pub(crate) fn restart(&self, vq: u16, start: u16) {
        if let Some(queue) = self.queues.get(usize::from(vq)) {
            if let Some(pushed) = queue.lock().as_mut() {
                pushed.mirror.restart(start);
            }
        }
        self.push(vq);
    }

    /// Pushes nothing more of any queue; else as [`end`](Self::end).
    pub(crate) fn end_all(&self) {
        for vq in 0..self.link.identity().num_queues() {
            self.end(vq);
        }
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

fn boxed(mirror: impl Push + 'static) -> Result<KBox<dyn Push>> {
    Ok(KBox::new(mirror, GFP_KERNEL)? as KBox<dyn Push>)
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
