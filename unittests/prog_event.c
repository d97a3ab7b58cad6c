/* SPDX-License-Identifier: MIT
 *
 * Tests of the event channels.
 */
#include "suite.h"

extern const struct suite suite_event, suite_event_fifo, suite_event_model, suite_event_threads,
    suite_console_ring;

const struct suite *const suites[] = {&suite_event,         &suite_event_fifo,   &suite_event_model,
                                      &suite_event_threads, &suite_console_ring, NULL};
