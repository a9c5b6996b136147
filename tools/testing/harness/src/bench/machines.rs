// SPDX-License-Identifier: GPL-2.0
//! The machines that a peer runs on.

use anyhow::{bail, Result};

use crate::guest::{Guest, Model};
use crate::layout::Layout;
use crate::link::{Dma, Link, Speed};
use crate::workload::Ends;

/// Where a peer runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On two machines with a link, whose endpoint has a DMA engine or none.
    Link(Dma),
    /// On the RC alone: what its drivers reach where there is no link.
    Alone,
}

/// The root complex of all peers. The bridge's driver takes several vectors of MSI, and thus this one.
const RC: Model = Model::RC_WITH_MSI;

/// Machines that run.
pub enum Machines {
    /// Two with a link.
    Linked(Box<Link>),
    /// One, which is both ends.
    Alone(Box<Guest>),
}

impl Machines {
    /// Starts them.
    pub fn boot(layout: &Layout, place: Place, speed: Speed) -> Result<Self> {
        Ok(match place {
            Place::Link(dma) => {
                Self::Linked(Box::new(Link::boot_measured(layout, RC, speed, dma)?))
            }
            Place::Alone => Self::Alone(Box::new(Guest::boot(layout, RC)?)),
        })
    }

    /// Both machines with what is between them.
    pub fn link(&mut self) -> Result<&mut Link> {
        match self {
            Self::Linked(link) => Ok(link),
            Self::Alone(_) => bail!("one machine has no link"),
        }
    }

    /// The EP, where there is one.
    pub fn endpoint(&mut self) -> Option<&mut Guest> {
        match self {
            Self::Linked(link) => Some(&mut link.ep),
            Self::Alone(_) => None,
        }
    }
}

impl Ends for Machines {
    fn driver(&mut self) -> &mut Guest {
        match self {
            Self::Linked(link) => link.driver(),
            Self::Alone(guest) => guest,
        }
    }

    fn backend(&mut self) -> &mut Guest {
        match self {
            Self::Linked(link) => link.backend(),
            Self::Alone(guest) => guest,
        }
    }
}
