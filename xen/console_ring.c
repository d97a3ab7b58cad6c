/* SPDX-License-Identifier: MIT
 *
 * PV console rings, drained and filled by the hypervisor.
 *
 * A guest writes its output into a page of its own and sends on its port; we are called in the
 * context of that send. It gets its input the same way: bytes in the page, and an event. The page
 * has two rings, each with an index of what was produced and one of what was consumed, both counting
 * up and wrapping at 2^32. All four are in the guest's memory, as are the bytes. So:
 *
 *   - the indices of a ring are read once, and only their difference is believed, if it is not above
 *     the ring's size. Otherwise nothing is done, until the guest puts its indices right. They are
 *     not kept on our side: a kernel that another one has started (kexec) may begin anew.
 *   - bytes are copied to the stack, then looked at.
 *   - the page is held as writable memory: it cannot become a page table or descriptor table while
 *     we write to it. A guest that tries is refused as if another domain had it mapped.
 *
 * A send puts out what was in the ring when it began, at most 2048 bytes, in pieces; between two of
 * them the lock is given to others and the call may be interrupted. So no vCPU works for the sake of
 * others that keep writing, and yet nothing is left: who wrote more sends after it.
 *
 *   vCPU 0: writes A, sends                vCPU 1: writes B, sends
 *   ------------------------               -----------------------
 *   in the ring: A. Puts out a part        writes B, sends: rest of A, and B. Waits for the lock
 *   lock given up                          puts out the rest of A
 *   nothing, or some of B: as much as A    puts out B
 *   had left
 *
 * The lock is held while a piece is put out, since pieces must come in order. Only the domain's own
 * vCPUs and what is typed for it wait there.
 *
 * What is typed goes into the ring once the guest has sent for the first time; until then, and when
 * the ring is full, it waits where console_io reads it. A guest that only uses console_io thus never
 * notices that it has a ring.
 *
 * INV-CRING-1: page is not NULL <=> a reference and a writable type reference of `frame` are held.
 */
#include "xen/console_ring.h"

#include <lagan/arch.h>
#include <lagan/printk.h>
#include <xen/io/console.h>

#include "mm/frame.h"
#include "mm/type.h"
#include "xen/console.h"
#include "xen/domain.h"
#include "xen/event.h"

#define PIECE 128U /* bytes moved under one hold of the lock */

STATIC_ASSERT(sizeof(struct xencons_interface) <= PAGE_SIZE);

static uint32_t load(const uint32_t *index)
{
    return __atomic_load_n(index, __ATOMIC_ACQUIRE);
}

static void store(uint32_t *index, uint32_t value)
{
    __atomic_store_n(index, value, __ATOMIC_RELEASE);
}

void console_ring_init(struct domain *d)
{
    spin_init(&d->console_ring.lock, LK_CONSRING);
}

/* True if a ring of this size can have these indices. Ring lock held. */
static bool sane(struct domain *d, uint32_t produced, uint32_t consumed, size_t size)
{
    struct console_ring *r = &d->console_ring;

    if (produced - consumed <= size)
        return true;
    if (!r->lied)
        printk_guest(LOG_WARNING, "domain %u: console ring with indices %u and %u\n", d->id,
                     consumed, produced);
    r->lied = true;
    return false;
}

/* ---- output ---- */

/* How many bytes of output there are, and from which index on. Ring lock held. */
static uint32_t out_level(struct domain *d, uint32_t *consumed)
{
    struct xencons_interface *page = d->console_ring.page;
    uint32_t produced = load(&page->out_prod);

    *consumed = load(&page->out_cons);
    return sane(d, produced, *consumed, sizeof(page->out)) ? produced - *consumed : 0;
}

/* Takes up to `most` bytes out of the ring. Ring lock held. */
static uint32_t take_piece(struct domain *d, char *piece, uint32_t most)
{
    struct xencons_interface *page = d->console_ring.page;
    uint32_t consumed;
    uint32_t n = (uint32_t)min_u64(out_level(d, &consumed), most);

    for (uint32_t i = 0; i < n; i++)
        piece[i] = __atomic_load_n(&page->out[MASK_XENCONS_IDX(consumed + i, page->out)],
                                   __ATOMIC_RELAXED);
    if (n > 0)
        store(&page->out_cons, consumed + n);
    return n;
}

/* Puts out up to `most` bytes; returns how many there were. */
static uint32_t put_out_piece(struct domain *d, uint32_t most)
{
    struct console_ring *r = &d->console_ring;
    char piece[PIECE];
    uint32_t n = 0;

    spin_lock(&r->lock);
    if (r->page)
        n = take_piece(d, piece, (uint32_t)min_u64(most, PIECE));
    if (n > 0)
        console_guest_write(d, piece, n);
    if (n > 0 && n == most)
        console_guest_show(d); /* the last piece: nothing may follow for long */
    spin_unlock(&r->lock);
    return n;
}

static uint32_t waiting(struct domain *d)
{
    struct console_ring *r = &d->console_ring;
    uint32_t consumed, n = 0;

    spin_lock(&r->lock);
    if (r->page)
        n = out_level(d, &consumed);
    spin_unlock(&r->lock);
    return n;
}

/* The indices may be changed under our hands; we do not do more than we have seen at first. */
static int drain(struct domain *d, bool preemptible, bool *some)
{
    uint32_t left = waiting(d), n;

    *some = false;
    while (left > 0 && (n = put_out_piece(d, left)) > 0) {
        *some = true;
        left -= n;
        if (preemptible && left > 0 && arch_preempt_pending())
            return -XEN_ERESTART;
    }
    return 0;
}

void console_ring_drain(struct domain *d)
{
    bool some;

    (void)drain(d, false, &some);
}

void console_ring_show(struct domain *d)
{
    struct console_ring *r = &d->console_ring;

    spin_lock(&r->lock);
    if (r->page)
        console_guest_show(d);
    spin_unlock(&r->lock);
}

/* ---- input ---- */

/* Moves what fits; true if that was something. Ring lock held. */
static bool move_input(struct domain *d)
{
    struct xencons_interface *page = d->console_ring.page;
    uint32_t produced = load(&page->in_prod), consumed = load(&page->in_cons);
    char piece[PIECE];
    size_t room, n;
    bool some = false;

    if (!sane(d, produced, consumed, sizeof(page->in)))
        return false;
    room = sizeof(page->in) - (produced - consumed);
    while (room > 0 && (n = console_guest_read(d, piece, min_u64(room, sizeof(piece)))) > 0) {
        for (size_t i = 0; i < n; i++)
            page->in[MASK_XENCONS_IDX(produced++, page->in)] = piece[i];
        room -= n;
        some = true;
    }
    if (some)
        store(&page->in_prod, produced);
    return some;
}

/* The guest has written, or read, or both. It is told only if there is something new for it: Linux
 * answers each event with a send, and takes events without news for an attack. */
static int ring_sent(struct domain *d)
{
    struct console_ring *r = &d->console_ring;
    bool news, typed = false;
    int rc = drain(d, true, &news);

    spin_lock(&r->lock);
    r->used = true;
    if (r->page)
        typed = move_input(d);
    spin_unlock(&r->lock);
    if (news || typed)
        event_notify(d, r->port, ring_sent);
    return rc;
}

bool console_ring_input(struct domain *d)
{
    struct console_ring *r = &d->console_ring;
    bool used, typed;

    spin_lock(&r->lock);
    used = r->used && r->page;
    typed = used && move_input(d);
    spin_unlock(&r->lock);
    if (typed)
        event_notify(d, r->port, ring_sent);
    return used;
}

/* ---- life ---- */

int console_ring_attach(struct domain *d, mfn_t frame)
{
    struct console_ring *r = &d->console_ring;
    int port = frame_get_writable(frame, d->id);

    if (port)
        return port;
    port = event_alloc_hypervisor(d, ring_sent);
    if (port < 0) {
        frame_put_writable(frame);
        return port;
    }
    spin_lock(&r->lock);
    ASSERT(!r->page);
    r->frame = frame;
    r->port = (evtchn_port_t)port;
    r->page = arch_map_frame(frame);
    spin_unlock(&r->lock);
    return port;
}

void console_ring_detach(struct domain *d)
{
    struct console_ring *r = &d->console_ring;
    bool had;

    console_ring_drain(d);
    spin_lock(&r->lock);
    had = r->page != NULL;
    r->page = NULL;
    spin_unlock(&r->lock);
    if (had)
        frame_put_writable(r->frame);
}
