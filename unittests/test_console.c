/* SPDX-License-Identifier: MIT
 *
 * Guests on the console: their lines, and whose input is what was typed.
 */
#include <string.h>

#include "console_machine.h"
#include "suite.h"
#include "xen/console.h"
#include "xen/domain.h"
#include "xen/event.h"
#include "xen/log.h"
#include "xen/softirq.h"

static struct domain dom0 = {.id = 0, .privileged = true};
static struct domain web = {.id = 3, .name = "web"};
static struct domain bare = {.id = 7};
static struct domain *const all[] = {&dom0, &web, &bare};
static bool gone[3];
static unsigned raised, told, references;
static char keys_run[8];

static void run_q(void)
{
    strcat(keys_run, "q");
}

const struct debug_key debug_keys[] = {{'q', "show domains", run_q}, {0, NULL, NULL}};

struct domain *domain_find_next(domid_t id)
{
    for (size_t i = 0; i < 3; i++) {
        if (all[i]->id >= id && !gone[i]) {
            references++;
            return all[i];
        }
    }
    return NULL;
}

struct domain *domain_find(domid_t id)
{
    struct domain *d = domain_find_next(id);

    if (d && d->id != id) {
        domain_put(d);
        return NULL;
    }
    return d;
}

void domain_put(struct domain *d)
{
    (void)d;
    references--;
}

/* The ring of `bare`, if it uses one: takes everything. */
static char in_ring[16];
static bool ring_used;

void console_ring_show(struct domain *d)
{
    console_guest_show(d);
}

bool console_ring_input(struct domain *d)
{
    size_t have = strlen(in_ring);

    if (d != &bare || !ring_used)
        return false;
    have += console_guest_read(d, in_ring + have, sizeof(in_ring) - 1 - have);
    in_ring[have] = '\0';
    return true;
}

void event_raise_global_virq(struct domain *d, unsigned virq)
{
    if (virq == VIRQ_CON_RING) {
        CU_ASSERT_PTR_EQUAL(d, &dom0);
        told++;
        return;
    }
    CU_ASSERT_EQUAL(virq, VIRQ_CONSOLE);
    raised |= 1u << d->id;
}

static void start(bool keep, char conswitch)
{
    struct options o;

    options_default(&o);
    o.conswitch_keep = keep;
    o.conswitch = conswitch;
    console_init(&o);
    log_set_thresholds((struct log_threshold){4, 4}, (struct log_threshold){4, 4});
    log_console_ready();
    for (size_t i = 0; i < 3; i++) {
        all[i]->console_line_length = all[i]->console_input_count = 0;
        all[i]->console_line_shown = all[i]->console_line_rub_out = 0;
        all[i]->console_escape = 0;
        all[i]->shutting_down = false;
        all[i]->state = DOMAIN_ALIVE;
        spin_init(&all[i]->lock, LK_DOMAIN);
        gone[i] = false;
    }
    raised = 0;
    ring_used = false;
    in_ring[0] = '\0';
    keys_run[0] = '\0';
    machine_reset();
}

static void type(const char *text)
{
    machine_typed = text;
    console_softirq();
    CU_ASSERT_EQUAL(references, 0);
}

static void wrote(struct domain *d, const char *text, const char *expected)
{
    machine_reset();
    console_guest_write(d, text, strlen(text));
    CU_ASSERT_STRING_EQUAL(machine_shown, expected);
}

static void read_back(struct domain *d, const char *expected)
{
    char buf[200] = "";

    CU_ASSERT_EQUAL(console_guest_read(d, buf, sizeof(buf) - 1), strlen(expected));
    CU_ASSERT_STRING_EQUAL(buf, expected);
}

static void test_output(void)
{
    char line[300];

    start(false, 'a');
    wrote(&web, "hel", "");
    wrote(&bare, "x\r\n", "(d7) x\n");
    wrote(&web, "lo\nand\n\nmore", "(web) hello\n(web) and\n(web) \n");
    wrote(&web, "\n", "(web) more\n");
    wrote(&web, "a\033[2J\tb\200\n", "(web) a b?\n");
    wrote(&web, "rest", "");
    console_guest_flush(&web);
    CU_ASSERT_STRING_EQUAL(machine_shown, "(web) rest\n");
    machine_reset();
    console_guest_flush(&web);
    CU_ASSERT_STRING_EQUAL(machine_shown, "");
    wrote(&dom0, "login: \033[1m", "login: \033[1m");
    memset(line, 'y', 159);
    strcpy(line + 159, "zz\n");
    machine_reset();
    console_guest_write(&web, line, strlen(line));
    CU_ASSERT_EQUAL(strlen(machine_shown), 6 + 159 + 1 + 6 + 2 + 1);
    CU_ASSERT_STRING_EQUAL(machine_shown + 6 + 158, "y\n(web) zz\n");
}

static void showed(struct domain *d, const char *text, const char *expected)
{
    machine_reset();
    console_guest_write(d, text, strlen(text));
    console_guest_show(d);
    CU_ASSERT_STRING_EQUAL(machine_shown, expected);
}

/* The domain that has the input is shown as it writes. */
static void test_unfinished_lines(void)
{
    start(false, 'a');
    showed(&web, "no input", "");
    machine_reset();
    type("\1\1\1");
    CU_ASSERT_PTR_NOT_NULL(strstr(machine_shown, "passes it on\n(web) no input"));
    showed(&web, ", none", ", none");
    showed(&web, "", "");
    showed(&web, "\nlogin: ro", "\n(web) login: ro");
    showed(&web, "p\bt", "t");
    showed(&web, "\b\bp", "\b \b\b \bp");
    wrote(&bare, "other\n", "\n(d7) other\n");
    showed(&web, "q\br", "(web) r");
    showed(&web, "\b\b\b", "\b \b"); /* one of these is left on the last line, the third is gone */
    machine_reset();
    log_warn("message\n");
    CU_ASSERT_STRING_EQUAL(machine_shown, "\n(LAGAN) message\n");
    showed(&web, "\n", "(web) \n");
    showed(&web, "\b\b\bx\033[1;31my\033cz\033[0\n", "(web) xyz\n");
    showed(&bare, "not mine", "");
}

static void test_input(void)
{
    start(false, 'a');
    type("ls\r");
    CU_ASSERT_EQUAL(raised, 1);
    read_back(&dom0, "ls\r");
    read_back(&dom0, "");
    type("\1\1x\1\1");
    read_back(&dom0, "\1\1x\1\1");
    type("y\1\1\1to web");
    read_back(&dom0, "y\1\1");
    read_back(&web, "to web");
    CU_ASSERT_PTR_NOT_NULL(strstr(machine_shown, "Input goes to domain 3 (web); CTRL-a"));
    type("\1\1\1z");
    read_back(&bare, "z");
    type("\1\1\1q");
    CU_ASSERT_STRING_EQUAL(keys_run, "q");
    CU_ASSERT_PTR_NOT_NULL(strstr(machine_shown, "Input goes to the hypervisor"));
    type("h~");
    CU_ASSERT_STRING_EQUAL(keys_run, "q");
    CU_ASSERT_PTR_NOT_NULL(strstr(machine_shown, "(LAGAN) 'q': show domains\n"));
    type("\1\1\1root\r");
    read_back(&dom0, "root\r");
}

static void test_input_edges(void)
{
    char many[300];

    start(true, 'b');
    type("q\2\2\2");
    CU_ASSERT_STRING_EQUAL(keys_run, "q");
    memset(many, 'm', sizeof(many) - 1);
    many[sizeof(many) - 1] = '\0';
    type(many);
    many[128] = '\0';
    read_back(&dom0, many);
    type("ab");
    read_back(&dom0, "ab");
    gone[0] = true; /* its input is the hypervisor's now */
    type("q");
    CU_ASSERT_STRING_EQUAL(keys_run, "qq");
    start(false, '\0');
    type("\1\1\1\2");
    read_back(&dom0, "\1\1\1\2");
}

/* It has ended, but somebody still holds it: it gets nothing, and is passed over. */
static void test_input_after_the_end(void)
{
    start(false, 'a');
    type("\1\1\1"); /* web */
    web.shutting_down = true;
    raised = 0;
    type("q");
    CU_ASSERT_STRING_EQUAL(keys_run, "q");
    CU_ASSERT_EQUAL(raised, 0);
    read_back(&web, "");
    web.shutting_down = false; /* resumed */
    type("x");
    read_back(&web, "x");
    type("\1\1\1\1\1\1\1\1\1"); /* bare, nobody, dom0 */
    read_back(&dom0, "\1\1");
    web.state = DOMAIN_DYING;
    type("\1\1\1y"); /* not web: bare */
    read_back(&dom0, "\1\1");
    read_back(&web, "\1\1");
    read_back(&bare, "\1\1y");
    bare.shutting_down = true;
    dom0.shutting_down = true;
    type("\1\1\1q\1\1\1q"); /* nobody is left */
    CU_ASSERT_STRING_EQUAL(keys_run, "qqq");
}

static void test_input_into_ring(void)
{
    start(false, 'a');
    type("\1\1\1\1\1\1");
    ring_used = true;
    raised = 0;
    type("ring");
    CU_ASSERT_STRING_EQUAL(in_ring, "ring");
    CU_ASSERT_EQUAL(raised, 0); /* it has its own event */
    read_back(&bare, "");
    ring_used = false;
    type("x");
    CU_ASSERT_EQUAL(raised, 1u << 7);
    read_back(&bare, "x");
}

/* What the softirq would do now. */
static unsigned told_now(void)
{
    told = 0;
    if (machine_softirqs & 1u << SOFTIRQ_LOG)
        log_softirq();
    machine_softirqs = 0;
    CU_ASSERT_EQUAL(references, 0);
    return told;
}

/* The reader of the log is told when the ring has grown, whatever the console shows, and only then. */
static void test_reader(void)
{
    start(false, 'a');
    log_set_thresholds((struct log_threshold){2, 2}, (struct log_threshold){1, 1});
    (void)told_now();
    CU_ASSERT_EQUAL(told_now(), 0);
    log_debug("not shown\n");
    CU_ASSERT_EQUAL(told_now(), 1);
    CU_ASSERT_EQUAL(told_now(), 0);
    for (unsigned i = 0; i < 100; i++)
        log_warn("shown\n");
    CU_ASSERT_EQUAL(told_now(), 1); /* all at once */
    printk_guest(LOG_DEBUG, "held back\n");
    console_write("to the console only", 19);
    console_write_logged("", 0);
    CU_ASSERT_EQUAL(told_now(), 0);
    printk_guest(LOG_ERR, "let through\n");
    CU_ASSERT_EQUAL(told_now(), 1);
    console_write_logged("x\n", 2);
    CU_ASSERT_EQUAL(told_now(), 1);
    gone[0] = true;
    log_warn("nobody reads\n");
    CU_ASSERT_EQUAL(told_now(), 0);
    gone[0] = false;
}

static const struct test_case cases[] = {
    {"output", test_output},
    {"unfinished lines", test_unfinished_lines},
    {"input", test_input},
    {"input into a ring", test_input_into_ring},
    {"input at the edges", test_input_edges},
    {"input after the end", test_input_after_the_end},
    {"the reader of the log", test_reader},
    {NULL, NULL},
};

const struct suite suite_console = {.name = "console", .cases = cases};
