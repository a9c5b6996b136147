// SPDX-License-Identifier: GPL-2.0

//! An address space against one that knows each page by itself.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use transport::CommandError::{BadState, NoResources};
use transport::{Access, AddressSpace, CommandError, Mapping, Piece, Range, MAP_ALIGN};

const PAGE: u64 = MAP_ALIGN;
/// Number of pages in an address space.
const PAGES: u64 = 1 << 52;
const SLOTS: usize = 6;

type Space = AddressSpace<Vec<Mapping>>;

fn space() -> Space {
    // What is in the slots before does not matter.
    let stale = mapping(0, PAGES, 0, 3);
    AddressSpace::new(vec![stale; SLOTS])
}

fn range(page: u64, count: u64) -> Range {
    Range {
        space: 0,
        iova: page.wrapping_mul(PAGE),
        length: count.wrapping_mul(PAGE),
    }
}

fn mapping(page: u64, count: u64, pci_page: u64, access: u8) -> Mapping {
    Mapping {
        range: range(page, count),
        pci_addr: pci_page * PAGE,
        read: access & 1 != 0,
        write: access & 2 != 0,
    }
}

/// What is behind a page.
#[derive(Clone, Copy)]
struct Page {
    pci_page: u64,
    access: u8,
    /// First and last page of the mapping that it is of.
    mapping: (u64, u64),
}

#[derive(Default)]
struct Naive(BTreeMap<u64, Page>);

impl Naive {
    fn insert(
        &mut self,
        page: u64,
        count: u64,
        pci_page: u64,
        access: u8,
    ) -> Result<(), CommandError> {
        if (page..page + count).any(|page| self.0.contains_key(&page)) {
            return Err(BadState);
        }
        let mut first: Vec<_> = self.0.values().map(|page| page.mapping).collect();
        first.dedup();
        if first.len() == SLOTS {
            return Err(NoResources);
        }
        for n in 0..count {
            let behind = Page {
                pci_page: pci_page + n,
                access,
                mapping: (page, page + count - 1),
            };
            self.0.insert(page + n, behind);
        }
        Ok(())
    }

    fn remove(&mut self, page: u64, count: u64) -> Result<(), CommandError> {
        let inside = page..page + count;
        let is_inside = |page: &Page| {
            let (first, last) = page.mapping;
            inside.contains(&first) && inside.contains(&last)
        };
        if !self
            .0
            .range(inside.clone())
            .all(|(_, page)| is_inside(page))
        {
            return Err(BadState);
        }
        self.0.retain(|page, _| !inside.contains(page));
        Ok(())
    }

    fn find(&self, iova: u64, wanted: u64, access: Access) -> Option<Piece> {
        let bit = match access {
            Access::Read => 1,
            Access::Write => 2,
            Access::ReadWrite => 3,
        };
        let permitted = |page: u64| self.0.get(&page).filter(|page| page.access & bit == bit);
        let first = permitted(iova / PAGE)?;
        let pages = (1..)
            .take_while(|n| {
                let next = permitted(iova / PAGE + n);
                next.is_some_and(|next| next.pci_page == first.pci_page + n)
            })
            .count() as u64;
        let length = (PAGE - iova % PAGE + pages * PAGE).min(wanted);
        (length != 0).then_some(Piece {
            pci_addr: first.pci_page * PAGE + iova % PAGE,
            length,
        })
    }
}

#[derive(Clone, Copy, Debug)]
enum Action {
    Insert(u64, u64, u64, u8),
    Remove(u64, u64),
}

/// The first and the last pages, where mappings meet each other and the ends.
fn page() -> impl Strategy<Value = u64> {
    prop_oneof![0..10u64, PAGES - 10..PAGES]
}

/// A first page and a number of pages, up to the end of the address space.
fn pages() -> impl Strategy<Value = (u64, u64)> {
    (page(), 1..5u64).prop_map(|(page, count)| (page, count.min(PAGES - page)))
}

fn action() -> impl Strategy<Value = Action> {
    // One after another, so that neighbours are often neighbours in PCI addresses too.
    let pci = prop_oneof![3 => Just(None), 1 => page().prop_map(Some)];
    let insert = (pages(), pci, 1..4u8).prop_map(|((page, count), pci, access)| {
        let pci_page = pci.unwrap_or(page).min(PAGES - count);
        Action::Insert(page, count, pci_page, access)
    });
    let remove = pages().prop_map(|(page, count)| Action::Remove(page, count));
    prop_oneof![2 => insert, 1 => remove]
}

fn look() -> impl Strategy<Value = (u64, u64, Access)> {
    let offset = prop_oneof![Just(0), Just(1), Just(PAGE - 1), 0..PAGE];
    let iova = (page(), offset).prop_map(|(page, offset)| page * PAGE + offset);
    let wanted = prop_oneof![
        Just(0),
        Just(1),
        Just(2),
        Just(PAGE - 1),
        Just(PAGE),
        Just(PAGE + 1),
        0..6 * PAGE,
        Just(u64::MAX)
    ];
    let access = prop_oneof![
        Just(Access::Read),
        Just(Access::Write),
        Just(Access::ReadWrite)
    ];
    (iova, wanted, access)
}

proptest! {
    #[test]
    fn it_is_what_its_pages_are(actions in vec((action(), vec(look(), 4)), 0..40)) {
        let (mut space, mut naive) = (space(), Naive::default());
        for (action, looks) in actions {
            let (result, expected) = match action {
                Action::Insert(page, count, pci, access) => (
                    space.insert(&mapping(page, count, pci, access)),
                    naive.insert(page, count, pci, access),
                ),
                Action::Remove(page, count) => {
                    (space.remove(&range(page, count)), naive.remove(page, count))
                }
            };
            prop_assert_eq!(result, expected);
            for (iova, wanted, access) in looks {
                let found = space.find(iova, wanted, access);
                prop_assert_eq!(found, naive.find(iova, wanted, access));
            }
        }
        let is_ordered = |two: &[Mapping]| two[0].range.last() < two[1].range.iova;
        prop_assert!(space.mappings().windows(2).all(is_ordered));
    }
}

#[test]
fn the_whole_address_space_is_one_mapping() {
    let mut space = space();
    let all_but_one = mapping(0, PAGES - 1, 1, 1);
    assert_eq!(space.insert(&all_but_one), Ok(()));
    assert_eq!(space.insert(&mapping(PAGES - 1, 1, 0, 1)), Ok(()));
    let last = u64::MAX - PAGE;
    let piece = |pci_addr, length| Some(Piece { pci_addr, length });
    let find = |iova, wanted| space.find(iova, wanted, Access::Read);
    assert_eq!(find(0, u64::MAX), piece(PAGE, u64::MAX - PAGE + 1));
    assert_eq!(find(last, 2), piece(u64::MAX, 1));
    assert_eq!(find(u64::MAX, 2), piece(PAGE - 1, 1));
    assert_eq!(space.find(0, 1, Access::Write), None);
}

#[test]
fn a_full_address_space_takes_no_more_until_some_goes() {
    let mut space = space();
    for page in 0..SLOTS as u64 {
        assert_eq!(space.insert(&mapping(2 * page, 1, 0, 3)), Ok(()));
    }
    for page in [1, 2 * SLOTS as u64] {
        assert_eq!(space.insert(&mapping(page, 1, 0, 3)), Err(NoResources));
    }
    assert_eq!(space.insert(&mapping(0, 1, 0, 3)), Err(BadState));
    assert_eq!(space.remove(&range(0, PAGES - 1)), Ok(()));
    assert!(space.mappings().is_empty());
    assert_eq!(space.insert(&mapping(1, 1, 0, 3)), Ok(()));
}

#[test]
fn no_slots_no_mappings() {
    let mut space = AddressSpace::new(Vec::new());
    assert_eq!(space.insert(&mapping(0, 1, 0, 3)), Err(NoResources));
    assert_eq!(space.remove(&range(0, 1)), Ok(()));
    assert_eq!(space.find(0, 1, Access::Read), None);
}
