// SPDX-License-Identifier: GPL-2.0

//! KUnit suites of the bus, with a transport, a backend and a ring in plain memory. The status
//! machine has its suite in its own file.

mod fixture;
mod life;
mod ring;
mod running;
mod suspension;
mod work;
