// SPDX-License-Identifier: GPL-2.0

//! Which packets the driver side receives, by their destination (VIRTIO 1.2, sections 5.1.6.5.1 and
//! 5.1.6.5.2).
//!
//! All of them, until the driver side says otherwise. A table that is too long lets all stations, or
//! all groups, pass, as the specification allows.
//!
//! Lock: `rules`, a spinlock, taken last and held for one look at the tables. Context: process.

use kernel::{
    new_spinlock,
    prelude::*,
    sync::SpinLock, //
};
use virtio::net::{
    control::{
        AddressTable,
        Source,
        ADDRESS_LEN, //
    },
    is_station, //
};

/// An Ethernet address, of a station or a group.
pub(crate) type Address = [u8; ADDRESS_LEN];

const BROADCAST: Address = [u8::MAX; ADDRESS_LEN];

/// The most addresses of a table that are told apart: more are looked through for each packet than are
/// joined by a host that is not a router, which asks for all groups anyhow.
pub(crate) const MAX_ADDRESSES: usize = 64;

/// The addresses of a table.
pub(crate) struct Addresses {
    /// The first `count` of these.
    list: [Address; MAX_ADDRESSES],
    /// More than [`MAX_ADDRESSES`]: any address.
    count: usize,
}

/// What the addresses of a table are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Station,
    Group,
}

/// The filter of one device.
#[pin_data]
pub(crate) struct Filter {
    #[pin]
    rules: SpinLock<Rules>,
}

struct Rules {
    address: Address,
    is_promiscuous: bool,
    has_all_groups: bool,
    stations: Addresses,
    groups: Addresses,
}

impl Addresses {
    const NONE: Self = Self {
        list: [[0; ADDRESS_LEN]; MAX_ADDRESSES],
        count: 0,
    };

    /// Reads a table of a command.
    ///
    /// # Errors
    ///
    /// `EINVAL`: an address is not of this kind, or they are not all there; and those of the source.
    pub(crate) fn read<S: Source<Error = Error>>(
        source: &S,
        table: AddressTable,
        kind: Kind,
    ) -> Result<Self> {
        let mut read = Self {
            count: table.count,
            ..Self::NONE
        };
        let Some(addresses) = read.list.get_mut(..table.count) else {
            return Ok(read);
        };
        let bytes = addresses.as_flattened_mut();
        if source.read(table.offset, bytes)? != bytes.len() {
            return Err(EINVAL);
        }
        match addresses.iter().all(|address| kind.has(address)) {
            true => Ok(read),
            false => Err(EINVAL),
        }
    }

    fn contains(&self, address: &Address) -> bool {
        match self.list.get(..self.count) {
            Some(addresses) => addresses.contains(address),
            None => true,
        }
    }
}

impl Kind {
    fn of(address: &Address) -> Self {
        let [first, ..] = address;
        match first & 1 {
            0 => Self::Station,
            _ => Self::Group,
        }
    }

    fn has(self, address: &Address) -> bool {
        match self {
            Self::Station => is_station(address),
            Self::Group => Self::of(address) == self,
        }
    }
}

impl Rules {
    /// Those of a driver side that has said nothing.
    fn new(address: Address) -> Self {
        Self {
            address,
            is_promiscuous: true,
            has_all_groups: false,
            stations: Addresses::NONE,
            groups: Addresses::NONE,
        }
    }

    fn accept(&self, destination: &Address) -> bool {
        if self.is_promiscuous {
            return true;
        }
        match Kind::of(destination) {
            Kind::Station => *destination == self.address || self.stations.contains(destination),
            Kind::Group => {
                self.has_all_groups
                    || *destination == BROADCAST
                    || self.groups.contains(destination)
            }
        }
    }
}

impl Filter {
    /// Lets everything pass, to a driver side of this address.
    pub(crate) fn new(address: Address) -> impl PinInit<Self> {
        pin_init!(Self {
            rules <- new_spinlock!(Rules::new(address), "vhost_bus_net::Filter::rules"),
        })
    }

    /// Forgets what the driver side said; returns whether it had another address.
    pub(crate) fn reset(&self, address: Address) -> bool {
        let mut rules = self.rules.lock();
        let is_other = rules.address != address;
        *rules = Rules::new(address);
        is_other
    }

    /// Returns whether the driver side receives a packet for this destination.
    pub(crate) fn accepts(&self, destination: &Address) -> bool {
        self.rules.lock().accept(destination)
    }

    /// Returns the address of the driver side.
    pub(crate) fn address(&self) -> Address {
        self.rules.lock().address
    }

    pub(crate) fn set_address(&self, address: Address) {
        self.rules.lock().address = address;
    }

    pub(crate) fn set_promiscuous(&self, is_on: bool) {
        self.rules.lock().is_promiscuous = is_on;
    }

    pub(crate) fn set_all_groups(&self, is_on: bool) {
        self.rules.lock().has_all_groups = is_on;
    }

    pub(crate) fn set_tables(&self, stations: Addresses, groups: Addresses) {
        let mut rules = self.rules.lock();
        rules.stations = stations;
        rules.groups = groups;
    }
}

#[kunit_tests(vhost_bus_net_filter)]
mod tests {
    use super::*;

    const OWN: Address = [2, 0, 0, 0, 0, 1];
    const OTHER: Address = [2, 0, 0, 0, 0, 2];
    const GROUP: Address = [1, 0, 0x5e, 0, 0, 1];
    const OTHER_GROUP: Address = [0x33, 0x33, 0, 0, 0, 1];

    fn listed(addresses: &[Address]) -> Addresses {
        let mut list = [[0; ADDRESS_LEN]; MAX_ADDRESSES];
        for (to, from) in list.iter_mut().zip(addresses) {
            *to = *from;
        }
        Addresses {
            list,
            count: addresses.len(),
        }
    }

    fn strict() -> Rules {
        Rules {
            is_promiscuous: false,
            ..Rules::new(OWN)
        }
    }

    #[test]
    fn everything_at_first() {
        let rules = Rules::new(OWN);
        for destination in [OWN, OTHER, GROUP, BROADCAST, [0; 6]] {
            assert!(rules.accept(&destination));
        }
    }

    #[test]
    fn own_address_and_broadcast() {
        let rules = strict();
        assert!(rules.accept(&OWN) && rules.accept(&BROADCAST));
        for destination in [OTHER, GROUP, [0; 6]] {
            assert!(!rules.accept(&destination));
        }
    }

    #[test]
    fn all_groups_are_no_stations() {
        let rules = Rules {
            has_all_groups: true,
            ..strict()
        };
        assert!(rules.accept(&GROUP) && rules.accept(&OTHER_GROUP));
        assert!(!rules.accept(&OTHER));
    }

    #[test]
    fn tables() {
        let rules = Rules {
            stations: listed(&[OTHER]),
            groups: listed(&[GROUP]),
            ..strict()
        };
        assert!(rules.accept(&OTHER) && rules.accept(&GROUP) && rules.accept(&OWN));
        assert!(!rules.accept(&OTHER_GROUP));
        assert!(!rules.accept(&[2, 0, 0, 0, 0, 3]));
    }

    #[test]
    fn too_many_are_all() {
        let rules = Rules {
            stations: Addresses {
                count: MAX_ADDRESSES + 1,
                ..Addresses::NONE
            },
            ..strict()
        };
        assert!(rules.accept(&OTHER));
        assert!(!rules.accept(&GROUP));
    }

    #[test]
    fn a_full_table_counts_to_its_end() {
        let mut list = [OTHER; MAX_ADDRESSES];
        list[MAX_ADDRESSES - 1] = [2, 0, 0, 0, 0, 9];
        let rules = |count| Rules {
            stations: Addresses { list, count },
            ..strict()
        };
        assert!(rules(MAX_ADDRESSES).accept(&[2, 0, 0, 0, 0, 9]));
        assert!(!rules(MAX_ADDRESSES - 1).accept(&[2, 0, 0, 0, 0, 9]));
    }
}
