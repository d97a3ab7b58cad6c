/* SPDX-License-Identifier: MIT
 *
 * Volumes: made, found, renewed, destroyed.
 *
 * A handle names a volume in one generation: a slot of the table, and a number that no other handle had
 * before. So what was opened before a renewal finds nothing any more, and no name, address or index of a guest's
 * is trusted further than that.
 *
 * To renew a volume is to give it a new handle first: from then on nobody gets at the old pages. Then they go,
 * a step at a time (`purging`); until that is over whoever comes does a step of it, and comes again. The same
 * with a volume's end: while it is `dying` nobody can enter it, and it leaves the table when nothing is left of
 * it. If the caller of either ends meanwhile, domains that end and volumes that are made later help it on.
 */
#include <lagan/arch.h>
#include <lagan/assert.h>
#include <lagan/string.h>
#include "mm/window.h"
#include "ubc/ubc_int.h"

struct ubc_engine ubc_engine;

int ubc_init(uint64_t reserve)
{
    ubc_engine = (struct ubc_engine){.reserve = reserve};
    spin_init(&ubc_engine.lock, LK_UBC_TABLE);
    ubc_idle_init();
    return account_init(&ubc_engine.account, WINDOW_OWNER, 0);
}

/* ---- finding ---- */

struct ubc_volume *ubc_volume_at(unsigned slot)
{
    struct ubc_volume *v;

    spin_lock(&ubc_engine.lock);
    v = ubc_engine.slot[slot];
    if (v)
        v->refs++;
    spin_unlock(&ubc_engine.lock);
    return v;
}

void ubc_volume_put(struct ubc_volume *v)
{
    bool last;

    spin_lock(&ubc_engine.lock);
    ASSERT(v->refs > 0);
    last = --v->refs == 0;
    spin_unlock(&ubc_engine.lock);
    if (!last)
        return;
    slab_free(v->salt);
    page_free(v->wants, 0);
    slab_free(v);
}

int ubc_get(struct ubc_client *c, bool control, uint64_t handle, struct ubc_ref *ref)
{
    struct ubc_volume *v = ubc_volume_at((unsigned)(handle % UBC_VOLUMES));

    if (!v)
        return -XEN_ENXIO;
    *ref = (struct ubc_ref){v, handle, c, control};
    return 0;
}

void ubc_put(struct ubc_ref *ref)
{
    ubc_volume_put(ref->volume);
    ref->volume = NULL;
}

/* Locked. */
static int check_rights(const struct ubc_ref *ref, unsigned rights, struct ubc_reader **r)
{
    bool by_control = ref->control && (rights & LAGAN_UBC_PUBLISH);

    *r = ubc_reader_find(ref->volume, ref->client);
    if (*r && (*r)->leaving)
        *r = NULL;
    if (!*r && !by_control)
        return -XEN_ENXIO;
    return by_control || ((*r)->rights & rights) ? 0 : -XEN_EPERM;
}

static int purge_step(struct ubc_volume *v)
{
    int rc = ubc_purge(v);

    if (rc == 0)
        v->purging = false;
    return rc;
}

int ubc_enter(const struct ubc_ref *ref, unsigned rights, struct ubc_reader **r) LAGAN_NO_TSA
{
    struct ubc_volume *v = ref->volume;
    int rc;

    spin_lock(&v->lock);
    rc = v->handle == ref->handle && !v->dying ? check_rights(ref, rights, r) : -XEN_ENXIO;
    if (rc == 0)
        (void)ubc_tidy(v, UBC_STEP);
    if (rc == 0 && v->purging)
        rc = purge_step(v);
    if (rc)
        spin_unlock(&v->lock);
    return rc;
}

/* ---- making ---- */

static bool is_zero(const uint8_t *p, size_t bytes)
{
    while (bytes && !*p) {
        p++;
        bytes--;
    }
    return bytes == 0;
}

static int check_new(const struct lagan_ubc_create *in)
{
    bool tree = in->flags & LAGAN_UBC_TREE;

    if ((in->flags & ~(LAGAN_UBC_TREE | LAGAN_UBC_SLOTS)) || in->reserved[0] || in->reserved[1] ||
        in->blocks == 0 || in->blocks > LAGAN_UBC_BLOCKS_MAX || in->salt_bytes > sizeof(in->salt) ||
        !is_zero(in->salt + in->salt_bytes, sizeof(in->salt) - in->salt_bytes))
        return -XEN_EINVAL;
    return tree || (in->salt_bytes == 0 && is_zero(in->root, sizeof(in->root))) ? 0 : -XEN_EINVAL;
}

/* The salt, in memory of its own; *salt NULL: none. */
static int copy_salt(const struct lagan_ubc_create *in, uint8_t **salt)
{
    *salt = in->salt_bytes ? slab_alloc(in->salt_bytes) : NULL;
    if (*salt)
        memcpy(*salt, in->salt, in->salt_bytes);
    return in->salt_bytes && !*salt ? -XEN_ENOMEM : 0;
}

static void describe(struct ubc_volume *v, const struct lagan_ubc_create *in, uint8_t *salt)
{
    v->generation = in->generation;
    v->blocks = in->blocks;
    v->has_tree = in->flags & LAGAN_UBC_TREE;
    v->levels = v->has_tree ? ubc_tree_levels(in->blocks) : 0;
    memcpy(v->root, in->root, sizeof(v->root));
    v->salt = salt;
    v->salt_bytes = in->salt_bytes;
}

/* With the table locked. */
static uint64_t new_handle(unsigned slot)
{
    return ++ubc_engine.serial << UBC_SLOT_BITS | slot;
}

/* Puts it into the table, unless its name is there. */
static int enter_table(struct ubc_volume *v, uint64_t *handle)
{
    unsigned free = UBC_VOLUMES;
    int rc = 0;

    spin_lock(&ubc_engine.lock);
    for (unsigned i = UBC_VOLUMES; i-- > 0 && !rc;) {
        const struct ubc_volume *other = ubc_engine.slot[i];

        if (!other)
            free = i;
        else if (!atomic_load(&other->dying) && memcmp(other->id, v->id, sizeof(v->id)) == 0)
            rc = -XEN_EEXIST;
    }
    if (!rc && free == UBC_VOLUMES)
        rc = -XEN_ENOSPC;
    if (!rc && v->has_slots)
        rc = ubc_slots_place(v);
    if (!rc) {
        v->slot = free;
        *handle = v->handle = new_handle(free);
        ubc_engine.slot[free] = v;
    }
    spin_unlock(&ubc_engine.lock);
    return rc;
}

int ubc_volume_new(const struct lagan_ubc_create *in, struct ubc_volume **out)
{
    struct ubc_volume *v = slab_alloc(sizeof(*v));
    uint8_t *salt;

    if (!v)
        return -XEN_ENOMEM;
    if (copy_salt(in, &salt)) {
        slab_free(v);
        return -XEN_ENOMEM;
    }
    spin_init(&v->lock, LK_UBC);
    list_init(&v->readers);
    list_init(&v->idle);
    list_init(&v->awaited);
    list_init(&v->hollow);
    list_init(&v->busy);
    list_init(&v->loose);
    list_init(&v->lending);
    v->aged = arch_time_ns();
    list_init(&v->dead);
    memcpy(v->id, in->id, sizeof(v->id));
    v->refs = 1;
    v->epoch = 1;
    describe(v, in, salt);
    *out = v;
    return 0;
}

int ubc_volume_publish(struct ubc_volume *v, uint64_t *handle)
{
    int rc = enter_table(v, handle);

    if (rc)
        ubc_volume_put(v);
    return rc;
}

int ubc_create(struct lagan_ubc_create *in)
{
    struct ubc_volume *v;
    unsigned number;
    int rc = check_new(in);

    (void)ubc_help();
    if (!rc)
        rc = ubc_volume_new(in, &v);
    if (rc)
        return rc;
    if (!(in->flags & LAGAN_UBC_SLOTS))
        return ubc_volume_publish(v, &in->volume);
    v->window = number = ubc_window_number();
    v->has_slots = number < WINDOWS_MAX;
    if (!v->has_slots) {
        ubc_volume_put(v);
        return -XEN_ENOSPC;
    }
    rc = ubc_volume_publish(v, &in->volume);
    if (rc)
        ubc_window_number_back(number);
    return rc;
}

/* ---- looking ---- */

static uint32_t flags_of(const struct ubc_volume *v)
{
    return (v->has_tree ? LAGAN_UBC_TREE : 0) | (v->is_window ? LAGAN_UBC_WINDOW : 0) |
           (v->has_slots ? LAGAN_UBC_SLOTS : 0);
}

int ubc_list(unsigned slot, struct lagan_ubc_create *out)
{
    struct ubc_volume *v = slot < UBC_VOLUMES ? ubc_volume_at(slot) : NULL;
    int rc = 0;

    if (!v)
        return slot < UBC_VOLUMES ? -XEN_ENOENT : -XEN_ENXIO;
    *out = (struct lagan_ubc_create){0};
    spin_lock(&v->lock);
    if (v->dying)
        rc = -XEN_ENOENT;
    memcpy(out->id, v->id, sizeof(out->id));
    out->volume = v->handle;
    out->generation = v->generation;
    out->blocks = v->blocks;
    out->flags = flags_of(v);
    out->salt_bytes = v->salt_bytes;
    memcpy(out->root, v->root, sizeof(out->root));
    if (v->salt_bytes)
        memcpy(out->salt, v->salt, v->salt_bytes);
    spin_unlock(&v->lock);
    ubc_volume_put(v);
    return rc;
}

static struct ubc_volume *find_by_id(const uint8_t id[16])
{
    struct ubc_volume *found = NULL;

    spin_lock(&ubc_engine.lock);
    for (unsigned i = 0; i < UBC_VOLUMES && !found; i++) {
        struct ubc_volume *v = ubc_engine.slot[i];

        if (v && !atomic_load(&v->dying) && memcmp(v->id, id, sizeof(v->id)) == 0)
            found = v;
    }
    if (found)
        found->refs++;
    spin_unlock(&ubc_engine.lock);
    return found;
}

static void tell(const struct ubc_volume *v, const struct ubc_reader *r, struct lagan_ubc_open *io)
{
    io->volume = v->handle;
    io->generation = v->generation;
    io->blocks = v->blocks;
    io->epoch = v->epoch;
    io->window = v->is_window ? v->base.n << PAGE_SHIFT : 0;
    io->rights = r ? r->rights : 0;
    io->flags = flags_of(v);
    io->slots = v->slots;
    io->limit = r ? r->limit : 0;
    io->mapped = r ? r->used : 0;
}

int ubc_open(struct ubc_client *c, bool control, struct lagan_ubc_open *io)
{
    struct ubc_ref ref = {find_by_id(io->id), 0, c, control};
    struct ubc_volume *v = ref.volume;
    struct ubc_reader *r;
    int rc;

    if (!v)
        return -XEN_ENOENT;
    spin_lock(&v->lock);
    rc = v->dying ? -XEN_ENXIO : check_rights(&ref, LAGAN_UBC_READ | LAGAN_UBC_PUBLISH, &r);
    if (rc == 0 && v->purging)
        rc = purge_step(v);
    if (rc == 0)
        tell(v, r, io);
    spin_unlock(&v->lock);
    ubc_volume_put(v);
    return rc == -XEN_ENXIO ? -XEN_ENOENT : rc;
}

/* ---- a new generation, and the end ---- */

/* Both locks are held while the handle changes: either is enough to read it. */
static void change_generation(struct ubc_volume *v, const struct lagan_ubc_create *in,
                              uint8_t *salt)
{
    slab_free(v->salt);
    describe(v, in, salt);
    v->handle = new_handle(v->slot);
    v->epoch++;
    v->revocation = (struct ubc_revocation){0};
    ubc_want_forget(v, NULL);
    v->purging = true;
}

/* Locked, both. */
static int renew(struct ubc_ref *ref, const struct lagan_ubc_create *in, uint8_t **salt)
{
    struct ubc_volume *v = ref->volume;
    struct ubc_reader *r;
    int rc;

    if (v->handle != ref->handle || v->dying)
        return -XEN_ENXIO;
    rc = check_rights(ref, LAGAN_UBC_PUBLISH, &r);
    if (rc)
        return rc;
    if (v->is_window)
        return -XEN_EBUSY;
    if (in->generation < v->generation || !(in->flags & LAGAN_UBC_SLOTS) != !v->has_slots ||
        (v->has_slots && in->blocks > v->slot_count))
        return -XEN_EINVAL;
    if (in->generation > v->generation) {
        change_generation(v, in, *salt);
        *salt = NULL;
        ref->handle = v->handle;
    }
    return 0;
}

int ubc_renew(struct ubc_ref *ref, struct lagan_ubc_create *io)
{
    struct ubc_volume *v = ref->volume;
    uint8_t *salt = NULL;
    int rc = check_new(io);

    if (!rc)
        rc = copy_salt(io, &salt);
    if (rc)
        return rc;
    spin_lock(&ubc_engine.lock);
    spin_lock(&v->lock);
    rc = renew(ref, io, &salt);
    spin_unlock(&ubc_engine.lock);
    if (!rc && v->purging)
        rc = purge_step(v);
    spin_unlock(&v->lock);
    slab_free(salt);
    io->volume = ref->handle;
    return rc;
}

/* A step of the end of a dying volume, locked; true: nothing is left. */
static int end_step(struct ubc_volume *v)
{
    struct list *l;
    int rc;

    list_for_each (l, &v->readers)
        list_entry(l, struct ubc_reader, link)->leaving = true;
    rc = ubc_readers_sweep(v);
    if (rc == 0 && !v->is_window)
        rc = ubc_purge(v);
    return rc;
}

/* With nothing left of it, it leaves the table; whoever comes first does that. */
static void leave_table(struct ubc_volume *v)
{
    bool ours;

    spin_lock(&ubc_engine.lock);
    ours = ubc_engine.slot[v->slot] == v;
    if (ours) {
        ubc_engine.slot[v->slot] = NULL;
        if (v->is_window || v->has_slots)
            ubc_engine.windows &= ~(UINT64_C(1) << v->window);
    }
    spin_unlock(&ubc_engine.lock);
    if (ours)
        ubc_volume_put(v); /* the table's */
}

/* The window's frames are left to whoever still maps them. */
static int end_volume(struct ubc_volume *v)
{
    bool empty;
    int rc;

    spin_lock(&v->lock);
    rc = end_step(v);
    if (rc == 0 && v->is_window)
        rc = ubc_window_drain(v);
    empty = rc == 0 && list_empty(&v->dead) && !v->window_left;
    spin_unlock(&v->lock);
    if (empty)
        leave_table(v);
    return rc;
}

int ubc_destroy(struct ubc_ref *ref)
{
    struct ubc_volume *v = ref->volume;
    int rc = 0;

    if (!ref->control)
        return -XEN_EPERM;
    spin_lock(&v->lock);
    if (v->handle != ref->handle)
        rc = -XEN_ENXIO;
    else
        atomic_store(&v->dying, true);
    spin_unlock(&v->lock);
    return rc ? rc : end_volume(v);
}

int ubc_help(void)
{
    int rc = 0;

    for (unsigned i = 0; i < UBC_VOLUMES; i++) {
        struct ubc_volume *v = ubc_volume_at(i);

        if (v && atomic_load(&v->dying) && end_volume(v))
            rc = -XEN_ERESTART;
        if (v)
            ubc_volume_put(v);
    }
    return rc;
}

/* ---- the end of a client ---- */

static int forget_client(struct ubc_volume *v, struct ubc_client *c)
{
    struct ubc_reader *r;
    int rc = 0;

    spin_lock(&v->lock);
    r = ubc_reader_find(v, c);
    if (r) {
        r->leaving = true;
        rc = ubc_readers_sweep(v);
    }
    spin_unlock(&v->lock);
    return rc;
}

int ubc_client_relinquish(struct ubc_client *c)
{
    atomic_store(&c->dying, true);
    for (; c->cursor < UBC_VOLUMES; c->cursor++) {
        struct ubc_volume *v = ubc_volume_at(c->cursor);
        int rc;

        if (!v)
            continue;
        rc = forget_client(v, c);
        ubc_volume_put(v);
        if (rc)
            return rc;
    }
    return ubc_help(); /* it was perhaps the last that mapped a window */
}

/* ---- the end of the host ---- */

void ubc_stop(void)
{
    for (unsigned i = 0; i < UBC_VOLUMES; i++) {
        struct ubc_volume *v = ubc_volume_at(i);

        if (!v)
            continue;
        atomic_store(&v->dying, !v->is_window || v->dying);
        while (v->dying && end_volume(v) == -XEN_ERESTART)
            ;
        ubc_volume_put(v);
    }
}
