/* SPDX-License-Identifier: MIT
 *
 * All 256 gates are interrupt gates of ring 0, but breakpoint and overflow, which any program may
 * raise. A guest's INT n through another gate is #GP with an error code that names the vector; the
 * trap code decodes it.
 */
#include "xen/arch/x86/desc.h"
#include "xen/arch/x86/idt.h"
#include "xen/arch/x86/layout.h"

#define STUB_BYTES 16

struct gate {
    uint16_t offset_low, selector;
    uint8_t ist, type;
    uint16_t offset_middle;
    uint32_t offset_high, reserved;
};
STATIC_ASSERT(sizeof(struct gate) == 16);

extern const char trap_stubs[];

/* Among the constants: nothing changes it once it is filled. */
static struct gate idt[256] LAGAN_ALIGNED(4096) __attribute__((section(".ro_after_boot")));

static unsigned ist_of(unsigned vector)
{
    switch (vector) {
    case 1:
        return IST_DB;
    case 2:
        return IST_NMI;
    case 8:
        return IST_DF;
    case 18:
        return IST_MC;
    default:
        return IST_NONE;
    }
}

LAGAN_INIT void idt_init(void)
{
    for (unsigned v = 0; v < 256; v++) {
        uint64_t stub = (uint64_t)trap_stubs + v * STUB_BYTES;
        unsigned dpl = v == 3 || v == 4 ? 3 : 0;

        idt[v] = (struct gate){
            .offset_low = (uint16_t)stub,
            .offset_middle = (uint16_t)(stub >> 16),
            .offset_high = (uint32_t)(stub >> 32),
            .selector = HV_CS,
            .ist = (uint8_t)ist_of(v),
            .type = (uint8_t)(0x8e | dpl << 5),
        };
    }
}

uint64_t idt_address(void)
{
    return (uint64_t)idt;
}

void idt_load(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } LAGAN_PACKED idtr = {sizeof(idt) - 1, (uint64_t)idt};

    __asm__ volatile("lidt %0" : : "m"(idtr));
}
