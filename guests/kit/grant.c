/* SPDX-License-Identifier: MIT
 *
 * See grant.h. The table is mapped over pages of the image.
 */
#include "kit/grant.h"
#include "kit/event.h"
#include "kit/page.h"

static uint8_t table[GRANT_FRAMES_MAX][PAGE_SIZE] PAGE_ALIGNED;
static uint8_t status[PAGE_SIZE] PAGE_ALIGNED;

static long map_frames(const xen_pfn_t *frames, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        long rc = page_map(table[i], frames[i], PTE_P | PTE_W | PTE_U | PTE_A | PTE_D);

        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

long grant_begin(unsigned frames)
{
    static xen_pfn_t list[GRANT_FRAMES_MAX];
    struct gnttab_setup_table op = {.dom = DOMID_SELF, .nr_frames = frames};
    long rc;

    set_xen_guest_handle(op.frame_list, list);
    rc = hv_grant(GNTTABOP_setup_table, &op, 1);
    if (rc == 0) {
        rc = op.status;
    }
    return rc != 0 ? rc : map_frames(list, frames);
}

long grant_map_status(void)
{
    static uint64_t list[1];
    struct gnttab_get_status_frames op = {.dom = DOMID_SELF, .nr_frames = 1};
    long rc;

    set_xen_guest_handle(op.frame_list, list);
    rc = hv_grant(GNTTABOP_get_status_frames, &op, 1);
    if (rc == 0) {
        rc = op.status;
    }
    return rc != 0 ? rc : page_map(status, list[0], PTE_P | PTE_W | PTE_U | PTE_A | PTE_D);
}

volatile grant_entry_v1_t *grant_v1(grant_ref_t ref)
{
    return (volatile grant_entry_v1_t *)(void *)table + ref;
}

volatile union grant_entry_v2 *grant_v2(grant_ref_t ref)
{
    return (volatile union grant_entry_v2 *)(void *)table + ref;
}

volatile grant_status_t *grant_status(grant_ref_t ref)
{
    return (volatile grant_status_t *)(void *)status + ref;
}

void grant_access(grant_ref_t ref, uint16_t domain, const volatile void *va, uint16_t more_flags)
{
    volatile grant_entry_v1_t *e = grant_v1(ref);

    e->domid = domain;
    e->frame = (uint32_t)va_to_mfn(va);
    __atomic_store_n(&e->flags, (uint16_t)(GTF_permit_access | more_flags), __ATOMIC_SEQ_CST);
}

bool grant_end(grant_ref_t ref)
{
    volatile grant_entry_v1_t *e = grant_v1(ref);
    uint16_t flags = e->flags;

    return !(flags & (GTF_reading | GTF_writing)) &&
           __atomic_compare_exchange_n(&e->flags, &flags, 0, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

uint16_t own_domain(void)
{
    struct evtchn_status status_of = {0};
    uint32_t port;

    if (event_alloc_unbound(DOMID_SELF, DOMID_SELF, &port) != 0) {
        return DOMID_INVALID;
    }
    (void)event_status(port, &status_of);
    (void)event_close(port);
    return status_of.u.unbound.dom;
}

int grant_map(uint16_t domain, grant_ref_t ref, void *va, uint32_t flags, grant_handle_t *handle)
{
    struct gnttab_map_grant_ref op = {
        .host_addr = (uint64_t)va, .flags = flags, .ref = ref, .dom = domain, .status = 1};
    long rc = hv_grant(GNTTABOP_map_grant_ref, &op, 1);

    if (handle != NULL) {
        *handle = op.handle;
    }
    return rc != 0 ? (int)rc - 1000 : op.status;
}

int grant_unmap(grant_handle_t handle, const volatile void *va)
{
    struct gnttab_unmap_grant_ref op = {.host_addr = (uint64_t)va, .handle = handle, .status = 1};
    long rc = hv_grant(GNTTABOP_unmap_grant_ref, &op, 1);

    return rc != 0 ? (int)rc - 1000 : op.status;
}

int grant_copy(struct gnttab_copy *op)
{
    long rc;

    op->status = 1;
    rc = hv_grant(GNTTABOP_copy, op, 1);
    return rc != 0 ? (int)rc - 1000 : op->status;
}
