// SPDX-License-Identifier: GPL-2.0

//! What is proved: the properties of "Properties" in `Documentation/transport.rst`.

/// A property, violated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Property {
    Answer,
    Once,
    Whole,
    NoDeadlock,
    Quiet,
    Status,
    Agreement,
    Identity,
    Kick,
    Liveness,
}

impl Property {
    /// Number and sentence, as in the document.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answer => "P1 no answer is taken for another command",
            Self::Once => "P2 each command executes at most once, in the order of issue",
            Self::Whole => "P3 what executes is what was issued, and for this session",
            Self::NoDeadlock => "P4 every wait ends",
            Self::Quiet => "P5 after the acknowledgement nothing touches RC memory",
            Self::Status => "P6 a status word shows only what took place",
            Self::Agreement => "P7 both ends agree after every answer and recovery",
            Self::Identity => "P8 an identity is of one session",
            Self::Kick => "P9 no kick is lost",
            Self::Liveness => "P10 a live end is not taken for dead, a dead one is in time",
        }
    }

    /// The number alone.
    #[cfg(test)]
    pub fn number(self) -> &'static str {
        self.name().split(' ').next().unwrap_or_default()
    }
}
