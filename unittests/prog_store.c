/* SPDX-License-Identifier: MIT
 *
 * Tests of the store that the service domain guests/store.c is made of.
 */
#include "suite.h"

extern const struct suite suite_store_pool, suite_store, suite_store_watch, suite_store_tx,
    suite_store_ring, suite_store_admin, suite_store_model;

const struct suite *const suites[] = {
    &suite_store_pool, &suite_store,       &suite_store_watch, &suite_store_tx,
    &suite_store_ring, &suite_store_admin, &suite_store_model, NULL};
