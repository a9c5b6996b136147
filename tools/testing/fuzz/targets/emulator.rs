// SPDX-License-Identifier: GPL-2.0
#![doc = "See `fuzz::emulator`."]
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::emulator::run(bytes));
