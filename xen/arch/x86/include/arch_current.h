/* SPDX-License-Identifier: MIT
 *
 * current_vcpu() for portable code: on x86 it is found from the stack pointer.
 */
#pragma once

#include "xen/arch/x86/cpu.h"
