/* SPDX-License-Identifier: MIT
 *
 * pressure_op: a domain and its target, the control domain and the host's memory
 * (include/public/lagan/pressure.h).
 */
#include "include/public/lagan/pressure.h"
#include "xen/domain.h"
#include "xen/guest_access.h"
#include "xen/hypercall.h"
#include "xen/pressure.h"
#include "arch_current.h"

STATIC_ASSERT(LAGAN_VIRQ_PRESSURE == VIRQ_ARCH_6);
STATIC_ASSERT((int)LAGAN_PRESSURE_BALANCE == BALLOON_BALANCE &&
              (int)LAGAN_PRESSURE_WAITED == BALLOON_WAITED &&
              (int)LAGAN_PRESSURE_SHORT == BALLOON_SHORT);
STATIC_ASSERT(sizeof(struct lagan_pressure_state) == 64);
STATIC_ASSERT(sizeof(struct lagan_pressure_need) == 56);
STATIC_ASSERT(sizeof(struct lagan_pressure_domain) == 176);
STATIC_ASSERT(sizeof(struct lagan_pressure_report_for) == 64);
STATIC_ASSERT(sizeof(struct lagan_pressure_limits) == 24);
STATIC_ASSERT(sizeof(struct lagan_pressure_order) == 16);
STATIC_ASSERT(sizeof(struct lagan_pressure_host) == 72);

static int64_t get(struct domain *self, guest_ptr_t arg)
{
    struct lagan_pressure_state state;
    int rc = pressure_follow(self);

    if (rc)
        return rc;
    pressure_get(self, &state);
    return copy_to_guest(arg, &state, sizeof(state));
}

static bool is_valid(const struct lagan_pressure_need *need)
{
    return !need->flags && !need->reserved[0] && !need->reserved[1];
}

static int64_t report(struct domain *self, guest_ptr_t arg)
{
    struct lagan_pressure_need need;

    if (copy_from_guest(&need, arg, sizeof(need)))
        return -XEN_EFAULT;
    return is_valid(&need) ? pressure_report(self, &need) : -XEN_EINVAL;
}

static int64_t report_for(guest_ptr_t arg)
{
    struct lagan_pressure_report_for in;
    struct domain *d;
    int rc;

    if (copy_from_guest(&in, arg, sizeof(in)))
        return -XEN_EFAULT;
    if (in.reserved0[0] || in.reserved0[1] || in.reserved0[2] || !is_valid(&in.need))
        return -XEN_EINVAL;
    d = domain_find_target(in.domid);
    if (!d)
        return -XEN_ESRCH;
    rc = pressure_report_for(d, &in.need);
    domain_put(d);
    return rc;
}

static int64_t get_domain(guest_ptr_t arg)
{
    struct lagan_pressure_domain out;
    struct domain *d;

    if (copy_from_guest(&out, arg, offsetof(struct lagan_pressure_domain, weight)))
        return -XEN_EFAULT;
    if (out.reserved0)
        return -XEN_EINVAL;
    d = domain_find_target(out.domid);
    if (!d)
        return -XEN_ESRCH;
    pressure_get_domain(d, &out);
    domain_put(d);
    return copy_to_guest(arg, &out, sizeof(out));
}

static int64_t set_limits(guest_ptr_t arg)
{
    struct lagan_pressure_limits in;
    struct domain *d;
    int rc;

    if (copy_from_guest(&in, arg, sizeof(in)))
        return -XEN_EFAULT;
    if (in.reserved0)
        return -XEN_EINVAL;
    d = domain_find_target(in.domid);
    if (!d)
        return -XEN_ESRCH;
    rc = pressure_set_limits(d, &in);
    domain_put(d);
    return rc;
}

static int64_t order(unsigned command, guest_ptr_t arg)
{
    struct lagan_pressure_order in;
    struct domain *d;
    int rc;

    if (copy_from_guest(&in, arg, sizeof(in)))
        return -XEN_EFAULT;
    if (in.reserved0[0] || in.reserved0[1] || in.reserved0[2])
        return -XEN_EINVAL;
    d = domain_find_target(in.domid);
    if (!d)
        return -XEN_ESRCH;
    rc = command == LAGAN_PRESSURE_set_target ? pressure_set_target(d, in.pages)
                                              : pressure_reserve(d, in.pages);
    domain_put(d);
    return rc;
}

static int64_t get_host(guest_ptr_t arg)
{
    struct lagan_pressure_host host = {0};

    /* Events that cannot be told are not to be lost. */
    if (copy_to_guest(arg, &host, sizeof(host)))
        return -XEN_EFAULT;
    pressure_get_host(&host);
    return copy_to_guest(arg, &host, sizeof(host));
}

static int64_t set_host(guest_ptr_t arg)
{
    struct lagan_pressure_host host;

    if (copy_from_guest(&host, arg, sizeof(host)))
        return -XEN_EFAULT;
    return pressure_set_host(&host);
}

static int64_t by_control(unsigned command, guest_ptr_t arg)
{
    switch (command) {
    case LAGAN_PRESSURE_get_domain:
        return get_domain(arg);
    case LAGAN_PRESSURE_set_limits:
        return set_limits(arg);
    case LAGAN_PRESSURE_set_target:
    case LAGAN_PRESSURE_reserve:
        return order(command, arg);
    case LAGAN_PRESSURE_get_host:
        return get_host(arg);
    case LAGAN_PRESSURE_set_host:
        return set_host(arg);
    default:
        return report_for(arg);
    }
}

int64_t hcall_pressure_op(const struct hypercall_args *args)
{
    struct domain *self = current_vcpu()->domain;
    unsigned command = (unsigned)args->a[0];
    guest_ptr_t arg = guest_ptr(args->a[1]);

    if (command == LAGAN_PRESSURE_get)
        return get(self, arg);
    if (command == LAGAN_PRESSURE_report)
        return report(self, arg);
    if (command < LAGAN_PRESSURE_get_domain || command > LAGAN_PRESSURE_report_for)
        return -XEN_ENOSYS;
    return self->privileged ? by_control(command, arg) : -XEN_EPERM;
}
