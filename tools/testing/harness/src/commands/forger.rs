// SPDX-License-Identifier: GPL-2.0
//! The endpoint function that lies (tools/testing/modules/pci_epf_forger), by its attributes.

use std::time::Duration;

use anyhow::{Context, Result};
use transport::{offset, Offset, Opcode};

use super::endpoint::{self, Function};
use crate::guest::Guest;
use crate::link::Link;

const FUNCTION: Function = Function {
    driver: "pci_epf_forger",
    name: "forger",
};

/// For some hundred orders, some of which raise thousands of interrupts.
const ORDERS_BOUND: Duration = Duration::from_secs(60);

/// What the function pretends to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A network device with one queue pair.
    Net,
    /// A disk of 1 MiB that holds nothing.
    Block,
}

/// A word of the register BAR.
#[derive(Clone, Copy, Debug)]
pub enum Word {
    /// Of the identity, or anywhere, from the start of the BAR.
    Identity(Offset),
    /// Of the command block.
    Command(Offset),
    /// Of the entry of a queue in the queue table.
    Queue(u16, Offset),
    /// Of the device config, by its number.
    Config(u32),
}

/// One thing that the function does other than it should.
#[derive(Clone, Copy, Debug)]
pub enum Lie {
    /// A word keeps a value.
    Hold(Word, u32),
    /// A word keeps a value while this is the command.
    HoldDuring(Opcode, Word, u32),
    /// A word changes once, to this value.
    Poke(Word, u32),
    /// A word changes all the time.
    Churn(Word),
    /// A command is answered so many milliseconds later.
    Delay(Opcode, u32),
    /// An MSI-X vector is raised so many times.
    Raise(u16, u32),
    /// Queue, identifier, length: an entry of the used ring as it is, and the step of its index.
    Used(u16, u32, u32, u16),
    /// Queue, length, bytes: the next buffer comes back with them.
    Give(u16, u32, &'static [u8]),
    /// Block requests end with this status byte.
    BlockStatus(u8),
    /// Buffers stay where they are.
    Stall,
}

/// The function while it is on the link.
pub struct Forger {
    /// The RC's address of it.
    pub address: String,
    command: u32,
    queue_table: u32,
    queue_stride: u32,
    config: u32,
}

impl Forger {
    /// Makes the function, binds it and starts the link.
    pub fn start(link: &mut Link, kind: Kind) -> Result<Self> {
        FUNCTION.create(&mut link.ep, &[])?;
        let device = match kind {
            Kind::Net => "net",
            Kind::Block => "blk",
        };
        link.ep.sh(&in_group(&format!("echo {device} >device")))?;
        FUNCTION.bind(&mut link.ep)?;
        Ok(Self {
            address: endpoint::start(link)?,
            command: peek(&mut link.ep, offset::COMMAND_REGION.bytes())?,
            queue_table: peek(&mut link.ep, offset::QUEUE_TABLE_REGION.bytes())?,
            queue_stride: peek(&mut link.ep, offset::QUEUE_STRIDE.bytes())?,
            config: peek(&mut link.ep, offset::CONFIG_REGION.bytes())?,
        })
    }

    /// Takes it all down.
    pub fn stop(self, link: &mut Link) -> Result<()> {
        endpoint::stop(link)?;
        FUNCTION.unbind(&mut link.ep)?;
        FUNCTION.remove(&mut link.ep)
    }

    /// Tells the function to lie, in this order.
    pub fn tell(&self, ep: &mut Guest, lies: &[Lie]) -> Result<()> {
        ep.sh(&self.orders(lies)).map(drop)
    }

    /// Tells the function to lie until that is refused, and says whether nothing was.
    pub fn try_tell(&self, ep: &mut Guest, lies: &[Lie]) -> Result<bool> {
        let output = ep.try_sh_within(ORDERS_BOUND, &self.orders(lies))?;
        Ok(output.status == 0)
    }

    /// Lets it be honest again, in a new session.
    pub fn make_honest(&self, ep: &mut Guest) -> Result<()> {
        ep.sh(&in_group("echo 1 >honest")).map(drop)
    }

    /// Returns what the RC reads at a word.
    pub fn peek(&self, ep: &mut Guest, word: Word) -> Result<u32> {
        peek(ep, self.place(word))
    }

    fn place(&self, word: Word) -> u32 {
        match word {
            Word::Identity(offset) => offset.bytes(),
            Word::Command(offset) => self.command + offset.bytes(),
            Word::Queue(queue, offset) => {
                self.queue_table + u32::from(queue) * self.queue_stride + offset.bytes()
            }
            Word::Config(number) => self.config + 4 * number,
        }
    }

    fn orders(&self, lies: &[Lie]) -> String {
        let orders: Vec<_> = lies.iter().map(|lie| self.order(lie)).collect();
        in_group(&[&["true".to_owned()], &*orders].concat().join(" && "))
    }

    /// The line by which the function is told, with the attribute.
    fn order(&self, lie: &Lie) -> String {
        match *lie {
            Lie::Hold(word, value) => format!("echo {} {value} >hold", self.place(word)),
            Lie::HoldDuring(opcode, word, value) => {
                format!("echo {} {value} {} >hold", self.place(word), opcode as u8)
            }
            Lie::Poke(word, value) => format!("echo {} {value} >poke", self.place(word)),
            Lie::Churn(word) => format!("echo {} >churn", self.place(word)),
            Lie::Delay(opcode, ms) => format!("echo {} {ms} >delay", opcode as u8),
            Lie::Raise(vector, count) => format!("echo {vector} {count} >raise"),
            Lie::Used(queue, id, length, advance) => {
                format!("echo {queue} {id} {length} {advance} >used")
            }
            Lie::Give(queue, length, bytes) => {
                let bytes: Vec<_> = bytes.iter().map(u8::to_string).collect();
                format!("echo {queue} {length} {} >give", bytes.join(" "))
            }
            Lie::BlockStatus(status) => format!("echo {status} >block_status"),
            Lie::Stall => "echo 1 >stall".to_owned(),
        }
    }
}

fn peek(ep: &mut Guest, offset: u32) -> Result<u32> {
    let text = ep.sh(&in_group(&format!("echo {offset} >peek && cat peek")))?;
    u32::from_str_radix(text.trim_start_matches("0x"), 16)
        .with_context(|| format!("no word: '{text}'"))
}

/// A script that runs among the attributes.
fn in_group(script: &str) -> String {
    format!(
        "cd {}/{}.* && {script}",
        FUNCTION.directory(),
        FUNCTION.driver
    )
}
