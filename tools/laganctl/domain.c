/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"

int host_find(struct host *h, const char *name_or_number, struct host_domain *found)
{
    static struct host_domain list[HOST_DOMAINS_MAX];
    char *end;
    unsigned long number = strtoul(name_or_number, &end, 10);
    bool is_number = *name_or_number >= '0' && *name_or_number <= '9' && !*end;
    int count = host_domains(h, list, HOST_DOMAINS_MAX);

    for (int i = 0; i < count; i++)
        if (is_number ? list[i].domid == number
                      : *name_or_number && !strcmp(list[i].name, name_or_number)) {
            *found = list[i];
            return 0;
        }
    return count < 0 ? count : -ESRCH;
}
