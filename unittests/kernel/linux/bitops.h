/* SPDX-License-Identifier: MIT */
#pragma once

#define BIT(n)           (1UL << (n))
#define GENMASK(h, l)    ((~0UL >> (63 - (h))) & (~0UL << (l)))
#define hweight_long(w)  __builtin_popcountl(w)
#define __ffs(w)         __builtin_ctzl(w)
#define ARRAY_SIZE(a)    (sizeof(a) / sizeof((a)[0]))
#define round_down(n, d) ((n) / (d) * (d))
#define __aligned(n)     __attribute__((aligned(n)))
