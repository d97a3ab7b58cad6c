/* SPDX-License-Identifier: MIT
 *
 * Tests of what domains use to talk to one another: transport/, and the file server's engine.
 */
#include "suite.h"

extern const struct suite suite_stream, suite_message, suite_transport_threads, suite_pfs,
    suite_cpio, suite_p9_server;

const struct suite *const suites[] = {&suite_stream, &suite_message, &suite_transport_threads,
                                      &suite_pfs,    &suite_cpio,    &suite_p9_server,
                                      NULL};
