// SPDX-License-Identifier: GPL-2.0

//! A driver side in plain memory and its queue, for the KUnit suites of backends.
//!
//! The areas of its queue are where [`base`] says, and buffers, each used once, are from 0x1000 on.
//! Neither threads nor notifications: a test adds buffers, serves the queue, and looks at them.

use core::fmt;
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
};
use vhost_bus::{
    testing::{
        base,
        Memory,
        Plain, //
    },
    QueueState,
    Virtqueue, //
};
use virtio::ring::{
    Area,
    Batch,
    Chain,
    Queue as Ring,
    QueueConfig,
    RingError,
    Used, //
};

const QUEUE_SIZE: u16 = 32;
const MEMORY_LEN: usize = 1 << 20;
const BUFFERS: usize = 0x1000;
const DESCRIPTOR_LEN: usize = 16;
const NEXT: u16 = 1;
const WRITE: u16 = 2;

/// The driver side and, as a [`Virtqueue`], the queue to its device side.
#[pin_data]
pub struct DriverSide {
    memory: Arc<Memory>,
    #[pin]
    queue: Mutex<Queue>,
    #[pin]
    state: Mutex<State>,
}

/// The device side of the queue.
struct Queue {
    ring: Ring<Plain>,
    is_failed: bool,
}

/// What the driver side has used up.
struct State {
    descriptors: u16,
    bytes: usize,
    available: u16,
    used: u16,
}

impl DriverSide {
    /// Makes a driver side with an empty queue.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: no memory.
    pub fn new() -> Result<Arc<Self>> {
        let memory = Memory::new(MEMORY_LEN)?;
        let config = QueueConfig::new(QUEUE_SIZE, 0).ok_or(EINVAL)?;
        let ring = config.start(Plain(memory.clone())).map_err(|_| EINVAL)?;
        let queue = Queue {
            ring,
            is_failed: false,
        };
        let state = State {
            descriptors: 0,
            bytes: BUFFERS,
            available: 0,
            used: 0,
        };
        Arc::pin_init(
            pin_init!(Self {
                memory,
                queue <- new_mutex!(queue),
                state <- new_mutex!(state),
            }),
            GFP_KERNEL,
        )
    }

    /// Makes a buffer available, of parts to read and lengths of parts to write; returns its head.
    ///
    /// # Errors
    ///
    /// `ENOSPC`: all descriptors or all bytes are used up.
    pub fn add(&self, readable: &[&[u8]], writable: &[usize]) -> Result<u16> {
        let mut state = self.state.lock();
        let head = state.descriptors;
        let mut left = readable.len() + writable.len();
        for bytes in readable {
            left -= 1;
            let at = self.add_part(&mut state, bytes.len(), 0, left == 0)?;
            self.memory.write(at, bytes)?;
        }
        for len in writable {
            left -= 1;
            self.add_part(&mut state, *len, WRITE, left == 0)?;
        }
        let slot = 4 + usize::from(state.available % QUEUE_SIZE) * 2;
        state.available = state.available.wrapping_add(1);
        let driver = base(Area::Driver);
        self.memory.write(driver + slot, &head.to_le_bytes())?;
        self.memory
            .write(driver + 2, &state.available.to_le_bytes())?;
        Ok(head)
    }

    /// Adds a descriptor and returns where its bytes are.
    fn add_part(&self, state: &mut State, len: usize, flags: u16, is_last: bool) -> Result<usize> {
        let (index, at) = (state.descriptors, state.bytes);
        if index >= QUEUE_SIZE || at + len > MEMORY_LEN {
            return Err(ENOSPC);
        }
        let flags = flags | if is_last { 0 } else { NEXT };
        let slot = usize::from(index) * DESCRIPTOR_LEN;
        self.memory.write(slot, &(at as u64).to_le_bytes())?;
        self.memory.write(slot + 8, &(len as u32).to_le_bytes())?;
        self.memory.write(slot + 12, &flags.to_le_bytes())?;
        self.memory.write(slot + 14, &(index + 1).to_le_bytes())?;
        state.descriptors += 1;
        state.bytes += len;
        Ok(at)
    }

    /// Returns the next buffer that was given back, if there is one.
    ///
    /// # Errors
    ///
    /// None that a test can meet.
    pub fn used(&self) -> Result<Option<Used>> {
        let mut state = self.state.lock();
        let device = base(Area::Device);
        if self.memory.word(device + 2)? == state.used {
            return Ok(None);
        }
        let mut entry = [0; 8];
        let slot = 4 + usize::from(state.used % QUEUE_SIZE) * 8;
        self.memory.read(device + slot, &mut entry)?;
        state.used = state.used.wrapping_add(1);
        let [h0, h1, _, _, l0, l1, l2, l3] = entry;
        Ok(Some(Used::new(
            u16::from_le_bytes([h0, h1]),
            u32::from_le_bytes([l0, l1, l2, l3]),
        )))
    }

    /// Returns what is in the writable part of the buffer with this head.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: no memory.
    pub fn written(&self, head: u16) -> Result<KVec<u8>> {
        let mut bytes = KVec::new();
        for index in head..QUEUE_SIZE {
            let mut descriptor = [0; DESCRIPTOR_LEN];
            let at = usize::from(index) * DESCRIPTOR_LEN;
            self.memory.read(at, &mut descriptor)?;
            let [addr @ .., l0, l1, l2, l3, f0, f1, _, _] = descriptor;
            let flags = u16::from_le_bytes([f0, f1]);
            if flags & WRITE != 0 {
                let start = bytes.len();
                let len = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
                bytes.resize(start + len, 0, GFP_KERNEL)?;
                let part = bytes.get_mut(start..).ok_or(EINVAL)?;
                self.memory.read(u64::from_le_bytes(addr) as usize, part)?;
            }
            if flags & NEXT == 0 {
                break;
            }
        }
        Ok(bytes)
    }

    fn with_ring<T>(
        &self,
        operation: impl FnOnce(&mut Ring<Plain>) -> Result<T, RingError<Error>>,
    ) -> Result<T> {
        let queue = &mut *self.queue.lock();
        if queue.is_failed {
            return Err(EPIPE);
        }
        operation(&mut queue.ring).map_err(|_| {
            queue.is_failed = true;
            EPIPE
        })
    }
}

impl Virtqueue for DriverSide {
    fn index(&self) -> u16 {
        0
    }

    fn name(&self) -> &'static CStr {
        c"test"
    }

    fn size(&self) -> u16 {
        QUEUE_SIZE
    }

    fn state(&self) -> QueueState {
        match self.queue.lock().is_failed {
            true => QueueState::Broken,
            false => QueueState::Ready,
        }
    }

    fn pop(&self, batch: &mut Batch) -> Result<usize> {
        self.with_ring(|ring| ring.pop(batch))
    }

    fn read(&self, chain: &Chain<'_>, offset: usize, to: &mut [u8]) -> Result<usize> {
        chain.read(&Plain(self.memory.clone()), offset, to)
    }

    fn write(&self, chain: &Chain<'_>, offset: usize, from: &[u8]) -> Result<usize> {
        chain.write(&Plain(self.memory.clone()), offset, from)
    }

    fn push(&self, used: &[Used]) -> Result {
        self.with_ring(|ring| ring.push(used).map(|_| ()))
    }

    fn disable_notification(&self) -> Result {
        self.with_ring(Ring::disable_notification)
    }

    fn enable_notification(&self) -> Result<bool> {
        self.with_ring(Ring::enable_notification)
    }

    fn fail(&self, _why: fmt::Arguments<'_>) {
        self.queue.lock().is_failed = true;
    }
}
