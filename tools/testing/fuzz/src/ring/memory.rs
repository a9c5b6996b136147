// SPDX-License-Identifier: GPL-2.0
//! Memory of a queue that the driver side changes between two accesses, and that can fail.

use std::cell::{Cell, RefCell};

use virtio::ring::{memory::INDEX, Area, Layout, RingMemory, Segment};

use crate::tape::Tape;

/// The driver-side address of the first byte of buffers and indirect tables.
pub const BASE: u64 = 0x40_0000_0000;
/// How many bytes of them there are.
pub const BUFFERS: usize = 0x800;

/// An access that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault;

/// The memory. An access outside the areas panics, one outside the buffers fails.
pub struct Memory<'a> {
    layout: Layout,
    tape: &'a Tape<'a>,
    areas: [RefCell<Vec<u8>>; 3],
    buffers: RefCell<Vec<u8>>,
    /// What was fetched ahead, by its address.
    held: RefCell<Vec<(u64, Vec<u8>)>>,
    /// Accesses until the driver side writes; 0: it does not.
    change_in: Cell<u8>,
    /// Accesses until one fails; 0: none does.
    fail_in: Cell<u8>,
    accesses: Cell<usize>,
    order: Order,
    /// The last word that was loaded.
    loaded: Cell<u16>,
    /// What a packed driver side wants to be told of, as it was read last: a place and flags.
    wish: Cell<[u8; 4]>,
}

/// What has to be fenced before the next access.
#[derive(Default)]
struct Order {
    /// The available index, or the flags of a descriptor, was loaded, and no barrier followed.
    index_loaded: Cell<bool>,
    /// Used entries or descriptors were written, and no barrier followed.
    entries_written: Cell<bool>,
    /// A word or a wish was stored, and no full barrier followed.
    word_stored: Cell<bool>,
    /// Payload was written, and neither flushed nor discarded.
    payload_waits: Cell<bool>,
}

impl<'a> Memory<'a> {
    /// Memory of zeros.
    pub fn new(layout: Layout, tape: &'a Tape<'a>) -> Self {
        let area = |area: Area| RefCell::new(vec![0; area.len(layout)]);
        Self {
            layout,
            tape,
            areas: [Area::Descriptor, Area::Driver, Area::Device].map(area),
            buffers: RefCell::new(vec![0; BUFFERS]),
            held: RefCell::default(),
            change_in: Cell::new(0),
            fail_in: Cell::new(0),
            accesses: Cell::new(0),
            order: Order::default(),
            loaded: Cell::new(0),
            wish: Cell::default(),
        }
    }

    /// The number of descriptors.
    pub fn size(&self) -> u16 {
        self.layout.size()
    }

    fn is_packed(&self) -> bool {
        matches!(self.layout, Layout::Packed(_))
    }

    /// Lets the driver side write between the accesses from now on, and some fail.
    pub fn disturb(&self) {
        self.change_in.set(self.tape.any::<u8>() % 32);
        if self.tape.once_in(8) {
            self.fail_in.set(self.tape.any());
        }
    }

    /// Keeps the driver side quiet, and lets nothing fail.
    pub fn calm(&self) {
        self.change_in.set(0);
        self.fail_in.set(0);
    }

    /// Does what a full barrier does, as when a queue is made anew.
    pub fn settle(&self) {
        self.full_barrier();
        self.discard();
    }

    /// Whether the driver side is quiet.
    pub fn is_calm(&self) -> bool {
        self.change_in.get() == 0
    }

    /// How many accesses there were since the last call.
    pub fn take_accesses(&self) -> usize {
        self.accesses.take()
    }

    /// The word that was loaded last.
    pub fn last_loaded(&self) -> u16 {
        self.loaded.get()
    }

    /// Place and flags of the driver side's wish, as read last.
    pub fn last_wish(&self) -> (u16, u16) {
        let [p0, p1, f0, f1] = self.wish.get();
        (u16::from_le_bytes([p0, p1]), u16::from_le_bytes([f0, f1]))
    }

    /// Copies an area.
    pub fn copy(&self, area: Area) -> Vec<u8> {
        self.areas[area as usize].borrow().clone()
    }

    /// Writes to an area as the driver side; what does not fit is dropped.
    pub fn set(&self, area: Area, offset: usize, bytes: &[u8]) {
        let mut area = self.areas[area as usize].borrow_mut();
        if let Some(slot) = area.get_mut(offset..offset + bytes.len()) {
            slot.copy_from_slice(bytes);
        }
    }

    /// Writes to the buffers as the driver side; what does not fit is dropped.
    pub fn set_buffer(&self, offset: usize, bytes: &[u8]) {
        let mut buffers = self.buffers.borrow_mut();
        if let Some(slot) = buffers.get_mut(offset..offset + bytes.len()) {
            slot.copy_from_slice(bytes);
        }
    }

    /// Writes anything anywhere, as the tape says.
    pub fn scribble(&self) {
        let offset = usize::from(self.tape.any::<u16>() % 0x800);
        let value = self.tape.any::<u16>().to_le_bytes();
        match self.tape.below(5) {
            0 => self.set(Area::Driver, 2, &value),
            1 => self.set(Area::Driver, offset % 0x80, &value),
            2 => self.set(Area::Descriptor, offset, &value),
            3 => self.set(Area::Device, offset, &value),
            _ => self.set_buffer(offset, &value),
        }
    }

    fn access(&self) -> Result<(), Fault> {
        self.accesses.set(self.accesses.get() + 1);
        let left = self.change_in.get();
        self.change_in.set(left.saturating_sub(1));
        if left == 1 {
            self.scribble();
            self.change_in.set(self.tape.any::<u8>() % 32);
        }
        let left = self.fail_in.get();
        self.fail_in.set(left.saturating_sub(1));
        if left == 1 {
            return Err(Fault);
        }
        Ok(())
    }

    fn copy_buffer(&self, addr: u64, to: &mut [u8]) -> Result<(), Fault> {
        self.access()?;
        to.copy_from_slice(&self.buffers.borrow()[self.buffer(addr, to.len())?]);
        Ok(())
    }

    fn buffer(&self, addr: u64, len: usize) -> Result<std::ops::Range<usize>, Fault> {
        let start = addr.checked_sub(BASE).ok_or(Fault)?;
        let start = usize::try_from(start).map_err(|_| Fault)?;
        let end = start.checked_add(len).ok_or(Fault)?;
        (end <= BUFFERS).then_some(start..end).ok_or(Fault)
    }
}

impl RingMemory for Memory<'_> {
    type Error = Fault;

    fn read(&self, area: Area, offset: usize, to: &mut [u8]) -> Result<(), Fault> {
        assert!(!to.is_empty());
        assert!(!self.order.index_loaded.get(), "read before the barrier");
        self.access()?;
        let bytes = self.areas[area as usize].borrow();
        to.copy_from_slice(&bytes[offset..offset + to.len()]);
        if self.is_packed() && area == Area::Driver {
            assert!(!self.order.word_stored.get(), "wish before the barrier");
            self.wish.set(*to.first_chunk().expect("both words"));
        }
        Ok(())
    }

    fn write(&self, area: Area, offset: usize, from: &[u8]) -> Result<(), Fault> {
        assert!(!from.is_empty() && area != Area::Driver);
        assert!(self.is_packed() || area == Area::Device);
        self.access()?;
        if self.is_packed() && area == Area::Device {
            self.order.word_stored.set(true);
        } else {
            assert!(!self.order.payload_waits.get(), "entry before the flush");
            self.order.entries_written.set(true);
        }
        let mut area = self.areas[area as usize].borrow_mut();
        area[offset..offset + from.len()].copy_from_slice(from);
        Ok(())
    }

    fn load_u16(&self, area: Area, offset: usize) -> Result<u16, Fault> {
        assert_eq!(offset % 2, 0);
        assert!(!self.order.word_stored.get(), "load before the barrier");
        self.access()?;
        let is_index = match area {
            Area::Driver => offset == 2,
            Area::Descriptor => offset % 16 == 14,
            Area::Device => false,
        };
        self.order.index_loaded.set(is_index);
        let area = self.areas[area as usize].borrow();
        let value = u16::from_le_bytes([area[offset], area[offset + 1]]);
        self.loaded.set(value);
        Ok(value)
    }

    fn store_u16(&self, area: Area, offset: usize, value: u16) -> Result<(), Fault> {
        let is_handed_over = self.is_packed() && area == Area::Descriptor && offset % 16 == 14;
        assert!(offset % 2 == 0 && (area == Area::Device || is_handed_over));
        assert!(
            !self.order.entries_written.get(),
            "store before the barrier"
        );
        self.access()?;
        // That no kick is wanted is only a hint.
        let flags = if self.is_packed() { 2 } else { 0 };
        let is_hint = (area, offset, value) == (Area::Device, flags, 1);
        self.order.word_stored.set(!is_hint);
        let mut area = self.areas[area as usize].borrow_mut();
        area[offset..offset + 2].copy_from_slice(&value.to_le_bytes());
        Ok(())
    }

    fn load_u64(&self, area: Area, offset: usize) -> Result<u64, Fault> {
        assert!(offset % 8 == 0 && area == Area::Descriptor && self.is_packed());
        assert!(!self.order.word_stored.get(), "load before the barrier");
        let has_flags = offset % 16 == 8;
        let is_early = self.order.index_loaded.replace(has_flags);
        assert!(has_flags || !is_early, "load before the barrier");
        self.access()?;
        let area = self.areas[area as usize].borrow();
        let bytes = area[offset..].first_chunk().expect("a long word");
        Ok(u64::from_le_bytes(*bytes))
    }

    fn read_buffer(&self, addr: u64, to: &mut [u8]) -> Result<(), Fault> {
        assert!(!to.is_empty() && addr.checked_add(to.len() as u64).is_some());
        let held = self.held.borrow();
        let bytes = held.iter().find_map(|(start, bytes)| {
            let offset = usize::try_from(addr.checked_sub(*start)?).ok()?;
            bytes.get(offset..offset + to.len())
        });
        match bytes {
            Some(bytes) => to.copy_from_slice(bytes),
            None => self.copy_buffer(addr, to)?,
        }
        Ok(())
    }

    fn write_buffer(&self, addr: u64, from: &[u8]) -> Result<(), Fault> {
        assert!(!from.is_empty() && addr.checked_add(from.len() as u64).is_some());
        self.access()?;
        self.order.payload_waits.set(true);
        let range = self.buffer(addr, from.len())?;
        self.buffers.borrow_mut()[range].copy_from_slice(from);
        Ok(())
    }

    fn flush(&self) -> Result<(), Fault> {
        self.order.payload_waits.set(false);
        self.access()
    }

    fn discard(&self) {
        self.order.payload_waits.set(false);
    }

    fn read_ahead(&self, pieces: &mut dyn Iterator<Item = Segment>) -> Option<u16> {
        self.held.borrow_mut().clear();
        if self.tape.once_in(2) {
            return None;
        }
        for Segment { addr, len } in pieces {
            assert!(len != 0 && addr.checked_add(len.into()).is_some());
            let mut bytes = vec![0; len.min(BUFFERS as u32) as usize];
            if self.copy_buffer(addr, &mut bytes).is_ok() {
                self.held.borrow_mut().push((addr, bytes));
            }
        }
        // Not by `load_u16`: a queue that has no use for the index needs no barrier.
        self.access().ok()?;
        let area = self.areas[Area::Driver as usize].borrow();
        Some(u16::from_le_bytes([area[INDEX], area[INDEX + 1]]))
    }

    fn read_barrier(&self) {
        self.order.index_loaded.set(false);
    }

    fn write_barrier(&self) {
        self.order.entries_written.set(false);
    }

    fn full_barrier(&self) {
        self.order.index_loaded.set(false);
        self.order.entries_written.set(false);
        self.order.word_stored.set(false);
    }
}
