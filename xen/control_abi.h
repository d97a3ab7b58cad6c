/* SPDX-License-Identifier: MIT
 *
 * The public headers of domctl and sysctl. They want to be told that the compiler knows unions
 * without names, which C11 has.
 */
#pragma once

#include <lagan/types.h>

#pragma push_macro("__STRICT_ANSI__")
#undef __STRICT_ANSI__
#include <xen/domctl.h>
#include <xen/sysctl.h>
#pragma pop_macro("__STRICT_ANSI__")
