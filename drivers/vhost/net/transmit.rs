// SPDX-License-Identifier: GPL-2.0

//! What the driver side transmits: from its buffers to the interface of this kernel.
//!
//! Lock: that of the worker, see `vhost_backend::QueueWorker`.

use crate::link::Port;
use kernel::{
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
    net::{
        gso,
        Header, //
    },
    ring::{
        Batch,
        Chain,
        Used,
        BATCH_CHAINS, //
    },
};

/// A transmit queue of the driver side, with what packets need, allocated once.
pub(crate) struct TransmitQueue {
    queue: Arc<dyn Virtqueue>,
    port: Port,
    /// The longest packet with its header, in bytes.
    max_packet: usize,
    batch: KBox<Batch>,
    used: KVec<Used>,
}

impl TransmitQueue {
    pub(crate) fn new(queue: Arc<dyn Virtqueue>, port: Port, max_packet: usize) -> Result<Self> {
        Ok(Self {
            queue,
            port,
            max_packet,
            batch: batch::new()?,
            used: KVec::with_capacity(BATCH_CHAINS, GFP_KERNEL)?,
        })
    }

    /// Gives a packet to the interface, or drops it and counts that.
    fn forward(&self, chain: &Chain<'_>) -> Result {
        check_frame(&*self.queue, chain)?;
        match self.copy(chain) {
            Ok(packet) => self.port.receive(packet),
            Err(error) if error == EPIPE => return Err(error),
            Err(_) => self.port.interface.receive_dropped(),
        }
        Ok(())
    }

    /// Copies a packet: one access to the driver side's memory for header and data.
    ///
    /// # Errors
    ///
    /// `EPIPE`: the queue is gone. Any other: the packet is to be dropped.
    fn copy(&self, chain: &Chain<'_>) -> Result<SkBuff> {
        // CAST: A kernel's `usize` has at least 32 bits.
        let len = chain.readable_len() as usize;
        if len > self.max_packet || !self.port.interface.is_running() {
            return Err(EMSGSIZE);
        }
        let mut packet = self.port.interface.alloc(len)?;
        let bytes = packet.put(len)?;
        if self.queue.read(chain, 0, bytes)? != len {
            return Err(EIO);
        }
        let header = bytes.first_chunk().ok_or(EIO)?;
        check_header(&Header::from_bytes(header))?;
        packet.pull(Header::LEN)?;
        Ok(packet)
    }
}

impl Serve for TransmitQueue {
    /// Forwards what is available, at most a batch.
    fn serve(&mut self, stop: &StopFlag) -> Result<bool> {
        self.queue.disable_notification()?;
        if self.queue.pop(&mut self.batch)? == 0 {
            return self.queue.enable_notification();
        }
        self.used.clear();
        for chain in self.batch.iter() {
            if stop.is_set() {
                break;
            }
            self.forward(&chain)?;
            self.used.push_within_capacity(chain.used(0))?;
        }
        self.queue.push(&self.used)?;
        self.port.deliver();
        Ok(true)
    }
}

/// Checks what the driver side has to keep to, whatever the packet is.
fn check_frame(queue: &dyn Virtqueue, chain: &Chain<'_>) -> Result {
    // CAST: A kernel's `usize` has at least 32 bits.
    if (chain.readable_len() as usize) < Header::LEN {
        let len = chain.readable_len();
        queue.fail(fmt!(
            "packet of {len} bytes, expected a header of {}",
            Header::LEN
        ));
        return Err(EPIPE);
    }
    if chain.writable_len() != 0 {
        queue.fail(fmt!("packet at {} is writable", chain.head()));
        return Err(EPIPE);
    }
    Ok(())
}

/// Checks that the driver side asks for no offload: none was negotiated. The other fields have no
/// meaning then.
fn check_header(header: &Header) -> Result {
    if header.flags != 0 || header.gso_type != gso::NONE {
        return Err(EINVAL);
    }
    Ok(())
}

#[kunit_tests(vhost_bus_net_transmit)]
mod tests {
    use super::*;
    use virtio::net::header_flags;

    #[test]
    fn plain_packets_pass() {
        assert!(check_header(&Header::default()).is_ok());
        let hint = Header {
            hdr_len: 54,
            ..Header::default()
        };
        assert!(check_header(&hint).is_ok());
    }

    #[test]
    fn offloads_are_refused() {
        let checksum = Header {
            flags: header_flags::NEEDS_CSUM,
            ..Header::default()
        };
        let segments = Header {
            gso_type: gso::TCPV4,
            ..Header::default()
        };
        assert!(check_header(&checksum).is_err());
        assert!(check_header(&segments).is_err());
    }
}
