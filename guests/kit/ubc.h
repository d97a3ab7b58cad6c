/* SPDX-License-Identifier: MIT
 *
 * The unified buffer cache, as a guest calls it (public/lagan/ubc.h).
 */
#pragma once

#include <lagan/ubc.h>

#include "kit/hypercall.h"

static inline long hv_ubc(unsigned cmd, uint64_t volume, void *arg, unsigned count, uint64_t epoch)
{
    return hypercall5(LAGAN_HYPERVISOR_ubc_op, cmd, volume, ptr_arg(arg), count, epoch);
}

/* Lists of one entry: its status, or the call's error. */
static inline long ubc_insert(uint64_t volume, struct lagan_ubc_insert *op, uint64_t epoch)
{
    long rc = hv_ubc(LAGAN_UBC_insert, volume, op, 1, epoch);

    return rc ? rc : op->status;
}

static inline long ubc_map(uint64_t volume, struct lagan_ubc_map *op)
{
    long rc = hv_ubc(LAGAN_UBC_map, volume, op, 1, 0);

    return rc ? rc : op->status;
}

static inline long ubc_unmap(uint64_t volume, uint32_t handle)
{
    struct lagan_ubc_unmap op = {.handle = handle};
    long rc = hv_ubc(LAGAN_UBC_unmap, volume, &op, 1, 0);

    return rc ? rc : op.status;
}

static inline long ubc_read(uint64_t volume, uint64_t block, void *to, uint16_t offset,
                            uint16_t length)
{
    struct lagan_ubc_read op = {
        .block = block, .address = (uint64_t)to, .offset = offset, .length = length};
    long rc = hv_ubc(LAGAN_UBC_read, volume, &op, 1, 0);

    return rc ? rc : op.status;
}
