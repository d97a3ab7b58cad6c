/* SPDX-License-Identifier: MIT
 *
 * The administrator's side: what a domain finds at its birth, what is left after it, the commands.
 */
#include <stdio.h>
#include <string.h>

#include "store/admin.h"
#include "store/birth.h"
#include "store/command.h"
#include "store/tree.h"
#include "store_kit.h"
#include "suite.h"

static const struct domain_facts facts = {.domid = 9,
                                          .name = "nina",
                                          .uuid = {0xab, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11},
                                          .vcpus = 3,
                                          .memory_kib = 65536,
                                          .max_kib = 131072,
                                          .store_port = 17};

static void fresh(void)
{
    store_kit_reset();
    CU_ASSERT_PTR_NOT_NULL(store_introduce(kit_store, 9, NULL));
    CU_ASSERT_EQUAL(birth_of_domain(kit_store, &facts), 0);
}

static const char *value(const char *path)
{
    static char text[256];
    struct text out = text_in(text, sizeof(text) - 1);
    int rc = admin_read(kit_store, path, &out);

    text[out.length] = '\0';
    return rc ? "!" : text;
}

/* Permissions, with blanks for the terminators. */
static const char *perms(const char *path)
{
    static char text[64];
    struct text out = text_in(text, sizeof(text));

    if (admin_get_perms(kit_store, path, &out))
        return "!";
    for (unsigned i = 0; i + 1 < out.length; i++)
        if (!text[i])
            text[i] = ' ';
    return text;
}

static const struct {
    const char *path, *value, *perms;
} born[] = {
    {"", "", "n0 r9"},
    {"/name", "nina", "n0 r9"},
    {"/domid", "9", "n0 r9"},
    {"/vm", "/vm/ab010203-0405-0607-0809-0a0b00000000", "n0 r9"},
    {"/memory/target", "65536", "n0 r9"},
    {"/memory/static-max", "131072", "n0 r9"},
    {"/cpu/0/availability", "online", "n0 r9"},
    {"/cpu/2/availability", "online", "n0 r9"},
    {"/cpu/3/availability", "!", "!"},
    {"/store/port", "17", "n0 r9"},
    {"/store/ring-ref", "1", "n0 r9"},
    {"/control", "", "n0 r9"},
    {"/control/shutdown", "", "n9"},
    {"/control/feature-poweroff", "", "n9"},
    {"/control/platform-feature-xs_reset_watches", "1", "n0 r9"},
    {"/device", "", "n0 r9"},
    {"/device/suspend/event-channel", "", "n9"},
    {"/data", "", "n9"},
    {"/drivers", "", "n9"},
    {"/error", "", "n9"},
};

static void test_birth(void)
{
    char path[128];

    fresh();
    for (unsigned i = 0; i < sizeof(born) / sizeof(born[0]); i++) {
        sprintf(path, "/local/domain/9%s", born[i].path);
        CU_ASSERT_STRING_EQUAL(value(path), born[i].value);
        CU_ASSERT_STRING_EQUAL(perms(path), born[i].perms);
    }
    CU_ASSERT_STRING_EQUAL(value("/vm/ab010203-0405-0607-0809-0a0b00000000/name"), "nina");
    CU_ASSERT_STRING_EQUAL(perms("/local/domain"), "n0");
    CU_ASSERT_STRING_EQUAL(perms("/tool/xenstored"), "n0");
    CU_ASSERT(store_audit(kit_store));
}

static void test_death(void)
{
    struct client *client;
    unsigned free, nodes;

    store_kit_reset();
    free = kit_store->pool.free_count;
    nodes = ADMIN(kit_store)->nodes;
    for (unsigned i = 0; i < 3; i++) {
        client = store_introduce(kit_store, 9, NULL);
        CU_ASSERT_EQUAL(birth_of_domain(kit_store, &facts), 0);
        CU_ASSERT_EQUAL(admin_write(kit_store, "/other/of-nine", "x"), 0);
        CU_ASSERT_EQUAL(admin_set_perms(kit_store, "/other/of-nine", "n9", 3), 0);
        CU_ASSERT_EQUAL(admin_write(kit_store, "/other/shared", "x"), 0);
        CU_ASSERT_EQUAL(admin_set_perms(kit_store, "/other/shared", "n0\0b9\0r8", 9), 0);
        death_of_domain(kit_store, 9);
        store_release(kit_store, client);
        CU_ASSERT_STRING_EQUAL(value("/other/of-nine"), "!");
        CU_ASSERT_STRING_EQUAL(perms("/other/shared"), "n0 r8");
        CU_ASSERT_EQUAL(admin_remove(kit_store, "/other"), 0);
        CU_ASSERT_STRING_EQUAL(value("/local/domain/9"), "!");
        CU_ASSERT_STRING_EQUAL(value("/vm/ab010203-0405-0607-0809-0a0b00000000"), "!");
        CU_ASSERT(store_audit(kit_store));
        CU_ASSERT_EQUAL(ADMIN(kit_store)->nodes, nodes);
    }
    CU_ASSERT_EQUAL(kit_store->pool.free_count, free);
}

/* Who was given the root does not take it along. */
static void test_death_of_the_root_s_owner(void)
{
    struct client *client;

    store_kit_reset();
    client = store_introduce(kit_store, 9, NULL);
    CU_ASSERT_EQUAL(birth_of_domain(kit_store, &facts), 0);
    CU_ASSERT_EQUAL(admin_write(kit_store, "/kept", "x"), 0);
    CU_ASSERT_EQUAL(admin_set_perms(kit_store, "/kept", "n0", 3), 0);
    CU_ASSERT_EQUAL(admin_set_perms(kit_store, "/", "b9\0r9\0r8", 9), 0);
    death_of_domain(kit_store, 9);
    store_release(kit_store, client);
    CU_ASSERT_STRING_EQUAL(perms("/"), "n0 r8");
    CU_ASSERT_STRING_EQUAL(value("/kept"), "x");
    CU_ASSERT(store_audit(kit_store));
}

/* As many domains as there can be, each with as many vCPUs as there can be. */
static void test_full_house(void)
{
    struct domain_facts all = facts;
    char name[40];

    store_kit_reset();
    for (uint16_t id = 1; id < CLIENTS_MAX; id++) {
        memset(name, 'n', 31);
        name[31] = '\0';
        all = (struct domain_facts){.domid = id, .name = name, .vcpus = 32};
        CU_ASSERT_PTR_NOT_NULL(store_introduce(kit_store, id, NULL));
        CU_ASSERT_EQUAL(birth_of_domain(kit_store, &all), 0);
    }
    CU_ASSERT(store_audit(kit_store));
    CU_ASSERT_STRING_EQUAL(value("/local/domain/63/vm"),
                           "/vm/00000000-0000-0000-0000-00000000003f");
}

static const char *command(const char *line)
{
    static char said[8192];
    char words[256];
    struct text out = text_in(said, sizeof(said) - 1);

    strcpy(words, line);
    command_run(kit_store, words, &out);
    said[out.length] = '\0';
    return said;
}

static const struct {
    const char *line, *said, *path, *value;
} orders[] = {
    {"", "", NULL, NULL},
    {"   ", "", NULL, NULL},
    {"what", "what: ENOSYS\nhelp: the list of commands\n", NULL, NULL},
    {"domains", "9 = nina\n", NULL, NULL},
    {"read /local/domain/9/name", "/local/domain/9/name = nina\n", NULL, NULL},
    {"read nothing", "nothing = ENOENT\n", NULL, NULL},
    {"read", " = EINVAL\n", NULL, NULL},
    {"write /a/b some text", "/a/b: done\n", "/a/b", "some text"},
    {"ls /a", "b = some text\n", NULL, NULL},
    {"ls /none", "/none: ENOENT\n", NULL, NULL},
    {"ls", "tool = \nlocal = \nvm = \na = \n", NULL, NULL},
    {"perms /a/b", "/a/b n0\n", NULL, NULL},
    {"perms /a/b n0 r9", "/a/b: done\n", NULL, NULL},
    {"perms /a/b", "/a/b n0 r9\n", NULL, NULL},
    {"perms /a/b x", "/a/b: EINVAL\n", NULL, NULL},
    {"perms @releaseDomain n0 r9", "@releaseDomain: done\n", NULL, NULL},
    {"rm /a", "/a: done\n", "/a/b", "!"},
    {"shutdown nina", "/local/domain/9/control/shutdown: done\n",
     "/local/domain/9/control/shutdown", "poweroff"},
    {"reboot 9", "/local/domain/9/control/shutdown: done\n", "/local/domain/9/control/shutdown",
     "reboot"},
    {"shutdown nin", "nin: ENOENT\n", NULL, NULL},
    {"shutdown", ": ENOENT\n", NULL, NULL},
    {"mem nina 80M", "/local/domain/9/memory/target: done\n", "/local/domain/9/memory/target",
     "81920"},
    {"mem nina 70000", "/local/domain/9/memory/target: done\n", "/local/domain/9/memory/target",
     "70000"},
    {"mem nina 129M", "mem: a size is wanted, up to the domain's maxmem, as 64M\n",
     "/local/domain/9/memory/target", "70000"},
    {"mem nina M", "mem: a size is wanted, up to the domain's maxmem, as 64M\n", NULL, NULL},
    {"mem nina", "mem: a size is wanted, up to the domain's maxmem, as 64M\n", NULL, NULL},
    {"vcpus nina 0", "vcpus: a number is wanted, from 1 to as many as the domain was built with\n",
     NULL, NULL},
    {"vcpus nina 4", "vcpus: a number is wanted, from 1 to as many as the domain was built with\n",
     NULL, NULL},
    {"vcpus nina 2",
     "/local/domain/9/cpu/0/availability: done\n/local/domain/9/cpu/1/availability: done\n"
     "/local/domain/9/cpu/2/availability: done\n",
     "/local/domain/9/cpu/2/availability", "offline"},
    {"vcpus nina 3",
     "/local/domain/9/cpu/0/availability: done\n/local/domain/9/cpu/1/availability: done\n"
     "/local/domain/9/cpu/2/availability: done\n",
     "/local/domain/9/cpu/2/availability", "online"},
};

static void test_commands(void)
{
    fresh();
    for (unsigned i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        const char *said = command(orders[i].line);

        if (strcmp(said, orders[i].said) != 0)
            printf("\"%s\" says %s", orders[i].line, said);
        CU_ASSERT_STRING_EQUAL(said, orders[i].said);
        if (orders[i].path)
            CU_ASSERT_STRING_EQUAL(value(orders[i].path), orders[i].value);
    }
    CU_ASSERT_PTR_NOT_NULL(strstr(command("help"), "shutdown DOMAIN"));
    CU_ASSERT(store_audit(kit_store));
}

/* Values that a guest chose do not reach the terminal as they are. */
static void test_odd_values(void)
{
    struct peer *a;
    char request[600] = "data/x|";

    store_kit_reset();
    a = store_kit_add(0, 5);
    CU_ASSERT_STRING_EQUAL(peer_ask(a, XS_WRITE, 0, "data/e|\x1b[2J\n|"), "OK|");
    CU_ASSERT_STRING_EQUAL(command("read /local/domain/5/data/e"),
                           "/local/domain/5/data/e = ?[2J??\n");
    memset(request + 7, 'v', 500);
    CU_ASSERT_STRING_EQUAL(peer_ask(a, XS_WRITE, 0, request), "OK|");
    CU_ASSERT(strlen(command("read /local/domain/5/data/x")) < 300);
}

static const struct test_case cases[] = {
    {"birth", test_birth},
    {"death", test_death},
    {"death of the root's owner", test_death_of_the_root_s_owner},
    {"a full house", test_full_house},
    {"commands", test_commands},
    {"odd values", test_odd_values},
    {NULL, NULL}};

const struct suite suite_store_admin = {.name = "store: the administrator", .cases = cases};
