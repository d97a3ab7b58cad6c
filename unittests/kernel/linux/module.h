/* SPDX-License-Identifier: MIT
 *
 * A module's beginning and end, as functions that a test calls.
 */
#pragma once

#include <errno.h>

#define __init
#define __exit
#define THIS_MODULE              NULL
#define MODULE_ALIAS(text)       _Static_assert(1, text)
#define MODULE_DESCRIPTION(text) _Static_assert(1, text)
#define MODULE_LICENSE(text)     _Static_assert(1, text)
#define module_init(function)    \
    int kernel_module_init(void) \
    {                            \
        return function();       \
    }
#define module_exit(function)     \
    void kernel_module_exit(void) \
    {                             \
        function();               \
    }

int kernel_module_init(void);
void kernel_module_exit(void);

extern unsigned kernel_warnings;

#define WARN_ON_ONCE(condition) ((condition) ? (kernel_warnings++, true) : false)
#define pr_info(...)            ((void)0)
#define pr_err(...)             ((void)0)
