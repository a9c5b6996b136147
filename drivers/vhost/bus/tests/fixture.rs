// SPDX-License-Identifier: GPL-2.0

//! A transport, a driver with its backend, and a driver side, all in one kernel's memory.
//!
//! Each notes what it is asked for in one journal, so that a test can see the order.

use crate::{
    testing::Plain,
    Backend,
    ConfigOps,
    Device,
    Driver,
    Kicked,
    RingQueue,
    Signal,
    Virtqueue,
    VqSpec, //
};
use concurrency::Event;
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        new_mutex,
        Arc,
        Mutex, //
    },
};
use virtio::{
    features,
    ids::DeviceId,
    status::Status, //
};

/// The features that the test backend offers, and one that it vetoes.
pub(super) const OFFERED: u64 = 0b11;
pub(super) const VETOED: u64 = 0b10;
pub(super) const ACCEPTED: u64 = features::VERSION_1 | 0b01;

/// A device type of no specification, so that no real driver takes a test's device.
pub(super) const TEST_ID: DeviceId = DeviceId::new(0xfff0);

/// What happened, in order.
#[pin_data]
pub(super) struct Journal {
    #[pin]
    entries: Mutex<KVec<&'static str>>,
}

impl Journal {
    pub(super) fn new() -> Result<Arc<Self>> {
        let journal = pin_init!(Self { entries <- new_mutex!(KVec::new()) });
        Arc::pin_init(journal, GFP_KERNEL)
    }

    pub(super) fn note(&self, entry: &'static str) {
        let pushed = self.entries.lock().push(entry, GFP_KERNEL);
        kernel::kunit_assert!("journal", c"tests/fixture.rs", 0, pushed.is_ok());
    }

    /// Forgets what happened.
    pub(super) fn clear(&self) {
        self.entries.lock().clear();
    }

    /// Returns whether these things happened since the last call, in this order.
    pub(super) fn was(&self, expected: &[&str]) -> bool {
        let entries = core::mem::replace(&mut *self.entries.lock(), KVec::new());
        let is_as_expected = entries.as_slice() == expected;
        if !is_as_expected {
            for entry in &entries {
                pr_err!("Unexpected order, saw: {}\n", entry);
            }
        }
        is_as_expected
    }
}

/// Counts signals, or kicks.
#[derive(Clone)]
pub(super) struct Counter(Arc<Atomic<u32>>);

impl Counter {
    pub(super) fn new() -> Result<Self> {
        Ok(Self(Arc::new(Atomic::new(0), GFP_KERNEL)?))
    }

    pub(super) fn get(&self) -> u32 {
        self.0.load(Relaxed)
    }
}

impl Signal for Counter {
    fn signal(&self, _index: u16) {
        self.0.add(1, Relaxed);
    }
}

impl Kicked for Counter {
    fn kicked(&self, _index: u16) {
        self.0.add(1, Relaxed);
    }
}

pub(super) type TestQueue = RingQueue<Plain, Counter>;

/// A transport without a way to anywhere.
#[pin_data]
pub(super) struct Transport {
    journal: Arc<Journal>,
    pub(super) signals: Counter,
    /// Signalled when `DEVICE_NEEDS_RESET` is published.
    #[pin]
    pub(super) needs_reset: Event,
    #[pin]
    status: Mutex<Status>,
    #[pin]
    queues: Mutex<KVec<Arc<TestQueue>>>,
}

impl Transport {
    pub(super) fn new(journal: &Arc<Journal>) -> Result<Arc<Self>> {
        let signals = Counter::new()?;
        let transport = pin_init!(Self {
            journal: journal.clone(),
            signals,
            needs_reset <- Event::new(),
            status <- new_mutex!(Status::RESET),
            queues <- new_mutex!(KVec::new()),
        });
        Arc::pin_init(transport, GFP_KERNEL)
    }

    pub(super) fn queue(&self) -> Result<Arc<TestQueue>> {
        self.queues.lock().first().cloned().ok_or(ENOENT)
    }
}

impl ConfigOps for Transport {
    fn create_vqs(
        &self,
        device: &Arc<Device>,
        specs: &[VqSpec],
    ) -> Result<KVec<Arc<dyn Virtqueue>>> {
        self.journal.note("create_vqs");
        let mut queues = KVec::new();
        for (index, spec) in (0..).zip(specs) {
            let queue = TestQueue::new(device, index, spec, 4, self.signals.clone())?;
            self.queues.lock().push(queue.clone(), GFP_KERNEL)?;
            let queue: Arc<dyn Virtqueue> = queue;
            queues.push(queue, GFP_KERNEL)?;
        }
        Ok(queues)
    }

    fn del_vqs(&self) {
        self.journal.note("del_vqs");
        for queue in core::mem::replace(&mut *self.queues.lock(), KVec::new()) {
            queue.retire();
        }
    }

    fn read(&self, _src: u64, _to: &mut [u8]) -> Result {
        Err(EFAULT)
    }

    fn write(&self, _dst: u64, _from: &[u8]) -> Result {
        Err(EFAULT)
    }

    fn suspend(&self) {
        self.journal.note("hold queues");
        for queue in &*self.queues.lock() {
            queue.suspend();
        }
    }

    fn resume(&self) {
        self.journal.note("release queues");
        for queue in &*self.queues.lock() {
            queue.resume();
        }
    }

    fn set_features(&self, device_features: u64) -> Result {
        self.journal.note(match device_features {
            0 => "withdraw",
            _ => "offer",
        });
        Ok(())
    }

    fn get_features(&self) -> u64 {
        0
    }

    fn set_status(&self, status: Status) -> Result {
        if status.is_reset() {
            self.journal.note("publish reset");
            for queue in &*self.queues.lock() {
                queue.deactivate();
            }
        }
        *self.status.lock() = status;
        if status.contains(Status::DEVICE_NEEDS_RESET) {
            self.needs_reset.signal();
        }
        Ok(())
    }

    fn get_status(&self) -> Status {
        *self.status.lock()
    }

    fn set_config(&self, _offset: usize, _from: &[u8]) -> Result {
        Err(EINVAL)
    }

    fn config_changed(&self) {}

    fn backend_bound(&self) {
        self.journal.note("bound");
    }
}

/// A driver whose backends note what they are asked for.
pub(super) struct TestDriver {
    /// One per registration: where the release of objects is delayed (CONFIG_DEBUG_KOBJECT_RELEASE), a
    /// name stays taken for a while.
    pub(super) name: &'static CStr,
    pub(super) journal: Arc<Journal>,
    pub(super) kicks: Counter,
    /// Whether backends refuse to start.
    pub(super) is_lame: bool,
}

impl Driver for TestDriver {
    fn name(&self) -> &'static CStr {
        self.name
    }

    fn ids(&self) -> &[DeviceId] {
        &[TEST_ID]
    }

    fn probe(&self, device: &Arc<Device>) -> Result<Arc<dyn Backend>> {
        self.journal.note("probe");
        let spec = VqSpec {
            group: 0,
            name: c"test",
            max_size: 256,
            kicked: Arc::new(self.kicks.clone(), GFP_KERNEL)?,
        };
        let backend = TestBackend {
            journal: self.journal.clone(),
            is_lame: self.is_lame,
            _queues: device.create_vqs(&[spec])?,
        };
        device.set_features(OFFERED)?;
        Ok(Arc::new(backend, GFP_KERNEL)?)
    }
}

struct TestBackend {
    journal: Arc<Journal>,
    is_lame: bool,
    _queues: KVec<Arc<dyn Virtqueue>>,
}

impl Backend for TestBackend {
    fn check_features(&self, negotiated: u64) -> Result {
        if negotiated & VETOED == 0 {
            Ok(())
        } else {
            Err(ENOTSUPP)
        }
    }

    fn start(&self, _negotiated: u64) -> Result {
        self.journal.note("start");
        if self.is_lame {
            Err(EIO)
        } else {
            Ok(())
        }
    }

    fn stop(&self) {
        self.journal.note("stop");
    }

    fn suspend(&self) {
        self.journal.note("suspend");
    }

    fn resume(&self) {
        self.journal.note("resume");
    }

    fn write_config(&self, _offset: usize, _from: &[u8]) -> Result {
        Err(EINVAL)
    }
}

impl Drop for TestBackend {
    fn drop(&mut self) {
        self.journal.note("drop backend");
    }
}
