// SPDX-License-Identifier: GPL-2.0
//! One rule, as people and programs write it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The longest delay: a QEMU gives up a vfio-user request after 5 s.
const MAX_DELAY: Duration = Duration::from_secs(4);

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// A load of the RC from a trapped BAR.
    BarRead,
    /// A store of the RC to memory in a trapped BAR.
    BarWrite,
    /// A store of the RC to a doorbell.
    Doorbell,
    /// A load of the EP from a trapped window.
    WindowRead,
    /// A store of the EP to a trapped window.
    WindowWrite,
    /// The EP's command to map a range of the window.
    Map,
    /// An interrupt of the EP: the assertion of INTx, MSI or MSI-X.
    Interrupt,
    /// A transfer of the DMA engine.
    Dma,
}

/// What becomes of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Effect {
    /// It never arrives, and its initiator does not learn of that; a transfer is done, and the
    /// interrupt that says so never arrives.
    Lose,
    /// It arrives twice.
    Repeat,
    /// It arrives late, and what its initiator does after it as well.
    Delay(Duration),
    /// It is answered by all-ones, as by a link that is down.
    Ones,
    /// The lowest bit of each byte that is read is another one.
    Flip,
    /// The controller has no window for it; a transfer ends with an error before it begins.
    Refuse,
}

/// What is to go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// With which transactions.
    pub on: Target,
    /// What becomes of them.
    pub effect: Effect,
    /// How many of them are spared before that.
    #[serde(default)]
    pub skip: u64,
    /// How many of them it happens to; all, if there is no number.
    #[serde(default)]
    pub count: Option<u64>,
}

/// Why a rule cannot be followed.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum RuleError {
    /// The effect makes no sense for the transaction.
    #[error("{on} cannot be subject to '{effect}': expected one of {possible}")]
    Impossible {
        /// The transaction.
        on: Target,
        /// The effect.
        effect: Effect,
        /// Those that make sense.
        possible: &'static str,
    },
    /// The delay is too long.
    #[error(
        "a delay of {0:?} would end the connection to QEMU: at most {MAX_DELAY:?} is possible"
    )]
    TooLong(Duration),
    /// Accesses to BARs are not seen.
    #[error(
        "BARs are mapped, so accesses to them are not seen: run the emulator with --trap-bars"
    )]
    BarsAreMapped,
    /// Accesses to the window are not seen.
    #[error("the window is mapped, so accesses to it are not seen: run the emulator with --window trapped")]
    WindowIsMapped,
    /// There are too many rules.
    #[error("there are {0} rules already: clear them first")]
    TooMany(usize),
}

/// The text is no effect.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("'{0}' is no effect: expected lose, repeat, delay=MILLISECONDS, ones, flip or refuse")]
pub struct ParseEffectError(String);

impl Rule {
    /// Checks what does not depend on an emulator.
    ///
    /// # Errors
    ///
    /// See [`RuleError`].
    pub(super) fn check(&self) -> Result<(), RuleError> {
        let Self { on, effect, .. } = *self;
        let (fits, possible) = match on {
            Target::BarRead | Target::WindowRead => (
                matches!(effect, Effect::Ones | Effect::Flip | Effect::Delay(_)),
                "ones, flip, delay",
            ),
            Target::BarWrite | Target::WindowWrite => (
                matches!(effect, Effect::Lose | Effect::Delay(_)),
                "lose, delay",
            ),
            Target::Doorbell | Target::Interrupt => (
                matches!(effect, Effect::Lose | Effect::Repeat | Effect::Delay(_)),
                "lose, repeat, delay",
            ),
            Target::Map => (
                matches!(effect, Effect::Refuse | Effect::Delay(_)),
                "refuse, delay",
            ),
            Target::Dma => (
                matches!(effect, Effect::Refuse | Effect::Lose | Effect::Delay(_)),
                "refuse, lose, delay",
            ),
        };
        match effect {
            _ if !fits => Err(RuleError::Impossible {
                on,
                effect,
                possible,
            }),
            Effect::Delay(time) if time > MAX_DELAY => Err(RuleError::TooLong(time)),
            _ => Ok(()),
        }
    }
}

impl Effect {
    /// Does to data that was read what this effect does; nothing if it is for other transactions.
    pub fn garble(self, data: &mut [u8]) {
        match self {
            Self::Ones => data.fill(0xff),
            Self::Flip => data.iter_mut().for_each(|byte| *byte ^= 1),
            Self::Lose | Self::Repeat | Self::Delay(_) | Self::Refuse => {}
        }
    }
}

impl FromStr for Effect {
    type Err = ParseEffectError;

    fn from_str(text: &str) -> Result<Self, ParseEffectError> {
        let unknown = || ParseEffectError(text.to_owned());
        Ok(match text {
            "lose" => Self::Lose,
            "repeat" => Self::Repeat,
            "ones" => Self::Ones,
            "flip" => Self::Flip,
            "refuse" => Self::Refuse,
            _ => {
                let time = text.strip_prefix("delay=").ok_or_else(unknown)?;
                Self::Delay(Duration::from_millis(time.parse().map_err(|_| unknown())?))
            }
        })
    }
}

impl TryFrom<String> for Effect {
    type Error = ParseEffectError;

    fn try_from(text: String) -> Result<Self, ParseEffectError> {
        text.parse()
    }
}

impl From<Effect> for String {
    fn from(effect: Effect) -> Self {
        effect.to_string()
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lose => f.pad("lose"),
            Self::Repeat => f.pad("repeat"),
            Self::Delay(time) => f.pad(&format!("delay={}", time.as_millis())),
            Self::Ones => f.pad("ones"),
            Self::Flip => f.pad("flip"),
            Self::Refuse => f.pad("refuse"),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::BarRead => "bar-read",
            Self::BarWrite => "bar-write",
            Self::Doorbell => "doorbell",
            Self::WindowRead => "window-read",
            Self::WindowWrite => "window-write",
            Self::Map => "map",
            Self::Interrupt => "interrupt",
            Self::Dma => "dma",
        })
    }
}
