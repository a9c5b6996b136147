// SPDX-License-Identifier: GPL-2.0
//! A process drives the device itself, through vhost_vdpa, by programs that users have for that:
//! with the backend in the same kernel, and with a link in between. A hypervisor is one of them.

mod cases;
mod client;
mod doorbells;
mod groups;
mod interrupts;
mod machines;
mod nested;
mod network;
mod packed;
mod suspension;
mod translation;

use crate::runner::{AnySuite, Case, Suite};
use machines::{
    LinkOf, LinkWithIommu, LinkWithoutIommu, Offers, OneKernel, PushedLink, Translator,
};

/// The suite of one machine.
pub fn loop_suite() -> impl AnySuite {
    let mut cases = cases_of_a_disk::<OneKernel>();
    cases.push(network::case_of_translation());
    cases.push(packed::case());
    Suite {
        name: "vhost_vdpa_loop",
        about: "processes drive devices of vhost_loop",
        cases,
    }
}

/// What is to work wherever the backend is.
fn cases_of_a_disk<B: Offers>() -> Vec<Case<B>> {
    let mut cases = cases::cases();
    cases.extend(client::cases());
    cases.push(groups::case());
    cases.push(network::case());
    cases.extend(suspension::cases());
    cases
}

/// What is to work whoever translates.
fn cases_of_a_link<T: Translator + 'static>() -> Vec<Case<LinkOf<T>>> {
    let mut cases = cases_of_a_disk();
    cases.push(suspension::case_of_the_link());
    cases
}

/// The suite of two machines, of which one has an IOMMU.
pub fn link_suite() -> impl AnySuite {
    let mut cases = cases_of_a_link();
    cases.extend(interrupts::cases());
    cases.extend(doorbells::cases());
    Suite::<LinkWithIommu> {
        name: "vhost_vdpa_link",
        about: "processes of a root complex with an IOMMU drive devices of an endpoint",
        cases,
    }
}

/// The suite of two machines without an IOMMU.
pub fn plain_suite() -> impl AnySuite {
    Suite::<LinkWithoutIommu> {
        name: "vhost_vdpa_plain",
        about: "processes of a root complex without an IOMMU drive devices of an endpoint",
        cases: cases_of_an_endpoint_that_translates(),
    }
}

/// What is to work with an endpoint that translates, whether or not it is pushed to.
fn cases_of_an_endpoint_that_translates<T: Translator + 'static>() -> Vec<Case<LinkOf<T>>> {
    let mut cases = cases_of_a_link();
    cases.extend(translation::cases());
    cases.push(network::case_of_translation());
    cases
}

/// The suite of the same machines whose root complex pushes.
pub fn pushed_suite() -> impl AnySuite {
    let mut cases = cases_of_an_endpoint_that_translates();
    cases.push(doorbells::case_of_pushed());
    Suite::<PushedLink> {
        name: "vhost_vdpa_pushed",
        about:
            "the root complex writes its half of the queues of processes to memory of the endpoint",
        cases,
    }
}

/// The suite of machines in the root complex.
pub fn nested_suite() -> impl AnySuite {
    Suite {
        name: "nested",
        about: "machines in a root complex without an IOMMU drive devices of an endpoint, by stock QEMU",
        cases: nested::cases(),
    }
}
