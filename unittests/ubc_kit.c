/* SPDX-License-Identifier: MIT
 *
 * See ubc_kit.h.
 */
#include <string.h>

#include "mm/spare.h"
#include "unittests/ubc_kit.h"

struct ubc_domain ud[UBC_DOMAINS];
uint64_t ubc_told;
static struct account accounts[UBC_DOMAINS];
static uint64_t free_at_start;

enum { PAGES = 400 };

static void start_domain(unsigned d)
{
    ud[d].account = &accounts[d];
    CU_ASSERT_EQUAL_FATAL(account_init(&accounts[d], (domid_t)(d + 3), PAGES), 0);
    kit_space_build(&accounts[d], &ud[d].space);
    host_preempt_every(0);
    CU_ASSERT_EQUAL_FATAL(table_pin(&accounts[d], ud[d].space.l4, 4), 0);
    ubc_client_init(&ud[d].client, &accounts[d]);
    host_tlb_load(d, &accounts[d], ud[d].space.l4);
}

void ubc_start(void)
{
    kit_start(4096);
    CU_ASSERT_TRUE_FATAL(spare_init());
    CU_ASSERT_EQUAL_FATAL(ubc_init(0), 0);
    free_at_start = heap_free_pages();
    for (unsigned d = 0; d < UBC_DOMAINS; d++)
        start_domain(d);
}

void ubc_check(void)
{
    CU_ASSERT_EQUAL(ubc_audit(), 0);
    kit_check(ubc_engine.copies);
}

void ubc_kill(unsigned d)
{
    host_tlb_load(d, NULL, mfn(0));
    kit_relinquish(ud[d].account);
    while (ubc_client_relinquish(&ud[d].client) == -XEN_ERESTART)
        ;
    ubc_check();
}

void ubc_restart(unsigned d)
{
    CU_ASSERT_EQUAL(ud[d].account->pages, 0);
    account_destroy(ud[d].account);
    start_domain(d);
}

void ubc_end(void)
{
    struct lagan_ubc_create out;

    host_fail_off();
    host_preempt_every(0);
    for (unsigned d = 0; d < UBC_DOMAINS; d++)
        ubc_kill(d);
    for (unsigned slot = 0; slot < UBC_VOLUMES; slot++)
        if (ubc_list(slot, &out) == 0)
            CU_ASSERT_EQUAL(do_destroy(out.volume), 0);
    while (ubc_help() == -XEN_ERESTART)
        ;
    for (unsigned slot = 0; slot < UBC_VOLUMES; slot++)
        CU_ASSERT_PTR_NULL(ubc_engine.slot[slot]);
    for (unsigned d = 0; d < UBC_DOMAINS; d++) {
        CU_ASSERT_EQUAL(ud[d].account->pages, 0);
        account_destroy(ud[d].account);
    }
    slab_trim();
    CU_ASSERT_EQUAL(ubc_idle_pages(), 0);
    CU_ASSERT_EQUAL(heap_free_pages(), free_at_start);
    account_destroy(&ubc_engine.account);
    kit_check(0);
}

/* ---- volumes ---- */

static struct ubc_ref ref_of(unsigned d, uint64_t volume)
{
    return (struct ubc_ref){NULL, volume, &ud[d].client, d == UCONTROL};
}

#define CALL(d, volume, call)                                         \
    __extension__({                                                   \
        struct ubc_ref ref = ref_of(d, volume);                       \
        int call_rc = ubc_get(ref.client, ref.control, volume, &ref); \
        if (call_rc == 0) {                                           \
            do                                                        \
                call_rc = (call);                                     \
            while (call_rc == -XEN_ERESTART);                         \
            ubc_put(&ref);                                            \
        }                                                             \
        call_rc;                                                      \
    })

int do_create(struct lagan_ubc_create *in)
{
    return ubc_create(in);
}

uint64_t ubc_make(unsigned name, uint64_t blocks)
{
    struct lagan_ubc_create in = {.id = {(uint8_t)name}, .generation = 1, .blocks = blocks};

    CU_ASSERT_EQUAL_FATAL(ubc_create(&in), 0);
    return in.volume;
}

int ubc_give(uint64_t volume, unsigned d, unsigned rights, unsigned limit)
{
    return CALL(UCONTROL, volume, ubc_allow(&ref, &ud[d].client, rights, limit));
}

static uint64_t share(uint64_t v)
{
    CU_ASSERT_EQUAL_FATAL(ubc_give(v, UPUB, LAGAN_UBC_PUBLISH, 0), 0);
    CU_ASSERT_EQUAL_FATAL(ubc_give(v, UREAD, LAGAN_UBC_READ, 200), 0);
    CU_ASSERT_EQUAL_FATAL(ubc_give(v, UREAD2, LAGAN_UBC_READ, 200), 0);
    return v;
}

uint64_t ubc_make_shared(unsigned name, uint64_t blocks)
{
    return share(ubc_make(name, blocks));
}

uint64_t ubc_make_slotted(unsigned name, uint64_t blocks)
{
    struct lagan_ubc_create in = {
        .id = {(uint8_t)name}, .generation = 1, .blocks = blocks, .flags = LAGAN_UBC_SLOTS};

    CU_ASSERT_EQUAL_FATAL(ubc_create(&in), 0);
    return share(in.volume);
}

int do_open(unsigned d, unsigned name, struct lagan_ubc_open *io)
{
    int rc;

    *io = (struct lagan_ubc_open){.id = {(uint8_t)name}};
    do
        rc = ubc_open(&ud[d].client, d == UCONTROL, io);
    while (rc == -XEN_ERESTART);
    return rc;
}

uint64_t ubc_epoch(unsigned name)
{
    struct lagan_ubc_open io;

    CU_ASSERT_EQUAL_FATAL(do_open(UCONTROL, name, &io), 0);
    return io.epoch;
}

int do_destroy(uint64_t volume)
{
    return CALL(UCONTROL, volume, ubc_destroy(&ref));
}

int do_renew(unsigned d, uint64_t *volume, uint64_t generation, uint64_t blocks)
{
    const struct ubc_volume *v = ubc_engine.slot[*volume % UBC_VOLUMES];
    struct lagan_ubc_create io = {.generation = generation,
                                  .blocks = blocks,
                                  .flags = v && v->has_slots ? LAGAN_UBC_SLOTS : 0};
    int rc = CALL(d, *volume, ubc_renew(&ref, &io));

    if (rc == 0)
        *volume = io.volume;
    return rc;
}

struct lagan_ubc_stats do_stats(uint64_t volume)
{
    struct lagan_ubc_stats out = {0};

    CU_ASSERT_EQUAL(CALL(UCONTROL, volume, ubc_stats(&ref, &out)), 0);
    return out;
}

/* ---- pages ---- */

void ubc_fill(void *page, uint64_t block, uint32_t tag)
{
    uint64_t *word = page;

    for (unsigned i = 0; i < PAGE_SIZE / sizeof(*word); i++)
        word[i] = (uint64_t)tag << 32 | (uint32_t)block;
}

int do_insert_page(unsigned d, uint64_t volume, const struct lagan_ubc_insert *in, uint64_t epoch,
                   const void *content)
{
    mfn_t frame;
    int rc;

    if (!ubc_frame_get(&frame))
        return -XEN_ENOMEM;
    memcpy(arch_map_frame(frame), content, PAGE_SIZE);
    rc = CALL(d, volume, ubc_insert(&ref, in, epoch, frame));
    if (rc)
        ubc_frame_put(frame);
    return rc;
}

int do_insert(unsigned d, uint64_t volume, uint64_t block, uint64_t epoch, uint32_t tag)
{
    struct lagan_ubc_insert in = {.block = block};
    uint64_t content[PAGE_SIZE / sizeof(uint64_t)];

    ubc_fill(content, block, tag);
    return do_insert_page(d, volume, &in, epoch, content);
}

int do_donate(unsigned d, uint64_t volume, uint64_t block, uint64_t epoch, mfn_t m)
{
    struct lagan_ubc_insert in = {.block = block, .address = m.n, .flags = LAGAN_UBC_DONATE};

    return CALL(d, volume, ubc_donate(&ref, &in, epoch));
}

int do_map_op(unsigned d, uint64_t volume, struct lagan_ubc_map *op)
{
    return CALL(d, volume, ubc_map(&ref, ud[d].space.l4, op));
}

int do_map_block(unsigned d, uint64_t volume, uint64_t block, unsigned n, uint32_t *handle)
{
    struct lagan_ubc_map op = {.block = block, .address = ubc_va(n)};
    int rc = do_map_op(d, volume, &op);

    if (rc == 0)
        *handle = op.handle;
    return rc;
}

int do_unmap_handle(unsigned d, uint64_t volume, uint32_t handle)
{
    return CALL(d, volume, __extension__({
                    int unmapped = ubc_unmap(&ref, handle);
                    ubc_unmap_finish(&ref);
                    unmapped;
                }));
}

int do_invalidate(unsigned d, uint64_t volume, uint64_t first, uint64_t count, uint64_t *epoch)
{
    struct lagan_ubc_range io = {.first = first, .count = count};
    int rc = CALL(d, volume, ubc_invalidate(&ref, &io));

    if (epoch)
        *epoch = io.epoch;
    return rc;
}

static int revoke(const struct ubc_ref *ref, const struct lagan_ubc_range *in)
{
    struct ubc_tell tell;
    int rc = ubc_revoke(ref, in, &tell);

    for (unsigned i = 0; i < tell.count; i++)
        ubc_told |= UINT64_C(1) << tell.id[i];
    return rc;
}

int do_revoke(unsigned d, uint64_t volume, uint64_t first, uint64_t count, uint64_t timeout)
{
    struct lagan_ubc_range in = {.first = first, .count = count, .timeout_ns = timeout};

    ubc_told = 0;
    return CALL(d, volume, revoke(&ref, &in));
}

int do_wanted(unsigned d, uint64_t volume, struct lagan_ubc_want *io)
{
    return CALL(d, volume, ubc_wanted(&ref, io));
}

int do_refuse(unsigned d, uint64_t volume, const struct lagan_ubc_want *in)
{
    return CALL(d, volume, ubc_refuse(&ref, in));
}

int do_next(unsigned d, uint64_t volume, struct lagan_ubc_unmap *io)
{
    return CALL(d, volume, ubc_next_revoked(&ref, io));
}

/* True if the page says the block, and *tag; all of it the same. */
static bool parse(const void *page, uint64_t block, uint32_t *tag)
{
    uint64_t word[PAGE_SIZE / sizeof(uint64_t)];

    memcpy(word, page, PAGE_SIZE);
    for (unsigned i = 1; i < PAGE_SIZE / sizeof(word[0]); i++)
        if (word[i] != word[0])
            return false;
    *tag = (uint32_t)(word[0] >> 32);
    return (uint32_t)word[0] == (uint32_t)block;
}

int do_read_tag(unsigned d, uint64_t volume, uint64_t block, uint32_t *tag)
{
    struct ubc_ref ref;
    struct ubc_held h;
    bool good;
    int rc = ubc_get(&ud[d].client, d == UCONTROL, volume, &ref);

    if (rc)
        return rc;
    do
        rc = ubc_hold(&ref, block, &h);
    while (rc == -XEN_ERESTART);
    if (rc == 0) {
        good = parse(h.data, block, tag);
        rc = ubc_release(&ref, &h);
        CU_ASSERT(rc || good);
    }
    ubc_put(&ref);
    return rc;
}

uint64_t ubc_pte(unsigned d, unsigned n)
{
    return *kit_entry(ud[d].space.l1[0], KIT_DATA + n);
}

bool ubc_sees(unsigned d, unsigned n, uint64_t block, uint32_t *tag)
{
    mfn_t hit;
    bool good;

    if (!host_touch(d, ubc_va(n), false, &hit))
        return false;
    good = parse(arch_map_frame(hit), block, tag);
    CU_ASSERT(good);
    return true;
}

/* ---- one volume ---- */

uint64_t ubc_one;

void ubc_start_with(uint64_t blocks)
{
    ubc_start();
    ubc_one = ubc_make_shared(1, blocks);
}

void ubc_bring(uint64_t first, uint64_t count)
{
    for (uint64_t n = first; n < first + count; n++)
        CU_ASSERT_EQUAL_FATAL(do_insert(UPUB, ubc_one, n, 1, 7), 0);
}

struct ubc_page *ubc_page_of(uint64_t block)
{
    return ubc_index_find(&ubc_engine.slot[ubc_one % UBC_VOLUMES]->index[0], block);
}
