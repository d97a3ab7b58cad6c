/* SPDX-License-Identifier: MIT
 *
 * A host that starts with boot modules.
 */
#include "unittests/boot_world.h"

#include <string.h>

#include "unittests/elf_kit.h"
#include "xen/arch/x86/layout.h"
#include "xen/bootdomains.h"
#include "xen/bootreap.h"

struct boot_info info;

void start(uint64_t pages)
{
    core_start(pages);
    memset(&info, 0, sizeof(info));
    elf_kit_build();
    (void)host_log();
}

/* The modules are found through the direct map: so from there on our memory is "physical". */
void module(const char *line)
{
    uint64_t at = (uint64_t)elf_kit_file - VA_DIRECT;

    info.module[info.module_count++] = (struct boot_module){at, at + ELF_KIT_BYTES, line};
}

/* What xen_main() does. */
static void begin_host(void)
{
    bootdomains_start(&info);
    bootreap_run();
}

int host_runs(uint64_t ns)
{
    jmp_buf off;

    core_exit_status = CORE_RUNNING;
    core_power_off = &off;
    if (setjmp(off) == 0) {
        if (ns)
            core_pass(ns);
        else
            begin_host();
    }
    return core_exit_status;
}

int boot(void)
{
    return host_runs(0);
}

bool said(const char *log, const char *text)
{
    return strstr(log, text) != NULL;
}

void end_domain(domid_t id, int reason)
{
    struct domain *d = domain_find(id);

    CU_ASSERT_PTR_NOT_NULL_FATAL(d);
    domain_shutdown(d, reason);
    domain_put(d);
}
