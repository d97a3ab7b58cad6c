/* SPDX-License-Identifier: MIT
 *
 * Windows: volumes that lie in memory as a whole, in one run of frames, for domains that map them as if they were
 * memory of their own, or a device (mm/window.h). Nothing of them is inserted, invalidated or revoked.
 *
 * When such a volume is destroyed, or a reader loses his rights, no new entry can be made; those that are there
 * stay until their domain lets go of them or ends, for nobody knows where they are. Each frame is freed when it
 * has no entry any more.
 */
#include <lagan/arch.h>
#include <lagan/assert.h>
#include <lagan/string.h>
#include "mm/type.h"
#include "mm/window.h"
#include "ubc/ubc_int.h"

static void lend(mfn_t m, unsigned window)
{
    int rc;

    window_mark(m, window);
    rc = account_share(&ubc_engine.account, m);
    BUG_ON(rc);
    rc = type_get(m, TYPE_UBC);
    BUG_ON(rc);
}

int ubc_window_create(const uint8_t id[16], mfn_t base, uint64_t blocks, uint64_t *handle)
{
    struct lagan_ubc_create in = {.generation = 1, .blocks = blocks};
    unsigned number = ubc_window_number();
    struct ubc_volume *v;
    int rc;

    if (number == WINDOWS_MAX)
        return -XEN_ENOSPC;
    memcpy(in.id, id, sizeof(in.id));
    rc = ubc_volume_new(&in, &v);
    if (!rc) {
        v->is_window = true;
        v->window = number;
        v->base = base;
        v->window_left = blocks;
        rc = ubc_volume_publish(v, handle);
    }
    if (rc) {
        ubc_window_number_back(number);
        return rc;
    }
    page_split_run(arch_map_frame(base), blocks);
    for (uint64_t i = 0; i < blocks; i++)
        lend(mfn(base.n + i), number); /* nobody has a right to it yet */
    return 0;
}

void ubc_window_allow(struct ubc_volume *v, struct account *a, bool may)
{
    uint64_t bit = UINT64_C(1) << v->window;

    if (!may) {
        atomic_fetch_and(&a->windows, ~bit);
        return;
    }
    atomic_store(&a->near_windows, true);
    atomic_fetch_or(&a->windows, bit);
}

#define LOOK_STEP 512 /* frames that are looked at between two looks for preemption... */
#define FREE_COST 16  /* ...of which one that is freed counts as so many: it may take a flush */

/* With the marks still there nobody can make a new entry, as nobody has the right. */
int ubc_window_drain(struct ubc_volume *v)
{
    for (unsigned cost = 0; v->window_cursor < v->blocks && v->window_left; cost++) {
        mfn_t m = mfn(v->base.n + v->window_cursor);

        if (cost >= LOOK_STEP)
            return -XEN_ERESTART;
        v->window_cursor++;
        if (!window_has(m) || frame_of(m)->prev != v->window + 1)
            continue; /* freed before */
        if (account_unshare(&ubc_engine.account, m))
            continue;
        window_unmark(m);
        page_free(arch_map_frame(m), 0);
        v->window_left--;
        cost += FREE_COST - 1;
    }
    v->window_cursor = 0;
    return 0;
}

bool ubc_window_of(const struct account *a, unsigned i, mfn_t *base, uint64_t *blocks)
{
    uint64_t mine = atomic_load(&((struct account *)a)->windows);
    bool found = false;

    spin_lock(&ubc_engine.lock);
    for (unsigned slot = 0; slot < UBC_VOLUMES && !found; slot++) {
        const struct ubc_volume *v = ubc_engine.slot[slot];

        if (!v || !v->is_window || !(mine >> v->window & 1) || i-- > 0)
            continue;
        *base = v->base;
        *blocks = v->blocks;
        found = true;
    }
    spin_unlock(&ubc_engine.lock);
    return found;
}
