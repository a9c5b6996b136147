// SPDX-License-Identifier: GPL-2.0
//! Outbound windows: translations from the window to PCI addresses, and the pages that make them real.
//!
//! A translation is what the EP programmed for one function: it leads to what that function reaches. Pages are what the EP's monitor has mapped. One worker brings
//! the pages in line with the translations, the gates (link up, bus master of the function enabled) and the RC's memory, so
//! that map, unmap, reset, link down and removal of memory are all one mechanism:
//!
//! ```text
//! change -> generation + 1 -> worker: wanted pages - present pages -> done = generation
//! ```
//!
//! Locking: one mutex, seventh in the order of `sync`; never held while a monitor is asked. The worker
//! is the only one that asks; the EP thread polls with a [`Ticket`], the RC thread may wait in
//! [`Outbound::settle`].

mod pages;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use epc_regs::{Status, FUNCTIONS_MAX};

use crate::fabric::{Settings, WindowMode};
use crate::faults::{Effect, Faults, Target};
use crate::memory::{FilePiece, GuestMemory};
use crate::profile;
use crate::sync::lock;
use crate::trace::{Access, Trace, Transaction, WindowTarget};
use crate::vhost_user::WindowChannel;
use crate::PAGE_SIZE;
use pages::{Goal, Pages};

pub use pages::MAX_PIECES;

/// Time that the RC waits for pages to come or go; QEMU gives up a vfio-user request after 5 s.
const SETTLE_TIME: Duration = Duration::from_secs(4);

/// Translations and pages of the outbound window.
#[derive(Debug)]
pub struct Outbound {
    limits: profile::Outbound,
    mode: WindowMode,
    rc_memory: Arc<[GuestMemory]>,
    faults: Arc<Faults>,
    trace: Arc<Trace>,
    state: Mutex<State>,
    changed: Condvar,
    done: Condvar,
}

#[derive(Debug, Default)]
struct State {
    translations: BTreeMap<u64, Translation>,
    /// Which functions reach RC memory.
    open: [bool; FUNCTIONS_MAX],
    /// Whether MSI holds a window of the board.
    interrupt_window: bool,
    channel: Option<Arc<WindowChannel>>,
    /// Whether the window's device stands still, so that it takes no pages.
    paused: bool,
    /// Counts the times that it did.
    pauses: u64,
    /// Counts the times that the window lost its pages.
    session: u64,
    generation: u64,
    done: u64,
    /// Window offsets of translations that did not get all their pages.
    failed: BTreeSet<u64>,
    stopped: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Translation {
    function: u8,
    pci: u64,
    size: u64,
}

/// Says when a change has reached the pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ticket {
    generation: u64,
    /// The translation that the change adds, if it does.
    added: Option<u64>,
}

impl Ticket {
    /// Returns what is done when both are; neither adds a translation.
    pub fn later(self, other: Self) -> Self {
        Self {
            generation: self.generation.max(other.generation),
            added: None,
        }
    }
}

impl Outbound {
    /// Makes a window without translations.
    pub fn new(
        settings: &Settings,
        rc_memory: &Arc<[GuestMemory]>,
        faults: &Arc<Faults>,
        trace: &Arc<Trace>,
    ) -> Self {
        Self {
            limits: settings.profile.outbound.clone(),
            mode: settings.window_mode,
            rc_memory: Arc::clone(rc_memory),
            faults: Arc::clone(faults),
            trace: Arc::clone(trace),
            state: Mutex::default(),
            changed: Condvar::new(),
            done: Condvar::new(),
        }
    }

    /// Adds a translation of a function.
    ///
    /// # Errors
    ///
    /// `BadArgument`: not in a space of the window or not whole pages. `Unsupported`: not aligned as the
    /// board needs it. `WindowConflict`: overlaps another one. `WindowNotReady`: the window's driver is not
    /// there. `NotRcMemory`: the link is open and the range is nowhere RC memory. `NoWindow`: the board has
    /// no more.
    pub fn map(&self, function: u8, window: u64, pci: u64, size: u64) -> Result<Ticket, Status> {
        let aligned = (window | pci | size) % PAGE_SIZE == 0 && size > 0;
        if !aligned || pci.checked_add(size).is_none() {
            return Err(Status::BadArgument);
        }
        self.limits.check(window, pci, size)?;
        if let Some(Effect::Refuse) = self.faults.strike(Target::Map) {
            return Err(Status::NoWindow);
        }
        let translation = Translation {
            function,
            pci,
            size,
        };
        let is_memory = !translation.pieces(&self.rc_memory).is_empty();
        let mut state = lock(&self.state);
        let (translations, end) = (&state.translations, window + size);
        let before = translations.range(..end).next_back();
        if before.is_some_and(|(at, before)| at + before.size > window) {
            return Err(Status::WindowConflict);
        }
        if self.mode == WindowMode::Mapped && !state.takes_pages() {
            return Err(Status::WindowNotReady);
        }
        if state.is_open(function) && !is_memory {
            return Err(Status::NotRcMemory);
        }
        self.check_free(&state)?;
        state.translations.insert(window, translation);
        let added = Some(window);
        Ok(Ticket {
            added,
            ..self.advance(&mut state)
        })
    }

    /// Removes the translation of a function that begins at a window offset.
    ///
    /// # Errors
    ///
    /// `WindowConflict` when there is none.
    pub fn unmap(&self, function: u8, window: u64) -> Result<Ticket, Status> {
        let mut state = lock(&self.state);
        let found = state.translations.get(&window);
        let own = found.filter(|translation| translation.function == function);
        own.ok_or(Status::WindowConflict)?;
        state.translations.remove(&window);
        Ok(self.advance(&mut state))
    }

    fn check_free(&self, state: &State) -> Result<(), Status> {
        let taken = state.translations.len() + usize::from(state.interrupt_window);
        if taken >= self.limits.windows {
            return Err(Status::NoWindow);
        }
        Ok(())
    }

    /// Takes the window that an MSI goes through, if it does on this board, until it is released.
    ///
    /// # Errors
    ///
    /// `NoWindow` when all are taken.
    pub fn take_interrupt_window(&self) -> Result<(), Status> {
        let mut state = lock(&self.state);
        if self.limits.interrupt_window && !state.interrupt_window {
            self.check_free(&state)?;
            state.interrupt_window = true;
        }
        Ok(())
    }

    /// Checks that there is a window for one MSI-X message, if it goes through one on this board. That
    /// takes the window of MSI away.
    ///
    /// # Errors
    ///
    /// `NoWindow` when all are taken.
    pub fn borrow_interrupt_window(&self) -> Result<(), Status> {
        let mut state = lock(&self.state);
        state.interrupt_window = false;
        if self.limits.interrupt_window {
            self.check_free(&state)?;
        }
        Ok(())
    }

    /// Gives the window of MSI back.
    pub fn release_interrupt_window(&self) {
        lock(&self.state).interrupt_window = false;
    }

    /// Removes all translations.
    pub fn clear(&self) -> Ticket {
        let mut state = lock(&self.state);
        state.translations.clear();
        self.advance(&mut state)
    }

    /// Opens or closes the way of a function to RC memory.
    pub fn set_open(&self, function: u8, open: bool) -> Ticket {
        let mut state = lock(&self.state);
        let gate = state.open.get_mut(usize::from(function));
        match gate.filter(|gate| **gate != open) {
            Some(gate) => *gate = open,
            None => {
                return Ticket {
                    generation: state.generation,
                    added: None,
                }
            }
        }
        self.advance(&mut state)
    }

    /// The RC's memory has changed.
    pub fn refresh(&self) {
        let mut state = lock(&self.state);
        if !state.translations.is_empty() {
            self.advance(&mut state);
        }
    }

    /// The window can take pages now.
    pub fn attach(&self, channel: Arc<WindowChannel>) {
        let mut state = lock(&self.state);
        state.channel = Some(channel);
        state.paused = false;
        self.advance(&mut state);
    }

    /// The window takes no pages until it is attached again: its device was reset, or its machine stands
    /// still. QEMU keeps those which it has; they are withdrawn first thing then, as QEMU crashes if they are
    /// before.
    pub fn pause(&self) {
        let mut state = lock(&self.state);
        state.paused = true;
        state.pauses += 1;
        self.advance(&mut state);
    }

    /// The window can take pages no more; those which it had are gone.
    pub fn detach(&self) {
        let mut state = lock(&self.state);
        state.channel = None;
        state.session += 1;
        self.advance(&mut state);
    }

    /// Ends the worker.
    pub fn stop(&self) {
        let mut state = lock(&self.state);
        state.stopped = true;
        self.changed.notify_all();
        self.done.notify_all();
    }

    /// Says how a change fares; takes the translation back if it did not get all its pages.
    pub fn poll(&self, ticket: Ticket) -> Status {
        let mut state = lock(&self.state);
        if state.done < ticket.generation {
            return Status::Busy;
        }
        let Some(added) = ticket.added.filter(|added| state.failed.remove(added)) else {
            return Status::Ok;
        };
        state.translations.remove(&added);
        self.advance(&mut state);
        Status::Failed
    }

    /// Waits until all changes made so far have reached the pages, those that fit.
    pub fn settle(&self) {
        let state = lock(&self.state);
        let wanted = state.generation;
        let waiting = |state: &mut State| state.done < wanted && !state.stopped;
        let result = self.done.wait_timeout_while(state, SETTLE_TIME, waiting);
        let (_state, timeout) = result.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            tracing::error!("The EP's monitor did not change window pages within {SETTLE_TIME:?}");
        }
    }

    /// Reads or writes through the window, for a trapped one; what is not reachable reads all-ones.
    pub fn access(&self, access: Access, offset: u64, data: &mut [u8]) {
        let effect = self.faults.strike(match access {
            Access::Read => Target::WindowRead,
            Access::Write => Target::WindowWrite,
        });
        let target = self.resolve(offset, data.len() as u64);
        let done = target.and_then(|WindowTarget { function, pci, .. }| {
            let memory = self.rc_memory.get(usize::from(function))?;
            let done = match (access, effect) {
                (Access::Read, _) => memory.read(pci, data),
                (Access::Write, Some(Effect::Lose)) => Ok(()),
                (Access::Write, _) => memory.write(pci, data),
            };
            done.ok()
        });
        let reached = done.is_some();
        if !reached && access == Access::Read {
            data.fill(0xff);
        }
        if let Some(effect) = effect {
            effect.garble(data);
        }
        self.trace.record(&Transaction::Window {
            access,
            offset,
            target: target.filter(|_| reached),
            data,
        });
    }

    /// Says where a range of the window leads, if it is in one mapping and the way is open.
    fn resolve(&self, offset: u64, size: u64) -> Option<WindowTarget> {
        let state = lock(&self.state);
        let target = state.translate(offset, size)?;
        state.is_open(target.function).then_some(target)
    }

    /// Says where a range of the window leads, if it is in one mapping; the way may be closed.
    pub fn translate(&self, offset: u64, size: u64) -> Option<WindowTarget> {
        lock(&self.state).translate(offset, size)
    }

    /// Starts a new generation; without a worker to wait for, it is done at once.
    fn advance(&self, state: &mut State) -> Ticket {
        state.generation += 1;
        if self.mode == WindowMode::Trapped {
            state.done = state.generation;
        }
        self.changed.notify_all();
        Ticket {
            generation: state.generation,
            added: None,
        }
    }

    /// The worker: brings the pages in line until stopped.
    pub fn run(&self) {
        let mut pages = Pages::new(Arc::clone(&self.rc_memory), Arc::clone(&self.trace));
        while let Some((generation, goal)) = self.next_goal() {
            let failed = pages.reach(&goal);
            if !failed.is_empty() {
                tracing::warn!("{} translations lack pages of the window", failed.len());
            }
            let mut state = lock(&self.state);
            state.done = generation;
            state.failed = failed;
            self.done.notify_all();
        }
    }

    /// Waits for a generation that the pages have not reached; `None` when stopped.
    fn next_goal(&self) -> Option<(u64, Goal)> {
        let state = lock(&self.state);
        let idle = |state: &mut State| state.done == state.generation && !state.stopped;
        let state = self.changed.wait_while(state, idle);
        let state = state.unwrap_or_else(PoisonError::into_inner);
        let goal = || Goal {
            channel: state.channel.clone().filter(|_| !state.paused),
            session: state.session,
            pauses: state.pauses,
            translations: state.open_translations(),
        };
        (!state.stopped).then(|| (state.generation, goal()))
    }
}

impl Translation {
    /// The memory behind it.
    fn pieces(&self, rc_memory: &[GuestMemory]) -> Vec<FilePiece> {
        let memory = rc_memory.get(usize::from(self.function));
        memory.map_or_else(Vec::new, |memory| memory.pieces(self.pci, self.size))
    }
}

impl State {
    fn translate(&self, offset: u64, size: u64) -> Option<WindowTarget> {
        let (&mapping, translation) = self.translations.range(..=offset).next_back()?;
        let skip = offset - mapping;
        let end = skip.checked_add(size)?;
        let target = WindowTarget {
            mapping,
            function: translation.function,
            pci: translation.pci + skip,
        };
        (end <= translation.size).then_some(target)
    }

    fn is_open(&self, function: u8) -> bool {
        let open = self.open.get(usize::from(function));
        open.copied().unwrap_or(false)
    }

    /// The translations that shall have pages.
    fn open_translations(&self) -> BTreeMap<u64, Translation> {
        let all = self.translations.iter();
        all.filter(|(_, translation)| self.is_open(translation.function))
            .map(|(window, translation)| (*window, *translation))
            .collect()
    }

    fn takes_pages(&self) -> bool {
        self.channel.is_some() && !self.paused
    }
}
