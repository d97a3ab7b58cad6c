/* SPDX-License-Identifier: MIT
 *
 * Which processors have the Meltdown defect, from what vendors have published: all of Intel's that
 * speculate, until the one that says otherwise; none of AMD's and Hygon's. Intel's first Atoms execute
 * in order.
 */
#include <lagan/string.h>

#include "xen/arch/x86/pti_policy.h"

static const uint8_t in_order_models[] = {0x1c, 0x26, 0x27, 0x35, 0x36}; /* of family 6 */

LAGAN_INIT struct processor_kind processor_kind(uint32_t b, uint32_t d, uint32_t c,
                                                uint32_t signature)
{
    struct processor_kind k = {.family = signature >> 8 & 0xf, .model = signature >> 4 & 0xf};

    memcpy(k.vendor, &b, sizeof(b));
    memcpy(k.vendor + 4, &d, sizeof(d));
    memcpy(k.vendor + 8, &c, sizeof(c));
    if (k.family == 6 || k.family == 15)
        k.model |= signature >> 12 & 0xf0;
    if (k.family == 15)
        k.family += signature >> 20 & 0xff;
    return k;
}

LAGAN_INIT bool has_meltdown(const struct processor_kind *kind, bool rdcl_no)
{
    if (strcmp(kind->vendor, "AuthenticAMD") == 0 || strcmp(kind->vendor, "HygonGenuine") == 0)
        return false;
    if (strcmp(kind->vendor, "GenuineIntel") == 0 && kind->family == 6)
        for (size_t i = 0; i < ARRAY_SIZE(in_order_models); i++)
            if (kind->model == in_order_models[i])
                return false;
    return !rdcl_no;
}
