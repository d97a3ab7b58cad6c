// SPDX-License-Identifier: GPL-2.0-only
/*
 * Volumes of Lagan's unified buffer cache as read-only disks whose pages are mapped in place (DAX): the module, its
 * and its volumes. The memory that they look like is made in ubc_window.c; how pages come and go stands in ubc_slot.c.
 *
 *	modprobe lagan_ubc volumes=NAME[,NAME...]
 *	mount -t erofs -o ro,dax=always /dev/lagan_ubc0 /mnt
 */
#define pr_fmt(fmt) "lagan_ubc: " fmt

#include <linux/interrupt.h>
#include <linux/module.h>
#include <xen/events.h>

#include "ubc.h"

#define VOLUMES    16
#define SUBSECTION (2UL << 20)

static char *volumes[VOLUMES];
static unsigned int volume_count;
module_param_array(volumes, charp, &volume_count, 0444);
MODULE_PARM_DESC(volumes, "names of volumes");
unsigned int ubc_idle_seconds = 60;
module_param_named(idle_seconds, ubc_idle_seconds, uint, 0644);
MODULE_PARM_DESC(idle_seconds, "a page that is not used for so long is given back");
unsigned int ubc_wait_seconds = 30;
module_param_named(wait_seconds, ubc_wait_seconds, uint, 0644);
MODULE_PARM_DESC(wait_seconds, "a block that does not come for so long is an I/O error");

static struct volume *volume[VOLUMES];
static unsigned int found;
static int irq = -1;

static irqreturn_t ubc_event(int number, void *unused)
{
    unsigned int i;

    for (i = 0; i < READ_ONCE(found); i++) {
        atomic_inc(&volume[i]->events);
        wake_up_all(&volume[i]->wait);
        queue_work(system_unbound_wq, &volume[i]->revoke);
    }
    return IRQ_HANDLED;
}

static int open_volume(struct volume *v)
{
    struct lagan_ubc_open io = {};
    long rc;

    memcpy(io.id, v->name, sizeof(io.id));
    rc = xen_single_call(LAGAN_HYPERVISOR_ubc_op, LAGAN_UBC_open, 0, (unsigned long)&io, 0, 0);
    if (rc == -ENOSYS)
        return -ENOSYS;
    if (rc || !(io.rights & LAGAN_UBC_READ)) {
        pr_err("there is no volume %s that this domain may read\n", v->name);
        return -ENOENT;
    }
    if (!(io.flags & LAGAN_UBC_SLOTS)) {
        pr_err("volume %s has no slots; if it is a window see lagan_window\n", v->name);
        return -EINVAL;
    }
    v->handle = io.volume;
    v->blocks = io.blocks;
    v->pages = round_up(io.blocks, SUBSECTION >> PAGE_SHIFT);
    v->pfn = io.slots;
    return 0;
}

static void free_volume(struct volume *v)
{
    kvfree(v->slots);
    kvfree(v->tables);
    kfree(v);
}

static struct volume *make_volume(const char *name, unsigned int number)
{
    struct volume *v = kzalloc(sizeof(*v), GFP_KERNEL);
    int rc;

    if (!v)
        return ERR_PTR(-ENOMEM);
    strscpy(v->name, name, sizeof(v->name));
    init_waitqueue_head(&v->wait);
    mutex_init(&v->closing);
    INIT_WORK(&v->revoke, ubc_revoke_work);
    INIT_DELAYED_WORK(&v->aging, ubc_aging_work);
    rc = open_volume(v);
    if (!rc) {
        v->slots = kvcalloc(v->pages, sizeof(*v->slots), GFP_KERNEL);
        v->tables = kvcalloc(v->pages / PTRS_PER_PTE, sizeof(*v->tables), GFP_KERNEL);
        rc = v->slots && v->tables ? ubc_map_window(v) : -ENOMEM;
    }
    if (!rc) {
        rc = ubc_disk_add(v, number);
        if (rc)
            ubc_unmap_window(v);
    }
    if (rc) {
        pr_err("volume %s cannot be had (%d)\n", v->name, rc);
        free_volume(v);
        return ERR_PTR(rc);
    }
    queue_delayed_work(system_unbound_wq, &v->aging, HZ);
    pr_info("volume %s is /dev/%s, %lu MiB\n", v->name, v->disk->disk_name, v->blocks >> 8);
    return v;
}

/* Nobody has it mounted or open. */
static void end_volume(struct volume *v)
{
    unsigned long block[CLOSE_BATCH], b;
    unsigned int n = 0;

    ubc_disk_remove(v);
    cancel_work_sync(&v->revoke);
    cancel_delayed_work_sync(&v->aging);
    for (b = 0; b < v->blocks; b++) {
        if (v->slots[b].state == OPEN)
            block[n++] = b;
        if (n == CLOSE_BATCH || (n && b == v->blocks - 1)) {
            ubc_drop_handles(v, block, n);
            n = 0;
        }
    }
    put_dax(v->dax);
    put_disk(v->disk);
    ubc_unmap_window(v);
    free_volume(v);
}

static void end_all(void)
{
    unsigned int n = found;

    if (irq >= 0)
        unbind_from_irqhandler(irq, &irq);
    while (n > 0)
        end_volume(volume[--n]);
    ubc_close_stop();
}

/* Only its buffer cache knows that there is no such volume. */
static bool is_lagan(void)
{
    struct lagan_ubc_unmap none = {};

    return xen_pv_domain() && xen_single_call(LAGAN_HYPERVISOR_ubc_op, LAGAN_UBC_next_revoked, ~0UL,
                                              (unsigned long)&none, 0, 0) == -ENXIO;
}

static int __init ubc_init(void)
{
    unsigned int i;
    int rc;

    if (!is_lagan()) {
        pr_info("there is no buffer cache of Lagan's here\n");
        return -ENODEV;
    }
    rc = ubc_close_start();
    if (rc)
        return rc;
    irq = bind_virq_to_irqhandler(LAGAN_VIRQ_UBC, 0, ubc_event, 0, "lagan_ubc", &irq);
    if (irq < 0) {
        rc = irq;
        goto fail;
    }
    rc = -ENOENT;
    for (i = 0; i < volume_count; i++) {
        struct volume *v = make_volume(volumes[i], found);

        if (IS_ERR(v)) {
            rc = PTR_ERR(v);
            continue;
        }
        volume[found] = v;
        smp_store_release(&found, found + 1);
    }
    if (found)
        return 0;
fail:
    end_all();
    return rc;
}

static void __exit ubc_exit(void)
{
    end_all();
}

module_init(ubc_init);
module_exit(ubc_exit);
MODULE_DESCRIPTION("Volumes of the Lagan hypervisor's buffer cache");
MODULE_LICENSE("GPL");
