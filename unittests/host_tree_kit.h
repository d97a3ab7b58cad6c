/* SPDX-License-Identifier: MIT
 *
 * lagan-9pd's tree of a directory of this machine behind the 9P engine, and a client that asks for
 * this and that: each ask_*() sends one request and returns the reply's error, or 0 with ask_in at
 * its fields.
 */
#pragma once

#include "tools/lagan-9pd/tree.h"
#include "unittests/suite.h"

#define KIT_FIDS 600U

extern struct host_tree kit_tree;
extern struct p9_session kit_served;
extern struct p9_out ask_out;
extern struct p9_in ask_in;
extern uint8_t ask_room[];  /* what was read, from two pieces */
extern bool kit_has_xattrs; /* the file system here knows them */

void ask_begin(unsigned type);
unsigned ask(void);
void ask_text(const char *text);
unsigned ask_attach(uint32_t fid, uint32_t uid);
unsigned ask_walk(uint32_t fid, uint32_t new_fid, const char *names);
unsigned ask_walk_raw(uint32_t fid, uint32_t new_fid, const char *name, uint32_t length);
unsigned ask_one(unsigned type, uint32_t fid);
unsigned ask_clunk(uint32_t fid);
unsigned ask_open(uint32_t fid, uint32_t flags);
unsigned ask_create(uint32_t fid, const char *name, uint32_t flags, uint32_t mode);
int ask_read(uint32_t fid, uint64_t offset, uint32_t count);
int ask_write(uint32_t fid, uint64_t offset, const void *bytes, uint32_t count);
unsigned ask_make(unsigned type, uint32_t dir, const char *name, const char *target, uint32_t mode);
unsigned ask_link(uint32_t dir, uint32_t fid, const char *name);
unsigned ask_rename(uint32_t dir, const char *name, uint32_t to, const char *to_name);
unsigned ask_unlink(uint32_t dir, const char *name, uint32_t flags);
unsigned ask_setattr(uint32_t fid, uint32_t valid, uint32_t mode, uint32_t uid, uint64_t size);
unsigned ask_getattr(uint32_t fid, uint32_t *mode, uint32_t *uid, uint64_t *size);
unsigned ask_xattr_walk(uint32_t fid, uint32_t new_fid, const char *name);
unsigned ask_xattr_create(uint32_t fid, const char *name, uint64_t size);
const char *kit_path(const char *name);
void kit_put_file(const char *name, const char *content);
void kit_begin_session(bool read_only);
void kit_start(void);
unsigned kit_open_files(void);
void kit_finish(void);
