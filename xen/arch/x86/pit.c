/* SPDX-License-Identifier: MIT
 *
 * Channel 2 of the 8254 timer, the one whose gate software controls: the counter of last resort,
 * for a machine without ACPI timers. In mode 2 it counts down from 65536, again and again.
 */
#include "xen/arch/x86/counter.h"
#include "xen/arch/x86/io.h"

#define PIT_CHANNEL2  0x42
#define PIT_COMMAND   0x43
#define PIT_MODE2_CH2 0xb4 /* channel 2, low byte then high byte, rate generator */
#define PIT_LATCH_CH2 0x80
#define SPEAKER       0x61
#define SPEAKER_GATE  1u
#define SPEAKER_DATA  2u
#define PIT_PERIOD_FS 838095345 /* 10^15 / 1193182 */
#define DEAD_AFTER    10000

uint32_t pit_read(void)
{
    uint32_t low, high;

    out8(PIT_COMMAND, PIT_LATCH_CH2);
    low = in8(PIT_CHANNEL2);
    high = in8(PIT_CHANNEL2);
    return (0x10000 - (high << 8 | low)) & 0xffff; /* upwards, as the others */
}

LAGAN_INIT int pit_start(struct counter *c)
{
    uint32_t first;

    out8(SPEAKER, (uint8_t)((in8(SPEAKER) & ~SPEAKER_DATA) | SPEAKER_GATE));
    out8(PIT_COMMAND, PIT_MODE2_CH2);
    out8(PIT_CHANNEL2, 0);
    out8(PIT_CHANNEL2, 0);
    first = pit_read();
    for (unsigned i = 0; i < DEAD_AFTER; i++) {
        if (pit_read() != first) {
            *c = (struct counter){COUNTER_PIT, "PIT", 0xffff, PIT_PERIOD_FS};
            return 0;
        }
    }
    return -XEN_ENODEV;
}
