/* SPDX-License-Identifier: MIT
 *
 * xen/lib/string.c and xen/lib/vsnprintf.c as the tests see them: under other names (lib_rename.h).
 */
#include "lib_rename.h"
#include "xen/lib/string.c"
#include "xen/lib/vsnprintf.c"
