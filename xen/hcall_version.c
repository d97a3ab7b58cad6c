/* SPDX-License-Identifier: MIT
 *
 * Decoder of xen_version: who runs this guest, and what it can rely on.
 *
 * Every answer with a buffer fills all of it, zeroes behind the text: guests print what they get.
 * The version is that of the ABI, as the tools choose their directory by it; the extra version
 * names us. Compile-time facts that change from one build to the next are left out: builds are
 * reproducible.
 */
#include "xen/hypercall.h"

#include <lagan/string.h>
#include <xen/version.h>

#include "arch_current.h"
#include "xen/domain.h"
#include "xen/guest_access.h"
#include "xen/version.h"

#define FEATURE(name) (UINT32_C(1) << XENFEAT_##name)

static xen_commandline_t command_line; /* [c] after boot */

static const struct xen_compile_info compile_info = {
    .compiler = "C11 (" __VERSION__ ")",
    .compile_by = "lagan",
    .compile_domain = "",
    .compile_date = "reproducible build",
};

void version_set_command_line(const char *line)
{
    (void)strlcpy(command_line, line, sizeof(command_line));
}

/* Copies a text out, filling a buffer of `bytes` with zeroes behind it. */
static int64_t put_text(guest_ptr_t to, const char *text, size_t bytes)
{
    size_t used = strnlen(text, bytes - 1);
    int rc = copy_to_guest(to, text, used);

    return rc ? rc : clear_guest(guest_ptr_add(to, used), bytes - used);
}

static uint32_t features(const struct domain *d)
{
    uint32_t f = FEATURE(mmu_pt_update_preserve_ad) | FEATURE(highmem_assist) |
                 FEATURE(gnttab_map_avail_bits) | FEATURE(memory_op_vnode_supported) |
                 FEATURE(direct_mapped);

    if (d->vm_assist >> VMASST_TYPE_pae_extended_cr3 & 1)
        f |= FEATURE(pae_pgdir_above_4gb);
    if (d->privileged)
        f |= FEATURE(dom0);
    return f;
}

static int64_t get_features(const struct domain *d, guest_ptr_t arg)
{
    xen_feature_info_t info;
    int rc = copy_from_guest(&info, arg, sizeof(info));

    if (rc)
        return rc;
    if (info.submap_idx >= XENFEAT_NR_SUBMAPS)
        return -XEN_EINVAL;
    info.submap = features(d);
    return copy_to_guest(arg, &info, sizeof(info));
}

static int64_t platform_parameters(guest_ptr_t arg)
{
    xen_platform_parameters_t p = {.virt_start = HYPERVISOR_VIRT_START};

    return copy_to_guest(arg, &p, sizeof(p));
}

int64_t hcall_xen_version(const struct hypercall_args *args)
{
    const struct domain *d = current_vcpu()->domain;
    guest_ptr_t arg = guest_ptr(args->a[1]);

    switch (args->a[0]) {
    case XENVER_version:
        return XEN_ABI_MAJOR << 16 | XEN_ABI_MINOR;
    case XENVER_extraversion:
        return put_text(arg, ".0-lagan", XEN_EXTRAVERSION_LEN);
    case XENVER_compile_info:
        return copy_to_guest(arg, &compile_info, sizeof(compile_info));
    case XENVER_capabilities:
        return put_text(arg, "xen-3.0-x86_64 ", XEN_CAPABILITIES_INFO_LEN);
    case XENVER_changeset:
        return put_text(arg, "lagan " LAGAN_VERSION, sizeof(xen_changeset_info_t));
    case XENVER_platform_parameters:
        return platform_parameters(arg);
    case XENVER_get_features:
        return get_features(d, arg);
    case XENVER_pagesize:
        return args->a[1] ? -XEN_EINVAL : (int64_t)PAGE_SIZE;
    case XENVER_guest_handle:
        return copy_to_guest(arg, d->handle, sizeof(d->handle));
    case XENVER_commandline: /* may name what other guests must not know */
        return put_text(arg, d->privileged ? command_line : "<denied>", sizeof(command_line));
    case XENVER_build_id:
        return -XEN_ENODATA;
    default:
        return -XEN_ENOSYS;
    }
}
