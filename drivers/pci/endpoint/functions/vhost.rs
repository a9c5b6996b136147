// SPDX-License-Identifier: GPL-2.0

//! What the backend calls: the function as a transport of the vhost bus.
//!
//! The bus decides on status and features, the protocol on what the RC sees of them: here they are
//! only kept. The device config is kept in EP memory and published in the register BAR.
//!
//! Locks: `config`, a mutex. The bus calls most operations with the device's state lock held.

use crate::{
    bar::RegisterBar,
    buffers::Buffers,
    dma::Dma,
    interrupt::{
        Interrupts,
        UsedSignal, //
    },
    queue::{
        Queues,
        Ring, //
    },
    settings::Settings,
    window::WindowCache, //
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        Arc,
        Mutex, //
    },
    time::Delta,
};
use pci_ep::Endpoint;
use transport::{
    CommandError,
    ConfigSpace,
    Layout,
    Range, //
};
use vhost_bus::{
    ConfigOps,
    Device,
    Virtqueue,
    VqSpec,
    SPLIT_RING_FEATURES, //
};
use virtio::{
    features::IN_ORDER,
    status::Status, //
};

/// The largest device config of the protocol.
const MAX_CONFIG_SIZE: usize = 4096;

/// The function as a transport.
#[pin_data]
pub(crate) struct Transport {
    pub(crate) queues: Arc<Queues>,
    pub(crate) interrupts: Arc<Interrupts>,
    pub(crate) windows: Arc<WindowCache>,
    pub(crate) dma: Dma,
    /// Access to RC memory for the backend itself.
    buffers: Buffers,
    /// The most queues; once the layout is made, those in it.
    max_queues: Atomic<u32>,
    queue_size: u16,
    /// How long a queue is looked at, at most, before a kick is asked for.
    queue_poll: Delta,
    /// Whether backends' order is offered (`IN_ORDER`).
    in_order: bool,
    /// Counts the comings and goings of backends; odd while there is one.
    backends: Atomic<u32>,
    status: Atomic<u32>,
    features: Atomic<u64>,
    #[pin]
    config: Mutex<Config>,
}

/// The device config.
struct Config {
    bytes: KVec<u8>,
    /// Where it is published, once the register BAR is laid out.
    published: Option<Published>,
}

struct Published {
    bar: RegisterBar,
    layout: Layout,
    space: ConfigSpace,
}

impl Config {
    /// Changes bytes of the copy, which grows as long as there is no layout.
    fn keep(&mut self, offset: usize, from: &[u8]) -> Result {
        let end = offset.checked_add(from.len()).ok_or(EINVAL)?;
        if end > self.bytes.len() {
            if self.published.is_some() || end > MAX_CONFIG_SIZE {
                return Err(EINVAL);
            }
            self.bytes.resize(end, 0, GFP_KERNEL)?;
        }
        let to = self.bytes.get_mut(offset..end).ok_or(EINVAL)?;
        to.copy_from_slice(from);
        Ok(())
    }

    /// Publishes the copy, if it is to be seen: all of it, as the RC may have overwritten any of it.
    fn publish(&mut self) {
        if let Some(Published { bar, space, .. }) = &mut self.published {
            // It fits: the layout was made for it, and it does not grow since.
            let _ = space.publish(bar, 0, &self.bytes);
        }
    }
}

impl Transport {
    pub(crate) fn new(endpoint: &Endpoint, settings: &Settings) -> Result<Arc<Self>> {
        let windows = WindowCache::new(
            endpoint.clone(),
            settings.window_size.try_into()?,
            settings.max_windows.try_into()?,
        )?;
        let dma = Dma::new(endpoint, settings)?;
        let config = Config {
            bytes: KVec::new(),
            published: None,
        };
        let transport = try_pin_init!(Self {
            queues: Queues::new()?,
            interrupts: Interrupts::new(endpoint)?,
            // The backend itself knows of no groups.
            buffers: Buffers::new(&windows, 0)?,
            windows,
            dma,
            max_queues: Atomic::new(settings.num_queues),
            queue_size: settings.queue_size.try_into()?,
            queue_poll: Delta::from_micros(settings.queue_poll_us.into()),
            in_order: settings.in_order != 0,
            backends: Atomic::new(0),
            status: Atomic::new(0),
            features: Atomic::new(0),
            config <- new_mutex!(config, "pci_epf_vhost::Transport::config"),
        });
        Arc::pin_init(transport, GFP_KERNEL)
    }

    /// Lets go of the controller, for the end of the binding.
    pub(crate) fn detach(&self) {
        self.interrupts.detach();
        self.windows.detach();
        self.dma.detach();
    }

    /// Returns the number of the backend that is there with all its queues, another one for each.
    /// Context: any.
    pub(crate) fn backend(&self) -> Option<u32> {
        let count = self.backends.load(Acquire);
        (count & 1 == 1).then_some(count)
    }

    /// Returns the size of the device config in bytes.
    pub(crate) fn config_size(&self) -> usize {
        self.config.lock().bytes.len()
    }

    /// Publishes the device config in `bar` from now on; number of queues and size of the device
    /// config are fixed.
    pub(crate) fn publish_in(&self, bar: &RegisterBar, layout: &Layout) {
        self.max_queues.store(layout.num_queues().into(), Relaxed);
        self.config.lock().published = Some(Published {
            bar: bar.clone(),
            layout: *layout,
            space: ConfigSpace::new(layout, bar),
        });
    }

    /// Publishes the device config of a device that was reset (Q4).
    pub(crate) fn publish_config(&self) {
        self.config.lock().publish();
    }

    /// Writes the device config of a new session (S2).
    pub(crate) fn publish_again(&self) {
        let config = &mut *self.config.lock();
        if let Some(Published { bar, layout, space }) = &mut config.published {
            *space = ConfigSpace::new(layout, bar);
        }
        config.publish();
    }

    /// Keeps what the driver side accepts.
    pub(crate) fn keep_features(&self, features: u64) {
        self.features.store(features, Relaxed);
    }

    /// Returns what the driver side accepted.
    pub(crate) fn features(&self) -> u64 {
        self.features.load(Relaxed)
    }

    /// Returns the status that the bus published last. Context: any.
    pub(crate) fn status(&self) -> Status {
        // CAST: `set_status` stores 8 bits.
        Status::from_bits(self.status.load(Relaxed) as u8)
    }

    /// Notes that a backend came or left. The bus tells one thing at a time, and may tell again.
    fn set_backend(&self, is_there: bool) {
        if self.backend().is_some() != is_there {
            let next = self.backends.load(Relaxed).wrapping_add(1);
            self.backends.store(next, Release);
        }
    }

    /// Does Q2 and Q3; the bus has done Q1.
    fn cancel(&self) {
        self.queues.for_each(|ring| {
            ring.deactivate();
        });
        self.interrupts.reset();
        self.windows.clear();
        self.keep_features(0);
    }

    /// Removes the mappings in a range of IOVAs; on return nothing touches them, and queues with areas
    /// there have been stopped.
    ///
    /// # Errors
    ///
    /// Those of [`WindowCache::unmap`].
    pub(crate) fn unmap(&self, range: &Range) -> Result<(), CommandError> {
        self.windows.unmap(range)?;
        self.queues.for_each(|ring| {
            ring.break_if(
                |memory| memory.is_in(range),
                format_args!("the driver side unmapped some of the ring"),
            )
        });
        Ok(())
    }
}

impl ConfigOps for Transport {
    fn create_vqs(
        &self,
        device: &Arc<Device>,
        specs: &[VqSpec],
    ) -> Result<KVec<Arc<dyn Virtqueue>>> {
        if specs.len() > self.max_queues.load(Relaxed) as usize {
            return Err(ENOSPC);
        }
        let mut rings = KVec::<Arc<Ring>>::with_capacity(specs.len(), GFP_KERNEL)?;
        let mut virtqueues = KVec::<Arc<dyn Virtqueue>>::with_capacity(specs.len(), GFP_KERNEL)?;
        for (index, spec) in (0..).zip(specs) {
            let signal = UsedSignal(self.interrupts.clone());
            let ring = Ring::new(device, index, spec, self.queue_size, signal)?;
            ring.poll_for(self.queue_poll);
            virtqueues.push(ring.clone(), GFP_KERNEL)?;
            rings.push(ring, GFP_KERNEL)?;
        }
        self.queues.replace(rings);
        Ok(virtqueues)
    }

    /// The session, if there is one, is ended by the worker.
    fn del_vqs(&self) {
        self.set_backend(false);
        for ring in &self.queues.replace(KVec::new()) {
            ring.retire();
        }
    }

    fn read(&self, src: u64, to: &mut [u8]) -> Result {
        self.buffers.read(src, to)
    }

    fn write(&self, dst: u64, from: &[u8]) -> Result {
        self.buffers.write(dst, from)
    }

    fn suspend(&self) {
        self.queues.for_each(Ring::suspend);
        self.interrupts.hold();
    }

    fn resume(&self) {
        self.interrupts.release();
        self.queues.for_each(Ring::resume);
    }

    /// The features are those of a session, which asks the bus for them when it starts.
    fn set_features(&self, _device_features: u64) -> Result {
        Ok(())
    }

    fn transport_features(&self) -> u64 {
        match self.in_order {
            true => SPLIT_RING_FEATURES,
            false => SPLIT_RING_FEATURES & !IN_ORDER,
        }
    }

    fn get_features(&self) -> u64 {
        self.features()
    }

    /// The worker publishes the value, and raises the config interrupt for `DEVICE_NEEDS_RESET`.
    fn set_status(&self, status: Status) -> Result {
        if status.is_reset() {
            self.cancel();
        }
        self.status.store(status.bits().into(), Relaxed);
        Ok(())
    }

    fn get_status(&self) -> Status {
        self.status()
    }

    fn set_config(&self, offset: usize, from: &[u8]) -> Result {
        let config = &mut *self.config.lock();
        config.keep(offset, from)?;
        config.publish();
        Ok(())
    }

    fn config_changed(&self) {
        self.interrupts.raise_config();
    }

    fn backend_bound(&self) {
        self.set_backend(true);
    }
}
