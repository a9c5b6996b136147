// SPDX-License-Identifier: GPL-2.0

//! What packets the driver side may transmit: how long they are, and what it may leave undone of them.
//!
//! A header is what the driver side says. It passes two checks, that against the features is here, and that
//! against the packet is the kernel's, `virtio_net_hdr_to_skb()`.

use crate::config::Lengths;
use kernel::prelude::*;
use netdev::{
    NetDevice,
    Operations,
    SkBuff, //
};
use virtio::net::{
    gso,
    offloads::Offloads,
    Header, //
};

/// What the driver side may transmit.
#[derive(Clone, Copy)]
pub(crate) struct Terms {
    offloads: Offloads,
    lengths: Lengths,
}

impl Terms {
    pub(crate) fn new(negotiated: u64, lengths: Lengths) -> Self {
        Self {
            offloads: Offloads::of_device(negotiated),
            lengths,
        }
    }

    /// Those of a driver side with these features from now on.
    pub(crate) fn negotiate(&mut self, negotiated: u64) {
        self.offloads = Offloads::of_device(negotiated);
    }

    /// The length of the longest packet with its header, in bytes.
    pub(crate) fn max_len(&self) -> usize {
        match self.offloads.has_segments() {
            true => self.lengths.packet,
            false => self.lengths.frame,
        }
    }

    /// Takes the header off a packet, and has the packet be what that says.
    ///
    /// # Errors
    ///
    /// `EINVAL`: it asks for what was not negotiated, or does not go with the packet; or the packet is longer
    /// than it may be without segments.
    pub(crate) fn admit<T: Operations>(
        &self,
        interface: &NetDevice<T>,
        mut packet: SkBuff,
    ) -> Result<SkBuff> {
        let mut bytes = [0; Header::LEN];
        packet.copy_bits(0, &mut bytes)?;
        let header = Header::from_bytes(&bytes);
        let is_too_long = header.gso_type == gso::NONE && packet.len() > self.lengths.frame;
        if is_too_long || !self.offloads.cover(&header) {
            return Err(EINVAL);
        }
        packet.pull(Header::LEN)?;
        interface.accept(&mut packet, &bytes)?;
        Ok(packet)
    }
}

#[kunit_tests(vhost_bus_net_terms)]
mod tests {
    use super::*;
    use netdev::Config;
    use virtio::net::{
        features,
        header_flags, //
    };

    const LENGTHS: Lengths = Lengths {
        frame: Header::LEN + 1500 + 22,
        packet: Header::LEN + 65535 + 22,
    };
    const ALL: u64 =
        features::CSUM | features::HOST_TSO4 | features::HOST_TSO6 | features::HOST_ECN;
    /// Ethernet, IP of either version, and TCP.
    const HEADERS4: u16 = 14 + 20 + 20;
    const HEADERS6: u16 = 14 + 40 + 20;
    const SEGMENT: u16 = 1460;

    struct Nobody;

    impl Operations for Nobody {
        fn opened(&self) {}
        fn stopped(&self) {}
        fn transmit_ready(&self, _queue: u16) {}
        fn offloads(&self) -> netdev::Offloads {
            netdev::Offloads::default()
        }
    }

    /// An interface that packets belong to.
    struct Fixture(NetDevice<Nobody>);

    fn terms(negotiated: u64) -> Terms {
        Terms::new(negotiated, LENGTHS)
    }

    /// What Linux says of large segments of TCP over IPv4.
    fn segments4() -> Header {
        Header {
            flags: header_flags::NEEDS_CSUM,
            gso_type: gso::TCPV4,
            hdr_len: HEADERS4,
            gso_size: SEGMENT,
            csum_start: 34,
            csum_offset: 16,
            num_buffers: 0,
        }
    }

    fn segments6() -> Header {
        Header {
            gso_type: gso::TCPV6,
            hdr_len: HEADERS6,
            csum_start: 54,
            ..segments4()
        }
    }

    /// The headers of a packet, without checksums.
    fn headers(is_ipv6: bool) -> [u8; HEADERS6 as usize] {
        const TCP: u8 = 6;

        let mut bytes = [0; HEADERS6 as usize];
        let fields = match is_ipv6 {
            false => [
                (12, 0x08),
                (13, 0x00),
                (14, 0x45),
                (22, 64),
                (23, TCP),
                (46, 0x50),
            ],
            true => [
                (12, 0x86),
                (13, 0xdd),
                (14, 0x60),
                (20, TCP),
                (21, 64),
                (66, 0x50),
            ],
        };
        for (at, byte) in fields {
            if let Some(to) = bytes.get_mut(at) {
                *to = byte;
            }
        }
        bytes
    }

    impl Fixture {
        fn new() -> Result<Self> {
            let config = Config {
                name: c"vhost_test%d",
                queues: 1,
                mtu: 1500,
                offloads: netdev::Offloads::ALL,
                parent: None,
            };
            NetDevice::register(config, Nobody).map(Self)
        }

        /// What becomes of a packet of `len` bytes without its header, of the family that this says.
        fn admit(&self, negotiated: u64, header: Header, len: usize) -> Result<SkBuff> {
            let is_ipv6 = header.gso_type & !gso::ECN == gso::TCPV6;
            self.admit_of(is_ipv6, negotiated, header, len)
        }

        fn admit_of(
            &self,
            is_ipv6: bool,
            negotiated: u64,
            header: Header,
            len: usize,
        ) -> Result<SkBuff> {
            let (bytes, headers) = (header.to_bytes(), headers(is_ipv6));
            let packet = self.0.alloc(Header::LEN + len, |offset, piece| {
                let bytes = Iterator::chain(bytes.iter(), &headers).skip(offset);
                for (to, from) in piece.iter_mut().zip(bytes) {
                    *to = *from;
                }
                Ok(())
            })?;
            terms(negotiated).admit(&self.0, packet)
        }
    }

    /// The header that the kernel makes of a packet again.
    fn again(packet: &SkBuff) -> Result<Header> {
        Ok(Header::from_bytes(&packet.header(true)?))
    }

    #[test]
    fn plain_packets_pass() -> Result {
        let link = Fixture::new()?;
        let hint = Header {
            hdr_len: 54,
            ..Header::default()
        };
        for (header, negotiated) in [(Header::default(), 0), (hint, 0), (hint, ALL)] {
            let packet = link.admit(negotiated, header, 100)?;
            assert_eq!(packet.len(), 100);
            assert_eq!(again(&packet)?, Header::default());
        }
        Ok(())
    }

    #[test]
    fn flags_that_a_driver_has_no_use_for_mean_nothing() -> Result {
        let link = Fixture::new()?;
        let header = Header {
            flags: !header_flags::NEEDS_CSUM,
            ..Header::default()
        };
        assert_eq!(again(&link.admit(0, header, 100)?)?, Header::default());
        assert_eq!(again(&link.admit(ALL, header, 100)?)?, Header::default());
        Ok(())
    }

    #[test]
    fn segments_are_what_their_header_says() -> Result {
        let link = Fixture::new()?;
        for header in [segments4(), segments6()] {
            let packet = link.admit(ALL, header, 65000)?;
            assert_eq!(packet.len(), 65000);
            let found = again(&packet)?;
            assert_eq!(found.flags, header.flags);
            assert_eq!(found.gso_type, header.gso_type);
            assert_eq!(found.gso_size, header.gso_size);
            assert_eq!(found.csum_start, header.csum_start);
            assert_eq!(found.csum_offset, header.csum_offset);
        }
        Ok(())
    }

    #[test]
    fn what_was_not_negotiated_is_refused() -> Result {
        let link = Fixture::new()?;
        let checksum = Header {
            gso_type: gso::NONE,
            ..segments4()
        };
        let congestion = Header {
            gso_type: gso::TCPV4 | gso::ECN,
            ..segments4()
        };
        for (header, needed) in [
            (checksum, features::CSUM),
            (segments4(), features::CSUM),
            (segments4(), features::HOST_TSO4),
            (segments6(), features::HOST_TSO6),
            (congestion, features::HOST_ECN),
        ] {
            assert!(link.admit(ALL, header, 1000).is_ok());
            assert!(link.admit(ALL & !needed, header, 1000).is_err());
        }
        Ok(())
    }

    #[test]
    fn types_that_are_not_offered_are_refused() -> Result {
        let link = Fixture::new()?;
        for gso_type in [gso::UDP, 2, 5, 6, 0x7f, gso::ECN, gso::ECN | gso::UDP, 0xff] {
            let header = Header {
                gso_type,
                ..segments4()
            };
            assert!(link.admit(ALL, header, 1000).is_err());
        }
        Ok(())
    }

    #[test]
    fn sizes_of_segments() -> Result {
        let link = Fixture::new()?;
        for gso_size in [0, u16::MAX] {
            let header = Header {
                gso_size,
                ..segments4()
            };
            assert!(link.admit(ALL, header, 3000).is_err());
        }
        let one_byte = Header {
            gso_size: 1,
            ..segments4()
        };
        assert!(again(&link.admit(ALL, one_byte, 3000)?)?.gso_size >= 1);
        // No more than one segment: it is none.
        let len = usize::from(HEADERS4 + SEGMENT);
        assert_eq!(
            again(&link.admit(ALL, segments4(), len)?)?.gso_type,
            gso::NONE
        );
        let packet = link.admit(ALL, segments4(), len + 1)?;
        assert_eq!(again(&packet)?.gso_type, gso::TCPV4);
        Ok(())
    }

    #[test]
    fn the_length_of_the_headers_is_a_hint() -> Result {
        let link = Fixture::new()?;
        for hdr_len in [0, 1, HEADERS4 - 1, u16::MAX] {
            let header = Header {
                hdr_len,
                ..segments4()
            };
            assert_eq!(again(&link.admit(ALL, header, 3000)?)?.gso_size, SEGMENT);
        }
        Ok(())
    }

    #[test]
    fn checksums_are_within_the_packet() -> Result {
        let link = Fixture::new()?;
        let header = |csum_start, csum_offset| Header {
            gso_type: gso::NONE,
            csum_start,
            csum_offset,
            ..segments4()
        };
        // The two bytes end with the packet, and beyond it.
        assert!(link.admit(ALL, header(34, 64), 100).is_ok());
        assert!(link.admit(ALL, header(34, 65), 100).is_err());
        assert!(link.admit(ALL, header(98, 0), 100).is_ok());
        assert!(link.admit(ALL, header(99, 0), 100).is_err());
        assert!(link.admit(ALL, header(100, 0), 100).is_err());
        for (start, offset) in [(0, 0), (u16::MAX, 0), (34, u16::MAX), (u16::MAX, u16::MAX)] {
            assert!(link.admit(ALL, header(start, offset), 100).is_err());
        }
        // Of segments, the TCP header is within it, and the checksum in that.
        assert!(link.admit(ALL, segments4(), usize::from(HEADERS4)).is_ok());
        assert!(link
            .admit(ALL, segments4(), usize::from(HEADERS4) - 1)
            .is_err());
        let elsewhere = Header {
            csum_offset: 6,
            ..segments4()
        };
        assert!(link.admit(ALL, elsewhere, 3000).is_err());
        Ok(())
    }

    #[test]
    fn segments_without_a_checksum_are_looked_at() -> Result {
        let link = Fixture::new()?;
        let honest = Header {
            flags: 0,
            ..segments4()
        };
        assert!(link.admit(ALL, honest, 3000).is_ok());
        assert!(link.admit(ALL, honest, 14).is_err());
        let of_the_other_family = Header {
            gso_type: gso::TCPV6,
            ..honest
        };
        assert!(link
            .admit_of(false, ALL, of_the_other_family, 3000)
            .is_err());
        assert!(link.admit_of(true, ALL, of_the_other_family, 3000).is_ok());
        Ok(())
    }

    #[test]
    fn a_packet_has_an_ethernet_header() -> Result {
        let link = Fixture::new()?;
        for len in [0, 1, 13] {
            assert!(link.admit(ALL, Header::default(), len).is_err());
        }
        assert!(link.admit(ALL, Header::default(), 14).is_ok());
        Ok(())
    }

    #[test]
    fn lengths() -> Result {
        let link = Fixture::new()?;
        let frame = LENGTHS.frame - Header::LEN;
        for negotiated in [0, features::CSUM] {
            assert_eq!(terms(negotiated).max_len(), LENGTHS.frame);
        }
        assert!(link.admit(ALL, Header::default(), frame).is_ok());
        assert!(link.admit(ALL, Header::default(), frame + 1).is_err());
        for negotiated in [
            ALL,
            features::CSUM | features::HOST_TSO4,
            features::CSUM | features::HOST_TSO6,
        ] {
            assert_eq!(terms(negotiated).max_len(), LENGTHS.packet);
        }
        let packet = LENGTHS.packet - Header::LEN;
        assert!(link
            .admit(ALL, segments4(), packet)
            .is_ok_and(|found| found.len() == packet));
        Ok(())
    }

    #[test]
    fn pieces_are_the_packet_in_order() -> Result {
        let link = Fixture::new()?;
        // To beyond a page, and to the longest.
        for len in [1, 256, 257, 4096, 8192, LENGTHS.packet] {
            let mut end = 0;
            let packet = link.0.alloc(len, |offset, piece| {
                assert_eq!(offset, end);
                assert!(piece.iter().all(|byte| *byte == 0));
                for (at, byte) in (offset..).zip(piece.iter_mut()) {
                    *byte = at as u8;
                }
                end += piece.len();
                Ok(())
            })?;
            assert_eq!((packet.len(), end), (len, len));
            let mut bytes = KVVec::from_elem(0, len, GFP_KERNEL)?;
            packet.copy_bits(0, &mut bytes)?;
            assert!(bytes.iter().enumerate().all(|(at, byte)| *byte == at as u8));
        }
        assert!(link.0.alloc(1 << 20, |_, _| Ok(())).is_err());
        assert!(link
            .0
            .alloc(100, |_, _| Err(EIO))
            .is_err_and(|error| error == EIO));
        Ok(())
    }
}
