// SPDX-License-Identifier: GPL-2.0

//! An Ethernet address as text and as bytes.

use crate::bindings;
use core::str::FromStr;
use kernel::{
    fmt,
    prelude::*, //
};

/// How many bytes an address has.
const LEN: usize = 6;

/// The address of one Ethernet station: neither a group nor zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MacAddress([u8; LEN]);

impl MacAddress {
    /// Makes a random address, marked as locally administered.
    pub fn random() -> Self {
        let mut bytes = [0; LEN];
        // SAFETY: The function writes `LEN` bytes.
        unsafe { bindings::netdev_helper_random_address(bytes.as_mut_ptr()) };
        Self(bytes)
    }

    /// Returns the address that these bytes are.
    ///
    /// # Errors
    ///
    /// `EINVAL`: they are a group's address, or zero.
    pub fn from_bytes(bytes: [u8; LEN]) -> Result<Self> {
        let [first, ..] = bytes;
        if first & 1 != 0 || bytes == [0; LEN] {
            return Err(EINVAL);
        }
        Ok(Self(bytes))
    }

    /// Returns the bytes in the order in which they are sent.
    pub fn to_bytes(self) -> [u8; LEN] {
        self.0
    }
}

impl FromStr for MacAddress {
    type Err = Error;

    /// Reads six pairs of hexadecimal digits with colons between.
    fn from_str(text: &str) -> Result<Self> {
        let mut bytes = [0; LEN];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            *byte = octet(parts.next().ok_or(EINVAL)?)?;
        }
        match parts.next() {
            None => Self::from_bytes(bytes),
            Some(_) => Err(EINVAL),
        }
    }
}

/// Reads two hexadecimal digits and nothing else, not even a sign.
fn octet(text: &str) -> Result<u8> {
    if text.len() != 2 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(EINVAL);
    }
    u8::from_str_radix(text, 16).map_err(|_| EINVAL)
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}
