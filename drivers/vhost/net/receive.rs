// SPDX-License-Identifier: GPL-2.0

//! What the driver side receives: from the interface of this kernel into its buffers, as far as its
//! filter lets it pass.
//!
//! A packet is copied once into a frame of ours, behind its header, and from there into as many buffers
//! as it takes. The first buffer is written last, since the header in it has their
//! number. While buffers are missing the packet waits in the frame, and the interface's queue fills
//! until the kernel is told to stop.
//!
//! Lock: that of the worker, see `vhost_backend::QueueWorker`.

use crate::{
    buffers::{
        Buffers,
        Position, //
    },
    filter::{
        Address,
        Filter, //
    },
    link::Port,
    offloads::Taken,
    spread::{
        Misfit,
        Spread,
        MAX_BUFFERS, //
    },
};
use core::ops::Range;
use kernel::{
    fmt,
    prelude::*,
    sync::Arc, //
};
use netdev::SkBuff;
use vhost_backend::{
    Serve,
    StopFlag, //
};
use vhost_bus::Virtqueue;
use virtio::{
    net::Header,
    ring::{
        Chain,
        Used, //
    },
};

/// How many packets a run sends: as many as a NAPI poll takes.
const PACKETS_PER_RUN: usize = 64;

/// A receive queue of the driver side, with what packets need, allocated once.
pub(crate) struct ReceiveQueue {
    queue: Arc<dyn Virtqueue>,
    port: Port,
    filter: Arc<Filter>,
    taken: Arc<Taken>,
    mergeable: bool,
    buffers: Buffers,
    /// The header and the packet that is on its way.
    frame: KVVec<u8>,
    packet: Option<Packet>,
    /// Used buffers: those of whole packets, then those of the packet that is on its way.
    used: KVec<Used>,
    /// How many of them are of whole packets.
    finished: usize,
}

/// A packet on its way into buffers.
struct Packet {
    header: Header,
    spread: Spread,
    /// The first buffer and its part of the frame.
    first: Option<(Position, Range<usize>)>,
}

/// Why a run ends.
enum Pause {
    /// There is no packet.
    Idle,
    /// There is no buffer for the packet.
    NoBuffer,
    /// The run was long enough.
    Bound,
}

impl ReceiveQueue {
    pub(crate) fn new(
        queue: Arc<dyn Virtqueue>,
        port: Port,
        filter: Arc<Filter>,
        taken: Arc<Taken>,
        max_packet: usize,
    ) -> Result<Self> {
        Ok(Self {
            queue,
            port,
            filter,
            taken,
            mergeable: false,
            buffers: Buffers::new()?,
            frame: KVVec::from_elem(0, max_packet, GFP_KERNEL)?,
            packet: None,
            used: KVec::with_capacity(usize::from(MAX_BUFFERS), GFP_KERNEL)?,
            finished: 0,
        })
    }

    /// Forgets everything of an earlier life of the queue.
    pub(crate) fn prepare(&mut self, mergeable: bool) {
        self.mergeable = mergeable;
        self.forget();
        self.drop_waiting();
    }

    /// Drops what waits for this queue.
    pub(crate) fn drop_waiting(&mut self) {
        // At most as many as the queue of the interface holds: nothing is added without carrier, nor to
        // a queue that is not used.
        while self.port.next_transmit().is_some() {
            self.port.interface.transmit_dropped();
        }
        self.port.complete_transmit();
    }

    /// Sends packets until there is a reason to pause.
    fn send(&mut self, stop: &StopFlag) -> Result<Pause> {
        for _ in 0..PACKETS_PER_RUN {
            if stop.is_set() {
                break;
            }
            if self.packet.is_none() {
                let Some(next) = self.port.next_transmit() else {
                    return Ok(Pause::Idle);
                };
                self.packet = self.load(next);
            }
            let Some(mut packet) = self.packet.take() else {
                continue;
            };
            if !self.place(&mut packet)? {
                self.packet = Some(packet);
                return Ok(Pause::NoBuffer);
            }
        }
        Ok(Pause::Bound)
    }

    /// Copies a packet of the interface to the frame, if the driver side wants it. What is too long, or
    /// needs more than the driver side does, is dropped.
    fn load(&mut self, packet: SkBuff) -> Option<Packet> {
        if !self.is_wanted(&packet) {
            // As on any link: it was sent, and nobody took it.
            self.port.interface.transmitted(packet.len());
            packet.consume();
            return None;
        }
        let Ok(loaded) = self.copy(&packet) else {
            self.port.interface.transmit_dropped();
            return None;
        };
        packet.consume();
        Some(loaded)
    }

    fn copy(&mut self, packet: &SkBuff) -> Result<Packet> {
        let offloads = self.taken.offloads();
        let header = Header::from_bytes(&packet.header(offloads.checksum)?);
        if !offloads.cover(&header) {
            return Err(EINVAL);
        }
        let end = Header::LEN + packet.len();
        let room = self.frame.get_mut(Header::LEN..end).ok_or(EMSGSIZE)?;
        packet.copy_bits(0, room)?;
        Ok(Packet {
            header,
            spread: Spread::new(end, self.mergeable),
            first: None,
        })
    }

    /// Whether the driver side receives packets for this one's destination.
    fn is_wanted(&self, packet: &SkBuff) -> bool {
        let mut destination = Address::default();
        packet.copy_bits(0, &mut destination).is_ok() && self.filter.accepts(&destination)
    }

    /// Goes on placing a packet; returns whether it is done with, or there are too few buffers.
    ///
    /// Each round uses a buffer, and [`Spread`] bounds their number.
    fn place(&mut self, packet: &mut Packet) -> Result<bool> {
        while !packet.spread.is_complete() {
            let keep = packet.first.as_ref().map(|(position, _)| *position);
            let Some(position) = self.buffers.next(&*self.queue, keep)? else {
                return Ok(false);
            };
            let chain = self.buffers.get(position).ok_or(EPIPE)?;
            if chain.readable_len() != 0 {
                return Err(self.refuse(fmt!("receive buffer at {} is readable", chain.head())));
            }
            let part = match packet.spread.place(chain.writable_len()) {
                Ok(part) => part,
                Err(Misfit::TooLong) => {
                    self.port.interface.transmit_dropped();
                    return Ok(true);
                }
                Err(misfit) => return Err(self.refuse(fmt!("{}", misfit))),
            };
            // CAST: A part of the frame is shorter than 4 GiB.
            let used = chain.used(part.len() as u32);
            if packet.first.is_some() {
                self.write(&chain, part)?;
            } else {
                packet.first = Some((position, part));
            }
            self.add_used(used)?;
            self.buffers.advance();
        }
        self.finish(packet)?;
        Ok(true)
    }

    /// Writes the first buffer of a packet, and with it the number of buffers.
    fn finish(&mut self, packet: &Packet) -> Result {
        let (position, part) = packet.first.as_ref().ok_or(EPIPE)?;
        let header = self.frame.first_chunk_mut().ok_or(EPIPE)?;
        *header = Header {
            num_buffers: packet.spread.buffers(),
            ..packet.header
        }
        .to_bytes();
        let chain = self.buffers.get(*position).ok_or(EPIPE)?;
        self.write(&chain, part.clone())?;
        self.finished = self.used.len();
        self.port.interface.transmitted(packet.spread.packet_len());
        Ok(())
    }

    /// Copies a part of the frame to a buffer that has room for it.
    fn write(&self, chain: &Chain<'_>, part: Range<usize>) -> Result {
        let from = self.frame.get(part).ok_or(EPIPE)?;
        match self.queue.write(chain, 0, from) {
            Ok(count) if count == from.len() => Ok(()),
            Err(error) if error == EPIPE => Err(error),
            _ => Err(self.refuse(fmt!("receive buffer at {} cannot be written", chain.head()))),
        }
    }

    /// Notes a used buffer. There is room: one packet has at most [`MAX_BUFFERS`].
    fn add_used(&mut self, used: Used) -> Result {
        if self.used.len() == usize::from(MAX_BUFFERS) {
            self.publish()?;
        }
        Ok(self.used.push_within_capacity(used)?)
    }

    /// Hands over the buffers of whole packets.
    fn publish(&mut self) -> Result {
        let Some(finished) = self.used.get(..self.finished) else {
            return Err(EPIPE);
        };
        if finished.is_empty() {
            return Ok(());
        }
        self.queue.push(finished)?;
        self.used.copy_within(self.finished.., 0);
        self.used.truncate(self.used.len() - self.finished);
        self.finished = 0;
        Ok(())
    }

    /// Breaks the queue: the driver side did what it must not.
    fn refuse(&self, why: fmt::Arguments<'_>) -> Error {
        self.queue.fail(why);
        EPIPE
    }
}

impl Serve for ReceiveQueue {
    /// Kicks are wanted only while buffers are missing; packets wake the worker by themselves.
    fn serve(&mut self, stop: &StopFlag) -> Result<bool> {
        self.queue.disable_notification()?;
        let pause = self.send(stop)?;
        self.publish()?;
        self.port.complete_transmit();
        match pause {
            Pause::Idle => Ok(false),
            Pause::Bound => Ok(true),
            Pause::NoBuffer => self.queue.enable_notification(),
        }
    }

    fn forget(&mut self) {
        self.buffers.clear();
        self.used.clear();
        self.finished = 0;
        if self.packet.take().is_some() {
            self.port.interface.transmit_dropped();
        }
        self.port.complete_transmit();
    }
}
