/* SPDX-License-Identifier: MIT
 *
 * What is to be served to whom, from the command line or a file: a line for each share, of words
 * KEY=VALUE and KEY. Blank lines and lines that begin with # are nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define SHARE_NAME_MAX 64U
#define SHARE_PATH_MAX 1024U
#define SHARES_MAX     256U

struct share_options {
    char domain[SHARE_NAME_MAX], tag[SHARE_NAME_MAX], path[SHARE_PATH_MAX];
    bool read_only, devices, squash;
    uid_t uid;
    gid_t gid;
    unsigned spin_us;
};

/* As nothing is said yet. */
void share_options_begin(struct share_options *options);
/* One word; value is NULL where there is none. NULL, or what is wrong with it. */
const char *share_option(struct share_options *options, const char *key, const char *value);
/* NULL, or what is missing. */
const char *share_options_check(const struct share_options *options);
/* A file's text, which is changed: how many shares there are, or -1 with what is wrong in `why`. */
int share_options_read(char *text, struct share_options *options, unsigned max, char *why,
                       size_t why_size);
