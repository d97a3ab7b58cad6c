/* SPDX-License-Identifier: MIT
 *
 * pcache_op as a guest makes it: what is read and written, who may, batches that are interrupted.
 */
#include <string.h>

#include <lagan/arch.h>
#include "include/public/lagan/pcache.h"
#include "unittests/core_world.h"

static int64_t call(unsigned cmd, uint64_t arg, unsigned count)
{
    return core_call(LAGAN_HYPERVISOR_pcache_op, cmd, arg, count, 0, 0);
}
