/* SPDX-License-Identifier: MIT
 *
 * Which domain has which physical interrupt: numbers are mapped and given up.
 *
 * The table's lock keeps two that look for free numbers, or map the same message, apart; it is taken
 * before the lock of an interrupt, which is of the same level. What only concerns one interrupt that
 * is mapped takes its lock alone.
 */
#include <lagan/arch.h>
#include <lagan/nospec.h>
#include <lagan/printk.h>

#include "xen/arch/x86/apic.h"
#include "xen/arch/x86/io_guard.h"
#include "xen/arch/x86/ioapic.h"
#include "xen/arch/x86/pirq_int.h"
#include "xen/domain.h"

#define FIRST_PCI_GSI 16

static struct {
    struct spinlock lock; /* LK_PIRQ */
    unsigned gsi_count;   /* [c] */
    unsigned end;         /* [lock] no message has a number from here on */
} table = {.lock = SPINLOCK_INIT(LK_PIRQ)};

/* ---- boot ---- */

static void describe_gsi(unsigned gsi)
{
    struct pirq *p = &pirqs[gsi];

    p->kind = PIRQ_GSI;
    p->level = p->low =
        gsi >= FIRST_PCI_GSI; /* as PCI has it, unless the control domain knows better */
    for (unsigned irq = 0; irq < ACPI_ISA_IRQS; irq++) {
        struct acpi_isa_irq isa = ioapic_isa(irq);

        if (isa.gsi == gsi) {
            p->level = isa.level;
            p->low = isa.low;
        }
    }
}

void pirq_init(void)
{
    table.gsi_count = (unsigned)min_u64(ioapic_gsi_count(), PIRQ_COUNT);
    table.end = table.gsi_count;
    for (unsigned i = 0; i < PIRQ_COUNT; i++) {
        pirqs[i] = (struct pirq){.group = 1};
        spin_init(&pirqs[i].lock, LK_PIRQ);
        if (i < table.gsi_count)
            describe_gsi(i);
    }
    pirq_storm_init();
}

void pirq_keep_gsi(unsigned gsi)
{
    if (gsi < table.gsi_count)
        pirqs[gsi].kept = true;
}

unsigned pirq_gsi_count(void)
{
    return table.gsi_count;
}

/* ---- pins ---- */

int pirq_map_gsi(struct domain *d, unsigned gsi) LAGAN_NO_TSA
{
    struct pirq *p = &pirqs[index_nospec(gsi, PIRQ_COUNT)];
    int rc = 0;

    if (gsi >= table.gsi_count)
        return -XEN_EINVAL;
    spin_lock(&p->lock);
    if (p->owner && p->owner != d)
        rc = -XEN_EEXIST;
    else
        p->owner = d;
    spin_unlock(&p->lock);
    return rc;
}

int pirq_setup_gsi(unsigned gsi, bool level, bool low)
{
    struct pirq *p = &pirqs[index_nospec(gsi, PIRQ_COUNT)];
    int rc = 0;

    if (gsi >= table.gsi_count)
        return -XEN_EINVAL;
    spin_lock(&p->lock);
    if (p->told || p->port || p->kept) {
        rc = -XEN_EEXIST;
    } else {
        p->told = true;
        p->level = level;
        p->low = low;
    }
    spin_unlock(&p->lock);
    return rc;
}

/* ---- messages ---- */

static bool is_taken(const struct pirq_messages *m)
{
    for (unsigned i = table.gsi_count; i < table.end; i++) {
        const struct pirq *p = &pirqs[i];

        if (p->kind == PIRQ_MESSAGE && pci_same_function(p->source.function, m->function) &&
            (p->source.msix != m->msix || !m->msix || p->source.index == m->index))
            return true;
    }
    return false;
}

/* The first of so many free numbers in a row; PIRQ_COUNT: there are none. */
static unsigned find_numbers(unsigned count)
{
    unsigned run = 0;

    for (unsigned i = table.gsi_count; i < PIRQ_COUNT; i++) {
        run = pirqs[i].kind == PIRQ_NONE ? run + 1 : 0;
        if (run == count)
            return i + 1 - count;
    }
    return PIRQ_COUNT;
}

/* Vectors on this CPU or, if it has none left, on any other. */
static int find_vectors(unsigned cpu, unsigned count, unsigned first, struct vector_place *place)
{
    cpumask_t cpus = arch_online_cpus();
    int rc = vectors_alloc(cpu, count, (uint16_t)first, false, place);

    for_each_cpu (cpu, cpus)
        if (rc)
            rc = vectors_alloc(cpu, count, (uint16_t)first, false, place);
    return rc;
}

static void fill_message(unsigned number, struct domain *d, const struct msi_source *source,
                         unsigned index, struct vector_place first, unsigned count)
{
    struct pirq *p = &pirqs[number];

    spin_lock_nested(&p->lock);
    p->kind = PIRQ_MESSAGE;
    p->owner = d;
    p->source = *source;
    p->source.index = (uint16_t)(source->index + index);
    p->group = (uint8_t)count;
    p->at = (struct vector_place){first.cpu, (uint8_t)(first.vector + index)};
    p->level = false;
    pirq_mask(p, true);
    if (index == 0)
        pirq_send(p);
    spin_unlock(&p->lock);
}

/* The table's lock is held. */
static int map_messages(struct domain *d, const struct pirq_messages *m,
                        const struct msi_source *source)
{
    unsigned first = find_numbers(m->count), cpu = d->vcpu[0]->sched.cpu;
    struct vector_place place;
    int rc;

    if (is_taken(m))
        return -XEN_EEXIST;
    if (first == PIRQ_COUNT)
        return -XEN_ENOSPC;
    rc = find_vectors(cpu, m->count, first, &place);
    if (rc)
        return rc;
    for (unsigned i = 0; i < m->count; i++)
        fill_message(first + i, d, source, i, place, m->count);
    if (table.end < first + m->count)
        table.end = first + m->count;
    return (int)first;
}

static bool count_ok(const struct pirq_messages *m)
{
    return m->count > 0 && m->count <= VECTOR_BLOCK_MAX && !(m->count & (m->count - 1)) &&
           (m->count == 1 || !m->msix);
}

int pirq_map_messages(struct domain *d, const struct pirq_messages *m)
{
    struct msi_source source;
    int rc;

    if (!count_ok(m))
        return -XEN_EINVAL;
    rc = msi_find(m->function, m->msix, m->index, m->table, &source);
    if (rc)
        return rc;
    if (!m->msix && m->count > msi_capacity(&source))
        return -XEN_EINVAL;
    spin_lock(&table.lock);
    rc = map_messages(d, m, &source);
    spin_unlock(&table.lock);
    if (rc >= 0 && m->msix)
        io_guard_function(m->function, m->table);
    return rc;
}

int pirq_find_free(void)
{
    unsigned number;

    spin_lock(&table.lock);
    number = find_numbers(1);
    spin_unlock(&table.lock);
    return number < PIRQ_COUNT ? (int)number : -XEN_ENOSPC;
}

/* ---- giving up ---- */

/* Both locks are held. */
static void release(struct pirq *p)
{
    pirq_unbind(p);
    pirq_storm_forget(p);
    p->storms = 0;
    p->owner = NULL;
    if (p->kind != PIRQ_MESSAGE)
        return;
    if (!p->source.msix) /* a function that still sends it, sends it to nobody */
        msi_divert(&p->source, apic_unused_id());
    pirq_unroute(p);
    p->kind = PIRQ_NONE;
    p->group = 1;
    p->count = 0;
    p->source = (struct msi_source){.index = 0};
}

/* How many numbers go with this one: all of a group with its first, none with another of it. */
static unsigned numbers_with(struct domain *d, unsigned number) LAGAN_NO_TSA
{
    struct pirq *p = &pirqs[index_nospec(number, PIRQ_COUNT)];
    unsigned count = 0;

    if (number >= PIRQ_COUNT)
        return 0;
    spin_lock_nested(&p->lock);
    if (p->owner == d)
        count = p->group == 1 ? 1 : p->source.index == 0 ? p->group : 0;
    spin_unlock(&p->lock);
    return count;
}

int pirq_unmap(struct domain *d, unsigned number)
{
    unsigned count;

    spin_lock(&table.lock);
    count = numbers_with(d, number);
    for (unsigned i = number; i < number + count; i++) {
        spin_lock_nested(&pirqs[i].lock);
        release(&pirqs[i]);
        spin_unlock(&pirqs[i].lock);
    }
    spin_unlock(&table.lock);
    return count ? 0 : -XEN_EINVAL;
}

void arch_pirqs_release(struct domain *d)
{
    if (!d->privileged) /* no other has any */
        return;
    spin_lock(&table.lock);
    for (unsigned i = 0; i < PIRQ_COUNT; i++) {
        struct pirq *p = &pirqs[i];

        spin_lock_nested(&p->lock);
        if (p->owner == d)
            release(p);
        spin_unlock(&p->lock);
    }
    spin_unlock(&table.lock);
    pirq_drop_eoi_page();
}

/* ---- questions ---- */

int pirq_status(struct domain *d, unsigned number, struct pirq_status *status)
{
    struct pirq *p = &pirqs[index_nospec(number, PIRQ_COUNT)];
    int rc = -XEN_EINVAL;

    if (number >= PIRQ_COUNT)
        return rc;
    spin_lock(&p->lock);
    if (p->owner == d) {
        *status = (struct pirq_status){p->level, p->shared};
        rc = 0;
    }
    spin_unlock(&p->lock);
    return rc;
}

int pirq_restore_messages(struct domain *d, struct pci_function f)
{
    spin_lock(&table.lock);
    for (unsigned i = table.gsi_count; i < table.end; i++) {
        struct pirq *p = &pirqs[i];

        spin_lock_nested(&p->lock);
        if (p->kind == PIRQ_MESSAGE && p->owner == d && pci_same_function(p->source.function, f)) {
            pirq_mask(p, true);
            if (p->group == 1 || p->source.index == 0)
                pirq_send(p);
            pirq_mask(p, !p->port || p->quiet);
        }
        spin_unlock(&p->lock);
    }
    spin_unlock(&table.lock);
    return 0;
}

bool pirq_filter_config(struct pci_function f, unsigned reg, unsigned bytes, uint32_t *value)
{
    bool may_write = true;

    spin_lock(&table.lock);
    for (unsigned i = table.gsi_count; i < table.end && may_write; i++) {
        struct pirq *p = &pirqs[i];

        if (p->kind == PIRQ_MESSAGE && pci_same_function(p->source.function, f)) {
            may_write = msi_filter(&p->source, reg, bytes, value);
            break; /* the others of the function say the same */
        }
    }
    spin_unlock(&table.lock);
    return may_write;
}

unsigned pirq_mapped(const struct domain *d)
{
    unsigned count = 0;

    for (unsigned i = 0; i < PIRQ_COUNT; i++)
        count += pirqs[i].owner && (!d || pirqs[i].owner == d);
    return count;
}

static void dump(unsigned number)
{
    const struct pirq *p = &pirqs[number];
    const char *kind = p->kind == PIRQ_GSI ? "pin" : p->source.msix ? "MSI-X" : "MSI";

    log_info("%u: %s %s%s, CPU %u vector %#x, domain %u port %u, %lu times%s, %lu storms\n", number,
             kind, p->level ? "level" : "edge", p->low ? " low" : "", p->at.cpu, p->at.vector,
             p->owner->id, p->port, p->count, p->in_service ? ", in service" : "", p->storms);
}

void pirq_dump(void)
{
    log_info("%u physical interrupts are mapped, %lu came unwanted\n", pirq_mapped(NULL),
             pirq_strays());
    for (unsigned i = 0; i < PIRQ_COUNT; i++) {
        spin_lock(&pirqs[i].lock);
        if (pirqs[i].owner && pirqs[i].port)
            dump(i);
        spin_unlock(&pirqs[i].lock);
    }
}

/* ---- the auditor ---- */

static bool place_names(struct vector_place place, unsigned number)
{
    struct vector_use use = vectors_look_up(place.cpu, place.vector);

    return use.used && use.irq == number && use.level == pirqs[number].level;
}

static void audit_one(unsigned number, unsigned *vectors)
{
    const struct pirq *p = &pirqs[number];

    BUG_ON(p->port && (!p->owner || !p->at.vector));  /* INV-PIRQ-1 */
    BUG_ON(p->in_service && (!p->level || !p->port)); /* INV-PIRQ-2 */
    BUG_ON(p->kept && (p->port || p->at.vector));
    BUG_ON((p->kind == PIRQ_GSI) != (number < table.gsi_count));
    BUG_ON(p->kind == PIRQ_MESSAGE && (!p->owner || !p->at.vector || number >= table.end));
    BUG_ON(p->kind == PIRQ_NONE && (p->owner || p->at.vector));
    BUG_ON(p->was.vector && !p->at.vector);
    pirq_storm_audit(number);
    if (p->at.vector) {
        BUG_ON(!place_names(p->at, number)); /* INV-VEC-1 */
        (*vectors)++;
    }
    if (p->was.vector) {
        BUG_ON(!place_names(p->was, number));
        (*vectors)++;
    }
}

void pirq_audit(void)
{
    unsigned vectors = 0, in_use = 0;

    for (unsigned i = 0; i < PIRQ_COUNT; i++)
        audit_one(i, &vectors);
    for (unsigned cpu = 0; cpu < MAX_CPUS; cpu++)
        in_use += vectors_count(cpu);
    BUG_ON(vectors != in_use); /* INV-VEC-1, the other way */
}
