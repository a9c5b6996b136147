// SPDX-License-Identifier: GPL-2.0
#![doc = "See `fuzz::differential::rust_vmm`."]
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::differential::rust_vmm::run(bytes));
