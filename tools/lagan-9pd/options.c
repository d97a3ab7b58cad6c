/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SPIN_US     20U /* where there is more than one processor */
#define SPIN_US_MAX 1000U

void share_options_begin(struct share_options *options)
{
    memset(options, 0, sizeof(*options));
    options->spin_us = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? SPIN_US : 0;
}

static const char *copy(char *to, size_t size, const char *value, const char *why)
{
    size_t length = value == NULL ? 0 : strlen(value);

    if (length == 0 || length >= size) {
        return why;
    }
    memcpy(to, value, length + 1);
    return NULL;
}

static const char *set_user(struct share_options *options, const char *value)
{
    const struct passwd *user = value == NULL ? NULL : getpwnam(value);

    if (user == NULL || user->pw_uid == 0) {
        return "user: of no such user, or root";
    }
    options->squash = true;
    options->uid = user->pw_uid;
    options->gid = user->pw_gid;
    return NULL;
}

static const char *set_spin(struct share_options *options, const char *value)
{
    char *end = NULL;
    unsigned long us = value == NULL ? 0 : strtoul(value, &end, 10);

    if (value == NULL || *value < '0' || *value > '9' || *end != 0 || us > SPIN_US_MAX) {
        return "spin: of 0 to 1000 microseconds";
    }
    options->spin_us = (unsigned)us;
    return NULL;
}

const char *share_option(struct share_options *o, const char *key, const char *value)
{
    if (strcmp(key, "domain") == 0) {
        return copy(o->domain, sizeof(o->domain), value, "domain: a name of at most 63 bytes");
    }
    if (strcmp(key, "tag") == 0) {
        return copy(o->tag, sizeof(o->tag), value, "tag: a word of at most 63 bytes");
    }
    if (strcmp(key, "path") == 0) {
        if (value != NULL && *value != '/') {
            return "path: from the root";
        }
        return copy(o->path, sizeof(o->path), value, "path: of at most 1023 bytes");
    }
    if (strcmp(key, "user") == 0) {
        return set_user(o, value);
    }
    if (strcmp(key, "spin") == 0) {
        return set_spin(o, value);
    }
    if (value != NULL) {
        return "no such word, or it takes no value";
    }
    if (strcmp(key, "read-only") == 0) {
        o->read_only = true;
    } else if (strcmp(key, "devices") == 0) {
        o->devices = true;
    } else {
        return "no such word";
    }
    return NULL;
}

const char *share_options_check(const struct share_options *options)
{
    if (*options->domain == 0) {
        return "no domain is named";
    }
    if (*options->tag == 0) {
        return "no tag is named";
    }
    if (*options->path == 0) {
        return "no path is named";
    }
    return options->devices && options->squash ? "devices and user exclude each other" : NULL;
}

/* A line's words. */
static const char *read_line(char *line, struct share_options *options)
{
    char *rest = NULL;
    const char *error = NULL;

    share_options_begin(options);
    for (char *word = strtok_r(line, " \t\r", &rest); word != NULL && error == NULL;
         word = strtok_r(NULL, " \t\r", &rest)) {
        char *value = strchr(word, '=');

        if (value != NULL) {
            *value++ = 0;
        }
        error = share_option(options, word, value);
    }
    return error != NULL ? error : share_options_check(options);
}

int share_options_read(char *text, struct share_options *options, unsigned max, char *why,
                       size_t why_size)
{
    unsigned count = 0, number = 0;

    while (text != NULL) {
        char *next = strchr(text, '\n');
        const char *error = NULL;

        if (next != NULL) {
            *next++ = 0;
        }
        number++;
        text += strspn(text, " \t\r");
        if (*text != 0 && *text != '#') {
            error = count == max ? "too many shares" : read_line(text, &options[count]);
            count++;
        }
        if (error != NULL) {
            (void)snprintf(why, why_size, "line %u: %s", number, error);
            return -1;
        }
        text = next;
    }
    return (int)count;
}
