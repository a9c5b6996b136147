// SPDX-License-Identifier: GPL-2.0

//! What the device offers: feature bits, configuration space, and the limits in it.

use kernel::prelude::*;
use netdev::MacAddress;
use virtio::net::{
    features,
    offloads,
    Config,
    Header, //
};

/// The largest queue, in descriptors: what a split queue has at most. Transports have less, unless they are told to. That
/// for control is as large, although a driver of Linux has one command at a time: `vhost_vdpa` tells of one size for all
/// queues, and QEMU's `vhost-vdpa-device-pci` gives it to each.
pub(crate) const MAX_QUEUE_SIZE: u16 = 32768;

/// The most pairs of queues: with the control queue they are 63 of the 64 queues that a transport has.
pub(crate) const MAX_QUEUE_PAIRS: u16 = 31;

/// Where the MAC address is in the configuration space, in bytes.
pub(crate) const MAC_OFFSET: usize = 0;

/// Where the status is in the configuration space, in bytes.
pub(crate) const STATUS_OFFSET: usize = 6;

/// The longest IP packet, in bytes: what a packet that is to be segmented has at most beyond its frame.
const MAX_IP: usize = 65535;

/// The Ethernet header with two VLAN tags, in bytes: what a frame has beyond the MTU.
const FRAME_OVERHEAD: usize = 14 + 2 * 4;

/// What a device offers.
#[derive(Clone, Copy)]
pub(crate) struct Offer {
    pub(crate) mac: MacAddress,
    pub(crate) mtu: u16,
    pub(crate) queue_pairs: u16,
    /// Whether either side may leave checksums and segments to the other one.
    pub(crate) offloads: bool,
}

impl Offer {
    /// The feature bits.
    ///
    /// Not among them are filters of VLANs, whose packets pass like any others, and announcements, which a
    /// link that is always the same one needs not. Of offloads, those of UDP are missing: few senders use
    /// them.
    pub(crate) fn features(&self) -> u64 {
        let several = match self.queue_pairs {
            1 => 0,
            _ => features::MQ,
        };
        let offloads = match self.offloads {
            false => 0,
            true => offloads::HOST | offloads::GUEST | features::CTRL_GUEST_OFFLOADS,
        };
        features::MAC
            | features::MTU
            | features::STATUS
            | features::MRG_RXBUF
            | features::CTRL_VQ
            | features::CTRL_RX
            | features::CTRL_MAC_ADDR
            | several
            | offloads
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

    /// How long packets are with their headers.
    pub(crate) fn lengths(&self) -> Lengths {
        let frame = Header::LEN + usize::from(self.mtu) + FRAME_OVERHEAD;
        Lengths {
            frame,
            packet: match self.offloads {
                false => frame,
                true => Header::LEN + MAX_IP + FRAME_OVERHEAD,
            },
        }
    }
}

/// The longest that packets are with their headers, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lengths {
    /// One that crosses the link as it is.
    pub(crate) frame: usize,
    /// Any, also one that is to be segmented.
    pub(crate) packet: usize,
}

#[kunit_tests(vhost_bus_net_config)]
mod tests {
    use super::*;

    fn offer() -> Result<Offer> {
        Ok(Offer {
            mac: "02:00:5e:10:20:30".parse()?,
            mtu: 9000,
            queue_pairs: 1,
            offloads: true,
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
    fn offloads_can_be_switched_off() -> Result {
        let plain = Offer {
            offloads: false,
            ..offer()?
        };
        let offered = offer()?.features() & !plain.features();
        assert_eq!(
            offered,
            offloads::HOST | offloads::GUEST | features::CTRL_GUEST_OFFLOADS
        );
        assert_eq!(plain.features() & !offer()?.features(), 0);
        let (lengths, plain) = (offer()?.lengths(), plain.lengths());
        assert_eq!(lengths.frame, 12 + 9000 + 22);
        assert_eq!(lengths.packet, 12 + 65535 + 22);
        assert_eq!((plain.frame, plain.packet), (lengths.frame, lengths.frame));
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
