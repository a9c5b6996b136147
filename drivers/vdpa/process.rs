// SPDX-License-Identifier: GPL-2.0

//! The memory of a process that drives the device, as the endpoint knows it: `MAP` and `UNMAP`.
//!
//! The endpoint forgets all of it in a reset, but `vhost_vdpa` does not. So it is kept here in the order
//! in which it came, and the endpoint is told of what it does not know before a queue starts.
//!
//! Locks: `space`, a mutex, is held while the endpoint is told. It is taken inside the mutex of
//! `vhost_vdpa` and the `mmap` lock of the process; the port lock of the link is taken inside it.
//!
//! Context: process; sleeps.

use crate::link::Link;
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    }, //
};
use transport::{
    Command,
    Mapping,
    Range,
    MAP_ALIGN, //
};
use vdpa::{
    DmaRange,
    Permission, //
};

/// What the process has mapped.
#[pin_data]
pub(crate) struct ProcessMemory {
    link: Arc<Link>,
    #[pin]
    space: Mutex<Space>,
}

/// What is under the lock.
struct Space {
    mappings: KVVec<Mapping>,
    /// How many of them, from the first on, the endpoint knows.
    told: usize,
    /// The endpoint takes addresses for IOVAs.
    has_iovas: bool,
}

impl ProcessMemory {
    /// Nothing is mapped.
    pub(crate) fn new(link: &Arc<Link>) -> Result<Arc<Self>> {
        let space = Space {
            mappings: KVVec::new(),
            told: 0,
            has_iovas: false,
        };
        let memory = pin_init!(Self {
            link: link.clone(),
            space <- new_mutex!(space, "epf_vdpa::ProcessMemory::space"),
        });
        Arc::pin_init(memory, GFP_KERNEL)
    }

    /// Maps memory. A lost endpoint is told after the next reset.
    ///
    /// # Errors
    ///
    /// `ENOSPC`: the endpoint holds no more mappings; `ENOMEM`; any other: the endpoint is lost, and does
    /// not touch the memory.
    pub(crate) fn map(&self, range: &DmaRange) -> Result {
        let space = &mut *self.space.lock();
        space.mappings.push(mapping_of(range)?, GFP_KERNEL)?;
        let told = self.tell(space);
        if told.is_err() {
            // The last one was told last, if at all.
            space.mappings.pop();
            space.told = space.told.min(space.mappings.len());
        }
        told
    }

    /// Takes a mapping away; when this returns, the endpoint does not touch the memory any more.
    pub(crate) fn unmap(&self, number: u32, iova: u64, size: u64) {
        let Ok(range) = range_of(number, iova, size) else {
            return;
        };
        let space = &mut *self.space.lock();
        let is_it = |mapping: &Mapping| {
            (mapping.range.space, mapping.range.iova) == (range.space, range.iova)
        };
        let Some(index) = space.mappings.iter().position(is_it) else {
            return;
        };
        if index < space.told {
            self.unmap_on_endpoint(range);
            space.told -= 1;
        }
        // There is one at this index.
        let _ = space.mappings.remove(index);
    }

    /// Has the endpoint take addresses for those of the process, whether or not it mapped any; to be called
    /// before a queue of the process is started.
    ///
    /// # Errors
    ///
    /// `ENOTCONN`: the endpoint is lost; else as for [`map`](Self::map).
    pub(crate) fn use_iovas(&self) -> Result {
        let space = &mut *self.space.lock();
        self.tell(space)?;
        if !space.has_iovas {
            self.command(&Command::Unmap(range_of(0, 0, MAP_ALIGN)?))?;
            space.has_iovas = true;
        }
        Ok(())
    }

    /// To be called when the endpoint was reset, and has forgotten everything.
    pub(crate) fn forgotten(&self) {
        let mut space = self.space.lock();
        space.told = 0;
        space.has_iovas = false;
    }

    /// Tells the endpoint of what it does not know, unless it is lost.
    fn tell(&self, space: &mut Space) -> Result {
        while let Some(mapping) = space.mappings.get(space.told) {
            if self.link.is_lost() {
                break;
            }
            self.command(&Command::Map(*mapping))?;
            space.told += 1;
            space.has_iovas = true;
        }
        Ok(())
    }

    /// An endpoint that does not do it is cut off, and touches nothing any more.
    fn unmap_on_endpoint(&self, range: Range) {
        if !self.link.is_lost() && self.command(&Command::Unmap(range)).is_err() {
            self.link.give_up();
        }
    }

    /// An endpoint that refuses for another reason than that it is full is not in step.
    fn command(&self, command: &Command) -> Result {
        let result = self.link.command(command).map(drop);
        if result.is_err_and(|error| error != ENOSPC) {
            self.link.give_up();
        }
        result
    }
}

/// # Errors
///
/// `EINVAL`: no endpoint has an address space of this number.
fn range_of(space: u32, iova: u64, size: u64) -> Result<Range> {
    Ok(Range {
        space: space.try_into()?,
        iova,
        length: size,
    })
}

fn mapping_of(range: &DmaRange) -> Result<Mapping> {
    Ok(Mapping {
        range: range_of(range.space, range.iova, range.size)?,
        pci_addr: range.address,
        read: range.permission != Permission::Write,
        write: range.permission != Permission::Read,
    })
}
