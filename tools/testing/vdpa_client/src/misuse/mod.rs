// SPDX-License-Identifier: GPL-2.0
//! What a process may get wrong: each line is refused with the right error, or has no effect, and the
//! device can be reset and used afterwards.

mod config;
mod kicks;
mod mappings;
mod queues;
mod status;
mod translation;

use anyhow::Result;

use crate::node::Node;

/// One way to use a device node wrongly.
pub struct Misuse {
    /// Its name, also on the command line.
    pub name: &'static str,
    /// What is tried, and what is expected.
    pub about: &'static str,
    run: fn(&Node) -> Result<()>,
}

impl Misuse {
    /// Tries it on the device node at `path`.
    pub fn run(&self, path: &str) -> Result<()> {
        let node = Node::open(path)?;
        (self.run)(&node)?;
        node.negotiate()?;
        node.reset()
    }
}

/// Those that only an endpoint that translates addresses answers in a way of its own.
pub fn of_translation() -> Vec<Misuse> {
    translation::catalogue()
}

/// All others.
pub fn catalogue() -> Vec<Misuse> {
    [
        queues::catalogue(),
        config::catalogue(),
        status::catalogue(),
        kicks::catalogue(),
        mappings::catalogue(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
