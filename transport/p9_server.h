/* SPDX-License-Identifier: MIT
 *
 * The server's side of 9P2000.L, as Linux's 9p file system speaks it: a session with its fids, and
 * one answer for each message. It knows no ring and no files: what a tree can do is told by a table
 * of functions (struct p9_fs). A tree in an archive has few of them (guests/fileserver), one on a host's
 * file system all (tools/lagan-9pd).
 *
 * Several threads may answer messages of one session at a time, if it has a guard. A fid is used by
 * one request that changes it, or by any number that do not.
 */
#pragma once

#include "transport/p9.h"

#define P9_BUCKETS 1024U

struct p9_qid {
    uint8_t type;
    uint32_t version;
    uint64_t path;
};

struct p9_time {
    uint64_t seconds, nanoseconds;
};

struct p9_attr {
    uint32_t mode, uid, gid;
    uint64_t nlink, rdev, size, block_size, blocks;
    struct p9_time accessed, modified, changed;
};

#define P9_SET_MODE        0x001U
#define P9_SET_UID         0x002U
#define P9_SET_GID         0x004U
#define P9_SET_SIZE        0x008U
#define P9_SET_ACCESSED    0x010U
#define P9_SET_MODIFIED    0x020U
#define P9_SET_CHANGED     0x040U
#define P9_SET_ACCESSED_TO 0x080U /* as given; else the time now */
#define P9_SET_MODIFIED_TO 0x100U

struct p9_setattr {
    uint32_t valid, mode, uid, gid;
    uint64_t size;
    struct p9_time accessed, modified;
};

struct p9_statfs {
    uint32_t block_size;
    uint64_t blocks, free, available, files, files_free, id;
};

struct p9_name {
    const char *text; /* not terminated; without '/' and 0 */
    uint32_t length;
};

/* What Tmkdir, Tmknod and Tsymlink make: its kind is in the mode. */
struct p9_new {
    struct p9_name name, target; /* target: of a symbolic link */
    uint32_t mode, major, minor, gid;
};

enum p9_lock_type { P9_LOCK_READ, P9_LOCK_WRITE, P9_LOCK_NONE };
enum p9_lock_status { P9_LOCK_DONE, P9_LOCK_BLOCKED, P9_LOCK_FAILED };

struct p9_lock {
    uint8_t type;
    uint64_t start, length; /* length 0: to the end */
};

/* Bytes in at most two pieces, as they are in a ring. */
struct p9_pieces {
    uint8_t *at[2];
    uint32_t length[2];
};

/* Bytes of a file on their way. To be read: `count` of them, into `room`; or, from a tree that has
 * them in memory that stays, `bytes` says where they are. To be written: those in `room`. */
struct p9_data {
    struct p9_pieces room;
    const uint8_t *bytes;
    uint32_t count;
};

/* What a tree keeps for one fid. */
struct p9_file {
    void *node; /* which file it is */
    void *open; /* not NULL once it is open */
    uint32_t uid;
};

/* Entries of a directory go there, by p9_put_entry(). */
struct p9_entries {
    struct p9_out *out;
    uint32_t end;
};

/* What a tree can do. All but qid, hold and release return 0 or an error number of Linux's. What
 * is NULL is answered with EOPNOTSUPP. Nothing below "changes" is called in a session that is
 * read-only. */
struct p9_fs {
    unsigned (*attach)(void *tree, uint32_t uid, void **node);
    /* A reference to what has this name in a directory, "." and ".." among them. */
    unsigned (*child)(void *tree, void *node, struct p9_name name, void **next);
    void (*hold)(void *tree, void *node);
    void (*release)(void *tree, void *node);
    void (*qid)(void *tree, const void *node, struct p9_qid *qid);
    unsigned (*getattr)(void *tree, struct p9_file *file, struct p9_attr *attr);
    unsigned (*statfs)(void *tree, struct p9_file *file, struct p9_statfs *statfs);
    unsigned (*readlink)(void *tree, struct p9_file *file, char *to, uint32_t max,
                         uint32_t *length);
    unsigned (*open)(void *tree, struct p9_file *file, uint32_t flags);
    unsigned (*close)(void *tree, struct p9_file *file);
    unsigned (*read)(void *tree, struct p9_file *file, uint64_t offset, struct p9_data *data);
    unsigned (*readdir)(void *tree, struct p9_file *file, uint64_t cookie,
                        struct p9_entries *entries);
    unsigned (*fsync)(void *tree, struct p9_file *file, bool data_only);
    unsigned (*lock)(void *tree, struct p9_file *file, const struct p9_lock *lock,
                     enum p9_lock_status *status);
    unsigned (*getlock)(void *tree, struct p9_file *file, struct p9_lock *lock);
    /* Makes `made` a file to read the attribute from; of no name: the list of names. */
    unsigned (*xattr_open)(void *tree, struct p9_file *file, struct p9_name name,
                           struct p9_file *made, uint64_t *size);
    /* changes */
    unsigned (*create)(void *tree, struct p9_file *file, struct p9_name name, uint32_t flags,
                       uint32_t mode, uint32_t gid);
    unsigned (*write)(void *tree, struct p9_file *file, uint64_t offset, struct p9_data *data);
    unsigned (*make)(void *tree, struct p9_file *dir, const struct p9_new *what, void **node);
    unsigned (*link)(void *tree, struct p9_file *dir, struct p9_name name, struct p9_file *file);
    unsigned (*rename)(void *tree, struct p9_file *dir, struct p9_name name, struct p9_file *to_dir,
                       struct p9_name to_name);
    unsigned (*rename_file)(void *tree, struct p9_file *file, struct p9_file *to_dir,
                            struct p9_name to_name);
    unsigned (*unlink)(void *tree, struct p9_file *dir, struct p9_name name, bool directory);
    unsigned (*remove)(void *tree, struct p9_file *file);
    unsigned (*setattr)(void *tree, struct p9_file *file, const struct p9_setattr *set);
    /* The file becomes one that the attribute's value is written to. */
    unsigned (*xattr_create)(void *tree, struct p9_file *file, struct p9_name name, uint64_t size,
                             uint32_t flags);
};

/* A lock, and what is waited for under it; for sessions with threads. */
struct p9_guard {
    void (*enter)(struct p9_guard *guard);
    void (*leave)(struct p9_guard *guard);
    void (*wait)(struct p9_guard *guard); /* leaves, sleeps until somebody wakes, enters */
    void (*wake)(struct p9_guard *guard); /* all */
};

struct p9_fid {
    struct p9_fid *next;
    uint32_t number;
    int uses; /* -1: somebody's alone */
    struct p9_file file;
};

/* One connection's. Fields below the first line are the guard's. */
struct p9_session {
    const struct p9_fs *fs; /* these are the caller's to set */
    void *tree;
    struct p9_guard *guard; /* NULL: there is one thread only */
    struct p9_fid *fid;     /* fid[0..fid_max) */
    uint32_t fid_max, msize_max;
    bool read_only;

    uint32_t msize;
    bool started; /* a version was agreed upon */
    struct p9_fid *bucket[P9_BUCKETS], *free;
    uint32_t fid_count, fid_touched, waiting;
    uint64_t requests, refused; /* answered so far, and by an error; they are nobody's */
};

/* A message that says `length` in its first four bytes. `bytes` are private memory, and all of it;
 * but of a Twrite they may be the first P9_WRITE_HEAD only, and `data` is where the others are. */
struct p9_request {
    const uint8_t *bytes;
    uint32_t private_length, length;
    struct p9_pieces data;
};

/* A reply: head_length bytes of `head` and data_length more, from `data` or, where that is NULL, from
 * the room, into which they have been read. The caller sets the first three; a head has to have
 * room for P9_MSIZE_MIN, and for entries of directories as many as it has. */
struct p9_reply {
    uint8_t *head;
    uint32_t head_max;
    struct p9_pieces room;
    uint32_t head_length, data_length;
    const uint8_t *data;
};

/* Begins with what the caller has set; ends, with no fid left. */
void p9_session_begin(struct p9_session *session);
void p9_session_end(struct p9_session *session);

/* False: what came is no message at all, and the connection is to be ended. */
bool p9_answer(struct p9_session *session, const struct p9_request *request,
               struct p9_reply *reply);

/* The most bytes that a reply to this request can have; at most msize. */
uint32_t p9_reply_max(const struct p9_session *session, const struct p9_request *request);

/* False: there is no room for it. */
bool p9_put_entry(struct p9_entries *entries, const struct p9_qid *qid, uint64_t next_cookie,
                  uint8_t type, struct p9_name name);

/* Counts fids again. For tests, while nothing is being answered. */
bool p9_session_audit(const struct p9_session *session);
