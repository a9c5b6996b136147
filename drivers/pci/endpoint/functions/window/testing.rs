// SPDX-License-Identifier: GPL-2.0

//! A pretended RC memory behind a controller that is short of everything, for tests.

use super::{
    Mapper,
    Window, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};

/// Bytes in a chunk.
pub(crate) const CHUNK: usize = 0x10000;

/// A controller: what it has, what is taken, and how often something was mapped.
pub(crate) struct Board {
    space: usize,
    units: usize,
    used_space: Atomic<usize>,
    used_units: Atomic<usize>,
    maps: Atomic<usize>,
}

impl Board {
    pub(crate) fn new(space: usize, units: usize) -> Result<Arc<Self>> {
        let board = Self {
            space,
            units,
            used_space: Atomic::new(0),
            used_units: Atomic::new(0),
            maps: Atomic::new(0),
        };
        Ok(Arc::new(board, GFP_KERNEL)?)
    }

    pub(crate) fn maps(&self) -> usize {
        self.maps.load(Relaxed)
    }

    pub(crate) fn used_units(&self) -> usize {
        self.used_units.load(Relaxed)
    }
}

pub(crate) struct TestMapper(pub(crate) Arc<Board>);

pub(crate) struct TestWindow {
    board: Arc<Board>,
    addr: u64,
    size: usize,
}

impl Mapper for TestMapper {
    type Window = TestWindow;

    fn map(&self, addr: u64, size: usize) -> Result<TestWindow> {
        let board = &self.0;
        addr.checked_add(size as u64).ok_or(EINVAL)?;
        if board.used_space.load(Relaxed) + size > board.space {
            return Err(ENOMEM);
        }
        if board.used_units() >= board.units {
            return Err(EINVAL);
        }
        board.used_space.fetch_add(size, Relaxed);
        board.used_units.fetch_add(1, Relaxed);
        board.maps.fetch_add(1, Relaxed);
        Ok(TestWindow {
            board: board.clone(),
            addr,
            size,
        })
    }

    fn report_shrunk(&self, _wanted: usize, _size: usize) {}
}

/// Each byte of the RC's memory depends on its address, over more than a chunk.
pub(crate) fn byte_at(addr: u64) -> u8 {
    (addr ^ (addr >> 8) ^ (addr >> 16)) as u8
}

impl Window for TestWindow {
    fn read(&self, offset: usize, to: &mut [u8]) -> Result {
        if offset + to.len() > self.size {
            return Err(EFAULT);
        }
        for (addr, byte) in (self.addr + offset as u64..).zip(to) {
            *byte = byte_at(addr);
        }
        Ok(())
    }

    fn write(&self, offset: usize, from: &[u8]) -> Result {
        let addrs = self.addr + offset as u64..;
        let is_as_expected = addrs.zip(from).all(|(addr, byte)| *byte == byte_at(addr));
        if offset + from.len() > self.size || !is_as_expected {
            return Err(EFAULT);
        }
        Ok(())
    }

    fn load_u16(&self, offset: usize) -> Result<u16> {
        let mut bytes = [0; 2];
        self.read(offset, &mut bytes)?;
        Ok(u16::from_le_bytes(bytes))
    }

    #[cfg(CONFIG_64BIT)]
    fn load_u64(&self, offset: usize) -> Result<u64> {
        let mut bytes = [0; 8];
        self.read(offset, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn store_u16(&self, offset: usize, value: u16) -> Result {
        self.write(offset, &value.to_le_bytes())
    }
}

impl Drop for TestWindow {
    fn drop(&mut self) {
        self.board.used_space.fetch_sub(self.size, Relaxed);
        self.board.used_units.fetch_sub(1, Relaxed);
    }
}
