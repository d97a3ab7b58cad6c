/* SPDX-License-Identifier: MIT */
#pragma once

#include <lagan/arch.h>

/* As arch_io_access(), but for what is guarded only because of the functions that are there
 * (io_guard.h): what the hypervisor itself may map and write as a device's memory is IO_ALL. */
enum io_access iomem_access(mfn_t m);
