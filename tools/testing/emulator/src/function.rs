// SPDX-License-Identifier: GPL-2.0
//! A function of the endpoint: defined by the EP, seen by the RC.
//!
//! It is defined while the link is Down, takes its shape for the RC when the RC connects, and reads
//! all-ones while the link is Down or Leaving. The link is moved by `endpoint`.
//!
//! Locking: one mutex, fourth in the order of `sync`; RC thread of this function, EP thread and link thread.

pub mod bars;
mod definition;
mod interrupts;
pub mod msix;
mod rc_port;

use std::sync::{Arc, Mutex, MutexGuard};

use epc_regs::{event, Backing, Header, LinkState, Status};

use crate::config_space::ConfigSpace;
use crate::controller::outbound::Ticket;
use crate::fabric::Fabric;
use crate::sync::lock;
use crate::trace::Transaction;
use crate::vectors::Vectors;
use crate::vfio_user::device::Mappable;
use crate::vfio_user::Client;
use bars::{moves_mapped_page, Bar, Target};
use definition::{Definition, MsixDefinition};
use msix::Msix;

/// Number of BARs of a function.
pub const BAR_COUNT: usize = 6;
/// Largest number of MSI vectors.
const MAX_MSI: u16 = 32;
/// Largest number of MSI-X vectors.
const MAX_MSIX: u16 = 2048;

/// A function.
#[derive(Debug)]
pub struct Function {
    fabric: Fabric,
    number: u8,
    /// Name for the log.
    name: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    link: LinkState,
    definition: Definition,
    config: ConfigSpace,
    msix: Msix,
    client: Option<Arc<Client>>,
    mapped: [Option<Mappable>; BAR_COUNT],
    intx: Intx,
    msi: Vectors,
    /// Whether the EP may reach RC memory: link up and bus master enabled.
    open: bool,
}

/// Level-triggered interrupt: masked by itself when it fires, fires again if still high when unmasked.
#[derive(Debug)]
struct Intx {
    vectors: Vectors,
    level: bool,
    masked: bool,
}

impl Function {
    /// Makes an undefined function with the link down.
    pub fn new(fabric: Fabric, number: u8) -> Self {
        Self {
            fabric,
            number,
            name: match number {
                0 => "RC".to_owned(),
                number => format!("RC, function {number}"),
            },
            state: Mutex::new(State {
                link: LinkState::Down,
                definition: Definition::default(),
                config: ConfigSpace::new(&Header::default()),
                msix: Msix::default(),
                client: None,
                mapped: Default::default(),
                intx: Intx::new(),
                msi: Vectors::default(),
                open: false,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Locks the state for a change that only a stopped function allows.
    fn lock_down(&self) -> Result<MutexGuard<'_, State>, Status> {
        let state = self.lock();
        match state.link {
            LinkState::Down => Ok(state),
            _ => Err(Status::LinkActive),
        }
    }

    /// Sets the header.
    ///
    /// # Errors
    ///
    /// `LinkActive`; `BadArgument` when the interrupt pin is not 0 to 4.
    pub fn write_header(&self, header: Header) -> Result<(), Status> {
        let mut state = self.lock_down()?;
        if header.interrupt_pin > 4 {
            return Err(Status::BadArgument);
        }
        state.definition.header = header;
        Ok(())
    }

    /// Defines a BAR, or moves the backing of one. Like an inbound translation of hardware, it takes any
    /// address; where the EP has no memory, the RC reads all-ones. `room` is how many inbound windows the
    /// other functions leave.
    ///
    /// # Errors
    ///
    /// `BadArgument`; `BadAddress` when the backing wraps around; `LinkActive` when the RC sees the BAR and it cannot change;
    /// `Unsupported` and `NoWindow` when the board cannot do it.
    pub fn set_bar(
        &self,
        index: usize,
        size: u64,
        flags: u64,
        backing: Backing,
        address: u64,
        room: usize,
    ) -> Result<(), Status> {
        let target = check_target(backing, address, size)?;
        let bar = Bar::new(index, size, flags, target).ok_or(Status::BadArgument)?;
        let profile = &self.fabric.settings.profile;
        let rule = profile.bars.get(index).ok_or(Status::BadArgument)?;
        rule.check(size, flags)?;
        if backing == Backing::Memory {
            profile.inbound.check_whole(address, size)?;
        }
        self.replace_bar(index, bar, room)
    }

    /// Replaces the backing of a part of a BAR.
    ///
    /// # Errors
    ///
    /// As [`set_bar`](Self::set_bar); `BadArgument` also when there is no such part.
    pub fn set_bar_range(
        &self,
        index: usize,
        offset: u64,
        size: u64,
        backing: Backing,
        address: u64,
        room: usize,
    ) -> Result<(), Status> {
        let target = check_target(backing, address, size)?;
        if backing == Backing::Memory {
            let inbound = &self.fabric.settings.profile.inbound;
            inbound.check_part(offset, address, size)?;
        }
        let old = self.lock().definition.bar(index).cloned();
        let bar = old.and_then(|bar| bar.with_range(offset, size, target));
        self.replace_bar(index, bar.ok_or(Status::BadArgument)?, room)
    }

    fn replace_bar(&self, index: usize, bar: Bar, room: usize) -> Result<(), Status> {
        let mut state = self.lock();
        let State {
            link,
            definition,
            mapped,
            ..
        } = &mut *state;
        if *link != LinkState::Down {
            let old = definition.bar(index).ok_or(Status::LinkActive)?;
            let same_shape = (old.size(), old.flags()) == (bar.size(), bar.flags());
            let mapped = mapped.get(index).and_then(Option::as_ref);
            if !same_shape || moves_mapped_page(old, &bar, mapped) {
                return Err(Status::LinkActive);
            }
        }
        let others = definition.inbound_windows_beside(index);
        if others + bar.inbound_windows() > room {
            return Err(Status::NoWindow);
        }
        definition.place_bar(index, bar)
    }

    /// Takes a BAR away; while the RC sees it, it keeps its place and has nothing behind it.
    ///
    /// # Errors
    ///
    /// `BadArgument` when there is no such BAR.
    pub fn clear_bar(&self, index: usize) -> Result<(), Status> {
        let mut state = self.lock();
        let down = state.link == LinkState::Down;
        let slot = state
            .definition
            .bars
            .get_mut(index)
            .ok_or(Status::BadArgument)?;
        let old = slot.take().ok_or(Status::BadArgument)?;
        if !down {
            *slot = Bar::new(index, old.size(), old.flags(), Target::Nothing);
        }
        Ok(())
    }

    /// Offers MSI vectors; 0 takes the capability away.
    ///
    /// # Errors
    ///
    /// `LinkActive`; `BadArgument` unless the count is a power of two up to 32; `Unsupported` when the
    /// board has fewer.
    pub fn set_msi(&self, count: u16) -> Result<(), Status> {
        let mut state = self.lock_down()?;
        if count > MAX_MSI || (count != 0 && !count.is_power_of_two()) {
            return Err(Status::BadArgument);
        }
        self.fabric.settings.profile.interrupts.check_msi(count)?;
        state.definition.msi = count;
        Ok(())
    }

    /// Offers MSI-X vectors; 0 takes the capability away.
    ///
    /// # Errors
    ///
    /// `LinkActive`; `BadArgument` when count, BAR or offset are out of range; `Unsupported` when the board
    /// has fewer.
    pub fn set_msix(&self, count: u16, bar: u64, table: u64) -> Result<(), Status> {
        let mut state = self.lock_down()?;
        let bar = usize::try_from(bar).ok().filter(|bar| *bar < BAR_COUNT);
        let table = u32::try_from(table).ok().filter(|table| table % 8 == 0);
        let (Some(bar), Some(table)) = (bar, table) else {
            return Err(Status::BadArgument);
        };
        if count > MAX_MSIX {
            return Err(Status::BadArgument);
        }
        self.fabric.settings.profile.interrupts.check_msix(count)?;
        state.definition.msix = (count > 0).then_some(MsixDefinition { count, bar, table });
        Ok(())
    }

    /// Number of inbound windows that the BARs take.
    pub fn inbound_windows(&self) -> usize {
        self.lock().definition.inbound_windows()
    }

    /// Takes away all that the EP defined; the link is stopped.
    pub fn undefine(&self) {
        self.lock().definition = Definition::default();
    }

    /// The link has moved; the ticket is done when no page of RC memory is reachable that must not be.
    pub(super) fn set_link(&self, link: LinkState) -> Ticket {
        let mut state = self.lock();
        state.link = link;
        self.update_gate(&mut state)
    }

    /// Command register as the RC wrote it; 0 unless the link is up.
    pub fn pci_command(&self) -> u16 {
        let state = self.lock();
        if state.is_up() {
            state.config.command()
        } else {
            0
        }
    }

    /// Number of MSI vectors that the RC enabled.
    pub fn msi_enabled(&self) -> u32 {
        let state = self.lock();
        if state.is_up() {
            state.config.msi_enabled()
        } else {
            0
        }
    }

    /// Size of the MSI-X table if the RC enabled it.
    pub fn msix_enabled(&self) -> u32 {
        let state = self.lock();
        if state.is_up() {
            state.config.msix_enabled()
        } else {
            0
        }
    }

    /// Whether the EP may reach RC memory.
    pub fn is_open(&self) -> bool {
        self.lock().open
    }

    fn trace_link(&self, event: &'static str) {
        self.fabric.trace.record(&Transaction::Function {
            function: self.number,
            event,
        });
    }

    /// Opens or closes the way to RC memory, after any change of link or bus master.
    fn update_gate(&self, state: &mut State) -> Ticket {
        let open = state.is_up() && state.config.is_bus_master();
        if open != state.open {
            state.open = open;
            let event = if open {
                "bus master on"
            } else {
                "bus master off"
            };
            self.trace_link(event);
            if state.is_up() {
                let events = &self.fabric.events;
                events.raise_for(self.number, event::BUS_MASTER);
            }
        }
        self.fabric.dma.set_open(self.number, open);
        self.fabric.outbound.set_open(self.number, open)
    }
}

/// Returns what stands behind a part of a BAR, if there can be such a range.
fn check_target(backing: Backing, address: u64, size: u64) -> Result<Target, Status> {
    let end = address.checked_add(size);
    let valid = match backing {
        Backing::None => true,
        Backing::Memory => end.is_some(),
        Backing::Doorbell => end.is_some_and(|end| end <= epc_regs::DOORBELL_PAGE_SIZE),
    };
    valid
        .then(|| Target::new(backing, address))
        .ok_or(Status::BadAddress)
}

impl State {
    fn is_up(&self) -> bool {
        self.link == LinkState::Up
    }

    /// Whether the RC reads the function, or all-ones.
    fn answers(&self) -> bool {
        matches!(self.link, LinkState::Waiting | LinkState::Up)
    }
}

impl Intx {
    fn new() -> Self {
        Self {
            vectors: Vectors::new(1),
            level: false,
            masked: false,
        }
    }
}
