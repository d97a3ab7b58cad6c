/* SPDX-License-Identifier: MIT */
#include "lagand_world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct keeper keeper;
struct config config;
char lines[LINES][320];
unsigned line_count;

void say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(lines[line_count % LINES], sizeof(lines[0]), format, args);
    va_end(args);
    line_count++;
}

bool world_said(const char *text)
{
    for (unsigned i = 0; i < line_count && i < LINES; i++)
        if (strstr(lines[i], text))
            return true;
    return false;
}

void world_quiet(void)
{
    line_count = 0;
}

static const char *path_of(uint16_t domid, const char *node)
{
    static char path[STORE_PATH_MAX];

    snprintf(path, sizeof(path), "/local/domain/%u/%s", domid, node);
    return path;
}

const char *world_node(uint16_t domid, const char *node)
{
    return fake_store_get(path_of(domid, node));
}

void world_put(uint16_t domid, const char *node, const char *text)
{
    fake_store_put(path_of(domid, node), text);
}

void world_domain(unsigned index, uint16_t domid, const char *name, uint64_t pages, uint64_t most)
{
    struct fake_host *f = &fake_host;
    char text[24];

    f->domain[index] =
        (struct host_domain){.domid = domid, .vcpus = 1, .pages = pages, .max_pages = pages + MIB};
    snprintf(f->domain[index].name, sizeof(f->domain[index].name), "%s", name);
    f->pressure[index] = (struct lagan_pressure_domain){
        .domid = domid,
        .weight = 256,
        .active = pages,
        .goal = pages,
        .state = {.have = pages, .target = pages, .floor = 1, .ceiling = pages + MIB}};
    f->domain_count = index + 1 > f->domain_count ? index + 1 : f->domain_count;
    snprintf(text, sizeof(text), "%" PRIu64, pages * 4);
    world_put(domid, "memory/target", text);
    snprintf(text, sizeof(text), "%" PRIu64, most * 4);
    world_put(domid, "memory/static-max", text);
    fake_store_put("@introduceDomain", "");
}

void world_restart(void)
{
    memset(&keeper, 0, sizeof(keeper));
    memset(fake_store.watch, 0, sizeof(fake_store.watch));
    fake_store.events = 0;
    keeper.config = &config;
    keeper.now_ms = 1000;
    CU_ASSERT_EQUAL_FATAL(host_open(&keeper.host), 0);
    CU_ASSERT_EQUAL_FATAL(store_open(&keeper.store), 0);
    CU_ASSERT_EQUAL_FATAL(keeper_start(&keeper), 0);
    world_pass(0);
}

void world_start(void)
{
    fake_host = (struct fake_host){.lives = true};
    fake_host.pressure_host = (struct lagan_pressure_host){
        .total = 4096 * MIB, .free = 1024 * MIB, .low = 64 * MIB, .min = 32 * MIB};
    fake_store_start();
    config_begin(&config);
    world_domain(0, 0, "Domain-0", 512 * MIB, 512 * MIB);
    world_domain(WEB, 3, "web", 512 * MIB, 1024 * MIB);
    world_domain(DB, 5, "db", 512 * MIB, 1024 * MIB);
    world_quiet();
    world_restart();
}

void world_pass(unsigned ms)
{
    char path[STORE_PATH_MAX];

    keeper.now_ms += ms;
    while (store_event(keeper.store, path, sizeof(path)) == 1)
        keeper_event(&keeper, path);
    (void)keeper_work(&keeper);
}

void world_tick(void)
{
    world_pass(1000);
    keeper_tick(&keeper);
    world_pass(0);
}

void world_report(uint16_t domid, const char *text)
{
    world_put(domid, "data/lagan/report", text);
    world_pass(300);
}
