// SPDX-License-Identifier: GPL-2.0

//! Windows onto buffers in RC memory, kept after use, because mapping one takes a mutex, an address
//! translation unit of the controller and much longer than a copy.
//!
//! RC memory is seen as a sequence of *chunks* of one size. The cache maps those that are used, up
//! to a number of them, and takes one away that was not used lately when it needs another. Each
//! user (a queue) remembers the few it used last, and finds them without the cache's lock.
//!
//! ```text
//!   RC address space   |   chunk   |   chunk   |   chunk   |
//!                            ^           ^           ^
//!   cache                    A           B           C      all that are mapped
//!   users                  [A]         [B A]        [ ]     what each remembers
//! ```
//!
//! Context: process. Locks: the cache's, then those of users, each of which is held while its user
//! copies; so taking a chunk away waits for copies from or to it.

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

/// How many chunks a user remembers: header, data and status of a request may be in three.
const REMEMBERED: usize = 4;

/// The smallest chunk: the smallest page of a window.
const MIN_CHUNK: usize = 4 << 10;

/// When fewer windows than this fit the controller's address space, they are made smaller:
/// descriptors, headers and data of two queues are often in different places.
const MIN_WINDOWS: usize = 4;

/// A mapped piece of RC memory, `size` bytes at a multiple of `size`.
struct Chunk {
    window: OutboundWindow,
    base: u64,
    size: usize,
    /// Used since the cache last looked for one to take away.
    is_used: Atomic<bool>,
}

impl Chunk {
    /// Returns the offset of `addr` in this chunk, if it is in it.
    fn offset(&self, addr: u64) -> Option<usize> {
        let offset = usize::try_from(addr.checked_sub(self.base)?).ok()?;
        (offset < self.size).then_some(offset)
    }
}

type Remembered = [Option<Arc<Chunk>>; REMEMBERED];

/// What one user remembers.
#[pin_data]
struct Memo {
    #[pin]
    chunks: Mutex<Remembered>,
}

/// The windows onto buffers of one function.
#[pin_data]
pub(crate) struct WindowCache {
    #[pin]
    state: Mutex<State>,
}

/// What is under the lock.
struct State {
    /// `None`: the function is being unbound, and nothing is mapped any more.
    endpoint: Option<Endpoint>,
    chunk_size: usize,
    max_chunks: usize,
    /// All that are mapped, in the order in which they are considered for being taken away.
    chunks: KVec<Arc<Chunk>>,
    users: KVec<Arc<Memo>>,
}

impl WindowCache {
    /// Makes a cache of at most `max_chunks` chunks of `chunk_size` bytes, a power of two.
    pub(crate) fn new(
        endpoint: &Endpoint,
        chunk_size: usize,
        max_chunks: usize,
    ) -> Result<Arc<Self>> {
        let state = State {
            endpoint: Some(endpoint.clone()),
            chunk_size,
            max_chunks,
            chunks: KVec::with_capacity(max_chunks, GFP_KERNEL)?,
            users: KVec::new(),
        };
        let cache = pin_init!(Self {
            state <- new_mutex!(state, "pci_epf_vhost::WindowCache::state"),
        });
        Arc::pin_init(cache, GFP_KERNEL)
    }

    /// Maps `size` bytes at `addr` for good, not for the cache, which makes room for it.
    ///
    /// # Errors
    ///
    /// `ENODEV`: the function is being unbound; else the controller's.
    pub(crate) fn map_apart(&self, addr: u64, size: usize) -> Result<Arc<OutboundWindow>> {
        let state = &mut *self.state.lock();
        let window =
            state.make_room(|endpoint| OutboundWindow::map_all(endpoint, PciAddr(addr), size))?;
        Ok(Arc::new(window, GFP_KERNEL)?)
    }

    /// Unmaps everything; copies in progress are waited for.
    pub(crate) fn clear(&self) {
        self.state.lock().clear();
    }

    /// Unmaps everything and lets go of the controller.
    pub(crate) fn detach(&self) {
        let mut state = self.state.lock();
        state.clear();
        state.endpoint = None;
    }
}

impl State {
    fn clear(&mut self) {
        for user in &self.users {
            *user.chunks.lock() = Remembered::default();
        }
        self.chunks.clear();
    }

    /// Returns the chunk with `addr`, which is mapped for it if need be.
    fn chunk(&mut self, addr: u64) -> Result<Arc<Chunk>> {
        let found = self
            .chunks
            .iter()
            .find(|chunk| chunk.offset(addr).is_some());
        match found {
            Some(chunk) => Ok(chunk.clone()),
            None => self.add(addr),
        }
    }

    fn add(&mut self, addr: u64) -> Result<Arc<Chunk>> {
        if self.chunks.len() >= self.max_chunks {
            self.evict();
        }
        let mut size = self.chunk_size;
        let chunk = loop {
            match self.map(addr, size) {
                Ok(chunk) => break chunk,
                Err(error) if size <= MIN_CHUNK => return Err(error),
                // Each round halves the size: at most 20 of them.
                Err(_) => size /= 2,
            }
        };
        self.shrink_to(size);
        self.chunks.push_within_capacity(chunk.clone())?;
        Ok(chunk)
    }

    /// Maps a chunk of `size` bytes; if that fails, there are too few chunks to be worth it.
    fn map(&mut self, addr: u64, size: usize) -> Result<Arc<Chunk>> {
        // CAST: A kernel's `u64` holds each `usize`.
        let base = addr & !(size as u64 - 1);
        let map = |endpoint: &Endpoint| OutboundWindow::map_all(endpoint, PciAddr(base), size);
        let window = self.make_room(map)?;
        let chunk = Chunk {
            window,
            base,
            size,
            is_used: Atomic::new(true),
        };
        Ok(Arc::new(chunk, GFP_KERNEL)?)
    }

    /// Maps something, and takes chunks away until that works.
    ///
    /// With `ENOMEM` and `E2BIG` address space is short (`pci_epc_mem_map()`), which smaller chunks
    /// are better against when there are few; any other error is for lack of translation units.
    fn make_room<T>(&mut self, map: impl Fn(&Endpoint) -> Result<T>) -> Result<T> {
        loop {
            let endpoint = self.endpoint.as_ref().ok_or(ENODEV)?;
            match map(endpoint) {
                Ok(mapped) => return Ok(mapped),
                Err(error) if self.chunks.is_empty() => return Err(error),
                Err(error) if is_space_short(error) && self.chunks.len() < MIN_WINDOWS => {
                    self.clear();
                }
                // Each round takes one away.
                Err(_) => self.evict(),
            }
        }
    }

    /// Takes the first chunk away that was not used since the last look.
    fn evict(&mut self) {
        let is_idle = |chunk: &Arc<Chunk>| !chunk.is_used.xchg(false, Relaxed);
        let index = self.chunks.iter().position(is_idle).unwrap_or(0);
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

    /// Uses smaller chunks from now on; there are none of the old size.
    fn shrink_to(&mut self, size: usize) {
        if size == self.chunk_size {
            return;
        }
        if let Some(endpoint) = &self.endpoint {
            dev_info!(
                endpoint,
                "Windows onto buffers of {:#x} bytes are too large for the controller, using {:#x}\n",
                self.chunk_size,
                size
            );
        }
        self.chunk_size = size;
    }
}

fn is_space_short(error: Error) -> bool {
    error == ENOMEM || error == E2BIG
}

/// Access to buffers in RC memory for one user at a time.
pub(crate) struct Buffers {
    cache: Arc<WindowCache>,
    memo: Arc<Memo>,
}

impl Buffers {
    pub(crate) fn new(cache: &Arc<WindowCache>) -> Result<Self> {
        let memo = pin_init!(Memo {
            chunks <- new_mutex!(Remembered::default(), "pci_epf_vhost::Memo::chunks"),
        });
        let memo = Arc::pin_init(memo, GFP_KERNEL)?;
        cache.state.lock().users.push(memo.clone(), GFP_KERNEL)?;
        Ok(Self {
            cache: cache.clone(),
            memo,
        })
    }

    /// Copies from RC memory at `addr`.
    ///
    /// # Errors
    ///
    /// `EFAULT`: the range passes the end of the address space; else it cannot be mapped.
    pub(crate) fn read(&self, addr: u64, to: &mut [u8]) -> Result {
        let mut rest = to;
        self.for_each_piece(addr, rest.len(), |chunk, offset, len| {
            let (piece, tail) = core::mem::take(&mut rest)
                .split_at_mut_checked(len)
                .ok_or(EFAULT)?;
            rest = tail;
            chunk.window.read(offset, piece)
        })
    }

    /// Copies to RC memory at `addr`.
    ///
    /// # Errors
    ///
    /// As for [`read`](Self::read).
    pub(crate) fn write(&self, addr: u64, from: &[u8]) -> Result {
        let mut rest = from;
        self.for_each_piece(addr, rest.len(), |chunk, offset, len| {
            let (piece, tail) = rest.split_at_checked(len).ok_or(EFAULT)?;
            rest = tail;
            chunk.window.write(offset, piece)
        })
    }

    /// Calls `copy` with chunk, offset and length of each piece of a range.
    fn for_each_piece(
        &self,
        mut addr: u64,
        mut len: usize,
        mut copy: impl FnMut(&Chunk, usize, usize) -> Result,
    ) -> Result {
        while len != 0 {
            let chunks = self.memo.chunks.lock();
            let (chunks, index) = match position(&chunks, addr) {
                Some(index) => (chunks, index),
                None => {
                    drop(chunks);
                    self.fetch(addr)?
                }
            };
            let chunk = chunks.get(index).and_then(Option::as_ref).ok_or(EFAULT)?;
            let offset = chunk.offset(addr).ok_or(EFAULT)?;
            let piece = len.min(chunk.size - offset);
            if !chunk.is_used.load(Relaxed) {
                chunk.is_used.store(true, Relaxed);
            }
            copy(chunk, offset, piece)?;
            len -= piece;
            // CAST: A kernel's `u64` holds each `usize`.
            addr = match addr.checked_add(piece as u64) {
                Some(next) => next,
                None if len == 0 => addr,
                None => return Err(EFAULT),
            };
        }
        Ok(())
    }

    /// Remembers the chunk with `addr`, in place of the one that was remembered first.
    ///
    /// The memo is locked before the cache is unlocked, so that nobody takes the chunk away.
    fn fetch(&self, addr: u64) -> Result<(MutexGuard<'_, Remembered>, usize)> {
        let mut state = self.cache.state.lock();
        let chunk = state.chunk(addr)?;
        let mut chunks = self.memo.chunks.lock();
        chunks.rotate_right(1);
        if let Some(first) = chunks.first_mut() {
            *first = Some(chunk);
        }
        Ok((chunks, 0))
    }
}

fn position(chunks: &Remembered, addr: u64) -> Option<usize> {
    let has = |chunk: &Option<Arc<Chunk>>| {
        let offset = chunk.as_ref().and_then(|chunk| chunk.offset(addr));
        offset.is_some()
    };
    chunks.iter().position(has)
}

impl Drop for Buffers {
    fn drop(&mut self) {
        let mut state = self.cache.state.lock();
        state.users.retain(|user| !Arc::ptr_eq(user, &self.memo));
    }
}
