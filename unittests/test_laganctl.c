/* SPDX-License-Identifier: MIT
 *
 * The administrator's tool: what each command asks of the hypervisor and prints of its answer, and what it says of
 * words that cannot be. The hypervisor is fake_host.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake_host.h"
#include "suite.h"
#include "tools/laganctl/amount.h"
#include "tools/laganctl/command.h"

#define MIB  UINT64_C(256) /* in pages */
#define UUID "00112233-4455-6677-8899-aabbccddeeff"

static char said[16384], complained[4096];

static void keep(FILE *from, char *text, size_t size)
{
    size_t n;

    rewind(from);
    n = fread(text, 1, size - 1, from);
    text[n] = '\0';
    fclose(from);
}

/* Runs the tool; what it writes is in `said` and `complained`. */
static int run_words(int argc, char **argv)
{
    FILE *out = tmpfile(), *err = tmpfile();
    int status, old_out, old_err;

    fflush(stdout);
    fflush(stderr);
    old_out = dup(STDOUT_FILENO);
    old_err = dup(STDERR_FILENO);
    dup2(fileno(out), STDOUT_FILENO);
    dup2(fileno(err), STDERR_FILENO);
    status = laganctl(argc, argv);
    fflush(stdout);
    fflush(stderr);
    dup2(old_out, STDOUT_FILENO);
    dup2(old_err, STDERR_FILENO);
    close(old_out);
    close(old_err);
    keep(out, said, sizeof(said));
    keep(err, complained, sizeof(complained));
    CU_ASSERT_EQUAL(fake_host.opened, 0);
    return status;
}

/* The same, with the words of the line. */
static int run(const char *line)
{
    char copy[256], *argv[16] = {(char *)(uintptr_t) "laganctl"};
    int argc = 1;

    snprintf(copy, sizeof(copy), "%s", line);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    return run_words(argc, argv);
}

/* A control domain, two guests of which one is managed, and one that has no name. */
static void start(void)
{
    static const struct host_domain domain[FAKE_DOMAINS] = {
        {0, false, 2, 512 * MIB, 512 * MIB, 0, "Domain-0"},
        {3, false, 1, 128 * MIB, 256 * MIB, 0, "anna"},
        {7, true, 1, 64 * MIB + 1, 64 * MIB + 1, 0, ""}};

    fake_host = (struct fake_host){.domain_count = 3};
    memcpy(fake_host.domain, domain, sizeof(domain));
    for (unsigned i = 0; i < FAKE_DOMAINS; i++) {
        fake_host.pressure[i].domid = fake_host.cache[i].domid = domain[i].domid;
        fake_host.pressure[i].weight = fake_host.cache[i].weight = 256;
        fake_host.cache[i].ceiling = UINT64_MAX;
    }
    fake_host.pressure[1].state = (struct lagan_pressure_state){.target = 160 * MIB,
                                                                .floor = 32 * MIB,
                                                                .ceiling = 256 * MIB,
                                                                .flags = LAGAN_PRESSURE_MANAGED};
    fake_host.cache[1].pages = 48 * MIB;
    fake_host.cache[1].gets = 1000;
    fake_host.cache[1].hits = 750;
    fake_host.cache[1].worth = 3 << 19; /* 1.5 */
    fake_host.pressure_host =
        (struct lagan_pressure_host){.total = 1024 * MIB, .free = 320 * MIB, .low = MIB};
    fake_host.cache_host.lent = 48 * MIB;
}

static bool says(const char *text)
{
    return strstr(said, text) != NULL;
}

static bool complains(const char *text)
{
    return strstr(complained, text) != NULL;
}

/* ---- amounts ---- */

static void amounts(void)
{
    static const struct {
        const char *text;
        int rc;
        uint64_t pages;
    } table[] = {{"64", 0, 64 * MIB},
                 {"64M", 0, 64 * MIB},
                 {"64MiB", 0, 64 * MIB},
                 {"1.5g", 0, 1536 * MIB},
                 {"1K", 0, 1},
                 {"4097K", 0, 1025},
                 {"0", 0, 0},
                 {"max", 0, UINT64_MAX},
                 {"4096T", 0, UINT64_C(1) << 40},
                 {"4097T", -ERANGE, 0},
                 {"1e400", -EINVAL, 0},
                 {"", -EINVAL, 0},
                 {"-1", -EINVAL, 0},
                 {" 1", -EINVAL, 0},
                 {"0x10", -EINVAL, 0},
                 {"0X10", -EINVAL, 0},
                 {"1X", -EINVAL, 0},
                 {"1MB", -EINVAL, 0},
                 {"nan", -EINVAL, 0},
                 {"inf", -EINVAL, 0}};
    static const struct {
        uint64_t pages;
        const char *text;
    } printed[] = {{0, "0K"},
                   {1, "4K"},
                   {MIB, "1M"},
                   {64 * MIB + 1, "64M"},
                   {MIB + 26, "1.1M"},
                   {1536 * MIB, "1.5G"},
                   {1023 * MIB + 128, "1024M"}};
    char text[32];

    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        uint64_t pages = 0;

        CU_ASSERT_EQUAL(amount_parse(table[i].text, &pages), table[i].rc);
        CU_ASSERT_EQUAL(pages, table[i].pages);
    }
    for (size_t i = 0; i < sizeof(printed) / sizeof(*printed); i++) {
        amount_print(text, sizeof(text), printed[i].pages, 0);
        CU_ASSERT_STRING_EQUAL(text, printed[i].text);
    }
    amount_print(text, sizeof(text), 3, 1);
    CU_ASSERT_STRING_EQUAL(text, "12288");
}

/* ---- what is shown ---- */

static void memory(void)
{
    start();
    CU_ASSERT_EQUAL(run("mem"), 0);
    CU_ASSERT(says("ID NAME"));
    CU_ASSERT(says(" 3 anna     128M 256M   160M   32M    256M"));
    CU_ASSERT(says("m-----"));
    CU_ASSERT(says("-----d"));
    CU_ASSERT_EQUAL(run("--json mem"), 0);
    CU_ASSERT(says("\"domains\": ["));
    CU_ASSERT(says("\"name\": \"anna\""));
    CU_ASSERT(says("\"target\": 167772160"));
    CU_ASSERT(says("\"target\": null")); /* of those that follow none */
    CU_ASSERT_EQUAL(run("--bytes --noheadings mem"), 0);
    CU_ASSERT(says("67112960") && !says("NAME"));
    CU_ASSERT_EQUAL(run("host"), 0);
    CU_ASSERT(says("total") && says("1G") && says("320M") && says("48M"));
}

static void cache(void)
{
    start();
    CU_ASSERT_EQUAL(run("--json cache"), 0);
    CU_ASSERT(says("\"hits\": 750") && says("\"worth\": 1.500") && says("\"ceiling\": null"));
    fake_host.ledger[0] =
        (struct lagan_pcache_ledger){.domid = 3, .other = 7, .for_host = 4 * MIB, .missed = 17};
    fake_host.ledger[1] =
        (struct lagan_pcache_ledger){.domid = 3, .other = 0x7ff2, .for_cache = MIB};
    CU_ASSERT_EQUAL(run("ledger anna"), 0);
    CU_ASSERT(says("anna") && says("4M") && says("17") && says("(hypervisor)") &&
              !says("Domain-0"));
    CU_ASSERT_EQUAL(run("ledger"), 0);
    CU_ASSERT(says("Domain-0"));
}

static void curve(void)
{
    start();
    fake_host.curve =
        (struct lagan_pcache_curve){.points = 2, .gets = 1000, .window_ns = 2000000000};
    fake_host.curve.point[0].misses = 1000;
    fake_host.curve.point[1].pages = 16 * MIB;
    fake_host.curve.point[1].misses = 400;
    CU_ASSERT_EQUAL(run("--json curve anna"), 0);
    CU_ASSERT(says("\"cache\": 16777216") && says("\"ratio\": 0.400") &&
              says("\"saved\": 300.000"));
    CU_ASSERT_EQUAL(run("curve anna picture.jpeg"), 1);
    CU_ASSERT(complains("not the name of an .svg or .png file"));
    CU_ASSERT_EQUAL(run("curve anna it's.svg"), 1);
}

/* A gnuplot that shows what it is told; and none. */
static void plot(void)
{
    char directory[] = "/tmp/laganctl-XXXXXX", program[64], *path = strdup(getenv("PATH"));
    FILE *f;

    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(directory));
    snprintf(program, sizeof(program), "%s/gnuplot", directory);
    f = fopen(program, "w");
    fputs("#!/bin/sh\nexec /bin/cat\n", f);
    fclose(f);
    chmod(program, 0700);
    setenv("PATH", directory, 1);
    start();
    fake_host.curve = (struct lagan_pcache_curve){.points = 1, .gets = 4};
    fake_host.curve.point[0].misses = 1;
    strcpy(fake_host.domain[1].name, "an'\nsystem('x')\\");
    CU_ASSERT_EQUAL(run("curve 3 plot"), 0);
    CU_ASSERT(says("set title 'page cache of an??system(?x?)?'\n") && says("25.0"));
    CU_ASSERT_EQUAL(run("curve 3 a.svg"), 0);
    CU_ASSERT(says("set terminal svg") && says("set output 'a.svg'\n"));
    unlink(program);
    CU_ASSERT_EQUAL(run("curve 3 plot"), 1);
    CU_ASSERT(complains("gnuplot: not installed"));
    setenv("PATH", path, 1);
    free(path);
    rmdir(directory);
}

static void books(void)
{
    start();
    fake_host.audit = (struct lagan_host_audit){.domain_count = 3, .free_pages = 320 * MIB};
    fake_host.types.type_changes = 123456;
    CU_ASSERT_EQUAL(run("audit"), 0);
    CU_ASSERT(says("320M"));
    fake_host.audit.faults = 2;
    CU_ASSERT_EQUAL(run("audit"), 1);
    CU_ASSERT(complains("xl dmesg"));
    CU_ASSERT_EQUAL(run("types"), 0);
    CU_ASSERT(says("123456"));
}

static void volumes(void)
{
    static const uint8_t id[16] = {0,    0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
                                   0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};

    start();
    fake_host.volume[1] =
        (struct lagan_ubc_create){.volume = 42, .generation = 5, .blocks = 2 * MIB};
    memcpy(fake_host.volume[1].id, id, sizeof(id));
    fake_host.volume_stats.hits = 99;
    CU_ASSERT_EQUAL(run("ubc"), 0);
    CU_ASSERT(says(UUID) && says("2M") && says("99"));
    CU_ASSERT_EQUAL(run("ubc allow " UUID " anna read"), 0);
    CU_ASSERT(fake_host.allowed.domid == 3 && fake_host.allowed.rights == LAGAN_UBC_READ);
    CU_ASSERT_EQUAL(fake_host.allowed.limit, 2 * MIB); /* all of it */
    CU_ASSERT_EQUAL(run("ubc allow " UUID " 3 both limit=1M"), 0);
    CU_ASSERT_EQUAL(fake_host.allowed.limit, MIB);
    CU_ASSERT_EQUAL(run("ubc allow " UUID " 3 write"), 2);
    CU_ASSERT_EQUAL(run("ubc destroy " UUID), 0);
    CU_ASSERT_EQUAL(fake_host.destroyed, 42);
    CU_ASSERT_EQUAL(run("ubc destroy ff112233445566778899aabbccddeeff"), 1);
    CU_ASSERT(complains("there is no such volume"));
    CU_ASSERT_EQUAL(run("ubc destroy 0011"), 1);
    CU_ASSERT_EQUAL(run("ubc create " UUID "0 size=1M"), 1);
    CU_ASSERT(complains("not the name of a volume"));
    CU_ASSERT_EQUAL(run("ubc create " UUID " size=64M generation=9"), 0);
    CU_ASSERT(fake_host.made.blocks == 64 * MIB && fake_host.made.generation == 9);
    CU_ASSERT_EQUAL(memcmp(fake_host.made.id, id, sizeof(id)), 0);
}

static void metrics(void)
{
    start();
    strcpy(fake_host.domain[1].name, "an\"na\\");
    CU_ASSERT_EQUAL(run("metrics"), 0);
    CU_ASSERT(says("lagan_memory_total_bytes 1073741824\n"));
    CU_ASSERT(says("# TYPE lagan_domain_cache_hits_total counter\n"));
    CU_ASSERT(says("lagan_domain_cache_hits_total{domid=\"3\",name=\"an\\\"na\\\\\"} 750\n"));
}

/* Without a terminal, so that what each domain has can be read. Rates need two looks, which the second one has. */
static void top(void)
{
    const char *again;

    start();
    CU_ASSERT_EQUAL(run("top count=1"), 0);
    CU_ASSERT(says("Lagan: memory 1G, free"));
    CU_ASSERT(says("\n[="));
    CU_ASSERT(says("\n   ID NAME "));
    CU_ASSERT(says("\n    3 anna                 0%"));
    CU_ASSERT_PTR_NULL(strstr(strstr(said, "NAME") + 1, "NAME"));
    start();
    CU_ASSERT_EQUAL(run("top count=2 delay=1"), 0);
    again = strstr(strstr(said, "NAME") + 1, "NAME");
    CU_ASSERT_PTR_NOT_NULL(again);
    CU_ASSERT(again && strstr(again, "\n    3 anna "));
}

/* ---- what is steered ---- */

static void orders(void)
{
    start();
    CU_ASSERT_EQUAL(run("mem limits anna floor=64M"), 0); /* the others stay */
    CU_ASSERT(fake_host.limits.domid == 3 && fake_host.limits.floor == 64 * MIB &&
              fake_host.limits.ceiling == 256 * MIB && fake_host.limits.weight == 256);
    CU_ASSERT_EQUAL(run("mem limits anna ceiling=max weight=512"), 0);
    CU_ASSERT(fake_host.limits.ceiling == 256 * MIB && fake_host.limits.weight == 512);
    CU_ASSERT_EQUAL(run("mem target 3 96"), 0);
    CU_ASSERT(fake_host.target.domid == 3 && fake_host.target.pages == 96 * MIB);
    CU_ASSERT_EQUAL(run("mem target 3 policy"), 0);
    CU_ASSERT_EQUAL(fake_host.target.pages, 0);
    CU_ASSERT_EQUAL(run("mem policy on"), 0);
    CU_ASSERT(fake_host.pressure_host.flags == LAGAN_PRESSURE_POLICY &&
              fake_host.pressure_host.low == MIB);
    CU_ASSERT_EQUAL(run("mem policy off"), 0);
    CU_ASSERT_EQUAL(fake_host.pressure_host.flags, 0);
    CU_ASSERT_EQUAL(run("mem watermarks low=16M"), 0);
    CU_ASSERT(fake_host.pressure_host.low == 16 * MIB && fake_host.pressure_host.min == 0);
    CU_ASSERT_EQUAL(run("cache quota anna max=0"), 0);
    CU_ASSERT(fake_host.quota.domid == 3 && fake_host.quota.ceiling == 0 &&
              fake_host.quota.weight == 256);
    CU_ASSERT_EQUAL(run("cache freeze all"), 0);
    CU_ASSERT(fake_host.freeze.domid == 0x7ff4 && fake_host.freeze.on == 1);
    CU_ASSERT_EQUAL(run("cache thaw 3"), 0);
    CU_ASSERT(fake_host.freeze.domid == 3 && fake_host.freeze.on == 0);
}

static void reservations(void)
{
    start();
    fake_host.again = 1;
    CU_ASSERT_EQUAL(run("mem reserve anna 200M"), 1);
    CU_ASSERT(says("not yet"));
    fake_host.again = 2;
    CU_ASSERT_EQUAL(run("mem reserve anna 200M wait=60"), 0);
    CU_ASSERT(says("yes") && fake_host.reserve.pages == 200 * MIB);
    CU_ASSERT_EQUAL(run("mem reserve anna none"), 0);
    CU_ASSERT(says("given up") && fake_host.reserve.pages == 0);
}

/* ---- what the daemon does ---- */

static void by_daemon(void)
{
    start();
    CU_ASSERT_EQUAL(run("mem auto anna"), 1);
    CU_ASSERT(complains("lagand: it does not run"));
    CU_ASSERT_EQUAL(run("mem limits anna floor=64M"),
                    0); /* the hypervisor takes them all the same */
    CU_ASSERT_STRING_EQUAL(fake_host.asked, "adopt 3\n");
    strcpy(fake_host.answer, "yes");
    CU_ASSERT_EQUAL(run("mem auto anna"), 0);
    CU_ASSERT_STRING_EQUAL(fake_host.asked, "auto 3\n");
    strcpy(fake_host.answer, "no: the daemon's log says why");
    CU_ASSERT_EQUAL(run("mem auto anna"), 1);
    CU_ASSERT(complains("anna: no: the daemon's log says why"));
    CU_ASSERT_EQUAL(run("mem limits anna floor=64M"), 0);
    CU_ASSERT(complains("lagand does not manage it: no: the daemon's log says why"));
}

static void rooms(void)
{
    start();
    CU_ASSERT_EQUAL(run("mem room 64M"), 0); /* without a daemon it is looked at */
    CU_ASSERT(says("yes: it is free"));
    fake_host.pressure_host.claimed = 300 * MIB;
    CU_ASSERT_EQUAL(run("mem room 64M"), 1);
    CU_ASSERT(says("no: it is not free, and lagand, which would make room, does not run"));
    strcpy(fake_host.answer, "yes: it is free");
    CU_ASSERT_EQUAL(run("mem room 64M"), 0);
    CU_ASSERT_STRING_EQUAL(fake_host.asked, "room 17408 120\n"); /* what xl wants besides */
    CU_ASSERT_EQUAL(run("mem room 1G wait=5 hold=10"), 0);
    CU_ASSERT_STRING_EQUAL(fake_host.asked, "room 263168 15\n");
    strcpy(fake_host.answer, "no: others would be driven below their floors");
    CU_ASSERT_EQUAL(run("mem room 64M"), 1);
    CU_ASSERT(says("no: others"));
}

/* ---- what cannot be ---- */

static void wrong_words(void)
{
    static const struct {
        const char *line;
        int status;
        const char *text;
    } table[] = {{"", 2, "usage"},
                 {"cook", 2, "no command cook"},
                 {"mem loft", 2, "usage: laganctl mem"},
                 {"mem limits anna", 2, "usage: laganctl mem limits"},
                 {"mem auto", 2, "usage: laganctl mem auto"},
                 {"mem auto bert", 1, "bert: there is no such domain"},
                 {"mem room", 2, "usage: laganctl mem room"},
                 {"mem room 0", 1, "0: not an amount"},
                 {"mem room max", 1, "max: not an amount"},
                 {"mem room 1M wait=x", 1, "wait=x: not a number"},
                 {"mem room 1M now", 2, "usage"},
                 {"mem limits anna roof=1", 2, "usage"},
                 {"mem limits bert floor=1", 1, "bert: there is no such domain"},
                 {"mem limits 4 floor=1", 1, "4: there is no such domain"},
                 {"mem limits anna floor=much", 1, "floor=much: not an amount"},
                 {"mem limits anna weight=70000", 1, "weight=70000: not a number"},
                 {"mem limits anna weight=", 1, "weight=: not a number"},
                 {"mem target anna", 2, "usage"},
                 {"mem target anna lots", 1, "lots: neither"},
                 {"mem policy perhaps", 2, "usage"},
                 {"cache quota anna floor=-1", 1, "not an amount"},
                 {"cache freeze", 2, "usage"},
                 {"curve", 2, "usage"},
                 {"ubc create x/ size=1", 1, "not the name of a volume"},
                 {"top", 1, "needs a terminal, or count="},
                 {"--jason mem", 2, "jason"}};

    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        start();
        CU_ASSERT_EQUAL(run(table[i].line), table[i].status);
        CU_ASSERT(complains(table[i].text));
        CU_ASSERT(!says("anna"));
    }
    start();
    CU_ASSERT_EQUAL(run_words(4, (char *[]){"laganctl", "cache", "freeze", ""}), 1);
    CU_ASSERT(complains("no such domain")); /* not one that has no name */
    CU_ASSERT_EQUAL(run("--help"), 0);
    CU_ASSERT(says("usage: laganctl") && says("cache quota"));
}

static void refusals(void)
{
    static const struct {
        const char *line;
        int error;
        const char *text;
    } table[] = {{"mem", -EPERM, "only the control domain"},
                 {"cache", -ENOSYS, "not Lagan"},
                 {"ubc", -EFAULT, "ubc: Bad address"},
                 {"audit", -ENOMEM, "Cannot allocate memory"}};

    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        start();
        fake_host.error = table[i].error;
        CU_ASSERT_EQUAL(run(table[i].line), 1);
        CU_ASSERT(complains(table[i].text));
    }
    start();
    fake_host.open_error = -ENOENT;
    CU_ASSERT_EQUAL(run("mem"), 1);
    CU_ASSERT(complains("not the control domain of a Xen host"));
    fake_host.open_error = -ENOSYS;
    CU_ASSERT_EQUAL(run("mem"), 1);
    CU_ASSERT(complains("is not Lagan"));
}

/* Half a list of figures is none. */
static void full_disk(void)
{
    char *argv[] = {"laganctl", "metrics"};
    int status, old, full = open("/dev/full", O_WRONLY);

    start();
    fflush(stdout);
    old = dup(STDOUT_FILENO);
    dup2(full, STDOUT_FILENO);
    status = laganctl(2, argv);
    __fpurge(stdout);
    clearerr(stdout);
    dup2(old, STDOUT_FILENO);
    close(old);
    close(full);
    CU_ASSERT_EQUAL(status, 1);
}

/* The same device by whatever path, once. */
static void attached(void)
{
    start();
    CU_ASSERT_EQUAL(run("cache attach /dev/disk"), 0);
    CU_ASSERT(says("/dev/mapper/lagan-sda3\n"));
    CU_ASSERT_STRING_EQUAL(fake_host.ran, "modprobe lagan_cache\n"
                                          "dmsetup create lagan-sda3 --table 0 12345 lagan-cache "
                                          "/dev/sda3 mode=inclusive\n");
    fake_host.ran[0] = 0;
    CU_ASSERT_EQUAL(run("cache attach /dev/sda3 /dev/disk"), 0);
    CU_ASSERT_STRING_EQUAL(said, "/dev/mapper/lagan-sda3\n/dev/mapper/lagan-sda3\n");
    CU_ASSERT_STRING_EQUAL(fake_host.ran, "dmsetup message lagan-sda3 0 @cancel_deferred_remove\n"
                                          "dmsetup mknodes lagan-sda3\n"
                                          "dmsetup message lagan-sda3 0 @cancel_deferred_remove\n"
                                          "dmsetup mknodes lagan-sda3\n");
    /* dmsetup cannot. */
    fake_host.dm_fails = true;
    CU_ASSERT_EQUAL(run("cache detach /dev/disk"), 1);
    CU_ASSERT(fake_host.attached);
    fake_host.dm_fails = false;
    fake_host.ran[0] = 0;
    CU_ASSERT_EQUAL(run("cache detach /dev/disk"), 0);
    CU_ASSERT_STRING_EQUAL(fake_host.ran, "dmsetup remove --deferred lagan-sda3\n");
    CU_ASSERT_EQUAL(run("cache detach /dev/disk"), 1);
    CU_ASSERT(complains("/dev/disk: not attached"));

    fake_host.dm_fails = true;
    CU_ASSERT_EQUAL(run("cache attach /dev/disk"), 1);
    CU_ASSERT_EQUAL(run("cache attach /dev/null"), 1);
    CU_ASSERT(complains("/dev/null: no block device"));
    CU_ASSERT_EQUAL(run("cache attach /dev/nothing"), 1);
    CU_ASSERT_EQUAL(run("cache attach"), 2);
    CU_ASSERT_EQUAL(run("cache detach"), 2);
}

static const struct test_case cases[] = {
    {"amounts of memory", amounts},
    {"memory", memory},
    {"the page cache", cache},
    {"the curve", curve},
    {"its picture", plot},
    {"the books", books},
    {"volumes", volumes},
    {"disks under the page cache", attached},
    {"metrics", metrics},
    {"top as text", top},
    {"orders", orders},
    {"reservations", reservations},
    {"what the daemon does", by_daemon},
    {"room", rooms},
    {"wrong words", wrong_words},
    {"refusals", refusals},
    {"a full disk", full_disk},
    {NULL, NULL},
};

const struct suite suite_laganctl = {"laganctl", cases, NULL, NULL};
