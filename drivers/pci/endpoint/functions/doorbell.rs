// SPDX-License-Identifier: GPL-2.0

//! Doorbells that interrupt the EP, where the controller has them; else the worker polls.
//!
//! The controller's own register is shared by all queues, messages are one per queue. Either is in a
//! BAR of its own, or where the controller shows it anyway.
//!
//! Context: process, except for the handlers, which run in hard interrupts and only kick queues.

use crate::{
    queue::Queues,
    settings::DoorbellChoice, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};
use pci_ep::{
    BarNumber,
    DoorbellBar,
    DoorbellHandler,
    Doorbells,
    Endpoint,
    ProgrammedBar, //
};
use transport::{
    DoorbellKind,
    Region, //
};

/// The width of a doorbell in bytes.
const SLOT: u32 = 4;

/// Doorbells that interrupt the EP.
pub(crate) struct Interrupting {
    // Dropped in this order: no interrupt, no BAR, no doorbell.
    _handlers: KVec<DoorbellHandler>,
    /// `None`: the controller shows them in a BAR of its own.
    bar: Option<DoorbellBar>,
    values: KVec<u32>,
    place: transport::Doorbells,
}

impl Interrupting {
    /// Gets doorbells for `count` queues, which from now on kick `queues`.
    ///
    /// # Errors
    ///
    /// The controller has none, no BAR is left for them, or they are not evenly spaced in it.
    fn new(
        endpoint: &Endpoint,
        count: u16,
        register_bar: BarNumber,
        queues: &Arc<Queues>,
    ) -> Result<Self> {
        let doorbells = Doorbells::alloc(endpoint, count)?;
        let kind = if doorbells.is_shared() {
            DoorbellKind::Embedded
        } else {
            DoorbellKind::Msi
        };
        let handlers = match kind {
            DoorbellKind::Embedded => handle_all(&doorbells, queues)?,
            _ => handle_each(&doorbells, queues)?,
        };
        let mut values = KVec::with_capacity(count.into(), GFP_KERNEL)?;
        for index in 0..count {
            values.push(doorbells.message(index)?.data, GFP_KERNEL)?;
        }
        let (bar, place) = match doorbells.preexposed() {
            Some((number, offset)) => (None, Place::shared(number, offset)?),
            None => {
                let bar = expose(endpoint, &doorbells, register_bar)?;
                let place = Place::of(&bar, count)?;
                (Some(bar), place)
            }
        };
        Ok(Self {
            _handlers: handlers,
            bar,
            values,
            place: place.describe(kind),
        })
    }

    /// Where they are.
    pub(crate) fn place(&self) -> transport::Doorbells {
        self.place
    }

    /// Takes the value that kicks each queue.
    pub(crate) fn take_values(&mut self) -> KVec<u32> {
        core::mem::replace(&mut self.values, KVec::new())
    }

    /// Programs their BAR, if it is not the controller's.
    pub(crate) fn program(&self) -> Result<Option<ProgrammedBar>> {
        self.bar.as_ref().map(DoorbellBar::program).transpose()
    }
}

/// Gets the doorbells that the user wants; `None`: polled ones.
///
/// # Errors
///
/// Those that the user insists on are not to be had.
pub(crate) fn choose(
    endpoint: &Endpoint,
    choice: DoorbellChoice,
    count: u16,
    register_bar: BarNumber,
    queues: &Arc<Queues>,
) -> Result<Option<Interrupting>> {
    if choice == DoorbellChoice::Polled {
        return Ok(None);
    }
    let found = Interrupting::new(endpoint, count, register_bar, queues);
    match (choice, found) {
        (DoorbellChoice::Auto, found) => Ok(found
            .inspect_err(|error| {
                dev_info!(
                    endpoint,
                    "No doorbell interrupts from this controller ({:?}), polling\n",
                    error
                );
            })
            .ok()),
        (_, Ok(found)) if word(found.place.kind) == choice.word() => Ok(Some(found)),
        (_, found) => {
            dev_err!(
                endpoint,
                "Doorbells of kind {} are not to be had from this controller\n",
                choice.word()
            );
            Err(found.err().unwrap_or(ENXIO))
        }
    }
}

/// Returns the word of the attribute for a kind.
pub(crate) fn word(kind: DoorbellKind) -> &'static str {
    match kind {
        DoorbellKind::Polled => DoorbellChoice::Polled,
        DoorbellKind::Embedded => DoorbellChoice::Embedded,
        DoorbellKind::Msi => DoorbellChoice::Msi,
    }
    .word()
}

/// Lets the one interrupt of all doorbells kick all queues.
fn handle_all(doorbells: &Doorbells, queues: &Arc<Queues>) -> Result<KVec<DoorbellHandler>> {
    let queues = queues.clone();
    let handler = doorbells.request(0, c"pci_epf_vhost", move || queues.kick_all())?;
    let mut handlers = KVec::with_capacity(1, GFP_KERNEL)?;
    handlers.push(handler, GFP_KERNEL)?;
    Ok(handlers)
}

/// Lets the interrupt of each doorbell kick its queue.
fn handle_each(doorbells: &Doorbells, queues: &Arc<Queues>) -> Result<KVec<DoorbellHandler>> {
    let mut handlers = KVec::with_capacity(doorbells.count().into(), GFP_KERNEL)?;
    for index in 0..doorbells.count() {
        let queues = queues.clone();
        let handler = doorbells.request(index, c"pci_epf_vhost", move || queues.kick(index))?;
        handlers.push(handler, GFP_KERNEL)?;
    }
    Ok(handlers)
}

/// Puts the doorbells into the first BAR that takes them, other than the register BAR.
fn expose(
    endpoint: &Endpoint,
    doorbells: &Doorbells,
    register_bar: BarNumber,
) -> Result<DoorbellBar> {
    let mut outcome = Err(ENOSPC);
    for bar in endpoint.features().free_bars() {
        if bar != register_bar && outcome.is_err() {
            outcome = doorbells.expose(bar);
        }
    }
    outcome
}

/// Where doorbells are in a BAR.
struct Place {
    bar: BarNumber,
    offset: u32,
    stride: u32,
    count: u16,
}

impl Place {
    /// One place for all doorbells.
    fn shared(bar: BarNumber, offset: usize) -> Result<Self> {
        Ok(Self {
            bar,
            offset: offset.try_into()?,
            stride: 0,
            count: 1,
        })
    }

    /// The places in `bar`.
    ///
    /// # Errors
    ///
    /// `ENXIO`: they are not in it, or not evenly spaced.
    fn of(bar: &DoorbellBar, count: u16) -> Result<Self> {
        let mut offsets = KVec::with_capacity(count.into(), GFP_KERNEL)?;
        for index in 0..count {
            offsets.push(u32::try_from(bar.offset(index)?)?, GFP_KERNEL)?;
        }
        let (offset, stride) = spacing(&offsets).ok_or(ENXIO)?;
        Ok(Self {
            bar: bar.bar(),
            offset,
            stride,
            count,
        })
    }

    fn describe(&self, kind: DoorbellKind) -> transport::Doorbells {
        let last = u32::from(self.count.saturating_sub(1));
        transport::Doorbells {
            kind,
            // CAST: There are six.
            bar: self.bar.index() as u8,
            region: Region {
                offset: self.offset,
                size: self.stride.saturating_mul(last).saturating_add(SLOT),
            },
            stride: self.stride,
            scan_ms: 0,
        }
    }
}

/// Returns the first of some offsets and the distance between neighbours, if it is the same for all.
fn spacing(offsets: &[u32]) -> Option<(u32, u32)> {
    let (first, rest) = offsets.split_first()?;
    let stride = match rest.first() {
        Some(second) => second.checked_sub(*first)?,
        None => 0,
    };
    let mut expected = *first;
    for offset in rest {
        expected = expected.checked_add(stride)?;
        if *offset != expected {
            return None;
        }
    }
    Some((*first, stride))
}

#[kunit_tests(pci_epf_vhost_doorbell)]
mod tests {
    use super::*;

    #[test]
    fn places_are_evenly_spaced() {
        assert_eq!(spacing(&[0x40]), Some((0x40, 0)));
        // The interrupt controller's one register, told apart by the value.
        assert_eq!(spacing(&[0x40, 0x40, 0x40]), Some((0x40, 0)));
        assert_eq!(spacing(&[0x40, 0x44, 0x48]), Some((0x40, 4)));
    }

    #[test]
    fn other_places_are_refused() {
        assert_eq!(spacing(&[]), None);
        assert_eq!(spacing(&[0x40, 0x44, 0x4c]), None);
        assert_eq!(spacing(&[0x44, 0x40]), None);
        assert_eq!(spacing(&[0, u32::MAX, u32::MAX]), None);
    }

    #[test]
    fn the_region_ends_with_the_last_slot() {
        let place = Place {
            bar: BarNumber::Bar2,
            offset: 0x40,
            stride: 8,
            count: 3,
        };
        let doorbells = place.describe(DoorbellKind::Msi);
        assert_eq!(doorbells.bar, 2);
        assert_eq!(doorbells.region.end(), 0x54);
    }
}
