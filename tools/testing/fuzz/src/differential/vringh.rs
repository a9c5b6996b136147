// SPDX-License-Identifier: GPL-2.0
//! The kernel's `vringh`, compiled for user space. Calls into C are unsafe; they are all here.

use std::sync::{Mutex, MutexGuard};

use virtio::ring::{Area, RingError, Used};

use super::{
    memory::{place, Fault, BASE, END},
    Peer, Popped, SIZE,
};

/// Plays the driver side that the bytes describe, for both.
pub fn run(bytes: &[u8]) {
    super::run::<Vringh>(bytes);
}

/// A used entry as it is in the ring, `struct vring_used_elem`.
#[repr(C)]
struct Entry {
    id: u32,
    len: u32,
}

/// `vringh/peer.c`
mod peer {
    use super::Entry;

    extern "C" {
        pub fn peer_reset(
            base: u64,
            size: u16,
            features: u64,
            start: u16,
            desc: usize,
            driver: usize,
            device: usize,
        );
        pub fn peer_write(offset: usize, from: *const u8, len: usize);
        pub fn peer_read(offset: usize, to: *mut u8, len: usize);
        pub fn peer_pop(head: *mut u16) -> i32;
        pub fn peer_segment(writable: bool, number: u32, addr: *mut u64, len: *mut u64) -> bool;
        pub fn peer_push(used: *const Entry, count: u32) -> i32;
        pub fn peer_wants_signal() -> i32;
        pub fn peer_enable_notification() -> bool;
    }
}

/// There is one queue in C, for one thread.
static QUEUE: Mutex<()> = Mutex::new(());

/// # Invariants
///
/// `peer_reset` was called since the lock was taken.
struct Vringh {
    _lock: MutexGuard<'static, ()>,
}

impl Vringh {
    fn segments(&self, writable: bool) -> Vec<(u64, u64, bool)> {
        let segment = |number| {
            let (mut addr, mut len) = (0, 0);
            // SAFETY: Both pointers are to locals; by the invariant, no other thread is there.
            let exists = unsafe { peer::peer_segment(writable, number, &mut addr, &mut len) };
            exists.then_some((addr, len, writable))
        };
        let mut segments: Vec<_> = (0..).map_while(segment).collect();
        segments.retain(|(_, len, _)| *len != 0);
        segments
    }
}

impl Peer for Vringh {
    /// When it leads back to itself: descriptors that refer to tables are not counted.
    const HANGS_IN_CONTINUED_TABLES: bool = true;

    fn new(features: u64, start: u16) -> Self {
        let lock = QUEUE.lock().expect("no panic while it was held");
        let (desc, driver, device) = (
            place(Area::Descriptor),
            place(Area::Driver),
            place(Area::Device),
        );
        // SAFETY: The areas are inside the memory of the C side; the lock keeps other threads out.
        unsafe { peer::peer_reset(BASE, SIZE, features, start, desc, driver, device) };
        // INVARIANT: Just called.
        Self { _lock: lock }
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) {
        assert!(offset + bytes.len() <= END);
        // SAFETY: The range is inside the memory; by the invariant, no other thread is there.
        unsafe { peer::peer_write(offset, bytes.as_ptr(), bytes.len()) };
    }

    fn read(&mut self, offset: usize, to: &mut [u8]) {
        assert!(offset + to.len() <= END);
        // SAFETY: As in `write`.
        unsafe { peer::peer_read(offset, to.as_mut_ptr(), to.len()) };
    }

    fn pop(&mut self) -> Option<Popped> {
        let mut head = 0;
        // SAFETY: The pointer is to a local; the C side checks each address that vringh accesses.
        let result = unsafe { peer::peer_pop(&mut head) };
        let mut segments = self.segments(false);
        segments.extend(self.segments(true));
        (result != 0).then_some(Popped {
            head,
            segments,
            is_refused: result < 0,
        })
    }

    fn push(&mut self, used: &[Used]) {
        let entry = |used: &Used| Entry {
            id: u32::from(used.head).to_le(),
            len: used.len.to_le(),
        };
        let entries: Vec<_> = used.iter().map(entry).collect();
        // SAFETY: There are so many entries, of the C side's form.
        let result = unsafe { peer::peer_push(entries.as_ptr(), entries.len() as u32) };
        assert_eq!(result, 0);
    }

    fn wants_signal(&mut self) -> bool {
        // SAFETY: By the invariant there is a queue, and no other thread.
        unsafe { peer::peer_wants_signal() == 1 }
    }

    fn enable_notification(&mut self) -> bool {
        // SAFETY: As in `wants_signal`.
        !unsafe { peer::peer_enable_notification() }
    }

    /// vringh takes any available index; follows a table that is empty, continued, or not negotiated;
    /// reads of a table only what the chain uses; does not count the bytes; takes the last byte of the
    /// address space.
    fn overlooks(error: RingError<Fault>) -> bool {
        match error {
            RingError::AvailableIndex { .. }
            | RingError::IndirectNotNegotiated { .. }
            | RingError::IndirectWithNext { .. }
            | RingError::IndirectLength { len: 0 }
            | RingError::LengthOverflow { .. }
            | RingError::Memory(Fault) => true,
            RingError::AddressOverflow { addr, len } => addr.wrapping_add(len.into()) == 0,
            _ => false,
        }
    }
}
