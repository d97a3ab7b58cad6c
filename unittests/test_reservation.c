/* SPDX-License-Identifier: MIT
 *
 * memory_op on one's own memory: counts, orders, limits, preemption, and a guest whose other vCPU
 * gives memory back while it is being handed out.
 */
#include <string.h>

#include <lagan/types.h>
#include <xen/memory.h>

#include "mm/frame.h"
#include "unittests/core_world.h"

enum { LIST = 256 };

static struct domain *d;

static void start(uint64_t max_pages)
{
    core_start(3000);
    d = core_domain(2, max_pages);
}

static void end(void)
{
    core_kill(d);
    core_end();
}

static uint64_t *list(void)
{
    return core_at(LIST);
}

static struct xen_memory_reservation *request(uint64_t count, unsigned order)
{
    struct xen_memory_reservation *r = core_at(0);

    memset(r, 0, sizeof(*r));
    r->extent_start.p = (void *)core_va(LIST);
    r->nr_extents = count;
    r->extent_order = order;
    r->domid = DOMID_SELF;
    return r;
}

static int64_t op(uint64_t cmd)
{
    return CORE_CALL(d->vcpu[0], __HYPERVISOR_memory_op, cmd, core_va(0));
}

static void populate_and_decrease(void)
{
    mfn_t m;

    start(100);
    for (unsigned i = 0; i < 10; i++)
        list()[i] = 500 + i;
    request(10, 0);
    CU_ASSERT_EQUAL(op(XENMEM_populate_physmap), 10);
    CU_ASSERT_EQUAL(d->account.pages, 10);
    for (unsigned i = 0; i < 10; i++)
        CU_ASSERT_EQUAL(arch_m2p_get(mfn(list()[i])), 500 + i);
    m = mfn(list()[3]);
    CU_ASSERT(frame_get(m, d->id)); /* still mapped somewhere: it is charged, but has no name */
    CU_ASSERT_EQUAL(op(XENMEM_decrease_reservation), 10);
    CU_ASSERT_EQUAL(d->account.pages, 1);
    CU_ASSERT_EQUAL(arch_m2p_get(m), UINT64_MAX);
    frame_put(m);
    CU_ASSERT_EQUAL(d->account.pages, 0);
    CU_ASSERT_EQUAL(op(XENMEM_decrease_reservation), 0); /* not its own any more */
    core_audit();
    end();
}

static void orders(void)
{
    start(1200);
    list()[0] = 512;
    list()[1] = 1024;
    request(2, 9);
    CU_ASSERT_EQUAL(op(XENMEM_populate_physmap), 2);
    CU_ASSERT_EQUAL(list()[0] % 512, 0);
    CU_ASSERT_EQUAL(arch_m2p_get(mfn(list()[1] + 511)), 1535);
    CU_ASSERT_EQUAL(d->account.pages, 1024);
    request(1, 10);
    CU_ASSERT_EQUAL(op(XENMEM_populate_physmap), 0); /* too large: the caller falls back */
    request(1, UINT32_MAX);
    CU_ASSERT_EQUAL(op(XENMEM_decrease_reservation), 0);
    request(2, 9);
    CU_ASSERT_EQUAL(op(XENMEM_decrease_reservation), 2);
    CU_ASSERT_EQUAL(op(XENMEM_increase_reservation), 2);
    CU_ASSERT_EQUAL(arch_m2p_get(mfn(list()[0])), UINT64_MAX);
    end();
}

static void limits(void)
{
    start(7);
    request(10, 0);
    CU_ASSERT_EQUAL(op(XENMEM_populate_physmap), 7);
    *(domid_t *)core_at(0) = d->id;
    CU_ASSERT_EQUAL(op(XENMEM_current_reservation), 7);
    request(10, 0)->mem_flags = XENMEMF_address_bits(24);
    CU_ASSERT_EQUAL(op(XENMEM_populate_physmap), 0);
    request(1, 0);
    host_fail_after(1);
    CU_ASSERT_EQUAL(op(XENMEM_decrease_reservation), 1);
    CU_ASSERT_EQUAL(op(XENMEM_populate_physmap), 0);
    CU_ASSERT(host_fail_off());
    CU_ASSERT_EQUAL(d->account.pages, 6);
    end();
}

/* What is wrong with the request as a whole is told by the count alone, as Xen does. */
static void bad_requests(void)
{
    start(50);
    request(1, 0)->domid = 77;
    CU_ASSERT_EQUAL(op(XENMEM_populate_physmap), 0);
    d->privileged = true;
    CU_ASSERT_EQUAL(op(XENMEM_populate_physmap), 0);
    d->privileged = false;
    request(UINT64_MAX, 0);
    CU_ASSERT_EQUAL(op(XENMEM_populate_physmap), 0);
    request(4, 0)->extent_start.p = (void *)CORE_HV;
    CU_ASSERT_EQUAL(op(XENMEM_populate_physmap), 0);
    request(4, 0)->extent_start.p = (void *)CORE_BAD;
    CU_ASSERT_EQUAL(op(XENMEM_populate_physmap), 0);
    request(4, 0)->mem_flags = XENMEMF_populate_on_demand;
    CU_ASSERT_EQUAL(op(XENMEM_populate_physmap), 0);
    request(4, 0)->mem_flags = XENMEMF_exact_node(3);
    CU_ASSERT_EQUAL(op(XENMEM_populate_physmap), 0);
    CU_ASSERT_EQUAL(d->account.pages, 0);
    request(4, 0);
    CU_ASSERT_EQUAL(op(XENMEM_populate_physmap | 5 << 6), 5); /* past the end: nothing left */
    CU_ASSERT_EQUAL(d->account.pages, 0);
    CU_ASSERT_EQUAL(op(XENMEM_populate_physmap | 3 << 6), 4); /* only the last */
    CU_ASSERT_EQUAL(d->account.pages, 1);
    CU_ASSERT_EQUAL(
        CORE_CALL(d->vcpu[0], __HYPERVISOR_memory_op, XENMEM_populate_physmap, CORE_BAD), 0);
    list()[0] = UINT64_MAX;
    list()[1] = arch_frame_of(d->shared_info).n;
    request(1, 3);
    CU_ASSERT_EQUAL(op(XENMEM_decrease_reservation), 0);
    list()[0] = list()[1];
    request(1, 0);
    CU_ASSERT_EQUAL(op(XENMEM_decrease_reservation), 0); /* lent, not given */
    CU_ASSERT_EQUAL(op(40), -XEN_ENOSYS);
    core_audit();
    end();
}

/* What may be asked for all the same: the only node, and frames whose numbers nobody wants. */
static void accepted_flags(void)
{
    start(50);
    request(1, 0)->mem_flags = XENMEMF_exact_node(0);
    CU_ASSERT_EQUAL(op(XENMEM_populate_physmap), 1);
    request(1, 0)->mem_flags = XENMEMF_node(5);
    CU_ASSERT_EQUAL(op(XENMEM_populate_physmap), 1);
    request(1, 0)->mem_flags = XENMEMF_vnode | XENMEMF_address_bits(32);
    CU_ASSERT_EQUAL(op(XENMEM_populate_physmap), 1);
    request(3, 1)->extent_start.p = NULL;
    CU_ASSERT_EQUAL(op(XENMEM_populate_physmap), 0);
    CU_ASSERT_EQUAL(op(XENMEM_increase_reservation), 3);
    CU_ASSERT_EQUAL(d->account.pages, 9);
    end();
}

/* The control domain does it for others. */
static void for_another(void)
{
    struct domain *other;

    start(50);
    other = core_domain(1, 20);
    request(25, 0)->domid = other->id;
    CU_ASSERT_EQUAL(op(XENMEM_populate_physmap), 0);
    d->privileged = true;
    CU_ASSERT_EQUAL(op(XENMEM_populate_physmap), 20);
    CU_ASSERT_EQUAL(other->account.pages, 20);
    CU_ASSERT_EQUAL(d->account.pages, 0);
    request(7, 0)->domid = other->id;
    CU_ASSERT_EQUAL(op(XENMEM_decrease_reservation), 7);
    CU_ASSERT_EQUAL(other->account.pages, 13);
    CU_ASSERT_EQUAL(other->refs, 2);
    core_kill(other);
    end();
}

static void preempted(void)
{
    start(100);
    request(30, 0);
    host_preempt_every(1);
    CU_ASSERT_EQUAL(op(XENMEM_populate_physmap), 30);
    CU_ASSERT_EQUAL(core_restarts, 29);
    CU_ASSERT_EQUAL(op(XENMEM_decrease_reservation), 30);
    host_preempt_every(0);
    CU_ASSERT_EQUAL(d->account.pages, 0);
    end();
}

/* The list cannot be written: what was taken goes back. */
static void result_faults(void)
{
    start(100);
    request(3, 2)->extent_start.p = (void *)CORE_READONLY;
    CU_ASSERT_EQUAL(op(XENMEM_populate_physmap), 0);
    CU_ASSERT_EQUAL(d->account.pages, 0);
    end();
}

/* Between two copies another vCPU gives back a frame that it has guessed. */
static mfn_t guessed;
static void give_back(void)
{
    guessed = mfn(d->account.first);
    CU_ASSERT_EQUAL(account_release(&d->account, guessed), 0);
}
static void arm(void)
{
    core_during_copy = give_back;
}

static void gives_back_meanwhile(void)
{
    start(100);
    request(1, 2)->extent_start.p = (void *)CORE_READONLY;
    /* increase: one copy for the request, the next one writes the result. */
    core_during_copy = arm;
    CU_ASSERT_EQUAL(op(XENMEM_increase_reservation), 0);
    CU_ASSERT_PTR_NULL(core_during_copy);
    CU_ASSERT_EQUAL(d->account.pages, 0);
    core_audit();
    end();
}

static void queries(void)
{
    struct domain *other;
    struct xen_machphys_mapping *map = core_at(64);

    start(50);
    other = core_domain(1, 20);
    *(domid_t *)core_at(0) = DOMID_SELF;
    CU_ASSERT_EQUAL(op(XENMEM_maximum_reservation), 50);
    *(domid_t *)core_at(0) = other->id;
    CU_ASSERT_EQUAL(op(XENMEM_maximum_reservation), -XEN_EPERM);
    d->privileged = true;
    CU_ASSERT_EQUAL(op(XENMEM_maximum_reservation), 20);
    *(domid_t *)core_at(0) = 99;
    CU_ASSERT_EQUAL(op(XENMEM_maximum_reservation), -XEN_ESRCH);
    CU_ASSERT_EQUAL(op(XENMEM_maximum_ram_page), (int64_t)arch_max_mfn());
    *(domid_t *)core_at(0) = DOMID_SELF;
    CU_ASSERT_EQUAL(op(XENMEM_maximum_gpfn), 0);
    d->shared_info->arch.max_pfn = 4000;
    CU_ASSERT_EQUAL(op(XENMEM_maximum_gpfn), 3999);
    CU_ASSERT_EQUAL(
        CORE_CALL(d->vcpu[0], __HYPERVISOR_memory_op, XENMEM_machphys_mapping, core_va(64)), 0);
    CU_ASSERT_EQUAL(map->v_start, MACH2PHYS_VIRT_START);
    CU_ASSERT_EQUAL(other->refs, 2);
    core_kill(other);
    end();
}

static const struct test_case cases[] = {
    {"populate and decrease", populate_and_decrease},
    {"orders", orders},
    {"limits", limits},
    {"bad requests", bad_requests},
    {"flags that are accepted", accepted_flags},
    {"for another domain", for_another},
    {"preempted", preempted},
    {"the result cannot be written", result_faults},
    {"memory is given back meanwhile", gives_back_meanwhile},
    {"queries", queries},
    {NULL, NULL},
};

const struct suite suite_reservation = {"reservation", cases, NULL, NULL};
