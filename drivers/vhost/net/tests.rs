// SPDX-License-Identifier: GPL-2.0

//! KUnit suite of the control queue: whole commands, from a driver side in plain memory to the filter.

use crate::{
    control::{
        Bytes,
        ControlQueue,
        Obey, //
    },
    filter::{
        Address,
        Filter,
        MAX_ADDRESSES, //
    },
    orders::filter_as, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};
use vhost_backend::{
    testing::DriverSide,
    Serve,
    StopFlag, //
};
use vhost_bus::Virtqueue;
use virtio::net::{
    control::{
        ack,
        class,
        guest_offloads,
        mac,
        mq,
        rx,
        Command, //
    },
    features, //
};

const OWN: Address = [2, 0, 0, 0, 0, 1];
const OTHER: Address = [2, 0, 0, 0, 0, 2];
const GROUP: Address = [1, 0, 0x5e, 0, 0, 1];
const PAIRS: u16 = 2;
const ALL: u64 = features::CTRL_VQ
    | features::CTRL_RX
    | features::CTRL_MAC_ADDR
    | features::MQ
    | features::CTRL_GUEST_OFFLOADS
    | features::GUEST_CSUM;

/// What became of commands.
#[derive(Clone)]
struct Orders {
    filter: Arc<Filter>,
    pairs: Arc<Atomic<u32>>,
    offloads: Arc<Atomic<u64>>,
}

impl Obey for Orders {
    fn queue_pairs(&self) -> u16 {
        PAIRS
    }

    fn obey(&self, command: Command, bytes: &Bytes<'_>) -> Result {
        match command {
            Command::SetAddress(address) => self.filter.set_address(address),
            Command::UsePairs(count) => self.pairs.store(count.into(), Relaxed),
            Command::SetOffloads(features) => self.offloads.store(features, Relaxed),
            command => filter_as(&self.filter, command, bytes)?,
        }
        Ok(())
    }
}

/// A control queue and its driver side.
struct Fixture {
    driver: Arc<DriverSide>,
    queue: ControlQueue<Orders>,
    orders: Orders,
}

impl Fixture {
    fn new() -> Result<Self> {
        Self::with(ALL)
    }

    fn with(negotiated: u64) -> Result<Self> {
        let driver = DriverSide::new()?;
        let orders = Orders {
            filter: Arc::pin_init(Filter::new(OWN), GFP_KERNEL)?,
            pairs: Arc::new(Atomic::new(1), GFP_KERNEL)?,
            offloads: Arc::new(Atomic::new(0), GFP_KERNEL)?,
        };
        let mut queues = KVec::<Arc<dyn Virtqueue>>::new();
        for _ in 0..=2 * PAIRS {
            queues.push(driver.clone(), GFP_KERNEL)?;
        }
        let mut queue = ControlQueue::new(queues, orders.clone())?;
        queue.prepare(negotiated);
        Ok(Self {
            driver,
            queue,
            orders,
        })
    }

    fn serve(&mut self) -> Result<bool> {
        self.queue.serve(&StopFlag::new(false))
    }

    /// Sends a command in parts and returns its acknowledgement; `None` when there was none.
    fn send(&mut self, parts: &[&[u8]]) -> Result<Option<u8>> {
        let head = self.driver.add(parts, &[1])?;
        if self.serve().is_err() {
            return Ok(None);
        }
        match self.driver.used()? {
            Some(used) if used.head == head && used.len == 1 => {
                Ok(self.driver.written(head)?.pop())
            }
            _ => Ok(None),
        }
    }

    /// Has the filter let pass what it is told to.
    fn strict() -> Result<Self> {
        let mut fixture = Self::new()?;
        assert_eq!(
            fixture.send(&[&[class::RX, rx::PROMISC], &[0]])?,
            Some(ack::OK)
        );
        Ok(fixture)
    }

    fn accepts(&self, destination: Address) -> bool {
        self.orders.filter.accepts(&destination)
    }
}

#[kunit_tests(vhost_bus_net_control)]
mod suite {
    use super::*;

    const TABLE_SET: [u8; 2] = [class::MAC, mac::TABLE_SET];

    #[test]
    fn modes() -> Result {
        let mut control = Fixture::strict()?;
        assert!(!control.accepts(OTHER) && !control.accepts(GROUP));
        let all_groups = control.send(&[&[class::RX, rx::ALLMULTI, 1]])?;
        assert_eq!(all_groups, Some(ack::OK));
        assert!(control.accepts(GROUP) && !control.accepts(OTHER));
        let everything = control.send(&[&[class::RX], &[rx::PROMISC], &[1]])?;
        assert_eq!(everything, Some(ack::OK));
        assert!(control.accepts(OTHER));
        Ok(())
    }

    #[test]
    fn tables() -> Result {
        let mut control = Fixture::strict()?;
        let one = 1u32.to_le_bytes();
        let acked = control.send(&[&TABLE_SET, &one, &OTHER, &one, &GROUP])?;
        assert_eq!(acked, Some(ack::OK));
        assert!(control.accepts(OTHER) && control.accepts(GROUP));
        let none = control.send(&[&TABLE_SET, &[0; 8]])?;
        assert_eq!(none, Some(ack::OK));
        assert!(!control.accepts(OTHER) && !control.accepts(GROUP));
        Ok(())
    }

    #[test]
    fn tables_that_lie_change_nothing() -> Result {
        let (none, one) = (0u32.to_le_bytes(), 1u32.to_le_bytes());
        let wrong: [&[&[u8]]; 6] = [
            &[&TABLE_SET, &one, &GROUP, &none],
            &[&TABLE_SET, &none, &one, &OTHER],
            &[&TABLE_SET, &one, &OTHER],
            &[&TABLE_SET, &one, &OTHER, &one],
            &[&TABLE_SET, &[0xff; 4], &OTHER, &none],
            &[&TABLE_SET, &one, &OTHER, &none, &[0]],
        ];
        for parts in wrong {
            let mut control = Fixture::strict()?;
            assert_eq!(control.send(parts)?, Some(ack::ERR));
            assert!(!control.accepts(OTHER) && !control.accepts(GROUP));
        }
        Ok(())
    }

    #[test]
    fn long_tables() -> Result {
        for (count, passes) in [(MAX_ADDRESSES, false), (MAX_ADDRESSES + 1, true)] {
            let mut control = Fixture::strict()?;
            let mut addresses = KVec::new();
            for _ in 0..count {
                addresses.extend_from_slice(&[2, 0, 0, 0, 1, 1], GFP_KERNEL)?;
            }
            let number = (count as u32).to_le_bytes();
            let acked = control.send(&[&TABLE_SET, &number, &addresses, &[0; 4]])?;
            assert_eq!(acked, Some(ack::OK));
            assert!(control.accepts([2, 0, 0, 0, 1, 1]));
            assert_eq!(control.accepts(OTHER), passes);
        }
        Ok(())
    }

    #[test]
    fn address_and_pairs() -> Result {
        let mut control = Fixture::strict()?;
        let acked = control.send(&[&[class::MAC, mac::ADDR_SET], &OTHER])?;
        assert_eq!(acked, Some(ack::OK));
        assert_eq!(control.orders.filter.address(), OTHER);
        assert!(control.accepts(OTHER) && !control.accepts(OWN));
        for (pairs, expected) in [(2u16, ack::OK), (0, ack::ERR), (3, ack::ERR)] {
            let bytes = pairs.to_le_bytes();
            let acked = control.send(&[&[class::MQ, mq::VQ_PAIRS_SET], &bytes])?;
            assert_eq!(acked, Some(expected));
            assert_eq!(control.orders.pairs.load(Relaxed), 2);
        }
        Ok(())
    }

    #[test]
    fn offloads() -> Result {
        let mut control = Fixture::new()?;
        for (features, expected) in [
            (features::GUEST_CSUM, ack::OK),
            (features::GUEST_CSUM | features::GUEST_TSO4, ack::ERR),
        ] {
            let bytes = features.to_le_bytes();
            let set = [class::GUEST_OFFLOADS, guest_offloads::SET];
            assert_eq!(control.send(&[&set, &bytes])?, Some(expected));
            assert_eq!(control.orders.offloads.load(Relaxed), features::GUEST_CSUM);
        }
        Ok(())
    }

    #[test]
    fn features_that_were_not_negotiated() -> Result {
        let mut control = Fixture::with(features::CTRL_VQ)?;
        for parts in [
            &[class::RX, rx::PROMISC, 0][..],
            &[class::MQ, mq::VQ_PAIRS_SET, 1, 0],
            &[0xff, 0xff],
            &[class::RX],
        ] {
            assert_eq!(control.send(&[parts])?, Some(ack::ERR));
        }
        assert!(control.accepts(OTHER));
        Ok(())
    }

    #[test]
    fn no_control_queue_without_its_feature() -> Result {
        let mut control = Fixture::with(ALL & !features::CTRL_VQ)?;
        control.driver.add(&[&[class::RX, rx::PROMISC, 0]], &[1])?;
        assert_eq!(control.serve(), Ok(false));
        assert!(control.driver.used()?.is_none());
        Ok(())
    }

    #[test]
    fn the_first_writable_byte_is_the_acknowledgement() -> Result {
        let mut control = Fixture::new()?;
        let head = control.driver.add(&[&[0xff, 0]], &[1, 8])?;
        assert_eq!(control.serve(), Ok(true));
        assert!(control.driver.used()?.is_some_and(|used| used.len == 1));
        let written = control.driver.written(head)?;
        assert_eq!(written[..], [ack::ERR, 0, 0, 0, 0, 0, 0, 0, 0]);
        Ok(())
    }

    #[test]
    fn a_command_without_room_for_it_breaks_the_queue() -> Result {
        let mut control = Fixture::new()?;
        control.driver.add(&[&[class::RX, rx::PROMISC, 0]], &[])?;
        assert!(control.serve().is_err());
        assert!(control.driver.used()?.is_none());
        assert!(!control.driver.is_ready());
        assert!(control.accepts(OTHER));
        Ok(())
    }

    #[test]
    fn several_commands_are_answered_in_order() -> Result {
        let mut control = Fixture::new()?;
        for is_on in [0, 1, 0] {
            control
                .driver
                .add(&[&[class::RX, rx::PROMISC, is_on]], &[1])?;
        }
        assert_eq!(control.serve(), Ok(true));
        for expected in [0, 2, 4] {
            assert!(control
                .driver
                .used()?
                .is_some_and(|used| used.head == expected));
        }
        assert!(!control.accepts(OTHER));
        Ok(())
    }
}
