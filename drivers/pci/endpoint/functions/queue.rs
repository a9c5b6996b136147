// SPDX-License-Identifier: GPL-2.0

//! Virtqueues in RC memory: rings that are mapped once, buffers through the window cache.
//!
//! Locks: the list of queues, taken with interrupts off; with it held only queues are kicked.

use crate::{
    ahead::{
        Ahead,
        INDEX_BYTES, //
    },
    area::{
        MappedArea,
        Place, //
    },
    buffers::Buffers,
    dma::{
        Dma,
        DmaLane, //
    },
    interrupt::UsedSignal,
    posted::Posted,
    pushed::{
        Pushed,
        PushedArea, //
    },
    window::WindowCache, //
};
use concurrency::{
    barrier,
    new_irq_lock,
    IrqLock, //
};
use core::{
    cell::{
        RefCell,
        RefMut, //
    },
    iter, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};
use pci_ep::OutboundWindow;
use transport::{
    Access,
    QueueSetup,
    Range, //
};
use vhost_bus::RingQueue;
use virtio::ring::{
    memory,
    Area,
    Layout,
    Pieces,
    PushArea,
    RingMemory,
    Segment, //
};

/// A virtqueue in RC memory.
pub(crate) type Ring = RingQueue<RcMemory, UsedSignal>;

/// How a queue in RC memory is reached, and the half of it that the RC pushes.
///
/// Context: process, because buffers may have to be mapped.
pub(crate) struct RcMemory {
    descriptor: MappedArea<OutboundWindow>,
    driver: MappedArea<OutboundWindow>,
    device: MappedArea<OutboundWindow>,
    /// In the place of the descriptor and the driver area, which then have no bytes.
    pushed: Option<Pushed>,
    /// `None`: nothing is read by DMA. In use for the time of a call only, so never twice at a time.
    ahead: Option<RefCell<Ahead<DmaLane>>>,
    /// `None`: nothing is written by DMA. In use as `ahead` is.
    posted: Option<RefCell<Posted<DmaLane>>>,
    buffers: Buffers,
}

impl RcMemory {
    /// Maps the areas of a queue, whose addresses are those of address space `space`, as far as the RC does
    /// not push them.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: no memory; `EACCES`: they are not in the address
    /// space, or not for what is done there; else they cannot be reached.
    pub(crate) fn map(
        (cache, dma): (&Arc<WindowCache>, &Dma),
        setup: &QueueSetup,
        space: u16,
        layout: Layout,
        pushed: Option<Pushed>,
    ) -> Result<Self> {
        let len = |area: Area| match pushed.as_ref().and_then(|pushed| pushed.area(area)) {
            Some(_) => 0,
            None => area.len(layout),
        };
        let place = |addr, area: Area| Place {
            space,
            addr,
            len: len(area),
            access: access(area, layout),
        };
        let [descriptor, driver, device] = MappedArea::map_all(
            cache,
            &[
                place(setup.desc_area(), Area::Descriptor),
                place(setup.driver_area(), Area::Driver),
                place(setup.device_area(), Area::Device),
            ],
        )?;
        let index = setup.queue().get();
        let ahead = dma.read_lane(index)?.map(Ahead::new).transpose()?;
        let posted = dma.write_lane(index)?.map(Posted::new).transpose()?;
        Ok(Self {
            descriptor,
            driver,
            device,
            pushed,
            ahead: ahead.map(RefCell::new),
            posted: posted.map(RefCell::new),
            buffers: Buffers::new(cache, space)?,
        })
    }

    /// Returns whether some of the ring is in `range`.
    pub(crate) fn is_in(&self, range: &Range) -> bool {
        [&self.descriptor, &self.driver, &self.device]
            .iter()
            .any(|area| area.is_in(range))
    }

    /// Returns the area, if the RC pushes it.
    fn near(&self, area: Area) -> Option<PushedArea<'_>> {
        self.pushed.as_ref()?.area(area)
    }

    /// Returns whether the RC pushes some of the pieces.
    fn has_any(&self, mut pieces: Pieces<'_>) -> bool {
        pieces.any(|piece| self.is_near(&piece))
    }

    /// Returns whether the RC pushes a piece.
    fn is_near(&self, piece: &Segment) -> bool {
        self.pushed.is_some() && PushArea::offset_of(piece.addr).is_some()
    }

    /// Reads from an area in RC memory by DMA, if that is worth it; returns whether it did.
    fn read_area_by_dma(&self, area: Area, offset: usize, to: &mut [u8]) -> bool {
        let run = self.area(area).segment(offset, to.len());
        run.is_some_and(|run| self.read_now(iter::once(run), to))
    }

    /// Reads pieces that are as long as `to` by DMA, if that is worth it; returns whether it did.
    fn read_now(&self, pieces: impl Iterator<Item = Segment>, to: &mut [u8]) -> bool {
        self.ahead()
            .is_some_and(|mut ahead| ahead.read_now(&self.buffers, pieces, to))
    }

    /// Returns what is read by DMA, if anything is.
    fn ahead(&self) -> Option<RefMut<'_, Ahead<DmaLane>>> {
        self.ahead.as_ref()?.try_borrow_mut().ok()
    }

    /// Returns what is written by DMA, if anything is.
    fn posted(&self) -> Option<RefMut<'_, Posted<DmaLane>>> {
        self.posted.as_ref()?.try_borrow_mut().ok()
    }

    /// Copies from a buffer, if it is read ahead; returns whether it was.
    fn read_held(&self, addr: u64, to: &mut [u8]) -> bool {
        self.ahead()
            .is_some_and(|mut ahead| ahead.copy(&self.buffers, addr, to))
    }

    /// Returns whether all of the pieces are read ahead.
    fn are_known(&self, pieces: Pieces<'_>) -> bool {
        self.ahead().is_some_and(|mut ahead| ahead.has(pieces))
    }

    fn area(&self, area: Area) -> &MappedArea<OutboundWindow> {
        match area {
            Area::Descriptor => &self.descriptor,
            Area::Driver => &self.driver,
            Area::Device => &self.device,
        }
    }
}

/// Returns what is done in an area.
fn access(area: Area, layout: Layout) -> Access {
    match (area, layout) {
        (Area::Descriptor, Layout::Packed(_)) => Access::ReadWrite,
        (Area::Descriptor | Area::Driver, _) => Access::Read,
        (Area::Device, _) => Access::Write,
    }
}

impl RingMemory for RcMemory {
    type Error = Error;

    fn read(&self, area: Area, offset: usize, to: &mut [u8]) -> Result {
        match self.near(area) {
            Some(near) => near.read(offset, to),
            None if self.read_area_by_dma(area, offset, to) => Ok(()),
            None => self.area(area).read(offset, to),
        }
    }

    fn write(&self, area: Area, offset: usize, from: &[u8]) -> Result {
        self.area(area).write(offset, from)
    }

    fn load_u16(&self, area: Area, offset: usize) -> Result<u16> {
        match self.near(area) {
            Some(near) => near.load(offset),
            None => self.area(area).load_u16(offset),
        }
    }

    fn store_u16(&self, area: Area, offset: usize, value: u16) -> Result {
        self.area(area).store_u16(offset, value)
    }

    #[cfg(CONFIG_64BIT)]
    fn load_u64(&self, area: Area, offset: usize) -> Result<u64> {
        match self.near(area) {
            Some(near) => near.load(offset),
            None => self.area(area).load_u64(offset),
        }
    }

    fn read_buffer(&self, addr: u64, to: &mut [u8]) -> Result {
        if let Some(pushed) = &self.pushed {
            if pushed.read_buffer(addr, to)? {
                return Ok(());
            }
        }
        if self.read_held(addr, to) {
            return Ok(());
        }
        self.buffers.read(addr, to)
    }

    fn write_buffer(&self, addr: u64, from: &[u8]) -> Result {
        self.buffers.write(addr, from)
    }

    fn read_ahead(&self, pieces: &mut dyn Iterator<Item = Segment>) -> Option<u16> {
        let mut far = pieces.filter(|piece| !self.is_near(piece));
        // None where the RC pushes it.
        let index = self.driver.segment(0, INDEX_BYTES);
        self.ahead()?.read(&self.buffers, &mut far, index)
    }

    fn read_pieces(&self, pieces: Pieces<'_>, to: &mut [u8]) -> Result {
        let is_near = self.has_any(pieces.clone()) || self.are_known(pieces.clone());
        if !is_near && self.read_now(pieces.clone(), to) {
            return Ok(());
        }
        memory::read_each(self, pieces, to)
    }

    fn write_pieces(&self, pieces: Pieces<'_>, from: &[u8]) -> Result {
        if let Some(mut posted) = self.posted() {
            if posted.write(&self.buffers, pieces.clone(), from)? {
                return Ok(());
            }
        }
        memory::write_each(self, pieces, from)
    }

    fn flush(&self) -> Result {
        match self.posted() {
            Some(mut posted) => posted.flush(&self.buffers),
            None => Ok(()),
        }
    }

    fn discard(&self) {
        if let Some(mut posted) = self.posted() {
            posted.discard();
        }
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

    /// Returns how many groups they are in, at least one. Context: any.
    pub(crate) fn groups(&self) -> u16 {
        let rings = self.rings.lock();
        let last = rings.iter().map(|ring| ring.group()).max().unwrap_or(0);
        last.saturating_add(1)
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
