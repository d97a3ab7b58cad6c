/* SPDX-License-Identifier: MIT
 *
 * Silencing the 8259s: see pic.h.
 */
#include <stdint.h>

#include "xen/arch/x86/io.h"
#include "xen/arch/x86/pic.h"

#define MASTER      0x20
#define SLAVE       0xa0
#define DATA        1
#define INIT_ICW4   0x11
#define MODE_8086   0x01
#define VECTOR_BASE 0x20 /* to 0x2f: nothing else uses these */
#define ALL         0xff

static LAGAN_INIT void initialise(uint16_t chip, uint8_t vector, uint8_t cascade)
{
    out8(chip, INIT_ICW4);
    io_delay();
    out8(chip + DATA, vector);
    io_delay();
    out8(chip + DATA, cascade);
    io_delay();
    out8(chip + DATA, MODE_8086);
    io_delay();
}

LAGAN_INIT void pic_silence(bool present)
{
    out8(MASTER + DATA, ALL);
    out8(SLAVE + DATA, ALL);
    if (!present)
        return;
    initialise(MASTER, VECTOR_BASE, 1 << 2); /* a slave at input 2 */
    initialise(SLAVE, VECTOR_BASE + 8, 2);   /* the slave's own number */
    out8(MASTER + DATA, ALL);
    out8(SLAVE + DATA, ALL);
}
