/* SPDX-License-Identifier: MIT
 *
 * auditor: the control domain that has the hypervisor recount all memory, again and again, while other
 * domains do what they like, and once more when they have gone. It ends when it is the last.
 *
 *   pause=MS   between two audits (7)
 *   least=N    so many audits, at least, have to fall into the others' lives (3)
 *   keeps=ID   this domain stays (hello, stays=N) until there have been so many
 *   port=N     the port of it that says so (2)
 */
#include "kit/host.h"
#include "kit/kit.h"

const char guest_name[] = "auditor";

#define OTHERS_START (60000 * MS)
#define OTHERS_END   (600000 * MS)

static struct lagan_host_audit last;
static unsigned audits, beside_others;

static void audit(void)
{
    long rc = hv_host(LAGAN_HOST_OP_audit, &last);

    audits++;
    beside_others += last.domain_count > 1;
    check_part(rc == 0, "audit %u: result %ld", audits, rc);
    check_part(last.faults == 0, "audit %u: %lu faults", audits, last.faults);
    check_part(last.held > 0 && last.held < 100000, "audit %u: %lu held", audits, last.held);
}

static bool stats_grow(const struct lagan_host_mm_stats *a, const struct lagan_host_mm_stats *b)
{
    return a->type_changes <= b->type_changes && a->type_flushes <= b->type_flushes &&
           a->type_ipis <= b->type_ipis && a->type_ipis_naive <= b->type_ipis_naive &&
           a->frees <= b->frees && a->type_changes < b->type_changes &&
           b->type_flushes <= b->type_changes && b->type_ipis <= b->type_ipis_naive &&
           b->free_ipis <= b->free_ipis_naive;
}

/* Pages that are tables for a while: changes to that and back. */
static void change_types(void)
{
    static struct space space;

    space_new_pinned(&space, 1);
    check_result("unpin", table_unpin(space.l4), 0);
    space_delete(&space);
}

static void check_answers(void)
{
    check_result("no-such-command", hv_host(99, &last), -XEN_ENOSYS);
    check_result("audit-bad-pointer", hv_host(LAGAN_HOST_OP_audit, (void *)8), -XEN_EFAULT);
    check_result("audit-into-hypervisor",
                 hv_host(LAGAN_HOST_OP_audit, (void *)HYPERVISOR_VIRT_START), -XEN_EFAULT);
    check_result("stats-bad-pointer", hv_host(LAGAN_HOST_OP_mm_stats, (void *)8), -XEN_EFAULT);
}

/* The domain has offered its port, or is about to. Returns whether it was told that it may go. */
static bool let_go(uint16_t domain)
{
    uint32_t port;

    return event_bind_interdomain(domain, (uint32_t)args_number("port", 2), &port) == 0 &&
           event_send(port) == 0;
}

void guest_main(void)
{
    uint16_t keeps = (uint16_t)args_number("keeps", 0);
    uint64_t least = args_number("least", 3);
    struct lagan_host_mm_stats before = {0}, after = {0};
    uint64_t pause = args_number("pause", 7) * MS, start = time_now();

    (void)time_bind_timer();
    check_answers();
    check_result("stats", hv_host(LAGAN_HOST_OP_mm_stats, &before), 0);
    check_begin("audit");
    do {
        audit();
        time_sleep(pause);
    } while (last.domain_count <= 1 && time_now() - start < OTHERS_START);
    while (last.domain_count > 1 && time_now() - start < OTHERS_END) {
        audit();
        if (keeps != 0 && beside_others >= least && let_go(keeps)) {
            keeps = 0;
        }
        time_sleep(pause);
    }
    audit();
    check_end();
    change_types();
    check_true("audit-beside-others", beside_others >= least, "%u of %u audits", beside_others,
               audits);
    check_true("others-end", last.domain_count == 1, "%u domains", last.domain_count);
    check_result("stats-again", hv_host(LAGAN_HOST_OP_mm_stats, &after), 0);
    check_true("stats-grow", stats_grow(&before, &after), "%lu, %lu changes", before.type_changes,
               after.type_changes);
    kit_printf("%u audits, %u beside others\n", audits, beside_others);
    kit_printf("FLUSHES %lu type changes; flush interrupts for 1000 of them: %lu, flushing always: "
               "%lu\n",
               after.type_changes, after.type_ipis * 1000 / after.type_changes,
               after.type_ipis_naive * 1000 / after.type_changes);
}
