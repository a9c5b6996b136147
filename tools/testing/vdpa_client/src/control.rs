// SPDX-License-Identifier: GPL-2.0
//! The control queue of a network device, driven by hand (section 5.1.6.5).

use anyhow::{ensure, Result};
use vm_memory::{Bytes, GuestAddress};

use crate::node::{Node, IOVA, PAGE};
use crate::requests::{Buffer, Requests};

/// Class and command that switch promiscuous mode.
const PROMISCUOUS: [u8; 2] = [0, 0];

/// What a command ends with if the device did it.
const OKAY: u8 = 0;

/// What the end is before the device has written it.
const NOT_WRITTEN: u8 = 0xff;

// Behind the three areas of the queue.
const COMMAND: u64 = IOVA + 3 * PAGE;
const ARGUMENT: u64 = IOVA + 4 * PAGE;
const END: u64 = IOVA + 5 * PAGE;

/// Gives so many commands, each of which waits for the one before it, and says each time that it was done.
pub fn command(path: &str, count: u64) -> Result<()> {
    let node = Node::open(path)?;
    let mut control = ControlQueue::of(&node)?;
    node.negotiate()?;
    node.map()?;
    control.start()?;
    node.run()?;
    for number in 1..=count {
        control.promiscuous(number % 2 == 1)?;
        println!("{number}: done");
    }
    node.reset()
}

/// The control queue: the last queue of the device.
pub struct ControlQueue<'a> {
    node: &'a Node,
    index: usize,
    requests: Requests<'a>,
}

impl<'a> ControlQueue<'a> {
    /// The one of a network device that has one.
    pub fn of(node: &'a Node) -> Result<Self> {
        let queues = node.queues()?;
        ensure!(
            queues >= 3,
            "expected a control queue, found {queues} queues"
        );
        Ok(Self {
            node,
            index: queues - 1,
            requests: Requests::new(node),
        })
    }

    /// Its index.
    pub fn index(&self) -> u32 {
        self.index as u32
    }

    /// Starts it, empty.
    pub fn start(&mut self) -> Result<()> {
        self.requests = Requests::new(self.node);
        self.node.clear()?;
        self.node.start_queue(self.index, &Node::areas())
    }

    /// Has the device receive all frames, or no longer.
    pub fn promiscuous(&mut self, is_on: bool) -> Result<()> {
        let memory = self.node.memory();
        memory.write_slice(&PROMISCUOUS, GuestAddress(COMMAND))?;
        memory.write_obj(u8::from(is_on), GuestAddress(ARGUMENT))?;
        memory.write_obj(NOT_WRITTEN, GuestAddress(END))?;
        let chain = [
            Buffer::readable(COMMAND, 2),
            Buffer::readable(ARGUMENT, 1),
            Buffer::writable(END, 1),
        ];
        let (node, index) = (self.node, self.index);
        self.requests.send(&chain, || node.kick(index))?;
        let end: u8 = memory.read_obj(GuestAddress(END))?;
        ensure!(
            end == OKAY,
            "expected that the command is done, it ended with {end}"
        );
        Ok(())
    }
}
