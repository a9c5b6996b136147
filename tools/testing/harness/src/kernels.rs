// SPDX-License-Identifier: GPL-2.0
//! Which kernels the machines run.

use std::time::Duration;

/// A choice of kernels for both machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernels {
    /// Those of users: on the RC the stock Debian kernel.
    Ordinary,
    /// Kernels of the same sources that look for faults (tools/testing/kernel/debug.config).
    Debug,
}

/// How much longer everything may take on a debug kernel. Most takes five times as long.
const DEBUG_PATIENCE: u32 = 8;

impl Kernels {
    /// What stands behind the name of a side in the names of its images and modules.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Ordinary => "",
            Self::Debug => "-debug",
        }
    }

    /// What makes the modules and all that they need.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Ordinary => "make vms",
            Self::Debug => "make vms-debug",
        }
    }

    /// Says whether they tell leaks (kmemleak). They also hold freed memory back for a while.
    pub fn find_leaks(self) -> bool {
        self == Self::Debug
    }

    /// Says whether they check what drivers do with DMA mappings.
    pub fn check_mappings(self) -> bool {
        self == Self::Debug
    }

    /// How many times as long as on an ordinary kernel everything may take.
    pub fn patience(self) -> u32 {
        match self {
            Self::Ordinary => 1,
            Self::Debug => DEBUG_PATIENCE,
        }
    }

    /// How long something may take that takes at most `bound` on an ordinary kernel.
    pub fn bound(self, bound: Duration) -> Duration {
        bound * self.patience()
    }
}
