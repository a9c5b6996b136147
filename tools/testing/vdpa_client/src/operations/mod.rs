// SPDX-License-Identifier: GPL-2.0
//! The operations of a disk, each as a process reaches it, and what it promises.

mod identity;
mod queues;
mod signals;

use anyhow::Result;

use crate::node::Node;

/// What one or a few operations promise.
pub struct Operation {
    /// Its name, also on the command line.
    pub name: &'static str,
    /// What is promised.
    pub about: &'static str,
    run: fn(&Node) -> Result<()>,
}

impl Operation {
    /// Tries it on the device node at `path`.
    pub fn run(&self, path: &str) -> Result<()> {
        let node = Node::open(path)?;
        (self.run)(&node)?;
        node.reset()
    }
}

/// All of them.
pub fn catalogue() -> Vec<Operation> {
    [
        identity::catalogue(),
        queues::catalogue(),
        signals::catalogue(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
