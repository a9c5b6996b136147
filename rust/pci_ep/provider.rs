// SPDX-License-Identifier: GPL-2.0

//! Drivers of endpoint controllers.
