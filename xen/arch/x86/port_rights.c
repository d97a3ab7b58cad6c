/* SPDX-License-Identifier: MIT
 *
 * The fixed part is the chips of every PC that the hypervisor has taken: both interrupt controllers
 * of old, which are silent, and the timer. Its channel 2 reads as 0, since Linux measures the TSC by
 * it and gives up sooner so. Serial ports are added as they are set up.
 */
#include "xen/arch/x86/port_rights.h"

#include <lagan/assert.h>

struct port_range {
    uint32_t first, end;
    enum port_right right;
};

static const struct port_range fixed[] = {
    {0x20, 0x22, PORT_HIDDEN},
    {0x40, 0x42, PORT_HIDDEN},
    {0x42, 0x43, PORT_ZERO},
    {0x43, 0x44, PORT_HIDDEN},
    {0x70, 0x71, PORT_CMOS_INDEX},
    {0xa0, 0xa2, PORT_HIDDEN},
    {0xcf8, 0xcf9, PORT_PCI_ADDRESS},
    {0xcfc, 0xd00, PORT_PCI_DATA},
    {0x10000, UINT32_MAX, PORT_HIDDEN},
};

static struct {
    unsigned count;
    struct port_range range[PORT_HIDDEN_MAX];
} hidden; /* [c] after boot */

void port_rights_hide(uint16_t first, unsigned count)
{
    BUG_ON(hidden.count == PORT_HIDDEN_MAX);
    hidden.range[hidden.count++] = (struct port_range){first, first + count, PORT_HIDDEN};
}

static bool find(const struct port_range *range, unsigned count, uint32_t port,
                 enum port_right *right)
{
    for (unsigned i = 0; i < count; i++) {
        if (port < range[i].first || port >= range[i].end)
            continue;
        *right = range[i].right;
        return true;
    }
    return false;
}

enum port_right port_rights(uint32_t port)
{
    enum port_right right;

    if (find(fixed, ARRAY_SIZE(fixed), port, &right) ||
        find(hidden.range, hidden.count, port, &right))
        return right;
    return PORT_FREE;
}

bool port_rights_same(uint32_t port, unsigned bytes, enum port_right *right)
{
    *right = port_rights(port);
    for (unsigned i = 1; i < bytes; i++)
        if (port_rights(port + i) != *right)
            return false;
    return true;
}
