// SPDX-License-Identifier: GPL-2.0

//! Queues as commands speak of them: what the RC asks for, and the same after the EP's check.
//!
//! Not here: rings and their contents.

/// Index of a queue that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QueueIndex(u16);

impl QueueIndex {
    /// Checks `index` against the number of queues.
    pub const fn new(index: u32, num_queues: u16) -> Option<Self> {
        if index < num_queues as u32 {
            Some(Self(index as u16))
        } else {
            None
        }
    }

    /// The index as a number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// Number of descriptors of a queue: a power of two from 1 to 32768.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueSize(u16);

impl QueueSize {
    /// The smallest size.
    pub const MIN: Self = Self(1);

    /// Checks that `size` is a legal queue size.
    pub const fn new(size: u32) -> Option<Self> {
        if size.is_power_of_two() && size <= 1 << 15 {
            Some(Self(size as u16))
        } else {
            None
        }
    }

    /// The size as a number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// Arguments of `QUEUE_SETUP` as they travel; nothing in it is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueRequest {
    /// Queue index.
    pub queue: u32,
    /// Number of descriptors.
    pub size: u32,
    /// Vector for used buffer notifications, or [`NO_VECTOR`](crate::NO_VECTOR).
    pub vector: u32,
    /// Address of the descriptor area.
    pub desc_area: u64,
    /// Address of the driver area.
    pub driver_area: u64,
    /// Address of the device area.
    pub device_area: u64,
}

impl QueueRequest {
    /// Whether the three areas are aligned and end below 2^64.
    fn has_legal_areas(&self, size: QueueSize, packed: bool) -> bool {
        let size = u64::from(size.get());
        let (driver_align, driver_len, device_len) = if packed {
            (4, 4, 4)
        } else {
            (2, 6 + 2 * size, 6 + 8 * size)
        };
        is_legal_area(self.desc_area, 16 * size, 16)
            && is_legal_area(self.driver_area, driver_len, driver_align)
            && is_legal_area(self.device_area, device_len, 4)
    }
}

/// Whether an area is aligned to `align`, a power of two, and does not wrap around.
fn is_legal_area(address: u64, length: u64, align: u64) -> bool {
    address & (align - 1) == 0 && address.checked_add(length).is_some()
}

/// A checked set-up of a queue.
///
/// # Invariants
///
/// The queue exists, the size does not exceed the queue's maximum, the areas are aligned for the
/// negotiated ring layout and do not wrap around, and the vector is one of those that the RC
/// enabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueSetup {
    queue: QueueIndex,
    size: QueueSize,
    vector: Option<u16>,
    desc_area: u64,
    driver_area: u64,
    device_area: u64,
}

impl QueueSetup {
    /// Checks a request for `queue`, whose `vector` has been looked up already.
    pub(crate) fn check(
        request: &QueueRequest,
        queue: QueueIndex,
        size_max: QueueSize,
        vector: Option<u16>,
        packed: bool,
    ) -> Option<Self> {
        let size = QueueSize::new(request.size).filter(|size| *size <= size_max)?;
        // INVARIANT: The caller looked up queue and vector; the rest is checked here.
        request.has_legal_areas(size, packed).then_some(Self {
            queue,
            size,
            vector,
            desc_area: request.desc_area,
            driver_area: request.driver_area,
            device_area: request.device_area,
        })
    }

    /// The queue.
    pub fn queue(&self) -> QueueIndex {
        self.queue
    }

    /// Number of descriptors.
    pub fn size(&self) -> QueueSize {
        self.size
    }

    /// Vector for used buffer notifications, counted from 0.
    pub fn vector(&self) -> Option<u16> {
        self.vector
    }

    /// Address of the descriptor area in the RC's address space.
    pub fn desc_area(&self) -> u64 {
        self.desc_area
    }

    /// Address of the driver area in the RC's address space.
    pub fn driver_area(&self) -> u64 {
        self.driver_area
    }

    /// Address of the device area in the RC's address space.
    pub fn device_area(&self) -> u64 {
        self.device_area
    }
}

/// Where a queue goes on: the words of `QUEUE_SET_STATE` and `QUEUE_GET_STATE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueState {
    /// Split ring: available index. Packed ring: index in bits 14:0, wrap counter in bit 15.
    pub available: u16,
    /// Split ring: 0. Packed ring: as `available`, for used descriptors.
    pub used: u16,
}

impl QueueState {
    /// The state of a queue that was never used.
    pub const fn initial(packed: bool) -> Self {
        let word = if packed { 1 << 15 } else { 0 };
        Self {
            available: word,
            used: word,
        }
    }

    /// Whether a queue of `size` can be in this state.
    pub(crate) fn is_legal(self, size: QueueSize, packed: bool) -> bool {
        let is_index = |word: u16| word & 0x7fff < size.get();
        if packed {
            is_index(self.available) && is_index(self.used)
        } else {
            self.used == 0
        }
    }
}
