/* SPDX-License-Identifier: MIT
 *
 * A host machine whose RAM is all in the heap.
 */
#include "mm/heap.h"
#include "unittests/arch/host.h"
#include "unittests/arch/host_tlb.h"

void host_heap(uint64_t low, uint64_t high)
{
    host_reset(low, high);
    host_tlb_reset();
    heap_init();
    heap_add(mfn(HOST_LOW_START), mfn(HOST_LOW_START + low));
    heap_add(mfn(HOST_HIGH_START), mfn(HOST_HIGH_START + high));
}
