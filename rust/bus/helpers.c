// SPDX-License-Identifier: GPL-2.0
/* Functions that stand for C inlines and macros, for the crate `bus`. */
#include "bindings_helper.h"

void bus_ida_init(struct ida *ida)
{
	ida_init(ida);
}

bool bus_module_get(struct module *module)
{
	return try_module_get(module);
}

void bus_module_put(struct module *module)
{
	module_put(module);
}
