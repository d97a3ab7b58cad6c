/* SPDX-License-Identifier: MIT
 *
 * memory_op: maps of memory, where the machine-to-physical table is, and what is refused.
 */
#include <stdlib.h>
#include <string.h>

#include <lagan/arch.h>
#include <xen/memory.h>

#include "mm/claim.h"
#include "unittests/core_world.h"
#include "xen/memory_map.h"

enum { BUFFER = 1024 };

static struct domain *d, *other;

static void start(bool privileged)
{
    core_start(3000);
    d = core_domain(1, 100);
    d->privileged = privileged;
    other = core_domain(1, 50);
}

static void end(void)
{
    core_kill(other);
    core_kill(d);
    core_end();
}

static struct memory_piece *piece(unsigned i)
{
    return (struct memory_piece *)core_at(BUFFER) + i;
}

static int64_t op(unsigned cmd)
{
    return CORE_CALL(d->vcpu[0], __HYPERVISOR_memory_op, cmd, core_va(0));
}

static unsigned map_op(unsigned cmd, unsigned entries, int64_t want)
{
    struct xen_memory_map *m = core_at(0);

    m->nr_entries = entries;
    m->buffer.p = (void *)core_va(BUFFER);
    memset(piece(0), 0x55, 4 * sizeof(struct memory_piece));
    CU_ASSERT_EQUAL(op(cmd), want);
    return m->nr_entries;
}

static int64_t set(domid_t id, unsigned entries)
{
    struct xen_foreign_memory_map *m = core_at(0);

    m->domid = id;
    m->map.nr_entries = entries;
    m->map.buffer.p = (void *)core_va(BUFFER);
    for (unsigned i = 0; i < entries && i < MEMORY_MAP_MAX; i++)
        *piece(i) = (struct memory_piece){i * PAGE_SIZE, PAGE_SIZE, 1 + i % 2};
    return op(XENMEM_set_memory_map);
}

/* What a domain without a map of its own sees: its limit. */
static void map_by_limit(void)
{
    start(false);
    CU_ASSERT_EQUAL(map_op(XENMEM_memory_map, 4, 0), 1);
    CU_ASSERT_EQUAL(piece(0)->start, 0);
    CU_ASSERT_EQUAL(piece(0)->bytes, 100 * PAGE_SIZE);
    CU_ASSERT_EQUAL(piece(0)->type, 1);
    CU_ASSERT_EQUAL(piece(1)->type, 0x55555555);
    CU_ASSERT_EQUAL(map_op(XENMEM_memory_map, 0, 0), 0);
    CU_ASSERT_EQUAL(piece(0)->type, 0x55555555);
    ((struct xen_memory_map *)core_at(0))->nr_entries = 1;
    ((struct xen_memory_map *)core_at(0))->buffer.p = (void *)CORE_BAD;
    CU_ASSERT_EQUAL(op(XENMEM_memory_map), -XEN_EFAULT);
    CU_ASSERT_EQUAL(CORE_CALL(d->vcpu[0], __HYPERVISOR_memory_op, XENMEM_memory_map, CORE_BAD),
                    -XEN_EFAULT);
    d->privileged = true;
    (void)map_op(XENMEM_memory_map, 4, -XEN_ENOSYS);
    end();
}

static void map_that_was_set(void)
{
    start(true);
    CU_ASSERT_EQUAL(set(DOMID_SELF, 3), 0);
    CU_ASSERT_EQUAL(map_op(XENMEM_memory_map, 2, 0), 2);
    CU_ASSERT_EQUAL(piece(1)->start, PAGE_SIZE);
    CU_ASSERT_EQUAL(piece(1)->type, 2);
    CU_ASSERT_EQUAL(piece(2)->type, 0x55555555);
    CU_ASSERT_EQUAL(map_op(XENMEM_memory_map, 4, 0), 3);
    CU_ASSERT_EQUAL(set(DOMID_SELF, MEMORY_MAP_MAX), 0);
    CU_ASSERT_EQUAL(map_op(XENMEM_memory_map, 4, 0), 4);
    CU_ASSERT_EQUAL(set(DOMID_SELF, MEMORY_MAP_MAX + 1), -XEN_EINVAL);
    CU_ASSERT_EQUAL(set(99, 1), -XEN_ESRCH);
    host_fail_after(1);
    CU_ASSERT_EQUAL(set(DOMID_SELF, 1), -XEN_ENOMEM);
    CU_ASSERT_TRUE(host_fail_off());
    CU_ASSERT_EQUAL(d->memory_map->count, MEMORY_MAP_MAX);
    CU_ASSERT_EQUAL(set(DOMID_SELF, 0), 0);
    (void)map_op(XENMEM_memory_map, 4, -XEN_ENOSYS);
    CU_ASSERT_EQUAL(set(other->id, 2), 0); /* goes with the domain */
    CU_ASSERT_EQUAL(other->memory_map->piece[1].start, PAGE_SIZE);
    ((struct xen_foreign_memory_map *)core_at(0))->map.buffer.p = (void *)CORE_BAD;
    CU_ASSERT_EQUAL(op(XENMEM_set_memory_map), -XEN_EFAULT);
    CU_ASSERT_EQUAL(other->memory_map->count, 2);
    d->privileged = false;
    CU_ASSERT_EQUAL(set(other->id, 2), -XEN_EPERM);
    CU_ASSERT_EQUAL(set(DOMID_SELF, 2), -XEN_EPERM);
    end();
}

static void map_of_the_machine(void)
{
    struct xen_memory_map *m = core_at(0);

    start(true);
    CU_ASSERT_EQUAL(map_op(XENMEM_machine_memory_map, 4, 0), 2);
    CU_ASSERT_EQUAL(piece(1)->start, 0x1000000);
    CU_ASSERT_EQUAL(piece(1)->bytes, 0x800000);
    CU_ASSERT_EQUAL(piece(1)->type, 2);
    CU_ASSERT_EQUAL(map_op(XENMEM_machine_memory_map, 2, 0), 2);
    CU_ASSERT_EQUAL(map_op(XENMEM_machine_memory_map, 1, -XEN_EINVAL), 1);
    m->nr_entries = 0;
    m->buffer.p = NULL;
    CU_ASSERT_EQUAL(op(XENMEM_machine_memory_map), 0);
    CU_ASSERT_EQUAL(m->nr_entries, 2);
    m->buffer.p = (void *)CORE_BAD;
    CU_ASSERT_EQUAL(op(XENMEM_machine_memory_map), -XEN_EFAULT);
    d->privileged = false;
    (void)map_op(XENMEM_machine_memory_map, 4, -XEN_EPERM);
    end();
}

static void frames_of_the_m2p(void)
{
    struct xen_machphys_mfn_list *l = core_at(0);
    uint64_t *frame = core_at(BUFFER);

    start(false);
    l->max_extents = 8;
    l->extent_start.p = (void *)core_va(BUFFER);
    CU_ASSERT_EQUAL(op(XENMEM_machphys_mfn_list), 0);
    CU_ASSERT_EQUAL(l->nr_extents, arch_m2p_extent_count());
    for (unsigned i = 0; i < l->nr_extents; i++)
        CU_ASSERT_EQUAL(frame[i], arch_m2p_extent(i).n);
    frame[1] = 77;
    l->max_extents = 1;
    CU_ASSERT_EQUAL(op(XENMEM_machphys_mfn_list), 0);
    CU_ASSERT_EQUAL(l->nr_extents, 1);
    CU_ASSERT_EQUAL(frame[1], 77);
    l->extent_start.p = (void *)CORE_BAD;
    CU_ASSERT_EQUAL(op(XENMEM_machphys_mfn_list), -XEN_EFAULT);
    CU_ASSERT_EQUAL(op(XENMEM_machphys_compat_mfn_list), -XEN_EOPNOTSUPP);
    CU_ASSERT_EQUAL(
        CORE_CALL(d->vcpu[0], __HYPERVISOR_memory_op, XENMEM_machphys_mfn_list, CORE_BAD),
        -XEN_EFAULT);
    end();
}

/* Operation, offset of the domain's number in its argument, answer for oneself, for another, for a
 * guest that names another. */
static void refusals(void)
{
    static const struct {
        unsigned op;
        size_t domid;
        int self, foreign, unprivileged;
    } refused[] = {
        {XENMEM_add_to_physmap, offsetof(struct xen_add_to_physmap, domid), -XEN_EACCES,
         -XEN_EACCES, -XEN_EPERM},
        {XENMEM_add_to_physmap_batch, offsetof(struct xen_add_to_physmap_batch, domid), -XEN_EACCES,
         -XEN_EACCES, -XEN_EPERM},
        {XENMEM_remove_from_physmap, offsetof(struct xen_remove_from_physmap, domid), -XEN_EACCES,
         -XEN_EACCES, -XEN_EPERM},
        {XENMEM_get_pod_target, offsetof(struct xen_pod_target, domid), -XEN_EINVAL, -XEN_EINVAL,
         -XEN_EPERM},
        {XENMEM_set_pod_target, offsetof(struct xen_pod_target, domid), -XEN_EINVAL, -XEN_EINVAL,
         -XEN_EPERM},
        {XENMEM_access_op, offsetof(struct xen_mem_access_op, domid), -XEN_ESRCH, -XEN_ENODEV,
         -XEN_EPERM},
        {XENMEM_acquire_resource, offsetof(struct xen_mem_acquire_resource, domid), -XEN_ESRCH,
         -XEN_EOPNOTSUPP, -XEN_EPERM}, /* of type 0, an emulator's pages */
        {XENMEM_get_vnumainfo, offsetof(struct xen_vnuma_topology_info, domid), -XEN_EOPNOTSUPP,
         -XEN_EOPNOTSUPP, -XEN_EPERM},
    };
    start(true);
    for (unsigned i = 0; i < ARRAY_SIZE(refused); i++) {
        domid_t *id = core_at(refused[i].domid);

        memset(core_at(0), 0, 256);
        *id = DOMID_SELF;
        CU_ASSERT_EQUAL(op(refused[i].op), refused[i].self);
        *id = other->id;
        CU_ASSERT_EQUAL(op(refused[i].op), refused[i].foreign);
        d->privileged = false;
        CU_ASSERT_EQUAL(op(refused[i].op), refused[i].unprivileged);
        d->privileged = true;
        *id = 999;
        CU_ASSERT_EQUAL(op(refused[i].op), -XEN_ESRCH);
        CU_ASSERT_EQUAL(CORE_CALL(d->vcpu[0], __HYPERVISOR_memory_op, refused[i].op, CORE_BAD),
                        -XEN_EFAULT);
    }
    CU_ASSERT_EQUAL(other->refs, 2);
    CU_ASSERT_EQUAL(op(XENMEM_paging_op), -XEN_ENOSYS);
    CU_ASSERT_EQUAL(op(XENMEM_sharing_op), -XEN_ENOSYS);
    CU_ASSERT_EQUAL(op(XENMEM_get_sharing_freed_pages), 0);
    end();
}

/* The answer depends on more than the domain. */
static void refusals_by_kind(void)
{
    struct xen_add_to_physmap *add = core_at(0);
    struct xen_add_to_physmap_batch *batch = core_at(0);
    struct xen_vnuma_topology_info *vnuma = core_at(0);
    struct xen_reserved_device_memory_map *devices = core_at(0);

    start(false);
    *add = (struct xen_add_to_physmap){.domid = DOMID_SELF, .space = XENMAPSPACE_gmfn_foreign};
    CU_ASSERT_EQUAL(op(XENMEM_add_to_physmap), -XEN_ENOSYS);
    *batch =
        (struct xen_add_to_physmap_batch){.domid = DOMID_SELF, .space = XENMAPSPACE_gmfn_range};
    CU_ASSERT_EQUAL(op(XENMEM_add_to_physmap_batch), -XEN_EOPNOTSUPP);
    *vnuma = (struct xen_vnuma_topology_info){.domid = DOMID_SELF, .pad = 1};
    CU_ASSERT_EQUAL(op(XENMEM_get_vnumainfo), -XEN_EINVAL);
    *devices = (struct xen_reserved_device_memory_map){.flags = 1, .nr_entries = 7};
    CU_ASSERT_EQUAL(op(XENMEM_reserved_device_memory_map), 0);
    CU_ASSERT_EQUAL(devices->nr_entries, 0);
    devices->flags = 2;
    CU_ASSERT_EQUAL(op(XENMEM_reserved_device_memory_map), -XEN_EINVAL);
    *(domid_t *)core_at(offsetof(struct xen_mem_access_op, domid)) = d->id;
    CU_ASSERT_EQUAL(op(XENMEM_access_op), -XEN_EPERM);
    end();
}

static int64_t acquire(uint32_t id, uint64_t frame, uint32_t count)
{
    struct xen_mem_acquire_resource *r = core_at(0);

    *r = (struct xen_mem_acquire_resource){.domid = other->id,
                                           .type = XENMEM_resource_grant_table,
                                           .id = id,
                                           .frame = frame,
                                           .nr_frames = count};
    if (count)
        r->frame_list.p = (void *)core_va(1024);
    return op(XENMEM_acquire_resource);
}

/* Frames of a grant table, for the control domain to map: the table grows as by its own use. */
static void grant_frames(void)
{
    struct xen_mem_acquire_resource *r = core_at(0);
    uint64_t *list = core_at(1024);

    start(true);
    CU_ASSERT_EQUAL(acquire(0, 0, 0), 0);
    CU_ASSERT_EQUAL(r->nr_frames, GRANT_FRAMES_DEFAULT);
    CU_ASSERT_EQUAL(acquire(1, 0, 0), 0);
    CU_ASSERT_EQUAL(r->nr_frames, GRANT_FRAMES_DEFAULT / 8);
    for (unsigned period = 0; period < 3; period++) {
        host_preempt_every(period);
        CU_ASSERT_EQUAL(acquire(0, 1, 5), 0);
        host_preempt_every(0);
        CU_ASSERT_EQUAL(grant_frame_count(other->grants), 6);
        for (unsigned i = 0; i < 5; i++)
            CU_ASSERT_EQUAL(list[i], grant_frame(other->grants, 1 + i).n);
    }
    CU_ASSERT_EQUAL(core_restarts, 6);
    CU_ASSERT_EQUAL(acquire(2, 0, 1), -XEN_EINVAL);
    CU_ASSERT_EQUAL(acquire(0, GRANT_FRAMES_DEFAULT, 1), -XEN_EINVAL);
    CU_ASSERT_EQUAL(acquire(0, GRANT_FRAMES_DEFAULT + 1, 0xffffffff), -XEN_EINVAL);
    CU_ASSERT_EQUAL(acquire(0, 1, GRANT_FRAMES_DEFAULT), -XEN_EINVAL);
    CU_ASSERT_EQUAL(acquire(0, UINT64_MAX, 2), -XEN_EINVAL);
    CU_ASSERT_EQUAL(acquire(1, 0, 1), -XEN_EINVAL); /* no status words in version 1 */
    CU_ASSERT_EQUAL(grant_set_version(other->grants, 2), 0);
    CU_ASSERT_EQUAL(acquire(1, 0, 2), 0);
    CU_ASSERT_EQUAL(list[0], grant_status_frame(other->grants, 0).n);
    CU_ASSERT_EQUAL(list[1], grant_status_frame(other->grants, 1).n);
    CU_ASSERT_EQUAL(grant_frame_count(other->grants), 9);
    (void)acquire(0, 0, 1);
    r->nr_frames = 0;
    CU_ASSERT_EQUAL(op(XENMEM_acquire_resource), -XEN_EINVAL); /* a list, but no frames */
    (void)acquire(0, 0, 1);
    r->frame_list.p = (void *)CORE_BAD;
    CU_ASSERT_EQUAL(op(XENMEM_acquire_resource), -XEN_EFAULT);
    (void)acquire(0, 0, 1);
    r->pad = 1;
    CU_ASSERT_EQUAL(op(XENMEM_acquire_resource), -XEN_EINVAL);
    host_fail_after(1);
    CU_ASSERT_EQUAL(acquire(0, 20, 1), -XEN_ENOMEM);
    CU_ASSERT(host_fail_off());
    d->privileged = false;
    CU_ASSERT_EQUAL(acquire(0, 0, 1), -XEN_EPERM);
    end();
}

static int64_t claim(domid_t id, uint64_t pages)
{
    struct xen_memory_reservation *r = core_at(0);

    *r = (struct xen_memory_reservation){.nr_extents = pages, .domid = id};
    return op(XENMEM_claim_pages);
}

static void claims(void)
{
    struct xen_memory_reservation *r = core_at(0);
    mfn_t m;

    start(true);
    CU_ASSERT_EQUAL(claim(other->id, 30), 0);
    CU_ASSERT_EQUAL(heap_claimed_pages(), 30);
    m = core_frame(other);
    CU_ASSERT_EQUAL(heap_claimed_pages(), 29);
    CU_ASSERT_EQUAL(account_release(&other->account, m), 0);
    CU_ASSERT_EQUAL(claim(other->id, 51), -XEN_EINVAL); /* over its limit */
    CU_ASSERT_EQUAL(claim(999, 10), -XEN_EINVAL);
    CU_ASSERT_EQUAL(claim(DOMID_SELF, 10), -XEN_EINVAL);
    (void)claim(other->id, 10);
    r->mem_flags = 1;
    CU_ASSERT_EQUAL(op(XENMEM_claim_pages), -XEN_EINVAL);
    r->mem_flags = 0;
    r->extent_order = 1;
    CU_ASSERT_EQUAL(op(XENMEM_claim_pages), -XEN_EINVAL);
    r->extent_order = 0;
    r->extent_start.p = core_at(0);
    CU_ASSERT_EQUAL(op(XENMEM_claim_pages), -XEN_EINVAL);
    CU_ASSERT_EQUAL(CORE_CALL(d->vcpu[0], __HYPERVISOR_memory_op, XENMEM_claim_pages, CORE_BAD),
                    -XEN_EFAULT);
    other->account.max_pages = 5000;
    CU_ASSERT_EQUAL(claim(other->id, 4000), -XEN_ENOMEM);
    CU_ASSERT_EQUAL(heap_claimed_pages(), 10);
    d->privileged = false;
    CU_ASSERT_EQUAL(claim(other->id, 10), -XEN_EPERM);
    end(); /* what is claimed for a dying domain is everybody's again: core_end() looks */
}

/* Lives of domains with some memory and a claim, their ends preempted: 200, or LAGAN_LIVES. Nothing is
 * left of any of them. */
static void many_lives(void)
{
    const char *given = getenv("LAGAN_LIVES");
    unsigned long lives = given ? strtoul(given, NULL, 0) : 200;
    uint64_t free = 0;

    core_start(3000);
    for (unsigned long i = 0; i < lives; i++) {
        struct domain *one = core_domain(1 + (unsigned)i % 4, 200);
        uint64_t frames = i % 37;

        while (frames-- > 0)
            (void)core_frame(one);
        if (i % 3)
            CU_ASSERT_EQUAL(claim_set(&one->account, 190), 0);
        host_preempt_every((unsigned)i % 5);
        core_kill(one);
        host_preempt_every(0);
        slab_trim();
        if (i == 0)
            free = heap_free_pages();
        CU_ASSERT_EQUAL(heap_free_pages(), free);
        CU_ASSERT_EQUAL(heap_claimed_pages(), 0);
    }
    core_end();
}

static const struct test_case cases[] = {
    {"map by the limit", map_by_limit},
    {"map that was set", map_that_was_set},
    {"map of the machine", map_of_the_machine},
    {"frames of the machine-to-physical table", frames_of_the_m2p},
    {"refusals", refusals},
    {"refusals by kind", refusals_by_kind},
    {"frames of a grant table", grant_frames},
    {"claims", claims},
    {"many lives", many_lives},
    {NULL, NULL},
};

const struct suite suite_memory_op = {"memory_op", cases, NULL, NULL};
