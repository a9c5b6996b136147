/* SPDX-License-Identifier: GPL-2.0 */
/* What the crate `bus` uses of C: headers, and the wrappers of helpers.c. */
#include <linux/device.h>
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/sysfs.h>

void bus_ida_init(struct ida *ida);
bool bus_module_get(struct module *module);
void bus_module_put(struct module *module);
