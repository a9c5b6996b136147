// SPDX-License-Identifier: GPL-2.0
//! An identity is of one session, whenever the EP starts anew (S1 to S4, Z1, I3 to I5).

use loom::thread;
use memory_order::{holds, Missing};

use crate::ends::{endpoint, identify, start, Device, EPOCH};

/// The RC reads the identity while the EP ends its session and starts another.
fn identify_while_restarted(rc_missing: Missing, ep_missing: Missing) -> bool {
    let (bar, mut ep, _) = endpoint();
    start(&mut ep, &bar, EPOCH);
    let bar = bar.share();
    let ep_side = bar.without(ep_missing);
    let other = thread::spawn(move || {
        ep.stop(&ep_side, &mut Device);
        start(&mut ep, &ep_side, EPOCH + 1);
    });
    let identity = identify(&bar.without(rc_missing));
    other.join().expect("the EP");
    identity.is_none_or(|identity| identity.device_id() == identity.epoch().get())
}

#[test]
fn an_identity_is_of_one_session() {
    assert!(holds(|| identify_while_restarted(
        Missing::Nothing,
        Missing::Nothing
    )));
}

#[test]
fn an_identity_needs_the_barriers_of_both() {
    assert!(!holds(|| identify_while_restarted(
        Missing::Read,
        Missing::Nothing
    )));
    assert!(!holds(|| identify_while_restarted(
        Missing::Nothing,
        Missing::Write
    )));
}
