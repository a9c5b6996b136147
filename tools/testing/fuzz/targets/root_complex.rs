// SPDX-License-Identifier: GPL-2.0
#![doc = "See `fuzz::root_complex`."]
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::root_complex::run(bytes));
