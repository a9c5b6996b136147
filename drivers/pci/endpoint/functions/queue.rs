// SPDX-License-Identifier: GPL-2.0

//! Virtqueues in RC memory: rings that are mapped once, buffers through the window cache.
//!
//! Locks: the list of queues, taken with interrupts off; with it held only queues are kicked.

use crate::{
    buffers::Buffers,
    interrupt::UsedSignal,
    window::WindowCache, //
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
use pci_ep::OutboundWindow;
use transport::QueueSetup;
use vhost_bus::RingQueue;
use virtio::ring::{
    Area,
    QueueSize,
    RingMemory, //
};

/// Areas that lie within so many bytes share a window: those of a ring of 16384 descriptors do.
const SHARED_WINDOW: u64 = 512 << 10;

/// A virtqueue in RC memory.
pub(crate) type Ring = RingQueue<RcMemory, UsedSignal>;

/// One area of a queue in a window.
struct MappedArea {
    window: Arc<OutboundWindow>,
    /// Where the area begins in the window.
    start: usize,
    len: usize,
}

impl MappedArea {
    /// Returns the place in the window of `len` bytes at `offset` of the area.
    ///
    /// # Errors
    ///
    /// `EINVAL`: they are not in the area.
    fn at(&self, offset: usize, len: usize) -> Result<usize> {
        match offset.checked_add(len) {
            Some(end) if end <= self.len => Ok(self.start + offset),
            _ => Err(EINVAL),
        }
    }
}

/// How a queue in RC memory is reached.
///
/// Context: process, because buffers may have to be mapped.
pub(crate) struct RcMemory {
    descriptor: MappedArea,
    driver: MappedArea,
    device: MappedArea,
    buffers: Buffers,
}

impl RcMemory {
    /// Maps the areas of a queue.
    ///
    /// # Errors
    ///
    /// `EINVAL`: the size is not a legal one; `ENOMEM`: no memory; else they cannot be mapped.
    pub(crate) fn map(cache: &Arc<WindowCache>, setup: &QueueSetup) -> Result<Self> {
        let size = QueueSize::new(setup.size().get()).ok_or(EINVAL)?;
        let places = [
            Place::new(setup.desc_area(), Area::Descriptor, size),
            Place::new(setup.driver_area(), Area::Driver, size),
            Place::new(setup.device_area(), Area::Device, size),
        ];
        let [descriptor, driver, device] = match map_together(cache, &places) {
            Some(areas) => areas?,
            None => map_apart(cache, &places)?,
        };
        Ok(Self {
            descriptor,
            driver,
            device,
            buffers: Buffers::new(cache)?,
        })
    }

    fn area(&self, area: Area) -> &MappedArea {
        match area {
            Area::Descriptor => &self.descriptor,
            Area::Driver => &self.driver,
            Area::Device => &self.device,
        }
    }
}

/// Where an area is in RC memory; the protocol checked that it does not wrap around.
struct Place {
    addr: u64,
    len: usize,
}

impl Place {
    fn new(addr: u64, area: Area, size: QueueSize) -> Self {
        Self {
            addr,
            len: area.len(size),
        }
    }

    /// Returns the address of the first byte after it.
    fn end(&self) -> u64 {
        // CAST: A kernel's `u64` holds each `usize`.
        self.addr.saturating_add(self.len as u64)
    }
}

/// Maps areas with one window, if they are close to each other.
fn map_together(cache: &WindowCache, places: &[Place; 3]) -> Option<Result<[MappedArea; 3]>> {
    let start = places.iter().map(|place| place.addr).min()?;
    let end = places.iter().map(Place::end).max()?;
    let span = end
        .checked_sub(start)
        .filter(|span| *span <= SHARED_WINDOW)?;
    // CAST: At most `SHARED_WINDOW`.
    let window = match cache.map_apart(start, span as usize) {
        Ok(window) => window,
        // Windows are too small for all of them, but may be large enough for each.
        Err(error) if error == E2BIG => return None,
        Err(error) => return Some(Err(error)),
    };
    Some(Ok(places.each_ref().map(|place| MappedArea {
        window: window.clone(),
        // CAST: As above.
        start: (place.addr - start) as usize,
        len: place.len,
    })))
}

/// Maps each area with a window of its own.
fn map_apart(cache: &WindowCache, places: &[Place; 3]) -> Result<[MappedArea; 3]> {
    let map = |place: &Place| {
        Ok::<_, Error>(MappedArea {
            window: cache.map_apart(place.addr, place.len)?,
            start: 0,
            len: place.len,
        })
    };
    let [descriptor, driver, device] = places;
    Ok([map(descriptor)?, map(driver)?, map(device)?])
}

impl RingMemory for RcMemory {
    type Error = Error;

    fn read(&self, area: Area, offset: usize, to: &mut [u8]) -> Result {
        let area = self.area(area);
        area.window.read(area.at(offset, to.len())?, to)
    }

    fn write(&self, area: Area, offset: usize, from: &[u8]) -> Result {
        let area = self.area(area);
        area.window.write(area.at(offset, from.len())?, from)
    }

    fn load_u16(&self, area: Area, offset: usize) -> Result<u16> {
        let area = self.area(area);
        area.window.load(area.at(offset, 2)?)
    }

    fn store_u16(&self, area: Area, offset: usize, value: u16) -> Result {
        let area = self.area(area);
        area.window.store(area.at(offset, 2)?, value)
    }

    fn read_buffer(&self, addr: u64, to: &mut [u8]) -> Result {
        self.buffers.read(addr, to)
    }

    fn write_buffer(&self, addr: u64, from: &[u8]) -> Result {
        self.buffers.write(addr, from)
    }

    // Windows are I/O memory: the `dma_*` barriers, for memory alone, are too weak.

    fn read_barrier(&self) {
        barrier::rmb();
    }

    fn write_barrier(&self) {
        barrier::wmb();
    }

    fn full_barrier(&self) {
        barrier::mb();
    }
}

/// The queues of a function, by index; none as long as there is no backend.
#[pin_data]
pub(crate) struct Queues {
    #[pin]
    rings: IrqLock<KVec<Arc<Ring>>>,
}

impl Queues {
    pub(crate) fn new() -> Result<Arc<Self>> {
        let queues = pin_init!(Self {
            rings <- new_irq_lock!(KVec::new(), "pci_epf_vhost::Queues::rings"),
        });
        Arc::pin_init(queues, GFP_KERNEL)
    }

    /// Sets the queues, and returns those before, which get no more kicks. Context: process.
    pub(crate) fn replace(&self, rings: KVec<Arc<Ring>>) -> KVec<Arc<Ring>> {
        core::mem::replace(&mut *self.rings.lock(), rings)
    }

    /// Returns a queue. Context: process, as the caller may drop the last reference.
    pub(crate) fn get(&self, index: u16) -> Option<Arc<Ring>> {
        self.rings.lock().get(usize::from(index)).cloned()
    }

    /// Does something with each queue. Context: process.
    pub(crate) fn for_each(&self, act: impl Fn(&Ring)) {
        // CAST: A legal layout has at most 64 queues.
        let all = 0..self.count() as u16;
        all.filter_map(|index| self.get(index))
            .for_each(|ring| act(&ring));
    }

    /// Returns how many there are. Context: any.
    pub(crate) fn count(&self) -> usize {
        self.rings.lock().len()
    }

    /// Tells the backend of buffers in one queue (D4). Context: any.
    pub(crate) fn kick(&self, index: u16) {
        if let Some(ring) = self.rings.lock().get(usize::from(index)) {
            ring.kick();
        }
    }

    /// Tells the backend of buffers in any queue (D4). Context: any.
    pub(crate) fn kick_all(&self) {
        for ring in &*self.rings.lock() {
            ring.kick();
        }
    }
}
