// SPDX-License-Identifier: GPL-2.0

//! Windows onto buffers in RC memory, kept after use, because mapping one takes a mutex, an address
//! translation unit of the controller and much longer than a copy.
//!
//! RC memory is seen as a sequence of *chunks* of one size. The cache maps those that are used, up
//! to a number of them, and takes one away that was not used lately when it needs another. Each
//! user (`buffers`) remembers the few it used last, and finds them without the cache's lock.
//!
//! ```text
//!   RC address space   |   chunk   |   chunk   |   chunk   |
//!                            ^           ^           ^
//!   cache                    A           B           C      all that are mapped
//!   users                  [A]         [B A]        [ ]     what each remembers
//! ```
//!
//! Context: process. Locks: the cache's, then the memos of users, each of which is held while its
//! user translates an address and copies; so taking a chunk away waits for copies from or to it, and
//! unmapping IOVAs waits for copies that found them mapped. The lock of `translation` is innermost.

use crate::translation::Translation;
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Mutex,
        MutexGuard, //
    },
};
use pci_ep::{
    Endpoint,
    OutboundWindow,
    PciAddr, //
};
use transport::{
    CommandError,
    Range, //
};

#[cfg(CONFIG_KUNIT = "y")]
pub(crate) mod testing;
#[cfg(CONFIG_KUNIT = "y")]
mod tests;

/// How many chunks a user remembers: header, data and status of a request may be in three.
const REMEMBERED: usize = 4;

/// The smallest chunk: the smallest page of a window.
const MIN_CHUNK: usize = 4 << 10;

/// When fewer windows than this fit the controller's address space, they are made smaller:
/// descriptors, headers and data of two queues are often in different places.
const MIN_WINDOWS: usize = 4;

/// What maps RC memory: the controller, but for tests.
pub(crate) trait Mapper: Send {
    /// A range that is mapped until this is dropped.
    type Window: Window;

    /// Maps all `size` bytes at `addr`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, `E2BIG`: address space is short; any other: no translation unit is left, or there
    /// is no RC memory.
    fn map(&self, addr: u64, size: usize) -> Result<Self::Window>;

    /// Says that windows are smaller than the user wanted.
    fn report_shrunk(&self, wanted: usize, size: usize);
}

/// A mapped range of RC memory.
pub(crate) trait Window: Send + Sync {
    /// Copies from the range at `offset`.
    fn read(&self, offset: usize, to: &mut [u8]) -> Result;

    /// Copies to the range at `offset`.
    fn write(&self, offset: usize, from: &[u8]) -> Result;

    /// Reads a little-endian word at `offset` with one access.
    fn load_u16(&self, offset: usize) -> Result<u16>;

    /// Reads a little-endian long word at `offset` with one access.
    #[cfg(CONFIG_64BIT)]
    fn load_u64(&self, offset: usize) -> Result<u64>;

    /// Writes a little-endian word at `offset` with one access.
    fn store_u16(&self, offset: usize, value: u16) -> Result;
}

impl Mapper for Endpoint {
    type Window = OutboundWindow;

    fn map(&self, addr: u64, size: usize) -> Result<OutboundWindow> {
        OutboundWindow::map_all(self, PciAddr(addr), size)
    }

    fn report_shrunk(&self, wanted: usize, size: usize) {
        dev_info!(
            self,
            "Windows onto buffers have {:#x} bytes: the controller has no room for some of {:#x}\n",
            size,
            wanted
        );
    }
}

impl Window for OutboundWindow {
    fn read(&self, offset: usize, to: &mut [u8]) -> Result {
        self.read(offset, to)
    }

    fn write(&self, offset: usize, from: &[u8]) -> Result {
        self.write(offset, from)
    }

    fn load_u16(&self, offset: usize) -> Result<u16> {
        self.load(offset)
    }

    #[cfg(CONFIG_64BIT)]
    fn load_u64(&self, offset: usize) -> Result<u64> {
        self.load(offset)
    }

    fn store_u16(&self, offset: usize, value: u16) -> Result {
        self.store(offset, value)
    }
}

/// A mapped piece of RC memory, `size` bytes at a multiple of `size`.
pub(crate) struct Chunk<W> {
    pub(crate) window: W,
    base: u64,
    size: usize,
    /// How many chunks had been mapped when it was last used.
    last_used: Atomic<u64>,
}

impl<W> Chunk<W> {
    /// Returns the offset of `addr` and how many bytes there are from it, if it is in this chunk.
    pub(crate) fn locate(&self, addr: u64) -> Option<(usize, usize)> {
        let offset = usize::try_from(addr.checked_sub(self.base)?).ok()?;
        let len = self.size.checked_sub(offset)?;
        (len != 0).then_some((offset, len))
    }
}

/// The chunks that a user remembers.
pub(crate) type Remembered<W> = [Option<Arc<Chunk<W>>>; REMEMBERED];

/// What one user remembers.
#[pin_data]
pub(crate) struct Memo<W> {
    #[pin]
    pub(crate) chunks: Mutex<Remembered<W>>,
}

/// The windows onto buffers of one function.
#[pin_data]
pub(crate) struct WindowCache<M: Mapper = Endpoint> {
    /// How many chunks have been mapped: the clock by which those not used lately are known.
    mapped: Atomic<u64>,
    /// Where in RC memory the driver side's addresses are.
    #[pin]
    pub(crate) translation: Translation,
    #[pin]
    state: Mutex<State<M>>,
}

/// What is under the lock.
struct State<M: Mapper> {
    /// `None`: the function is being unbound, and nothing is mapped any more.
    mapper: Option<M>,
    chunk_size: usize,
    max_chunks: usize,
    /// All that are mapped, the one that was mapped first in front.
    chunks: KVec<Arc<Chunk<M::Window>>>,
    users: KVec<Arc<Memo<M::Window>>>,
}

/// The state lies within the lock, but nothing in it is pinned there.
impl<M: Mapper> Unpin for State<M> {}

impl<M: Mapper> WindowCache<M> {
    /// Makes a cache of at most `max_chunks` chunks of `chunk_size` bytes, a power of two.
    pub(crate) fn new(mapper: M, chunk_size: usize, max_chunks: usize) -> Result<Arc<Self>> {
        let state = State {
            mapper: Some(mapper),
            chunk_size,
            max_chunks,
            chunks: KVec::with_capacity(max_chunks, GFP_KERNEL)?,
            users: KVec::new(),
        };
        let cache = pin_init!(Self {
            mapped: Atomic::new(0),
            translation <- Translation::new(),
            state <- new_mutex!(state, "pci_epf_vhost::WindowCache::state"),
        });
        Arc::pin_init(cache, GFP_KERNEL)
    }

    /// Maps `size` bytes at `addr` for good, apart from the cache, which makes room for it.
    ///
    /// # Errors
    ///
    /// `ENODEV`: the function is being unbound; else the controller's.
    pub(crate) fn map_apart(&self, addr: u64, size: usize) -> Result<Arc<M::Window>> {
        let state = &mut *self.state.lock();
        let window = loop {
            match state.try_map(addr, size) {
                Ok(window) => break window,
                Err(error) if state.chunks.is_empty() => return Err(error),
                // Each round takes one away.
                Err(_) => state.evict(),
            }
        };
        Ok(Arc::new(window, GFP_KERNEL)?)
    }

    /// Notes a use of `chunk`. Without the lock, as the order of uses between two mappings does not
    /// matter.
    pub(crate) fn note_use(&self, chunk: &Chunk<M::Window>) {
        let now = self.mapped.load(Relaxed);
        // Read first: the line is shared by all users, and rarely changes.
        if chunk.last_used.load(Relaxed) != now {
            chunk.last_used.store(now, Relaxed);
        }
    }

    /// Makes `user` remember the chunk with `addr`, in front of others.
    ///
    /// The memo is locked before the cache is unlocked, so that nobody takes the chunk away.
    ///
    /// # Errors
    ///
    /// As for [`map_apart`](Self::map_apart).
    pub(crate) fn fetch<'a>(
        &self,
        addr: u64,
        user: &'a Memo<M::Window>,
    ) -> Result<MutexGuard<'a, Remembered<M::Window>>> {
        let mut state = self.state.lock();
        let chunk = match state.find(addr) {
            Some(chunk) => chunk,
            None => state.add(addr, self.mapped.fetch_add(1, Relaxed).wrapping_add(1))?,
        };
        let mut chunks = user.chunks.lock();
        chunks.rotate_right(1);
        if let Some(first) = chunks.first_mut() {
            *first = Some(chunk);
        }
        Ok(chunks)
    }

    /// Adds a user, which remembers nothing yet.
    pub(crate) fn add_user(&self) -> Result<Arc<Memo<M::Window>>> {
        let memo = pin_init!(Memo {
            chunks <- new_mutex!(Remembered::default(), "pci_epf_vhost::Memo::chunks"),
        });
        let memo = Arc::pin_init(memo, GFP_KERNEL)?;
        let mut state = self.state.lock();
        state.users.push(memo.clone(), GFP_KERNEL)?;
        Ok(memo)
    }

    /// Removes a user.
    pub(crate) fn remove_user(&self, memo: &Arc<Memo<M::Window>>) {
        let mut state = self.state.lock();
        state.users.retain(|user| !Arc::ptr_eq(user, memo));
    }

    /// Removes the mappings in a range of IOVAs; on return no copy touches them.
    ///
    /// # Errors
    ///
    /// Those of [`Translation::unmap`].
    pub(crate) fn unmap(&self, range: &Range) -> Result<(), CommandError> {
        let state = self.state.lock();
        self.translation.unmap(range)?;
        // Who found them mapped has locked its memo before, and copies.
        for user in &state.users {
            drop(user.chunks.lock());
        }
        Ok(())
    }

    /// Unmaps all chunks; copies in progress are waited for.
    pub(crate) fn clear(&self) {
        self.state.lock().clear();
    }

    /// Unmaps all chunks and lets go of the controller.
    pub(crate) fn detach(&self) {
        let mut state = self.state.lock();
        state.clear();
        state.mapper = None;
    }
}

impl<M: Mapper> State<M> {
    fn try_map(&self, addr: u64, size: usize) -> Result<M::Window> {
        self.mapper.as_ref().ok_or(ENODEV)?.map(addr, size)
    }

    /// Returns the chunk with `addr`, if it is mapped.
    fn find(&self, addr: u64) -> Option<Arc<Chunk<M::Window>>> {
        let has_addr = |chunk: &&Arc<Chunk<M::Window>>| chunk.locate(addr).is_some();
        self.chunks.iter().find(has_addr).cloned()
    }

    /// Maps a chunk at time `now`, in place of others or a smaller one if need be.
    fn add(&mut self, addr: u64, now: u64) -> Result<Arc<Chunk<M::Window>>> {
        if self.chunks.len() >= self.max_chunks {
            self.evict();
        }
        let mut size = self.chunk_size;
        let window = loop {
            let error = match self.try_map(base(addr, size), size) {
                Ok(window) => break window,
                Err(error) => error,
            };
            if self.chunks.is_empty() || self.are_too_large(error) {
                if size <= MIN_CHUNK {
                    return Err(error);
                }
                // At most 19 times, from the largest size.
                self.clear();
                size /= 2;
            } else {
                // Each round takes one away.
                self.evict();
            }
        };
        let chunk = Chunk {
            window,
            base: base(addr, size),
            size,
            last_used: Atomic::new(now),
        };
        self.shrink_to(size);
        let chunk = Arc::new(chunk, GFP_KERNEL)?;
        self.chunks.push(chunk.clone(), GFP_KERNEL)?;
        Ok(chunk)
    }

    /// Returns whether chunks should be smaller, given why one more cannot be mapped.
    fn are_too_large(&self, error: Error) -> bool {
        (error == ENOMEM || error == E2BIG) && self.chunks.len() < MIN_WINDOWS
    }

    /// Uses smaller chunks from now on; there are none of the old size.
    fn shrink_to(&mut self, size: usize) {
        if size != self.chunk_size {
            if let Some(mapper) = &self.mapper {
                mapper.report_shrunk(self.chunk_size, size);
            }
            self.chunk_size = size;
        }
    }

    /// Takes away the chunk that was not used for the longest time.
    fn evict(&mut self) {
        let last_use = |(_, chunk): &(usize, &Arc<Chunk<M::Window>>)| chunk.last_used.load(Relaxed);
        let oldest = self.chunks.iter().enumerate().min_by_key(last_use);
        let Some((index, _)) = oldest else { return };
        let Ok(evicted) = self.chunks.remove(index) else {
            return;
        };
        for user in &self.users {
            for slot in user.chunks.lock().iter_mut() {
                if slot
                    .as_ref()
                    .is_some_and(|chunk| Arc::ptr_eq(chunk, &evicted))
                {
                    *slot = None;
                }
            }
        }
    }

    fn clear(&mut self) {
        for user in &self.users {
            *user.chunks.lock() = Remembered::default();
        }
        self.chunks.clear();
    }
}

/// Returns where the chunk of `size` bytes with `addr` begins.
fn base(addr: u64, size: usize) -> u64 {
    // CAST: A kernel's `u64` holds each `usize`.
    addr & !(size as u64 - 1)
}
