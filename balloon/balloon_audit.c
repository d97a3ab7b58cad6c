/* SPDX-License-Identifier: MIT
 *
 * The invariants of balloon.c, said again.
 */
#include "balloon/balloon.h"

static unsigned audit_member(const struct balloon_member *m)
{
    uint64_t held = m->have + m->claim;
    uint64_t most = max_u64(m->ceiling, m->reserve);
    uint64_t right = max_u64(max_u64(m->floor, m->reserve), min_u64(m->must, m->have));
    unsigned faults = 0;

    if (!m->managed)
        return m->target != held || m->goal < held;
    if (!m->fixed) /* INV-BAL-1 */
        faults += m->target < min_u64(held, min_u64(right, most));
    faults += m->target > m->goal || m->goal > most || m->goal < m->floor; /* INV-BAL-4 */
    faults += m->late && m->have <= m->target;
    faults += (m->deadline != 0) != (m->have > m->target);
    return faults;
}

unsigned balloon_audit(const struct balloon *b, uint64_t free)
{
    uint64_t there = free > b->keep ? free - b->keep : 0, promises = 0, goals = 0;
    const struct balloon_member *m;
    unsigned faults = 0;

    for_each_balloon_member(m, b)
    {
        uint64_t held = m->have + m->claim;

        faults += audit_member(m);
        if (m->managed && m->target > held)
            promises += m->target - held;
        if (m->claimable)
            promises += m->reserve - held;
        goals += m->managed && !m->late ? m->goal : max_u64(m->goal, held);
    }
    faults += promises > there;                                         /* INV-BAL-2 */
    faults += b->shortage == 0 ? goals > b->memory : goals < b->memory; /* INV-BAL-3 */
    return faults;
}
