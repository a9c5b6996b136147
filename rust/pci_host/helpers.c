// SPDX-License-Identifier: GPL-2.0
/* Nothing this crate calls is an inline function that the kernel's own helpers lack. */
#include "bindings_helper.h"
