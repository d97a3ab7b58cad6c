/* SPDX-License-Identifier: MIT
 *
 * Shares with a tax on idle memory, after C. Waldspurger, "Memory Resource Management in VMware ESX
 * Server", OSDI 2002, section 5: memory is taken from the client that pays the least for each page,
 *
 *     rho = S / (P * (f + k * (1 - f)))
 *
 * with S shares, P pages, of which the fraction f is active, and k = 1 / (1 - tax) the cost of an
 * idle page. The paper moves pages one by one from the lowest rho to who wants more; here the point
 * at which that comes to rest is computed at once. Write A = f * P for the active pages and L for
 * 1 / rho: who has P pages is at rest at price level L when
 *
 *     cost(P) = S * L    where    cost(P) = P              up to A,
 *                                           A + k * (P - A)  above,
 *
 * so everybody's P follows from one L, as far as its limits allow, and the L at which all memory is
 * used is found by bisection: P rises with L. The result depends on needs, limits and shares, and
 * not on who asked last, so it does not change while those do not. (With everything active it is a
 * plain proportional share.)
 *
 * INV-POLICY-1: low <= policy_pages() <= high, whatever a guest says of itself.
 * INV-POLICY-2: if `fits`, all that is taken at the level found is at most the memory; at the next
 * level it would be more, unless that is the highest there is, where everybody has `high`.
 * INV-POLICY-3: active pages never lower what a claimant gets, nor raise it above shares * level:
 * who lies about its need wins no more than its shares are worth beside the others'.
 */
#include "balloon/policy.h"

#define LEVEL_SHIFT 16 /* of the fixed point: a unit of the level is 2^-16 pages for each share */
/* At the highest level one share buys everything, even if it is idle. */
#define LEVEL_BITS (32 + 3 + LEVEL_SHIFT)
STATIC_ASSERT(POLICY_IDLE_COST < 8 && POLICY_PAGES_MAX <= UINT32_MAX);

uint64_t policy_pages(const struct policy_claimant *c, uint64_t level)
{
    uint64_t cost, pages;

    if (mul_overflows(c->shares, level, &cost))
        return c->high;
    cost >>= LEVEL_SHIFT;
    pages = cost <= c->active ? cost : c->active + (cost - c->active) / POLICY_IDLE_COST;
    return max_u64(c->low, min_u64(c->high, pages));
}

uint64_t policy_taken(const struct policy_claimant *c, uint64_t level)
{
    return max_u64(policy_pages(c, level), c->stuck);
}

void policy_begin(struct policy_search *s, uint64_t memory)
{
    *s = (struct policy_search){.memory = memory};
}

/* First the lowest level, then a bit of it at a time, from the highest down. */
bool policy_next(const struct policy_search *s, uint64_t *level)
{
    *level = 0;
    if (s->step == 0)
        return true;
    if (!s->fits || s->step > LEVEL_BITS)
        return false;
    *level = s->level | UINT64_C(1) << (LEVEL_BITS - s->step);
    return true;
}

void policy_tried(struct policy_search *s, uint64_t taken)
{
    uint64_t tried;

    if (policy_next(s, &tried) && taken <= s->memory) {
        s->level = tried;
        s->fits = true;
    }
    s->step++;
}
