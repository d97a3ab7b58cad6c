/* SPDX-License-Identifier: MIT
 *
 * What the store says about a domain. The paths are those of Xen's public description of them
 * (xenstore-paths), as far as they mean something without devices and a control domain.
 */
#include "store/birth.h"
#include "kit/lib.h"
#include "store/admin.h"
#include "store/path.h"
#include "store/tree.h"

#define SHORT_PATH 128

/* Whose a node is: the administrator's, for the domain to read, or the domain's own. */
enum whose { TO_READ, ITS_OWN };

struct entry {
    const char *path;
    const char *value; /* NULL: a directory */
    enum whose whose;
};

/* In this order: what lies below a directory inherits from it. */
static const struct entry fixed[] = {
    {"cpu", NULL, TO_READ},
    {"memory", NULL, TO_READ},
    {"device", NULL, TO_READ},
    {"control", NULL, TO_READ},
    {"control/shutdown", "", ITS_OWN},
    {"control/sysrq", "", ITS_OWN},
    {"control/feature-poweroff", "", ITS_OWN},
    {"control/feature-reboot", "", ITS_OWN},
    {"control/feature-suspend", "", ITS_OWN},
    {"control/platform-feature-multiprocessor-suspend", "1", TO_READ},
    {"control/platform-feature-xs_reset_watches", "1", TO_READ},
    {"device/suspend/event-channel", "", ITS_OWN},
    {"store/ring-ref", "1", TO_READ}, /* GNTTAB_RESERVED_XENSTORE */
    {"console/type", "hypervisor", TO_READ},
    {"data", NULL, ITS_OWN},
    {"drivers", NULL, ITS_OWN},
    {"feature", NULL, ITS_OWN},
    {"attr", NULL, ITS_OWN},
    {"error", NULL, ITS_OWN},
};

/* ---- paths and values ---- */

/* base/part, or base alone. */
static void join(char path[SHORT_PATH], const char *base, const char *part)
{
    struct text out = text_in(path, SHORT_PATH);

    text_add_string(&out, base);
    if (part[0] != '\0') {
        text_add_char(&out, '/');
        text_add_string(&out, part);
    }
    text_add_char(&out, '\0');
}

static void home_of(char path[SHORT_PATH], uint16_t domid)
{
    struct text out = text_in(path, SHORT_PATH);

    text_add_string(&out, DOMAIN_PREFIX);
    text_add_number(&out, domid);
    text_add_char(&out, '\0');
}

static void print_uuid(struct text *out, const struct domain_facts *facts)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t uuid[16];
    unsigned sum = 0;

    for (unsigned i = 0; i < sizeof(uuid); i++) {
        uuid[i] = facts->uuid[i];
        sum |= uuid[i];
    }
    if (sum == 0) {
        uuid[14] = (uint8_t)(facts->domid >> 8);
        uuid[15] = (uint8_t)facts->domid;
    }
    for (unsigned i = 0; i < sizeof(uuid); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            text_add_char(out, '-');
        }
        text_add_char(out, digits[uuid[i] >> 4]);
        text_add_char(out, digits[uuid[i] & 15]);
    }
    text_add_char(out, '\0');
}

/* ---- writing ---- */

static int allow(struct store *store, const char *path, uint16_t domid, enum whose whose)
{
    char entries[24];
    struct text out = text_in(entries, sizeof(entries));

    text_add(&out, "n0", whose == TO_READ ? 3 : 0);
    text_add_char(&out, whose == TO_READ ? 'r' : 'n');
    text_add_number(&out, domid);
    text_add_char(&out, '\0');
    return admin_set_perms(store, path, out.at, out.length);
}

static int put(struct store *store, const char *base, const struct entry *entry, uint16_t domid)
{
    char path[SHORT_PATH];
    int rc;

    join(path, base, entry->path);
    rc = entry->value != NULL ? admin_write(store, path, entry->value) : admin_mkdir(store, path);
    return rc == 0 && entry->whose == ITS_OWN ? allow(store, path, domid, ITS_OWN) : rc;
}

static int put_number(struct store *store, const char *base, const char *part, uint64_t number)
{
    char path[SHORT_PATH], value[24];
    struct text out = text_in(value, sizeof(value));

    join(path, base, part);
    text_add_number(&out, number);
    text_add_char(&out, '\0');
    return admin_write(store, path, value);
}

static int put_string(struct store *store, const char *base, const char *part, const char *value)
{
    struct entry entry = {part, value, TO_READ};

    return put(store, base, &entry, 0);
}

static int put_cpus(struct store *store, const char *home, unsigned count)
{
    int rc = 0;

    for (unsigned i = 0; i < count && rc == 0; i++) {
        char part[32];
        struct text out = text_in(part, sizeof(part));

        text_add_string(&out, "cpu/");
        text_add_number(&out, i);
        text_add(&out, "/availability", sizeof("/availability"));
        rc = put_string(store, home, part, "online");
    }
    return rc;
}

static int put_memory(struct store *store, const char *home, const struct domain_facts *facts)
{
    int rc = put_number(store, home, "memory/static-max", facts->max_kib);

    return rc != 0 ? rc : put_number(store, home, "memory/target", facts->memory_kib);
}

/* /vm/UUID, and home/vm that names it. */
static int put_vm(struct store *store, const char *home, const struct domain_facts *facts)
{
    char vm[SHORT_PATH];
    struct text out = text_in(vm, sizeof(vm));
    const char *uuid = vm + sizeof("/vm/") - 1;
    int rc;

    text_add_string(&out, "/vm/");
    print_uuid(&out, facts);
    rc = admin_mkdir(store, vm);
    rc = rc != 0 ? rc : allow(store, vm, facts->domid, TO_READ);
    rc = rc != 0 ? rc : put_string(store, vm, "uuid", uuid);
    rc = rc != 0 ? rc : put_string(store, vm, "name", facts->name);
    return rc != 0 ? rc : put_string(store, home, "vm", vm);
}

int birth_of_domain(struct store *store, const struct domain_facts *facts)
{
    char home[SHORT_PATH];
    int rc;

    home_of(home, facts->domid);
    rc = admin_mkdir(store, home);
    rc = rc != 0 ? rc : allow(store, home, facts->domid, TO_READ);
    rc = rc != 0 ? rc : put_vm(store, home, facts);
    rc = rc != 0 ? rc : put_string(store, home, "name", facts->name);
    rc = rc != 0 ? rc : put_number(store, home, "domid", facts->domid);
    for (unsigned i = 0; i < sizeof(fixed) / sizeof(fixed[0]) && rc == 0; i++) {
        rc = put(store, home, &fixed[i], facts->domid);
    }
    rc = rc != 0 ? rc : put_number(store, home, "store/port", facts->store_port);
    rc = rc != 0 ? rc : put_memory(store, home, facts);
    return rc != 0 ? rc : put_cpus(store, home, facts->vcpus);
}

int birth_of_store(struct store *store)
{
    static const char *const directories[] = {"/tool/xenstored", "/local/domain", "/vm"};
    int rc = 0;

    for (unsigned i = 0; i < sizeof(directories) / sizeof(directories[0]) && rc == 0; i++) {
        rc = admin_mkdir(store, directories[i]);
    }
    return rc;
}

void death_of_domain(struct store *store, uint16_t domid)
{
    char home[SHORT_PATH], path[SHORT_PATH], vm[SHORT_PATH];
    struct text out = text_in(vm, sizeof(vm) - 1);

    home_of(home, domid);
    join(path, home, "vm");
    if (admin_read(store, path, &out) == 0) {
        vm[out.length] = '\0';
        (void)admin_remove(store, vm);
    }
    (void)admin_remove(store, home);
}
