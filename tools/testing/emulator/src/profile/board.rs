// SPDX-License-Identifier: GPL-2.0
//! The keys of a profile. A key that is not here is an error.

use epc_regs::{BAR_COUNT, FUNCTIONS_MAX, SPACE_MAX};
use serde::Deserialize;
use thiserror::Error;

use super::bars::{bars, BarRule};
use super::dma::Dma;
use super::interrupts::Interrupts;
use super::translation::{Inbound, Outbound};
use super::Size;
use crate::traffic::Cost;

/// What the endpoint controller of a board can do.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Board and controller, in a few words.
    pub about: String,
    /// Functions of the device that the RC sees.
    #[serde(default)]
    pub functions: FunctionCount,
    /// Registers whose write by the RC interrupts the EP.
    pub doorbells: DoorbellCount,
    /// What the EP's driver is told of.
    pub events: Vec<Event>,
    /// The BARs, by number.
    #[serde(deserialize_with = "bars")]
    pub bars: [BarRule; BAR_COUNT],
    /// From the EP to RC memory.
    pub outbound: Outbound,
    /// From the RC to what is behind BARs.
    pub inbound: Inbound,
    /// From the EP to the RC.
    pub interrupts: Interrupts,
    /// The DMA engine; without channels where there is none.
    #[serde(default)]
    pub dma: Dma,
    /// What crossing the link takes, where it was measured.
    pub cost: Option<Cost>,
}

/// Why a value of a profile is not possible.
#[derive(Debug, Error)]
pub enum BoardError {
    /// Number of spaces.
    #[error("{0} spaces: expected 1 to {SPACE_MAX}")]
    Spaces(usize),
    /// A space or its unit is less than a page.
    #[error("{what} is {size}: expected at least 4K, the page size of the machines")]
    BelowPage {
        /// The key.
        what: &'static str,
        /// Its value.
        size: Size,
    },
    /// A space is less than its unit.
    #[error("a space of {space} cannot be given away in pages of {page}: expected a smaller page")]
    BelowUnit {
        /// The space.
        space: Size,
        /// The key `page`.
        page: Size,
    },
    /// A count is out of range.
    #[error("{count} {what}: expected {min} to {max}")]
    Count {
        /// Of what.
        what: &'static str,
        /// How many.
        count: usize,
        /// How many there are at least.
        min: usize,
        /// How many there are at most.
        max: usize,
    },
    /// MSI comes in powers of two.
    #[error("{0} MSI vectors: expected 0, 1, 2, 4, 8, 16 or 32")]
    Msi(u16),
    /// A fixed BAR has a size, and no other has.
    #[error("a BAR of kind \"{kind}\" {problem} a size: expected a size for \"fixed\" and for no other kind")]
    BarSize {
        /// The kind.
        kind: &'static str,
        /// Whether it has one or not.
        problem: &'static str,
    },
    /// The window is one region, which has a size.
    #[error("--window-size cannot replace {0} spaces: expected a profile with one")]
    Resize(usize),
}

pub(super) fn check_count(
    what: &'static str,
    count: usize,
    min: usize,
    max: usize,
) -> Result<usize, BoardError> {
    if (min..=max).contains(&count) {
        return Ok(count);
    }
    Err(BoardError::Count {
        what,
        count,
        min,
        max,
    })
}

/// Number of doorbells; their vectors fit the controller's MSI-X table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u16")]
pub struct DoorbellCount(u16);

impl DoorbellCount {
    /// As many as fit.
    pub const MAX: u16 = 64;

    /// How many there are.
    pub fn get(self) -> u16 {
        self.0
    }
}

impl TryFrom<u16> for DoorbellCount {
    type Error = BoardError;

    fn try_from(count: u16) -> Result<Self, BoardError> {
        check_count("doorbells", count.into(), 0, Self::MAX.into())?;
        Ok(Self(count))
    }
}

/// Number of functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u8")]
pub struct FunctionCount(u8);

impl FunctionCount {
    /// As many as a PCI device has.
    pub const MAX: u8 = FUNCTIONS_MAX as u8;

    /// How many there are, 1 at least.
    pub fn get(self) -> u8 {
        self.0
    }
}

impl Default for FunctionCount {
    fn default() -> Self {
        Self(1)
    }
}

impl TryFrom<u8> for FunctionCount {
    type Error = BoardError;

    fn try_from(count: u8) -> Result<Self, BoardError> {
        check_count("functions", count.into(), 1, Self::MAX.into())?;
        Ok(Self(count))
    }
}

/// What happens at the controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// The link came up.
    LinkUp,
    /// The link went down.
    LinkDown,
    /// The RC changed Bus Master Enable of a function.
    BusMaster,
    /// The RC reset a function.
    FunctionReset,
}
