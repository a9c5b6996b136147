// SPDX-License-Identifier: GPL-2.0

//! How a packet is spread over buffers of the driver side (VIRTIO 1.2, sections 5.1.6.3 and 5.1.6.4).
//!
//! ```text
//!   buffer 0               buffer 1             buffer 2
//!   +--------+------------+ +------------------+ +----------+- - - -+
//!   | header | packet ... | | ... packet ...   | | ... end  |       |
//!   +--------+------------+ +------------------+ +----------+- - - -+
//!     num_buffers = 3
//! ```
//!
//! Pure: it moves no byte. Header and packet count as one piece of data.

use core::ops::Range;
use kernel::{
    fmt,
    prelude::*, //
};
use virtio::net::Header;

/// The most buffers that a packet may be spread over, whatever the queue has: with fewer bytes in
/// each than a packet needs then, nothing would ever arrive.
pub(crate) const MAX_BUFFERS: u16 = 256;

/// Why a buffer was not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// There is no room for the header, which the driver side has to provide.
    NoHeader,
    /// The packet does not fit, and only one buffer may be used.
    TooLong,
    /// The packet takes more than [`MAX_BUFFERS`].
    TooMany,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHeader => write!(f, "receive buffer has less than {} bytes", Header::LEN),
            Self::TooLong => f.write_str("packet does not fit its buffer"),
            Self::TooMany => write!(f, "packet takes more than {MAX_BUFFERS} buffers"),
        }
    }
}

/// A packet on its way into buffers.
#[derive(Clone, Copy)]
pub(crate) struct Spread {
    total: usize,
    done: usize,
    buffers: u16,
    mergeable: bool,
}

impl Spread {
    /// Begins with data of `total` bytes, header included.
    pub(crate) fn new(total: usize, mergeable: bool) -> Self {
        Self {
            total,
            done: 0,
            buffers: 0,
            mergeable,
        }
    }

    /// Uses a buffer of `room` bytes; returns which part of the data goes there.
    pub(crate) fn place(&mut self, room: u32) -> Result<Range<usize>, Misfit> {
        // CAST: A kernel's `usize` has at least 32 bits.
        let room = room as usize;
        if self.buffers == 0 && room < Header::LEN {
            return Err(Misfit::NoHeader);
        }
        if !self.mergeable && room < self.total {
            return Err(Misfit::TooLong);
        }
        if self.buffers == MAX_BUFFERS {
            return Err(Misfit::TooMany);
        }
        let start = self.done;
        self.done = self.total.min(start.saturating_add(room));
        self.buffers += 1;
        Ok(start..self.done)
    }

    /// Whether all data has its place.
    pub(crate) fn is_complete(&self) -> bool {
        self.done == self.total
    }

    /// The length of the packet without its header, in bytes.
    pub(crate) fn packet_len(&self) -> usize {
        self.total.saturating_sub(Header::LEN)
    }

    /// How many buffers have been used.
    pub(crate) fn buffers(&self) -> u16 {
        self.buffers
    }
}

#[kunit_tests(vhost_bus_net_spread)]
mod tests {
    use super::*;

    #[test]
    fn one_buffer() {
        let mut spread = Spread::new(1526, true);
        assert_eq!(spread.place(1536), Ok(0..1526));
        assert!(spread.is_complete());
        assert_eq!(spread.buffers(), 1);
    }

    #[test]
    fn exact_fit_takes_no_further_buffer() {
        let mut spread = Spread::new(1536, true);
        assert_eq!(spread.place(1536), Ok(0..1536));
        assert!(spread.is_complete());
    }

    #[test]
    fn three_buffers_of_different_sizes() {
        let mut spread = Spread::new(4000, true);
        assert_eq!(spread.place(1000), Ok(0..1000));
        assert_eq!(spread.place(1), Ok(1000..1001));
        assert!(!spread.is_complete());
        assert_eq!(spread.place(4096), Ok(1001..4000));
        assert!(spread.is_complete());
        assert_eq!(spread.buffers(), 3);
    }

    #[test]
    fn header_alone_in_the_first_buffer() {
        let mut spread = Spread::new(112, true);
        assert_eq!(spread.place(11), Err(Misfit::NoHeader));
        assert_eq!(spread.place(12), Ok(0..12));
        assert_eq!(spread.place(100), Ok(12..112));
        assert!(spread.is_complete());
    }

    #[test]
    fn without_merging_a_packet_has_one_buffer() {
        let mut spread = Spread::new(112, false);
        assert_eq!(spread.place(111), Err(Misfit::TooLong));
        assert_eq!(spread.place(112), Ok(0..112));
        assert_eq!(spread.buffers(), 1);
    }

    #[test]
    fn number_of_buffers_is_bounded() {
        let mut spread = Spread::new(10000, true);
        for _ in 0..MAX_BUFFERS {
            assert!(spread.place(12).is_ok());
        }
        assert_eq!(spread.place(12), Err(Misfit::TooMany));
    }

    #[test]
    fn the_longest_packet() {
        const LEN: usize = Header::LEN + 65535 + 22;
        let mut spread = Spread::new(LEN, true);
        while !spread.is_complete() {
            assert!(spread.place(1536).is_ok());
        }
        assert_eq!(spread.buffers(), 43);
        let mut spread = Spread::new(LEN, false);
        assert_eq!(spread.place(LEN as u32 - 1), Err(Misfit::TooLong));
        assert_eq!(spread.place(LEN as u32), Ok(0..LEN));
        assert_eq!(spread.buffers(), 1);
    }
}
