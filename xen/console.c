/* SPDX-License-Identifier: MIT
 *
 * Guests on the console.
 *
 * Output. The control domain writes through: its console is interactive, and it could do worse than
 * write odd characters. Any other domain's characters are collected into a line in its struct
 * domain; a finished line is copied out under the lock and written without it, in one piece with
 * its prefix, so a slow serial port holds up whoever writes but not the lock. Lines of two vCPUs
 * may thereby change places; their characters never mix.
 *
 * The domain that has the input is shown as it types: what it has written of a line appears without
 * waiting for the end (console_guest_show(), which a console ring calls when it is empty), and can be
 * rubbed out again. Somebody else's line in between breaks it in two, each with the prefix (log.c).
 *
 * Input. One domain has it, or the hypervisor. The switch key typed three times passes it on: from
 * the hypervisor to the lowest domain, from there upwards, after the last back to the hypervisor.
 * Its first two strokes are delivered all the same, as a delay would be felt on every single one.
 * The domain is kept as a number, not a reference: when it has ended, what is typed is the
 * hypervisor's again, also as long as somebody still holds what is left of it.
 *
 * INV-CON-2: console_line_shown <= console_line_length < sizeof(console_line); console_input_count
 *            <= sizeof(console_input).
 */
#include <lagan/lock.h>
#include <lagan/string.h>
#include <lagan/vsnprintf.h>
#include "xen/console.h"
#include "xen/domain.h"
#include "xen/event.h"
#include "xen/log.h"
#include "xen/softirq.h"

#define SWITCH_STROKES 3
#define AT_HYPERVISOR  DOMID_INVALID /* in console.input: no domain has it */

STATIC_ASSERT(AT_HYPERVISOR >= DOMID_FIRST_RESERVED);

enum escape { ESCAPE_NONE, ESCAPE_BEGUN, ESCAPE_PARAMETERS };

#define LINE_BYTES  sizeof(((struct domain *)0)->console_line)
#define INPUT_BYTES sizeof(((struct domain *)0)->console_input)

static struct {
    struct spinlock
        lock;        /* LK_CONSOLE; never together with the log's, which is of the same level */
    char switch_key; /* [c] a control character; '\0': none */
    bool to_ring;    /* [c] guests' output goes to the log ring too */
    _Atomic domid_t input; /* who has the input; changed by the softirq only */
    unsigned strokes;      /* [softirq] of the switch key in a row */
} console = {.lock = SPINLOCK_INIT(LK_CONSOLE)};

LAGAN_INIT void console_init(const struct options *o)
{
    console.switch_key = o->conswitch ? (char)(o->conswitch - 'a' + 1) : '\0';
    console.to_ring = o->console_to_ring;
    console.input = o->conswitch_keep ? AT_HYPERVISOR : 0;
    console.strokes = 0;
}

/* ---- output ---- */

/* What is to be written once the lock is given up. */
struct output {
    unsigned rub_out;
    size_t bytes;
    char text[LINE_BYTES + 1];
};

static void write_out(struct domain *d, const struct output *out)
{
    char prefix[DOMAIN_NAME_MAX + 4], line[sizeof(prefix) + sizeof(out->text)];
    int n;

    if (d->name[0])
        snprintf(prefix, sizeof(prefix), "(%s) ", d->name);
    else
        snprintf(prefix, sizeof(prefix), "(d%u) ", d->id);
    if (!console.to_ring) {
        console_write_part(d->id + 1U, prefix, out->rub_out, out->text, out->bytes);
        return;
    }
    n = snprintf(line, sizeof(line), "%s%.*s", prefix, (int)out->bytes, out->text);
    console_write_logged(line, (size_t)n);
}

/* Moves what has not been shown of the line to `out`. Console lock held. */
static void take_rest(struct domain *d, struct output *out)
{
    out->rub_out = d->console_line_rub_out;
    out->bytes = d->console_line_length - d->console_line_shown;
    memcpy(out->text, d->console_line + d->console_line_shown, out->bytes);
    d->console_line_shown = d->console_line_length;
    d->console_line_rub_out = 0;
}

/* The same, as the end of the line. Console lock held. */
static void take_line(struct domain *d, struct output *out)
{
    take_rest(d, out);
    out->text[out->bytes++] = '\n';
    d->console_line_length = d->console_line_shown = 0;
}

/* Escape sequences would work on a terminal, whose lines are not all this domain's: they are left
 * out. True if the character is part of one. */
static bool skip_escape(struct domain *d, char c)
{
    switch ((enum escape)d->console_escape) {
    case ESCAPE_NONE:
        d->console_escape = c == '\033' ? ESCAPE_BEGUN : ESCAPE_NONE;
        return c == '\033';
    case ESCAPE_BEGUN:
        d->console_escape = c == '[' ? ESCAPE_PARAMETERS : ESCAPE_NONE;
        return c >= ' ' && c <= '~';
    case ESCAPE_PARAMETERS:
        if (c < ' ' || c > '?')
            d->console_escape = ESCAPE_NONE;
        return c >= ' ' && c <= '~';
    }
    return false;
}

static void rub_out(struct domain *d)
{
    if (d->console_line_length == 0)
        return;
    d->console_line_length--;
    if (d->console_line_shown > d->console_line_length) {
        d->console_line_shown = d->console_line_length;
        d->console_line_rub_out++;
    }
}

/* Adds one character; true when the line is to be put out. Console lock held. */
static bool add_to_line(struct domain *d, char c)
{
    if (skip_escape(d, c))
        return false;
    if (c == '\n')
        return true;
    if (c == '\b')
        rub_out(d);
    if (c == '\r' || c == '\0' || c == '\b' || c == '\a')
        return false;
    if (c == '\t')
        c = ' ';
    d->console_line[d->console_line_length++] = c >= ' ' && c <= '~' ? c : '?';
    return d->console_line_length == LINE_BYTES - 1;
}

/* Takes from the text up to the end of one line. Returns how many characters it took. */
static size_t collect(struct domain *d, const char *text, size_t bytes, struct output *out)
{
    size_t taken = 0;

    out->bytes = 0;
    spin_lock(&console.lock);
    while (taken < bytes && out->bytes == 0)
        if (add_to_line(d, text[taken++]))
            take_line(d, out);
    spin_unlock(&console.lock);
    return taken;
}

void console_guest_write(struct domain *d, const char *text, size_t bytes)
{
    struct output out;
    size_t taken;

    if (d->privileged) {
        if (console.to_ring)
            console_write_logged(text, bytes);
        else
            console_write(text, bytes);
        return;
    }
    for (; bytes > 0; text += taken, bytes -= taken) {
        taken = collect(d, text, bytes, &out);
        if (out.bytes > 0)
            write_out(d, &out);
    }
}

void console_guest_flush(struct domain *d)
{
    struct output out = {.bytes = 0};

    spin_lock(&console.lock);
    if (d->console_line_length > 0)
        take_line(d, &out);
    spin_unlock(&console.lock);
    if (out.bytes > 0)
        write_out(d, &out);
}

/* The ring for dom0 gets whole lines only: there is no taking back in it. */
void console_guest_show(struct domain *d)
{
    struct output out = {.bytes = 0};

    if (console.input != d->id || console.to_ring)
        return;
    spin_lock(&console.lock);
    take_rest(d, &out);
    spin_unlock(&console.lock);
    if (out.bytes > 0 || out.rub_out > 0)
        write_out(d, &out);
}

/* ---- input ---- */

static void show_input_owner(const struct domain *d)
{
    char name[DOMAIN_NAME_MAX + 16] = "the hypervisor ('h' for help)";

    if (d && d->name[0])
        snprintf(name, sizeof(name), "domain %u (%s)", d->id, d->name);
    else if (d)
        snprintf(name, sizeof(name), "domain %u", d->id);
    log_warn("*** Input goes to %s; CTRL-%c three times passes it on\n", name,
             console.switch_key - 1 + 'a');
}

/* It runs, or may be made to: nobody reads what is typed for one that has ended. */
static bool listens(struct domain *d)
{
    bool yes;

    spin_lock(&d->lock);
    yes = !d->shutting_down && d->state == DOMAIN_ALIVE;
    spin_unlock(&d->lock);
    return yes;
}

/* The first domain from `id` on that listens, with a reference, or NULL. */
static struct domain *find_listener(domid_t id)
{
    struct domain *d = domain_find_next(id);

    while (d && !listens(d)) {
        id = (domid_t)(d->id + 1);
        domain_put(d);
        d = domain_find_next(id);
    }
    return d;
}

/* The domain that has the input, with a reference, or NULL: the hypervisor has it. */
static struct domain *input_owner(void)
{
    struct domain *d = console.input == AT_HYPERVISOR ? NULL : domain_find(console.input);

    if (!d || listens(d))
        return d;
    domain_put(d);
    return NULL;
}

static void pass_input_on(void)
{
    domid_t from = console.input == AT_HYPERVISOR ? 0 : (domid_t)(console.input + 1);
    struct domain *d = find_listener(from);

    console.input = d ? d->id : AT_HYPERVISOR;
    show_input_owner(d);
    if (d) {
        console_ring_show(d);
        domain_put(d);
    }
}

/* What does not fit is lost, as on any serial line. */
static void give_character(struct domain *d, char c)
{
    spin_lock(&console.lock);
    if (d->console_input_count < INPUT_BYTES) {
        d->console_input[(d->console_input_start + d->console_input_count) % INPUT_BYTES] = c;
        d->console_input_count++;
    }
    spin_unlock(&console.lock);
    if (!console_ring_input(d))
        event_raise_global_virq(d, VIRQ_CONSOLE);
}

static void take_character(char c)
{
    struct domain *d;

    if (console.switch_key && c == console.switch_key) {
        if (++console.strokes == SWITCH_STROKES) {
            console.strokes = 0;
            pass_input_on();
            return;
        }
    } else {
        console.strokes = 0;
    }
    d = input_owner();
    if (d) {
        give_character(d, c);
        domain_put(d);
    } else if (c != console.switch_key) {
        console_debug_key(c);
    }
}

void console_softirq(void)
{
    int c;

    while ((c = arch_console_read()) >= 0)
        take_character((char)c);
}

/* The reader of the log is the control domain, if it has bound the interrupt (public xen.h). */
void log_softirq(void)
{
    struct domain *control = domain_find(0);

    if (!control)
        return;
    event_raise_global_virq(control, VIRQ_CON_RING);
    domain_put(control);
}

size_t console_guest_read(struct domain *d, char *buf, size_t bytes)
{
    size_t n = 0;

    spin_lock(&console.lock);
    while (n < bytes && d->console_input_count > 0) {
        buf[n++] = d->console_input[d->console_input_start];
        d->console_input_start = (unsigned)((d->console_input_start + 1) % INPUT_BYTES);
        d->console_input_count--;
    }
    spin_unlock(&console.lock);
    return n;
}

/* ---- debug keys ---- */

static void show_keys(void)
{
    log_warn("'h': show this list\n");
    for (const struct debug_key *k = debug_keys; k->key; k++)
        log_warn("'%c': %s\n", k->key, k->help);
}

void console_debug_key(char key)
{
    if (key == 'h') {
        show_keys();
        return;
    }
    for (const struct debug_key *k = debug_keys; k->key; k++) {
        if (k->key == key) {
            log_warn("'%c' pressed: %s\n", key, k->help);
            k->run();
            return;
        }
    }
}
