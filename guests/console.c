/* SPDX-License-Identifier: MIT
 *
 * console: the console ring. Its verdicts go through console_io, so that the ring is ours alone.
 *
 *   (nothing)   output, a full ring, indices that lie, the page as a table, a reset, a closed port. The last line
 *               that it leaves in the ring, without saying so, is the runner's to look for.
 *   input       repeats each line that is typed to it; `bye` ends it
 */
#include <stddef.h>
#include <stdint.h>
#include <xen/io/console.h>
#include "kit/kit.h"
#include "kit/lib.h"

const char guest_name[] = "console";

static struct xencons_interface *ring;
static uint32_t port;

/* As much as there is room for; returns how much. */
static size_t put(const char *text, size_t length)
{
    uint32_t produced = ring->out_prod;
    size_t n = 0;

    while (n < length &&
           produced - __atomic_load_n(&ring->out_cons, __ATOMIC_ACQUIRE) < sizeof(ring->out)) {
        ring->out[MASK_XENCONS_IDX(produced++, ring->out)] = text[n++];
    }
    __atomic_store_n(&ring->out_prod, produced, __ATOMIC_RELEASE);
    return n;
}

static bool drained(void)
{
    return __atomic_load_n(&ring->out_cons, __ATOMIC_ACQUIRE) == ring->out_prod;
}

static void check_output(void)
{
    static const char line[] = "sixteen letters\n";
    uint64_t before = event_count(port);
    unsigned n = 0;

    check_begin("output");
    put("through the ring\n", 17);
    check_part(event_send(port) == 0 && drained(), "cons %u prod %u", ring->out_cons,
               ring->out_prod);
    (void)wait_for(event_counter(port), before + 1, 1000000000);
    check_part(event_count(port) > before, "nobody says that there is room");
    before = event_count(port);
    check_part(event_send(port) == 0, "nothing new");
    check_part(event_count(port) == before, "an event for nothing");
    check_end();

    check_begin("full");
    while (put(line, 16) == 16) {
        n++;
    }
    check_part(n == sizeof(ring->out) / 16, "%u lines", n);
    check_part(event_send(port) == 0 && drained(), "cons %u prod %u", ring->out_cons,
               ring->out_prod);
    check_end();
}

static void lie(uint32_t produced, uint32_t consumed)
{
    ring->out_prod = produced;
    ring->out_cons = consumed;
    check_part(event_send(port) == 0, "refused");
    check_part(ring->out_prod == produced && ring->out_cons == consumed, "indices %u %u moved",
               produced, consumed);
}

static void check_lies(void)
{
    uint32_t at = ring->out_prod;

    check_begin("indices");
    lie(at + 2049, at);
    lie(at, at + 1);
    lie(at + 0x80000000u, at);
    ring->out_prod = ring->out_cons = 0xfffffff8u;
    put("around the corner\n", 18);
    check_part(event_send(port) == 0 && drained(), "not taken after that");
    check_end();
}

static void check_page(void)
{
    uint64_t mfn = kit_start_info->console.domU.mfn;
    struct mmuext_op pin = {.cmd = MMUEXT_PIN_L1_TABLE, .arg1.mfn = mfn};
    long rc;

    (void)page_make_readonly(ring);
    rc = hv_mmuext(&pin, 1);
    check_true("page-as-table", rc < 0, "result %ld", rc);
    (void)page_make_writable(ring);
}

/* Every port goes but this one: its other end is the hypervisor, which cannot bind to it anew. */
static void check_reset(void)
{
    struct evtchn_reset reset = {.dom = DOMID_SELF};
    uint32_t other;

    check_begin("reset");
    check_part(event_bind_ipi(0, &other) == 0, "bind refused");
    check_part(hv_event(EVTCHNOP_reset, &reset) == 0, "refused");
    check_part(event_send(other) == -XEN_EINVAL, "a port is still there");
    put("after a reset\n", 14);
    check_part(event_send(port) == 0 && drained(), "cons %u prod %u", ring->out_cons,
               ring->out_prod);
    check_end();
}

static void check_port(void)
{
    struct evtchn_status status;

    check_begin("port");
    check_part(event_status(port, &status) == 0 && status.status == EVTCHNSTAT_interdomain,
               "state %u", status.status);
    check_part(event_bind_vcpu(port, 0) == 0, "not to be moved");
    check_part(event_close(port) == 0, "not to be closed");
    check_part(event_send(port) == -XEN_EINVAL, "sends after that");
    check_end();
    put("left in the ring", 16);
}

/* ---- input ---- */

static char line[80];
static unsigned length;

/* True when the line said goodbye. */
static bool take(char c)
{
    if (c != '\r' && c != '\n') {
        if (c >= ' ' && length < sizeof(line) - 1) {
            line[length++] = c;
            put(&c, 1);
        }
        return false;
    }
    put("\n", 1);
    line[length] = '\0';
    length = 0;
    put("heard: ", 7);
    put(line, strlen(line));
    put("\n? ", 3);
    return strcmp(line, "bye") == 0;
}

static void listen(void)
{
    bool bye = false;

    put("listening\n? ", 12);
    while (!bye) {
        uint32_t produced;

        (void)event_send(port);
        (void)upcalls_mask();
        produced = __atomic_load_n(&ring->in_prod, __ATOMIC_ACQUIRE);
        if (produced == ring->in_cons) {
            (void)hv_sched(SCHEDOP_block, NULL);
        }
        upcalls_unmask();
        while (!bye && ring->in_cons != produced) {
            bye = take(ring->in[MASK_XENCONS_IDX(ring->in_cons, ring->in)]);
            __atomic_store_n(&ring->in_cons, ring->in_cons + 1, __ATOMIC_RELEASE);
        }
    }
    check_pass("bye");
}

void guest_main(void)
{
    (void)time_bind_timer();
    (void)timer_stop_periodic();
    port = kit_start_info->console.domU.evtchn;
    if ((kit_start_info->flags & SIF_INITDOMAIN) != 0 || port == 0) {
        check_skip("ring", "this domain has none");
        return;
    }
    ring = pfn_to_va(mfn_to_pfn(kit_start_info->console.domU.mfn));
    event_unmask(port);
    if (args_has("input")) {
        listen();
        return;
    }
    check_output();
    check_lies();
    check_page();
    check_reset();
    check_port();
}
