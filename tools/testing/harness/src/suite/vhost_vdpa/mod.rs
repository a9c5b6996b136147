// SPDX-License-Identifier: GPL-2.0
//! A process drives the device itself, through vhost_vdpa, by programs that users have for that:
//! with the backend in the same kernel, and with a link in between.

mod cases;
mod doorbells;
mod interrupts;
mod machines;
mod misuse;
mod suspension;

use crate::runner::{AnySuite, Suite};
use machines::{LinkWithIommu, OneKernel};

/// The suite of one machine.
pub fn loop_suite() -> impl AnySuite {
    let mut cases = cases::cases::<OneKernel>();
    cases.push(cases::case_of_much_memory());
    cases.push(misuse::case());
    cases.extend(suspension::cases());
    cases.push(suspension::case_of_much_memory());
    Suite {
        name: "vhost_vdpa_loop",
        about: "processes drive devices of vhost_loop",
        cases,
    }
}

/// The suite of two machines.
pub fn link_suite() -> impl AnySuite {
    let mut cases = cases::cases::<LinkWithIommu>();
    cases.push(misuse::case());
    cases.extend(interrupts::cases());
    cases.extend(doorbells::cases());
    cases.extend(suspension::cases());
    cases.push(suspension::case_of_the_link());
    Suite {
        name: "vhost_vdpa_link",
        about: "processes of a root complex with an IOMMU drive devices of an endpoint",
        cases,
    }
}
