/* SPDX-License-Identifier: MIT
 *
 * Whatever call is preempted, wherever that is: it ends as if it had not been. Each call that can be
 * restarted is made with nothing wrong in it, and with each of its parts wrong in turn; and each of these is
 * preempted at each of its questions alone, and at every n-th. Result, what it wrote for the guest, and what
 * the domain has afterwards are those of the call that nobody interrupted.
 *
 * The calls on page tables are tried so in test_hcall_mmu.c.
 */
#include <stdint.h>
#include <string.h>

#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/version.h>

#include "mm/frame.h"
#include "unittests/core_world.h"

enum { ARG = 0, LIST = 1024, SECOND = 2048, PAGES = 140, PARTS = 6 };
enum { MANY = 100 }; /* frames, several times what is given back between two questions */

static struct domain *d;

/* What is left of a call. */
struct outcome {
    int64_t result;
    uint8_t memory[CORE_BYTES];
    uint64_t pages, ports;
};

/* One kind of call. Part `bad` of it is wrong; bad == parts: none. */
struct kind {
    const char *name;
    unsigned parts;
    void (*prepare)(unsigned bad);
    int64_t (*make)(void);
    void (*forget)(void); /* blanks what the call may use as its own notes; may be NULL */
};

static uint64_t *list(unsigned where)
{
    return core_at(where);
}

/* ---- memory_op ---- */

static void reservation(unsigned count, unsigned at, unsigned where)
{
    struct xen_memory_reservation *r = core_at(at);

    memset(r, 0, sizeof(*r));
    r->extent_start.p = (void *)core_va(where);
    r->nr_extents = count;
    r->domid = DOMID_SELF;
}

/* The limit stops it at the part. */
static void prepare_populate(unsigned bad)
{
    for (unsigned i = 0; i < PARTS; i++)
        list(LIST)[i] = 500 + i;
    for (unsigned i = bad; i < PAGES; i++)
        (void)core_frame(d);
    reservation(PARTS, ARG, LIST);
}

static int64_t make_populate(void)
{
    return CORE_CALL(d->vcpu[0], __HYPERVISOR_memory_op, XENMEM_populate_physmap, core_va(ARG));
}

static void prepare_decrease(unsigned bad)
{
    for (unsigned i = 0; i < MANY; i++)
        list(LIST)[i] = i == bad * (MANY / PARTS) ? 0 : core_frame(d).n;
    reservation(MANY, ARG, LIST);
}

static int64_t make_decrease(void)
{
    return CORE_CALL(d->vcpu[0], __HYPERVISOR_memory_op, XENMEM_decrease_reservation, core_va(ARG));
}

static void prepare_exchange(unsigned bad)
{
    struct xen_memory_exchange *x = core_at(ARG);

    for (unsigned i = 0; i < 2 * PARTS; i++)
        list(LIST)[i] = i == 2 * bad + 1 ? 0 : core_frame(d).n;
    for (unsigned i = 0; i < PARTS; i++)
        list(SECOND)[i] = 700 + 2 * i;
    reservation(2 * PARTS, ARG + offsetof(struct xen_memory_exchange, in), LIST);
    reservation(PARTS, ARG + offsetof(struct xen_memory_exchange, out), SECOND);
    x->out.extent_order = 1;
    x->nr_exchanged = 0;
}

static int64_t make_exchange(void)
{
    return CORE_CALL(d->vcpu[0], __HYPERVISOR_memory_op, XENMEM_exchange, core_va(ARG));
}

/* ---- grants: a status for each operation, an error where one cannot be read ---- */

static void prepare_copy(unsigned bad)
{
    mfn_t from = core_frame(d), to = core_frame(d);

    for (unsigned i = 0; i < PARTS; i++) {
        struct gnttab_copy *op = (struct gnttab_copy *)core_at(LIST) + i;

        memset(op, 0, sizeof(*op));
        op->source.domid = op->dest.domid = DOMID_SELF;
        op->source.u.gmfn = i == bad ? 0 : from.n;
        op->dest.u.gmfn = to.n;
        op->len = 8;
        op->status = 77;
    }
}

static int64_t make_copy(void)
{
    return CORE_CALL(d->vcpu[0], __HYPERVISOR_grant_table_op, GNTTABOP_copy, core_va(LIST), PARTS);
}

/* The list ends where nothing can be read, or its end where no status can be written. */
static uint64_t copies_at, copies;

static void prepare_copy_end(unsigned bad)
{
    uint64_t end = bad % 2 ? CORE_BYTES : CORE_READONLY - CORE_VA;

    copies = bad / 2;
    copies_at = end - copies * sizeof(struct gnttab_copy);
    memset(core_at(copies_at), 0, copies * sizeof(struct gnttab_copy));
}

static int64_t make_copy_end(void)
{
    return CORE_CALL(d->vcpu[0], __HYPERVISOR_grant_table_op, GNTTABOP_copy, core_va(copies_at),
                     copies + 2);
}

/* ---- the console ---- */

static uint64_t text_at;

static void prepare_text(unsigned bad)
{
    text_at = CORE_BYTES - bad * 128 - 3;
}

static int64_t make_text(void)
{
    return CORE_CALL(d->vcpu[0], __HYPERVISOR_console_io, 0, PARTS * UINT64_C(128),
                     core_va(text_at));
}

/* ---- event channels ---- */

static void prepare_reset(unsigned bad)
{
    struct evtchn_reset *r = core_at(ARG);

    for (unsigned i = 0; i < 300; i++) {
        struct evtchn_alloc_unbound *op = core_at(LIST);

        *op = (struct evtchn_alloc_unbound){.dom = DOMID_SELF, .remote_dom = DOMID_SELF};
        CU_ASSERT_EQUAL(CORE_CALL(d->vcpu[0], __HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound,
                                  core_va(LIST)),
                        0);
    }
    r->dom = bad == 0 ? 99 : DOMID_SELF;
}

static int64_t make_reset(void)
{
    return CORE_CALL(d->vcpu[0], __HYPERVISOR_event_channel_op, EVTCHNOP_reset, core_va(ARG));
}

/* ---- multicall: entries that are restarted themselves, and such as fail ---- */

static struct multicall_entry *entry(unsigned i)
{
    return (struct multicall_entry *)core_at(4096) + i;
}

static void prepare_multicall(unsigned bad)
{
    for (unsigned i = 0; i < PARTS; i++)
        list(LIST)[i] = 500 + i;
    reservation(PARTS, ARG, LIST);
    prepare_copy_end(bad == 2 ? 4 : 13);
    *entry(0) = (struct multicall_entry){.op = __HYPERVISOR_memory_op,
                                         .args = {XENMEM_populate_physmap, core_va(ARG)}};
    *entry(1) = (struct multicall_entry){.op = __HYPERVISOR_memory_op,
                                         .args = {XENMEM_decrease_reservation, core_va(ARG)}};
    *entry(2) = (struct multicall_entry){
        .op = __HYPERVISOR_grant_table_op,
        .args = {GNTTABOP_copy, core_va(copies_at), bad == 2 ? copies + 2 : copies}};
    *entry(3) = (struct multicall_entry){.op = __HYPERVISOR_xen_version};
    *entry(4) =
        (struct multicall_entry){.op = __HYPERVISOR_console_io, .args = {0, 500, core_va(8192)}};
    if (bad < 2 || bad == 3)
        entry(bad)->op = 4096;
    if (bad == 4)
        entry(4)->args[2] = core_va(CORE_BYTES - 300);
    for (unsigned i = 0; i < 5; i++)
        entry(i)->result = 0xee;
}

static int64_t make_multicall(void)
{
    return CORE_CALL(d->vcpu[0], __HYPERVISOR_multicall, core_va(4096), 5);
}

/* An entry's arguments are its cursor. */
static void forget_multicall(void)
{
    for (unsigned i = 0; i < 5; i++)
        memset(entry(i)->args, 0, sizeof(entry(i)->args));
}

/* ---- all of them ---- */

static const struct kind kinds[] = {
    {"populate_physmap", PARTS, prepare_populate, make_populate, NULL},
    {"decrease_reservation", PARTS, prepare_decrease, make_decrease, NULL},
    {"exchange", PARTS, prepare_exchange, make_exchange, NULL},
    {"grant copy", PARTS, prepare_copy, make_copy, NULL},
    {"grant copy, no list", 15, prepare_copy_end, make_copy_end, NULL},
    {"console_io", PARTS, prepare_text, make_text, NULL},
    {"event reset", 1, prepare_reset, make_reset, NULL},
    {"multicall", 5, prepare_multicall, make_multicall, forget_multicall},
};

static unsigned asked, restarted; /* questions answered with yes, restarts, of the last call */

/* One call in a new world. */
static void run(const struct kind *k, unsigned bad, void (*arm)(unsigned n), unsigned n,
                struct outcome *o)
{
    core_start(2000);
    d = core_domain(1, PAGES);
    k->prepare(bad);
    arm(n);
    o->result = k->make();
    asked = host_preempt_count();
    host_preempt_every(0);
    restarted = core_restarts;
    if (k->forget)
        k->forget();
    memcpy(o->memory, core_memory, sizeof(o->memory));
    o->pages = d->account.pages;
    o->ports = d->event.active_count;
    core_audit();
    core_kill(d);
    core_end();
}

/* Preempted at question n, for each that there is; how often calls were restarted in all. */
static unsigned each_point(const struct kind *k, unsigned bad, void (*arm)(unsigned n))
{
    static struct outcome want, got;
    unsigned n = 0, restarts = 0;

    run(k, bad, host_preempt_every, 0, &want);
    do {
        run(k, bad, arm, ++n, &got);
        if (memcmp(&want, &got, sizeof(want)) != 0) {
            printf("%s, part %u wrong, question %u: %ld, not %ld\n", k->name, bad, n,
                   (long)got.result, (long)want.result);
            CU_FAIL("another outcome");
        }
        restarts += restarted;
    } while (asked > 0);
    return restarts;
}

static void as_if_not(void)
{
    for (const struct kind *k = kinds; k < kinds + ARRAY_SIZE(kinds); k++) {
        unsigned restarts = 0;

        for (unsigned bad = 0; bad <= k->parts; bad++) {
            (void)each_point(k, bad, host_preempt_once);
            restarts += each_point(k, bad, host_preempt_every);
        }
        CU_ASSERT(restarts > k->parts);
    }
}

static const struct test_case cases[] = {
    {"each call, each error, each point", as_if_not},
    {NULL, NULL},
};

const struct suite suite_preempted = {"preempted", cases, NULL, NULL};
