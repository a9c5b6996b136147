// SPDX-License-Identifier: GPL-2.0
//! The keys of a profile about BARs.

use epc_regs::{BarKind, BAR_COUNT};
use serde::{Deserialize, Deserializer};

use super::board::BoardError;
use super::Size;

/// What can be done with one BAR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawBar")]
pub struct BarRule {
    /// How far it can be configured.
    pub kind: BarKind,
    /// Bytes of a fixed BAR, and of no other.
    pub size: Option<Size>,
    /// Whether it is a 64-bit BAR always.
    pub only_64bit: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBars {
    bar0: BarRule,
    bar1: BarRule,
    bar2: BarRule,
    bar3: BarRule,
    bar4: BarRule,
    bar5: BarRule,
}

pub(super) fn bars<'de, D: Deserializer<'de>>(from: D) -> Result<[BarRule; BAR_COUNT], D::Error> {
    let raw = RawBars::deserialize(from)?;
    Ok([raw.bar0, raw.bar1, raw.bar2, raw.bar3, raw.bar4, raw.bar5])
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBar {
    kind: RawKind,
    size: Option<Size>,
    #[serde(default)]
    only_64bit: bool,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RawKind {
    Programmable,
    Fixed,
    Resizable,
    Reserved,
    Disabled,
}

impl TryFrom<RawBar> for BarRule {
    type Error = BoardError;

    fn try_from(raw: RawBar) -> Result<Self, BoardError> {
        let (kind, name) = match raw.kind {
            RawKind::Programmable => (BarKind::Programmable, "programmable"),
            RawKind::Fixed => (BarKind::Fixed, "fixed"),
            RawKind::Resizable => (BarKind::Resizable, "resizable"),
            RawKind::Reserved => (BarKind::Reserved, "reserved"),
            RawKind::Disabled => (BarKind::Disabled, "disabled"),
        };
        if (kind == BarKind::Fixed) != raw.size.is_some() {
            let problem = if raw.size.is_some() { "has" } else { "lacks" };
            return Err(BoardError::BarSize {
                kind: name,
                problem,
            });
        }
        Ok(Self {
            kind,
            size: raw.size,
            only_64bit: raw.only_64bit,
        })
    }
}
