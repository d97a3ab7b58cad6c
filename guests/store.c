/* SPDX-License-Identifier: MIT
 *
 * store: the xenstore of the domains that come from boot modules, where there is no control domain.
 * `domain name=store mem=16M serves=store`. docs/store.md has the whole story.
 *
 * What the store is and does is in guests/store/, which knows no machine. Here are its surroundings:
 * who is there (asked of the hypervisor when VIRQ_DOM_EXC comes), each domain's page (mapped by the
 * grant that its builder has seeded) and port, and the administrator's commands from the console.
 *
 * One vCPU, one loop. Event handlers only leave a flag; the loop looks at the flags with upcalls
 * masked before it blocks, so that none is overlooked.
 */
#include "kit/kit.h"
#include <xen/grant_table.h>
#include "kit/lib.h"
#include "lagan/host.h"
#include "lagan/store.h"
#include "store/admin.h"
#include "store/birth.h"
#include "store/command.h"
#include "store/ring.h"
#include "store/store.h"
#include "store/watch.h"

const char guest_name[] = "store";

/* A domain that is served. */
struct served {
    struct client *client; /* NULL: the place is free */
    uint64_t serial;
    bool mapped, bound;
    grant_handle_t handle;
    uint32_t port;
    volatile bool rang; /* its event has come */
    bool seen;          /* in this look at who is there */
    bool may_follow;    /* its memory may be changed by the host's policy... */
    bool follows;       /* ... and is, since its driver listens */
    uint64_t target_kib;
};

static struct store store;
static uint8_t store_memory[STORE_PAGES * POOL_PAGE] PAGE_ALIGNED;
static struct pool_page store_pages[STORE_PAGES];
static struct served served[CLIENTS_MAX];
static uint8_t window[CLIENTS_MAX][PAGE_SIZE] PAGE_ALIGNED; /* where their pages are mapped */

static volatile bool news = true; /* somebody may have come or gone */
static volatile bool typed = true;
static volatile bool work = true;

/* ---- events ---- */

static void on_ring(uint32_t port, void *data)
{
    (void)port;
    ((struct served *)data)->rang = true;
    work = true;
}

static void on_flag(uint32_t port, void *data)
{
    (void)port;
    *(volatile bool *)data = true;
}

static void listen(const char *name, uint32_t virq, volatile bool *flag)
{
    uint32_t port = 0;

    check_result(name, event_bind_virq(virq, 0, &port), 0);
    event_set_handler(port, on_flag, (void *)flag);
    event_unmask(port);
}

/* ---- domains ---- */

static uint8_t *window_of(const struct served *s)
{
    return window[s - served];
}

static bool map_page(struct served *s, uint16_t domid)
{
    struct gnttab_map_grant_ref op = {.host_addr = (uint64_t)window_of(s),
                                      .flags = GNTMAP_host_map,
                                      .ref = GNTTAB_RESERVED_XENSTORE,
                                      .dom = domid};
    long rc = hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, ptr_arg(&op), 1);

    s->mapped = rc == 0 && op.status == GNTST_okay;
    s->handle = op.handle;
    if (!s->mapped) {
        kit_printf("store: domain %u: its page cannot be mapped (%ld, %d)\n", domid, rc, op.status);
    }
    return s->mapped;
}

static bool bind_port(struct served *s, const struct lagan_host_store_next *who)
{
    long rc = event_bind_interdomain(who->domid, who->port, &s->port);

    s->bound = rc == 0;
    if (!s->bound) {
        kit_printf("store: domain %u: its port cannot be bound (%ld)\n", who->domid, rc);
        return false;
    }
    event_set_handler(s->port, on_ring, s);
    event_unmask(s->port);
    return true;
}

static void let_go(struct served *s)
{
    struct gnttab_unmap_grant_ref op = {.host_addr = (uint64_t)window_of(s), .handle = s->handle};

    if (s->bound) {
        event_mask(s->port);
        (void)event_close(s->port);
    }
    if (s->mapped) {
        long rc =
            hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, ptr_arg(&op), 1);

        if (rc != 0 || op.status != GNTST_okay) {
            kit_printf("store: a page stays mapped (%ld, %d)\n", rc, op.status);
        }
    }
}

/* Also a domain that cannot be reached gets its part of the store: others may look there. */
static void welcome(struct served *s, const struct lagan_host_store_next *who)
{
    struct domain_facts facts = {.domid = who->domid,
                                 .name = who->name,
                                 .vcpus = who->vcpus,
                                 .memory_kib = who->memory_kib,
                                 .max_kib = who->max_kib,
                                 .store_port = who->port};
    bool reached;
    int rc;

    memcpy(facts.uuid, who->uuid, sizeof(facts.uuid));
    *s = (struct served){.serial = who->serial, .may_follow = who->floor_kib < who->memory_kib};
    reached = map_page(s, who->domid) && bind_port(s, who);
    s->client = store_introduce(&store, who->domid, reached ? (void *)window_of(s) : NULL);
    if (s->client == NULL) {
        kit_printf("store: domain %u: there is no room for it\n", who->domid);
        let_go(s);
        return;
    }
    rc = birth_of_domain(&store, &facts);
    if (rc != 0) {
        kit_printf("store: domain %u: its part is not whole (%d)\n", who->domid, rc);
    }
}

static void farewell(struct served *s)
{
    death_of_domain(&store, s->client->domid);
    store_release(&store, s->client);
    let_go(s);
    s->client = NULL;
    work = true;
}

/* The place of a domain, or a free one; NULL: there are none. */
static struct served *place_of(uint16_t domid)
{
    struct served *free = NULL;

    for (unsigned i = 0; i < CLIENTS_MAX; i++) {
        if (served[i].client == NULL) {
            free = &served[i];
        } else if (served[i].client->domid == domid) {
            return &served[i];
        }
    }
    return free;
}

/* ---- memory by the host's policy ---- */

static void target_path(char path[48], uint16_t domid)
{
    struct text text = text_in(path, 48);

    text_add_string(&text, "/local/domain/");
    text_add_number(&text, domid);
    text_add_string(&text, "/memory/target");
    text_add_char(&text, '\0');
}

/* A driver that watches memory/target does what stands there. */
static void look_for_drivers(void)
{
    char path[48];

    for (unsigned i = 0; i < CLIENTS_MAX; i++) {
        struct served *s = &served[i];
        struct lagan_host_store_follow op = {.serial = s->serial};

        if (s->client == NULL || !s->may_follow || s->follows) {
            continue;
        }
        target_path(path, s->client->domid);
        if (!watch_exists(s->client, path)) {
            continue;
        }
        op.domid = s->client->domid;
        s->follows = true;
        (void)hypercall2(LAGAN_HYPERVISOR_host_op, LAGAN_HOST_OP_store_follow, ptr_arg(&op));
    }
}

static void write_target(struct served *s, uint64_t kib)
{
    char path[48], value[24];
    struct text text = text_in(value, sizeof(value));

    s->target_kib = kib;
    target_path(path, s->client->domid);
    text_add_number(&text, kib);
    text_add_char(&text, '\0');
    (void)admin_write(&store, path, value);
    work = true;
}

static void look_at(const struct lagan_host_store_next *who)
{
    struct served *s = place_of(who->domid);

    if (s == NULL) {
        return;
    }
    if (s->client != NULL && (s->serial != who->serial || who->state == LAGAN_STORE_DOMAIN_ended)) {
        farewell(s);
    }
    if (s->client == NULL && who->state == LAGAN_STORE_DOMAIN_runs) {
        welcome(s, who);
    }
    s->seen = true;
    if (s->client != NULL && s->follows && who->target_kib != 0 &&
        who->target_kib != s->target_kib) {
        write_target(s, who->target_kib);
    }
}

/* Who has come, and who has gone. */
static void look_around(void)
{
    struct lagan_host_store_next who = {0};
    long rc;

    for (unsigned i = 0; i < CLIENTS_MAX; i++) {
        served[i].seen = false;
    }
    for (;;) {
        rc = hypercall2(LAGAN_HYPERVISOR_host_op, LAGAN_HOST_OP_store_next, ptr_arg(&who));
        if (rc != 0) {
            break;
        }
        look_at(&who);
        who.domid++;
    }
    if (rc != -XEN_ENOENT) {
        kit_printf("store: the hypervisor does not say who is there (%ld)\n", rc);
    }
    for (unsigned i = 0; i < CLIENTS_MAX; i++) {
        if (served[i].client != NULL && !served[i].seen) {
            farewell(&served[i]);
        }
    }
}

/* ---- rings ---- */

static void one_round(void)
{
    uint64_t notify;

    for (unsigned i = 0; i < CLIENTS_MAX; i++) {
        if (served[i].client != NULL && served[i].rang) {
            served[i].rang = false;
            served[i].client->due = true;
        }
    }
    if (store_round(&store, &notify)) {
        work = true;
    }
    look_for_drivers();
    for (unsigned i = 0; i < CLIENTS_MAX; i++) {
        struct served *s = &served[i];

        if (s->client != NULL && (notify >> (s->client - store.client) & 1) != 0) {
            (void)event_send(s->port);
        }
    }
}

/* ---- the administrator ---- */

static void say_lines(char *text, unsigned length)
{
    char *end = text + length;

    while (text < end) {
        char *line = text;

        while (text < end && *text != '\n') {
            text++;
        }
        *text++ = '\0';
        kit_printf("%s\n", line);
    }
}

static void take_character(char c)
{
    static char line[256], said[16384 + 1];
    static unsigned length;

    if (c != '\r' && c != '\n') {
        if ((c == '\b' || c == 0x7f) && length > 0) {
            length--;
        } else if (c >= ' ' && c <= '~' && length < sizeof(line) - 1) {
            line[length++] = c;
        }
        return;
    }
    line[length] = '\0';
    length = 0;
    if (line[0] != '\0') {
        struct text out = text_in(said, sizeof(said) - 1);

        kit_printf("> %s\n", line);
        command_run(&store, line, &out);
        say_lines(said, out.length);
        work = true;
    }
}

static void take_typed(void)
{
    char input[32];
    long count;

    do {
        count = hypercall3(__HYPERVISOR_console_io, CONSOLEIO_read, sizeof(input), ptr_arg(input));
        for (long i = 0; i < count; i++) {
            take_character(input[i]);
        }
    } while (count > 0);
}

/* ---- the loop ---- */

static bool take_flag(volatile bool *flag)
{
    bool set = *flag;

    *flag = false;
    return set;
}

void guest_main(void)
{
    store_init(&store, store_memory, store_pages);
    check_result("empty-store", birth_of_store(&store), 0);
    listen("hear-of-domains", VIRQ_DOM_EXC, &news);
    listen("hear-of-input", VIRQ_CONSOLE, &typed);
    kit_printf("store: ready; `help` lists the commands\n");
    for (;;) {
        (void)upcalls_mask();
        if (!news && !typed && !work) {
            (void)hv_sched(SCHEDOP_block, NULL);
        }
        upcalls_unmask();
        if (take_flag(&news)) {
            look_around();
        }
        if (take_flag(&typed)) {
            take_typed();
        }
        if (take_flag(&work)) {
            one_round();
        }
    }
}
