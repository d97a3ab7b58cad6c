/* SPDX-License-Identifier: MIT
 *
 * Images as volumes: what lagan-publish serves stands in files that are written here (tools/publish/source.h).
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "publish.h"
#include "tools/publish/source.h"

enum { TEXT = 4096 };

static const char *directory(void)
{
    const char *other = getenv("LAGAN_VOLUMES");

    return other ? other : SOURCE_DIR;
}

static const char *value_of(const char *word, const char *key)
{
    size_t length = strlen(key);

    return strncmp(word, key, length) == 0 && word[length] == '=' ? word + length + 1 : NULL;
}

static int real_path(const char *word, char to[SOURCE_PATH_MAX])
{
    char *path = realpath(word, NULL);
    bool fits = path && strlen(path) < SOURCE_PATH_MAX && !strchr(path, '\n');

    if (fits)
        strcpy(to, path);
    free(path);
    return fits ? 0 : command_bad(word, "there is no such file");
}

static int parse_root(const char *word, uint8_t root[32])
{
    if (strlen(word) != 64)
        return command_bad(word, "not a root hash, which has 64 hexadecimal digits");
    for (unsigned i = 0; i < 32; i++) {
        char digits[3] = {word[2 * i], word[2 * i + 1]}, *end;

        root[i] = (uint8_t)strtoul(digits, &end, 16);
        if (*end || digits[0] == '-' || digits[0] == '+' || digits[0] == ' ')
            return command_bad(word, "not a root hash, which has 64 hexadecimal digits");
    }
    return 0;
}

/* The file's name without its last ending. */
static void default_name(const char *path, char name[SOURCE_NAME_MAX + 1])
{
    const char *last = strrchr(path, '/'), *end;

    last = last ? last + 1 : path;
    end = strrchr(last, '.');
    snprintf(name, SOURCE_NAME_MAX + 1, "%.*s",
             (int)(end && end > last ? end - last : (ptrdiff_t)strlen(last)), last);
}

/* Whole or not at all. */
static int write_description(const char *name, const struct source *s)
{
    char path[PATH_MAX], new[PATH_MAX], text[TEXT];
    int fd, rc = source_print(s, text, sizeof(text));

    if (rc)
        return rc;
    (void)mkdir("/var/lib/lagan", 0755);
    (void)mkdir(directory(), 0755);
    snprintf(path, sizeof(path), "%s/%s", directory(), name);
    snprintf(new, sizeof(new), "%s/.%s.new", directory(), name);
    fd = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    rc = write(fd, text, strlen(text)) == (ssize_t)strlen(text) && fsync(fd) == 0 ? 0 : -EIO;
    close(fd);
    if (rc == 0 && rename(new, path))
        rc = -errno;
    if (rc)
        (void)unlink(new);
    return rc;
}

static int parse_words(unsigned count, char **words, struct source *s, const char **name)
{
    bool has_root = false;

    for (unsigned i = 1; i < count; i++) {
        const char *tree = value_of(words[i], "tree"), *root = value_of(words[i], "root");
        int rc = 0;

        if (value_of(words[i], "name"))
            *name = value_of(words[i], "name");
        else if (tree)
            rc = real_path(tree, s->tree);
        else if (root)
            rc = parse_root(root, s->root), has_root = true;
        else
            return COMMAND_USAGE;
        if (rc)
            return rc;
    }
    return has_root == (s->tree[0] != '\0') ? 0 : COMMAND_USAGE;
}

int publish(struct host *h, unsigned count, char **words)
{
    struct source s = {.image_fd = -1, .tree_fd = -1};
    char from_file[SOURCE_NAME_MAX + 1];
    const char *name = from_file;
    struct lagan_ubc_create v;
    struct lagan_ubc_allow allow;
    uint8_t id[16];
    int rc;

    if (count < 1)
        return COMMAND_USAGE;
    rc = real_path(words[0], s.image);
    if (!rc) {
        default_name(s.image, from_file);
        rc = parse_words(count, words, &s, &name);
    }
    if (rc)
        return rc;
    if (source_id(name, id))
        return command_bad(name, "not a name for a volume: at most 16 letters, digits and -_.");
    rc = source_describe(&s);
    if (rc)
        return rc == -EINVAL
                   ? command_bad(s.tree[0] ? s.tree : s.image,
                                 s.tree[0]
                                     ? "no hash tree for this image"
                                     : "neither a file nor a block device with anything in it")
                   : rc;
    source_create(&s, id, &v);
    rc = host_ubc_call(h, LAGAN_UBC_create, 0, &v, sizeof(v));
    if (rc == -EEXIST)
        return command_bad(name, "there is such a volume");
    if (rc < 0)
        return rc;
    /* Guests may begin before lagan-publish does. */
    source_allow(&allow);
    rc = host_ubc_call(h, LAGAN_UBC_allow, v.volume, &allow, sizeof(allow));
    if (rc == 0)
        rc = write_description(name, &s);
    if (rc)
        (void)!host_ubc_call(h, LAGAN_UBC_destroy, v.volume, NULL, 0);
    return rc;
}

int withdraw(const char *name)
{
    char path[PATH_MAX];
    uint8_t id[16];

    if (source_id(name, id))
        return 0; /* it is none of ours */
    snprintf(path, sizeof(path), "%s/%s", directory(), name);
    return unlink(path) && errno != ENOENT ? -errno : 0;
}
