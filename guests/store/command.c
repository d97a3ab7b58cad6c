/* SPDX-License-Identifier: MIT
 *
 * The administrator's commands. Each is a line of words; the last argument of `write` is the rest of
 * the line, so that a value may have spaces. A domain is named by its name or its number.
 */
#include "store/command.h"
#include <xen/errno.h>
#include "kit/lib.h"
#include "store/admin.h"
#include "store/path.h"
#include "store/request.h"

#define WORD_PATH  256 /* longest path that a command makes */
#define VALUE_MAX  200 /* what is shown of a value */
#define VCPUS_MAX  32U
#define LIST_BYTES XENSTORE_PAYLOAD_MAX

static char list_buffer[LIST_BYTES];

/* ---- words ---- */

/* Cuts the next word off; "" when there is none. */
static char *take_word(char **line)
{
    char *word = *line, *at;

    while (*word == ' ') {
        word++;
    }
    for (at = word; *at != ' ' && *at != '\0'; at++) {
    }
    if (*at != '\0') {
        *at++ = '\0';
    }
    *line = at;
    return word;
}

/* 64M and the like; without a unit KiB. */
static bool parse_kib(char *word, uint64_t *kib)
{
    size_t length = strlen(word);
    unsigned shift = 0;

    if (length > 0) {
        char unit = (char)(word[length - 1] | 0x20);

        shift = unit == 'm' ? 10 : unit == 'g' ? 20 : 0;
        if (shift != 0 || unit == 'k') {
            word[length - 1] = '\0';
        }
    }
    if (!text_number(word, UINT32_MAX, kib)) {
        return false;
    }
    *kib <<= shift;
    return true;
}

/* ---- saying things ---- */

static void say(struct text *out, const char *text)
{
    text_add_string(out, text);
    text_add_char(out, '\n');
}

static void say_result(struct text *out, const char *what, int rc)
{
    text_add_string(out, what);
    text_add_string(out, ": ");
    say(out, rc == 0 ? "done" : request_error(rc));
}

/* Values may hold anything; the console gets what it can show. */
static void say_value(struct text *out, const char *value, size_t length)
{
    for (size_t i = 0; i < length && i < VALUE_MAX; i++) {
        text_add_char(out, value[i] >= ' ' && value[i] <= '~' ? value[i] : '?');
    }
    if (length > VALUE_MAX) {
        text_add_string(out, "...");
    }
}

/* ---- paths ---- */

static bool make_path(char path[WORD_PATH], const char *base, const char *name, const char *part)
{
    struct text out = text_in(path, WORD_PATH);

    text_add_string(&out, base);
    text_add_string(&out, name);
    text_add_string(&out, part);
    text_add_char(&out, '\0');
    return !out.cut;
}

/* True if the domain of this number has this name. */
static bool has_name(struct store *store, const char *number, const char *name)
{
    char path[WORD_PATH], value[64];
    struct text out = text_in(value, sizeof(value) - 1);

    if (!make_path(path, DOMAIN_PREFIX, number, "/name") || admin_read(store, path, &out) != 0) {
        return false;
    }
    value[out.length] = '\0';
    return strcmp(value, name) == 0;
}

/* The domain's number as text, in memory that the next listing overwrites; NULL: there is none. */
static const char *find_domain(struct store *store, const char *name)
{
    struct text list = text_in(list_buffer, sizeof(list_buffer));
    const char *at = list_buffer;

    if (admin_list(store, "/local/domain", &list) != 0) {
        return NULL;
    }
    for (; at < list_buffer + list.length; at += strlen(at) + 1) {
        if (strcmp(at, name) == 0 || has_name(store, at, name)) {
            return at;
        }
    }
    return NULL;
}

/* ---- commands on nodes ---- */

static void show_node(struct store *store, const char *path, const char *name, struct text *out)
{
    static char value[XENSTORE_PAYLOAD_MAX];
    struct text text = text_in(value, sizeof(value));
    int rc = admin_read(store, path, &text);

    text_add_string(out, name);
    text_add_string(out, " = ");
    if (rc != 0) {
        text_add_string(out, request_error(rc));
    } else {
        say_value(out, value, text.length);
    }
    text_add_char(out, '\n');
}

static void do_read(struct store *store, char *line, struct text *out)
{
    const char *path = take_word(&line);

    show_node(store, path, path, out);
}

static void do_ls(struct store *store, char *line, struct text *out)
{
    const char *path = take_word(&line), *at = list_buffer;
    struct text list = text_in(list_buffer, sizeof(list_buffer));
    char child[WORD_PATH];
    int rc;

    path = path[0] == '\0' ? "/" : path;
    rc = admin_list(store, path, &list);
    if (rc != 0) {
        say_result(out, path, rc);
        return;
    }
    for (; at < list_buffer + list.length; at += strlen(at) + 1) {
        if (make_path(child, path, path[1] == '\0' ? "" : "/", at)) {
            show_node(store, child, at, out);
        }
    }
}

static void do_write(struct store *store, char *line, struct text *out)
{
    const char *path = take_word(&line);

    say_result(out, path, admin_write(store, path, line));
}

static void do_rm(struct store *store, char *line, struct text *out)
{
    const char *path = take_word(&line);

    say_result(out, path, admin_remove(store, path));
}

/* The words are given to the store as it wants them: one behind the other, each terminated. */
static void do_perms(struct store *store, char *line, struct text *out)
{
    const char *path = take_word(&line), *word = take_word(&line);
    char entries[16 * PERMS_MAX];
    struct text text = text_in(entries, sizeof(entries));
    int rc;

    for (; word[0] != '\0'; word = take_word(&line)) {
        text_add(&text, word, strlen(word) + 1);
    }
    if (text.length > 0) {
        rc = text.cut ? -XEN_ENOSPC : admin_set_perms(store, path, text.at, text.length);
        say_result(out, path, rc);
        return;
    }
    rc = admin_get_perms(store, path, &text);
    if (rc != 0) {
        say_result(out, path, rc);
        return;
    }
    text_add_string(out, path);
    for (const char *at = entries; at < entries + text.length; at += strlen(at) + 1) {
        text_add_char(out, ' ');
        text_add_string(out, at);
    }
    text_add_char(out, '\n');
}

/* ---- commands on domains ---- */

static void do_domains(struct store *store, char *line, struct text *out)
{
    struct text list = text_in(list_buffer, sizeof(list_buffer));
    char path[WORD_PATH];

    (void)line;
    (void)admin_list(store, "/local/domain", &list);
    for (const char *at = list_buffer; at < list_buffer + list.length; at += strlen(at) + 1) {
        if (make_path(path, DOMAIN_PREFIX, at, "/name")) {
            show_node(store, path, at, out);
        }
    }
}

/* Writes a value for the domain that the first word names. */
static void tell_domain(struct store *store, const char *name, const char *part, const char *value,
                        struct text *out)
{
    const char *number = find_domain(store, name);
    char path[WORD_PATH];

    if (number == NULL || !make_path(path, DOMAIN_PREFIX, number, part)) {
        say_result(out, name, -XEN_ENOENT);
        return;
    }
    say_result(out, path, admin_write(store, path, value));
}

static void do_shutdown(struct store *store, char *line, struct text *out)
{
    tell_domain(store, take_word(&line), "/control/shutdown", "poweroff", out);
}

static void do_reboot(struct store *store, char *line, struct text *out)
{
    tell_domain(store, take_word(&line), "/control/shutdown", "reboot", out);
}

/* The number in one of a domain's nodes; 0 if there is none. */
static uint64_t domain_number(struct store *store, const char *name, const char *part)
{
    const char *number = find_domain(store, name);
    char path[WORD_PATH], value[24];
    struct text text = text_in(value, sizeof(value) - 1);
    uint64_t result = 0;

    if (number != NULL && make_path(path, DOMAIN_PREFIX, number, part) &&
        admin_read(store, path, &text) == 0) {
        value[text.length] = '\0';
        (void)text_number(value, UINT64_MAX, &result);
    }
    return result;
}

static void do_mem(struct store *store, char *line, struct text *out)
{
    const char *name = take_word(&line);
    uint64_t kib, max = domain_number(store, name, "/memory/static-max");
    char value[24];
    struct text text = text_in(value, sizeof(value));

    if (!parse_kib(take_word(&line), &kib) || kib == 0 || (max != 0 && kib > max)) {
        say(out, "mem: a size is wanted, up to the domain's maxmem, as 64M");
        return;
    }
    text_add_number(&text, kib);
    text_add_char(&text, '\0');
    tell_domain(store, name, "/memory/target", value, out);
}

/* "/cpu/N/availability" */
static void cpu_part(char part[32], unsigned cpu)
{
    struct text text = text_in(part, 32);

    text_add_string(&text, "/cpu/");
    text_add_number(&text, cpu);
    text_add(&text, "/availability", sizeof("/availability"));
}

static bool has_cpu(struct store *store, const char *name, unsigned cpu)
{
    const char *number = find_domain(store, name);
    char path[WORD_PATH], part[32], value[16];
    struct text text = text_in(value, sizeof(value));

    cpu_part(part, cpu);
    return number != NULL && make_path(path, DOMAIN_PREFIX, number, part) &&
           admin_read(store, path, &text) == 0;
}

static void do_vcpus(struct store *store, char *line, struct text *out)
{
    const char *name = take_word(&line);
    uint64_t wanted;
    unsigned count = 0;
    char part[32];

    while (count < VCPUS_MAX && has_cpu(store, name, count)) {
        count++;
    }
    if (!text_number(take_word(&line), VCPUS_MAX, &wanted) || wanted == 0 || wanted > count) {
        say(out, "vcpus: a number is wanted, from 1 to as many as the domain was built with");
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        cpu_part(part, i);
        tell_domain(store, name, part, i < wanted ? "online" : "offline", out);
    }
}

/* ---- all of them ---- */

static void do_help(struct store *store, char *line, struct text *out);

static const struct {
    const char *name, *usage;
    void (*run)(struct store *store, char *line, struct text *out);
} commands[] = {
    {"help", "help: this list", do_help},
    {"domains", "domains: their numbers and names", do_domains},
    {"ls", "ls [PATH]: what lies below", do_ls},
    {"read", "read PATH", do_read},
    {"write", "write PATH VALUE", do_write},
    {"rm", "rm PATH: with all below", do_rm},
    {"perms", "perms PATH [nID|rID|wID|bID ...]: show or set, the owner first", do_perms},
    {"shutdown", "shutdown DOMAIN: ask it to power off", do_shutdown},
    {"reboot", "reboot DOMAIN: ask it to reboot", do_reboot},
    {"mem", "mem DOMAIN SIZE: ask it to shrink or grow to this", do_mem},
    {"vcpus", "vcpus DOMAIN N: ask it to use so many", do_vcpus},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void do_help(struct store *store, char *line, struct text *out)
{
    (void)store;
    (void)line;
    for (unsigned i = 0; i < COMMANDS; i++) {
        say(out, commands[i].usage);
    }
}

void command_run(struct store *store, char *line, struct text *out)
{
    const char *word = take_word(&line);

    for (unsigned i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, word) == 0) {
            commands[i].run(store, line, out);
            return;
        }
    }
    if (word[0] != '\0') {
        say_result(out, word, -XEN_ENOSYS);
        say(out, "help: the list of commands");
    }
}
