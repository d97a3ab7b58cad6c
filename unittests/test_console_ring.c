/* SPDX-License-Identifier: MIT
 *
 * Console rings: honest guests, full rings, indices that lie, and the frame's life.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <xen/io/console.h>

#include "mm/frame.h"
#include "mm/type.h"
#include "unittests/event_world.h"
#include "unittests/ring_world.h"
#include "unittests/suite.h"

static struct xencons_interface *page;
static mfn_t frame;
static int port;

static void start(void)
{
    world();
    ring_world();
    console_ring_init(dom[1]);
    frame = host_domain_frame(dom[1]);
    page = arch_map_frame(frame);
    memset(page, 0, PAGE_SIZE);
    port = console_ring_attach(dom[1], frame);
    CU_ASSERT_EQUAL_FATAL(port, 1);
}

static void stop(void)
{
    console_ring_detach(dom[1]);
    world_end();
}

/* As a guest does it: the bytes, then the index. */
static void put(const char *text, size_t bytes)
{
    uint32_t produced = page->out_prod;
    uint32_t consumed = __atomic_load_n(&page->out_cons, __ATOMIC_ACQUIRE);

    CU_ASSERT_FATAL(produced - consumed + bytes <= sizeof(page->out));
    for (size_t i = 0; i < bytes; i++)
        page->out[MASK_XENCONS_IDX(produced++, page->out)] = text[i];
    __atomic_store_n(&page->out_prod, produced, __ATOMIC_RELEASE);
}

static void get(const char *expected)
{
    uint32_t produced = __atomic_load_n(&page->in_prod, __ATOMIC_ACQUIRE);
    char text[1100];
    size_t n = 0;

    while (page->in_cons != produced && n < sizeof(text) - 1)
        text[n++] = page->in[MASK_XENCONS_IDX(page->in_cons++, page->in)];
    text[n] = '\0';
    CU_ASSERT_STRING_EQUAL(text, expected);
}

static int send(void)
{
    return event_send(dom[1], (evtchn_port_t)port);
}

static void test_output(void)
{
    start();
    put("hello\n", 6);
    CU_ASSERT_EQUAL(send(), 0);
    CU_ASSERT_STRING_EQUAL(ring_shown, "hello\n");
    CU_ASSERT_EQUAL(page->out_cons, 6);
    CU_ASSERT_TRUE(take_bit(dom[1], port)); /* there is room again */
    CU_ASSERT_EQUAL(send(), 0);
    CU_ASSERT_FALSE(take_bit(dom[1], port)); /* no news: or the two would never stop */
    put("without", 7);
    console_ring_drain(dom[1]);
    CU_ASSERT_STRING_EQUAL(ring_shown, "hello\nwithout");
    put("the end", 7);
    stop();
    CU_ASSERT_STRING_EQUAL(ring_shown, "hello\nwithoutthe end");
}

static void test_full(void)
{
    char text[2049];

    start();
    for (size_t i = 0; i < 2048; i++)
        text[i] = (char)('a' + i % 26);
    text[2048] = '\0';
    page->out_cons = page->out_prod = UINT32_MAX - 1000; /* wraps on the way */
    put(text, 2048);
    CU_ASSERT_EQUAL(send(), 0);
    CU_ASSERT_STRING_EQUAL(ring_shown, text);
    CU_ASSERT_EQUAL(page->out_cons, page->out_prod);
    CU_ASSERT_TRUE(ring_longest <= 128);
    CU_ASSERT_EQUAL(ring_shows, 1);
    /* The call can be interrupted between two pieces, and be made again. */
    put(text, 2048);
    ring_world();
    host_preempt_every(1);
    CU_ASSERT_EQUAL(send(), -XEN_ERESTART);
    CU_ASSERT_EQUAL(strlen(ring_shown), 128);
    while (send() == -XEN_ERESTART)
        ;
    host_preempt_every(0);
    CU_ASSERT_STRING_EQUAL(ring_shown, text);
    stop();
}

static void lying(uint32_t produced, uint32_t consumed)
{
    page->out_prod = produced;
    page->out_cons = consumed;
    page->in_prod = produced;
    page->in_cons = consumed;
    ring_typed = "x";
    CU_ASSERT_EQUAL(send(), 0);
    CU_ASSERT_STRING_EQUAL(ring_shown, "");
    CU_ASSERT_TRUE(page->out_prod == produced && page->out_cons == consumed);
    CU_ASSERT_TRUE(page->in_prod == produced);
    CU_ASSERT_STRING_EQUAL(ring_typed, "x");
    CU_ASSERT_FALSE(take_bit(dom[1], port));
}

static void test_lies(void)
{
    start();
    lying(2049, 0);
    lying(0, 1);
    lying(UINT32_MAX, 5);
    lying(0x80000000, 0);
    page->in_prod = page->in_cons = 7;
    page->out_prod = page->out_cons = 9;
    put("ok", 2);
    CU_ASSERT_EQUAL(send(), 0); /* right again */
    CU_ASSERT_STRING_EQUAL(ring_shown, "ok");
    get("x");
    page->in_prod = 1025; /* more than a ring holds: nothing is taken from those who type */
    page->in_cons = 0;
    ring_typed = "y";
    CU_ASSERT_TRUE(console_ring_input(dom[1]));
    CU_ASSERT_STRING_EQUAL(ring_typed, "y");
    stop();
}

static void test_input(void)
{
    char many[1500], first[1025];

    start();
    ring_typed = "early";
    CU_ASSERT_FALSE(console_ring_input(dom[1])); /* it has not shown that it uses its ring */
    CU_ASSERT_EQUAL(page->in_prod, 0);
    CU_ASSERT_EQUAL(send(), 0);
    CU_ASSERT_TRUE(take_bit(dom[1], port));
    get("early");
    ring_typed = "ls\r";
    CU_ASSERT_TRUE(console_ring_input(dom[1]));
    CU_ASSERT_TRUE(take_bit(dom[1], port));
    get("ls\r");
    /* Full: the rest waits until the guest has read and says so. */
    memset(many, 'm', 1400);
    strcpy(many + 1400, "end");
    ring_typed = many;
    CU_ASSERT_TRUE(console_ring_input(dom[1]));
    CU_ASSERT_EQUAL(page->in_prod - page->in_cons, 1024);
    CU_ASSERT_EQUAL(strlen(ring_typed), 403 - 24);
    take_bit(dom[1], port);
    CU_ASSERT_TRUE(console_ring_input(dom[1]));
    CU_ASSERT_FALSE(take_bit(dom[1], port)); /* no room, no news */
    memset(first, 'm', 1024);
    first[1024] = '\0';
    get(first);
    CU_ASSERT_EQUAL(send(), 0);
    CU_ASSERT_TRUE(take_bit(dom[1], port));
    CU_ASSERT_EQUAL(page->in_prod - page->in_cons, 379);
    stop();
}

static void test_port(void)
{
    struct evtchn_status s = {0};
    int other;

    start();
    CU_ASSERT_EQUAL(event_status(dom[1], (evtchn_port_t)port, &s), 0);
    CU_ASSERT_TRUE(s.status == EVTCHNSTAT_interdomain && s.vcpu == 0);
    CU_ASSERT_TRUE(s.u.interdomain.dom == DOMID_XEN && s.u.interdomain.port == 0);
    CU_ASSERT_EQUAL(event_bind_vcpu(dom[1], (evtchn_port_t)port, 1), 0);
    CU_ASSERT_EQUAL(event_bind_interdomain(dom[1], dom[1], (evtchn_port_t)port), -XEN_EINVAL);
    put("a", 1);
    CU_ASSERT_EQUAL(send(), 0);
    CU_ASSERT_TRUE(event_upcall_due(dom[1]->vcpu[1]->info));
    CU_ASSERT_TRUE(take_bit(dom[1], port));
    /* Closed by the guest: no sends, no events, but the end shows what is there. */
    CU_ASSERT_EQUAL(event_close(dom[1], (evtchn_port_t)port), 0);
    put("b", 1);
    CU_ASSERT_EQUAL(send(), -XEN_EINVAL);
    CU_ASSERT_STRING_EQUAL(ring_shown, "a");
    other = event_alloc_unbound(dom[1], 2);
    CU_ASSERT_EQUAL(other, port); /* another use of the number */
    ring_typed = "z";
    CU_ASSERT_TRUE(console_ring_input(dom[1]));
    CU_ASSERT_FALSE(take_bit(dom[1], port));
    stop();
    CU_ASSERT_STRING_EQUAL(ring_shown, "ab");
}

static void test_frame(void)
{
    mfn_t foreign;

    start();
    CU_ASSERT_EQUAL(type_get(frame, TYPE_L1), -XEN_EBUSY);
    CU_ASSERT_EQUAL(type_get(frame, TYPE_SEGDESC), -XEN_EBUSY);
    CU_ASSERT_EQUAL(frame_refs(frame_of(frame)), 2);
    console_ring_detach(dom[1]);
    CU_ASSERT_EQUAL(frame_refs(frame_of(frame)), 1);
    CU_ASSERT_EQUAL(type_count(frame), 0);
    CU_ASSERT_FALSE(console_ring_input(dom[1]));
    CU_ASSERT_EQUAL(send(), 0);
    console_ring_detach(dom[1]);
    /* A frame that is not its own, and a domain that gets no port: nothing is kept. */
    foreign = host_domain_frame(dom[2]);
    CU_ASSERT_EQUAL(console_ring_attach(dom[1], foreign), -XEN_EINVAL);
    while (event_domain_destroy(dom[1]) != 0)
        ;
    CU_ASSERT_EQUAL(console_ring_attach(dom[1], frame), -XEN_EINVAL);
    CU_ASSERT_EQUAL(frame_refs(frame_of(frame)), 1);
    CU_ASSERT_TRUE(!dom[1]->console_ring.page);
    stop();
}

/* ---- two vCPUs send ---- */

static pthread_mutex_t producer = PTHREAD_MUTEX_INITIALIZER;

/* Words of four letters, as the guest's own lock keeps them together. */
static void *write_words(void *name)
{
    char word[5] = {*(char *)name, '-', '-', '\n', '\0'};

    for (unsigned i = 0; i < 1000; i++) {
        bool done = false;

        while (!done) {
            pthread_mutex_lock(&producer);
            done = page->out_prod - __atomic_load_n(&page->out_cons, __ATOMIC_ACQUIRE) <= 2044;
            if (done)
                put(word, 4);
            pthread_mutex_unlock(&producer);
            (void)send();
        }
    }
    return NULL;
}

static void test_threads(void)
{
    pthread_t other;
    char a = 'a', b = 'b';
    unsigned count = 0;

    start();
    CU_ASSERT_EQUAL_FATAL(pthread_create(&other, NULL, write_words, &a), 0);
    write_words(&b);
    pthread_join(other, NULL);
    CU_ASSERT_EQUAL(strlen(ring_shown), 8000);
    for (const char *s = ring_shown; *s; s += 4, count++)
        if (strncmp(s + 1, "--\n", 3) != 0)
            CU_FAIL_FATAL("bytes out of order");
    CU_ASSERT_EQUAL(count, 2000);
    stop();
}

static const struct test_case cases[] = {
    {"output", test_output},         {"a full ring", test_full},
    {"indices that lie", test_lies}, {"input", test_input},
    {"the port", test_port},         {"the frame", test_frame},
    {"two vCPUs", test_threads},     {NULL, NULL},
};

const struct suite suite_console_ring = {.name = "console_ring", .cases = cases};
