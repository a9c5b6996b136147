// SPDX-License-Identifier: GPL-2.0
//! A network device behind a device node, driven by hand: it asks the other stations who has an address (ARP).

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{bail, Result};
use etherparse::{ArpEthIpv4Packet, ArpOperation, ArpPacket, EtherType, Ethernet2Header};
use vhost::vdpa::VhostVdpa;
use virtio::net::Header;
use vm_memory::{Bytes, GuestAddress};

use crate::node::{Node, AREAS, IOVA, PAGE};
use crate::requests::{Buffer, Requests};

/// The first pair of queues (section 5.1.2).
const RECEIVE: usize = 0;
const TRANSMIT: usize = 1;

// Behind the areas of both queues.
const RECEIVED: u64 = IOVA + 2 * AREAS;
const TRANSMITTED: u64 = RECEIVED + PAGE;

/// The longest frame that is looked at: that of ARP is padded to no more.
const FRAME: usize = 60;

/// What this station says that it has.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 7, 0, 1);

/// How long an answer is waited for before it is asked again, as stations do. A kernel drops what it sends until it has
/// noticed that its device has a carrier, for which it takes up to a second (net/core/link_watch.c).
const ANSWER: Duration = Duration::from_secs(2);

/// How often it is asked: longer than an endpoint is waited for that stands still.
const QUESTIONS: u32 = 10;

/// Frames that come instead of an answer: what a kernel sends by itself when its device comes up.
const OTHERS: u32 = 100;

/// A hardware address.
pub type Mac = [u8; 6];

/// A station at work.
pub struct Station<'a> {
    node: &'a Node,
    mac: Mac,
    receive: Requests<'a>,
    transmit: Requests<'a>,
}

/// Asks so many times who has an address, and says each time who.
pub fn ask(path: &str, address: Ipv4Addr, count: u64) -> Result<()> {
    let node = Node::open(path)?;
    let mut station = Station::start(&node)?;
    for number in 1..=count {
        let mac = station.ask(address)?;
        println!("{number}: {mac:02x?} has {address}");
    }
    node.reset()
}

impl<'a> Station<'a> {
    /// Sets the device up, with its first pair of queues.
    pub fn start(node: &'a Node) -> Result<Self> {
        node.negotiate()?;
        node.map()?;
        node.clear()?;
        let [receive, transmit] = [IOVA, IOVA + AREAS].map(Node::areas_at);
        node.start_queue(RECEIVE, &receive)?;
        node.start_queue(TRANSMIT, &transmit)?;
        node.run()?;
        let mut mac = Mac::default();
        node.device().get_config(0, &mut mac)?;
        let mut station = Self {
            node,
            mac,
            receive: Requests::at(node, receive),
            transmit: Requests::at(node, transmit),
        };
        station.listen()?;
        Ok(station)
    }

    /// Returns who has an address.
    pub fn ask(&mut self, address: Ipv4Addr) -> Result<Mac> {
        for _ in 0..QUESTIONS {
            self.send(&self.question(address))?;
            if let Some(mac) = self.answer(address)? {
                return Ok(mac);
            }
        }
        bail!("nobody has {address}")
    }

    /// Who has an address, if an answer comes in time.
    fn answer(&mut self, address: Ipv4Addr) -> Result<Option<Mac>> {
        for _ in 0..OTHERS {
            if !self.receive.ends_within(ANSWER)? {
                return Ok(None);
            }
            let answer = self.received()?;
            self.listen()?;
            if let Some(answer) = answer.filter(|it| it.sender_ipv4_addr() == address) {
                return Ok(Some(answer.sender_mac));
            }
        }
        bail!("{OTHERS} frames came that do not tell who has {address}")
    }

    fn question(&self, address: Ipv4Addr) -> Vec<u8> {
        let header = Ethernet2Header {
            source: self.mac,
            destination: [0xff; 6],
            ether_type: EtherType::ARP,
        };
        let question = ArpEthIpv4Packet {
            operation: ArpOperation::REQUEST,
            sender_mac: self.mac,
            sender_ipv4: ADDRESS.octets(),
            target_mac: Mac::default(),
            target_ipv4: address.octets(),
        };
        [&header.to_bytes()[..], &question.to_bytes()].concat()
    }

    fn send(&mut self, frame: &[u8]) -> Result<()> {
        let packet = [&Header::default().to_bytes()[..], frame].concat();
        let memory = self.node.memory();
        memory.write_slice(&packet, GuestAddress(TRANSMITTED))?;
        let buffer = Buffer::readable(TRANSMITTED, packet.len() as u32);
        let node = self.node;
        self.transmit.send(&[buffer], || node.kick(TRANSMIT))
    }

    /// Has a buffer for the next frame.
    fn listen(&mut self) -> Result<()> {
        let buffer = Buffer::writable(RECEIVED, PAGE as u32);
        self.receive.begin(&[buffer])?;
        self.node.kick(RECEIVE)
    }

    /// The answer in the frame that was received, if it is one.
    fn received(&self) -> Result<Option<ArpEthIpv4Packet>> {
        let mut frame = [0; FRAME];
        let place = GuestAddress(RECEIVED + Header::LEN as u64);
        self.node.memory().read_slice(&mut frame, place)?;
        let (header, packet) = Ethernet2Header::from_slice(&frame)?;
        if header.ether_type != EtherType::ARP {
            return Ok(None);
        }
        let answer = ArpPacket::from_slice(packet)?.try_eth_ipv4()?;
        Ok((answer.operation == ArpOperation::REPLY).then_some(answer))
    }
}
