// SPDX-License-Identifier: GPL-2.0
//! The keys of a profile about translation of addresses, in both directions.

use epc_regs::{BAR_COUNT, SPACE_MAX};
use serde::Deserialize;

use super::board::{check_count, BoardError};
use super::Size;
use crate::function::bars::MAX_RANGES;
use crate::PAGE_SIZE;

/// Outbound translations at one time: a bound for the emulator's work, far above what an EPC has.
const OUTBOUND_MAX: usize = 1024;
/// Inbound translations at one time: as many parts as all BARs can be split into.
const INBOUND_MAX: usize = BAR_COUNT * MAX_RANGES;

/// Outbound translation.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "RawOutbound")]
pub struct Outbound {
    /// Address ranges of the EP through which RC memory can be mapped.
    pub spaces: Vec<Size>,
    /// Unit in which a space is given away; `None` when a space takes one mapping, from its start.
    pub page: Option<Size>,
    /// Mappings at one time.
    pub windows: usize,
    /// Alignment of both addresses of a mapping.
    pub align: Size,
    /// Nothing can be mapped while the link is not up.
    pub needs_link: bool,
    /// MSI and MSI-X go through a window: MSI holds it until the link is stopped or an MSI-X is raised,
    /// MSI-X needs one for the time of the message.
    pub interrupt_window: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOutbound {
    spaces: Vec<Size>,
    page: Option<Size>,
    windows: usize,
    align: Size,
    needs_link: bool,
    interrupt_window: bool,
}

impl TryFrom<RawOutbound> for Outbound {
    type Error = BoardError;

    fn try_from(raw: RawOutbound) -> Result<Self, BoardError> {
        if !(1..=SPACE_MAX).contains(&raw.spaces.len()) {
            return Err(BoardError::Spaces(raw.spaces.len()));
        }
        for &space in &raw.spaces {
            check_page("a space", space)?;
            if let Some(page) = raw.page.filter(|page| *page > space) {
                return Err(BoardError::BelowUnit { space, page });
            }
        }
        if let Some(page) = raw.page {
            check_page("page", page)?;
        }
        check_page("align", raw.align)?;
        Ok(Self {
            windows: check_count("outbound windows", raw.windows, 1, OUTBOUND_MAX)?,
            spaces: raw.spaces,
            page: raw.page,
            align: raw.align,
            needs_link: raw.needs_link,
            interrupt_window: raw.interrupt_window,
        })
    }
}

fn check_page(what: &'static str, size: Size) -> Result<(), BoardError> {
    if size.bytes() < PAGE_SIZE {
        return Err(BoardError::BelowPage { what, size });
    }
    Ok(())
}

/// A space of the outbound window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Offset in the window.
    pub offset: u64,
    /// Bytes.
    pub size: u64,
    /// Unit in which it is given away.
    pub page: u64,
}

impl Outbound {
    /// Replaces the only space.
    ///
    /// # Errors
    ///
    /// When there are several, or the size is less than a page.
    pub fn resize(&mut self, size: Size) -> Result<(), BoardError> {
        check_page("--window-size", size)?;
        match self.spaces.as_mut_slice() {
            [space] => *space = size,
            spaces => return Err(BoardError::Resize(spaces.len())),
        }
        match self.page.filter(|page| *page > size) {
            Some(page) => Err(BoardError::BelowUnit { space: size, page }),
            None => Ok(()),
        }
    }

    /// The spaces in the order of the profile, each aligned to its size.
    pub fn layout(&self) -> Vec<Space> {
        let before = |index: usize, size: Size| {
            let earlier = |&(other, other_size): &(usize, &Size)| {
                *other_size > size || (*other_size == size && other < index)
            };
            let sizes = self.spaces.iter().enumerate().filter(earlier);
            sizes.map(|(_, size)| size.bytes()).sum()
        };
        let place = |(index, &size): (usize, &Size)| Space {
            offset: before(index, size),
            size: size.bytes(),
            page: self.page.unwrap_or(size).bytes(),
        };
        self.spaces.iter().enumerate().map(place).collect()
    }

    /// Bytes of the window that has room for all spaces, a power of two.
    pub fn window_size(&self) -> u64 {
        let total: u64 = self.spaces.iter().map(|space| space.bytes()).sum();
        total.next_power_of_two()
    }
}

/// Inbound translation.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "RawInbound")]
pub struct Inbound {
    /// Translations at one time; one for each BAR, or for each part of one.
    pub windows: usize,
    /// Each function has so many, where all of them together have.
    pub per_function: bool,
    /// Alignment of the memory that a BAR shows, as functions are told.
    pub align: Option<Size>,
    /// Memory that is not aligned is refused; for a whole BAR also what is not aligned to its size.
    pub align_checked: bool,
    /// What a BAR shows can be changed while the RC uses it, and in parts.
    pub dynamic: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawInbound {
    windows: usize,
    #[serde(default)]
    per_function: bool,
    align: Option<Size>,
    align_checked: bool,
    dynamic: bool,
}

impl TryFrom<RawInbound> for Inbound {
    type Error = BoardError;

    fn try_from(raw: RawInbound) -> Result<Self, BoardError> {
        Ok(Self {
            windows: check_count("inbound windows", raw.windows, 1, INBOUND_MAX)?,
            per_function: raw.per_function,
            align: raw.align,
            align_checked: raw.align_checked,
            dynamic: raw.dynamic,
        })
    }
}
