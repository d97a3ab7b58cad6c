/* SPDX-License-Identifier: MIT
 *
 * Parser of boot modules' command lines. Pure: text in, struct and words out.
 *
 * Nothing is guessed: a word that is not understood, a key given twice, a value out of range each
 * refuse the whole line, since a domain that starts with other resources than were asked for is
 * worse than one that does not start.
 */
#include <lagan/parse.h>
#include <lagan/string.h>
#include <lagan/vsnprintf.h>
#include "xen/modline.h"

enum key {
    KEY_NAME,
    KEY_MEM,
    KEY_VCPUS,
    KEY_WEIGHT,
    KEY_CAP,
    KEY_RAMDISK,
    KEY_MAXMEM,
    KEY_CPUS,
    KEY_ON_REBOOT,
    KEY_ON_CRASH,
    KEY_SERVES,
    KEY_MINMEM,
    KEY_DELAY,
    KEY_AFTER,
    KEY_CACHE_FLOOR,
    KEY_CACHE_MAX,
    KEY_CACHE_WEIGHT,
    KEY_READERS,
    KEY_COUNT
};

static const char *const key_names[KEY_COUNT] = {[KEY_NAME] = "name",
                                                 [KEY_MEM] = "mem",
                                                 [KEY_VCPUS] = "vcpus",
                                                 [KEY_WEIGHT] = "weight",
                                                 [KEY_CAP] = "cap",
                                                 [KEY_RAMDISK] = "ramdisk",
                                                 [KEY_MAXMEM] = "maxmem",
                                                 [KEY_CPUS] = "cpus",
                                                 [KEY_ON_REBOOT] = "on_reboot",
                                                 [KEY_ON_CRASH] = "on_crash",
                                                 [KEY_SERVES] = "serves",
                                                 [KEY_MINMEM] = "minmem",
                                                 [KEY_DELAY] = "delay",
                                                 [KEY_AFTER] = "after",
                                                 [KEY_CACHE_FLOOR] = "cache-floor",
                                                 [KEY_CACHE_MAX] = "cache-max",
                                                 [KEY_CACHE_WEIGHT] = "cache-weight",
                                                 [KEY_READERS] = "readers"};

/* What a value must be, in the words of the complaint. */
static const char *const key_rules[KEY_COUNT] = {
    [KEY_NAME] = "must be 1..31 letters, digits, - _ .",
    [KEY_MEM] = "must be a size of 1M..16T",
    [KEY_VCPUS] = "must be 1..32",
    [KEY_WEIGHT] = "must be 1..65535",
    [KEY_CAP] = "must be 1..3200 per cent",
    [KEY_RAMDISK] = "must be 1..31 letters, digits, - _ .",
    [KEY_AFTER] = "must be 1..31 letters, digits, - _ .",
    [KEY_MAXMEM] = "must be a size of 1M..16T",
    [KEY_CPUS] = "must be a list of CPUs below 64, as 0-3,5",
    [KEY_ON_REBOOT] = "must be restart or destroy",
    [KEY_ON_CRASH] = "must be restart or destroy",
    [KEY_SERVES] = "must be store",
    [KEY_MINMEM] = "must be a size of 1M..16T",
    [KEY_DELAY] = "must be 1..86400000 ms",
    [KEY_CACHE_FLOOR] = "must be a size of 0..16T",
    [KEY_CACHE_MAX] = "must be a size of 0..16T",
    [KEY_CACHE_WEIGHT] = "must be 1..65535",
    [KEY_READERS] = "must be names of domains, with commas between them",
};
#define DELAY_MAX_MS 86400000
STATIC_ASSERT(MODLINE_VCPUS_MAX == 32 && MODLINE_NAME_MAX == 32 && MAX_CPUS == 64);

static LAGAN_INIT bool parse_name(struct text t, char *name)
{
    for (size_t i = 0; i < t.length; i++) {
        char c = t.at[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            c != '-' && c != '_' && c != '.')
            return false;
    }
    return t.length > 0 && text_copy(t, name, MODLINE_NAME_MAX);
}

static LAGAN_INIT bool parse_mem(struct text t, uint64_t least, uint64_t *bytes)
{
    uint64_t n;

    if (!parse_size(t, &n) || n < least || n > MODLINE_MEM_MAX)
        return false;
    *bytes = (n + PAGE_SIZE - 1) & PAGE_MASK;
    return true;
}

static LAGAN_INIT bool parse_action(struct text t, enum modline_action *action)
{
    *action = text_is(t, "restart") ? MODLINE_RESTART : MODLINE_DESTROY;
    return *action == MODLINE_RESTART || text_is(t, "destroy");
}

static LAGAN_INIT bool parse_readers(struct text t, struct modline *m)
{
    char name[MODLINE_NAME_MAX];

    m->readers = t.at;
    m->readers_length = t.length;
    do
        if (!parse_name(text_split(&t, ','), name))
            return false;
    while (t.length > 0);
    return m->readers[m->readers_length - 1] != ',';
}

static LAGAN_INIT bool parse_value(enum key key, struct text value, struct modline *m)
{
    switch (key) {
    case KEY_NAME:
        return parse_name(value, m->name);
    case KEY_MEM:
        return parse_mem(value, MODLINE_MEM_MIN, &m->mem_bytes);
    case KEY_VCPUS:
        return parse_range(value, 1, MODLINE_VCPUS_MAX, &m->vcpus);
    case KEY_WEIGHT:
        return parse_range(value, 1, 65535, &m->weight);
    case KEY_CAP:
        return parse_range(value, 1, 100 * MODLINE_VCPUS_MAX, &m->cap);
    case KEY_RAMDISK:
        return parse_name(value, m->ramdisk);
    case KEY_MAXMEM:
        return parse_mem(value, MODLINE_MEM_MIN, &m->maxmem_bytes);
    case KEY_CPUS:
        return parse_cpus(value, &m->cpus);
    case KEY_ON_REBOOT:
        return parse_action(value, &m->on_reboot);
    case KEY_ON_CRASH:
        return parse_action(value, &m->on_crash);
    case KEY_SERVES:
        m->serves_store = text_is(value, "store");
        return m->serves_store;
    case KEY_MINMEM:
        return parse_mem(value, MODLINE_MEM_MIN, &m->minmem_bytes);
    case KEY_DELAY:
        return parse_range(value, 1, DELAY_MAX_MS, &m->delay_ms);
    case KEY_AFTER:
        return parse_name(value, m->after);
    case KEY_CACHE_FLOOR:
        return parse_mem(value, 0, &m->cache_floor_bytes);
    case KEY_CACHE_MAX:
        return parse_mem(value, 0, &m->cache_max_bytes);
    case KEY_CACHE_WEIGHT:
        return parse_range(value, 1, 65535, &m->cache_weight);
    case KEY_READERS:
        return parse_readers(value, m);
    default:
        return false;
    }
}

static LAGAN_INIT enum key find_key(struct text name)
{
    for (enum key key = 0; key < KEY_COUNT; key++)
        if (text_is(name, key_names[key]))
            return key;
    return KEY_COUNT;
}

/* A ramdisk has a name and nothing else, a volume its readers too. */
static LAGAN_INIT bool key_allowed(enum modline_kind kind, enum key key)
{
    if (key == KEY_NAME)
        return true;
    if (key == KEY_READERS)
        return kind == MODLINE_VOLUME;
    return key < KEY_COUNT && kind == MODLINE_DOMAIN;
}

/* The complaint about a word; the word is cut to a length that leaves room for the reason. */
static LAGAN_INIT int complain(char *why, struct text word, const char *reason)
{
    snprintf(why, MODLINE_WHY_MAX, "%.*s: %s", (int)min_u64(word.length, 40), word.at, reason);
    return -XEN_EINVAL;
}

/* Reads the words up to "--" or the end; *seen gets a bit for each key. */
static LAGAN_INIT int parse_words(const char *line, struct modline *m, unsigned *seen, char *why)
{
    for (;;) {
        struct text word = text_word(&line), value = word, name;
        enum key key;

        if (word.length == 0 || text_is(word, "--")) {
            while (*line == ' ')
                line++;
            m->guest_line = line;
            if (word.length > 0 && m->kind != MODLINE_DOMAIN)
                return complain(why, word, "only a domain has a command line");
            return 0;
        }
        name = text_split(&value, '=');
        key = find_key(name);
        if (!key_allowed(m->kind, key) || name.length == word.length)
            return complain(why, word, "not understood");
        if (*seen & (1u << key))
            return complain(why, word, "given twice");
        if (!parse_value(key, value, m))
            return complain(why, word, key_rules[key]);
        *seen |= 1u << key;
    }
}

/* What no single word can tell. */
static LAGAN_INIT int check_whole(struct modline *m, unsigned seen, char *why)
{
    const char *fault = NULL;

    if (!(seen & (1u << KEY_NAME)))
        fault = "name missing";
    else if (m->kind == MODLINE_VOLUME && !(seen & (1u << KEY_READERS)))
        fault = "readers missing";
    else if (m->kind == MODLINE_VOLUME && strlen(m->name) >= MODLINE_VOLUME_MAX)
        fault = "a volume's name has 16 characters at most";
    else if (m->kind == MODLINE_DOMAIN && !(seen & (1u << KEY_MEM)))
        fault = "mem missing";
    else if (m->maxmem_bytes < m->mem_bytes && (seen & (1u << KEY_MAXMEM)))
        fault = "maxmem is less than mem";
    else if (m->minmem_bytes > m->mem_bytes)
        fault = "minmem is more than mem";
    else if (m->cache_floor_bytes > m->cache_max_bytes)
        fault = "cache-floor is more than cache-max";
    else if (m->serves_store && (m->delay_ms || m->after[0]))
        fault = "who serves the store comes first";
    else if (m->cap > m->vcpus * 100)
        fault = "cap is more than the vcpus can use";
    if (fault) {
        strlcpy(why, fault, MODLINE_WHY_MAX);
        return -XEN_EINVAL;
    }
    if (m->maxmem_bytes == 0)
        m->maxmem_bytes = m->mem_bytes;
    if (m->minmem_bytes == 0)
        m->minmem_bytes = m->mem_bytes;
    return 0;
}

LAGAN_INIT int modline_parse(const char *line, struct modline *m, char why[MODLINE_WHY_MAX])
{
    const char *rest = line;
    struct text first = text_word(&rest);
    struct modline parsed = {.vcpus = 1,
                             .cpus = cpumask_all(),
                             .on_reboot = MODLINE_RESTART,
                             .cache_max_bytes = MODLINE_CACHE_ALL,
                             .cache_weight = MODLINE_CACHE_WEIGHT,
                             .guest_line = line};
    unsigned seen = 0;
    int rc;

    why[0] = '\0';
    if (text_is(first, "domain"))
        parsed.kind = MODLINE_DOMAIN;
    else if (text_is(first, "ramdisk"))
        parsed.kind = MODLINE_RAMDISK;
    else if (text_is(first, "volume"))
        parsed.kind = MODLINE_VOLUME;
    if (parsed.kind == MODLINE_PLAIN) {
        *m = parsed;
        return 0;
    }
    rc = parse_words(rest, &parsed, &seen, why);
    if (!rc)
        rc = check_whole(&parsed, seen, why);
    if (rc) {
        *m = (struct modline){.kind = parsed.kind};
        memcpy(m->name, parsed.name, sizeof(m->name));
    } else {
        *m = parsed;
    }
    return rc;
}

bool modline_lists(const char *list, size_t length, const char *name)
{
    struct text rest = {list, length};

    while (rest.length > 0)
        if (text_is(text_split(&rest, ','), name))
            return true;
    return false;
}

LAGAN_INIT size_t modline_find(const struct modline *lines, size_t count, enum modline_kind kind,
                               const char *name)
{
    size_t i = 0;

    while (i < count && (lines[i].kind != kind || strcmp(lines[i].name, name) != 0))
        i++;
    return i;
}
