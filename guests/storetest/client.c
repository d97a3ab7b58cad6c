/* SPDX-License-Identifier: MIT
 *
 * A guest's side of the store's ring.
 */
#include "storetest/client.h"
#include "kit/kit.h"
#include "kit/lib.h"

#define PATIENCE (5000 * MS)
#define EVENTS   32

struct xenstore_domain_interface *xs_page;

static struct {
    uint32_t next_id;
    char answer[XENSTORE_PAYLOAD_MAX + 2];
    char event[EVENTS][256];
} xs;

void xs_ring(void)
{
    (void)event_send(kit_start_info->store_evtchn);
}

bool xs_connect(void)
{
    if (kit_start_info->store_evtchn == 0) {
        return false;
    }
    xs_page = pfn_to_va(mfn_to_pfn(kit_start_info->store_mfn));
    event_unmask(kit_start_info->store_evtchn);
    return true;
}

/* Gives way until *index is not `value` any more. */
static bool wait_change(const volatile uint32_t *index, uint32_t value, uint64_t end)
{
    while (*index == value) {
        if (time_now() >= end) {
            return false;
        }
        (void)hv_sched(SCHEDOP_yield, NULL);
    }
    return true;
}

static bool send_bytes(const void *bytes, uint32_t count)
{
    uint64_t end = time_now() + PATIENCE;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t prod = xs_page->req_prod;

        if (prod - *(volatile uint32_t *)&xs_page->req_cons == XENSTORE_RING_SIZE) {
            xs_ring();
            if (!wait_change(&xs_page->req_cons, prod - XENSTORE_RING_SIZE, end)) {
                return false;
            }
        }
        xs_page->req[MASK_XENSTORE_IDX(prod)] = ((const char *)bytes)[i];
        __atomic_store_n(&xs_page->req_prod, prod + 1, __ATOMIC_RELEASE);
    }
    xs_ring();
    return true;
}

static bool receive_bytes(void *bytes, uint32_t count, uint64_t ns)
{
    uint64_t end = time_now() + ns;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t cons = xs_page->rsp_cons;

        if (!wait_change(&xs_page->rsp_prod, cons, end)) {
            return false;
        }
        __asm__ volatile("" : : : "memory");
        ((char *)bytes)[i] = xs_page->rsp[MASK_XENSTORE_IDX(cons)];
        __atomic_store_n(&xs_page->rsp_cons, cons + 1, __ATOMIC_RELEASE);
        if ((cons & 511) == 0) {
            xs_ring();
        }
    }
    xs_ring();
    return true;
}

static void show(char *to, uint32_t size, const char *bytes, uint32_t length)
{
    uint32_t i;

    for (i = 0; i < length && i < size - 1; i++) {
        to[i] = bytes[i] != '\0' ? bytes[i] : '|';
    }
    to[i] = '\0';
}

static void keep_event(const char *payload, uint32_t length)
{
    for (unsigned i = 0; i < EVENTS; i++) {
        if (xs.event[i][0] == '\0') {
            show(xs.event[i], sizeof(xs.event[i]), payload, length);
            return;
        }
    }
}

/* One message. True if it was an event. False: xs.answer has the answer, "!" for none. */
static bool receive(uint64_t ns)
{
    static char payload[XENSTORE_PAYLOAD_MAX];
    struct xsd_sockmsg header;

    xs.answer[0] = '!';
    xs.answer[1] = '\0';
    if (!receive_bytes(&header, sizeof(header), ns) || header.len > sizeof(payload) ||
        !receive_bytes(payload, header.len, PATIENCE)) {
        return false;
    }
    if (header.type == XS_WATCH_EVENT) {
        keep_event(payload, header.len);
        return true;
    }
    if (header.type == XS_ERROR) {
        show(xs.answer + 1, sizeof(xs.answer) - 1, payload, header.len - 1);
    } else if (header.req_id == xs.next_id) {
        show(xs.answer, sizeof(xs.answer), payload, header.len);
    }
    return false;
}

const char *xs_ask(uint32_t type, uint32_t tx, const char *request)
{
    static char payload[XENSTORE_PAYLOAD_MAX];
    uint32_t length = (uint32_t)strlen(request);
    struct xsd_sockmsg header = {type, ++xs.next_id, tx, length};

    for (uint32_t i = 0; i < length; i++) {
        payload[i] = request[i];
        if (request[i] == '|') {
            payload[i] = '\0';
        }
    }
    if (!send_bytes(&header, sizeof(header)) || !send_bytes(payload, length)) {
        return "!";
    }
    while (receive(PATIENCE)) {
    }
    return xs.answer;
}

uint32_t xs_start(void)
{
    uint32_t id = 0;

    for (const char *at = xs_ask(XS_TRANSACTION_START, 0, "|"); *at >= '0' && *at <= '9'; at++) {
        id = id * 10 + (uint32_t)(*at - '0');
    }
    return id;
}

static bool take_event(const char *event)
{
    for (unsigned i = 0; i < EVENTS; i++) {
        if (strcmp(xs.event[i], event) == 0) {
            xs.event[i][0] = '\0';
            return true;
        }
    }
    return false;
}

bool xs_event(const char *event, uint64_t ns)
{
    uint64_t end = time_now() + ns;

    while (!take_event(event)) {
        uint64_t now = time_now();

        if (now >= end || !receive(end - now)) {
            return take_event(event);
        }
    }
    return true;
}

bool xs_reconnect(void)
{
    __atomic_store_n(&xs_page->connection, XENSTORE_RECONNECT, __ATOMIC_SEQ_CST);
    xs_ring();
    for (unsigned i = 0; i < EVENTS; i++) {
        xs.event[i][0] = '\0';
    }
    return wait_change(&xs_page->connection, XENSTORE_RECONNECT, time_now() + PATIENCE);
}

bool xs_error(uint32_t error)
{
    return wait_change(&xs_page->error, XENSTORE_ERROR_NONE, time_now() + 1000 * MS) &&
           xs_page->error == error;
}
