// SPDX-License-Identifier: GPL-2.0
#![doc = "See `fuzz::differential::vringh`."]
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::differential::vringh::run(bytes));
