// SPDX-License-Identifier: GPL-2.0

//! A callback is called when there is one, and only then.

use super::*;
use core::ptr;
use kernel::{
    prelude::kunit_tests,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    }, //
};

/// # Safety
///
/// `count` must be a counter.
unsafe extern "C" fn count(count: *mut c_void) -> bindings::irqreturn_t {
    // SAFETY: The caller's promise.
    let count = unsafe { &*count.cast::<Atomic<u32>>() };
    count.fetch_add(1, Relaxed);
    bindings::irqreturn_IRQ_HANDLED
}

/// Returns the callback that the C structure stands for.
fn callback_to(counter: &'static Atomic<u32>, is_wanted: bool) -> Option<Callback> {
    let mut raw = bindings::vdpa_callback {
        callback: is_wanted.then_some(count),
        private: ptr::from_ref(counter).cast_mut().cast(),
        ..pin_init::zeroed()
    };
    // SAFETY: The members are what `set_vq_cb` is called with.
    unsafe { Callback::from_raw(NonNull::from(&mut raw)) }
}

#[kunit_tests(vdpa_callback_slot)]
mod suite {
    use super::*;

    #[test]
    fn callback_is_called_until_it_is_cleared() -> Result {
        static CALLS: Atomic<u32> = Atomic::new(0);

        let slot = Arc::pin_init(CallbackSlot::new(), GFP_KERNEL)?;
        slot.call();
        slot.set(callback_to(&CALLS, true));
        slot.call();
        slot.call_from_process();
        assert!(CALLS.load(Relaxed) == 2);
        slot.clear();
        slot.call();
        assert!(CALLS.load(Relaxed) == 2);
        assert!(slot.calls() == 2);
        Ok(())
    }

    #[test]
    fn held_calls_become_one() -> Result {
        static CALLS: Atomic<u32> = Atomic::new(0);

        let slot = Arc::pin_init(CallbackSlot::new(), GFP_KERNEL)?;
        slot.set(callback_to(&CALLS, true));
        slot.hold();
        slot.release();
        assert!(CALLS.load(Relaxed) == 0);
        slot.hold();
        slot.call();
        slot.call();
        assert!(CALLS.load(Relaxed) == 0);
        slot.release();
        assert!(CALLS.load(Relaxed) == 1);
        slot.call();
        assert!(CALLS.load(Relaxed) == 2);
        Ok(())
    }

    #[test]
    fn callback_without_function_is_none() {
        static CALLS: Atomic<u32> = Atomic::new(0);

        assert!(callback_to(&CALLS, false).is_none());
    }
}
