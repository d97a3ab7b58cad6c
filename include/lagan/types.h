/* SPDX-License-Identifier: MIT
 *
 * Number types that do not mix, page constants, and checked arithmetic.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/xen.h>   /* domid_t and the guest ABI's base types */
#include <xen/errno.h> /* XEN_EINVAL, ...: functions return 0 or a negative one */

#ifndef XEN_ERESTART /* the public header shows it to nobody; so a guest never sees it from us */
#define XEN_ERESTART 85
#endif

#define PAGE_SHIFT 12
#define PAGE_SIZE  4096UL
#define PAGE_MASK  (~(PAGE_SIZE - 1))

/* A machine frame, and a frame as a guest counts them: passing one for the other does not compile.
 */
typedef struct {
    uint64_t n;
} mfn_t;
typedef struct {
    uint64_t n;
} gfn_t;

#define MFN_INVALID ((mfn_t){UINT64_MAX})
#define GFN_INVALID ((gfn_t){UINT64_MAX})

/* A guest virtual address, to be used only through copy_from_guest() and its like. */
typedef struct {
    uint64_t va;
} guest_ptr_t;

/* Code and data that are needed at boot only; what has ended with it is free memory afterwards
 * (`make lint-init` proves that nothing else refers to them). LAGAN_INIT_BSS begins as zeroes. */
#ifdef LAGAN_HOST
#define LAGAN_INIT
#define LAGAN_INIT_DATA
#define LAGAN_INIT_BSS
#else
#define LAGAN_INIT      __attribute__((section(".init.text")))
#define LAGAN_INIT_DATA __attribute__((section(".init.data")))
#define LAGAN_INIT_BSS  __attribute__((section(".bss.init")))
#endif

#define LAGAN_MUST_CHECK   __attribute__((warn_unused_result))
#define LAGAN_NORETURN     __attribute__((noreturn))
#define LAGAN_NOINLINE     __attribute__((noinline)) /* keeps a rare path's needs off a frequent one */
#define LAGAN_INLINE       inline __attribute__((always_inline)) /* of a frequent path, at each use */
#define LAGAN_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define LAGAN_PACKED       __attribute__((packed))
#define LAGAN_ALIGNED(n)   __attribute__((aligned(n)))

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define STATIC_ASSERT(cond)             _Static_assert(cond, #cond)
#define ARRAY_SIZE(a)                   (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

static inline mfn_t mfn(uint64_t n)
{
    return (mfn_t){n};
}

static inline gfn_t gfn(uint64_t n)
{
    return (gfn_t){n};
}

static inline guest_ptr_t guest_ptr(uint64_t va)
{
    return (guest_ptr_t){va};
}

static inline bool mfn_equal(mfn_t a, mfn_t b)
{
    return a.n == b.n;
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* True when the sum or product does not fit; *r is then unspecified. */
static inline bool add_overflows(uint64_t a, uint64_t b, uint64_t *r)
{
    return __builtin_add_overflow(a, b, r);
}

static inline bool mul_overflows(uint64_t a, uint64_t b, uint64_t *r)
{
    return __builtin_mul_overflow(a, b, r);
}
