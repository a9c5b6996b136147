// SPDX-License-Identifier: GPL-2.0
//! How the device side reaches the driver side's memory: plainly, or with each access on record.

use std::{
    cell::RefCell,
    sync::atomic::{fence, Ordering},
};

use virtio::ring::{Area, RingMemory};
use vm_memory::{Bytes, GuestAddress};

use crate::driver::DriverSide;

/// An access that the memory refused, by its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault(pub u64);

/// Plain access.
pub struct Link(pub DriverSide);

impl Link {
    fn locate(&self, area: Area, offset: usize, len: usize) -> Result<GuestAddress, Fault> {
        let at = self.0.address(area, offset);
        if offset + len > area.len(self.0.layout()) {
            return Err(Fault(at.0));
        }
        Ok(at)
    }
}

impl RingMemory for Link {
    type Error = Fault;

    fn read(&self, area: Area, offset: usize, to: &mut [u8]) -> Result<(), Fault> {
        self.read_buffer(self.locate(area, offset, to.len())?.0, to)
    }

    fn write(&self, area: Area, offset: usize, from: &[u8]) -> Result<(), Fault> {
        self.write_buffer(self.locate(area, offset, from.len())?.0, from)
    }

    fn load_u16(&self, area: Area, offset: usize) -> Result<u16, Fault> {
        let at = self.locate(area, offset, 2)?;
        let value = self.0.memory.load(at, Ordering::Relaxed);
        value.map(u16::from_le).map_err(|_| Fault(at.0))
    }

    fn store_u16(&self, area: Area, offset: usize, value: u16) -> Result<(), Fault> {
        let at = self.locate(area, offset, 2)?;
        let stored = self.0.memory.store(value.to_le(), at, Ordering::Relaxed);
        stored.map_err(|_| Fault(at.0))
    }

    fn read_buffer(&self, addr: u64, to: &mut [u8]) -> Result<(), Fault> {
        let read = self.0.memory.read_slice(to, GuestAddress(addr));
        read.map_err(|_| Fault(addr))
    }

    fn write_buffer(&self, addr: u64, from: &[u8]) -> Result<(), Fault> {
        let written = self.0.memory.write_slice(from, GuestAddress(addr));
        written.map_err(|_| Fault(addr))
    }

    fn read_barrier(&self) {
        fence(Ordering::Acquire);
    }

    fn write_barrier(&self) {
        fence(Ordering::Release);
    }

    fn full_barrier(&self) {
        fence(Ordering::SeqCst);
    }
}

/// An access or a barrier of the device side; lengths in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Read(Area, usize, usize),
    Write(Area, usize, usize),
    Load(Area, usize),
    LoadLong(Area, usize),
    Store(Area, usize, u16),
    ReadBuffer(u64, usize),
    WriteBuffer(u64, usize),
    ReadBarrier,
    WriteBarrier,
    FullBarrier,
}

impl Op {
    /// Returns how many reads of at most eight bytes cross the link.
    pub fn reads(self) -> usize {
        match self {
            Self::Read(_, _, len) | Self::ReadBuffer(_, len) => len.div_ceil(8),
            Self::Load(..) | Self::LoadLong(..) => 1,
            _ => 0,
        }
    }

    /// Returns how many writes of at most eight bytes cross the link.
    pub fn writes(self) -> usize {
        match self {
            Self::Write(_, _, len) | Self::WriteBuffer(_, len) => len.div_ceil(8),
            Self::Store(..) => 1,
            _ => 0,
        }
    }
}

/// What is done after an access.
type After<'a> = dyn Fn(&DriverSide, Op) + 'a;

/// Access on record, with something done after each, such as another write of the driver side.
pub struct Traced<'a> {
    link: Link,
    ops: RefCell<Vec<Op>>,
    after: Box<After<'a>>,
}

impl<'a> Traced<'a> {
    pub fn new(driver: &DriverSide) -> Self {
        Self::with(driver, |_, _| ())
    }

    pub fn with(driver: &DriverSide, after: impl Fn(&DriverSide, Op) + 'a) -> Self {
        Self {
            link: Link(driver.clone()),
            ops: RefCell::default(),
            after: Box::new(after),
        }
    }

    /// Returns what happened since the last call.
    pub fn take(&self) -> Vec<Op> {
        self.ops.take()
    }

    fn note(&self, op: Op) {
        self.ops.borrow_mut().push(op);
        (self.after)(&self.link.0, op);
    }

    fn noted<T>(&self, op: Op, result: Result<T, Fault>) -> Result<T, Fault> {
        self.note(op);
        result
    }
}

impl RingMemory for Traced<'_> {
    type Error = Fault;

    fn read(&self, area: Area, offset: usize, to: &mut [u8]) -> Result<(), Fault> {
        let len = to.len();
        let result = self.link.read(area, offset, to);
        self.noted(Op::Read(area, offset, len), result)
    }

    fn write(&self, area: Area, offset: usize, from: &[u8]) -> Result<(), Fault> {
        let result = self.link.write(area, offset, from);
        self.noted(Op::Write(area, offset, from.len()), result)
    }

    fn load_u16(&self, area: Area, offset: usize) -> Result<u16, Fault> {
        let result = self.link.load_u16(area, offset);
        self.noted(Op::Load(area, offset), result)
    }

    fn store_u16(&self, area: Area, offset: usize, value: u16) -> Result<(), Fault> {
        let result = self.link.store_u16(area, offset, value);
        self.noted(Op::Store(area, offset, value), result)
    }

    fn load_u64(&self, area: Area, offset: usize) -> Result<u64, Fault> {
        let mut bytes = [0; 8];
        let result = self.link.read(area, offset, &mut bytes);
        self.noted(Op::LoadLong(area, offset), result)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn read_buffer(&self, addr: u64, to: &mut [u8]) -> Result<(), Fault> {
        let len = to.len();
        let result = self.link.read_buffer(addr, to);
        self.noted(Op::ReadBuffer(addr, len), result)
    }

    fn write_buffer(&self, addr: u64, from: &[u8]) -> Result<(), Fault> {
        let result = self.link.write_buffer(addr, from);
        self.noted(Op::WriteBuffer(addr, from.len()), result)
    }

    fn read_barrier(&self) {
        self.link.read_barrier();
        self.note(Op::ReadBarrier);
    }

    fn write_barrier(&self) {
        self.link.write_barrier();
        self.note(Op::WriteBarrier);
    }

    fn full_barrier(&self) {
        self.link.full_barrier();
        self.note(Op::FullBarrier);
    }
}
