/* SPDX-License-Identifier: MIT
 *
 * ASSERT: debug builds only, for what our own code must hold; never on guest input.
 * BUG_ON: kept in release builds, where going on could leak memory or escalate rights.
 */
#pragma once

#include <lagan/types.h>

/* Stops the machine (host tests: long-jumps to the test) after printing the place. Never returns.
 */
LAGAN_NORETURN void assert_failed(const char *what, const char *file, int line);

#define BUG_ON(cond)                                                \
    do {                                                            \
        if (unlikely(cond))                                         \
            assert_failed("BUG_ON(" #cond ")", __FILE__, __LINE__); \
    } while (0)

#define BUG() assert_failed("BUG()", __FILE__, __LINE__)

#ifdef LAGAN_DEBUG
#define ASSERT(cond)                                                \
    do {                                                            \
        if (unlikely(!(cond)))                                      \
            assert_failed("ASSERT(" #cond ")", __FILE__, __LINE__); \
    } while (0)
#else
#define ASSERT(cond) ((void)sizeof(!(cond)))
#endif
