// SPDX-License-Identifier: GPL-2.0

//! A device that runs, and the driver side of its one queue, in plain memory.

use crate::{
    testing::{
        base,
        Memory,
        Plain, //
    },
    tests::fixture::*,
    Device,
    DriverRegistration,
    Registration,
    THIS_MODULE, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};
use virtio::{
    features,
    ring::{
        Area,
        QueueConfig, //
    },
};

const NEXT: u16 = 1;
const WRITE: u16 = 2;
/// `VIRTQ_DESC_F_AVAIL`, in the first round of a packed ring.
const AVAILABLE: u16 = 1 << 7;
const MEMORY_LEN: usize = 0x1000;
const REQUEST: usize = 0x400;
pub(super) const ANSWER: usize = 0x500;

/// A device that runs, and the driver side of its one queue. Fields drop in their order.
pub(super) struct Setup {
    pub(super) kicks: Counter,
    pub(super) journal: Arc<Journal>,
    pub(super) transport: Arc<Transport>,
    pub(super) memory: Arc<Memory>,
    pub(super) queue: Arc<TestQueue>,
    pub(super) registration: Registration,
    pub(super) driver: DriverRegistration,
}

impl Setup {
    pub(super) fn new(name: &'static CStr) -> Result<Self> {
        let journal = Journal::new()?;
        let transport = Transport::new(&journal)?;
        let kicks = Counter::new()?;
        let driver = TestDriver {
            name,
            journal: journal.clone(),
            kicks: kicks.clone(),
            is_lame: false,
        };
        let driver = DriverRegistration::new(Arc::new(driver, GFP_KERNEL)?, &THIS_MODULE)?;
        let registration = Device::register(transport.clone(), TEST_ID, c"test", None)?;
        let setup = Self {
            kicks,
            memory: Memory::new(MEMORY_LEN)?,
            queue: transport.queue()?,
            transport,
            journal,
            registration,
            driver,
        };
        setup.activate()?;
        setup.device().driver_features(ACCEPTED)?;
        setup.device().driver_ok()?;
        Ok(setup)
    }

    pub(super) fn device(&self) -> &Device {
        self.registration.device()
    }

    /// Gives the queue to the backend.
    pub(super) fn activate(&self) -> Result {
        self.activate_with(features::VERSION_1)
    }

    /// The same with other features of the ring.
    pub(super) fn activate_with(&self, features: u64) -> Result {
        let config = QueueConfig::new(4, features).ok_or(EINVAL)?;
        self.queue.activate(config, Plain(self.memory.clone()))
    }

    pub(super) fn put(&self, area: Area, offset: usize, word: u16) -> Result {
        self.memory.write(base(area) + offset, &word.to_le_bytes())
    }

    pub(super) fn get(&self, area: Area, offset: usize) -> Result<u16> {
        self.memory.word(base(area) + offset)
    }

    fn describe(&self, index: usize, addr: usize, flags: u16, next: u16) -> Result {
        let at = index * 16;
        self.memory.write(at, &(addr as u64).to_le_bytes())?;
        self.memory.write(at + 8, &16u32.to_le_bytes())?;
        self.put(Area::Descriptor, at + 12, flags)?;
        self.put(Area::Descriptor, at + 14, next)
    }

    /// Makes the same request as [`request`](Self::request) available in a packed ring, under a number of
    /// its own, and kicks.
    pub(super) fn request_packed(&self, id: u16) -> Result {
        // Number and flags are the other way round.
        self.describe(1, ANSWER, id, WRITE | AVAILABLE)?;
        self.memory.write(REQUEST, b"0123456789abcdef")?;
        self.describe(0, REQUEST, id, NEXT | AVAILABLE)?;
        self.queue.kick();
        Ok(())
    }

    /// Makes a request of 16 bytes with room for an answer of 16 available, and kicks.
    pub(super) fn request(&self, head: u16) -> Result {
        self.describe(0, REQUEST, NEXT, 1)?;
        self.describe(1, ANSWER, WRITE, 0)?;
        self.memory.write(REQUEST, b"0123456789abcdef")?;
        self.put(Area::Driver, 4, head)?;
        self.put(Area::Driver, 2, 1)?;
        self.queue.kick();
        Ok(())
    }
}
