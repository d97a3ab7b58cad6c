/* SPDX-License-Identifier: MIT */
#pragma once

#include <lagan/types.h>

/* On the boot CPU, last of all: builds the boot-module domains, starts them, and idles. */
LAGAN_NORETURN void xen_main(void);
