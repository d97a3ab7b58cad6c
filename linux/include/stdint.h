/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The public headers of the hypervisor (lagan/...) ask for the C library's types; the kernel has the same names.
 */
#ifndef LAGAN_STDINT_H
#define LAGAN_STDINT_H

#include <linux/types.h>

#endif
