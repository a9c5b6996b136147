// SPDX-License-Identifier: GPL-2.0
//! What is done with a disk and with a network link, whoever serves them, and the figures it
//! gives.

pub mod disk;
pub mod network;
