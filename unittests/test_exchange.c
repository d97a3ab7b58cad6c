/* SPDX-License-Identifier: MIT
 *
 * XENMEM_exchange: either a chunk happens or nothing has changed, whatever goes wrong on the way.
 */
#include <string.h>

#include <lagan/types.h>
#include <xen/memory.h>

#include "mm/exchange.h"
#include "mm/frame.h"
#include "mm/waiting.h"
#include "unittests/core_world.h"

enum { IN = 256, OUT = 8192, FIRST_GFN = 7000 };

static struct domain *d;

static void start(uint64_t max_pages)
{
    core_start(3000);
    d = core_domain(2, max_pages);
}

static void end(void)
{
    core_audit();
    core_kill(d);
    core_end();
}

static uint64_t *in_list(void)
{
    return core_at(IN);
}

static uint64_t *out_list(void)
{
    return core_at(OUT);
}

static struct xen_memory_exchange *arg(void)
{
    return core_at(0);
}

/* The in list is filled with frames of the domain's own, the out list with names. */
static void fill(unsigned frames, unsigned names)
{
    for (unsigned i = 0; i < frames; i++)
        in_list()[i] = core_frame(d).n;
    for (unsigned i = 0; i < names; i++)
        out_list()[i] = FIRST_GFN + 600 * i;
}

static void request(uint64_t in_count, unsigned in_order, uint64_t out_count, unsigned out_order)
{
    struct xen_memory_exchange *x = arg();

    memset(x, 0, sizeof(*x));
    x->in = (struct xen_memory_reservation){.extent_start.p = (void *)core_va(IN),
                                            .nr_extents = in_count,
                                            .extent_order = in_order,
                                            .domid = DOMID_SELF};
    x->out = (struct xen_memory_reservation){.extent_start.p = (void *)core_va(OUT),
                                             .nr_extents = out_count,
                                             .extent_order = out_order,
                                             .domid = DOMID_SELF};
}

static int64_t exchange(void)
{
    return CORE_CALL(d->vcpu[0], __HYPERVISOR_memory_op, XENMEM_exchange, core_va(0));
}

static unsigned own(uint64_t first, unsigned count)
{
    unsigned n = 0;

    for (unsigned i = 0; i < count; i++)
        n += frame_state(frame_of(mfn(first + i))) == FRAME_OWNED &&
             frame_owner(frame_of(mfn(first + i))) == d->id;
    return n;
}

/* A domain at its limit gets 64 frames in a row for 64 single ones. */
static void many_for_one(void)
{
    start(64);
    fill(64, 1);
    request(64, 0, 1, 6);
    CU_ASSERT_EQUAL(exchange(), 0);
    CU_ASSERT_EQUAL(arg()->nr_exchanged, 64);
    CU_ASSERT_EQUAL(d->account.pages, 64);
    CU_ASSERT_EQUAL(out_list()[0] % 64, 0);
    CU_ASSERT_EQUAL(own(out_list()[0], 64), 64);
    CU_ASSERT_EQUAL(arch_m2p_get(mfn(out_list()[0] + 63)), FIRST_GFN + 63);
    for (unsigned i = 0; i < 64; i++) {
        CU_ASSERT_EQUAL(own(in_list()[i], 1), 0);
        CU_ASSERT_EQUAL(arch_m2p_get(mfn(in_list()[i])), UINT64_MAX);
    }
    /* And back. */
    in_list()[0] = out_list()[0];
    for (unsigned i = 0; i < 64; i++)
        out_list()[i] = i;
    request(1, 6, 64, 0);
    CU_ASSERT_EQUAL(exchange(), 0);
    CU_ASSERT_EQUAL(arg()->nr_exchanged, 1);
    CU_ASSERT_EQUAL(d->account.pages, 64);
    CU_ASSERT_EQUAL(arch_m2p_get(mfn(out_list()[17])), 17);
    end();
}

static void preempted(void)
{
    start(100);
    fill(24, 6);
    request(24, 0, 6, 2);
    host_preempt_every(1);
    CU_ASSERT_EQUAL(exchange(), 0);
    host_preempt_every(0);
    CU_ASSERT_EQUAL(core_restarts, 5);
    CU_ASSERT_EQUAL(arg()->nr_exchanged, 24);
    CU_ASSERT_EQUAL(d->account.pages, 24);
    CU_ASSERT_EQUAL(arch_m2p_get(mfn(out_list()[5] + 3)), FIRST_GFN + 600 * 5 + 3);
    end();
}

/* A frame in the second chunk is used: the first chunk is through, of the second nothing happens. */
static void frame_in_use(void)
{
    mfn_t used;

    start(100);
    fill(8, 2);
    used = mfn(in_list()[6]);
    CU_ASSERT_TRUE(frame_get(used, d->id));
    request(8, 0, 2, 2);
    CU_ASSERT_EQUAL(exchange(), -XEN_EINVAL);
    CU_ASSERT_EQUAL(arg()->nr_exchanged, 4);
    CU_ASSERT_EQUAL(own(out_list()[0], 4), 4);
    CU_ASSERT_EQUAL(out_list()[1], FIRST_GFN + 600);
    for (unsigned i = 4; i < 8; i++)
        CU_ASSERT_EQUAL(own(in_list()[i], 1), 1);
    CU_ASSERT_EQUAL(frame_refs(frame_of(used)), 2);
    frame_put(used);
    CU_ASSERT_EQUAL(d->account.pages, 8);
    CU_ASSERT_EQUAL(exchange(), 0); /* goes on where it stood */
    CU_ASSERT_EQUAL(arg()->nr_exchanged, 8);
    end();
}

static void bad_frames(void)
{
    static const struct {
        const char *what;
        uint64_t frame;
    } bad[] = {{"none", UINT64_MAX}, {"no RAM", HOST_HIGH_START + 5}, {"free", HOST_LOW_START + 5}};

    start(100);
    fill(2, 2);
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        in_list()[1] = bad[i].frame;
        request(2, 0, 1, 1);
        CU_ASSERT_EQUAL(exchange(), -XEN_EINVAL);
        CU_ASSERT_EQUAL(arg()->nr_exchanged, 0);
    }
    in_list()[1] = in_list()[0]; /* twice the same */
    CU_ASSERT_EQUAL(exchange(), -XEN_EINVAL);
    in_list()[1] = arch_frame_of(d->shared_info).n;
    CU_ASSERT_EQUAL(exchange(), -XEN_EINVAL);
    in_list()[0] = UINT64_MAX - 1; /* wraps on the way */
    request(1, 2, 4, 0);
    CU_ASSERT_EQUAL(exchange(), -XEN_EINVAL);
    CU_ASSERT_EQUAL(d->account.pages, 2);
    end();
}

static void bad_requests(void)
{
    start(100);
    fill(4, 4);
    request(2, 0, 1, 0);
    CU_ASSERT_EQUAL(exchange(), -XEN_EINVAL);
    request(1, 0, 1, 0);
    arg()->out.domid = d->id;
    CU_ASSERT_EQUAL(exchange(), -XEN_EINVAL);
    request(1, 0, 1, 0);
    arg()->nr_exchanged = 2;
    CU_ASSERT_EQUAL(exchange(), -XEN_EINVAL);
    CU_ASSERT_EQUAL(arg()->nr_exchanged, 2);
    request(1, 10, 1, 10);
    CU_ASSERT_EQUAL(exchange(), -XEN_EPERM);
    request(1, 64, 1, 0);
    CU_ASSERT_EQUAL(exchange(), -XEN_EPERM);
    request(UINT64_C(1) << 60, 4, UINT64_C(1) << 60, 4);
    CU_ASSERT_EQUAL(exchange(), -XEN_EINVAL);
    request(UINT64_MAX / 8, 0, UINT64_MAX / 8, 0);
    CU_ASSERT_EQUAL(exchange(), -XEN_EFAULT);
    request(1, 0, 1, 0);
    arg()->in.extent_start.p = (void *)CORE_HV;
    CU_ASSERT_EQUAL(exchange(), -XEN_EFAULT);
    request(1, 0, 1, 0);
    arg()->in.domid = arg()->out.domid = 77;
    CU_ASSERT_EQUAL(exchange(), -XEN_ESRCH);
    d->privileged = true;
    request(1, 10, 1, 10);
    CU_ASSERT_EQUAL(exchange(), -XEN_ENOMEM);
    request(1, 19, 1, 19);
    CU_ASSERT_EQUAL(exchange(), -XEN_EPERM);
    request(0, 0, 0, 0);
    CU_ASSERT_EQUAL(exchange(), 0);
    CU_ASSERT_EQUAL(CORE_CALL(d->vcpu[0], __HYPERVISOR_memory_op, XENMEM_exchange, CORE_BAD),
                    -XEN_EFAULT);
    CU_ASSERT_EQUAL(d->account.pages, 4);
    end();
}

/* Each allocation fails in turn: the extents before it are through. */
static void no_memory(void)
{
    start(100);
    fill(4, 4);
    for (unsigned n = 1; n <= 5; n++) { /* the scratch pages, and four frames */
        unsigned through = n > 2 ? n - 2 : 0;

        request(4, 0, 4, 0);
        host_fail_after(n);
        CU_ASSERT_EQUAL(exchange(), -XEN_ENOMEM);
        CU_ASSERT_TRUE(host_fail_off());
        CU_ASSERT_EQUAL(arg()->nr_exchanged, through);
        for (unsigned i = 0; i < through; i++) {
            in_list()[i] = out_list()[i];
            out_list()[i] = i;
        }
        for (unsigned i = 0; i < 4; i++)
            CU_ASSERT_EQUAL(own(in_list()[i], 1), 1);
        CU_ASSERT_EQUAL(d->account.pages, 4);
    }
    request(1, 0, 1, 0);
    arg()->out.mem_flags = XENMEMF_address_bits(12);
    CU_ASSERT_EQUAL(exchange(), -XEN_ENOMEM);
    CU_ASSERT_EQUAL(own(in_list()[0], 1), 1);
    end();
}

/* Half of a chunk is there when memory ends: all of it goes back. */
static void no_memory_in_the_middle(void)
{
    mfn_t m;

    start(100);
    CU_ASSERT_EQUAL_FATAL(account_alloc(&d->account, 2, 0, &m), 0);
    in_list()[0] = m.n;
    for (unsigned i = 0; i < 4; i++)
        out_list()[i] = 50 + i;
    for (unsigned n = 2; n <= 5; n++) {
        uint64_t free = heap_free_pages();

        request(1, 2, 4, 0);
        host_fail_after(n);
        CU_ASSERT_EQUAL(exchange(), -XEN_ENOMEM);
        CU_ASSERT_TRUE(host_fail_off());
        CU_ASSERT_EQUAL(arg()->nr_exchanged, 0);
        CU_ASSERT_EQUAL(own(m.n, 4), 4);
        CU_ASSERT_EQUAL(heap_free_pages(), free);
        for (unsigned i = 0; i < 4; i++)
            out_list()[i] = 50 + i;
    }
    end();
}

/* The lists cannot be read or written: nothing is lost. */
static void lists_fault(void)
{
    start(100);
    fill(4, 4);
    request(4, 0, 4, 0);
    arg()->in.extent_start.p = (void *)(CORE_VA + CORE_BYTES - 8);
    CU_ASSERT_EQUAL(exchange(), -XEN_EINVAL); /* the last word of memory is no frame */
    request(4, 0, 1, 2);
    arg()->in.extent_start.p = (void *)CORE_BAD;
    CU_ASSERT_EQUAL(exchange(), -XEN_EFAULT);
    request(4, 0, 1, 2);
    arg()->out.extent_start.p = (void *)CORE_BAD;
    CU_ASSERT_EQUAL(exchange(), -XEN_EFAULT);
    request(4, 0, 1, 2);
    arg()->out.extent_start.p = (void *)CORE_READONLY;
    CU_ASSERT_EQUAL(exchange(), -XEN_EFAULT);
    CU_ASSERT_EQUAL(arg()->nr_exchanged, 0);
    for (unsigned i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(own(in_list()[i], 1), 1);
    end();
}

/* The account begins to die between the first and the last step: no frame gets lost. */
static void dies_meanwhile(void)
{
    struct account *a;
    mfn_t first, second, new;

    start(100);
    a = &d->account;
    first = core_frame(d);
    second = core_frame(d);
    new = arch_frame_of(page_alloc(0, 0));
    CU_ASSERT_EQUAL(account_withdraw(a, first), 0);
    CU_ASSERT_EQUAL(account_withdraw(a, first), -XEN_EINVAL);
    CU_ASSERT_EQUAL(account_release(a, first), -XEN_EINVAL);
    CU_ASSERT_FALSE(frame_get(first, d->id));
    CU_ASSERT_EQUAL(account_relinquish(a), 0);
    CU_ASSERT_EQUAL(a->pages, 1);
    CU_ASSERT_FALSE(account_replace(a, &first, &new, 1));
    account_reinstate(a, first);
    CU_ASSERT_EQUAL(a->pages, 0);
    CU_ASSERT_EQUAL(frame_refs(frame_of(second)), 0);
    page_free(arch_map_frame(new), 0);
    end();
}

/* Frames that others mapped, or that were written past the caches, keep that until they are free. */
static void marks_survive(void)
{
    unsigned before;
    mfn_t m;

    start(100);
    m = core_frame(d);
    CU_ASSERT_TRUE(frame_get(m, d->id));
    frame_note_uncached(m);
    frame_note_abroad(m);
    frame_put(m);
    in_list()[0] = m.n;
    in_list()[1] = UINT64_MAX;
    request(2, 0, 1, 1);
    CU_ASSERT_EQUAL(exchange(), -XEN_EINVAL);
    CU_ASSERT_TRUE((frame_of(m)->use & (FRAME_ABROAD | FRAME_UNCACHED)) ==
                   (FRAME_ABROAD | FRAME_UNCACHED));
    before = host_cache_flush_count();
    request(1, 0, 1, 0);
    CU_ASSERT_EQUAL(exchange(), 0);
    waiting_flush();
    CU_ASSERT_EQUAL(host_cache_flush_count(), before + 1);
    end();
}

static void for_another(void)
{
    struct domain *other;

    start(10);
    other = core_domain(1, 20);
    in_list()[0] = core_frame(other).n;
    request(1, 0, 1, 0);
    arg()->in.domid = arg()->out.domid = other->id;
    CU_ASSERT_EQUAL(exchange(), -XEN_EPERM);
    d->privileged = true;
    CU_ASSERT_EQUAL(exchange(), 0);
    CU_ASSERT_EQUAL(frame_owner(frame_of(mfn(out_list()[0]))), other->id);
    CU_ASSERT_EQUAL(other->refs, 2);
    core_kill(other);
    end();
}

static const struct test_case cases[] = {
    {"many for one, and back", many_for_one},
    {"preempted", preempted},
    {"a frame is in use", frame_in_use},
    {"frames that are not the domain's", bad_frames},
    {"bad requests", bad_requests},
    {"each allocation fails", no_memory},
    {"memory ends in the middle of a chunk", no_memory_in_the_middle},
    {"lists fault", lists_fault},
    {"the domain dies meanwhile", dies_meanwhile},
    {"what is noted of a frame", marks_survive},
    {"for another domain", for_another},
    {NULL, NULL},
};

const struct suite suite_exchange = {"exchange", cases, NULL, NULL};
