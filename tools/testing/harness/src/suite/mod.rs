// SPDX-License-Identifier: GPL-2.0
//! All suites. A new case is a function and an entry in the table of its suite.

mod boards;
mod counted;
mod deaths;
mod detection;
mod endpoints;
mod example;
mod functions;
mod host;
mod hostile_ep;
mod hostile_rc;
mod kunit;
mod link;
mod loopback;
mod ntb;
mod nvme;
mod prepared;
mod processors;
mod rc_arm64;
mod reboots;
mod upstream;
mod vhost_vdpa;

use crate::kernels::Kernels;
use crate::runner::AnySuite;

/// Returns the suites that run only when they are named: they take long.
pub fn on_demand(kernels: Kernels) -> Vec<Box<dyn AnySuite>> {
    let mut suites: Vec<Box<dyn AnySuite>> = vec![
        Box::new(boards::all_suite()),
        Box::new(ntb::polled_suite()),
        Box::new(reboots::long_suite()),
        match kernels {
            Kernels::Ordinary => Box::new(deaths::all_suite()),
            Kernels::Debug => Box::new(deaths::suite()),
        },
        Box::new(deaths::pushed_suite()),
        Box::new(functions::suite()),
        Box::new(endpoints::suite()),
        Box::new(vhost_vdpa::pushed_suite()),
        Box::new(vhost_vdpa::nested_suite()),
    ];
    suites.extend(link::soak_suites());
    suites
}

/// Returns the suites in the order in which they run: what is quick and fails first comes first.
pub fn all(kernels: Kernels) -> Vec<Box<dyn AnySuite>> {
    let first: Box<dyn AnySuite> = match kernels {
        Kernels::Ordinary => Box::new(host::suite()),
        Kernels::Debug => Box::new(detection::suite()),
    };
    let mut suites = vec![
        first,
        Box::new(kunit::suite()),
        Box::new(loopback::suite()),
        Box::new(vhost_vdpa::loop_suite()),
        Box::new(upstream::suite()),
        Box::new(upstream::dynamic_suite()),
        Box::new(boards::suite()),
    ];
    if kernels == Kernels::Ordinary {
        suites.extend(of_mainline());
    }
    suites.extend(of_ours(kernels));
    suites
}

/// Functions of mainline that do more than test. On debug kernels they have not been tried, and what those would
/// find in them is not ours to mend.
fn of_mainline() -> [Box<dyn AnySuite>; 3] {
    [
        Box::new(example::suite()),
        Box::new(nvme::suite()),
        Box::new(ntb::suite()),
    ]
}

fn of_ours(kernels: Kernels) -> [Box<dyn AnySuite>; 15] {
    [
        Box::new(link::suite()),
        Box::new(link::pushed_suite()),
        Box::new(link::dma_suite()),
        Box::new(link::both_suite()),
        Box::new(processors::more_on_rc_suite()),
        Box::new(processors::more_on_ep_suite()),
        Box::new(rc_arm64::suite()),
        Box::new(rc_arm64::deaths_suite()),
        Box::new(reboots::suite()),
        match kernels {
            Kernels::Ordinary => Box::new(deaths::suite()),
            // `make test-debug` takes long anyway.
            Kernels::Debug => Box::new(deaths::all_suite()),
        },
        Box::new(counted::suite()),
        Box::new(vhost_vdpa::link_suite()),
        Box::new(vhost_vdpa::plain_suite()),
        Box::new(hostile_ep::suite()),
        Box::new(hostile_rc::suite()),
    ]
}
