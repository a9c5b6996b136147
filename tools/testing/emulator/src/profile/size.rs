// SPDX-License-Identifier: GPL-2.0
//! Sizes and alignments as people write them: "64K".

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use thiserror::Error;

/// A power of two of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Size(u64);

/// Suffixes, and the power of two that each stands for.
const SUFFIXES: [(char, u32); 3] = [('K', 10), ('M', 20), ('G', 30)];

/// Why a text is not a size.
#[derive(Debug, Error)]
#[error("'{0}' is not a size: expected a power of two of bytes, as in 256, 64K, 1M or 2G")]
pub struct SizeError(String);

impl Size {
    /// Bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let suffix = SUFFIXES
            .iter()
            .find_map(|&(suffix, shift)| Some((text.strip_suffix(suffix)?, shift)));
        let (number, shift) = suffix.unwrap_or((text, 0));
        let number = number.parse::<u64>().ok();
        number
            .and_then(|number| number.checked_mul(1 << shift))
            .filter(|size| size.is_power_of_two())
            .map(Self)
            .ok_or_else(|| SizeError(text.to_owned()))
    }
}

impl TryFrom<String> for Size {
    type Error = SizeError;

    fn try_from(text: String) -> Result<Self, SizeError> {
        text.parse()
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suffix = SUFFIXES.iter().rev().find(|(_, shift)| self.0 >> shift > 0);
        match suffix {
            Some((suffix, shift)) => write!(f, "{}{suffix}", self.0 >> shift),
            None => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_two() {
        for (text, bytes) in [("1", 1), ("128", 128), ("64K", 1 << 16), ("2G", 1 << 31)] {
            let size: Size = text.parse().expect(text);
            assert_eq!(size.bytes(), bytes);
            assert_eq!(size.to_string(), text);
        }
        for text in ["", "K", "0", "3", "12K", "64k", "1T", "-1", "34359738368G"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }
}
