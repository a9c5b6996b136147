// SPDX-License-Identifier: GPL-2.0
//! The two ends of a pushed queue: a push area of this process between them.

use std::{
    cell::{Cell, RefCell},
    ops::Range,
    rc::Rc,
};

use virtio::ring::{Area, Mirror, PushArea, PushMemory, Queue, RingMemory};

use crate::{
    driver::DriverSide,
    link::{Fault, Link, Op, Traced},
};

/// The memory of the device, and how many writes of at most eight bytes came, and how many when the processor
/// combines them.
#[derive(Clone)]
pub struct Pushed {
    bytes: Rc<RefCell<Vec<u8>>>,
    writes: Rc<Cell<usize>>,
    combined: Rc<RefCell<Combined>>,
}

/// A processor that combines writes to the line of 64 bytes that it wrote last, until a barrier.
#[derive(Default)]
struct Combined {
    line: Option<usize>,
    count: usize,
}

impl Combined {
    fn write(&mut self, lines: Range<usize>) {
        for line in lines {
            if self.line.replace(line) != Some(line) {
                self.count += 1;
            }
        }
    }
}

impl Pushed {
    fn new(len: u32) -> Self {
        Self {
            bytes: Rc::new(RefCell::new(vec![0x5a; len as usize])),
            writes: Rc::default(),
            combined: Rc::default(),
        }
    }

    fn read(&self, offset: usize, to: &mut [u8]) -> Result<(), Fault> {
        let bytes = self.bytes.borrow();
        let from = bytes.get(offset..offset + to.len());
        to.copy_from_slice(from.ok_or(Fault(PushArea::address(offset as u32)))?);
        Ok(())
    }

    /// Returns how many writes came since the last call.
    pub fn take_writes(&self) -> usize {
        self.writes.take()
    }

    /// Returns how many combined writes came since the last call.
    pub fn take_combined(&self) -> usize {
        std::mem::take(&mut self.combined.borrow_mut().count)
    }
}

impl PushMemory for Pushed {
    fn write(&self, offset: usize, from: &[u8]) {
        let to = offset..offset + from.len();
        self.bytes.borrow_mut()[to].copy_from_slice(from);
        // As naturally aligned accesses.
        let (start, end) = (offset, offset + from.len());
        self.writes
            .set(self.writes.get() + end.div_ceil(8) - start / 8);
        let lines = start / 64..end.div_ceil(64);
        self.combined.borrow_mut().write(lines);
    }

    fn store_u16(&self, offset: usize, value: u16) {
        self.write(offset, &value.to_le_bytes());
    }

    fn write_barrier(&self) {
        self.combined.borrow_mut().line = None;
    }
}

/// The device side's way: half of the queue and what was pushed is near, the rest across the link.
pub struct Device {
    pub link: Traced<'static>,
    pub near: Pushed,
    area: PushArea,
}

impl RingMemory for Device {
    type Error = Fault;

    fn read(&self, area: Area, offset: usize, to: &mut [u8]) -> Result<(), Fault> {
        match self.area.offset(area) {
            Some(start) => self.near.read(start + offset, to),
            None => self.link.read(area, offset, to),
        }
    }

    fn write(&self, area: Area, offset: usize, from: &[u8]) -> Result<(), Fault> {
        assert_eq!(area, Area::Device);
        self.link.write(area, offset, from)
    }

    fn load_u16(&self, area: Area, offset: usize) -> Result<u16, Fault> {
        let mut bytes = [0; 2];
        self.read(area, offset, &mut bytes)?;
        Ok(u16::from_le_bytes(bytes))
    }

    fn store_u16(&self, area: Area, offset: usize, value: u16) -> Result<(), Fault> {
        assert_eq!(area, Area::Device);
        self.link.store_u16(area, offset, value)
    }

    fn read_buffer(&self, addr: u64, to: &mut [u8]) -> Result<(), Fault> {
        match PushArea::offset_of(addr) {
            Some(offset) => self.near.read(offset as usize, to),
            None => self.link.read_buffer(addr, to),
        }
    }

    fn write_buffer(&self, addr: u64, from: &[u8]) -> Result<(), Fault> {
        assert_eq!(PushArea::offset_of(addr), None);
        self.link.write_buffer(addr, from)
    }

    fn read_barrier(&self) {}
    fn write_barrier(&self) {}
    fn full_barrier(&self) {}
}

/// A queue of both ends, of which the driver side's memory is read in the way of `S`.
pub struct Ends<S: RingMemory = Link> {
    pub mirror: Mirror<S, Pushed, Vec<u64>>,
    pub queue: Queue<Device>,
    pub near: Pushed,
}

impl Ends {
    /// A queue that goes on at `start`, with so many bytes of room.
    pub fn new(driver: &DriverSide, start: u16, features: u64, room: u32) -> Self {
        Self::read_by(Link(driver.clone()), driver, start, features, room)
    }

    /// A queue of which buffers of `below` bytes and more are not pushed, with so many bytes of room.
    pub fn pushing_below(driver: &DriverSide, below: u32, room: u32) -> Self {
        let area = area(driver, room).pushing_below(below);
        Self::in_area(area, room, Link(driver.clone()), driver, 0, 0)
    }
}

fn area(driver: &DriverSide, room: u32) -> PushArea {
    PushArea::new(driver.size, len(driver, room)).unwrap()
}

fn len(driver: &DriverSide, room: u32) -> u32 {
    let size = virtio::ring::SplitSize::new(driver.size).unwrap();
    PushArea::len_for(size, room).unwrap()
}

impl<S: RingMemory> Ends<S> {
    /// The same, whose driver side's memory is read so.
    pub fn read_by(source: S, driver: &DriverSide, start: u16, features: u64, room: u32) -> Self {
        Self::in_area(area(driver, room), room, source, driver, start, features)
    }

    fn in_area(
        area: PushArea,
        room: u32,
        source: S,
        driver: &DriverSide,
        start: u16,
        features: u64,
    ) -> Self {
        let near = Pushed::new(len(driver, room));
        let ends = vec![0; driver.size.into()];
        let mirror = Mirror::new(area, start, source, near.clone(), ends);
        let device = Device {
            link: Traced::new(driver),
            near: near.clone(),
            area,
        };
        let position = virtio::ring::Position::split(start);
        let config = driver.config(features).start_at(position).pushed();
        Self {
            mirror,
            queue: config.start(device).unwrap(),
            near,
        }
    }

    /// Returns the accesses of the device side across the link since the last call.
    pub fn take_ops(&self) -> Vec<Op> {
        self.queue.memory().link.take()
    }

    /// Returns how many reads of those were.
    pub fn take_reads(&self) -> usize {
        self.take_ops().into_iter().map(Op::reads).sum()
    }
}
