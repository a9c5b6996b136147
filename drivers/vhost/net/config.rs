// SPDX-License-Identifier: GPL-2.0

//! What the device offers: feature bits, configuration space, and the limits in it.

use kernel::prelude::*;
use netdev::MacAddress;
use virtio::net::{
    features,
    Config,
    Header, //
};

/// The largest queue, in descriptors: four batches of the ring engine. That for control is as large, although a driver
/// of Linux has one command at a time: `vhost_vdpa` tells of one size for all queues, and QEMU's
/// `vhost-vdpa-device-pci` gives it to each.
pub(crate) const QUEUE_SIZE: u16 = 256;

/// The most pairs of queues: with the control queue they are 63 of the 64 queues that a transport has.
pub(crate) const MAX_QUEUE_PAIRS: u16 = 31;

/// Where the MAC address is in the configuration space, in bytes.
pub(crate) const MAC_OFFSET: usize = 0;

/// Where the status is in the configuration space, in bytes.
pub(crate) const STATUS_OFFSET: usize = 6;

/// The Ethernet header with two VLAN tags, in bytes: what a frame has beyond the MTU.
const FRAME_OVERHEAD: usize = 14 + 2 * 4;

/// What a device offers.
#[derive(Clone, Copy)]
pub(crate) struct Offer {
    pub(crate) mac: MacAddress,
    pub(crate) mtu: u16,
    pub(crate) queue_pairs: u16,
}

impl Offer {
    /// The feature bits.
    ///
    /// No offload is among them: a packet header says nothing but the number of buffers. Nor are filters
    /// of VLANs, whose packets pass like any others, and announcements, which a link that is always the
    /// same one needs not.
    pub(crate) fn features(&self) -> u64 {
        let several = match self.queue_pairs {
            1 => 0,
            _ => features::MQ,
        };
        features::MAC
            | features::MTU
            | features::STATUS
            | features::MRG_RXBUF
            | features::CTRL_VQ
            | features::CTRL_RX
            | features::CTRL_MAC_ADDR
            | several
    }

    /// The configuration space, with the link down.
    pub(crate) fn config(&self) -> Config {
        Config {
            mac: self.mac.to_bytes(),
            max_virtqueue_pairs: self.queue_pairs,
            mtu: self.mtu,
            ..Config::default()
        }
    }

    /// The length of the longest packet with its header, in bytes.
    pub(crate) fn max_packet(&self) -> usize {
        Header::LEN + usize::from(self.mtu) + FRAME_OVERHEAD
    }
}

#[kunit_tests(vhost_bus_net_config)]
mod tests {
    use super::*;

    fn offer() -> Result<Offer> {
        Ok(Offer {
            mac: "02:00:5e:10:20:30".parse()?,
            mtu: 9000,
            queue_pairs: 1,
        })
    }

    #[test]
    fn layout() -> Result {
        let mut bytes = offer()?.config().to_bytes();
        assert_eq!(bytes[..6], [0x02, 0x00, 0x5e, 0x10, 0x20, 0x30]);
        assert_eq!(bytes[STATUS_OFFSET..8], [0, 0]);
        assert_eq!(bytes[8..10], 1u16.to_le_bytes());
        assert_eq!(bytes[10..12], 9000u16.to_le_bytes());
        let up = Config {
            status: 1,
            ..offer()?.config()
        };
        bytes[STATUS_OFFSET] = 1;
        assert_eq!(bytes, up.to_bytes());
        Ok(())
    }

    #[test]
    fn no_offloads() -> Result {
        let offloads = features::CSUM | features::GUEST_CSUM | features::HOST_TSO4;
        assert_eq!(offer()?.features() & offloads, 0);
        Ok(())
    }

    #[test]
    fn several_pairs_with_their_feature() -> Result {
        assert_eq!(offer()?.features() & features::MQ, 0);
        let several = Offer {
            queue_pairs: MAX_QUEUE_PAIRS,
            ..offer()?
        };
        assert_eq!(several.features(), offer()?.features() | features::MQ);
        assert_eq!(several.config().max_virtqueue_pairs, MAX_QUEUE_PAIRS);
        Ok(())
    }

    #[test]
    fn addresses() {
        for text in [
            "",
            "02:00:5e:10:20",
            "02:00:5e:10:20:30:40",
            "02:00:5e:10:20:+3",
        ] {
            assert!(text.parse::<MacAddress>().is_err());
        }
        for text in [
            "01:00:5e:00:00:01",
            "00:00:00:00:00:00",
            "ff:ff:ff:ff:ff:ff",
        ] {
            assert!(text.parse::<MacAddress>() == Err(EINVAL));
        }
        let [first, ..] = MacAddress::random().to_bytes();
        assert_eq!(first & 3, 2);
    }
}
