/* SPDX-License-Identifier: MIT
 *
 * The protocol's requests. All strings in a payload are terminated; one that is not, or that is
 * missing, is EINVAL. What only a control domain may ask for is EACCES from others, and from the
 * administrator EPERM: here domains are introduced by what the hypervisor says, and by nobody else.
 */
#include "store/request.h"
#include <xen/errno.h>
#include "kit/lib.h"
#include "store/view.h"
#include "store/watch.h"

struct request {
    struct view view;
    const char *at; /* what has not been read of the payload */
    size_t left;
    struct text *reply;
};

/* ---- reading the payload ---- */

/* The next string, or NULL. */
static const char *take_string(struct request *r)
{
    const char *string = r->at;
    size_t length = 0;

    while (length < r->left && string[length] != '\0') {
        length++;
    }
    if (length == r->left) {
        return NULL;
    }
    r->at += length + 1;
    r->left -= length + 1;
    return string;
}

static bool take_path(struct request *r, char path[PATH_BYTES])
{
    const char *given = take_string(r);

    return given != NULL && path_absolute(given, r->view.client->domid, path) >= 0;
}

static bool take_domid(struct request *r, uint16_t *domid)
{
    const char *given = take_string(r);
    uint64_t number;

    if (given == NULL || r->left != 0 || !text_number(given, UINT16_MAX, &number)) {
        return false;
    }
    *domid = (uint16_t)number;
    return true;
}

/* A path and nothing behind it. */
static bool take_only_path(struct request *r, char path[PATH_BYTES])
{
    return take_path(r, path) && r->left == 0;
}

static void say(struct request *r, const char *answer)
{
    text_add(r->reply, answer, strlen(answer) + 1);
}

/* ---- nodes ---- */

static int do_read(struct request *r)
{
    char path[PATH_BYTES];
    struct found found;
    int rc;

    if (!take_only_path(r, path)) {
        return -XEN_EINVAL;
    }
    rc = view_get(&r->view, path, PERM_READ, &found);
    if (rc == 0 && found.value != NULL) {
        text_add(r->reply, found.value->data, found.value->length);
    }
    return rc;
}

static int do_write(struct request *r)
{
    char path[PATH_BYTES];

    if (!take_path(r, path)) {
        return -XEN_EINVAL;
    }
    return view_put(&r->view, path, r->at, r->left);
}

static int do_mkdir(struct request *r)
{
    char path[PATH_BYTES];

    return take_only_path(r, path) ? view_put(&r->view, path, NULL, 0) : -XEN_EINVAL;
}

static int do_rm(struct request *r)
{
    char path[PATH_BYTES];

    return take_only_path(r, path) ? view_remove(&r->view, path) : -XEN_EINVAL;
}

static int do_directory(struct request *r)
{
    char path[PATH_BYTES];
    uint64_t generation;
    int rc;

    if (!take_only_path(r, path)) {
        return -XEN_EINVAL;
    }
    rc = view_list(&r->view, path, r->reply, &generation);
    return rc == 0 && r->reply->cut ? -XEN_E2BIG : rc;
}

/* The list is written behind a place for the generation, which is put in front of it when it is
 * known. An empty name says that the list is complete. */
static int do_directory_part(struct request *r)
{
    char path[PATH_BYTES], number[24];
    struct text head = text_in(number, sizeof(number)), list;
    const char *given;
    uint64_t generation, offset;
    int rc;

    if (!take_path(r, path)) {
        return -XEN_EINVAL;
    }
    given = take_string(r);
    if (given == NULL || r->left != 0 || !text_number(given, UINT32_MAX, &offset)) {
        return -XEN_EINVAL;
    }
    list = text_in(r->reply->at + sizeof(number), r->reply->limit - (unsigned)sizeof(number));
    list.skip = offset;
    rc = view_list(&r->view, path, &list, &generation);
    if (rc != 0) {
        return rc;
    }
    if (!list.cut) {
        list.skip = 0;
        text_add_char(&list, '\0');
    }
    text_add_number(&head, generation);
    text_add_char(&head, '\0');
    text_add(r->reply, head.at, head.length);
    memmove(r->reply->at + r->reply->length, list.at, list.length);
    r->reply->length += list.length;
    return 0;
}

/* ---- permissions ---- */

/* Those of a special event, which are the administrator's business. */
static struct perms *special_perms(struct request *r)
{
    struct store *store = r->view.store;

    if (r->left > sizeof(INTRODUCE_DOMAIN) - 1 &&
        memcmp(r->at, INTRODUCE_DOMAIN, sizeof(INTRODUCE_DOMAIN)) == 0) {
        return &store->introduce;
    }
    if (r->left > sizeof(RELEASE_DOMAIN) - 1 &&
        memcmp(r->at, RELEASE_DOMAIN, sizeof(RELEASE_DOMAIN)) == 0) {
        return &store->release;
    }
    return NULL;
}

static int do_get_perms(struct request *r)
{
    const struct perms *special = special_perms(r);
    char path[PATH_BYTES];
    struct found found;
    int rc;

    if (special != NULL) {
        perms_print(special, r->reply);
        return client_is_admin(r->view.store, r->view.client) ? 0 : -XEN_EACCES;
    }
    if (!take_only_path(r, path)) {
        return -XEN_EINVAL;
    }
    rc = view_get(&r->view, path, PERM_READ, &found);
    if (rc == 0) {
        perms_print(&found.perms, r->reply);
    }
    return rc;
}

static int do_set_perms(struct request *r)
{
    struct perms *special = special_perms(r), perms;
    char path[PATH_BYTES];
    int rc;

    if (special != NULL) {
        (void)take_string(r);
    } else if (!take_path(r, path)) {
        return -XEN_EINVAL;
    }
    rc = perms_parse(r->at, r->left, &perms);
    if (rc != 0) {
        return rc;
    }
    if (special == NULL) {
        return view_set_perms(&r->view, path, &perms);
    }
    if (!client_is_admin(r->view.store, r->view.client)) {
        return -XEN_EACCES;
    }
    *special = perms;
    return 0;
}

/* ---- watches and transactions ---- */

static int do_watch(struct request *r, bool add)
{
    const char *path = take_string(r), *token = path != NULL ? take_string(r) : NULL;

    if (token == NULL) {
        return -XEN_EINVAL;
    }
    return add ? watch_add(r->view.store, r->view.client, path, token)
               : watch_remove(r->view.store, r->view.client, path, token);
}

static int do_reset(struct request *r)
{
    watch_remove_all(r->view.store, r->view.client);
    tx_end_all(r->view.store, r->view.client);
    return 0;
}

static int do_start(struct request *r)
{
    uint32_t id;
    int rc;

    if (r->view.tx != NULL) {
        return -XEN_EBUSY;
    }
    rc = tx_start(r->view.store, r->view.client, &id);
    if (rc == 0) {
        text_add_number(r->reply, id);
        text_add_char(r->reply, '\0');
    }
    return rc;
}

static int do_end(struct request *r)
{
    const char *answer = take_string(r);
    bool commit = answer != NULL && strcmp(answer, "T") == 0;

    if (answer == NULL || (!commit && strcmp(answer, "F") != 0)) {
        return -XEN_EINVAL;
    }
    if (r->view.tx == NULL) {
        return -XEN_ENOENT;
    }
    return tx_end(r->view.store, r->view.client, r->view.tx, commit);
}

/* ---- domains ---- */

static int do_domain_path(struct request *r)
{
    uint16_t domid;

    if (!take_domid(r, &domid)) {
        return -XEN_EINVAL;
    }
    text_add_string(r->reply, DOMAIN_PREFIX);
    text_add_number(r->reply, domid);
    text_add_char(r->reply, '\0');
    return 0;
}

static int do_is_introduced(struct request *r)
{
    uint16_t domid;

    if (!take_domid(r, &domid)) {
        return -XEN_EINVAL;
    }
    say(r, store_client(r->view.store, domid) != NULL ? "T" : "F");
    return 0;
}

static int do_privileged(struct request *r)
{
    return client_is_admin(r->view.store, r->view.client) ? -XEN_EPERM : -XEN_EACCES;
}

/* ---- all of them ---- */

static int dispatch(struct request *r, uint32_t type)
{
    switch (type) {
    case XS_READ:
        return do_read(r);
    case XS_WRITE:
        return do_write(r);
    case XS_MKDIR:
        return do_mkdir(r);
    case XS_RM:
        return do_rm(r);
    case XS_DIRECTORY:
        return do_directory(r);
    case XS_DIRECTORY_PART:
        return do_directory_part(r);
    case XS_GET_PERMS:
        return do_get_perms(r);
    case XS_SET_PERMS:
        return do_set_perms(r);
    case XS_WATCH:
        return do_watch(r, true);
    case XS_UNWATCH:
        return do_watch(r, false);
    case XS_RESET_WATCHES:
        return do_reset(r);
    case XS_TRANSACTION_START:
        return do_start(r);
    case XS_TRANSACTION_END:
        return do_end(r);
    case XS_GET_DOMAIN_PATH:
        return do_domain_path(r);
    case XS_IS_DOMAIN_INTRODUCED:
        return do_is_introduced(r);
    case XS_CONTROL:
    case XS_INTRODUCE:
    case XS_RELEASE:
    case XS_RESUME:
    case XS_SET_TARGET:
        return do_privileged(r);
    default:
        return -XEN_ENOSYS;
    }
}

/* What a request says that has no answer of its own. */
static bool answers_ok(uint32_t type)
{
    return type == XS_WRITE || type == XS_MKDIR || type == XS_RM || type == XS_SET_PERMS ||
           type == XS_WATCH || type == XS_UNWATCH || type == XS_RESET_WATCHES ||
           type == XS_TRANSACTION_END;
}

/* Watches are outside of transactions, whatever the header says. */
static bool ignores_tx(uint32_t type)
{
    return type == XS_WATCH || type == XS_UNWATCH || type == XS_RESET_WATCHES;
}

int request_execute(struct store *store, struct client *client, uint32_t type, uint32_t tx_id,
                    const char *payload, size_t length, struct text *reply)
{
    struct request r = {
        .view = {.store = store, .client = client}, .at = payload, .left = length, .reply = reply};
    int rc;

    if (tx_id != 0 && !ignores_tx(type)) {
        r.view.tx = tx_find(client, tx_id);
        if (r.view.tx == NULL) {
            return -XEN_ENOENT;
        }
    }
    rc = dispatch(&r, type);
    if (rc == 0 && answers_ok(type)) {
        say(&r, "OK");
    }
    return rc;
}

const char *request_error(int error)
{
    static const struct {
        int error;
        const char *name;
    } names[] = {{XEN_EINVAL, "EINVAL"}, {XEN_EACCES, "EACCES"}, {XEN_EEXIST, "EEXIST"},
                 {XEN_ENOENT, "ENOENT"}, {XEN_ENOSPC, "ENOSPC"}, {XEN_ENOSYS, "ENOSYS"},
                 {XEN_EBUSY, "EBUSY"},   {XEN_EAGAIN, "EAGAIN"}, {XEN_E2BIG, "E2BIG"},
                 {XEN_EPERM, "EPERM"}};

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].error == -error) {
            return names[i].name;
        }
    }
    return "EIO";
}
