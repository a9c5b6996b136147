// SPDX-License-Identifier: GPL-2.0
//! Machines that are joined by a link, which each suite prepares in its own way.

use std::marker::PhantomData;

use anyhow::Result;

use crate::guest::Guest;
use crate::layout::Layout;
use crate::link::Link;
use crate::runner::Bench;

/// Machines that are joined by a link.
pub trait Joined: Bench {
    /// The link.
    fn link(&mut self) -> &mut Link;
}

/// How a link is prepared.
pub trait Preparation: 'static {
    /// Boots the machines, and loads what cases take for granted.
    fn prepare(layout: &Layout) -> Result<Link>;
}

/// A link that is prepared so.
pub struct Prepared<P> {
    /// The link.
    pub link: Link,
    preparation: PhantomData<P>,
}

impl<P: Preparation> Bench for Prepared<P> {
    fn set_up(layout: &Layout) -> Result<Self> {
        Ok(Self {
            link: P::prepare(layout)?,
            preparation: PhantomData,
        })
    }

    fn guests(&mut self) -> Vec<&mut Guest> {
        self.link.guests()
    }
}

impl<P: Preparation> Joined for Prepared<P> {
    fn link(&mut self) -> &mut Link {
        &mut self.link
    }
}
