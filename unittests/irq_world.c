/* SPDX-License-Identifier: MIT
 *
 * See irq_world.h.
 */
#include "unittests/irq_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch_current.h"
#include "arch_inline.h"
#include "mm/heap.h"
#include "xen/arch/x86/apic.h"
#include "xen/arch/x86/device_page.h"
#include "xen/arch/x86/io_guard.h"
#include "xen/arch/x86/ioapic.h"
#include "xen/arch/x86/vectors.h"
#include "xen/event.h"
#include "xen/softirq.h"
#include "xen/timer.h"

/* The fuzzer's machine too: so a fault stops it. */
#define CHECK(x)                                                           \
    do {                                                                   \
        if (!(x)) {                                                        \
            fprintf(stderr, "%s:%d: %s failed\n", __FILE__, __LINE__, #x); \
            abort();                                                       \
        }                                                                  \
    } while (0)

struct pin {
    bool line, masked, level, waits; /* waits: for an EOI ("remote IRR") */
    uint8_t vector;
    unsigned cpu;
};

struct local {
    bool request[256], service[256], from_level[256];
    bool on;     /* interrupts */
    bool wanted; /* SOFTIRQ_PIRQ */
    unsigned taken;
};

#define UNUSED_APIC_ID 254 /* of no CPU */

struct acpi_info acpi_info;
struct world_write world_written;
static struct timer *timer; /* there is one */
static uint64_t now;
static struct pin pins[WORLD_GSIS];
static struct local locals[WORLD_CPUS];
static bool started, nested;
static uint64_t free_pages;
struct domain *control, *other;

/* ---- local APICs ---- */

static int highest(const bool *set)
{
    int v = 255;

    while (v >= 0 && !set[v])
        v--;
    return v;
}

static void send(unsigned cpu, uint8_t vector, bool level)
{
    locals[cpu].request[vector] = true;
    locals[cpu].from_level[vector] = level;
}

static int class_in_service(const struct local *l)
{
    int v = highest(l->service);

    return v < 0 ? -1 : v >> 4;
}

/* Everything that may come now, comes. */
void world_take_interrupts(void)
{
    struct local *l = &locals[arch_cpu()];
    int v;

    while (l->on && (v = highest(l->request)) >= 0 && v >> 4 > class_in_service(l)) {
        l->request[v] = false;
        l->service[v] = true;
        l->taken++;
        l->on = false;
        pirq_interrupt((unsigned)v);
        l->on = true;
    }
}

static void refresh(unsigned gsi)
{
    struct pin *p = &pins[gsi];

    if (p->level && p->line && !p->masked && !p->waits && p->vector) {
        p->waits = true;
        send(p->cpu, p->vector, true);
    }
}

void apic_eoi(void)
{
    struct local *l = &locals[arch_cpu()];
    int v = highest(l->service);

    CHECK(v >= 0); /* an EOI too many */
    l->service[v] = false;
    for (unsigned gsi = 0; l->from_level[v] && gsi < WORLD_GSIS; gsi++) {
        if (pins[gsi].vector == v && pins[gsi].level)
            pins[gsi].waits = false;
        refresh(gsi);
    }
}

uint32_t apic_id_of(unsigned cpu)
{
    return cpu * 2;
}

uint32_t apic_unused_id(void)
{
    return UNUSED_APIC_ID;
}

/* ---- time ---- */

void timer_init(struct timer *t, void (*handler)(struct timer *t), unsigned cpu)
{
    (void)cpu;
    *t = (struct timer){.handler = handler};
    timer = t;
}

void timer_set(struct timer *t, uint64_t expires_ns)
{
    t->expires = expires_ns;
    t->armed = true;
}

bool timer_is_armed(const struct timer *t)
{
    return t->armed;
}

void world_pass(uint64_t ns)
{
    now += ns;
    host_set_time(now);
    if (!timer->armed || timer->expires > now)
        return;
    timer->armed = false;
    timer->handler(timer);
}

static void world_irqs_on(void)
{
    locals[arch_cpu()].on = true;
    world_take_interrupts();
}

void softirq_raise(enum softirq nr)
{
    CHECK(nr == SOFTIRQ_PIRQ);
    locals[arch_cpu()].wanted = true;
}

/* ---- IO-APIC: each access may be interrupted ---- */

void (*world_on_access)(void);

static void access_point(void)
{
    if (world_on_access)
        world_on_access();
    if (!nested && locals[arch_cpu()].on) {
        nested = true;
        world_take_interrupts();
        nested = false;
    }
}

unsigned ioapic_gsi_count(void)
{
    return WORLD_GSIS;
}

struct acpi_isa_irq ioapic_isa(unsigned irq)
{
    return (struct acpi_isa_irq){irq == 0 ? 2 : irq, irq == 9, false};
}

int ioapic_route(unsigned gsi, uint8_t vector, bool level, bool low, unsigned cpu)
{
    struct pin *p = &pins[gsi];

    (void)low;
    CHECK(gsi < WORLD_GSIS && gsi != KEPT_GSI);
    access_point();
    *p = (struct pin){p->line, true, level, false, vector, cpu};
    return 0;
}

void ioapic_mask(unsigned gsi)
{
    access_point();
    pins[gsi].masked = true;
    access_point();
}

void ioapic_unmask(unsigned gsi)
{
    access_point();
    pins[gsi].masked = false;
    refresh(gsi);
    access_point();
}

int ioapic_peek(uint64_t address, uint32_t reg, uint32_t *value)
{
    *value = reg;
    return address == 0xfec00000 ? 0 : -XEN_EINVAL;
}

void world_line(unsigned gsi, bool high)
{
    struct pin *p = &pins[gsi];
    bool rises = high && !p->line;

    p->line = high;
    if (!p->level && rises && !p->masked && p->vector)
        send(p->cpu, p->vector, false);
    refresh(gsi);
}

bool world_masked(unsigned gsi)
{
    return pins[gsi].masked;
}

/* ---- PCI ---- */

#define CAPABILITY 0x50

static uint8_t config[WORLD_FUNCTIONS][PCI_CONFIG_BYTES];
static bool building;
static uint32_t msix_table[128]; /* twice as large as the function says */

struct pci_function world_function(unsigned n)
{
    return (struct pci_function){0, 1, (uint8_t)(n << 3)};
}

uint8_t *world_config(unsigned n)
{
    return config[n];
}

uint32_t *world_table(void)
{
    return msix_table;
}

static uint8_t *config_of(struct pci_function f)
{
    unsigned n = f.devfn >> 3;

    return f.segment == 0 && f.bus == 1 && n < WORLD_FUNCTIONS && (f.devfn & 7) == 0 ? config[n]
                                                                                     : NULL;
}

uint32_t pci_config_read(struct pci_function f, unsigned reg, unsigned bytes)
{
    const uint8_t *c = config_of(f);
    uint32_t value = 0;

    CHECK(reg + bytes <= PCI_CONFIG_BYTES);
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint32_t)(c ? c[reg + i] : 0xff) << 8 * i;
    return value;
}

/* Of a capability only what is to be set can be: whether it is enabled, and for how many. */
static uint8_t writable_bits(unsigned reg)
{
    if (building || reg < CAPABILITY || reg > CAPABILITY + 3)
        return 0xff;
    return reg == CAPABILITY + 2 ? 0x71 : reg == CAPABILITY + 3 ? 0xc0 : 0;
}

void pci_config_write(struct pci_function f, unsigned reg, unsigned bytes, uint32_t value)
{
    uint8_t *c = config_of(f);

    CHECK(reg + bytes <= PCI_CONFIG_BYTES);
    for (unsigned i = 0; c && i < bytes; i++) {
        uint8_t changes = writable_bits(reg + i);

        c[reg + i] = (uint8_t)((c[reg + i] & ~changes) | ((value >> 8 * i) & changes));
    }
}

unsigned pci_find_capability(struct pci_function f, uint8_t id)
{
    const uint8_t *c = config_of(f);

    return c && c[CAPABILITY] == id ? CAPABILITY : 0;
}

int device_page_map(uint64_t phys, volatile void **at)
{
    if (phys < WORLD_TABLE_ADDRESS || phys >= WORLD_TABLE_ADDRESS + sizeof(msix_table))
        return -XEN_EINVAL;
    *at = (char *)msix_table + (phys - WORLD_TABLE_ADDRESS);
    return 0;
}

void device_page_write(uint64_t phys, unsigned bytes, uint64_t value)
{
    CHECK(phys % bytes == 0);
    world_written = (struct world_write){phys, value, bytes, world_written.count + 1};
}

static void deliver_message(uint32_t address, uint32_t data)
{
    unsigned cpu = (address >> 12 & 0xff) / 2;

    CHECK(address >> 20 == 0xfee);
    if ((address >> 12 & 0xff) == UNUSED_APIC_ID)
        return;
    CHECK(cpu < WORLD_CPUS && data >= VECTOR_DEVICE_FIRST && data <= VECTOR_DEVICE_LAST);
    send(cpu, (uint8_t)data, false);
}

bool world_send(struct pci_function f, unsigned index)
{
    unsigned n = f.devfn >> 3;
    uint32_t address, data, enabled;

    if (n == 2) {
        if (msix_table[index * 4 + 3] & 1)
            return false;
        deliver_message(msix_table[index * 4], msix_table[index * 4 + 2]);
        return true;
    }
    address = pci_config_read(f, CAPABILITY + 4, 4);
    data = pci_config_read(f, CAPABILITY + (n == 1 ? 12 : 8), 2);
    enabled = 1u << (pci_config_read(f, CAPABILITY + 2, 2) >> 4 & 7);
    if (!address || index >= enabled ||
        (n == 1 && (pci_config_read(f, CAPABILITY + 16, 4) >> index & 1)))
        return false;
    deliver_message(address, data | index);
    return true;
}

static void build_functions(void)
{
    static const uint16_t control_word[3] = {0x0000, 0x0186, 0x000f};

    building = true;
    memset(config, 0, sizeof(config));
    memset(msix_table, 0, sizeof(msix_table));
    for (unsigned i = 0; i < 16; i++)
        msix_table[i * 4 + 3] = 1;
    for (unsigned n = 0; n < WORLD_FUNCTIONS; n++) {
        pci_config_write(world_function(n), 0, 4, 0x12345678);
        if (n == 3)
            continue;
        config[n][CAPABILITY] = n == 2 ? 0x11 : 0x05;
        pci_config_write(world_function(n), CAPABILITY + 2, 2, control_word[n]);
    }
    pci_config_write(world_function(2), 0x10, 4, WORLD_TABLE_ADDRESS | 4);
    building = false;
}

/* ---- the whole ---- */

void irq_world(void)
{
    if (!started)
        host_heap(256, 3000);
    started = true;
    memset(pins, 0, sizeof(pins));
    memset(locals, 0, sizeof(locals));
    for (unsigned i = 0; i < WORLD_GSIS; i++)
        pins[i].masked = true;
    for (unsigned i = 0; i < WORLD_CPUS; i++)
        locals[i].on = true;
    build_functions();
    host_set_online(WORLD_CPUS);
    host_enter_cpu(0);
    host_irqs_on = world_irqs_on;
    world_on_access = NULL;
    acpi_info.segment_count = 2;
    acpi_info.segment[0] = (struct acpi_segment){WORLD_CONFIG_ADDRESS, 0, 0, 7};
    acpi_info.segment[1] = (struct acpi_segment){WORLD_CONFIG_ADDRESS << 1, 1, 0, 255};
    for (unsigned n = 0; n < WORLD_FUNCTIONS; n++)
        io_guard_forget(world_function(n));
    io_guard_init();
    world_written = (struct world_write){.count = 0};
    pirq_init();
    pirq_keep_gsi(KEPT_GSI);
    control = host_domain_create(0, WORLD_VCPUS, 4095);
    other = host_domain_create(1, 1, 4095);
    control->privileged = true;
    host_current = control->vcpu[0];
    heap_drain_cpu_cache();
    free_pages = heap_free_pages();
}

void irq_world_end(void)
{
    world_settle_all();
    for (unsigned cpu = 0; cpu < WORLD_CPUS; cpu++)
        CHECK(world_in_service(cpu) == 0);
    pirq_audit();
    while (event_domain_destroy(control))
        ;
    arch_pirqs_release(control);
    CHECK(pirq_mapped(NULL) == 0);
    for (unsigned gsi = 0; gsi < WORLD_GSIS; gsi++)
        CHECK(world_masked(gsi));
    pirq_audit();
    host_domain_kill(control);
    host_domain_kill(other);
    host_irqs_on = NULL;
}

void world_settle(unsigned cpu)
{
    host_enter_cpu(cpu);
    world_take_interrupts();
    while (locals[cpu].wanted) {
        locals[cpu].wanted = false;
        pirq_softirq();
        world_take_interrupts();
    }
}

void world_settle_all(void)
{
    bool more = true;

    while (more) {
        more = false;
        for (unsigned cpu = 0; cpu < WORLD_CPUS; cpu++) {
            world_settle(cpu);
            more |= highest(locals[cpu].request) >= 0;
        }
    }
    host_enter_cpu(0);
}

unsigned world_in_service(unsigned cpu)
{
    unsigned count = 0;

    for (unsigned v = 0; v < 256; v++)
        count += locals[cpu].service[v];
    return count;
}

unsigned world_taken(unsigned cpu)
{
    return locals[cpu].taken;
}

bool world_take(struct domain *d, int port)
{
    xen_ulong_t bit = (xen_ulong_t)1 << port % 64;

    return __atomic_fetch_and(&d->shared_info->evtchn_pending[port / 64], ~bit, __ATOMIC_SEQ_CST) &
           bit;
}
